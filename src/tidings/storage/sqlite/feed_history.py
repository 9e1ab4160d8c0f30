"""What changed older items of feeds, for streams that resume: marks of one user, and retractions of everyone.

Both are bounded: of what is older than the history that is kept it can only be said that it is not known.
"""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from tidings.feed_changes import FeedChange, FeedMark, FeedReset, Retraction
from tidings.storage.sqlite.read_snapshot import EventRow, ReadSnapshot
from tidings.storage.sqlite.write_session import WriteSession


class Mark(NamedTuple):
    """A row of feed_change."""

    user: int
    position: int
    at: int | None
    up_to: int | None
    keys: bytes | None


# --- writing ------------------------------------------------------------------------------------------------------


def note(
    w: WriteSession, user: int, at: int | None, *, up_to: int | None = None, keys: Sequence[int] = ()
) -> None:
    """Keep the change that took the last position; with neither ``up_to`` nor ``keys`` it is a read-all taken back."""
    query = "SELECT number FROM feed_change WHERE user=? ORDER BY position DESC LIMIT 1"
    (number,) = w.db.one(query, (user,)) or (0,)
    packed = array("q", keys).tobytes() or None
    row = (user, w.position, number + 1, at, up_to, packed)
    w.db.execute("INSERT INTO feed_change VALUES (?, ?, ?, ?, ?, ?)", row)


def forget(w: WriteSession, user: int) -> None:
    """Keep the latest changes of a user."""
    newest = "SELECT number FROM feed_change WHERE user=? ORDER BY position DESC LIMIT 1"
    (number,) = w.db.one(newest, (user,))
    forgotten = 0
    oldest = "SELECT number, position FROM feed_change WHERE user=? ORDER BY position LIMIT 1"
    while (row := w.db.one(oldest, (user,))) and row[0] <= number - w.settings.feed_history:
        w.db.execute("DELETE FROM feed_change WHERE user=? AND position=?", (user, row[1]))
        forgotten = max(forgotten, row[1])
    if forgotten:
        w.db.execute("UPDATE viewer SET forgotten=? WHERE user=?", (forgotten, user))


def retracted(w: WriteSession, event: EventRow) -> None:
    """Keep what says in whose feed a retracted event was."""
    (number,) = w.db.one("SELECT number FROM retraction ORDER BY position DESC LIMIT 1") or (0,)
    row = (w.take_position(), number + 1, event.key, event.topics, event.targets)
    w.db.execute("INSERT INTO retraction VALUES (?, ?, ?, ?, ?)", row)
    oldest = "SELECT number, position FROM retraction ORDER BY position LIMIT 1"
    while (row := w.db.one(oldest)) and row[0] <= number + 1 - w.settings.retraction_history:
        w.db.execute("DELETE FROM retraction WHERE position=?", (row[1],))
        w.db.execute("UPDATE meta SET value=? WHERE name='retractions_forgotten'", (row[1],))


# --- reading ------------------------------------------------------------------------------------------------------


def reaches(r: ReadSnapshot, user: int | None, after: int) -> bool:
    """Whether every change of this user's feed after a position is still known."""
    query = (
        "SELECT max((SELECT value FROM meta WHERE name='retractions_forgotten'),"
        " coalesce((SELECT max(forgotten, undone) FROM viewer WHERE user=?), 0))"
    )
    (forgotten,) = r.db.one(query, (user,))
    return after >= int(forgotten)


def reaches_retractions(r: ReadSnapshot, after: int) -> bool:
    """Whether every retraction after a position is still known."""
    (forgotten,) = r.db.one("SELECT value FROM meta WHERE name='retractions_forgotten'")
    return after >= int(forgotten)


def retractions(r: ReadSnapshot, after: int, last: int, limit: int) -> Iterator[tuple[int, EventRow]]:
    """The first retractions after a position, up to ``last``, each with the event as it was, but for its body."""
    query = (
        "SELECT position, key, topics, targets FROM retraction"
        " WHERE position>? AND position<=? ORDER BY position LIMIT ?"
    )
    rows = r.db.all(query, (after, last, limit))
    events = {row[0]: EventRow(*row) for row in r.rows([key for _, key, *_ in rows], "retracted_events")}
    for position, key, topics, targets in rows:
        yield position, events[key]._replace(topics=topics, targets=targets)


def marks(r: ReadSnapshot, after: int, last: int) -> list[Mark]:
    """Everybody's marks after a position, up to ``last``."""
    query = "SELECT user, position, at, up_to, keys FROM feed_change WHERE position>? AND position<=?"
    return [Mark(*row) for row in r.db.all(query, (after, last))]


def lost(r: ReadSnapshot, after: int) -> list[int] | None:
    """The users of whose feeds changes after a position are no longer kept; None: of everybody's."""
    query = "SELECT value > ? FROM meta WHERE name='retractions_forgotten'"
    (everybody,) = r.db.one(query, (after,))
    if everybody:
        return None
    users = r.db.execute("SELECT user FROM viewer WHERE forgotten > ? AND forgotten > 0", (after,))
    return [user for (user,) in users]


def change(r: ReadSnapshot, mark: Mark) -> FeedChange:
    """A mark as it is told."""
    if mark.at is None and mark.up_to is None and mark.keys is None:
        return FeedReset(mark.position)
    keys: Iterable[int] = array("q", mark.keys or b"")
    return FeedMark(mark.position, mark.at, tuple(map(r.writer.ids.text, keys)), mark.up_to)


def retraction(r: ReadSnapshot, position: int, event: EventRow) -> FeedChange:
    """A retraction as it is told."""
    return Retraction(position, r.writer.ids.text(event.key))
