"""Frames: the messages to a client, and the cursor of the client after each."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from tidings.activity_scope import list_name
from tidings.event_json import feed_item, with_members
from tidings.feed_changes import FeedMark, FeedReset, Retraction
from tidings.live.transport import Encoder
from tidings.model import FeedItem, InboxChanges, InboxCounters, InboxRow, Page, ReadWatermark
from tidings.projections.notification_rendering import counted, unread, watermark
from tidings.timeutil import rfc3339

NOTIFICATIONS, ACTIVITY = "notifications", "activity"
INCLUDE = frozenset({NOTIFICATIONS, ACTIVITY})
"""The kinds of frames that a stream can carry. ACTIVITY is of the feed, or of what the scope of the stream names."""
MAX_DIGITS = 18
"""Digits of a number in a cursor: such a number fits into 63 bits."""

_encode = msgspec.json.Encoder().encode


class Cursor(NamedTuple):
    """The last seq of the inbox and the last position of the log that a client has; None for a kind that its stream does not
    carry, so that equal streams have equal cursors and share encoded bytes."""

    seq: int | None
    position: int | None

    def text(self, epoch: str) -> str:
        """The cursor as the id of a frame."""
        seq, position = self
        return f"{epoch}.{'' if seq is None else seq}.{'' if position is None else position}"


class Frame:
    """One message: its name, its JSON, and the ``seq`` or ``position`` of the client after it (None: unchanged). Each
    encoder encodes it once for all streams."""

    __slots__ = ("_encoded", "_sealed", "data", "event", "position", "seq")

    def __init__(
        self, event: str, data: bytes, *, seq: int | None = None, position: int | None = None
    ) -> None:
        self.event = event
        self.data = data
        self.seq = seq
        self.position = position
        self._encoded: dict[Encoder, bytes] = {}
        self._sealed: dict[Encoder, bytes] = {}

    def encoded(self, encoder: Encoder) -> bytes:
        """The frame as an encoder writes it, without its id."""
        found = self._encoded.get(encoder)
        if found is None:
            found = self._encoded[encoder] = encoder.frame(self.event, self.data)
        return found

    def at(self, encoder: Encoder, epoch: str, seq: int | None) -> bytes:
        """The whole frame for a stream at this seq, with the position of the frame. Streams without notifications share the
        same bytes."""
        if seq is not None:
            return encoder.seal(self.encoded(encoder), f"{epoch}.{seq}.{self.position}")
        found = self._sealed.get(encoder)
        if found is None:
            found = encoder.seal(self.encoded(encoder), Cursor(None, self.position).text(epoch))
            self._sealed[encoder] = found
        return found


def parse(text: str, include: frozenset[str], head: Cursor) -> tuple[str | None, Cursor]:
    """(epoch, cursor) of a Last-Event-ID, for the kinds that ``include`` names. A number that is absent is taken from
    ``head``.

    Besides the ids of frames these are accepted: the ``seq`` of a list of notifications (``42``), a seq with a position
    (``42.1234``), and for a stream of activity alone a position (``1234``). Raises ValueError for any other text.
    """
    epoch, seq, position = _parts(text, include)
    if not (seq or position):
        raise ValueError("a cursor has a number")
    return epoch or None, Cursor(
        None if head.seq is None else _number(seq) if seq else head.seq,
        None if head.position is None else _number(position) if position else head.position,
    )


def _parts(text: str, include: frozenset[str]) -> tuple[str, str, str]:
    dots = text.count(".")
    if dots == 2:
        epoch, seq, position = text.split(".")
        return epoch, seq, position
    first, _, second = text.partition(".")
    if dots == 0 and NOTIFICATIONS not in include:
        return "", "", first
    return "", first, second


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS):
        raise ValueError("not a number")
    return int(text)


def hello(user: str, counts: InboxCounters, position: int, resumed: bool) -> bytes:
    """The data of the first frame: the counters of the inbox and the position of the log."""
    known = (_encode(user), counted(counts, counts.seq), position, _encode(resumed))
    return b'{"user_id":%b,%b,"position":%d,"resumed":%b}' % known


def visitor_hello(position: int, resumed: bool) -> bytes:
    """The same for a visitor, who has no inbox."""
    return b'{"user_id":null,"position":%d,"resumed":%b}' % (position, _encode(resumed))


def heartbeat(cursor: Cursor, position: int) -> bytes:
    """The data of a heartbeat: the cursor that the client should have."""
    # A cursor at 0 is valid: with the head instead, the client would skip what is still to be sent.
    known = position if cursor.position is None else cursor.position
    return b'{"seq":%d,"position":%d}' % (cursor.seq or 0, known)


def inbox_frames(after: int, changes: InboxChanges, items: Sequence[bytes]) -> list[Frame]:
    """The changes of an inbox after a seq as frames, in the order of seqs; ``items`` are the rows as JSON.

    A row that the client has and that was read since becomes a ``read`` frame. The frame contains the whole item, because
    other members may have changed too.
    """
    counts = changes.counts
    frames = [_row_frame(after, row, item, counts) for row, item in zip(changes.rows, items, strict=True)]
    frames += [_mark_frame(mark, counts) for mark in changes.marks]
    return sorted(frames, key=_seq)


def _row_frame(after: int, row: InboxRow, item: bytes, counts: InboxCounters) -> Frame:
    known = row.order <= after
    if known and row.read_at is not None and row.listed:
        values = (_encode(row.id), item, _encode(rfc3339(row.read_at)), counted(counts, row.seq))
        return Frame("read", b'{"ids":[%b],"items":[%b],"read_at":%b,%b}' % values, seq=row.seq)
    # The item carries its own seq.
    return Frame("notification", with_members(item, b"," + unread(counts)), seq=row.seq)


def _mark_frame(mark: ReadWatermark, counts: InboxCounters) -> Frame:
    scope = b'"type":%b,' % _encode(mark.type) if mark.type else b""
    values = (scope, watermark(mark), counted(counts, mark.seq))
    return Frame("seen" if mark.seen_only else "read", b"{%b%b,%b}" % values, seq=mark.seq)


def _seq(frame: Frame) -> int:
    return frame.seq or 0


def activity_frame(item: FeedItem) -> Frame:
    """A new feed item."""
    return Frame("activity", feed_item(item), position=item.position)


def listed_frame(body: bytes, position: int) -> Frame:
    """A new event as activity lists it: the same for all readers."""
    return Frame("activity", body, position=position)


def feed_frames(page: Page) -> list[Frame]:
    """The items and changes of a feed after a position, in the order of positions. An undone read-all has no frame: it is
    valid only for a client that has everything after it."""
    frames = [
        activity_frame(item) if item.reason else listed_frame(item.body, item.position) for item in page.items
    ]
    frames += [change_frame(change) for change in page.changes if not isinstance(change, FeedReset)]
    return sorted(frames, key=_position)


def _position(frame: Frame) -> int:
    return frame.position or 0


def change_frame(change: FeedMark | Retraction) -> Frame:
    """A change of older items of a feed."""
    at = change.position
    if isinstance(change, Retraction):
        return Frame(
            "retracted", b'{"event_id":%b,"position":%d}' % (_encode(change.event_id), at), position=at
        )
    which: dict[str, object] = (
        {"event_ids": change.event_ids} if change.up_to is None else {"up_to": change.up_to}
    )
    if change.activity is not None:
        which["activity"] = list_name(change.activity)
    read_at = None if change.at is None else rfc3339(change.at)
    return Frame("feed_read", _encode({**which, "read_at": read_at, "position": at}), position=at)


def reset(reason: str, after_ms: int = 0) -> Frame:
    """Frames may be missing: the client must fetch its state again, after some milliseconds if many clients do."""
    return Frame("reset", _encode({"reason": reason} | ({"after_ms": after_ms} if after_ms else {})))


def drain(retry_ms: int) -> Frame:
    """The stream ends, and the client reconnects after ``retry_ms``."""
    return Frame("drain", b'{"retry_ms":%d}' % retry_ms)


def reauth(in_s: int) -> Frame:
    """The credential ends soon, and the stream with it."""
    return Frame("reauth", b'{"in_s":%d}' % in_s)
