"""A dispatcher at work between a real store and real receivers, at a time that the test turns."""

import asyncio
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from random import Random

import msgspec

from tests.backends import opened
from tests.outbound.receivers import HOST, WAIT_S, Relay, Web
from tidings.commit_queue import GroupCommitQueue
from tidings.config import Settings
from tidings.endpoint_commands import AddEndpoint
from tidings.errors import KeyReused
from tidings.model import Command, InboxRow, Outcome, Publish, Published, SetPreferences
from tidings.outbound.channel_registry import ChannelRegistry
from tidings.outbound.dispatcher import DeliveryDispatcher, Submit
from tidings.outbound.webhook_signing import new_secret
from tidings.personal_data import Endpoint, Preferences
from tidings.ports import Store
from tidings.projections.notification_rendering import NotificationRenderer
from tidings.rules import Rule
from tidings.status import DeadLetter
from tidings.testing import FakeClock, event
from tidings.unsubscribing import Unsubscriptions

TYPES = {
    "like": Rule(group="none", channels=("webhook", "email")),
    "reply": Rule(group="none", channels=("webhook", "email")),
    "alarm": Rule(group="none", channels=("webhook", "email"), critical=True),
    "ping": Rule(group="none", channels=("web_push", "apprise")),
}
USER = "alice"
SERVER = "https://market.example/api"
ATTEMPTS = 10
"""Attempts at a delivery before it is given up."""


class World:
    """USER, a store, a dispatcher, a relay and a web server. The dispatcher runs when :meth:`deliver` is called."""

    def __init__(self, store: Store, clock: FakeClock) -> None:
        self.store = store
        self.clock = clock
        self.web = Web()
        self.relay = Relay()
        self.log = GroupCommitQueue(store, batch_events=100, queue=1_000, on_commit=self._committed)
        self._things = count()
        self._endpoints = count()

    @classmethod
    async def opened(cls, backend: str, folder: Path) -> "World":
        """A world over an empty store of this back-end."""
        clock = FakeClock()
        world = cls(await opened(backend, folder, clock, TYPES), clock)
        world.log.start()
        world.web_port = await world.web.start()
        world.relay_port = await world.relay.start()
        world.begin()
        return world

    def begin(self, submit: Submit | None = None, **changed: object) -> None:
        """Begin with a new dispatcher, as a server does that starts; the settings may differ from the usual ones."""
        usual = Settings(
            duplicate_window_s=0,
            smtp_url=f"smtp://{HOST}:{self.relay_port}",
            mail_from="Market <market@example.org>",
            public_url="https://market.example/inbox",
            webhook_allow_http=True,
            webhook_allow_networks=f"{HOST}/32",
        )
        channels = ChannelRegistry(msgspec.structs.replace(usual, **changed), self.clock)
        wording = NotificationRenderer(self.store, "en")
        submit = submit or self.log.submit
        self.unsubscriptions = Unsubscriptions(submit, b"key", SERVER)
        link = self.unsubscriptions.link
        self.dispatcher = DeliveryDispatcher(
            self.store, submit, channels, wording, self.clock, link, Random(1)
        )
        self.dispatcher.start()

    web_port: int
    relay_port: int
    dispatcher: DeliveryDispatcher

    async def close(self) -> None:
        """End everything."""
        await self.dispatcher.close()
        await self.log.close()
        await self.store.close()
        await self.web.stop()
        await self.relay.stop()

    # --- what happens -------------------------------------------------------------------------------------

    async def write(self, command: Command) -> Outcome:
        """Have a command applied."""
        return await self.log.submit(command)

    async def hook(self, path: str = "/hook", user: str = USER) -> Endpoint:
        """Register a webhook at the web server."""
        return await self.endpoint("webhook", f"http://{HOST}:{self.web_port}{path}", new_secret(), user)

    async def mailbox(self, address: str = "alice@example.org") -> Endpoint:
        """Register a mail address."""
        return await self.endpoint("email", address)

    async def endpoint(
        self,
        channel: str,
        address: str,
        secret: str = "",
        user: str = USER,
        confirmed: bool = True,
        vouched: bool = True,
    ) -> Endpoint:
        """Register an endpoint, as the application does unless it is not vouched for."""
        id = f"e{next(self._endpoints)}"
        endpoint = Endpoint(
            id, user, channel, address, secret, self.clock.now(), confirmed=confirmed, vouched=vouched
        )
        await self.write(AddEndpoint(endpoint))
        return endpoint

    async def prefer(self, preferences: Preferences) -> None:
        """Let USER want this."""
        await self.write(SetPreferences(USER, preferences))

    async def tell(self, *verbs: str, actor: str = "bob", user: str = USER) -> str:
        """Let such things happen at once, a "like" if nothing is said, of which the user is told; the id of the first."""
        now = self.clock.now()
        made = (
            event(actor, verb, f"item:{next(self._things)}", targets=(user,), at=now)
            for verb in verbs or ("like",)
        )
        outcome = await self.write(Publish(tuple(made)))
        assert isinstance(outcome, Published)
        return outcome.receipts[0].event_id

    async def deliver(self, after_s: float = 0) -> None:
        """Let time pass, and the dispatcher do what is due then."""
        self.clock.advance(round(after_s * 1_000))
        async with asyncio.timeout(WAIT_S):
            await self.dispatcher.settled()

    # --- what is seen -------------------------------------------------------------------------------------

    async def newest(self) -> InboxRow:
        """The newest notification of USER."""
        return (await self.store.inbox(USER, 1, None)).rows[0]

    async def waiting(self) -> list[int]:
        """How many attempts each delivery has behind it that is not yet settled."""
        far = self.clock.now() + 400 * 86_400_000
        return [delivery.attempts for delivery in await self.store.deliveries(far, 1_000)]

    async def due_in_s(self) -> float | None:
        """Seconds until the next delivery is due."""
        due = await self.store.next_due()
        return None if due is None else (due - self.clock.now()) / 1_000

    async def dead(self) -> list[DeadLetter]:
        """What was given up."""
        return await self.store.dead_letters(1_000)

    def _committed(self, commands: Sequence[Command], outcomes: Sequence[Outcome | KeyReused]) -> None:
        self.dispatcher.nudge()
