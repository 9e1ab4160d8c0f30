"""Notifications whose text changed because an event in them was rewritten. Every visible change takes a seq, or clients
would never get it."""

from functools import lru_cache

from tidings.storage.sqlite.partitions import PartitionRange
from tidings.storage.sqlite.statements import sql
from tidings.storage.sqlite.write_session import WriteSession


def touch(w: WriteSession, user: int, erased: int, oldest: int, after: int, limit: int) -> tuple[int, int]:
    """Give the groups of a user that have an event of ``erasure_event`` the next seqs, in the order of their numbers, from
    above ``after`` on, at most ``limit``; the events have positions from ``oldest`` on. Returns how many, and the last
    number. The cost also includes a read of each row of the user."""
    spans = tuple(span for span in w.inboxes.spans if span.high > oldest)  # rows only move to newer ones
    values = {"user": user, "erased": erased, "after": after, "limit": limit}
    numbers = [number for (number,) in w.db.execute(_groups(spans), values)]
    if not numbers:
        return 0, after
    w.db.execute(sql("clear_temporary", table="touched_row"))
    w.db.execute(sql("touch_rows"), {"user": user, "numbers": w.carray(numbers)})
    w.db.execute(sql("bump_inbox_of_touched"))
    parts = [n for span in spans for n in span.parts]
    for name in ("delete_changes_of_touched", "set_seq_of_touched"):
        for n in parts:
            w.db.execute(sql(name, n))
    w.db.execute(sql("insert_changes_of_touched"))
    return len(numbers), numbers[-1]


@lru_cache(maxsize=256)
def _groups(spans: tuple[PartitionRange, ...]) -> str:
    """One statement over these partitions; a row that is being merged is in two of them, and counts once."""
    arms = [sql("notifications_of_erased", n) for span in spans for n in span.parts]
    found = " UNION ".join((*arms, sql("groups_of_erased")))
    return sql("page_of_groups", found=found)
