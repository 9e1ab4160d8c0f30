"""Deletion of aged rows: keys of old requests, confirmation mails that count towards no limit any more, groups that no item
can join any more, expired duplicate keys."""

from tidings.ids import MAX_KEY
from tidings.notify_mode import NotifyMode
from tidings.rules import DEFAULT, Rule, duplicate_window
from tidings.storage.sqlite.statements import sql
from tidings.storage.sqlite.write_session import WriteSession
from tidings.timeutil import HOUR_MS

PURGE_ROWS = 2_000
"""Expired rows of a table deleted by one step."""
SWEEP_MS = HOUR_MS
"""Milliseconds between passes over all open groups and duplicate keys. They are stored by key, so only reading each shows
which are old; half a second of every hour for a million."""
SWEEP_ROWS = 5_000
"""Of these, rows read by one step, in a few milliseconds."""

_AGED = {
    "open_group": "opened_at",
    "dedup_window": "at",
}
"""Tables by (group_topic, key, user) whose rows age, and the column of their time."""


def purge(w: WriteSession) -> int:
    """Delete a bounded number of expired idempotency keys and of confirmation mails that count no more; returns how many."""
    w.db.execute(
        sql("delete_old_idempotency"),
        (w.now - w.settings.idempotency_hours * HOUR_MS, PURGE_ROWS),
    )
    keys = w.db.changes()
    w.db.execute(
        sql("delete_old_confirmations"),
        (w.now, PURGE_ROWS),
    )
    return keys + w.db.changes()


def sweep(w: WriteSession) -> int:
    """Read a bounded number of rows that age and delete those that are too old for every rule, or whose user was erased;
    returns about how many were read, 0 if it is not time yet or the end was reached."""
    return sum(_sweep(w, table) for table in _AGED if w.now - w.swept.get(table, (0,))[0] >= SWEEP_MS)


def _sweep(w: WriteSession, table: str) -> int:
    column, after = _AGED[table], w.swept.get(table, (0, 0, 0, 0))[1:]
    end = sql("end_of_group_chunk", table=table)
    upto = w.db.one(end, (*after, SWEEP_ROWS - 1))
    longest = max(_AGES[table](w, rule) for rule in (DEFAULT, *w.rules.declared.values()))
    bounds = (*after, *(upto or (MAX_KEY,) * 3), w.now - longest * 1_000)
    w.db.execute(sql("delete_group_chunk", table=table, column=column), bounds)
    w.swept[table] = (0, *upto) if upto else (w.now, 0, 0, 0)
    return SWEEP_ROWS if upto else 0


def _joinable_s(_: WriteSession, rule: Rule) -> int:
    """Seconds for which a group of this rule can be joined."""
    return rule.bucket_s if rule.group == "bucket" else rule.max_age_s


def _window_s(w: WriteSession, rule: Rule) -> int:
    return duplicate_window(rule, w.settings.duplicate_window_s, NotifyMode.UNREAD)


_AGES = {"open_group": _joinable_s, "dedup_window": _window_s}
"""For how long (s) a rule needs such a row. For a new declaration only those rows exist that a rule needed before."""
