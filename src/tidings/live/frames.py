"""Frames: what is said to a client, and the cursor that each leaves it at."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from tidings.feed_changes import FeedMark, FeedReset, Retraction
from tidings.feeds import feed_item
from tidings.live.transport import Encoder
from tidings.model import FeedItem, InboxChanges, InboxCounters, InboxRow, Page, ReadWatermark
from tidings.projections.notification_rendering import counted, read_all
from tidings.timeutil import rfc3339

NOTIFICATIONS, ACTIVITY = "notifications", "activity"
INCLUDE = frozenset({NOTIFICATIONS, ACTIVITY})
"""What a stream may carry."""
MAX_DIGITS = 18
"""Digits of a number in a cursor: what fits 63 bits."""

_encode = msgspec.json.Encoder().encode


class Cursor(NamedTuple):
    """How far a client is: the last seq of the inbox and the last position of the log that it knows; None for what its
    stream does not carry, so that equal streams have equal cursors and share their bytes."""

    seq: int | None
    position: int | None

    def text(self, epoch: str) -> str:
        """The cursor as the id of a frame."""
        seq, position = self
        return f"{epoch}.{'' if seq is None else seq}.{'' if position is None else position}"


class Frame:
    """One message: its name and JSON, and the ``seq`` or ``position`` that the client knows by it (None: unchanged).
    Encoded once per kind of wire, however many streams it goes to."""

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
        """The frame for a kind of wire, without its id."""
        found = self._encoded.get(encoder)
        if found is None:
            found = self._encoded[encoder] = encoder.frame(self.event, self.data)
        return found

    def at(self, encoder: Encoder, epoch: str, seq: int | None) -> bytes:
        """The whole frame for a stream at this seq and the frame's own position; those that carry no notifications
        share it to the last byte."""
        if seq is not None:
            return encoder.seal(self.encoded(encoder), f"{epoch}.{seq}.{self.position}")
        found = self._sealed.get(encoder)
        if found is None:
            found = encoder.seal(self.encoded(encoder), Cursor(None, self.position).text(epoch))
            self._sealed[encoder] = found
        return found


def parse(text: str, include: frozenset[str], head: Cursor) -> tuple[str | None, Cursor]:
    """(epoch, cursor) of a Last-Event-ID, in what ``include`` names; ``head`` stands in for what it does not say.

    Besides the ids of frames, the ``seq`` of a list of notifications is taken (``42``), that with a position
    (``42.1234``), and on a stream of activity alone a position (``1234``). Raises ValueError for anything else.
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
    """The data of the first frame: where the server is."""
    known = (_encode(user), counted(counts, counts.seq), position, _encode(resumed))
    return b'{"user_id":%b,%b,"position":%d,"resumed":%b}' % known


def heartbeat(cursor: Cursor, position: int) -> bytes:
    """The data of a heartbeat: what the client should know by now."""
    # A cursor at 0 is one too: told the head instead, its client would take what is still to come for known.
    known = position if cursor.position is None else cursor.position
    return b'{"seq":%d,"position":%d}' % (cursor.seq or 0, known)


def inbox_frames(after: int, changes: InboxChanges, items: Sequence[bytes]) -> list[Frame]:
    """The changes of an inbox after a seq as frames, in the order of seqs; ``items`` are the rows as JSON.

    What the client knows already and has been read is a ``read``; it holds the whole item all the same, since more
    than that may have changed.
    """
    counts = changes.counts
    frames = [_row_frame(after, row, item, counts) for row, item in zip(changes.rows, items, strict=True)]
    frames += [_mark_frame(mark, counts) for mark in changes.marks]
    return sorted(frames, key=_seq)


def _row_frame(after: int, row: InboxRow, item: bytes, counts: InboxCounters) -> Frame:
    known = row.order <= after
    if known and row.read_at is not None and row.archived_at is None and not row.deleted:
        told = (_encode(row.id), item, _encode(rfc3339(row.read_at)), counted(counts, row.seq))
        return Frame("read", b'{"ids":[%b],"items":[%b],"read_at":%b,%b}' % told, seq=row.seq)
    # The item carries its own seq.
    data = item[:-1] + b',"unread_count":%d,"unread_items":%d}' % (counts.unread_count, counts.unread_items)
    return Frame("notification", data, seq=row.seq)


def _mark_frame(mark: ReadWatermark, counts: InboxCounters) -> Frame:
    scope = b'"type":%b,' % _encode(mark.type) if mark.type else b""
    told = (scope, read_all(mark), counted(counts, mark.seq))
    return Frame("read", b"{%b%b,%b}" % told, seq=mark.seq)


def _seq(frame: Frame) -> int:
    return frame.seq or 0


def activity_frame(item: FeedItem) -> Frame:
    """A feed item that came."""
    return Frame("activity", feed_item(item), position=item.position)


def feed_frames(page: Page) -> list[Frame]:
    """What came after a position of a feed, in its order. A read-all that was taken back has no frame: only who knows all
    that came after it can go on."""
    frames = [activity_frame(item) for item in page.items]
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
    which = {"event_ids": change.event_ids} if change.up_to is None else {"up_to": change.up_to}
    read_at = None if change.at is None else rfc3339(change.at)
    return Frame("feed_read", _encode({**which, "read_at": read_at, "position": at}), position=at)


def reset(reason: str) -> Frame:
    """What the client has is not continuous: it must fetch afresh."""
    return Frame("reset", _encode({"reason": reason}))


def drain(retry_ms: int) -> Frame:
    """The stream ends; come back then."""
    return Frame("drain", b'{"retry_ms":%d}' % retry_ms)


def reauth(in_s: int) -> Frame:
    """The credential ends soon, and the stream with it."""
    return Frame("reauth", b'{"in_s":%d}' % in_s)
