"""Reminders: events to come, by when they are due.

A reminder is one row, so it is set and cancelled as a whole. Each user whom it names also has an index row
(``reminder_user``), by which exports and erasures find the reminder. If a reminder names many users, a fan-out job writes
and deletes these rows in steps, in the order of the names. Until the job has ended, the reminder is partly indexed: it is
listed in ``reminder_unsettled``, and exports and erasures also search the reminders in that list.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from heapq import merge
from operator import attrgetter
from typing import NamedTuple

import apsw
import msgspec

from tidings.errors import KeyReused
from tidings.ids import MAX_KEY
from tidings.model import (
    CancelReminder,
    CommandResult,
    FireReminder,
    Publish,
    Published,
    SetReminder,
    user_topic,
)
from tidings.personal_data import NAMED_AT_ONCE, Reminder
from tidings.storage import anonymize, records
from tidings.storage.anonymize import Renaming
from tidings.storage.sqlite import publish
from tidings.storage.sqlite.db import Db
from tidings.storage.sqlite.read_snapshot import ReadSnapshot
from tidings.storage.sqlite.statements import sql
from tidings.storage.sqlite.write_session import WriteSession

_names = msgspec.json.Decoder(tuple[str, ...]).decode


class Stored(NamedTuple):
    """A reminder as it is in the file, with the names of users whose erasure goes on, and its number."""

    number: int
    reminder: Reminder

    def shown(self, renamings: Sequence[Renaming]) -> Reminder | None:
        """As it will be once the erasures that go on have ended; None when it has no recipient then."""
        return anonymize.renamed_reminder(self.reminder, self.number, renamings)


def set_reminder(w: WriteSession, command: SetReminder) -> CommandResult:
    """Set a reminder, or replace the one with the same key. If few index rows differ, only these are written."""
    new = command.reminder
    found = _stored(w.db, new.key)
    if found is None:
        _insert(w, new)
    elif w.renamings or _differences(found.reminder, new) > _at_once(w):
        # An erasure that goes on takes its user out of what has an earlier number: this is set after it began.
        _remove(w, found)
        _insert(w, new)
    elif found.reminder != new:
        _rewrite(w, found, new)
    return CommandResult(1, w.position)


def cancel(w: WriteSession, command: CancelReminder) -> CommandResult:
    """Cancel a reminder."""
    found = _stored(w.db, command.key)
    shown = found and found.shown(w.renamings)
    if found is None or shown is None or command.only not in (None, shown):
        return CommandResult(0, w.position)
    _remove(w, found)
    return CommandResult(1, w.position)


def _rewrite(w: WriteSession, old: Stored, new: Reminder) -> None:
    w.db.execute(sql("update_reminder"), (*_columns(new), old.number))
    before, now = anonymize.people(old.reminder), anonymize.people(new)
    indexed_up_to = _indexed_up_to(w, old.number)
    _delete_index_rows(w, old.number, before - now)
    _insert_index_rows(
        w, old.number, (name for name in now - before if indexed_up_to is None or name <= indexed_up_to)
    )


def _insert(w: WriteSession, new: Reminder) -> None:
    (number,) = w.db.one(sql("insert_reminder"), (new.key, *_columns(new)))
    named = anonymize.people(new)
    if len(named) > _at_once(w):
        _enqueue_indexing(w, number, "")
    else:
        _insert_index_rows(w, number, named)


def _remove(w: WriteSession, found: Stored) -> None:
    """Delete a reminder with its index rows; if these are many, hide it and delete them in steps."""
    indexed_up_to = _indexed_up_to(w, found.number)
    named = [
        name for name in anonymize.people(found.reminder) if indexed_up_to is None or name <= indexed_up_to
    ]
    if len(named) <= _at_once(w):
        _delete(w, found.number, named)
        return
    w.db.execute(sql("retire_reminder"), (found.number,))
    if indexed_up_to is None:
        _enqueue_indexing(w, found.number, max(named))


def _delete(w: WriteSession, number: int, named: Iterable[str]) -> None:
    _delete_index_rows(w, number, named)
    w.db.execute(sql("delete_reminder_indexing"), (number,))
    w.db.execute(sql("delete_reminder"), (number,))


def _enqueue_indexing(w: WriteSession, number: int, indexed_up_to: str) -> None:
    w.db.execute(sql("insert_reminder_indexing"), (number, indexed_up_to))
    w.enqueue_job("index_reminder", number, 0, 0)


def _indexed_up_to(w: WriteSession, number: int) -> str | None:
    """The last name that has an index row, for a partly indexed reminder; None for another: all names have theirs."""
    row = w.db.one(sql("indexed_up_to"), (number,))
    return row[0] if row else None


def _insert_index_rows(w: WriteSession, number: int, users: Iterable[str]) -> None:
    if named := tuple(sorted(users)):
        w.db.execute(sql("insert_reminder_users"), (number, apsw.carray(named)))


def _delete_index_rows(w: WriteSession, number: int, users: Iterable[str]) -> None:
    if named := tuple(sorted(users)):
        w.db.execute(sql("delete_reminder_users"), (number, apsw.carray(named)))


def _differences(old: Reminder, new: Reminder) -> int:
    if old.users == new.users:  # besides its users it names three at most: actor, object, audience
        return 0
    return len(anonymize.people(old) ^ anonymize.people(new))


def _at_once(w: WriteSession) -> int:
    """The most users of one reminder whose index rows one transaction writes or deletes."""
    return min(NAMED_AT_ONCE, w.settings.fanout_sync_max_followers)


# --- steps ----------------------------------------------------------------------------------------------------------


def index_next(w: WriteSession, up_to: int, budget: int) -> int:
    """Do one step for a partly indexed reminder up to a number; returns its cost in rows, 0 if there is none."""
    (number,) = w.db.one(sql("next_reminder_to_index"), (up_to,))
    return 0 if number is None else index_step(w, number, budget)


def index_step(w: WriteSession, number: int, budget: int) -> int:
    """Write about ``budget`` index rows of a reminder, or delete as many of a cancelled one; returns the cost in rows, 0 if
    the reminder is not partly indexed."""
    row = w.db.one(sql("reminder_to_index"), (number,))
    if row is None:
        return 0
    indexed_up_to, is_cancelled, *columns = row
    reminder = _of_row(*columns).reminder
    names = sorted(anonymize.people(reminder))
    done = bisect_right(names, indexed_up_to)
    if is_cancelled:
        left = max(0, done - budget)
        some = names[left:done]
        _delete_index_rows(w, number, some)
        if left:
            w.db.execute(sql("set_indexed_up_to"), (names[left - 1], number))
        else:
            _delete(w, number, ())
    else:
        some = names[done : done + budget]
        _insert_index_rows(w, number, some)
        if done + len(some) < len(names):
            w.db.execute(sql("set_indexed_up_to"), (some[-1], number))
        else:
            w.db.execute(sql("delete_reminder_indexing"), (number,))
    return 1 + len(some) + reminder.weight


def _columns(new: Reminder) -> tuple[int, bytes, str, str, str, str, int]:
    users = msgspec.json.encode(new.users).decode()
    return new.due_at, new.event, users, new.audience, new.every, new.time_zone, new.first_at


def fire(w: WriteSession, command: FireReminder) -> Published | KeyReused:
    """Publish the event of a reminder and set it to its next time. Who comes too late, or twice, changes nothing; nor
    does an event that is refused."""
    key = command.reminder.key
    found = _stored(w.db, key)
    if found is None or found.shown(w.renamings) != command.reminder:
        return Published(())
    (outcome,) = publish.publish(w, [Publish((command.event,))])
    if isinstance(outcome, Published):
        if command.next_at is None:
            _remove(w, found)
        else:
            w.db.execute(sql("reschedule_reminder"), (command.next_at, key))
    return outcome


def due(
    r: ReadSnapshot, due_by: int | None, limit: int, after: tuple[int, str] | None, max_bytes: int
) -> list[Reminder]:
    """The next reminders, soonest first, beginning after a (time, key); not more than fit into ``max_bytes``, and one at
    least. Their sizes are asked first, so that nothing is read that does not fit."""
    found: list[Reminder] = []
    total = 0
    place = after or (-1, "")
    while len(found) < limit:
        bounds = (MAX_KEY if due_by is None else due_by, *place, limit - len(found))
        sizes = r.db.all(sql("due_reminder_sizes"), bounds)
        if not sizes:
            break
        for due_at, key, size in sizes:
            total += size
            if found and total > max_bytes:
                return found
            r.check()
            place = due_at, key
            one = shown(r, key)
            if one is None:  # for an erasure that goes on it is gone
                total -= size
            else:
                found.append(one)
    return found


def shown(r: ReadSnapshot, key: str) -> Reminder | None:
    """The reminder with this key."""
    found = _stored(r.db, key)
    return found and found.shown(r.writer.renamings)


def _stored(db: Db, key: str) -> Stored | None:
    row = db.one(sql("reminder_by_key"), (key,))
    return _of_row(*row) if row else None


def _of_row(
    number: int,
    key: str,
    due_at: int,
    event: bytes,
    users: str,
    audience: str,
    every: str,
    zone: str,
    first_at: int,
) -> Stored:
    return Stored(number, Reminder(key, due_at, event, _names(users), audience, every, zone, first_at))


# --- what is kept of a person -------------------------------------------------------------------------------------


def export(
    r: ReadSnapshot, user: str, after: int, limit: int, max_bytes: int
) -> tuple[list[bytes], int | None]:
    """A line for each reminder that names a person, from a number on, and the number after which to go on; None at the
    end. Of the bytes read for it ``max_bytes`` are not exceeded but by the last. The users of other reminders than
    partly indexed ones are not read."""
    lines: list[bytes] = []
    size, last = 0, None
    renamings = r.writer.renamings
    after = max(after, _hidden(renamings, user))
    found = (
        Stored(number, Reminder(key, due_at, event, (), *rest))
        for number, key, due_at, event, *rest in r.db.execute(sql("export_reminders"), (user, after, limit))
    )
    unindexed = (one for one in _unindexed_of(r.db, user, after) if one.reminder.key)
    for number, reminder in merge(found, unindexed, key=attrgetter("number")):
        text = anonymize.renamed_text(reminder.event, number, renamings)
        shown = msgspec.structs.replace(reminder, event=text)
        lines.append(msgspec.json.encode(records.reminder(shown)))
        size, last = size + len(reminder.event), number
        if size >= max_bytes or len(lines) >= limit:
            break
    return lines, last


def _unindexed_of(db: Db, user: str, after: int) -> Iterator[Stored]:
    """The partly indexed reminders after a number that name a user who has no index row of them; a cancelled one has an
    empty key. Only those that contain the name are decoded."""
    probe = msgspec.json.encode(user)[1:-1].decode()
    searched = (after, user, probe, user_topic(user))
    for number, key, *rest in db.execute(sql("unindexed_reminders_with_name"), searched):
        found = _of_row(number, key or "", *rest)
        if user in anonymize.people(found.reminder):
            yield found


def last_number(db: Db) -> int:
    """The number of the reminder that was set last, whether it stands or not."""
    (number,) = db.one(sql("last_reminder"))
    return int(number)


def is_named(w: WriteSession, user: str, *, include_cancelled: bool = False) -> bool:
    """Whether a reminder names a user; ``include_cancelled``: or a cancelled one whose index rows are not deleted yet.
    Reminders from which a running erasure removes the same name are left out."""
    after = _hidden(w.renamings, user)
    (found,) = w.db.one(sql("is_named_by_reminder"), (user, after, include_cancelled))
    return bool(found) or any(
        include_cancelled or one.reminder.key for one in _unindexed_of(w.db, user, after)
    )


def _hidden(renamings: Sequence[Renaming], user: str) -> int:
    """The number up to which reminders name another of this name, whose erasure goes on."""
    return max((one.last_reminder for one in renamings if one.name == user), default=0)


def readdress_next(
    w: WriteSession, user: str, into: str, after: int, up_to: int
) -> tuple[int | None, int, int]:
    """Put another user in the place of one among the recipients of the next reminder with a number in (after, up_to] that
    names the latter. Returns its number, None if there is none; 1 if it had the user as a recipient; and the cost in rows.
    None of these reminders is partly indexed."""
    row = w.db.one(sql("next_reminder_to_move"), (user, after, up_to))
    if row is None:
        return None, 0, 1
    found = _of_row(*row)
    left = anonymize.readdressed(found.reminder, user, into)
    if left != found.reminder:
        _rewrite(w, found, left)
    return found.number, int(left != found.reminder), 1 + found.reminder.weight


def forget_one(w: WriteSession, user: str, up_to: int) -> int:
    """Remove an erased user from one of the reminders up to a number that name the user; returns the cost in rows, 0 if
    there is none. None of these reminders is partly indexed. Of the index rows only that of the user is deleted."""
    row = w.db.one(sql("next_reminder_of_user"), (user, up_to))
    if row is None:
        return 0
    found = _of_row(*row)
    left = found.shown(w.renamings)
    if left is None:
        _remove(w, found)
    else:
        _rewrite(w, found, left)
    w.db.execute(sql("delete_reminder_users"), (found.number, apsw.carray((user,))))
    return 1 + found.reminder.weight
