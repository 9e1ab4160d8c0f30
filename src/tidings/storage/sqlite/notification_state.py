"""The state of notifications: seen, read, archived, snoozed and pinned one by one, seen or read all at once; and undo.

A group that was read, archived, snoozed or marked unseen is closed permanently, whatever its later state. Rows store this
in ``unread_since``, read-alls by staying as undone ones, so that new items need no further look-up.
"""

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
from tidings.rules import last_to_merge
from tidings.storage.sqlite import endpoints, inbox_counters, notification_groups, publish
from tidings.storage.sqlite.notification_groups import (
    ALL_TYPES,
    SEEN_ALL,
    STANDING,
    UNDONE,
    ReadWatermarks,
    Row,
)
from tidings.storage.sqlite.partitions import PartitionRange
from tidings.storage.sqlite.read_snapshot import ReadSnapshot
from tidings.storage.sqlite.statements import sql
from tidings.storage.sqlite.write_session import WriteSession


class UnreadNumber(NamedTuple):
    """A number of unread groups, of their items, and of those of the groups that were not seen."""

    groups: int
    items: int
    unseen: int = 0


NOTHING = UnreadNumber(0, 0)


def mark_inbox(w: WriteSession, r: ReadSnapshot, command: NotificationCommand) -> InboxUpdateResult:
    """Set the state of notifications; each that really changes takes a seq."""
    user = w.names.inbox(command.user)
    refs = [notification_ref(id) for id in command.ids]
    numbers = [ref[1] for ref in refs if ref is not None and ref[0] == user]
    updated = found = 0
    if user is not None and numbers:
        places = notification_groups.by_number(r, user, numbers)
        marks = ReadWatermarks.of(r, user, [row for _, row in places.values()])
        known = [number for number in numbers if number in places]
        found = len(known)
        for number in known:
            n, row = places[number]
            changed = _mark(w, r, user, n, row, marks, command)
            updated += changed is not None
            places[number] = n, changed or row
    return _outcome(r, user, updated, found)


def _outcome(r: ReadSnapshot, user: int | None, updated: int, found: int = 0) -> InboxUpdateResult:
    head = inbox_counters.one(r, user)
    return InboxUpdateResult(
        updated, head.unread_count, head.seq, found, head.unread_items, head.unseen_count
    )


def _mark(
    w: WriteSession,
    r: ReadSnapshot,
    user: int,
    n: int,
    row: Row,
    marks: ReadWatermarks,
    command: NotificationCommand,
) -> Row | None:
    """The changed row; None if the change has no effect. Tombstones never change."""
    if row.deleted or (isinstance(command, RecordAction) and not _may_act(r, row, command)):
        return None
    # The state from a read-all is written into the row first, so that a new state cannot move it above the watermark.
    seen_at, read_at = marks.times(row)
    row = row._replace(seen_at=seen_at, read_at=read_at)
    ends, changed = _ends_snooze(row, command), _after(row, command, w.now)
    effect = effect_on_deliveries(command, row.snoozed_until is not None)
    if effect == "drop" or (effect and (ends or changed != row)):
        endpoints.snooze_deliveries(w, (user, row.number, row.type), effect, changed.snoozed_until)
    if ends:
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
    return save(w, user, n, changed, _difference(r, user, row, changed), again)


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


def _difference(r: ReadSnapshot, user: int, row: Row, changed: Row) -> UnreadNumber:
    """The change of the counters when one row, whose times are its own, becomes another."""
    unread = int(changed.listed and changed.read_at is None) - int(row.listed and row.read_at is None)
    unseen = int(changed.listed and changed.seen_at is None) - int(row.listed and row.seen_at is None)
    return UnreadNumber(unread, unread * _size(r, user, row) if unread else 0, unseen)


def _size(r: ReadSnapshot, user: int, row: Row) -> int:
    group = notification_groups.of(r, user, (row.number,)).get(row.number) if row.opened is not None else None
    return group.size if group else 1


def save(w: WriteSession, user: int, n: int, row: Row, more: UnreadNumber, again: bool = False) -> Row:
    """Write a changed row: it takes the next seq, and the counters change with it. ``again``: it became unread now, and so
    is above every watermark. Returns the row as written."""
    seq = _bump(w, user, more)
    if more.groups > 0 and not again:
        w.settled.forget(user)
    if row.changed is not None:
        w.db.execute(sql("delete_change"), (user, row.changed))
    w.db.execute(sql("insert_change"), (user, seq, row.seq))
    row = row._replace(changed=seq, unread_since=seq if again else row.unread_since)
    said = (row.unread_since, *row[6:])
    for part in w.inboxes.beside(n):
        w.db.execute(sql("inbox_update", part), (row.key, seq, *said, user, row.seq))
    return row


def _bump(w: WriteSession, user: int, more: UnreadNumber) -> int:
    query = sql("bump_inbox")
    (seq,) = w.db.one(query, (*more, user))
    return seq  # type: ignore[no-any-return]


# --- all at once --------------------------------------------------------------------------------------------------


def read_inbox(w: WriteSession, r: ReadSnapshot, command: MarkAllNotificationsRead) -> InboxUpdateResult:
    """Read-all: one number, however many rows it covers."""
    user = w.names.inbox(command.user)
    type = ALL_TYPES if command.type is None else r.names.verb(command.type)
    head = inbox_counters.one(r, user)
    if user is None or type is None or not head.unread_count:
        return _outcome(r, user, 0)
    low = max(head.read_up_to, _reach(r, user, type))
    up_to = head.seq if command.up_to is None else min(command.up_to, head.seq)
    if up_to <= low:
        return _outcome(r, user, 0)
    read = _all_read(r, user, head, up_to) if type == ALL_TYPES else _typed_read(w, r, user, type, low, up_to)
    if read.groups:
        _merge_read_alls(w, user)
        if type == ALL_TYPES:
            _join_undone(w, user, up_to)
        seq = _bump(w, user, UnreadNumber(-read.groups, -read.items, -read.unseen))
        w.db.execute(sql("insert_read_all"), (user, seq, STANDING, type, up_to, w.now))
    return _outcome(r, user, read.groups)


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


def _merge_read_alls(w: WriteSession, user: int) -> None:
    """Merge the older half of the read-alls and seen-alls that were never merged, if there are as many as are kept: those
    that a later one of these covers are deleted. That changes the times of notifications, so it takes a seq, and clients
    that know the inbox from before it start again."""
    query = sql("read_alls_to_merge")
    kept = w.settings.read_all_history
    single = w.db.all(query, (user, kept))
    if len(single) < kept:
        return
    (last,) = single[last_to_merge(kept)]
    w.db.execute(sql("merge_inbox_read_alls"), {"user": user, "last": last})
    w.db.execute(sql("set_read_alls_merged"), (last, user))
    _note_undone(w, user, _bump(w, user, NOTHING), ALL_TYPES, 0)


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
    if seen:
        _merge_read_alls(w, user)
        seq = _bump(w, user, UnreadNumber(0, 0, -seen))
        w.db.execute(sql("insert_read_all"), (user, seq, STANDING, SEEN_ALL, up_to, w.now))
        w.db.execute(sql("set_seen_up_to"), (up_to, user))
    return _outcome(r, user, seen)


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
    query = sql("delete_read_all")
    mark = w.db.one(query, (user, command.seq, STANDING))
    updated = 0
    if user is not None and mark is not None:
        type, up_to = mark
        w.settled.forget(user)
        again = _unread(r, user, inbox_counters.one(r, user).read_up_to, up_to, type)
        seq = _bump(w, user, again)
        _note_undone(w, user, seq, type, up_to)
        updated = again.groups
    return _outcome(r, user, updated)


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
