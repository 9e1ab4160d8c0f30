"""What a change of notifications changes of the feed with which they share a read state.

Nothing of an event is written when its notification is read: readers find that (shared_items.py). Streams are notified, and
events whose notification is unread again get rows of their own if the feed alone would have them read.
"""

from collections.abc import Sequence
from typing import NamedTuple

from tidings.read_together import LISTED_EVENTS
from tidings.storage.sqlite import feed_history, feeds, shared_items
from tidings.storage.sqlite.notification_groups import Row
from tidings.storage.sqlite.read_snapshot import ReadSnapshot
from tidings.storage.sqlite.read_times import MARKED, own_read_times
from tidings.storage.sqlite.relations import today
from tidings.storage.sqlite.statements import sql
from tidings.storage.sqlite.write_session import WriteSession


class MarkedUser(NamedTuple):
    """A user whose read state is read; see ``read_times.Reading``."""

    user: int
    reads: int


def reader(r: ReadSnapshot, user: int) -> MarkedUser:
    """A user with the read state of now."""
    return MarkedUser(user, feeds.facts(r, user)[1])


def positions(r: ReadSnapshot, keys: Sequence[int]) -> list[tuple[int, int]]:
    """(key, position) of these events."""
    return [(event.key, event.position) for event in r.events(sorted(keys), "events_without_body")]


def touched(w: WriteSession, user: int) -> None:
    """Record that a user has a read state, and that it changed."""
    w.db.execute(sql("set_has_read_state"), (user, MARKED, today(w)))


def follow_groups(w: WriteSession, r: ReadSnapshot, user: int, rows: Sequence[Row], at: int | None) -> bool:
    """These groups became read at a time, or (None) unread: announce their events; returns whether there are any."""
    if not shared_items.exist(r, user):
        return False
    shared, whole = shared_items.events_of(r, user, rows, LISTED_EVENTS)
    events = positions(r, list(shared))
    own = own_read_times(r, reader(r, user), events)
    keys = sorted(key for key in shared if at is None or key not in own)
    if not keys and whole:
        return False
    touched(w, user)
    made = w.take_position()
    if at is None and own:
        unread = [(user, key, position, made, None) for key, position in events if key in own]
        w.insert("insert_feed_reads", unread)
    if whole:
        feed_history.note(w, user, at, keys=keys)
    else:
        feed_history.reset(w, user)
    feed_history.forget(w, user)
    return True


def reset(w: WriteSession, r: ReadSnapshot, user: int) -> bool:
    """The read times of a user's events changed in a way that is not listed, if some are read together with notifications:
    streams of the feed start again."""
    if not shared_items.exist(r, user):
        return False
    touched(w, user)
    w.take_position()
    feed_history.reset(w, user)
    feed_history.forget(w, user)
    return True
