"""The newest known display names of users: one row for each user who has one.

A row has the time of what gave the name. Events that repeat the name do not write: their times are in their rows, and are
looked up when an event brings another name and was created before the newest event of the log. So the row of a user changes
only with the name, and when an event that repeats it is retracted.
"""

from collections.abc import Collection, Iterable, Sequence

import msgspec

from tidings.display_names import SetDisplayName
from tidings.ids import COUNTER_BITS, MAX_KEY, key_at, ms_of
from tidings.model import CommandResult, NewEvent
from tidings.storage.sqlite.read_snapshot import EventRow, ReadSnapshot
from tidings.storage.sqlite.statements import sql
from tidings.storage.sqlite.timeline_numbers import topic_timelines
from tidings.storage.sqlite.write_session import KnownName, WriteSession

CACHED_NAMES = 50_000
"""Names in the cache of the writer, some 10 MB when full; then it is emptied. Another name costs a look-up per batch."""
SCANNED = 256
"""Entries of a timeline that are read at once."""
MOST_SCANNED = 10_000
"""Entries of a user's topic that are searched for a newer name, some 40 ms. After so many without any, the event counts as
the newest with a name."""


class _Named(msgspec.Struct):
    actor_name: str | None = None


_named = msgspec.json.Decoder(_Named).decode


def learn(w: WriteSession, events: Sequence[NewEvent]) -> None:
    """Take the names of the actors of events that are about to be appended, and whose actors have numbers. Without a new
    name this executes no statement, but for users who are not in the cache."""
    users = w.names.users
    newest: dict[int, NewEvent] = {}
    for event in events:
        if event.actor_name:
            user = users[event.actor_id]
            other = newest.get(user)
            if other is None or event.created_at >= other.created_at:
                newest[user] = event
    if not newest:
        return
    known = _known(w, newest)
    if changed := {user: event for user, event in newest.items() if event.actor_name != known[user].name}:
        _take(w, changed)


def _take(w: WriteSession, changed: dict[int, NewEvent]) -> None:
    """Store the names of these users that are newer than all known ones."""
    r = ReadSnapshot.of(w)
    shown = 0
    rows: list[tuple[int, str, int]] = []
    for user, event in changed.items():
        name, at = w.display_names[user]
        is_late = event.created_at < w.high >> COUNTER_BITS
        if event.created_at < at or (is_late and _has_newer(r, user, event.created_at)):
            continue
        assert event.actor_name is not None
        rows.append((user, event.actor_name, event.created_at))
        # The first name of a user without events is in no stored row: it must not make every entity tag outdated.
        shown += name is not None or any(map(r.newest, topic_timelines(user)))
    _store(w, rows, shown)


def _store(w: WriteSession, rows: Sequence[tuple[int, str, int]], shown: int) -> None:
    w.insert("insert_display_names", rows)
    w.display_names.update((user, KnownName(name, at)) for user, name, at in rows)
    if shown:
        w.count_renames(shown)


def _has_newer(r: ReadSnapshot, user: int, created_at: int) -> bool:
    """Whether a stored event of a user has a name and was created after a time."""
    above, before = key_at(created_at + 1) - 1, MAX_KEY
    for _ in range(0, MOST_SCANNED, SCANNED):
        entries = r.entries(topic_timelines(user), before, above, SCANNED)
        events = r.events([entry.key for entry in entries])
        if any(event.actor == user and _named(event.body).actor_name for event in events):
            return True
        if len(entries) < SCANNED:
            break
        before = entries[-1].key
    return False


def _known(w: WriteSession, users: Iterable[int]) -> dict[int, KnownName]:
    """The rows of these users, and of others: one statement for all that are not cached."""
    known = w.display_names
    if len(known) >= CACHED_NAMES:
        known.clear()
    if missing := [user for user in users if user not in known]:
        found = w.db.execute(sql("display_names_of"), (w.carray(missing),))
        known.update((user, KnownName(name, at)) for user, name, at in found)
    return known


def set_name(w: WriteSession, command: SetDisplayName) -> CommandResult:
    """Give a user a name."""
    user = w.names.make_user(command.user)
    name, at = _known(w, (user,))[user]
    is_new = name != command.name
    _store(w, [(user, command.name, max(at, w.clock.now()))], shown=int(is_new))
    return CommandResult(int(is_new), w.position)


def retracted(w: WriteSession, event: EventRow) -> None:
    """Keep the time of a retracted event with a name: no older event may bring another one."""
    if _named(event.body).actor_name:
        w.db.execute(sql("advance_display_name"), (ms_of(event.key), event.actor))
        w.display_names.pop(event.actor, None)


def forget(w: WriteSession, user: int) -> None:
    """Delete the name of an erased user."""
    w.db.execute(sql("delete_display_name"), (user,))
    w.display_names.pop(user, None)


def of_many(r: ReadSnapshot, users: Collection[int]) -> dict[int, str | None]:
    """The newest known names of these users, None for those without one."""
    if not users:
        return {}
    return {user: name for user, name, _ in r.db.execute(sql("display_names_of"), (r.writer.carray(users),))}


def of(r: ReadSnapshot, user: int) -> str | None:
    """The newest known name of a user."""
    return of_many(r, (user,))[user]
