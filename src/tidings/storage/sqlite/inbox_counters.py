"""The counters of inboxes: unread counts and the last seq, for any number of users in the same few statements."""

from collections.abc import Sequence

from tidings.model import InboxCounters
from tidings.storage.sqlite.broadcasts import UNKNOWN, lacking
from tidings.storage.sqlite.read_snapshot import ReadSnapshot
from tidings.storage.sqlite.statements import sql

NOBODY = InboxCounters(0, 0)


def counts(r: ReadSnapshot, users: Sequence[str]) -> list[InboxCounters]:
    """The counters of these inboxes, in the given order; see InboxViews.counts."""
    r.names.find_users(users)
    known, places = r.names.users, r.names.places(users)
    numbers = [known.get(user) or places.get(user, UNKNOWN) for user in users]
    heads = _heads(r, set(numbers))
    return [heads[number] for number in numbers]


def one(r: ReadSnapshot, user: int | None) -> InboxCounters:
    """The counters of one inbox, also of an unknown user (None)."""
    number = user or UNKNOWN
    return _heads(r, {number})[number]


def _heads(r: ReadSnapshot, numbers: set[int]) -> dict[int, InboxCounters]:
    if not numbers:
        return {}
    rows = r.db.execute(sql("inbox_counters"), {"users": r.writer.carray(numbers)})
    heads = dict.fromkeys(numbers, NOBODY) | {user: InboxCounters(*head) for user, *head in rows}
    for user in lacking(r, numbers):
        heads[user] = heads[user]._replace(lacking=True)
    return heads
