"""The effect of blocks on an inbox: the items of blocked users' events are removed, newest content first.

An inbox may be large, so one step reads a bounded number of its rows, and the rest is queued as one job, however many users
are blocked meanwhile: each step removes the items of all of them. A group that gets an item meanwhile moves above the unread
rest of the rows: at the end of a pass another one covers the rows above its start, until there are none. A block during a
pass lets it go on, down to the oldest row, and another one cover the rows that this one has behind it: a pass that began
again with each block would never get to the oldest rows.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tidings.ids import MAX_KEY
from tidings.storage.sqlite import inboxes, notification_groups, shared_items
from tidings.storage.sqlite.notification_groups import Row
from tidings.storage.sqlite.read_snapshot import ReadSnapshot
from tidings.storage.sqlite.relations import blocked_among
from tidings.storage.sqlite.retract import shrink
from tidings.storage.sqlite.statements import sql
from tidings.storage.sqlite.write_session import WriteSession

LOOKED_AT = 200
"""Rows read together: two joins that take less than a millisecond."""
CHANGE_ROWS = 20
"""The assumed cost of one changed notification in rows: some ten statements write it."""
LOOK_UPS = 20
"""Look-ups of a block that cost as much as one row: of a group's actors, or of a user's blocks if they are fewer."""
MOST_BLOCKS = 10_000
"""Blocks of a user that are counted before a group's actors are looked up one by one, in less than a millisecond."""


class Cleaning(NamedTuple):
    """The progress of removing the items of blocked users from the inbox of ``user``: of this pass, the rows with a seq in
    (floor, before) are left; those above ``head`` may have items of blocked users too."""

    user: int
    floor: int
    before: int
    head: int


def sever(w: WriteSession, r: ReadSnapshot, user: int) -> None:
    """Remove the items of blocked users from an inbox, after a block: from its newest rows now, from the others by its job,
    which it has already if another block was made just before."""
    w.db.execute(sql("extend_cleaning"), (user,))
    queued = w.db.changes() > 0
    budget = w.settings.fanout_sync_max_followers
    head = _head(r, user)
    left, _ = step(w, r, Cleaning(user, 0, head + 1, head), min(budget, LOOKED_AT) if queued else budget)
    if left is not None and not queued:
        w.enqueue_job("block", user, left.floor, left.head, left.before)


def step(w: WriteSession, r: ReadSnapshot, cleaning: Cleaning, budget: int) -> tuple[Cleaning | None, int]:
    """Process about ``budget`` rows; returns the rest, None at the end, and its cost. Without blocks there is no rest:
    what the inbox has of a user who is not blocked any more stays."""
    (blocks,) = r.db.one(sql("count_blocks"), (cleaning.user, MOST_BLOCKS))
    if not blocks:
        return None, 0
    cost, left, chunk = 0, cleaning, min(budget, LOOKED_AT)
    while cost < budget:
        rows = inboxes.below(r, left.user, left.before, chunk, "all", left.floor)
        some, looked_at = _affordable(r, left.user, rows, blocks, max(1, budget - cost))
        leaving = by_blocked(r, left.user, some, blocks)
        for row in some:
            if row.number in leaving:
                _leave(w, r, left.user, row, leaving[row.number])
        cost += looked_at + CHANGE_ROWS * len(leaving)
        if len(rows) == chunk or len(some) < len(rows):
            left = left._replace(before=some[-1].seq)
        elif inboxes.below(r, left.user, MAX_KEY, 1, "all", left.head):
            head = _head(r, left.user)
            left = left._replace(floor=left.head, before=head + 1, head=head)
        else:
            return None, cost
    return left, cost


def _head(r: ReadSnapshot, user: int) -> int:
    row = r.db.one(sql("inbox_seq"), (user,))
    return row[0] if row else 0


def _affordable(
    r: ReadSnapshot, user: int, rows: Sequence[Row], blocks: int, budget: int
) -> tuple[Sequence[Row], int]:
    """The first of these rows whose look-ups fit the budget, at least one if there is one, and their cost."""
    joined = [row.number for row in rows if row.opened is not None]
    groups = notification_groups.of(r, user, joined)
    cost = 0
    for n, row in enumerate(rows):
        more = 1 + min(groups[row.number].actors, blocks) // LOOK_UPS if row.number in groups else 1
        if n and cost + more > budget:
            return rows[:n], cost
        cost += more
    return rows, cost


def by_blocked(
    r: ReadSnapshot, user: int, rows: Sequence[Row], blocks: int = MOST_BLOCKS
) -> Mapping[int, list[int]]:
    """Those of these groups of a user that have items by blocked users, by number, each with these users. ``blocks``: how
    many users are blocked; of a group with more actors, the blocked users are looked up."""
    alone = {row.key: row.number for row in rows if row.opened is None}
    by = dict(r.rows(sorted(alone), "actors"))
    hidden = blocked_among(r, user, set(by.values()))
    found = {alone[key]: [actor] for key, actor in by.items() if actor in hidden}
    joined = [row.number for row in rows if row.opened is not None]
    groups = notification_groups.of(r, user, joined)
    many = [number for number, group in groups.items() if group.actors > blocks]
    few = list(groups.keys() - many)
    for name, numbers in (("blocked_members", few), ("members_of_blocks", many)):
        if numbers:
            for number, actor in r.db.execute(sql(name), (user, r.writer.carray(numbers))):
                found.setdefault(number, []).append(actor)
    return found


def _leave(w: WriteSession, r: ReadSnapshot, user: int, row: Row, actors: Sequence[int]) -> None:
    ((n, _),) = notification_groups.at(r, user, (row.seq,)).values()
    if row.opened is None:
        shared_items.remove(w, user, (row.key,))
        shrink(w, r, user, n, row, None, 1)
        return
    group = notification_groups.of(r, user, (row.number,))[row.number].id
    items = 0
    for actor in actors:
        if w.sharing:
            gone_keys = w.db.all(sql("member_keys_of_actor"), (group, actor))
            shared_items.remove(w, user, [key for (key,) in gone_keys])
        w.db.execute(sql("delete_members_by_actor"), (group, actor))
        items += (gone := w.db.changes())
        w.db.execute(sql("shrink_group_by_actor"), (gone, group))
    shrink(w, r, user, n, row, notification_groups.newest(r, group), items)
