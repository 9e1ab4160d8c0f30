"""The notifications of one user move to the inbox of another, in the order in which they are listed.

In each transaction a notification leaves one inbox and arrives in the other: it is always in exactly one. Every item takes
a seq of the new inbox, as if it arrived there, and the notification keeps its state. It is closed, so no item joins it.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from tidings.inbox_commands import NotificationState
from tidings.storage.sqlite import notification_groups, notification_state, read_together, shared_items
from tidings.storage.sqlite.changed_rows import UnreadNumber
from tidings.storage.sqlite.notification_groups import GroupCounts, ReadWatermarks, Row
from tidings.storage.sqlite.read_snapshot import ReadSnapshot, chunks
from tidings.storage.sqlite.relations import blocked_among
from tidings.storage.sqlite.statements import sql
from tidings.storage.sqlite.symbols import pack
from tidings.storage.sqlite.write_session import WriteSession
from tidings.user_merges import MergeCounts

ITEM_ROWS = 10
"""The assumed cost of one item of a notification that moves, in rows."""
MOST_ROWS = 200
"""Notifications that move together: for all of them the other inbox is searched once."""
BEFORE_ALL = -1
"""``at`` when a phase begins."""


class MergeProgress(NamedTuple):
    """A row of ``user_merge``: ``at`` is the last thing that is done in this phase. ``head``: the position up to which the
    phase looks at events and follows; ``last_seq``: the seq up to which notifications move; ``last_reminder``: the number up
    to which reminders do; ``made``: the position of the marks that were added, 0 without any."""

    id: int
    source: int
    target: int
    phase: int
    at: int
    head: int
    last_seq: int
    last_reminder: int
    made: int
    counts: MergeCounts

    def next_phase(self) -> "MergeProgress":
        """The progress at the beginning of the next phase."""
        return self._replace(phase=self.phase + 1, at=BEFORE_ALL)


class _Member(NamedTuple):
    key: int
    actor: int


class _Moving(NamedTuple):
    """A notification of the source, with its times and its items, oldest first. ``group``: the id of its members, if it has
    some."""

    row: Row
    items: Sequence[_Member]
    group: int | None
    size: int
    seen_at: int | None
    read_at: int | None


class _Placed(NamedTuple):
    """A notification as it arrives, with the seq of its newest item."""

    moving: _Moving
    items: Sequence[_Member]
    seq: int

    @property
    def number(self) -> int:
        """The seq of its first item."""
        return self.seq - len(self.items) + 1


def move(w: WriteSession, r: ReadSnapshot, m: MergeProgress, budget: int) -> tuple[MergeProgress, int]:
    """Move the next notifications; returns the rows that it cost."""
    moving, rows = _next_ones(r, m, budget)
    if not moving:
        return m.next_phase(), 1
    shown = _shown(r, m.target, moving)
    held = _held(r, m.target, {item.key for items in shown.values() for item in items})
    (seq,) = w.db.one(sql("inbox_seq"), (m.target,)) or (0,)
    placed: list[_Placed] = []
    for one in moving:
        items = [item for item in shown[one.row.seq] if item.key not in held]
        if items:
            seq += len(items)
            placed.append(_Placed(one, items, seq))
    _remove(w, m, moving)
    _place(w, m, placed)
    for at in placed:
        _move_deliveries(w, m, at.moving.row.number, at.number)
    arrived = {at.moving.row.seq for at in placed}
    duplicates = [one for one in moving if shown[one.row.seq] and one.row.seq not in arrived]
    _unite(w, r, m, moving, shown, held)
    for one in moving:
        if one.row.seq not in arrived:
            _drop_deliveries(w, m, one, shown[one.row.seq], held)
    counts = m.counts.plus(notifications=len(placed), duplicates=len(duplicates))
    return m._replace(at=moving[-1].row.seq, counts=counts), rows


# --- what moves ---------------------------------------------------------------------------------------------------


def _next_ones(r: ReadSnapshot, m: MergeProgress, budget: int) -> tuple[list[_Moving], int]:
    """The next notifications in the order of the list, tombstones included, and their cost: as many as fit, one at least."""
    limit = min(MOST_ROWS, max(1, budget // ITEM_ROWS))
    found: dict[int, Row] = {}
    for span in r.inbox_spans:
        for n in span.parts:
            values = (m.source, m.at, m.last_seq, limit)
            found |= {row[0]: Row(*row) for row in r.db.execute(sql("inbox_rows_up", n), values)}
        if len(found) >= limit:
            break
    rows = [found[seq] for seq in sorted(found)[:limit]]
    groups = notification_groups.of(r, m.source, [row.number for row in rows])
    some, cost = list[Row](), 0
    for row in rows:
        more = ITEM_ROWS * (groups[row.number].size if row.number in groups else 1)
        if some and cost + more > budget:
            break
        some.append(row)
        cost += more
    return _loaded(r, m, some, groups), max(cost, 1)


def _loaded(
    r: ReadSnapshot, m: MergeProgress, rows: Sequence[Row], groups: Mapping[int, GroupCounts]
) -> list[_Moving]:
    if not rows:
        return []
    members: dict[int, list[_Member]] = {}
    if ids := [groups[row.number].id for row in rows if row.number in groups]:
        for group, key, actor in r.db.execute(sql("members_of_groups"), (r.writer.carray(ids),)):
            members.setdefault(group, []).append(_Member(key, actor))
    alone = [row.key for row in rows if row.number not in groups]
    actors = dict(r.rows(sorted(alone), "actors")) if alone else {}
    marks, found = ReadWatermarks.of(r, m.source, rows), []
    for row in rows:
        group = groups.get(row.number)
        if group is not None:
            items = members.get(group.id, [])
        else:
            items = [_Member(row.key, actors[row.key])] if row.key in actors else []
        size = group.size if group is not None else 1
        id = group.id if group is not None else None
        found.append(_Moving(row, [] if row.deleted else items, id, size, *marks.times(row)))
    return found


def _shown(r: ReadSnapshot, target: int, moving: Sequence[_Moving]) -> dict[int, list[_Member]]:
    """By seq the items that the destination may have: no acts of its own, none of users whom a block hides from it, none
    that was retracted."""
    actors = {item.actor for one in moving for item in one.items}
    hidden = {target} | blocked_among(r, target, actors)
    return {one.row.seq: [item for item in one.items if item.actor not in hidden] for one in moving}


def _held(r: ReadSnapshot, target: int, keys: Collection[int]) -> dict[int, int]:
    """Those of these events that the destination has, each with the number of its notification."""
    if not keys:
        return {}
    values = (target, r.writer.carray(keys))
    found = dict(r.db.all(sql("groups_of_events"), values))
    for n in chunks(r.inbox_spans):
        found |= dict(r.db.all(sql("rows_of_events", n), (target, r.writer.carray(keys))))
    return found


# --- the source ---------------------------------------------------------------------------------------------------


def _remove(w: WriteSession, m: MergeProgress, moving: Sequence[_Moving]) -> None:
    """Delete notifications of the source. It takes one seq, at which clients start again."""
    seqs = [one.row.seq for one in moving]
    for n in chunks(w.inboxes.spans):
        w.db.execute(sql("delete_inbox_rows", n), (m.source, w.carray(seqs)))
    if changes := [one.row.changed for one in moving if one.row.changed is not None]:
        w.db.execute(sql("delete_changes"), (m.source, w.carray(changes)))
    if groups := [one.group for one in moving if one.group is not None]:
        w.db.execute(sql("delete_members_of_groups"), (w.carray(groups),))
        w.db.execute(sql("delete_groups"), (w.carray(groups),))
    shared_items.remove(w, m.source, [item.key for one in moving for item in one.items])
    if snoozed := [one.row.number for one in moving if one.row.snoozed_until is not None]:
        w.db.execute(sql("delete_snoozes"), (m.source, w.carray(snoozed)))
    counted = [_counted(one, one.size) for one in moving]
    less = UnreadNumber(*(-sum(column) for column in zip(*counted, strict=True)))
    notification_state.close_all(w, m.source, m.last_seq, less)


def _counted(one: _Moving, items: int) -> UnreadNumber:
    """What a notification with so many items adds to the counters of its inbox."""
    unread, unseen = one.row.listed and one.read_at is None, one.row.listed and one.seen_at is None
    return UnreadNumber(int(unread), items * unread, int(unseen))


# --- the destination ----------------------------------------------------------------------------------------------


def _place(w: WriteSession, m: MergeProgress, placed: Sequence[_Placed]) -> None:
    """Insert notifications into the inbox of the destination."""
    if not placed:
        return
    items = sum(len(at.items) for at in placed)
    counted = [_counted(at.moving, len(at.items)) for at in placed]
    w.db.execute(sql("add_to_inbox"), (m.target, items, *(sum(one) for one in zip(*counted, strict=True))))
    w.insert("insert_merged_rows", [_row(m.target, at) for at in placed], w.inboxes.newest())
    w.inboxes.grew(len(placed))
    for at in placed:
        if at.moving.group is not None:
            _insert_group(w, m.target, at)
        if at.moving.row.snoozed_until is not None:
            w.db.execute(sql("set_snooze"), (m.target, at.number, at.moving.row.snoozed_until))
    recipient = pack((m.target,))
    recipients = [(item.key, m.target, recipient) for at in placed for item in at.items]
    w.insert("insert_recipients", recipients)


def _row(user: int, at: _Placed) -> tuple[int | bytes | None, ...]:
    row = at.moving.row
    number = at.number if at.moving.group is not None else None
    times = (at.moving.seen_at, at.moving.read_at, row.archived_at, None, row.snoozed_until, row.pinned_at)
    return (user, at.seq, at.items[-1].key, row.type, number, None, at.seq, *times, row.acted)


def _insert_group(w: WriteSession, user: int, at: _Placed) -> None:
    actors = len({item.actor for item in at.items})
    row = (user, at.number, at.seq, at.items[0].key, len(at.items), actors)
    (id,) = w.db.one(sql("insert_merged_group"), row)
    w.insert("insert_members", [(id, at.number + n, *item) for n, item in enumerate(at.items)])


def _unite(
    w: WriteSession,
    r: ReadSnapshot,
    m: MergeProgress,
    moving: Sequence[_Moving],
    shown: Mapping[int, Sequence[_Member]],
    held: Mapping[int, int],
) -> None:
    """Mark notifications of the destination read of whose only event the source has read another."""
    keys = {item.key for one in moving if one.read_at is not None for item in shown[one.row.seq]}
    numbers = {held[key] for key in keys if key in held}
    if not numbers:
        return
    groups = notification_groups.of(r, m.target, numbers)
    single = [n for n in sorted(numbers) if n not in groups or groups[n].size == 1]
    found = notification_groups.by_number(r, m.target, single)
    places = {n: found[n] for n in single if n in found}
    changed = notification_state.mark_groups(w, r, m.target, places, NotificationState.READ)
    if changed and w.sharing:
        read_together.touched(w, m.target)


# --- deliveries ---------------------------------------------------------------------------------------------------


def _move_deliveries(w: WriteSession, m: MergeProgress, old: int, new: int) -> None:
    if w.reached:
        values = {"source": m.source, "target": m.target, "old": old, "new": new}
        w.db.execute(sql("move_deliveries"), values)


def _drop_deliveries(
    w: WriteSession, m: MergeProgress, one: _Moving, items: Sequence[_Member], held: Mapping[int, int]
) -> None:
    """Let the deliveries of a notification that is dropped be about that of the destination, if there is one."""
    if items and items[-1].key in held:
        _move_deliveries(w, m, one.row.number, held[items[-1].key])
    if w.reached:
        query = sql("delete_deliveries_of_notification")
        w.db.execute(query, (m.target, one.row.number, m.source))
