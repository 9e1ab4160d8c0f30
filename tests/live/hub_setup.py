"""A hub over a real store, with wires that keep what is written, and a clock that is turned."""

import asyncio
import random
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager

import msgspec

from tests.live.tape import Tape
from tidings.activity_scope import NOTHING_WATCHED, Watched
from tidings.config import Settings
from tidings.errors import Unavailable
from tidings.filters import Choice
from tidings.live import Hub, Stream
from tidings.model import (
    Command,
    EraseUser,
    EventAudience,
    InboxChanges,
    InboxCounters,
    MarkFeedRead,
    MarkFeedUnread,
    MaterializeBroadcasts,
    Publish,
    Retract,
    UndoMarkFeedRead,
)
from tidings.projections.notification_rendering import NotificationRenderer
from tidings.testing import FakeClock, MemoryStore, event

NOTIFICATIONS = frozenset({"notifications"})
SETTINGS = Settings()
IN_THE_LOG = (Publish, Retract, EraseUser, MarkFeedRead, MarkFeedUnread, UndoMarkFeedRead)
"""What takes a position, and so may be news of a feed."""


class Counting(MemoryStore):
    """Counts what it is asked, and fails when told to."""

    asked = 0
    failures = 0
    failure: Exception = OSError("the disk is on fire")

    async def counts(self, users: Sequence[str], type: Choice[str] | None = None) -> list[InboxCounters]:
        self.asked += 1
        return await super().counts(users, type)

    async def inbox_since(self, user: str, since: int, limit: int) -> InboxChanges:
        self.asked += 1
        return await super().inbox_since(user, since, limit)

    async def audience_since(
        self,
        after: int,
        users: Collection[str],
        limit: int,
        watched: Watched = NOTHING_WATCHED,
        readers: Collection[str] = (),
    ) -> tuple[list[EventAudience], int]:
        if self.failures:
            self.failures -= 1
            raise self.failure
        return await super().audience_since(after, users, limit, watched, readers)


class Place:
    """A hub, its store and its clock. While it is ``stuck``, no broadcast can be brought."""

    def __init__(self, settings: Settings = SETTINGS) -> None:
        self.stuck = False
        self.paused, self.brought = asyncio.Event(), asyncio.Event()
        self._going = asyncio.Event()
        self._going.set()
        self.clock = FakeClock()
        self.store = Counting(self.clock, epoch="e")
        wording = NotificationRenderer(self.store, "en")
        self.live = Hub(
            self.store, wording, self._materialize, settings, self.clock, "e", 0, rng=random.Random(7)
        )

    async def _materialize(self, users: Sequence[str], erasures: int) -> None:
        if self.stuck:
            raise Unavailable
        self.paused.set()
        await self._going.wait()
        await self.write(MaterializeBroadcasts(tuple(users), erasures), users=users)
        self.brought.set()

    def pause(self) -> None:
        """Let what is brought from now on wait; ``paused`` is set once something does."""
        self._going.clear()
        self.paused.clear()

    def resume(self) -> None:
        """Bring what waits; ``brought`` is set once that is written."""
        self.brought.clear()
        self._going.set()

    async def known(self) -> set[str]:
        """The users whom the store knows by name, other than those who act."""
        return set(self.store._people) - {"ann"}

    async def write(self, *commands: Command, users: Sequence[str] = (), hint: bool = True) -> None:
        """Commit, then say so, as the server does."""
        await self.store.write(commands)
        if hint:
            self.live.notify(users, any(isinstance(command, IN_THE_LOG) for command in commands))

    async def publish(self, *targets: str, obj: str = "item:1", hint: bool = True) -> None:
        """Notify these users of something."""
        await self.write(Publish((event("ann", obj=obj, targets=targets),)), users=targets, hint=hint)

    def open(
        self,
        user: str = "bob",
        last: str | None = None,
        include: frozenset[str] = NOTIFICATIONS,
        tape: Tape | None = None,
        expires_in_s: float | None = None,
    ) -> tuple[Stream, Tape]:
        """A stream on a tape."""
        tape = tape or Tape()
        self.live.admit(user, "")
        return self.live.open(user, include, last, tape, expires_in_s=expires_in_s), tape

    def seconds(self, number: float) -> None:
        """Let time pass, in the steps of the hub's own ticking."""
        for _ in range(int(number)):
            self.clock.advance(1_000)
            self.live.tick()


@asynccontextmanager
async def place(**settings: int) -> AsyncIterator[Place]:
    """A running hub."""
    made = Place(msgspec.structs.replace(SETTINGS, **settings))
    made.live.start()
    try:
        yield made
    finally:
        await made.live.close()
