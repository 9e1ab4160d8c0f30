"""The hub: the open streams by user, and the two loops that feed them from the store.

*Following* sends what is new: the counters of inboxes to streams that open, changes of the inboxes that hints name, and
events in the feeds of users with streams. It consists of short reads for many streams at once. *Refilling* sends one chunk
in turn to each stream that is behind, so that a client that was away for a month delays no connected client.
"""

import asyncio
import contextlib
import logging
import math
import random
from collections import deque
from collections.abc import Coroutine, Iterable, Iterator, Mapping, Sequence
from typing import Any

from tidings.config import Settings
from tidings.errors import Unavailable
from tidings.feed_changes import FeedChange, FeedReset
from tidings.live.admission import AdmissionController
from tidings.live.frames import (
    ACTIVITY,
    Cursor,
    Frame,
    activity_frame,
    change_frame,
    feed_frames,
    inbox_frames,
)
from tidings.live.stream import State, Stream
from tidings.live.timer_wheel import TimerWheel
from tidings.live.transport import Transport
from tidings.live.waiters import InboxWaiter
from tidings.model import EventAudience, FeedItem, InboxChanges, InboxCounters
from tidings.ports import Store
from tidings.projections.notification_rendering import NotificationRenderer
from tidings.projections.pending_broadcasts import Materialize, inbox_heads
from tidings.telemetry import RESUMES, STREAM_ENDS
from tidings.timeutil import Clock

CHUNK = 40
"""Changes read from the store for one stream at once: half a millisecond, and about as much as a transport takes in one
turn."""
HEARD_POSITIONS = 200
"""Positions of the log examined in one step of following."""
HEADS = 1_000
"""Inboxes whose counters one statement reads: two milliseconds, then other tasks have the loop."""
GATHER_S = 0.075
"""Seconds for which streams that open are gathered after a hello to others: after a restart thousands open, and each batch
costs one statement. The documentation promises a hello within 0.1 s."""
REFILLS = 4
"""Streams that catch up at the same time."""
TICK_S = 1.0
"""Seconds between two checks of the deadlines; heartbeats, rotation and the end of credentials have this resolution."""
WARN_S = 30
"""Seconds before the end of its credential at which a stream warns: time to fetch a new one."""
MAX_BEHIND_S = 30
"""Seconds for which a transport may stay full. After them the stream ends, and its buffers are released."""
ROTATION_SPREAD = 0.2
"""The share of the maximum age by which a stream ends earlier or later, at random, so that streams that opened together end
at different times."""
RETRY_MS = (1_000, 3_000)
"""Milliseconds after which clients reconnect after a lost connection; random for each, so that not all return at once."""
ROTATE_RETRY_MS = (1_000, 2_000)
"""The same if only this stream ends. Not less: browsers apply a small ``retry`` exactly."""
DRAIN_PER_S = 250
"""Streams that end each second when the server stops: as many as the next server can admit."""
DRAIN_SHARE = 0.8
"""The share of ``shutdown_s`` that draining may take; the rest is for running requests and the store."""
FEED_RESET = "what has been read of the feed, or retracted, is not known from there on"
"""The reason why a stream with a feed is reset: its cursor is older than the stored changes, or a read-all was undone."""
ERASED = "the user was erased"
"""The reason why the streams of an erased user end."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 5.0
"""Seconds for which following pauses after a failure of the store, at first and at most."""

_log = logging.getLogger(__name__)


class Hub:
    """Holds the open streams of one process, and sends their frames."""

    def __init__(
        self,
        store: Store,
        wording: NotificationRenderer,
        materialize: Materialize,
        settings: Settings,
        clock: Clock,
        epoch: str,
        position: int,
        rng: random.Random | None = None,
    ) -> None:
        """``position``: the head of the log; events after it are sent as new."""
        self._store = store
        self._wording = wording
        self._materialize = materialize
        self._settings = settings
        self._clock = clock
        self._epoch = epoch
        self._position = position
        self._rng = rng or random.Random()
        self._admission = AdmissionController(settings, clock, self._rng)
        self._streams: dict[str, list[Stream]] = {}
        self._listening: dict[str, list[Stream]] = {}
        self._waiters: dict[str, dict[InboxWaiter, None]] = {}
        self._waiter_counters: dict[str, int] = {}
        self._open = self._waiting = 0
        self._opening: list[Stream] = []
        self._hinted: dict[str, None] = {}
        self._published = False
        self._greeted_at = -math.inf
        self._gathering = False
        self._behind: deque[Stream] = deque()
        self._wheel: TimerWheel[Stream] = TimerWheel(clock.monotonic())
        self._work = asyncio.Event()
        self._reconcile = asyncio.Event()
        self._refill = asyncio.Semaphore(0)
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin feeding; needs a running event loop."""
        loops: list[Coroutine[Any, Any, None]] = [self._follow(), self._compare(), self._tick()]
        loops += [self._refilling() for _ in range(REFILLS)]
        self._tasks += [asyncio.create_task(loop, name="live") for loop in loops]

    # --- calls of the transports -------------------------------------------------------------------------

    def admit(self, user: str, address: str, *, stays: bool = True) -> None:
        """Admit a stream of this user, which must then be opened; it ``stays`` open, or ends as soon as it has sent what
        there is. Raises TooManyRequests, Deferred."""
        mine = len(self._streams.get(user, ())) + len(self._waiters.get(user, ()))
        self._admission.check(self._open + self._waiting, mine, address, stays=stays)

    def open(
        self,
        user: str,
        include: frozenset[str],
        last_event_id: str | None,
        wire: Transport,
        *,
        address: str = "",
        expires_in_s: float | None = None,
    ) -> Stream:
        """A stream on this transport that continues at the client's cursor. Its hello follows as soon as the store has been
        read.

        The stream is registered before the read, so that it gets each later change.
        """
        now = self._clock.monotonic()
        stream = Stream(user, include, last_event_id, wire, self._epoch, address)
        stream.wrote_at = now
        stream.ends_at = None if expires_in_s is None else now + expires_in_s
        spread = self._rng.uniform(1 - ROTATION_SPREAD, 1 + ROTATION_SPREAD)
        stream.rotates_at = now + self._settings.max_stream_s * spread
        self._streams.setdefault(user, []).append(stream)
        if ACTIVITY in include:
            self._listening.setdefault(user, []).append(stream)
        self._admission.acquire(address)
        self._open += 1
        self._opening.append(stream)
        self._schedule(stream, now)
        wire.write(wire.encoder.retry(self._rng.randint(*RETRY_MS)))
        self._work.set()
        return stream

    def lost(self, stream: Stream) -> None:
        """The client of a stream has disconnected."""
        if stream.state is not State.ENDED:
            STREAM_ENDS.labels("client").inc()
        stream.lost()
        self._forget(stream)

    def answered(self, stream: Stream) -> None:
        """A stream whose transport is one response has sent what there was."""
        if stream.state is not State.ENDED:
            self._end(stream, "answered")

    def writable(self, stream: Stream) -> None:
        """The transport of a stream takes bytes again."""
        if stream.writable():
            self._fill(stream)

    def _forget(self, stream: Stream) -> None:
        for registry in (self._streams, self._listening):
            mine = registry.get(stream.user)
            if mine is not None and stream in mine:
                mine.remove(stream)
                if not mine:
                    del registry[stream.user]
                if registry is self._streams:
                    self._open -= 1
                    self._admission.release(stream.address)

    @contextlib.contextmanager
    def waiter(self, user: str, address: str = "") -> Iterator[InboxWaiter]:
        """A waiter for changes of a user's inbox, for as long as the block lasts; it counts as a stream of the user. It
        ends at once when the server drains. Raises TooManyRequests, Deferred."""
        waiter = InboxWaiter()
        if self.closing:
            waiter.wake(over=True)
            yield waiter
            return
        self.admit(user, address)
        self._waiters.setdefault(user, {})[waiter] = None
        self._admission.acquire(address)
        self._waiting += 1
        try:
            yield waiter
        finally:
            self._waiting -= 1
            self._admission.release(address)
            del self._waiters[user][waiter]
            if not self._waiters[user]:
                del self._waiters[user]
                self._waiter_counters.pop(user, None)

    # --- calls of the log --------------------------------------------------------------------------------

    def notify(self, users: Iterable[str], published: bool) -> None:
        """The inboxes of these users changed; ``published``: the log has new events, so any feed may have changed."""
        for user in users:
            if user in self._streams:
                self._hinted[user] = None
            for waiter in self._waiters.get(user, ()):
                waiter.wake()
        self._published = self._published or (published and bool(self._listening))
        if self._hinted or self._published:
            self._work.set()

    def reconcile_all(self) -> None:
        """Any inbox may have changed: compare the counters of all. The tick calls this too, so that a lost hint delays a
        change by a second at most."""
        self._reconcile.set()
        self._published = bool(self._listening)
        self._work.set()

    def erased(self, users: Iterable[str]) -> None:
        """These users were erased: end their streams and waiters, which would otherwise write the names again with the next
        broadcast. Their clients get a reset and reconnect; the store then treats them as new users."""
        for user in users:
            for stream in tuple(self._streams.get(user, ())):
                stream.dismiss(ERASED, self._rng.randint(*RETRY_MS), self._clock.monotonic())
                self._end(stream, "erased")
            for waiter in self._waiters.get(user, ()):
                waiter.wake(over=True)

    @property
    def open_streams(self) -> int:
        """Streams open now."""
        return self._open

    @property
    def waiting_polls(self) -> int:
        """Requests that wait for changes of an inbox now."""
        return self._waiting

    @property
    def busy(self) -> bool:
        """Whether any stream or waiter exists; without one, publishing needs no hints."""
        return bool(self._streams or self._waiters)

    @property
    def closing(self) -> bool:
        """Whether the server is stopping."""
        return self._admission.closing

    # --- following ------------------------------------------------------------------------------------------

    async def _follow(self) -> None:
        failures = 0
        while True:
            await self._work.wait()
            self._work.clear()
            try:
                await self._step()
                failures = 0
            except Exception as error:
                failures += 1
                _report(error, f"following failed, attempt {failures}")
                self.reconcile_all()
                # The exponent is bounded, for no float holds 2 to the power of 1,024.
                await asyncio.sleep(min(FIRST_PAUSE_S * 2 ** min(failures, 16), LONGEST_PAUSE_S))
            # Other tasks get the loop between two steps.
            await asyncio.sleep(0)

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
        self._work.set()

    async def _begin(self) -> None:
        """Start the streams that were opened, with one read of the counters of all."""
        opening, self._opening = self._opening[:HEADS], self._opening[HEADS:]
        if self._opening:
            self._work.set()
        opening = [stream for stream in opening if stream.state is State.CONNECTING]
        try:
            counters = await self._heads(list(dict.fromkeys(stream.user for stream in opening)))
            position = (await self._store.head()).position
        except BaseException:
            self._opening += opening
            raise
        now = self._clock.monotonic()
        for stream in opening:
            if stream.state is State.CONNECTING:
                stream.start(counters[stream.user], position, now)
                # A credential may end before the next tick.
                self._send_timers(stream, now)
                self._join(stream, counters[stream.user], position)

    def _join(self, stream: Stream, counts: InboxCounters, position: int) -> None:
        """Go live at once if the client has everything, as most returning clients do; else catch up."""
        head = Cursor(
            None if stream.seq is None else counts.seq, None if stream.position is None else position
        )
        empty = stream.cursor == head
        RESUMES.labels("empty" if empty else "behind").inc()
        if empty and not stream.dirty and position >= self._position:
            stream.go_live()
        else:
            self._fill(stream)

    async def _heads(self, users: Sequence[str]) -> dict[str, InboxCounters]:
        return await inbox_heads(self._store, users, self._materialize)

    async def _compare(self) -> None:
        """Find the inboxes that changed without a hint. Runs beside following."""
        while True:
            await self._reconcile.wait()
            self._reconcile.clear()
            users = [*self._streams, *(user for user in self._waiters if user not in self._streams)]
            try:
                for at in range(0, len(users), HEADS):
                    some = users[at : at + HEADS]  # of whom some may have been erased since
                    here = [user for user in some if user in self._streams or user in self._waiters]
                    self._compared(await self._heads(here))
                    await asyncio.sleep(0)
            except Exception as error:
                _report(error, "inboxes could not be compared; the next look is in a second")

    def _compared(self, counters: Mapping[str, InboxCounters]) -> None:
        for user, counts in counters.items():
            if any(s.seq is not None and s.seq != counts.seq for s in self._streams.get(user, ())):
                self._hinted[user] = None
                self._work.set()
            if user in self._waiters and self._waiter_counters.get(user) != counts.seq:
                self._waiter_counters[user] = counts.seq
                for waiter in self._waiters[user]:
                    waiter.wake()

    async def _send_inbox(self, user: str) -> None:
        """Send the changes of a user's inbox to the streams of the user: each gets the changes after its own cursor, since
        only the cursor shows whether the client's state is still of this inbox."""
        by_cursor: dict[int, list[Stream]] = {}
        for stream in self._ready(self._streams.get(user, ())):
            by_cursor.setdefault(stream.seq or 0, []).append(stream)
        for since, following in by_cursor.items():
            await self._send_changes(user, since, following)

    async def _send_changes(self, user: str, since: int, streams: Sequence[Stream]) -> None:
        if not any(stream.state is State.FOLLOWING for stream in streams):
            return
        erasures = self._store.erasures.begun
        changes = await self._store.inbox_since(user, since, CHUNK)
        if changes.counts.lacking:
            # The changes are sent, also when the broadcasts cannot be materialised.
            with contextlib.suppress(Unavailable):
                await self._materialize([user], erasures)
        some = await self._inbox_frames(user, since, changes)
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
            self._reset(stream, changes.counts, now)
            return
        stream.skip_to(self._position)
        stream.send(some, now)
        if changes.more:
            stream.lag()
            self._fill(stream)

    def _reset(self, stream: Stream, counts: InboxCounters, now: float) -> None:
        stream.reset("the inbox is another than it was", Cursor(counts.seq, stream.position), now)

    async def _inbox_frames(self, user: str, since: int, changes: InboxChanges) -> list[Frame]:
        return inbox_frames(since, changes, await self._wording.items(user, changes.rows))

    async def _send_feeds(self) -> None:
        """Send new events and changes of feeds to the streams."""
        self._published = False
        heard, reached = await self._store.heard(self._position, self._listening.keys(), HEARD_POSITIONS)
        now = self._clock.monotonic()
        for one in heard:
            if one.change is None:
                self._send_event(one, now)
            else:
                self._send_change(one, one.change, now)
        if reached > self._position:
            self._position = reached
            self._published = True  # until a read finds no more
            self._work.set()

    def _send_event(self, event: EventAudience, now: float) -> None:
        listening = self._listening
        for reason, topic, users in event.listeners:
            frame = activity_frame(FeedItem(0, event.position, event.body, None, reason, topic))
            for user in users:
                for stream in listening.get(user, ()):
                    if stream.state is State.FOLLOWING:
                        stream.send_event(frame, event.position, now)

    def _send_change(self, one: EventAudience, change: FeedChange, now: float) -> None:
        """Send a change of older items to the streams whose feeds have them."""
        frame = None if isinstance(change, FeedReset) else change_frame(change)
        for *_, users in one.listeners:
            for user in users:
                for stream in self._listening.get(user, ()):
                    if stream.state is not State.FOLLOWING:
                        continue
                    if frame is not None:
                        stream.send_event(frame, change.position, now)
                    elif (stream.position or 0) < change.position:
                        stream.reset(FEED_RESET, Cursor(stream.seq, change.position), now)

    # --- catching up ----------------------------------------------------------------------------------------

    def _fill(self, stream: Stream) -> None:
        """Enqueue a stream to catch up."""
        self._behind.append(stream)
        self._refill.release()

    async def _refilling(self) -> None:
        while True:
            await self._refill.acquire()
            stream = self._behind.popleft()
            try:
                await self._catch_up(stream)
            except Exception as error:
                _report(error, "catching up failed")
                stream.end()
                self._forget(stream)

    async def _catch_up(self, stream: Stream) -> None:
        """Send one chunk of what a stream missed; after the last chunk the stream goes live."""
        stream.dirty = False
        whole = await self._catch_up_inbox(stream)
        whole = await self._catch_up_feed(stream) and whole
        if stream.state is not State.CATCHING_UP:
            return
        if whole and not stream.dirty and (stream.position is None or stream.position >= self._position):
            stream.go_live()
        else:
            self._fill(stream)

    async def _catch_up_inbox(self, stream: Stream) -> bool:
        if stream.seq is None or stream.state is not State.CATCHING_UP:
            return True
        since = stream.seq
        changes = await self._store.inbox_since(stream.user, since, CHUNK)
        now = self._clock.monotonic()
        if changes.reset:
            self._reset(stream, changes.counts, now)
            return True
        stream.send(await self._inbox_frames(stream.user, since, changes), now)
        return not changes.more

    async def _catch_up_feed(self, stream: Stream) -> bool:
        if stream.position is None or stream.state is not State.CATCHING_UP:
            return True
        page = await self._store.feed_since(stream.user, stream.position, CHUNK)
        now = self._clock.monotonic()
        if page.reset:
            stream.reset(FEED_RESET, Cursor(stream.seq, page.position), now)
            return True
        stream.send(feed_frames(page), now)
        if page.next_key is None and stream.state is State.CATCHING_UP:
            stream.skip_to(page.position)
        return page.next_key is None

    # --- deadlines ------------------------------------------------------------------------------------------

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            self.tick()

    def tick(self) -> None:
        """Handle what is due each second: heartbeats, rotation, ends of credentials, full transports, lost hints."""
        now = self._clock.monotonic()
        for stream in self._wheel.expire(now):
            if stream.state is not State.ENDED:
                self._due(stream, now)
        if self.busy:
            self.reconcile_all()

    def _schedule(self, stream: Stream, now: float) -> None:
        """Check the stream again at its next deadline."""
        if stream.state is State.BACKPRESSURED:
            due = stream.behind_since + MAX_BEHIND_S
        else:
            due = min(stream.wrote_at + self._settings.heartbeat_s, stream.rotates_at)
        if stream.ends_at is not None:
            due = min(due, stream.ends_at - (0 if stream.warned else WARN_S))
        self._wheel.schedule(max(due, now), stream)

    def _due(self, stream: Stream, now: float) -> None:
        if stream.ends_at is not None and now >= stream.ends_at:
            self._end(stream, "credential")
        elif stream.state is State.BACKPRESSURED and now >= stream.behind_since + MAX_BEHIND_S:
            self._end(stream, "slow")
        elif now >= stream.rotates_at:
            stream.drain(self._rng.randint(*ROTATE_RETRY_MS), now)
            self._end(stream, "age")
        else:
            self._send_timers(stream, now)
            self._schedule(stream, now)

    def _send_timers(self, stream: Stream, now: float) -> None:
        if stream.ends_at is not None and now >= stream.ends_at - WARN_S:
            stream.warn_expiry(max(0, round(stream.ends_at - now)), now)
        if now >= stream.wrote_at + self._settings.heartbeat_s:
            stream.heartbeat(self._position, now)

    def _end(self, stream: Stream, why: str) -> None:
        STREAM_ENDS.labels(why).inc()
        stream.end()
        self._forget(stream)

    # --- shutdown ----------------------------------------------------------------------------------------

    def suspend(self, problem: str) -> None:
        """End the streams and waiters, and refuse new ones with this problem until a restart: cursors may be wrong."""
        if not self._admission.problem:
            self._admission.problem = problem
            self._tasks.append(asyncio.create_task(self._drain(), name="live"))

    async def close(self) -> None:
        """Tell each client to reconnect later, evenly over the available time, and end the streams."""
        if not self._admission.closing:
            self._admission.closing = True
            await self._drain()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _drain(self) -> None:
        for polls in self._waiters.values():
            for waiter in polls:
                waiter.wake(over=True)
        streams = [stream for mine in self._streams.values() for stream in mine]
        per_s = max(DRAIN_PER_S, len(streams) / (self._settings.shutdown_s * DRAIN_SHARE))
        begun = self._clock.monotonic()
        for gone, stream in enumerate(streams, 1):
            stream.drain(self._rng.randint(*RETRY_MS), self._clock.monotonic())
            self._end(stream, "drain")
            ahead = gone / per_s - (self._clock.monotonic() - begun)
            if ahead > 1 / DRAIN_PER_S:
                await asyncio.sleep(ahead)


def _report(error: Exception, what: str) -> None:
    _log.error("%s: %s", what, error, exc_info=None if isinstance(error, Unavailable) else error)
