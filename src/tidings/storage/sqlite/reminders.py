"""Reminders: events to come, by when they are due."""

import apsw
import msgspec

from tidings.errors import KeyReused
from tidings.ids import MAX_KEY
from tidings.model import CancelReminder, CommandResult, FireReminder, Publish, Published, SetReminder
from tidings.personal import Reminder
from tidings.storage import anonymize
from tidings.storage.sqlite import publish
from tidings.storage.sqlite.db import Db
from tidings.storage.sqlite.read_snapshot import ReadSnapshot
from tidings.storage.sqlite.statements import sql
from tidings.storage.sqlite.write_session import WriteSession

_names = msgspec.json.Decoder(tuple[str, ...]).decode


def remind(w: WriteSession, command: SetReminder) -> CommandResult:
    """Set a reminder, in the place of one with the same key."""
    new = command.reminder
    _unset(w, new.key)
    users = msgspec.json.encode(new.users).decode()
    w.db.execute(
        sql("insert_reminder"),
        (new.key, new.due_at, new.event, users, new.audience, new.every, new.time_zone, new.first_at),
    )
    if named := tuple(sorted(anonymize.people(new))):
        w.db.execute(sql("insert_reminder_users"), (new.key, apsw.carray(named)))
    return CommandResult(1, w.position)


def cancel(w: WriteSession, command: CancelReminder) -> CommandResult:
    """Take a reminder back."""
    is_other = command.only is not None and one(w.db, command.key) != command.only
    return CommandResult(0 if is_other else _unset(w, command.key), w.position)


def _unset(w: WriteSession, key: str) -> int:
    found = one(w.db, key)
    if found is None:
        return 0
    if named := tuple(sorted(anonymize.people(found))):
        query = sql("delete_reminder_users")
        w.db.execute(query, (key, apsw.carray(named)))
    w.db.execute(sql("delete_reminder"), (key,))
    return 1


def fire(w: WriteSession, command: FireReminder) -> Published | KeyReused:
    """Publish the event of a reminder and set it to its next time. Who comes too late, or twice, changes nothing; nor
    does an event that is refused."""
    key = command.reminder.key
    if one(w.db, key) != command.reminder:
        return Published(())
    (outcome,) = publish.publish(w, [Publish((command.event,))])
    if isinstance(outcome, Published):
        if command.next_at is None:
            _unset(w, key)
        else:
            w.db.execute(sql("reschedule_reminder"), (command.next_at, key))
    return outcome


def due(r: ReadSnapshot, due_by: int | None, limit: int, after: tuple[int, str] | None) -> list[Reminder]:
    """The next reminders, soonest first, beginning after a (time, key)."""
    query = sql("due_reminders")
    bounds = (MAX_KEY if due_by is None else due_by, *(after or (-1, "")), limit)
    return [_reminder(*row) for row in r.db.execute(query, bounds)]


def one(db: Db, key: str) -> Reminder | None:
    """The reminder with this key."""
    row = db.one(sql("reminder_by_key"), (key,))
    return _reminder(*row) if row else None


def naming(db: Db, user: str) -> list[Reminder]:
    """The reminders that name a person, soonest first."""
    query = sql("reminders_of_user")
    return [_reminder(*row) for row in db.execute(query, (user,))]


def _reminder(
    key: str, due_at: int, event: bytes, users: str, audience: str, every: str, zone: str, first_at: int
) -> Reminder:
    return Reminder(key, due_at, event, _names(users), audience, every, zone, first_at)


def forget(w: WriteSession, user: str, alias: str) -> int:
    """Take an erased person out of the reminders that name them; returns how many did."""
    found = naming(w.db, user)
    for reminder in found:
        left = anonymize.anonymize_reminder(reminder, user, alias)
        if left is None:
            _unset(w, reminder.key)
        else:
            remind(w, SetReminder(left))
    return len(found)
