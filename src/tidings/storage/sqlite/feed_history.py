"""Changes of older feed items, for streams that resume: read states of one user, and retractions for all users.

Both are bounded: beyond the kept history the only information is that it is incomplete. So it is after an erasure.
"""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from tidings.activity_scope import EVERYBODY
from tidings.feed_changes import FeedChange, FeedMark, FeedReset, Retraction
from tidings.storage.sqlite.read_snapshot import EventRow, ReadSnapshot
from tidings.storage.sqlite.read_times import EVERYONES, FEED
from tidings.storage.sqlite.statements import sql
from tidings.storage.sqlite.write_session import WriteSession


class Mark(NamedTuple):
    """A row of feed_change."""

    user: int
    position: int
    at: int | None
    up_to: int | None
    keys: bytes | None
    list: int


# --- writing ------------------------------------------------------------------------------------------------------


def note(
    w: WriteSession,
    user: int,
    at: int | None,
    *,
    up_to: int | None = None,
    keys: Sequence[int] = (),
    list: int = FEED,
) -> None:
    """Record the change that took the last position; with neither ``up_to`` (of a ``list``) nor ``keys`` it is an undone
    read-all."""
    query = sql("last_feed_change")
    (number,) = w.db.one(query, (user,)) or (0,)
    packed = array("q", keys).tobytes() or None
    row = (user, w.position, number + 1, at, up_to, packed, list)
    w.db.execute(sql("insert_feed_change"), row)


def forget(w: WriteSession, user: int) -> None:
    """Delete all but the latest changes of a user."""
    newest = sql("last_feed_change")
    (number,) = w.db.one(newest, (user,))
    forgotten = 0
    oldest = sql("first_feed_change")
    while (row := w.db.one(oldest, (user,))) and row[0] <= number - w.settings.feed_history:
        w.db.execute(sql("delete_feed_change"), (user, row[1]))
        forgotten = max(forgotten, row[1])
    if forgotten:
        w.db.execute(sql("set_feed_changes_forgotten"), (forgotten, user))


def reset(w: WriteSession, user: int) -> None:
    """Record that the change which took the last position is not listed: streams that resume from before it start again."""
    note(w, user, None)
    w.db.execute(sql("set_feed_read_undone"), (w.position, user))


def retracted(w: WriteSession, event: EventRow) -> None:
    """Record the columns that decide in whose feeds a retracted event was."""
    (number,) = w.db.one(sql("last_retraction")) or (0,)
    row = (w.take_position(), number + 1, event.key, event.topics, event.targets)
    w.db.execute(sql("insert_retraction"), row)
    oldest = sql("first_retraction")
    while (row := w.db.one(oldest)) and row[0] <= number + 1 - w.settings.retraction_history:
        w.db.execute(sql("delete_retraction"), (row[1],))
        w.db.execute(sql("set_retractions_forgotten"), (row[1],))


def erased(w: WriteSession) -> int:
    """Have streams from before now start again: events that they sent show a user who is erased. Returns the position of
    that, a new one."""
    position = w.take_position()
    w.db.execute(sql("set_retractions_forgotten"), (position,))
    return position


# --- reading ------------------------------------------------------------------------------------------------------


def reaches(r: ReadSnapshot, user: int | None, after: int) -> bool:
    """Whether every change of this user's feed after a position is still kept."""
    query = sql("feed_history_begins")
    (forgotten,) = r.db.one(query, (user,))
    return after >= int(forgotten)


def retractions(r: ReadSnapshot, after: int, last: int, limit: int) -> Iterator[tuple[int, EventRow]]:
    """The first retractions after a position, up to ``last``, each with the event before it, without its body."""
    query = sql("retractions_between")
    rows = r.db.all(query, (after, last, limit))
    events = {row[0]: EventRow(*row) for row in r.rows([key for _, key, *_ in rows], "retracted_events")}
    for position, key, topics, targets in rows:
        yield position, events[key]._replace(topics=topics, targets=targets)


def marks(r: ReadSnapshot, after: int, last: int) -> list[Mark]:
    """The read-state changes of all users after a position, up to ``last``."""
    query = sql("feed_changes_between")
    return [Mark(*row) for row in r.db.all(query, (after, last))]


def lost(r: ReadSnapshot, after: int) -> list[int] | None:
    """The users whose feed changes after a position are no longer kept; None: all users."""
    query = sql("retractions_were_forgotten")
    (everybody,) = r.db.one(query, (after,))
    if everybody:
        return None
    users = r.db.execute(sql("users_with_changes_forgotten"), (after,))
    return [user for (user,) in users]


def change(r: ReadSnapshot, mark: Mark) -> FeedChange:
    """A read-state change as the port has it."""
    if mark.at is None and mark.up_to is None and mark.keys is None:
        return FeedReset(mark.position)
    keys: Iterable[int] = array("q", mark.keys or b"")
    ids = tuple(map(r.writer.ids.text, keys))
    return FeedMark(mark.position, mark.at, ids, mark.up_to, activity_of(r, mark.list))


def activity_of(r: ReadSnapshot, list: int) -> str | None:
    """The list of a read-all as MarkFeedRead names it."""
    if list == FEED:
        return None
    return EVERYBODY if list == EVERYONES else r.names.text(list)


def retraction(r: ReadSnapshot, position: int, event: EventRow) -> FeedChange:
    """A retraction as the port has it."""
    return Retraction(position, r.writer.ids.text(event.key))
