"""One stream as a state machine without I/O: it writes frames to its transport and moves its cursor.

    CONNECTING ──start──► CATCHING_UP ──go_live──► FOLLOWING
                              ▲  ▲                     │
                     writable │  └──────── lag ────────┤
                              │                        │ the transport is full
                        BACKPRESSURED ◄────────────────┘            any ──end──► ENDED

Only a FOLLOWING stream gets live frames. A stream that is CONNECTING or CATCHING_UP notes that there was a change
(``dirty``) and reads the store again before it goes live, so that no change is lost between the two. A stream whose
transport is full keeps only its cursor, and catches up from the store when the transport takes bytes again.
"""

from collections.abc import Callable, Iterable
from enum import Enum, auto

from tidings.activity_scope import FEED_ALONE, ActivityScope
from tidings.live import frames
from tidings.live.frames import ACTIVITY, NOTIFICATIONS, Cursor, Frame
from tidings.live.transport import Transport
from tidings.model import InboxCounters
from tidings.public_head import PublicHead
from tidings.visibility import VISITOR

INBOX_RESET = "the inbox of the cursor was erased or merged, or read-alls in it were undone or joined"
"""The reason why a stream with notifications is reset: no client can continue its inbox from the cursor."""
FEED_RESET = "a user was erased, a read-all was undone, or the changes of the feed after the cursor are not stored any more"
"""The reason why a stream with a feed is reset: its cursor is older than the last erasure or than the stored changes, or a
read-all was undone."""


class State(Enum):
    """The state of a stream."""

    CONNECTING = auto()
    CATCHING_UP = auto()
    FOLLOWING = auto()
    BACKPRESSURED = auto()
    ENDED = auto()


_FOLLOWING = State.FOLLOWING
_FULL_OR_ENDED = (State.BACKPRESSURED, State.ENDED)
"""Looked up once: an enumeration takes 90 ns to find a member, and one event is sent to thousands of streams."""


class Stream:
    """A stream of one user, with activity of this ``scope``. Times are seconds of the monotonic clock. ``ends_at`` is the
    end of its credential, None without one. ``joined`` is called each time the client has everything."""

    __slots__ = (
        "_last_event_id",
        "address",
        "behind_since",
        "dirty",
        "ends_at",
        "epoch",
        "joined",
        "position",
        "rotates_at",
        "scope",
        "seq",
        "state",
        "transport",
        "user",
        "warned",
        "wrote_at",
    )

    def __init__(
        self,
        user: str,
        include: frozenset[str],
        last_event_id: str | None,
        transport: Transport,
        epoch: str,
        address: str = "",
        scope: ActivityScope = FEED_ALONE,
    ) -> None:
        self.user = user
        self.scope = scope
        self.transport = transport
        self.epoch = epoch
        self.address = address
        self.state = State.CONNECTING
        self.seq: int | None = 0 if NOTIFICATIONS in include else None
        self.position: int | None = 0 if ACTIVITY in include else None
        self.dirty = False
        self.wrote_at = self.behind_since = 0.0
        self.rotates_at = 0.0
        self.ends_at: float | None = None
        self.warned = False
        self.joined: Callable[[], None] = _nobody
        self._last_event_id = last_event_id

    @property
    def include(self) -> frozenset[str]:
        """The kinds of frames that the stream carries."""
        named = {NOTIFICATIONS: self.seq, ACTIVITY: self.position}
        return frozenset(name for name, at in named.items() if at is not None)

    @property
    def cursor(self) -> Cursor:
        """The cursor that the client has."""
        return Cursor(self.seq, self.position)

    def start(self, counts: InboxCounters, position: int, now: float) -> None:
        """Send hello, with the counters of the inbox and the position of the log. The stream then catches up, even when
        there is nothing to catch up with. ``resumed`` says that the cursor is one of this store. If it is not, a reset
        follows, and the hello has no id: a client that loses the connection between the two would come back with it, and
        never know that its state is too old. A reset may also follow a hello with ``resumed``, once catching up finds that
        the inbox or the feed cannot be continued: the id of that hello is the client's own cursor, with which it gets the
        same reset again."""
        head = Cursor(None if self.seq is None else counts.seq, None if self.position is None else position)
        given, self._last_event_id = self._last_event_id, None
        cursor, lost = self._resume(given, head)
        self.seq, self.position = cursor
        self.state = State.CATCHING_UP
        data = self._hello(counts, position, given is not None and not lost)
        self._write(Frame("hello", data), now, None if lost else self.cursor.text(self.epoch))
        if lost:
            self.reset(lost, head, now)

    def _hello(self, counts: InboxCounters, position: int, resumed: bool) -> bytes:
        return frames.hello(self.user, counts, position, resumed)

    def _resume(self, given: str | None, head: Cursor) -> tuple[Cursor, str]:
        """(the cursor to begin at, why frames of the client may be missing)."""
        if given is None:
            return head, ""
        try:
            epoch, cursor = frames.parse(given, self.include, head)
        except ValueError:
            return head, "the cursor is not one of this server"
        if epoch not in (None, self.epoch):
            return head, "the cursor is of another epoch of the store"
        if (cursor.seq or 0) > (head.seq or 0) or (cursor.position or 0) > (head.position or 0):
            return head, "the cursor is ahead of the store"
        return cursor, ""

    def send(self, some: Iterable[Frame], now: float) -> None:
        """Send those of the frames that the client does not have yet, in order, until the transport is full."""
        for frame in some:
            if self.state in _FULL_OR_ENDED:
                return
            if frame.seq is not None:
                if self.seq is None or frame.seq <= self.seq:
                    continue
                self.seq = frame.seq
            elif frame.position is not None:
                if self.position is None or frame.position <= self.position:
                    continue
                self.position = frame.position
            self._write(frame, now, self.cursor.text(self.epoch))

    def send_event(self, frame: Frame, position: int, now: float) -> None:
        """Send the frame of one event if the stream follows, unless the client has it: :meth:`send` for thousands of streams
        that get the same."""
        known, transport = self.position, self.transport
        if known is None or position <= known or self.state is not _FOLLOWING:
            return
        self.position = position
        self.wrote_at = now
        if not transport.write(frame.at(transport.encoder, self.epoch, self.seq)):
            self.state, self.behind_since = State.BACKPRESSURED, now

    def send_joined(self, data: bytes, position: int, now: float) -> None:
        """Send the frames of events up to this position, none of which the client has."""
        self.position = position
        self.wrote_at = now
        if not self.transport.write(data):
            self.state, self.behind_since = State.BACKPRESSURED, now

    def reset(self, reason: str, head: Cursor, now: float, after_ms: int = 0) -> None:
        """Have the client fetch its state again, after some milliseconds, and go on from the head. One that left is not."""
        if self.state is State.ENDED:
            return
        self.seq, self.position = head
        self._write(frames.reset(reason, after_ms), now, self.cursor.text(self.epoch))

    def reset_inbox(self, seq: int, now: float) -> None:
        """Have the client fetch its inbox again, and go on from this seq."""
        self.reset(INBOX_RESET, Cursor(seq, self.position), now)

    def reset_feed(self, position: int, now: float, after_ms: int = 0) -> None:
        """Have the client fetch its feed again, after some milliseconds, and go on from this position."""
        self.reset(FEED_RESET, Cursor(self.seq, position), now, after_ms)

    def skip_to(self, position: int) -> None:
        """Move the cursor to this position: no event up to it is for this stream."""
        if self.position is not None and position > self.position:
            self.position = position

    def go_live(self) -> None:
        """The client has everything: send live frames from now on."""
        if self.state is State.CATCHING_UP:
            self.state = State.FOLLOWING
            self.joined()

    def lag(self) -> None:
        """There are too many frames to send at once: catch up in chunks."""
        if self.state is State.FOLLOWING:
            self.state = State.CATCHING_UP

    def writable(self) -> bool:
        """The transport takes bytes again. Returns whether the stream now catches up."""
        if self.state is not State.BACKPRESSURED:
            return False
        self.state = State.CATCHING_UP
        return True

    def heartbeat(self, position: int, now: float) -> None:
        """Send a heartbeat with the cursor of the client; none over a full transport."""
        if self.state in (State.CATCHING_UP, State.FOLLOWING):
            self._write(Frame("heartbeat", frames.heartbeat(self.cursor, position)), now, None)

    def warn_expiry(self, in_s: int, now: float) -> None:
        """Warn that the credential ends soon: once, not before hello, and not over a full transport."""
        if not self.warned and self.state in (State.CATCHING_UP, State.FOLLOWING):
            self.warned = True
            self._write(frames.reauth(in_s), now, None)

    def drain(self, retry_ms: int, now: float) -> None:
        """End the stream, and have the client reconnect after ``retry_ms``."""
        if self.state in (State.CATCHING_UP, State.FOLLOWING):
            self.transport.write(self.transport.encoder.retry(retry_ms))
            self._write(frames.drain(retry_ms), now, None)
        self.end()

    def dismiss(self, reason: str, retry_ms: int, now: float) -> None:
        """End the stream of a client whose state is not valid any more."""
        if self.state in (State.CATCHING_UP, State.FOLLOWING):
            self.reset(reason, self.cursor, now)
        self.drain(retry_ms, now)

    def end(self) -> None:
        """Close the transport. A full one is aborted, since the bytes that wait would hold it open."""
        if self.state is State.ENDED:
            return
        full, self.state = self.state is State.BACKPRESSURED, State.ENDED
        if full:
            self.transport.abort()
        else:
            self.transport.close()

    def lost(self) -> None:
        """The client has disconnected."""
        self.state = State.ENDED

    def _write(self, frame: Frame, now: float, id: str | None) -> None:
        encoder = self.transport.encoder
        self.wrote_at = now
        if (
            not self.transport.write(encoder.seal(frame.encoded(encoder), id))
            and self.state is not State.ENDED
        ):
            self.state, self.behind_since = State.BACKPRESSURED, now


class VisitorStream(Stream):
    """A stream of a client without a credential: of activity alone. It knows the ``public`` end of the log alone, and its
    cursor has no positions but that one and those of the frames that it got. Others, and comparisons of the client's cursor
    with others, would show that something else was published."""

    __slots__ = ("public",)

    def __init__(
        self,
        include: frozenset[str],
        last_event_id: str | None,
        transport: Transport,
        epoch: str,
        address: str,
        scope: ActivityScope,
        public: PublicHead,
    ) -> None:
        super().__init__(VISITOR, include, last_event_id, transport, epoch, address, scope)
        self.public = public

    def reset_feed(self, position: int, now: float, after_ms: int = 0) -> None:
        """The same, from the public end of the log on."""
        super().reset_feed(max(self.position or 0, self.public.beginning(position)), now, after_ms)

    def skip_to(self, position: int) -> None:
        """Stay at the last frame."""

    def _resume(self, given: str | None, head: Cursor) -> tuple[Cursor, str]:
        cursor, lost = super()._resume(given, head)
        return (head, FEED_RESET) if (cursor.position or 0) < self.public.oldest else (cursor, lost)

    def _hello(self, counts: InboxCounters, position: int, resumed: bool) -> bytes:
        return frames.visitor_hello(position, resumed)


def _nobody() -> None:
    """The default of :attr:`Stream.joined`: does nothing."""
