"""The state of notifications: seen, read, archived, snoozed and pinned one by one, seen or read all at once; and undo.

A group that was read, archived, snoozed or marked unseen is closed permanently, whatever its later state. Rows store this
in ``unread_since``, read-alls by staying as undone ones, so that new items need no further look-up.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import msgspec

from tidings.actions import Acted
from tidings.filters import Choice
from tidings.ids import notification_ref
from tidings.inbox_commands import (
    MarkAllNotificationsRead,
    MarkAllNotificationsSeen,
    NotificationCommand,
    NotificationState,
    RecordAction,
    ReturnSnoozed,
    SetNotificationState,
    SnoozeNotifications,
    UndoMarkAllRead,
    effect_on_deliveries,
)
from tidings.model import (
    ActionResult,
    ActOnNotification,
    InboxCounters,
    InboxUpdateResult,
    Publish,
    Published,
)
from tidings.read_together import CHECKED_GROUPS, CHECKED_SEQS
from tidings.rules import last_to_merge
from tidings.storage.sqlite import (
    endpoints,
    inbox_counters,
    notification_groups,
    publish,
    read_together,
    shared_items,
)
from tidings.storage.sqlite.changed_rows import ChangedRows, UnreadNumber
from tidings.storage.sqlite.notification_groups import (
    ALL_TYPES,
    SEEN_ALL,
    STANDING,
    UNDONE,
    ReadWatermarks,
    Row,
)
from tidings.storage.sqlite.partitions import PartitionRange
from tidings.storage.sqlite.read_snapshot import ReadSnapshot, chunks
from tidings.storage.sqlite.statements import sql
from tidings.storage.sqlite.write_session import WriteSession

NOTHING = UnreadNumber(0, 0)


def mark_inbox(w: WriteSession, r: ReadSnapshot, command: NotificationCommand) -> InboxUpdateResult:
    """Set the state of notifications; each that really changes takes a seq."""
    user = w.names.inbox(command.user)
    refs = [notification_ref(id) for id in command.ids]
    numbers = [ref[1] for ref in refs if ref is not None and ref[0] == user]
    updated = found = 0
    changes: dict[int, tuple[Row, Row]] = {}
    if user is not None and numbers:
        places = notification_groups.by_number(r, user, numbers)
        rows = [row for _, row in places.values()]
        marks, writing = ReadWatermarks.of(r, user, rows), ChangedRows(w, r, user, rows)
        known = [number for number in numbers if number in places]
        found = len(known)
        for number in known:
            n, row = places[number]
            changed = _mark(w, r, user, n, row, marks, command, writing)
            updated += changed is not None
            places[number] = n, changed or row
            if changed is not None and w.sharing:
                before = row._replace(read_at=marks.times(row)[1])
                changes[number] = changes.get(number, (before,))[0], changed
        writing.flush()
    feed = user is not None and _follow(w, r, user, list(changes.values()))
    return _outcome(r, user, updated, found, feed)


def _follow(w: WriteSession, r: ReadSnapshot, user: int, changes: Sequence[tuple[Row, Row]]) -> bool:
    """Have the events of notifications that became read or unread follow, whose rows were and are these."""
    rows = [now for before, now in changes if (before.read_at is None) != (now.read_at is None)]
    return bool(rows) and read_together.follow_groups(w, r, user, rows, rows[0].read_at)


def _outcome(
    r: ReadSnapshot, user: int | None, updated: int, found: int = 0, feed: bool = False
) -> InboxUpdateResult:
    head = inbox_counters.one(r, user)
    return InboxUpdateResult(
        updated, head.unread_count, head.seq, found, head.unread_items, head.unseen_count, feed
    )


def mark_groups(
    w: WriteSession,
    r: ReadSnapshot,
    user: int,
    places: Mapping[int, tuple[int, Row]],
    state: NotificationState,
) -> list[Row]:
    """Set the state of these groups (partition and row by number) in their order, and of nothing else; returns the rows that
    changed."""
    rows = [row for _, row in places.values()]
    marks, writing = ReadWatermarks.of(r, user, rows), ChangedRows(w, r, user, rows)
    command = SetNotificationState("", (), state)
    changed = [_mark(w, r, user, *place, marks, command, writing) for place in places.values()]
    writing.flush()
    return [row for row in changed if row is not None]


def _mark(
    w: WriteSession,
    r: ReadSnapshot,
    user: int,
    n: int,
    row: Row,
    marks: ReadWatermarks,
    command: NotificationCommand,
    writing: ChangedRows,
) -> Row | None:
    """The changed row; None if the change has no effect. Tombstones never change."""
    if row.deleted or (isinstance(command, RecordAction) and not _may_act(r, row, command)):
        return None
    # The state from a read-all is written into the row first, so that a new state cannot move it above the watermark.
    times = marks.times(row)
    if times != (row.seen_at, row.read_at):
        row = row._replace(seen_at=times[0], read_at=times[1])
    ends, changed = _ends_snooze(row, command), _after(row, command, w.now)
    effect = effect_on_deliveries(command, row.snoozed_until is not None)
    if effect == "drop" or (effect and (ends or changed != row)):
        endpoints.snooze_deliveries(w, (user, row.number, row.type), effect, changed.snoozed_until)
    if ends:
        writing.flush()
        return _give_back(w, r, user, n, row)
    if changed == row:
        return None
    if changed.snoozed_until is not None:
        w.db.execute(sql("set_snooze"), (user, row.number, changed.snoozed_until))
    elif row.snoozed_until is not None:
        w.db.execute(sql("delete_snooze"), (user, row.number, row.snoozed_until))
    if changed.read_at is not None or not changed.listed:
        changed = changed._replace(unread_since=row.became_unread)
    again = any(
        before is not None and now is None
        for before, now in ((row.read_at, changed.read_at), (row.seen_at, changed.seen_at))
    )
    return writing.add(n, row, changed, again)


def _ends_snooze(row: Row, command: NotificationCommand) -> bool:
    """Whether a command ends the snooze of a row."""
    if row.snoozed_until is None or isinstance(command, SnoozeNotifications | RecordAction):
        return False
    if isinstance(command, ReturnSnoozed):
        return row.snoozed_until <= command.due_by
    return command.state is NotificationState.UNSNOOZED


def _may_act(r: ReadSnapshot, row: Row, command: RecordAction) -> bool:
    """Whether no action was taken on a row, and its newest event is the one whose action this is."""
    return row.acted is None and r.writer.ids.text(row.key) == command.event_id


def act(w: WriteSession, r: ReadSnapshot, command: ActOnNotification) -> ActionResult:
    """Record an action, and publish its event."""
    marked = mark_inbox(w, r, command.record)
    if command.event is None or not marked.updated:
        return ActionResult(marked)
    (published,) = publish.publish(w, [Publish((command.event,))])
    assert isinstance(published, Published)  # the event has no idempotency key
    return ActionResult(marked, published)


def _give_back(w: WriteSession, r: ReadSnapshot, user: int, n: int, row: Row) -> Row:
    """End the snooze of a row: it moves to the top of the inbox, unread at its new seq."""
    number, group = row.number, notification_groups.of(r, user, (row.number,)).get(row.number)
    seq = _bump(w, user, UnreadNumber(1, group.size if group else 1, 1))
    if row.changed is not None:
        w.db.execute(sql("delete_change"), (user, row.changed))
    if group is not None:
        w.db.execute(sql("move_group"), (seq, group.id))
    else:
        (id,) = w.db.one(sql("insert_group_of_one"), (user, number, seq, row.key))
        ((_, actor),) = r.rows([row.key], "actors")
        w.db.execute(sql("insert_member"), (id, number, row.key, actor))
    for part in w.inboxes.beside(n):
        w.db.execute(sql("delete_inbox_row", part), (user, row.seq))
    values = (user, seq, row.key, row.type, number, seq, row.pinned_at, row.acted)
    w.db.execute(sql("insert_returned_row", w.inboxes.newest()), values)
    w.inboxes.grew(1)
    w.db.execute(sql("delete_snooze"), (user, number, row.snoozed_until))
    fresh = Row(seq, row.key, row.type, number, *[None] * 9)
    return fresh._replace(unread_since=seq, pinned_at=row.pinned_at, acted=row.acted)


def _after(row: Row, command: NotificationCommand, now: int) -> Row:
    """A row after a command that does not end its snooze."""
    if isinstance(command, SnoozeNotifications):
        return row._replace(snoozed_until=command.until, archived_at=None)
    if isinstance(command, RecordAction):
        acted = msgspec.json.encode(Acted(command.action_id, now, command.by))
        return _marked(row, NotificationState.READ, now)._replace(snoozed_until=None, acted=acted)
    return row if isinstance(command, ReturnSnoozed) else _marked(row, command.state, now)


def _marked(row: Row, state: NotificationState, now: int) -> Row:
    match state:
        case NotificationState.READ:
            return row._replace(seen_at=row.seen_at or now, read_at=row.read_at or now)
        case NotificationState.UNREAD:
            return row._replace(read_at=None)
        case NotificationState.SEEN:
            return row._replace(seen_at=row.seen_at or now)
        case NotificationState.UNSEEN:
            return row._replace(seen_at=None, read_at=None)
        case NotificationState.ARCHIVED:
            return row._replace(archived_at=row.archived_at or now, snoozed_until=None)
        case NotificationState.UNARCHIVED:
            return row._replace(archived_at=None)
        case NotificationState.PINNED:
            return row._replace(pinned_at=row.pinned_at or now)
        case NotificationState.UNPINNED:
            return row._replace(pinned_at=None)
        case NotificationState.UNSNOOZED:
            return row


def save(w: WriteSession, user: int, n: int, row: Row, more: UnreadNumber) -> None:
    """Write a changed row: it takes the next seq, and the counters change with it."""
    seq = _bump(w, user, more)
    if row.changed is not None:
        w.db.execute(sql("delete_change"), (user, row.changed))
    w.db.execute(sql("insert_change"), (user, seq, row.seq))
    said = (row.key, seq, row.unread_since, *row[6:], user, row.seq)
    for part in w.inboxes.beside(n):
        w.db.execute(sql("inbox_update", part), said)


def _bump(w: WriteSession, user: int, more: UnreadNumber) -> int:
    query = sql("bump_inbox")
    (seq,) = w.db.one(query, (*more, user))
    return seq  # type: ignore[no-any-return]


# --- all at once --------------------------------------------------------------------------------------------------


def read_inbox(w: WriteSession, r: ReadSnapshot, command: MarkAllNotificationsRead) -> InboxUpdateResult:
    """Read-all: one number, however many rows it covers."""
    user = w.names.inbox(command.user)
    type = ALL_TYPES if command.type is None else r.names.verb(command.type)
    if user is None or type is None:
        return _outcome(r, user, 0)
    read = read_type(w, r, user, type, command.up_to, alone=True)
    return _outcome(r, user, read.groups, feed=read.feed)


class ReadByAll(NamedTuple):
    """The number of groups that a read-all marked read, whether it changed the feed, and whether some were merged."""

    groups: int
    feed: bool = False
    merged: bool = False


def read_type(
    w: WriteSession,
    r: ReadSnapshot,
    user: int,
    type: int,
    up_to: int | None,
    *,
    alone: bool = False,
    known: UnreadNumber | None = None,
) -> ReadByAll:
    """A read-all of one type or of all types. ``alone``: it is no part of a read-all of the feed, which follows it.
    ``known``: what it marks read."""
    head = inbox_counters.one(r, user)
    low = max(head.read_up_to, _reach(r, user, type))
    up_to = head.seq if up_to is None else min(up_to, head.seq)
    if not head.unread_count or up_to <= low:
        return ReadByAll(0)
    if known is not None:
        read = known
    elif type == ALL_TYPES:
        read = _all_read(r, user, head, up_to)
    else:
        read = _typed_read(w, r, user, type, low, up_to)
    if not read.groups:
        return ReadByAll(0)
    shares = alone and shared_items.exist(r, user)
    few = read.groups <= CHECKED_GROUPS and up_to - head.read_up_to <= CHECKED_SEQS
    rows = _read_by(r, user, head.read_up_to, up_to, type) if shares and few else None
    merged = _merge_read_alls(w, user)
    if type == ALL_TYPES:
        _join_undone(w, user, up_to)
    seq = _bump(w, user, UnreadNumber(-read.groups, -read.items, -read.unseen))
    w.db.execute(sql("insert_read_all"), (user, seq, STANDING, type, up_to, w.now))
    feed = shares and merged and read_together.reset(w, r, user)
    if shares and rows is None:
        feed = read_together.reset(w, r, user)
    elif rows:
        feed = read_together.follow_groups(w, r, user, rows, w.now) or feed
    return ReadByAll(read.groups, feed, merged)


def _read_by(r: ReadSnapshot, user: int, low: int, up_to: int, type: int) -> list[Row] | None:
    """The rows that a read-all up to a seq marks read, those that are archived or snoozed too, the last that became unread
    first; None if there may be more than CHECKED_GROUPS. ``low``: how far the read-alls of all types go. What became unread
    again may be far below that: of all that is archived or snoozed, the newest CHECKED_SEQS are looked at."""
    values = {"user": user, "low": low, "high": up_to, "type": type, "examined": CHECKED_SEQS}
    found: dict[int, Row] = {}  # while partitions are merged two of them may have a row
    for n in chunks(r.inbox_spans):
        some = r.db.execute(sql("unread_aside", n), values | {"most": CHECKED_GROUPS + 1})
        found |= {row[0]: Row(*row) for row in some}
    if len(found) > CHECKED_GROUPS:
        return None
    rows = list(found.values())
    marks = ReadWatermarks.of(r, user, rows)
    aside = [row for row in rows if marks.times(row)[1] is None]
    listed = [row for _, row in newest_unread(r, user, low, up_to, type, CHECKED_GROUPS).values()]
    return sorted([*listed, *aside], key=lambda row: -row.became_unread)


def newest_unread(
    r: ReadSnapshot, user: int, low: int, high: int, type: int, most: int
) -> dict[int, tuple[int, Row]]:
    """The groups that became unread last in (low, high], of one type or of all, the last first: partition and row by
    number."""
    values = {"user": user, "low": low, "high": high, "type": type, "most": most}
    query = _unread_query("newest_unread_notifications", r.writer.inboxes.spans)
    seqs = [seq for (seq,) in r.db.execute(query, values)]
    found = notification_groups.at(r, user, seqs)
    return {found[seq][1].number: found[seq] for seq in seqs}


def unread_by_type(r: ReadSnapshot, user: int, head: InboxCounters) -> dict[int, UnreadNumber]:
    """The exact count of the unread notifications of each type that has some."""
    values = {"user": user, "low": head.read_up_to, "high": head.seq, "type": ALL_TYPES}
    query = _unread_query("count_unread_by_type", r.writer.inboxes.spans)
    return {type: UnreadNumber(*numbers) for type, *numbers in r.db.execute(query, values)}


def _reach(r: ReadSnapshot, user: int, type: int) -> int:
    """How far the read-alls in force of a type go. Each goes further than those before it, or it would change nothing; so
    the furthest decides whether a seq is covered, and the first is found in the order of how far they go."""
    query = sql("read_all_reach")
    return r.db.one(query, (user, type))[0] or 0


def _all_read(r: ReadSnapshot, user: int, head: InboxCounters, up_to: int) -> UnreadNumber:
    """The notifications that a read-all of all types marks read: counted from the watermark upwards or from the last seq
    downwards, whichever is less. The usual call, with a recent seq, reads next to nothing."""
    if up_to - head.read_up_to < head.seq - up_to:
        return _unread(r, user, head.read_up_to, up_to, ALL_TYPES)
    after = _unread(r, user, up_to, head.seq, ALL_TYPES)
    return UnreadNumber(
        head.unread_count - after.groups,
        head.unread_items - after.items,
        head.unseen_count - after.unseen,
    )


def _typed_read(w: WriteSession, r: ReadSnapshot, user: int, type: int, low: int, up_to: int) -> UnreadNumber:
    """The notifications that a read-all of one type marks read. If there are none, that is cached: a repetition reads only
    later ones."""
    low = max(low, w.settled.up_to(user, type))
    read = _unread(r, user, low, up_to, type)
    if not read.groups and up_to > low:
        w.settled.note(user, type, up_to)
    return read


def _merge_read_alls(w: WriteSession, user: int) -> bool:
    """Merge the older half of the read-alls and seen-alls that were never merged, if there are as many as are kept: those
    that a later one of these covers are deleted. That changes the times of notifications, so it takes a seq, and clients
    that know the inbox from before it start again. Returns whether it did."""
    query = sql("read_alls_to_merge")
    kept = w.settings.read_all_history
    single = w.db.all(query, (user, kept))
    if len(single) < kept:
        return False
    (last,) = single[last_to_merge(kept)]
    w.db.execute(sql("merge_inbox_read_alls"), {"user": user, "last": last})
    w.db.execute(sql("set_read_alls_merged"), (last, user))
    _note_undone(w, user, _bump(w, user, NOTHING), ALL_TYPES, 0)
    return True


def _note_undone(w: WriteSession, user: int, seq: int, type: int, up_to: int) -> None:
    """Record that a read-all which went so far was undone at a seq. Undone ones state how far groups are closed, and the seq
    of the last undo; so the last one of a type replaces the earlier ones."""
    furthest = max((up_to, *(reach for _, reach in _drop_undone(w, user, type, up_to))))
    w.db.execute(sql("insert_read_all"), (user, seq, UNDONE, type, furthest, w.now))


def close_all(w: WriteSession, user: int, up_to: int, change: UnreadNumber = NOTHING) -> None:
    """Close the groups up to a seq permanently, as a read-all that was undone does, and change the counters. It takes a
    seq, and clients that know the inbox from before it start again."""
    _note_undone(w, user, _bump(w, user, change), ALL_TYPES, up_to)


def _join_undone(w: WriteSession, user: int, up_to: int) -> None:
    """Replace the undone read-alls of all types that a read-all of all types covers with one row: that read-all closes their
    groups too. The row has the seq of the last undo."""
    if dropped := _drop_undone(w, user, ALL_TYPES, up_to):
        seqs, reaches = zip(*dropped, strict=True)
        w.db.execute(sql("insert_read_all"), (user, max(seqs), UNDONE, ALL_TYPES, max(reaches), w.now))


def _drop_undone(w: WriteSession, user: int, type: int, up_to: int) -> list[tuple[int, int]]:
    return w.db.all(sql("drop_undone_read_alls"), {"user": user, "type": type, "up_to": up_to})


def see_inbox(w: WriteSession, r: ReadSnapshot, command: MarkAllNotificationsSeen) -> InboxUpdateResult:
    """Seen-all: one number, as a read-all."""
    user = w.names.inbox(command.user)
    head = inbox_counters.one(r, user)
    if user is None or not head.unseen_count:
        return _outcome(r, user, 0)
    up_to = head.seq if command.up_to is None else min(command.up_to, head.seq)
    seen = _all_seen(r, user, head, up_to)
    feed = False
    if seen:
        feed = _merge_read_alls(w, user) and read_together.reset(w, r, user)
        seq = _bump(w, user, UnreadNumber(0, 0, -seen))
        w.db.execute(sql("insert_read_all"), (user, seq, STANDING, SEEN_ALL, up_to, w.now))
        w.db.execute(sql("set_seen_up_to"), (up_to, user))
    return _outcome(r, user, seen, feed=feed)


def _all_seen(r: ReadSnapshot, user: int, head: InboxCounters, up_to: int) -> int:
    """How many notifications a seen-all marks seen. Those that were not seen became unread above the last read-all of all
    types and the last seen-all; counted from there upwards or from the last seq downwards, as in a read-all."""
    low = max(head.read_up_to, _reach(r, user, SEEN_ALL))
    if up_to - low < head.seq - up_to:
        return _unread(r, user, low, up_to, ALL_TYPES).unseen
    return head.unseen_count - _unread(r, user, up_to, head.seq, ALL_TYPES).unseen


def undo_read(w: WriteSession, r: ReadSnapshot, command: UndoMarkAllRead) -> InboxUpdateResult:
    """Undo a read-all, unless it was merged with others. It stays as an undone one, because the groups that it closed are
    not opened again."""
    user = w.names.inbox(command.user)
    again = None if user is None else undo_read_all(w, r, user, command.seq)
    if user is None or again is None:
        return _outcome(r, user, 0)
    return _outcome(r, user, again.groups, feed=read_together.reset(w, r, user))


def undo_read_all(w: WriteSession, r: ReadSnapshot, user: int, seq: int) -> UnreadNumber | None:
    """Undo the read-all that took a seq; returns what is unread again, None without such a read-all."""
    query = sql("delete_read_all")
    mark = w.db.one(query, (user, seq, STANDING))
    if mark is None:
        return None
    type, up_to = mark
    w.settled.forget(user)
    again = _unread(r, user, inbox_counters.one(r, user).read_up_to, up_to, type)
    _note_undone(w, user, _bump(w, user, again), type, up_to)
    return again


def _unread(r: ReadSnapshot, user: int, low: int, high: int, type: int) -> UnreadNumber:
    """The exact count of unread notifications that became unread in (low, high], of one type or of all."""
    if low >= high:
        return NOTHING
    values = {"user": user, "low": low, "high": high, "type": type}
    return UnreadNumber(
        *r.db.one(_unread_query("count_unread_notifications", r.writer.inboxes.spans), values)
    )


def unread_of_types(r: ReadSnapshot, name: str, types: Choice[str]) -> InboxCounters:
    """The counters of a user's inbox, of whose unread notifications those of some types are counted; see
    InboxViews.counts. Reads the rows above the last read-all of all types."""
    (head,), user = inbox_counters.counts(r, [name]), r.names.inbox(name)
    wanted = types.numbered(r.names.verb)
    found: list[tuple[int, int, int]] = []
    if wanted is not None and head.unread_count:
        values = {"user": user, "low": head.read_up_to, "high": head.seq, "type": ALL_TYPES}
        query = _unread_query("count_unread_by_type", r.writer.inboxes.spans)
        found = [number for type, *number in r.db.execute(query, values) if wanted.admits((type,))]
    groups, items, unseen = map(sum, zip((0, 0, 0), *found, strict=True))
    return head._replace(unread_count=groups, unread_items=items, unseen_count=unseen)


@lru_cache(maxsize=256)
def _unread_query(count: str, spans: tuple[PartitionRange, ...]) -> str:
    """One statement over all partitions; a row that is being merged is in two of them, and counts once."""
    arms = []
    for span in spans:
        both = [
            sql(name, n)
            for n in span.parts
            for name in ("unread_notifications", "unread_again_notifications")
        ]
        how = " UNION ALL " if len(span.parts) == 1 else " UNION "
        arms.append(sql("subquery", rows=how.join(both)))
    return sql(count, rows=" UNION ALL ".join(arms))
