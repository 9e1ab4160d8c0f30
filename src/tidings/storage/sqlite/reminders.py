"""Reminders: events to come, by when they are due."""

from collections.abc import Sequence
from typing import NamedTuple

import apsw
import msgspec

from tidings.errors import KeyReused
from tidings.ids import MAX_KEY
from tidings.model import CancelReminder, CommandResult, FireReminder, Publish, Published, SetReminder
from tidings.personal import Reminder
from tidings.storage import anonymize, records
from tidings.storage.anonymize import Renaming
from tidings.storage.sqlite import publish
from tidings.storage.sqlite.db import Db
from tidings.storage.sqlite.read_snapshot import ReadSnapshot
from tidings.storage.sqlite.statements import sql
from tidings.storage.sqlite.write_session import WriteSession

ROW_BYTES = 1024
"""Bytes of a reminder that cost as much as a row to rewrite: one that names ten thousand users takes some 10 ms."""

_names = msgspec.json.Decoder(tuple[str, ...]).decode


class Stored(NamedTuple):
    """A reminder as it is in the file, with the names of users whose erasure goes on, and its number."""

    number: int
    reminder: Reminder

    def shown(self, renamings: Sequence[Renaming]) -> Reminder | None:
        """As it will be once the erasures that go on have ended; None when it tells nobody then."""
        return anonymize.renamed_reminder(self.reminder, self.number, renamings)


def remind(w: WriteSession, command: SetReminder) -> CommandResult:
    """Set a reminder, in the place of one with the same key. Only the rows that differ are written."""
    new = command.reminder
    found = _stored(w.db, new.key)
    if found is not None and w.renamings:
        # An erasure that goes on takes its user out of what has an earlier number: this is set after it began.
        _unset(w, found)
        found = None
    if found is None:
        (number,) = w.db.one(sql("insert_reminder"), (new.key, *_columns(new)))
        _name(w, number, frozenset(), anonymize.people(new))
    elif found.reminder != new:
        _rewrite(w, found, new)
    return CommandResult(1, w.position)


def cancel(w: WriteSession, command: CancelReminder) -> CommandResult:
    """Take a reminder back."""
    found = _stored(w.db, command.key)
    shown = found and found.shown(w.renamings)
    if found is None or shown is None or command.only not in (None, shown):
        return CommandResult(0, w.position)
    _unset(w, found)
    return CommandResult(1, w.position)


def _rewrite(w: WriteSession, old: Stored, new: Reminder) -> None:
    w.db.execute(sql("update_reminder"), (*_columns(new), old.number))
    _name(w, old.number, anonymize.people(old.reminder), anonymize.people(new))


def _unset(w: WriteSession, found: Stored) -> None:
    _name(w, found.number, anonymize.people(found.reminder), frozenset())
    w.db.execute(sql("delete_reminder"), (found.number,))


def _name(w: WriteSession, number: int, before: frozenset[str], now: frozenset[str]) -> None:
    """Note whom a reminder names now, which named others before."""
    if gone := tuple(sorted(before - now)):
        w.db.execute(sql("delete_reminder_users"), (number, apsw.carray(gone)))
    if added := tuple(sorted(now - before)):
        w.db.execute(sql("insert_reminder_users"), (number, apsw.carray(added)))


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
            _unset(w, found)
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
    end. Of the bytes read for it ``max_bytes`` are not exceeded but by the last. Whom else it tells is not read."""
    lines: list[bytes] = []
    size, last = 0, None
    renamings = r.writer.renamings
    bounds = (user, max(after, _hidden(renamings, user)), limit)
    for number, key, due_at, event, *rest in r.db.execute(sql("export_reminders"), bounds):
        text = anonymize.renamed_text(event, number, renamings)
        lines.append(msgspec.json.encode(records.reminder(Reminder(key, due_at, text, (), *rest))))
        size, last = size + len(event), number
        if size >= max_bytes:
            break
    return lines, last


def last_number(db: Db) -> int:
    """The number of the reminder that was set last, whether it stands or not."""
    (number,) = db.one(sql("last_reminder"))
    return int(number)


def names(w: WriteSession, user: str) -> bool:
    """Whether a reminder names a person, but for those of which an erasure of the name that goes on takes them out."""
    bounds = (user, _hidden(w.renamings, user), MAX_KEY)
    (found,) = w.db.one(sql("is_named_by_reminder"), bounds)
    return bool(found)


def _hidden(renamings: Sequence[Renaming], user: str) -> int:
    """The number up to which reminders name another of this name, whose erasure goes on."""
    return max((one.last_reminder for one in renamings if one.name == user), default=0)


def forget_one(w: WriteSession, user: str, up_to: int) -> int:
    """Take an erased person out of one of the reminders up to a number that name them; returns its size in bytes, 0 when
    there is none. Of the rows that find it by a user, only theirs is deleted."""
    row = w.db.one(sql("next_reminder_of_user"), (user, up_to))
    if row is None:
        return 0
    found = _of_row(*row)
    left = found.shown(w.renamings)
    if left is None:
        _unset(w, found)
    else:
        _rewrite(w, found, left)
    w.db.execute(sql("delete_reminder_users"), (found.number, apsw.carray((user,))))
    return len(found.reminder.event) + sum(map(len, found.reminder.users)) + 1
