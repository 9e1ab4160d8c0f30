"""The number of feed items that a read-all marks read, or its undoing unread.

Counting 30,000 items takes some tenths of a second. So a reader thread counts them before the transaction, in a snapshot,
and the command takes effect as of that snapshot. Concurrent writes (an event, a retraction, a block, a follow) commute with
it: a read-all covers positions up to the last one of the snapshot, whatever is added to the feed there later. So the order
in which the command is first is equally valid, and the transaction counts nothing.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from tidings.model import Command, MarkFeedRead, UndoMarkFeedRead
from tidings.storage.sqlite import feeds
from tidings.storage.sqlite.read_snapshot import EventRow, ReadSnapshot, TimelineRow
from tidings.storage.sqlite.statements import sql

SHORT = 1_000
"""Positions and single items whose state a transaction counts itself: some 5 ms."""
AT_ONCE = 1_000
"""Items that are compared with the read state at once."""


class Counted(NamedTuple):
    """The change of a user's feed by a command: so many ``items``, which have a position in (low, high] and no row of their
    own, or had been marked unread before."""

    user: int
    low: int
    high: int
    items: int


class CountedMarkFeedRead(MarkFeedRead, frozen=True, kw_only=True):
    """A read-all of a feed, as of the time at which it was counted."""

    count: Counted


class CountedUndoMarkFeedRead(UndoMarkFeedRead, frozen=True, kw_only=True):
    """The same of undoing one."""

    count: Counted


ReadAll = MarkFeedRead | UndoMarkFeedRead


def asked(r: ReadSnapshot, command: Command) -> tuple[str, Callable[[ReadSnapshot], Command]] | None:
    """The user whose feed is to be counted before a command is written, and the count; None if its transaction has little to
    read."""
    if not isinstance(command, ReadAll) or getattr(command, "event_ids", None) is not None:
        return None
    user = r.names.user(command.user)
    if user is None or _work(r, user, command) <= SHORT:
        return None
    return command.user, lambda reading: _count(reading, command)


def _work(r: ReadSnapshot, user: int, command: ReadAll) -> int:
    """The maximum number of positions and single items that a command reads."""
    low, high = _covered(r, user, command)
    (marks,) = r.db.one(sql("count_some_feed_reads"), (user, SHORT + 1))
    return max(0, high - low) + int(marks)


def _count(r: ReadSnapshot, command: ReadAll) -> Command:
    with r.snapshot():
        user = r.names.user(command.user)
        if user is None:
            return command
        v = feeds.viewer(r, user, own=True)
        low, high = _covered(r, user, command)
        if isinstance(command, UndoMarkFeedRead):
            again = unread_again(restored(r, user, command.position))
            count = Counted(user, low, high, changed(r, v, low, high, again))
            return CountedUndoMarkFeedRead(command.user, command.position, count=count)
        count = Counted(user, low, high, changed(r, v, low, high, marked_unread(r, user, high)))
        return CountedMarkFeedRead(command.user, None, command.up_to, count=count)


def counted(command: ReadAll, user: int, low: int) -> Counted | None:
    """The count of a command, if it is of this user, whose other read-alls still go so far."""
    if not isinstance(command, CountedMarkFeedRead | CountedUndoMarkFeedRead):
        return None
    return command.count if (command.count.user, command.count.low) == (user, low) else None


def _covered(r: ReadSnapshot, user: int, command: ReadAll) -> tuple[int, int]:
    """The positions that a command covers and no other read-all does, as (low, high]."""
    if isinstance(command, UndoMarkFeedRead):
        return floor(r, user, command.position), _up_to(r, user, command.position)
    (logged,) = r.db.one(sql("log_position"))
    return floor(r, user), int(logged) if command.up_to is None else min(logged, command.up_to)


def floor(r: ReadSnapshot, user: int, but: int = 0) -> int:
    """How far the read-alls of a user went, except the one that took a position."""
    query = sql("last_feed_read_all")
    (found,) = r.db.one(query, (user, but)) or (0,)
    return int(found)


def _up_to(r: ReadSnapshot, user: int, made: int) -> int:
    (up_to,) = r.db.one(sql("feed_read_all_reach"), (user, made)) or (0,)
    return int(up_to)


def changed(r: ReadSnapshot, v: feeds.Viewer, low: int, high: int, again: Sequence[int]) -> int:
    """The number of feed items that have a position in (low, high] and no row of their own, or one of these keys."""
    return len(visible(r, v, again)) + _unmarked(r, v, low, high)


def marked_unread(r: ReadSnapshot, user: int, up_to: int) -> list[int]:
    """The keys of items that were marked unread, up to this position."""
    query = sql("unread_items_up_to")
    return [key for (key,) in r.db.execute(query, (user, up_to))]


FeedReadRow = tuple[int, int, int, int, int | None]
"""A row of feed_read: (user, key, position, made, at)."""


def restored(r: ReadSnapshot, user: int, made: int) -> list[FeedReadRow]:
    """The rows of items that were marked unread before a read-all that is undone, without that read-all: read by the next
    one that covers it, if there is one."""
    query = sql("items_read_by_read_all")
    items = r.db.all(query, (user, made))
    if not items:
        return []
    floors, firsts = feeds.first_read_alls(r, user, items[0][1], made)
    rows: list[FeedReadRow] = []
    for key, position in items:
        n = bisect_left(floors, position)
        rows.append((user, key, position, *(firsts[n] if n < len(floors) else (made, None))))
    return rows


def unread_again(rows: Iterable[FeedReadRow]) -> list[int]:
    """The keys of the rows that no other read-all covers."""
    return [key for _, key, _, _, at in rows if at is None]


def visible(r: ReadSnapshot, v: feeds.Viewer, keys: Iterable[int]) -> Sequence[EventRow]:
    """Those of these events that are in the feed, the user's own included, by key."""
    # An id does not have its origin, so the visibility rules are applied.
    explaining = v._replace(careful=True)
    entries = [TimelineRow(key, v.timelines[0], 0) for key in sorted(keys)]
    return [s.event for s in feeds.visible(r, explaining, entries, "events_without_body", own=True)]


def _unmarked(r: ReadSnapshot, v: feeds.Viewer, low: int, high: int) -> int:
    items = (seen.event for seen in feeds.between(r, v, low, high))
    return sum(len(some) - len(marked(r, v, some)) for some in _parts(items))


def _parts(events: Iterator[EventRow]) -> Iterator[list[EventRow]]:
    while some := list(islice(events, AT_ONCE)):
        yield some


def marked(r: ReadSnapshot, v: feeds.Viewer, events: list[EventRow]) -> set[int]:
    """The keys of those of these events that have a row of their own."""
    if not v.reads or not events:
        return set()
    keys = r.writer.carray(event.key for event in events)
    query = sql("marked_items")
    return {key for (key,) in r.db.execute(query, (keys, v.user))}
