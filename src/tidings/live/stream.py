"""One stream as a state machine without I/O: told what happened, it writes frames to its wire and moves its cursor.

    OPENING ──begin──► CATCHING_UP ──join──► FOLLOWING
                           ▲  ▲                  │
                  writable │  └──── overtaken ───┤
                           │                     │ the wire is full
                         BEHIND ◄────────────────┘               any ──end──► ENDED

Only a FOLLOWING stream is given what is live. A stream that was opened but not begun, or catches up, remembers that
there was something (``overtaken``) and looks again before it joins, so nothing falls between. A stream whose wire is full
keeps nothing but its cursor, and catches up from the store when the wire takes bytes again.
"""

from collections.abc import Callable, Iterable
from enum import Enum, auto

from tidings.live import frames
from tidings.live.frames import ACTIVITY, NOTIFICATIONS, Cursor, Frame
from tidings.live.transport import Transport
from tidings.model import InboxCounters


class State(Enum):
    """Where a stream is."""

    OPENING = auto()
    CATCHING_UP = auto()
    FOLLOWING = auto()
    BEHIND = auto()
    ENDED = auto()


class Stream:
    """A user's stream. Times are seconds of the monotonic clock; ``ends_at`` is that of its credential, None without.
    ``joined`` is called whenever the client has all there is for now."""

    __slots__ = (
        "_last_event_id",
        "address",
        "behind_since",
        "ends_at",
        "epoch",
        "joined",
        "overtaken",
        "position",
        "rotates_at",
        "seq",
        "state",
        "user",
        "warned",
        "wire",
        "wrote_at",
    )

    def __init__(
        self,
        user: str,
        include: frozenset[str],
        last_event_id: str | None,
        wire: Transport,
        epoch: str,
        address: str = "",
    ) -> None:
        self.user = user
        self.wire = wire
        self.epoch = epoch
        self.address = address
        self.state = State.OPENING
        self.seq: int | None = 0 if NOTIFICATIONS in include else None
        self.position: int | None = 0 if ACTIVITY in include else None
        self.overtaken = False
        self.wrote_at = self.behind_since = 0.0
        self.rotates_at = 0.0
        self.ends_at: float | None = None
        self.warned = False
        self.joined: Callable[[], None] = _nobody
        self._last_event_id = last_event_id

    @property
    def include(self) -> frozenset[str]:
        """What the stream carries."""
        named = {NOTIFICATIONS: self.seq, ACTIVITY: self.position}
        return frozenset(name for name, at in named.items() if at is not None)

    @property
    def cursor(self) -> Cursor:
        """How far the client is."""
        return Cursor(self.seq, self.position)

    def begin(self, counts: InboxCounters, position: int, now: float) -> None:
        """The head of the inbox and of the log are known: say hello, and where the client stands. Afterwards the stream
        catches up, if only to find that there is nothing."""
        head = Cursor(None if self.seq is None else counts.seq, None if self.position is None else position)
        given, self._last_event_id = self._last_event_id, None
        cursor, lost = self._resume(given, head, Cursor(counts.seq, position))
        self.seq, self.position = cursor
        self.state = State.CATCHING_UP
        data = frames.hello(self.user, counts, position, resumed=given is not None and not lost)
        self._write(Frame("hello", data), now, self.cursor.text(self.epoch))
        if lost:
            self.reset(lost, head, now)

    def _resume(self, given: str | None, head: Cursor, end: Cursor) -> tuple[Cursor, str]:
        """(where to begin, why what the client has is not continuous)."""
        if given is None:
            return head, ""
        try:
            epoch, cursor = frames.parse(given, self.include, head)
        except ValueError:
            return head, "the cursor is not one of this server"
        if epoch not in (None, self.epoch):
            return head, "the cursor is from another life of the store"
        if (cursor.seq or 0) > (end.seq or 0) or (cursor.position or 0) > (end.position or 0):
            return head, "the cursor is ahead of the store"
        return cursor, ""

    def tell(self, some: Iterable[Frame], now: float) -> None:
        """Send frames, in their order, that the client does not have yet; stops where the wire is full."""
        for frame in some:
            if self.state in (State.BEHIND, State.ENDED):
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

    def hear(self, frame: Frame, position: int, now: float) -> None:
        """Send the one frame of an event, unless the client has it: :meth:`tell` where thousands are told the same."""
        known = self.position
        if known is None or position <= known:
            return
        self.position = position
        self.wrote_at = now
        if not self.wire.write(frame.at(self.wire.encoder, self.epoch, self.seq)):
            self.state, self.behind_since = State.BEHIND, now

    def reset(self, reason: str, head: Cursor, now: float) -> None:
        """Tell the client to fetch afresh, and go on from the head."""
        self.seq, self.position = head
        self._write(frames.reset(reason), now, self.cursor.text(self.epoch))

    def pass_over(self, position: int) -> None:
        """Nothing up to this position is for this stream."""
        if self.position is not None and position > self.position:
            self.position = position

    def join(self) -> None:
        """The client has everything: from now on it is told at once."""
        if self.state is State.CATCHING_UP:
            self.state = State.FOLLOWING
            self.joined()

    def fall_back(self) -> None:
        """There is more than can be told at once: catch up in chunks."""
        if self.state is State.FOLLOWING:
            self.state = State.CATCHING_UP

    def writable(self) -> bool:
        """The wire takes bytes again; whether there is now something to catch up with."""
        if self.state is not State.BEHIND:
            return False
        self.state = State.CATCHING_UP
        return True

    def beat(self, position: int, now: float) -> None:
        """Say that the stream lives, and how far the client should be. A full wire says nothing: the client would not
        hear it."""
        if self.state in (State.CATCHING_UP, State.FOLLOWING):
            self._write(Frame("heartbeat", frames.heartbeat(self.cursor, position)), now, None)

    def warn(self, in_s: int, now: float) -> None:
        """The credential ends soon. Said once, and only where it is heard: not before hello, nor to a full wire."""
        if not self.warned and self.state in (State.CATCHING_UP, State.FOLLOWING):
            self.warned = True
            self._write(frames.reauth(in_s), now, None)

    def leave(self, retry_ms: int, now: float) -> None:
        """End the stream from this side, and ask the client to come back."""
        if self.state in (State.CATCHING_UP, State.FOLLOWING):
            self.wire.write(self.wire.encoder.retry(retry_ms))
            self._write(frames.drain(retry_ms), now, None)
        self.end()

    def dismiss(self, reason: str, retry_ms: int, now: float) -> None:
        """End the stream, whose client has what is no more."""
        if self.state in (State.CATCHING_UP, State.FOLLOWING):
            self.reset(reason, self.cursor, now)
        self.leave(retry_ms, now)

    def end(self) -> None:
        """Close the wire; one that is full is cut, since what waits there would hold it open."""
        if self.state is State.ENDED:
            return
        full, self.state = self.state is State.BEHIND, State.ENDED
        if full:
            self.wire.abort()
        else:
            self.wire.close()

    def lost(self) -> None:
        """The client has gone."""
        self.state = State.ENDED

    def _write(self, frame: Frame, now: float, id: str | None) -> None:
        encoder = self.wire.encoder
        self.wrote_at = now
        if not self.wire.write(encoder.seal(frame.encoded(encoder), id)) and self.state is not State.ENDED:
            self.state, self.behind_since = State.BEHIND, now


def _nobody() -> None:
    """Who asks for no more than frames need not know when there are none."""
