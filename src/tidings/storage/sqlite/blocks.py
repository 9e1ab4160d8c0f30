"""The effect of a block on an inbox: the items of the other user's events are removed, newest content first.

An inbox may be large, so one step reads a bounded number of its rows, and the rest is queued. A group that gets an item
meanwhile moves above the unread rest of the rows: at the end of a pass another one covers the rows above its start, until
there are none.
"""

from collections.abc import Sequence
from typing import NamedTuple

from tidings.ids import MAX_KEY
from tidings.storage.sqlite import inboxes, notification_groups
from tidings.storage.sqlite.notification_groups import Row
from tidings.storage.sqlite.read_snapshot import ReadSnapshot
from tidings.storage.sqlite.relations import has_block
from tidings.storage.sqlite.retract import shrink
from tidings.storage.sqlite.statements import sql
from tidings.storage.sqlite.write_session import WriteSession

LOOKED_AT = 200
"""Rows read together: two joins that take less than a millisecond."""
CHANGE_ROWS = 20
"""The assumed cost of one changed notification in rows: some ten statements write it."""


class Cleaning(NamedTuple):
    """The progress of removing ``actor`` from the inbox of ``user``: of this pass, which began when the last seq of the
    inbox was ``head``, the rows with a seq in (floor, before) are left."""

    user: int
    actor: int
    floor: int
    before: int
    head: int


def sever(w: WriteSession, r: ReadSnapshot, user: int, actor: int) -> None:
    """Remove an actor's items from an inbox: from its newest rows now, from the others by a fan-out job."""
    head = _head(r, user)
    left, _ = step(w, r, Cleaning(user, actor, 0, head + 1, head), w.settings.fanout_sync_max_followers)
    if left is not None:
        w.enqueue_job("block", user, actor, left.floor, left.before, left.head)


def step(w: WriteSession, r: ReadSnapshot, cleaning: Cleaning, budget: int) -> tuple[Cleaning | None, int]:
    """Process about ``budget`` rows; returns the rest, None at the end, and the cost in rows. If the block was removed
    meanwhile, there is no rest: the items since then stay."""
    if not has_block(r.db, cleaning.user, cleaning.actor):
        return None, 0
    cost, left, chunk = 0, cleaning, min(budget, LOOKED_AT)
    while cost < budget:
        rows = inboxes.below(r, left.user, left.before, chunk, "all", left.floor)
        leaving = _leaving(r, left, rows)
        for row in leaving:
            _leave(w, r, left, row)
        cost += len(rows) + CHANGE_ROWS * len(leaving)
        if len(rows) == chunk:
            left = left._replace(before=rows[-1].seq)
        elif inboxes.below(r, left.user, MAX_KEY, 1, "all", left.head):
            head = _head(r, left.user)
            left = left._replace(floor=left.head, before=head + 1, head=head)
        else:
            return None, cost
    return left, cost


def _head(r: ReadSnapshot, user: int) -> int:
    row = r.db.one(sql("inbox_seq"), (user,))
    return row[0] if row else 0


def _leaving(r: ReadSnapshot, cleaning: Cleaning, rows: Sequence[Row]) -> list[Row]:
    """Those of these rows that have an item by the actor."""
    user, actor = cleaning.user, cleaning.actor
    by = dict(r.rows([row.key for row in rows if row.opened is None], "actors"))
    joined = [row.number for row in rows if row.opened is not None]
    found = r.db.execute(sql("groups_by_actor"), (user, r.writer.carray(joined), actor)) if joined else ()
    numbers = {number for (number,) in found}
    return [
        row for row in rows if (row.number in numbers if row.opened is not None else by.get(row.key) == actor)
    ]


def _leave(w: WriteSession, r: ReadSnapshot, cleaning: Cleaning, row: Row) -> None:
    ((n, _),) = notification_groups.at(r, cleaning.user, (row.seq,)).values()
    if row.opened is None:
        shrink(w, r, cleaning.user, n, row, None, 1)
        return
    group = notification_groups.of(r, cleaning.user, (row.number,))[row.number].id
    w.db.execute(sql("delete_members_by_actor"), (group, cleaning.actor))
    items = w.db.changes()
    w.db.execute(sql("shrink_group_by_actor"), (items, group))
    shrink(w, r, cleaning.user, n, row, notification_groups.newest(r, group), items)
