"""The number of items that a read-all, of a feed or of activity, marks read, or its undoing unread.

Counting 30,000 items takes some tenths of a second. So a reader thread counts them before the transaction, in a snapshot,
and the command takes effect as of that snapshot. Concurrent writes (an event, a retraction, a block, a follow) commute with
it: a read-all covers positions up to the last one of the snapshot, whatever is added to the feed there later. So the order
in which the command is first is equally valid, and the transaction counts nothing.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

from tidings.activity_scope import EVERYBODY, MAX_COUNTED
from tidings.model import Command, MarkFeedRead, UndoMarkFeedRead
from tidings.storage.sqlite import activity, feeds, inbox_counters, shared_items
from tidings.storage.sqlite.read_snapshot import EventRow, ReadSnapshot, TimelineRow
from tidings.storage.sqlite.read_times import EVERYONES, FEED, READ_ALL_ACTIVITY, covered, lists_with
from tidings.storage.sqlite.relations import blocked_among
from tidings.storage.sqlite.shared_items import NOTHING_UNDONE, Undoing
from tidings.storage.sqlite.statements import sql

SHORT = 1_000
"""Positions and single items whose state a transaction counts itself: some 5 ms."""
AT_ONCE = 1_000
"""Items that are compared with the read state at once."""


class Counted(NamedTuple):
    """The change of a user's read state by a command: so many ``items``, which have a position in (low, high] and no row of
    their own, or are those of ``again``, which were marked unread before. ``inbox``: the last seq of the inbox then, if all
    of the feed is read."""

    user: int
    low: int
    high: int
    items: int
    again: tuple[int, ...] = ()
    inbox: int | None = None


class CountedMarkFeedRead(MarkFeedRead, frozen=True, kw_only=True):
    """A read-all, as of the time at which it was counted."""

    count: Counted


class CountedUndoMarkFeedRead(UndoMarkFeedRead, frozen=True, kw_only=True):
    """The same of undoing one."""

    count: Counted


ReadAll = MarkFeedRead | UndoMarkFeedRead
FeedReadRow = tuple[int, int, int, int, int | None]
"""A row of feed_read: (user, key, position, made, at)."""


def asked(r: ReadSnapshot, command: Command) -> tuple[str, Callable[[ReadSnapshot], Command]] | None:
    """The user whose items are to be counted before a command is written, and the count; None if its transaction has little
    to read."""
    if not isinstance(command, ReadAll) or getattr(command, "event_ids", None) is not None:
        return None
    user = r.names.user(command.user)
    if user is None or _work(r, user, command) <= SHORT:
        return None
    return command.user, lambda reading: _count(reading, command)


def _work(r: ReadSnapshot, user: int, command: ReadAll) -> int:
    """The maximum number of positions and single items that a command reads."""
    _, low, high = _reach(r, user, command)
    (marks,) = r.db.one(sql("count_some_feed_reads"), (user, SHORT + 1))
    return max(0, high - low) + int(marks)


def _count(r: ReadSnapshot, command: ReadAll) -> Command:
    with r.snapshot():
        user = r.names.user(command.user)
        if user is None:
            return command
        v = feeds.viewer(r, user, own=True)
        read_list, low, high = _reach(r, user, command)
        if read_list is None:
            return command
        if isinstance(command, UndoMarkFeedRead):
            made = command.position
            count = count_undo(r, v, read_list, low, high, made, restored(r, v, made))
            return CountedUndoMarkFeedRead(command.user, made, count=count)
        count = count_read_all(r, v, read_list, low, high)
        if read_list == FEED and high == r.db.one(sql("log_position"))[0]:
            count = count._replace(inbox=inbox_counters.one(r, user).seq)
        return CountedMarkFeedRead(command.user, None, command.up_to, command.activity, count=count)


def count_read_all(r: ReadSnapshot, v: feeds.Viewer, read_list: int, low: int, high: int) -> Counted:
    """The change by a read-all of a list up to a position, where others of it go up to ``low``."""
    query = sql("unread_items_up_to")
    marked_unread = [key for (key,) in r.db.execute(query, (v.user, high))]
    having = _having(r, v, read_list, marked_unread)
    read = shared_items.read_times(r, v.user, [event.key for event in having])
    again = [event for event in having if event.key not in read]
    items = _changed(r, v, read_list, low, high, _listed(r, v, read_list, again))
    return Counted(v.user, low, high, items, tuple([event.key for event in again]))


def count_undo(
    r: ReadSnapshot,
    v: feeds.Viewer,
    read_list: int,
    low: int,
    high: int,
    made: int,
    rows: Sequence[FeedReadRow],
) -> Counted:
    """The change by undoing the read-all of a list that took a position, with these rows restored; the others go up to
    ``low``."""
    having = _having(r, v, read_list, [key for _, key, _, _, at in rows if at is None])
    undoing = shared_items.undoing(r, v.user, made)
    read = shared_items.read_times(r, v.user, [event.key for event in having], undoing)
    again = _listed(r, v, read_list, [event for event in having if event.key not in read])
    return Counted(v.user, low, high, _changed(r, v, read_list, low, high, again, made, undoing))


def counted(command: ReadAll, user: int, low: int) -> Counted | None:
    """The count of a command, if it is of this user, whose other read-alls of the list still go so far."""
    if not isinstance(command, CountedMarkFeedRead | CountedUndoMarkFeedRead):
        return None
    return command.count if (command.count.user, command.count.low) == (user, low) else None


def list_of(r: ReadSnapshot, activity: str | None) -> int | None:
    """The number of the list that a command names; None if there is no such topic."""
    if activity is None:
        return FEED
    return EVERYONES if activity == EVERYBODY else r.names.topic(activity)


def _reach(r: ReadSnapshot, user: int, command: ReadAll) -> tuple[int | None, int, int]:
    """The list of a command, and the positions that it covers and no other read-all of the list does, as (low, high]."""
    if isinstance(command, UndoMarkFeedRead):
        up_to, read_list = r.db.one(sql("feed_read_all_reach"), (user, command.position)) or (0, FEED)
        return read_list, floor(r, user, read_list, command.position), up_to
    (logged,) = r.db.one(sql("log_position"))
    high = int(logged) if command.up_to is None else min(logged, command.up_to)
    found = list_of(r, command.activity)
    return found, high if found is None else floor(r, user, found), high


def floor(r: ReadSnapshot, user: int, read_list: int, but: int = 0) -> int:
    """How far the read-alls of a list by a user went, except the one that took a position."""
    query = sql("last_feed_read_all")
    (found,) = r.db.one(query, (user, read_list, but)) or (0,)
    return int(found)


def _changed(
    r: ReadSnapshot,
    v: feeds.Viewer,
    read_list: int,
    low: int,
    high: int,
    again: int,
    but: int = 0,
    undoing: Undoing = NOTHING_UNDONE,
) -> int:
    """The number of items of a list that have a position in (low, high], no row of their own, and no read-all that covers
    them, except the one that took a position; and of ``again`` others."""
    some = islice(
        _unmarked(r, v, read_list, low, high, but, undoing), None if read_list == FEED else MAX_COUNTED
    )
    found = again + sum(1 for _ in some)
    return found if read_list == FEED else min(found, MAX_COUNTED)


def restored(r: ReadSnapshot, v: feeds.Viewer, made: int) -> list[FeedReadRow]:
    """The rows of items that were marked unread before a read-all that is undone, without that read-all: read by the next
    one that covers it, if there is one."""
    query = sql("items_read_by_read_all")
    items = r.db.all(query, (v.user, made))
    firsts = covered(r, v, items, in_feed=False, after=made)
    unread: tuple[int, int | None] = (made, None)
    return [(v.user, key, position, *firsts.get(key, unread)) for key, position in items]


def _having(r: ReadSnapshot, v: feeds.Viewer, read_list: int, keys: Iterable[int]) -> Sequence[EventRow]:
    """Those of these events that a list has, by key."""
    if read_list == FEED:
        return visible(r, v, keys)
    events = r.events(sorted(keys), "events_without_body")
    lists = lists_with(r, v.user, events, {read_list})
    return [event for event in events if lists[event.key]]


def _listed(r: ReadSnapshot, v: feeds.Viewer, read_list: int, events: Sequence[EventRow]) -> int:
    """The number of these events of a list that no block hides; a feed has no others."""
    if read_list == FEED or not events or not v.careful:
        return len(events)
    hidden = blocked_among(r, v.user, {event.actor for event in events})
    return sum(event.actor not in hidden for event in events)


def visible(r: ReadSnapshot, v: feeds.Viewer, keys: Iterable[int]) -> Sequence[EventRow]:
    """Those of these events that are in the feed, the user's own included, by key."""
    # An id does not have its origin, so the visibility rules are applied.
    explaining = v._replace(careful=True)
    entries = [TimelineRow(key, v.timelines[0], 0) for key in sorted(keys)]
    return [s.event for s in feeds.visible(r, explaining, entries, "events_without_body", own=True)]


def _unmarked(
    r: ReadSnapshot, v: feeds.Viewer, read_list: int, low: int, high: int, but: int, undoing: Undoing
) -> Iterator[EventRow]:
    for some in _parts(_items(r, v, read_list, low, high)):
        own = _marked(r, v, some)
        others = [event for event in some if event.key not in own]
        read: Mapping[int, object] = {}
        # Without read-alls of activity, those of the feed end at ``low``.
        if read_list != FEED or v.reads >= READ_ALL_ACTIVITY:
            items = [(event.key, event.position) for event in others]
            read = covered(r, v, items, in_feed=read_list == FEED, but=but)
        unread = [event for event in others if event.key not in read]
        shared = shared_items.read_times(r, v.user, [event.key for event in unread], undoing)
        yield from (event for event in unread if event.key not in shared)


def _items(r: ReadSnapshot, v: feeds.Viewer, read_list: int, low: int, high: int) -> Iterator[EventRow]:
    if read_list == FEED:
        return (seen.event for seen in feeds.between(r, v, low, high))
    viewer = activity.ActivityViewer(v.user, v.careful)
    return activity.between(r, None if read_list == EVERYONES else read_list, viewer, low, high)


def _parts(events: Iterator[EventRow]) -> Iterator[list[EventRow]]:
    while some := list(islice(events, AT_ONCE)):
        yield some


def _marked(r: ReadSnapshot, v: feeds.Viewer, events: list[EventRow]) -> set[int]:
    """The keys of those of these events that have a row of their own."""
    if not v.reads or not events:
        return set()
    keys = r.writer.carray(event.key for event in events)
    query = sql("marked_items")
    return {key for (key,) in r.db.execute(query, (keys, v.user))}
