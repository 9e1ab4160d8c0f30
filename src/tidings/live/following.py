"""Following: what is new, for many streams at once.

It sends the counters of inboxes to streams that open, changes of the inboxes that hints name, and events in the feeds of
users with streams. It consists of short reads, each for many streams.
"""

import asyncio
import contextlib
import math
from collections.abc import Callable, Iterable, Sequence
from random import Random

from tidings.background import NextRun, Worker
from tidings.errors import Unavailable
from tidings.live.event_fanout import EventFanOut
from tidings.live.frames import Cursor, Frame
from tidings.live.inbox_reader import InboxReader
from tidings.live.registry import StreamRegistry
from tidings.live.stream import State, Stream, VisitorStream
from tidings.live.stream_deadlines import StreamDeadlines
from tidings.model import InboxChanges, InboxCounters
from tidings.ports import Store
from tidings.projections.pending_broadcasts import HEADS, Materialize, inbox_heads
from tidings.telemetry import RESUMES
from tidings.timeutil import Clock

AUDIENCE_POSITIONS = 200
"""Positions of the log examined in one step of following."""
GATHER_S = 0.075
"""Seconds for which streams that open are gathered after a hello to others: after a restart thousands open, and each batch
costs one statement. The documentation promises a hello within 0.1 s."""
LONGEST_PAUSE_S = 5.0
"""Maximum of the seconds for which following pauses after failures of the store: users look at what it sends."""


class Following(Worker):
    """Sends what is new to the streams that have everything else."""

    def __init__(
        self,
        store: Store,
        materialize: Materialize,
        registry: StreamRegistry,
        inboxes: InboxReader,
        queue: Callable[[Stream], None],
        deadlines: StreamDeadlines,
        clock: Clock,
        position: int,
        on_failure: Callable[[], None],
        rng: Random,
    ) -> None:
        """``queue`` has a stream catch up. ``position``: the head of the log; events after it are sent as new.
        ``on_failure`` is called when a step failed: it may have left changes out, so all inboxes must be compared.
        ``rng`` spreads the requests of clients."""
        super().__init__("following", longest_pause_s=LONGEST_PAUSE_S)
        self._store = store
        self._materialize = materialize
        self._registry = registry
        self._inboxes = inboxes
        self._queue = queue
        self._deadlines = deadlines
        self._clock = clock
        self._on_failure = on_failure
        self._fan_out = EventFanOut(registry, rng)
        self.position = position
        """Streams that follow have all events of the log up to it, or are getting them."""
        self._opening: list[Stream] = []
        self._hinted: dict[str, None] = {}
        self._published = False
        self._greeted_at = -math.inf
        self._gathering = False

    def greet(self, stream: Stream) -> None:
        """Start a stream that opens, as soon as the counters of its inbox are read."""
        self._opening.append(stream)
        self.nudge()

    def notify(self, users: Iterable[str], published: bool) -> None:
        """The inboxes of these users changed; ``published``: the log has new events, so any feed may have changed."""
        for user in users:
            if user in self._registry.streams:
                self._hinted[user] = None
            self._registry.wake_waiters(user)
        if published:
            self.check_feeds()
        if self._hinted:
            self.nudge()

    def add_hint(self, user: str) -> None:
        """The inbox of this user, who has streams, changed."""
        self._hinted[user] = None
        self.nudge()

    def check_feeds(self) -> None:
        """Any feed may have changed."""
        self._published = self._published or bool(self._registry.listening or self._registry.watching)
        self.nudge()

    async def _round(self) -> NextRun:
        try:
            await self._step()
        except Exception:
            self._on_failure()
            raise
        return NextRun(None)

    async def _step(self) -> None:
        """Send all that is new, once."""
        if self._opening and self._batch_ready():
            await self._begin()
        hinted, self._hinted = self._hinted, {}
        for user in hinted:
            await self._send_inbox(user)
        if self._published:
            await self._send_feeds()

    def _batch_ready(self) -> bool:
        """Whether the streams that opened get their hello now. After a hello to others they wait, so that more are
        gathered."""
        loop = asyncio.get_running_loop()
        since_s = loop.time() - self._greeted_at
        if not self._gathering and since_s < GATHER_S:
            self._gathering = True
            loop.call_later(GATHER_S - since_s, self._gather_no_more)
        if self._gathering:
            return False
        self._greeted_at = loop.time()
        return True

    def _gather_no_more(self) -> None:
        self._gathering, self._greeted_at = False, -math.inf
        self.nudge()

    async def _begin(self) -> None:
        """Start the streams that were opened, with one read of the counters of all."""
        opening, self._opening = self._opening[:HEADS], self._opening[HEADS:]
        if self._opening:
            self.nudge()
        opening = [stream for stream in opening if stream.state is State.CONNECTING]
        try:
            users = list(
                dict.fromkeys(stream.user for stream in opening if not isinstance(stream, VisitorStream))
            )
            counters = await inbox_heads(self._store, users, self._materialize) if users else {}
            position = (await self._store.head()).position
        except BaseException:
            self._opening += opening
            raise
        now = self._clock.monotonic()
        for stream in opening:
            if stream.state is not State.CONNECTING:
                continue
            if isinstance(stream, VisitorStream):
                stream.start(InboxCounters(0, 0), stream.public.beginning(position), now)
                self._join(stream, 0, position)
                continue
            stream.start(counters[stream.user], position, now)
            # A credential may end before the next tick.
            self._deadlines.send_timers(stream, now)
            self._join(stream, counters[stream.user].seq, position)

    def _join(self, stream: Stream, seq: int, position: int) -> None:
        """Go live at once if the client has everything, as most returning clients do; else catch up."""
        head = Cursor(None if stream.seq is None else seq, None if stream.position is None else position)
        empty = stream.cursor == head
        RESUMES.labels("empty" if empty else "behind").inc()
        if empty and not stream.dirty and position >= self.position:
            stream.go_live()
        else:
            self._queue(stream)

    async def _send_inbox(self, user: str) -> None:
        """Send the changes of a user's inbox to the streams of the user: each gets the changes after its own cursor, since
        only the cursor shows whether the client's state is still of this inbox."""
        by_cursor: dict[int, list[Stream]] = {}
        for stream in self._ready(self._registry.streams.get(user, ())):
            by_cursor.setdefault(stream.seq or 0, []).append(stream)
        for since, following in by_cursor.items():
            await self._send_changes(user, since, following)

    async def _send_changes(self, user: str, since: int, streams: Sequence[Stream]) -> None:
        if not any(stream.state is State.FOLLOWING for stream in streams):
            return
        erasures = self._store.erasures.begun
        changes = await self._inboxes.changes(user, since)
        if changes.counts.lacking:
            # The changes are sent, also when the broadcasts cannot be materialised.
            with contextlib.suppress(Unavailable):
                await self._materialize([user], erasures)
        some = await self._inboxes.frames(user, since, changes)
        now = self._clock.monotonic()
        for stream in streams:
            if stream.state is State.FOLLOWING:
                self._deliver(stream, changes, some, now)

    def _ready(self, streams: Iterable[Stream]) -> list[Stream]:
        """The streams that can be sent to at once; the others are marked to read the store again."""
        ready = []
        for stream in streams:
            if stream.seq is None:
                continue
            if stream.state is State.FOLLOWING:
                ready.append(stream)
            else:
                stream.dirty = True
        return ready

    def _deliver(self, stream: Stream, changes: InboxChanges, some: list[Frame], now: float) -> None:
        if changes.reset:
            stream.reset_inbox(changes.counts.seq, now)
            return
        stream.skip_to(self.position)
        stream.send(some, now)
        if changes.more:
            stream.lag()
            self._queue(stream)

    async def _send_feeds(self) -> None:
        """Send new events and changes of feeds to the streams."""
        self._published = False
        before = self.position
        audiences, reached = await self._store.audience_since(
            before,
            self._registry.listening.keys(),
            AUDIENCE_POSITIONS,
            self._registry.watched,
            self._registry.reading.keys(),
        )
        # First: a stream that catches up meanwhile goes live only with all of these, since it gets none of them here.
        self.position = reached
        try:
            await self._fan_out.send(audiences, self._clock.monotonic())
        except BaseException:
            self.position = before  # a stream ignores what it has when they are sent again
            raise
        if reached > before:
            self._published = True  # until a read finds no more
            self.nudge()
