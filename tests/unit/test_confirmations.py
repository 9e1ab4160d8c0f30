"""Links that confirm a mail address, and how many mails may ask for that."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import pytest

from tests.backends import opened
from tidings.commit_queue import GroupCommitQueue
from tidings.confirmations import (
    CONFIRM_WITHIN_S,
    MAIL_WINDOW_S,
    MAILS_PER_ADDRESS,
    MAILS_PER_USER,
    Confirmations,
)
from tidings.endpoint_commands import AddEndpoint, ConfirmEndpoint, RemoveEndpoint
from tidings.errors import Expired, NotFound, TooManyRequests
from tidings.model import Command, EraseUser
from tidings.personal_data import Endpoint
from tidings.ports import Store
from tidings.testing import FakeClock

KEY = b"k" * 32
URL = "https://market.example/api"
State = Literal["sent", "failed", "dead", "gone"]


class Scene:
    """Confirmations over a real store, and the mails that they sent."""

    def __init__(self, store: Store, clock: FakeClock) -> None:
        self.store = store
        self.clock = clock
        self.mails: list[tuple[str, str]] = []
        self.states: list[State] = []
        self.log = GroupCommitQueue(
            store, batch_events=10, queue=100, on_commit=lambda commands, outcomes: None
        )
        self.confirmations = Confirmations(self.log, clock, KEY, URL + "/", self._send)

    async def _send(self, address: str, link: str) -> State:
        self.mails.append((address, link))
        return self.states.pop(0) if self.states else "sent"

    async def token(self, id: str = "e1", address: str = "bob@example.org") -> str:
        """The token of the link that such an endpoint is sent."""
        self.confirmations.begin(id, address, _waiting)
        await self.confirmations.sent()
        page, _, token = self.mails[-1][1].partition("?token=")
        assert page == "https://market.example/api/v1/confirm"
        return token

    async def add(self, user: str = "bob", id: str = "e1") -> None:
        """Register an address that is not confirmed."""
        await self.log.submit(AddEndpoint(Endpoint(id, user, "email", "bob@example.org", confirmed=False)))

    async def confirmed(self, user: str = "bob") -> Sequence[bool]:
        """Which endpoints are confirmed."""
        return [endpoint.confirmed for endpoint in await self.store.endpoints(user)]

    async def reserved(self, user: str, address: str) -> bool:
        """Whether a mail may be sent."""
        try:
            await self.confirmations.reserve(user, address)
        except TooManyRequests as refusal:
            return refusal.retry_after != MAIL_WINDOW_S
        return True


async def _waiting() -> bool:
    return True


@pytest.fixture(params=["memory", "sqlite"])
def backend(request: pytest.FixtureRequest) -> str:
    """A back-end."""
    return str(request.param)


async def scene(backend: str, folder: Path) -> Scene:
    """A scene over an empty store."""
    clock = FakeClock()
    made = Scene(await opened(backend, folder, clock), clock)
    made.log.start()
    return made


async def end(made: Scene) -> None:
    """Close what was opened."""
    await made.confirmations.close()
    await made.log.close()
    await made.store.close()


def test_a_link_confirms_its_endpoint_and_does_so_again(backend: str, tmp_path: Path) -> None:
    """A second click is no error; the endpoint of another is not touched."""

    async def play() -> None:
        made = await scene(backend, tmp_path)
        await made.add()
        await made.add("cy", "e2")
        token = await made.token()
        assert await made.confirmed() == [False]
        assert made.confirmations.check(token) == "e1"
        assert await made.confirmed() == [False]
        for _ in range(2):
            await made.confirmations.confirm(token)
        assert (await made.confirmed(), await made.confirmed("cy")) == ([True], [False])
        await end(made)

    asyncio.run(play())


def test_a_link_ends_with_its_time_and_with_its_endpoint(backend: str, tmp_path: Path) -> None:
    """It is not taken after CONFIRM_WITHIN_S, nor for an endpoint that is no more, also by the same address."""

    async def play() -> None:
        made = await scene(backend, tmp_path)
        await made.add()
        token = await made.token()
        made.clock.advance(CONFIRM_WITHIN_S * 1_000 - 1)
        made.confirmations.check(token)
        made.clock.advance(1)
        with pytest.raises(Expired):
            await made.confirmations.confirm(token)
        token = await made.token()
        await made.log.submit(EraseUser("bob"))
        with pytest.raises(NotFound):
            await made.confirmations.confirm(token)
        await made.add(id="e9")
        with pytest.raises(NotFound):
            await made.confirmations.confirm(token)
        await end(made)

    asyncio.run(play())


@pytest.mark.parametrize("token", ["", "x", "AAAA", "A" * 60, "é" * 30, "====", "-_" * 30])
def test_a_made_up_link_confirms_nothing(token: str) -> None:
    """Nor is it a fault."""

    async def play() -> None:
        log = GroupCommitQueue(_unused(), batch_events=1, queue=1, on_commit=lambda commands, outcomes: None)
        with pytest.raises(NotFound):
            Confirmations(log, FakeClock(), KEY, URL, None).check(token)

    asyncio.run(play())


def _unused() -> Store:
    from tidings.testing import MemoryStore

    return MemoryStore(FakeClock())


def test_no_byte_of_a_link_can_be_changed(tmp_path: Path) -> None:
    """Neither the endpoint nor the time in it."""

    async def play() -> None:
        made = await scene("memory", tmp_path)
        token = await made.token()
        for at in range(len(token) - 1):
            changed = token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]
            with pytest.raises(NotFound):
                made.confirmations.check(changed)
        await end(made)

    asyncio.run(play())


def test_an_address_gets_few_mails_whoever_causes_them(backend: str, tmp_path: Path) -> None:
    """Across users, spellings and tags, until a day later; other addresses are not concerned."""

    async def play() -> None:
        made = await scene(backend, tmp_path)
        spellings = ("bob@example.org", "BOB@example.org", "bob+1@Example.org", "bob+2@example.org")
        asked = [await made.reserved(f"user-{i}", address) for i, address in enumerate(spellings)]
        assert asked == [i < MAILS_PER_ADDRESS for i in range(len(spellings))]
        assert await made.reserved("user-9", "eve@example.org")
        made.clock.advance(MAIL_WINDOW_S * 1_000)
        assert await made.reserved("user-9", "bob@example.org")
        await end(made)

    asyncio.run(play())


def test_a_user_causes_few_mails_whoever_gets_them(backend: str, tmp_path: Path) -> None:
    """Or one could have mails sent to a list of strangers."""

    async def play() -> None:
        made = await scene(backend, tmp_path)
        asked = [await made.reserved("bob", f"stranger-{i}@example.org") for i in range(MAILS_PER_USER + 2)]
        assert asked == [i < MAILS_PER_USER for i in range(MAILS_PER_USER + 2)]
        assert await made.reserved("cy", "stranger-0@example.org")
        await end(made)

    asyncio.run(play())


def test_erasing_oneself_does_not_lift_the_limit_of_an_address(backend: str, tmp_path: Path) -> None:
    """The mails that went to it still count."""

    async def play() -> None:
        made = await scene(backend, tmp_path)
        for i in range(MAILS_PER_ADDRESS):
            assert await made.reserved(f"user-{i}", "bob@example.org")
            await made.log.submit(EraseUser(f"user-{i}"))
        assert not await made.reserved("user-0", "bob@example.org")
        await end(made)

    asyncio.run(play())


def test_users_who_erase_themselves_still_have_their_limit(backend: str, tmp_path: Path) -> None:
    """The fault: who erased themselves between two registrations could have any number of strangers asked."""

    async def play() -> None:
        made = await scene(backend, tmp_path)
        for i in range(MAILS_PER_USER):
            assert await made.reserved("mallory", f"stranger-{i}@example.org")
            await made.log.submit(EraseUser("mallory"))
        assert not await made.reserved("mallory", "stranger-9@example.org")
        assert await made.reserved("bob", "stranger-9@example.org")
        made.clock.advance(MAIL_WINDOW_S * 1_000)
        assert await made.reserved("mallory", "stranger-9@example.org")
        await end(made)

    asyncio.run(play())


def test_a_mailbox_at_gmail_gets_few_mails_however_its_dots_are_set(backend: str, tmp_path: Path) -> None:
    """The fault: each way to set the dots of a name counted as an address of its own."""

    async def play() -> None:
        made = await scene(backend, tmp_path)
        variants = ("jdoe@gmail.com", "j.doe@gmail.com", "j.d.o.e@Googlemail.com", "jdo.e+x@gmail.com")
        asked = [await made.reserved(f"user-{i}", address) for i, address in enumerate(variants)]
        assert asked == [i < MAILS_PER_ADDRESS for i in range(len(variants))]
        await end(made)

    asyncio.run(play())


def test_a_refused_mail_is_not_tried_again(tmp_path: Path) -> None:
    """A relay that says no for good hears of it once."""

    async def play() -> None:
        made = await scene("memory", tmp_path)
        made.states = ["dead", "sent"]
        await made.token()
        assert len(made.mails) == 1
        await end(made)

    asyncio.run(play())


@pytest.mark.parametrize("change", [EraseUser("bob"), RemoveEndpoint("bob", "e1"), ConfirmEndpoint("e1")])
def test_no_mail_is_sent_for_what_waits_no_more(
    change: Command, backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fault: a relay said "later", the person was erased, and seconds later got the mail."""
    monkeypatch.setattr("tidings.confirmations.RETRIES_S", (0, 0, 0))

    async def play() -> None:
        made = await scene(backend, tmp_path)
        made.states = ["failed", "failed", "sent"]
        await made.add()

        async def waits() -> bool:
            if len(made.mails) == 1:
                await made.log.submit(change)
            return False in await made.confirmed()

        made.confirmations.begin("e1", "bob@example.org", waits)
        await made.confirmations.sent()
        assert len(made.mails) == 1
        await end(made)

    asyncio.run(play())
