"""Registrations of endpoints that overlap with other writes."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tidings.config import Confirmed
from tidings.confirmations import NO_SERVER_URL
from tidings.delivery_endpoints import EndpointInput, EndpointService
from tidings.endpoint_commands import AddEndpoint, ConfirmEndpoint
from tidings.errors import InvalidFields
from tidings.model import Command, CommandResult, EraseUser
from tidings.pauses import Pauses
from tidings.testing import FakeClock, MemoryStore

ADDRESS = "ann@example.org"
MAIL = EndpointInput("email", ADDRESS)
Before = Callable[[Command], Awaitable[None]]


class _Log:
    """Writes each command at once, after what a test does before it."""

    def __init__(self, store: MemoryStore, before: Before) -> None:
        self._store = store
        self._before = before

    async def submit(self, command: Command) -> object:
        """Write it."""
        await self._before(command)
        (outcome,) = await self._store.write([command])
        return outcome


class _Confirmations:
    """Asks nobody for a confirmation, but counts."""

    missing = ""

    def __init__(self) -> None:
        self.begun: list[str] = []

    async def reserve(self, user: str, address: str) -> None:
        """Always possible."""

    def begin(self, id: str, address: str, waits: object) -> None:
        """A confirmation mail would be sent."""
        self.begun.append(address)


async def at_once(command: Command) -> None:
    """Nothing happens before a write."""


def service(
    before: Before, confirmed: Confirmed = "users"
) -> tuple[EndpointService, MemoryStore, _Confirmations]:
    """A service over an empty store."""
    clock = FakeClock()
    store, confirmations = MemoryStore(clock), _Confirmations()
    log: Any = _Log(store, before)
    asks: Any = confirmations
    made = EndpointService(
        store,
        log,
        clock,
        allow_http=False,
        new_secret=lambda: "secret",
        push_key=lambda: None,
        confirmations=asks,
        confirmed=confirmed,
        refusal=lambda url, vouched: "",
        missing=lambda channel: "",
        pauses=Pauses(clock),
    )
    return made, store, confirmations


def test_a_registration_that_waits_holds_up_none_of_others() -> None:
    """One lock for all was held while a command waited for its turn, so the queue of one user was that of all."""

    async def play() -> None:
        release = asyncio.Event()

        async def before(command: Command) -> None:
            if isinstance(command, AddEndpoint) and command.endpoint.user == "mallory":
                await release.wait()

        made, store, _ = service(before)
        slow = asyncio.create_task(made.add("mallory", MAIL, vouched=True))
        await made.add("bob", MAIL, vouched=True)
        assert not slow.done()
        assert await store.endpoints("mallory") == []
        release.set()
        await slow

    asyncio.run(play())


def test_what_an_erasure_deletes_does_not_come_back_confirmed() -> None:
    """A registration that had seen the confirmed endpoint wrote it again, confirmed."""

    async def play() -> None:
        erase = False
        store: MemoryStore

        async def before(command: Command) -> None:
            if erase and isinstance(command, AddEndpoint):
                await store.write([EraseUser("ann")])

        made, store, confirmations = service(before)
        first = await made.add("ann", MAIL, vouched=False)
        (outcome,) = await store.write([ConfirmEndpoint(first.endpoint.id)])
        assert outcome == CommandResult(1, 0)
        again = await made.add("ann", MAIL, vouched=False)
        assert (again.endpoint.confirmed, len(confirmations.begun)) == (True, 1)
        erase = True
        back = await made.add("ann", MAIL, vouched=False)
        assert (back.endpoint.confirmed, back.new, len(confirmations.begun)) == (False, True, 2)

    asyncio.run(play())


@pytest.mark.parametrize(
    ("setting", "by_user", "by_application"),
    [("none", True, True), ("users", False, True), ("all", False, False)],
)
def test_the_setting_says_which_addresses_are_confirmed_first(
    setting: Confirmed, by_user: bool, by_application: bool
) -> None:
    """Each address that is not gets a mail, and is confirmed by that alone: not by the application that registers it."""

    async def play() -> None:
        made, store, confirmations = service(at_once, setting)
        for vouched, confirmed in ((False, by_user), (True, by_application)):
            user = f"vouched {vouched}"
            found = (await made.add(user, MAIL, vouched=vouched)).endpoint
            assert (found.confirmed, found.is_usable) == (confirmed, confirmed)
            again = (await made.add(user, MAIL, vouched=vouched)).endpoint
            assert again.confirmed is confirmed
            hook = EndpointInput("webhook", "https://hook.example/")
            assert (await made.add(user, hook, vouched=vouched)).endpoint.confirmed
            await store.write([ConfirmEndpoint(found.id)])
            assert (await made.add(user, MAIL, vouched=vouched)).endpoint.confirmed
        assert len(confirmations.begun) == 2 * [by_user, by_application].count(False)

    asyncio.run(play())


@pytest.mark.parametrize(("setting", "said"), [("users", True), ("all", False)])
def test_a_missing_server_url_names_the_way_out(setting: Confirmed, said: bool) -> None:
    """The fault would be a hint that the application registers the address, where it cannot either."""

    async def play() -> None:
        made, _, confirmations = service(at_once, setting)
        confirmations.missing = NO_SERVER_URL
        with pytest.raises(InvalidFields) as refused:
            await made.add("ann", MAIL, vouched=not said)
        (error,) = refused.value.errors
        assert error.detail.startswith(NO_SERVER_URL)
        assert ("API key" in error.detail) is said

    asyncio.run(play())


@pytest.mark.parametrize("renewal", ["add", "enable", "rotate"])
def test_the_service_ends_the_pause_of_an_endpoint_that_it_renews(renewal: str) -> None:
    """The fault: nothing forgot the pause of a webhook that was registered again."""

    async def play() -> None:
        made, store, _ = service(at_once)
        hook = EndpointInput("webhook", "https://example.org/hook")
        (endpoint, _) = await made.add("ann", hook, vouched=True)
        made.pauses.begin(endpoint, 600)
        assert made.paused_until(endpoint) > 0
        if renewal == "add":
            await made.add("ann", hook, vouched=True)
        elif renewal == "enable":
            await made.enable("ann", endpoint.id)
        else:
            await made.rotate_secret("ann", endpoint.id, 0)
        assert [made.paused_until(one) for one in await store.endpoints("ann")] == [0]
        assert made.pauses.ids() == ()

    asyncio.run(play())
