"""How many feed items a read-all reads, or taking one back makes unread.

Of 30,000 items that is a count of some tenths of a second. So a thread that reads counts them before the transaction, in a
snapshot, and the transaction adds what has changed since: what was published, and what was retracted. When anything else
changed the feed, which its viewer's version tells, the transaction counts again.
"""

from collections.abc import Callable, Iterator
from itertools import islice

from tidings.ids import MAX_KEY
from tidings.model import Command, MarkFeedRead, UndoMarkFeedRead
from tidings.storage.sqlite import feed_history, feeds
from tidings.storage.sqlite.read_snapshot import EventRow, ReadSnapshot
from tidings.storage.sqlite.write_session import Counted, WriteSession

SHORT = 1_000
"""Positions whose items a transaction counts itself: some 5 ms."""
AT_ONCE = 1_000
"""Items that are held against the marks at once."""
MOST_RETRACTIONS = 1_000
"""Retractions that a transaction holds against a count; after more it counts again."""
MOST_COUNTS = 1_000
"""Counts that wait for their transaction: each takes some hundred bytes, and has a user's only place in line."""


Count = Callable[[ReadSnapshot], tuple[int, Counted] | None]


def asked(r: ReadSnapshot, command: Command) -> tuple[str, Count] | None:
    """Whose feed is to be counted before a command is written, and how; None when its transaction need not look at much."""
    if not isinstance(command, MarkFeedRead | UndoMarkFeedRead) or _span(r, command) <= SHORT:
        return None
    return command.user, lambda reading: _count(reading, command)


def keep(w: WriteSession, found: tuple[int, Counted] | None) -> None:
    """Have the next transaction that counts for this user begin with this count."""
    if found is not None:
        if len(w.counted) >= MOST_COUNTS:
            w.counted.clear()
        user, counted = found
        w.counted[user] = counted


def _span(r: ReadSnapshot, command: MarkFeedRead | UndoMarkFeedRead) -> int:
    """How many positions a command covers, at most."""
    user = r.names.user(command.user)
    low, high = (0, 0) if user is None else _covered(r, user, command)
    return high - low


def _count(r: ReadSnapshot, command: MarkFeedRead | UndoMarkFeedRead) -> tuple[int, Counted] | None:
    with r.snapshot():
        user = r.names.user(command.user)
        if user is None:
            return None
        v = feeds.viewer(r, user, own=True)
        low, high = _covered(r, user, command)
        return user, Counted(v.version, low, high, r.head(), _unmarked(r, v, low, high))


def _covered(r: ReadSnapshot, user: int, command: MarkFeedRead | UndoMarkFeedRead) -> tuple[int, int]:
    """The positions that a command covers and no other read-all does, as (low, high]."""
    if isinstance(command, UndoMarkFeedRead):
        return floor(r, user, command.position), _up_to(r, user, command.position)
    if command.event_ids is not None:
        return 0, 0
    (logged,) = r.db.one("SELECT coalesce(max(position), 0) FROM log")
    return floor(r, user), int(logged) if command.up_to is None else min(logged, command.up_to)


def floor(r: ReadSnapshot, user: int, but: int = 0) -> int:
    """How far the read-alls of a user went, but for the one that took a position."""
    query = "SELECT up_to FROM feed_floor WHERE user=? AND made<>? ORDER BY up_to DESC LIMIT 1"
    (found,) = r.db.one(query, (user, but)) or (0,)
    return int(found)


def _up_to(r: ReadSnapshot, user: int, made: int) -> int:
    (up_to,) = r.db.one("SELECT up_to FROM feed_floor WHERE user=? AND made=?", (user, made)) or (0,)
    return int(up_to)


def unmarked(w: WriteSession, r: ReadSnapshot, v: feeds.Viewer, low: int, high: int) -> int:
    """How many items have a position in (low, high] and no mark of their own."""
    counted = w.counted.pop(v.user, None)
    if counted is None or (counted.version, counted.low) != (v.version, low) or counted.high > high:
        return _unmarked(r, v, low, high)
    gone = _retracted(r, v, counted)
    if gone is None:
        return _unmarked(r, v, low, high)
    return counted.items - gone + _unmarked(r, v, counted.high, high)


def _retracted(r: ReadSnapshot, v: feeds.Viewer, counted: Counted) -> int | None:
    """How many of the counted items were retracted since; None when that is not known."""
    if not feed_history.reaches_retractions(r, counted.head):
        return None
    some = list(feed_history.retractions(r, counted.head, MAX_KEY, MOST_RETRACTIONS))
    if len(some) == MOST_RETRACTIONS:
        return None
    events = [event for _, event in some if counted.low < event.position <= counted.high]
    reasons = feeds.explain(r, v, [event for event in events if event.actor != v.user])
    shown = [event for event in events if event.actor == v.user or reasons[event.key] is not None]
    return len(shown) - len(marked(r, v, shown))


def _unmarked(r: ReadSnapshot, v: feeds.Viewer, low: int, high: int) -> int:
    items = (seen.event for seen in feeds.between(r, v, low, high))
    return sum(len(some) - len(marked(r, v, some)) for some in _parts(items))


def _parts(events: Iterator[EventRow]) -> Iterator[list[EventRow]]:
    while some := list(islice(events, AT_ONCE)):
        yield some


def marked(r: ReadSnapshot, v: feeds.Viewer, events: list[EventRow]) -> set[int]:
    """The keys of those of these events that have a mark of their own."""
    if not v.reads or not events:
        return set()
    keys = r.writer.carray(event.key for event in events)
    query = "SELECT f.key FROM carray(?) c CROSS JOIN feed_read f ON f.user=? AND f.key=c.value"
    return {key for (key,) in r.db.execute(query, (keys, v.user))}
