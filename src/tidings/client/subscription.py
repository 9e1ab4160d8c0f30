"""A subscription as a machine without I/O: it requests effects, gets their outcomes, and returns items.

    connection ──ended──► wait ──► connection …           three refused or cut on the way ──► polling
        ▲                                                                                       │
        └──────────────── at once when a first poll succeeds, else every minute ────────────────┘

Its invariants: the items never go back in seq or position, no item is returned twice, and none is missing except before a
Reset, which has a new state.
"""

import random
import time
from collections.abc import Callable, Collection

import msgspec

from tidings.client import sse
from tidings.client.cursor import SubscriptionCursor
from tidings.client.effects import (
    Action,
    ClientRequest,
    Close,
    Emit,
    Open,
    Outcome,
    Receive,
    Sleep,
    StateChanged,
    TransportError,
)
from tidings.client.filters import literal
from tidings.client.items import Connection, Item
from tidings.client.polling import ALL_EVENTS, FEED, Poller
from tidings.client.requests import Backoff, Disconnected, RequestSteps, Steps, Unreadable, decode
from tidings.client.shapes import FeedItem, Notification
from tidings.client.subscription_state import (
    CountsUpdate,
    FeedReadFrame,
    ReadFrame,
    RetractedFrame,
    SeenFrame,
    SubscriptionState,
)
from tidings.client.timeouts import POLL_AFTER, SubscriptionTimeouts

NOTIFICATIONS, ACTIVITY, ALL_ACTIVITY = "notifications", "activity", "activity:all"
REAUTH_S = 30.0
"""Seconds before the end of a credential at which a server warns; renewing again does not help if it still warns after a
renewal."""
LONGEST_SPREAD_S = 60.0
"""Maximum seconds for which a reset has the client wait: an erasure resets the clients of all streams, which fetch their
state again one after another."""
EVENT_STREAM = "text/event-stream"
_HEADERS = (
    ("Accept", EVENT_STREAM),
    ("Accept-Encoding", "identity"),  # decompression would delay a frame
    ("Cache-Control", "no-store"),
)
PACE = SubscriptionTimeouts()


class _Hello(CountsUpdate, kw_only=True):
    position: int
    resumed: bool


class _Heartbeat(msgspec.Struct):
    seq: int
    position: int


class _Reset(msgspec.Struct):
    reason: str = ""
    after_ms: int = 0


class _Drain(msgspec.Struct):
    retry_ms: int = 0


class SubscriptionMachine:
    """One subscription of ``user`` (None: of the user of the token).

    ``include``: some of "notifications", "activity" (the feed) and "activity:all"; ``topics``: topics whose events it
    returns too. ``cursor``: the start (that of an item, or :func:`cursor_of`); without one now,
    or ``fresh`` with a Reset first. ``clock`` returns monotonic seconds. Raises ValueError for an invalid cursor.
    """

    def __init__(
        self,
        user: str | None,
        include: Collection[str] = (NOTIFICATIONS,),
        cursor: str | None = None,
        *,
        topics: Collection[str] = (),
        fresh: bool = False,
        pace: SubscriptionTimeouts = PACE,
        clock: Callable[[], float] = time.monotonic,
        rng: random.Random | None = None,
    ) -> None:
        known = (NOTIFICATIONS, ACTIVITY, ALL_ACTIVITY)
        if not include or not set(include) <= set(known):
            raise ValueError(f"include is some of {', '.join(known)}")
        rng = rng or random.Random()
        self._include = ",".join(name for name in known if name in include)
        self._topics = ",".join(map(literal, topics)) or None
        self._fresh = fresh
        self._pace = pace
        self._clock = clock
        self._backoff = Backoff(pace, rng)
        self._asker = RequestSteps(user, pace, clock)
        feed = ACTIVITY in include or ALL_ACTIVITY in include or bool(topics)
        self._state = SubscriptionState(NOTIFICATIONS in include, feed, cursor)
        path = FEED if ACTIVITY in include else ALL_EVENTS
        only = self._topics if ALL_ACTIVITY not in include and path == ALL_EVENTS else None
        self._poller = Poller(self._asker, self._state, pace, clock, rng, snapshot=(path, only))
        self._unopened = 0
        self._greeted_at: float | None = None
        self._reported = Connection("waiting")
        self._steps = self._run()

    @property
    def cursor(self) -> str:
        """The cursor of a later subscription that continues after the returned items; "" before it is known."""
        return self._state.cursor

    def step(self, outcome: Outcome = None) -> Action:
        """The next effect, ``outcome`` being that of the last one (None at first). Raises ProblemError if a retry cannot
        help; that is the end."""
        return self._steps.send(outcome)

    def _run(self) -> Steps[Action]:
        if self._fresh:
            yield from self._begin_fresh()
        while True:
            ended = yield from self._connection()
            if self._unopened <= POLL_AFTER:
                yield Sleep((yield from self._waiting(ended)))
            if self._unopened >= POLL_AFTER:
                yield from self._polling()

    def _begin_fresh(self) -> Steps[None]:
        yield from self._report(Connection("connecting"))
        while True:
            try:
                return (yield from self._poller.reset("a fresh start"))
            except Disconnected as ended:
                yield Sleep((yield from self._waiting(ended)))

    def _waiting(self, ended: Disconnected) -> Steps[float]:
        """The time to wait after this end."""
        wait_s = self._backoff.wait_s(ended)
        yield from self._report(Connection("waiting", ended.why, wait_s, ended.planned))
        return wait_s

    def _report(self, connection: Connection) -> Steps[None]:
        if connection != self._reported:
            self._reported = connection
            yield StateChanged(connection)

    def _polling(self) -> Steps[None]:
        """Poll until a stream should be tried again: after a while, whatever the polls return, since small frames of a
        stream may pass where a large response does not; and if streams failed only recently, at once after a successful
        poll, since then the whole server may have been down."""
        begun = good_since = self._clock()
        first = self._unopened == POLL_AFTER
        while self._clock() < begun + self._pace.climb_s:
            yield from self._report(Connection("polling"))
            try:
                yield from self._poller.poll(self._include, self._topics, self._event)
            except Disconnected as ended:
                yield Sleep((yield from self._waiting(ended)))
                good_since = self._clock()
                continue
            self._backoff.lasted(self._clock() - good_since)
            if first:
                return

    # --- a stream -------------------------------------------------------------------------------------------

    def _connection(self) -> Steps[Disconnected]:
        """Read the stream until it ends; returns the end."""
        if self._unopened < POLL_AFTER:
            yield from self._report(Connection("connecting"))
        self._greeted_at = None
        try:
            yield from self._open()
            parser, greet_by = sse.Parser(), self._clock() + self._pace.open_s
            while True:
                yield from self._received(parser, (yield from self._bytes(greet_by)))
        except Disconnected as ended:
            yield Close()
            self._judge(ended)
            return ended

    def _judge(self, ended: Disconnected) -> None:
        """Classify the ended connection as good or bad for the backoff, and count the streams that something refused or
        cut: without a connection a poll would fail as well."""
        if self._greeted_at is None:
            self._unopened += ended.connected and not ended.planned
        else:
            self._backoff.lasted(self._clock() - self._greeted_at)

    def _open(self) -> Steps[None]:
        answer = yield Open(self._request(), self._pace.open_s)
        media = (yield from self._asker.granted(answer)).media
        if media != EVENT_STREAM:
            raise Disconnected(f"{media or 'nothing'} instead of a stream")

    def _request(self) -> ClientRequest:
        request = self._asker.get("/v1/notifications/stream", include=self._include, topic=self._topics)
        if not self.cursor:
            return request._replace(headers=_HEADERS)
        return request._replace(headers=(*_HEADERS, ("Last-Event-ID", self.cursor)))

    def _bytes(self, greet_by: float) -> Steps[bytes]:
        left_s = self._pace.silence_s if self._greeted_at is not None else greet_by - self._clock()
        if left_s <= 0:
            raise Disconnected("the server sent no hello")
        received = yield Receive(left_s)
        if isinstance(received, TransportError):
            raise Disconnected(received.why)
        if not received:
            raise Disconnected("the stream ended")
        return bytes(received)

    def _received(self, parser: sse.Parser, chunk: bytes) -> Steps[None]:
        try:
            events = parser.feed(chunk)
        except sse.EventTooLong as error:
            raise Disconnected(str(error)) from None
        if parser.retry_ms is not None:
            self._backoff.begin_at(parser.retry_ms)
        for event in events:
            if event.name == "hello":
                decode(event.data, _Hello)  # or there was no hello
                yield from self._greeted()
            yield from self._event(event)

    def _greeted(self) -> Steps[None]:
        self._greeted_at = self._clock()
        self._unopened = 0
        yield from self._report(Connection("live"))

    def _event(self, event: sse.ServerSentEvent) -> Steps[None]:
        """Process a frame, of a stream or in the response to a poll. Unknown frames of a newer server are skipped."""
        match event.name:
            case "notification" | "read" | "seen" | "activity" | "feed_read" | "retracted":
                try:
                    item = self._item(event)
                except Unreadable as unreadable:
                    # Another stream would send it again, without end: it is skipped, by a new state.
                    yield from self._poller.reset(unreadable.why, self._state.named(event.id).epoch)
                    return
                if item is not None:
                    yield Emit(item)
            case "hello":
                yield from self._hello(decode(event.data, _Hello), event.id)
            case "heartbeat":
                self._heartbeat(decode(event.data, _Heartbeat))
            case "reset":
                epoch = self._state.named(event.id).epoch
                reset = decode(event.data, _Reset)
                if reset.after_ms > 0:
                    yield Sleep(min(reset.after_ms / 1_000, LONGEST_SPREAD_S))
                yield from self._poller.reset(reset.reason, epoch)
            case "drain":
                wait_s = decode(event.data, _Drain).retry_ms / 1_000
                raise Disconnected("the server asks the client to reconnect", wait_s, planned=True)
            case "reauth":
                yield from self._reauth()

    def _item(self, event: sse.ServerSentEvent) -> Item | None:
        state, data = self._state, event.data
        match event.name:
            case "read":
                return state.read(decode(data, ReadFrame), event.id)
            case "seen":
                return state.seen(decode(data, SeenFrame), event.id)
            case "activity":
                return state.activity(decode(data, FeedItem), event.id)
            case "feed_read":
                return state.feed_read(decode(data, FeedReadFrame), event.id)
            case "retracted":
                return state.retracted(decode(data, RetractedFrame), event.id)
            case _:
                return state.changed(decode(data, Notification), decode(data, CountsUpdate), event.id)

    def _hello(self, hello: _Hello, id: str) -> Steps[None]:
        state = self._state
        if state.place.known and not hello.resumed:
            return  # a reset follows; the cursor stays unchanged until then
        state.begin(SubscriptionCursor(state.named(id).epoch, hello.seq, hello.position))
        counts = state.counts(hello)
        if counts is not None:
            yield Emit(counts)

    def _heartbeat(self, beat: _Heartbeat) -> None:
        if self._state.inbox and beat.seq > (self._state.place.seq or 0):
            raise Disconnected("the server has sent more than arrived")
        # No event of the feed up to there is still missing.
        self._state.advance(SubscriptionCursor(position=beat.position))

    def _reauth(self) -> Steps[None]:
        if self._asker.since_renewal_s >= REAUTH_S and (yield from self._asker.renew()):
            raise Disconnected("the credential was renewed", 0.0, planned=True)
