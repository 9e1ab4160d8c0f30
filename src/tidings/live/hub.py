"""The hub: what transports, the log and the shutdown call. The loops that feed streams from the store are in
:mod:`.following`, :mod:`.reconciler` and :mod:`.catch_up`, the streams of each user in :mod:`.registry`."""

import asyncio
import contextlib
import random
from collections.abc import Iterable, Iterator

import msgspec

from tidings.activity_scope import FEED_ALONE, ActivityScope
from tidings.config import Settings
from tidings.live.admission import AdmissionController
from tidings.live.catch_up import CatchUp
from tidings.live.following import Following
from tidings.live.inbox_reader import InboxReader
from tidings.live.reconciler import Reconciler
from tidings.live.registry import StreamRegistry
from tidings.live.stream import State, Stream, VisitorStream
from tidings.live.stream_deadlines import AGE, StreamDeadlines
from tidings.live.transport import Transport
from tidings.live.waiters import InboxWaiter
from tidings.ports import Store
from tidings.projections.notification_rendering import NotificationRenderer
from tidings.projections.pending_broadcasts import Materialize
from tidings.public_head import PublicHead
from tidings.telemetry import STREAM_ENDS
from tidings.timeutil import Clock
from tidings.visibility import VISITOR

TICK_S = 1.0
"""Seconds between two checks of the deadlines; heartbeats, rotation and the end of credentials have this resolution."""
RETRY_MS = (1_000, 3_000)
"""Milliseconds after which clients reconnect after a lost connection; random for each, so that not all return at once."""
ROTATE_RETRY_MS = (1_000, 2_000)
"""Milliseconds after which the client reconnects if only this stream ends. Not less: browsers apply a small ``retry``
exactly."""
DRAIN_PER_S = 250
"""Streams that end each second when the server stops: as many as the next server can admit."""
DRAIN_SHARE = 0.8
"""The share of ``shutdown_s`` that draining may take; the rest is for running requests and the store."""
ERASED = "the user was erased"
"""The reason why the streams of an erased user end."""
MERGED = "the user was merged into another"
"""The same of a user who was merged."""


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
        public: PublicHead | None = None,
    ) -> None:
        """``position``: the head of the log; events after it are sent as new. ``public``: where visitors begin."""
        self._settings = settings
        self._clock = clock
        self._epoch = epoch
        self._rng = rng or random.Random()
        self._admission = AdmissionController(settings, clock, self._rng)
        self._public_admission = AdmissionController(_of_visitors(settings), clock, self._rng)
        self._public = public or PublicHead(position)
        self._registry = StreamRegistry(self._admission, self._public_admission)
        self._deadlines = StreamDeadlines(settings, clock, self._rng, self._position)
        inboxes = InboxReader(store, wording)
        self._catch_up = CatchUp(store, inboxes, self._registry, clock, self._position)
        # However many visitors resume, users catch up beside them.
        self._public_catch_up = CatchUp(store, inboxes, self._registry, clock, self._position, at_once=1)
        self._following = Following(
            store,
            materialize,
            self._registry,
            inboxes,
            self._queue,
            self._deadlines,
            clock,
            position,
            self.reconcile_all,
            self._rng,
        )
        self._reconciler = Reconciler(store, materialize, self._registry, self._following.add_hint)
        self._tasks: list[asyncio.Task[None]] = []
        self._draining: asyncio.Task[None] | None = None

    def _position(self) -> int:
        return self._following.position

    def _queue(self, stream: Stream) -> None:
        """Have a stream catch up."""
        (self._public_catch_up if isinstance(stream, VisitorStream) else self._catch_up).add(stream)

    def start(self) -> None:
        """Begin feeding; needs a running event loop."""
        self._following.start()
        self._reconciler.start()
        self._catch_up.start()
        self._public_catch_up.start()
        self._tasks.append(asyncio.create_task(self._tick(), name="live"))

    # --- calls of the transports -------------------------------------------------------------------------

    def admit(self, user: str, address: str, *, stays: bool = True) -> None:
        """Admit a stream of this user, or of a VISITOR, which must then be opened; it ``stays`` open, or ends as soon as it
        has sent what there is. Raises TooManyRequests, Deferred."""
        open = self.open_streams + self.waiting_polls
        if user == VISITOR:
            self._admission.check_room(open)
            self._public_admission.check(len(self._registry.visitors), 0, address, stays=stays)
            return
        mine = self._registry.count_of(user)
        self._admission.check(open, mine, address, stays=stays)

    def open(
        self,
        user: str,
        include: frozenset[str],
        last_event_id: str | None,
        transport: Transport,
        *,
        address: str = "",
        expires_in_s: float | None = None,
        scope: ActivityScope = FEED_ALONE,
    ) -> Stream:
        """A stream on this transport that continues at the client's cursor; ``scope``: the activity that it carries. Its
        hello follows as soon as the store has been read.

        The stream is registered before the read, so that it gets each later change.
        """
        if user == VISITOR:
            stream: Stream = VisitorStream(
                include, last_event_id, transport, self._epoch, address, scope, self._public
            )
        else:
            stream = Stream(user, include, last_event_id, transport, self._epoch, address, scope)
        self._deadlines.begin(stream, self._clock.monotonic(), expires_in_s)
        self._registry.add(stream)
        transport.write(transport.encoder.retry(self._rng.randint(*RETRY_MS)))
        self._following.greet(stream)
        return stream

    def lost(self, stream: Stream) -> None:
        """The client of a stream has disconnected."""
        if stream.state is not State.ENDED:
            STREAM_ENDS.labels("client").inc()
        stream.lost()
        self._registry.remove(stream)

    def answered(self, stream: Stream) -> None:
        """A stream whose transport is one response has sent what there was."""
        if stream.state is not State.ENDED:
            self._end(stream, "answered")

    def writable(self, stream: Stream) -> None:
        """The transport of a stream takes bytes again."""
        if stream.writable():
            self._queue(stream)

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
        self._registry.add_waiter(user, waiter, address)
        try:
            yield waiter
        finally:
            self._registry.remove_waiter(user, waiter, address)

    # --- calls of the log --------------------------------------------------------------------------------

    def notify(self, users: Iterable[str], published: bool) -> None:
        """The inboxes of these users changed; ``published``: the log has new events, so any feed may have changed."""
        self._following.notify(users, published)

    def reconcile_all(self) -> None:
        """Any inbox may have changed: compare the counters of all. The tick calls this too, so that a lost hint delays a
        change by a second at most."""
        self._reconciler.nudge()
        self._following.check_feeds()

    def erased(self, users: Iterable[str]) -> None:
        """These users were erased: end their streams and waiters, which would otherwise write the names again with the next
        broadcast. Their clients get a reset and reconnect; the store then treats them as new users."""
        self._dismiss(users, ERASED, "erased")

    def merged(self, users: Iterable[str]) -> None:
        """These users were merged into others: end their streams and waiters likewise."""
        self._dismiss(users, MERGED, "merged")

    def _dismiss(self, users: Iterable[str], reason: str, how: str) -> None:
        for user in users:
            for stream in tuple(self._registry.streams.get(user, ())):
                stream.dismiss(reason, self._rng.randint(*RETRY_MS), self._clock.monotonic())
                self._end(stream, how)
            self._registry.wake_waiters(user, over=True)

    @property
    def open_streams(self) -> int:
        """Streams open now."""
        return self._registry.open

    @property
    def waiting_polls(self) -> int:
        """Requests that wait for changes of an inbox now."""
        return self._registry.waiting

    @property
    def busy(self) -> bool:
        """Whether any stream or waiter exists; without one, publishing needs no hints."""
        return self._registry.busy

    @property
    def closing(self) -> bool:
        """Whether the server is stopping."""
        return self._admission.closing

    # --- deadlines ------------------------------------------------------------------------------------------

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            self.tick()

    def tick(self) -> None:
        """Handle what is due each second: heartbeats, rotation, ends of credentials, full transports, lost hints."""
        now = self._clock.monotonic()
        for stream, reason in self._deadlines.expire(now):
            if reason == AGE:
                stream.drain(self._rng.randint(*ROTATE_RETRY_MS), now)
            self._end(stream, reason)
        if self.busy:
            self.reconcile_all()

    def _end(self, stream: Stream, why: str) -> None:
        STREAM_ENDS.labels(why).inc()
        stream.end()
        self._registry.remove(stream)

    # --- shutdown ----------------------------------------------------------------------------------------

    def suspend(self, problem: str) -> None:
        """End the streams and waiters, and refuse new ones with this problem until a restart: cursors may be wrong."""
        if not self._admission.problem:
            self._admission.problem = problem
            self._draining = asyncio.create_task(self._drain(), name="live-drain")

    async def close(self) -> None:
        """Tell each client to reconnect later, evenly over the available time, and end the streams."""
        if not self._admission.closing:
            self._admission.closing = True
            if self._draining is not None:
                await asyncio.gather(self._draining, return_exceptions=True)
            # After a suspension: the streams that were admitted before it, and opened after it.
            await self._drain()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._following.close()
        await self._reconciler.close()
        await self._catch_up.close()
        await self._public_catch_up.close()

    async def _drain(self) -> None:
        self._registry.end_waiters()
        streams = self._registry.all_streams()
        per_s = max(DRAIN_PER_S, len(streams) / (self._settings.shutdown_s * DRAIN_SHARE))
        begun, ended = self._clock.monotonic(), 0
        for stream in streams:
            if stream.state is State.ENDED:  # while others were drained
                continue
            stream.drain(self._rng.randint(*RETRY_MS), self._clock.monotonic())
            self._end(stream, "drain")
            ended += 1
            ahead = ended / per_s - (self._clock.monotonic() - begun)
            if ahead > 1 / DRAIN_PER_S:
                await asyncio.sleep(ahead)


def _of_visitors(settings: Settings) -> Settings:
    """The settings by which streams of visitors are admitted."""
    return msgspec.structs.replace(
        settings,
        max_streams=settings.max_public_streams,
        max_streams_per_address=settings.max_public_streams_per_address,
    )
