"""What a change of the read state of a feed, or of activity, changes of the inbox that shares it."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tidings.inbox_commands import NotificationState
from tidings.read_together import CHECKED_EVENTS, CHECKED_GROUPS, CHECKED_SEQS, COUNTED_SEQS, LISTED_EVENTS
from tidings.storage.sqlite import inbox_counters, notification_groups, read_together, shared_items
from tidings.storage.sqlite import notification_state as inbox
from tidings.storage.sqlite.notification_groups import ALL_TYPES, Row
from tidings.storage.sqlite.read_snapshot import ReadSnapshot
from tidings.storage.sqlite.read_times import own_read_times
from tidings.storage.sqlite.statements import sql
from tidings.storage.sqlite.write_session import WriteSession


class FeedMarking(NamedTuple):
    """A change of the read state of a feed: these events are ``read``, or became ``unread``; or a read-all: of the whole
    feed when the inbox had the last seq ``all_to`` (0: of something else); or the read-all of a position was ``undone``."""

    read: Sequence[int] = ()
    unread: Sequence[int] = ()
    all_to: int | None = None
    undone: int = 0


Places = Mapping[int, tuple[int, Row]]
"""Groups by number, each with a partition that its row is in."""


class Change(NamedTuple):
    """A change of the inbox: its seq, and the number of the group; 0 of a read-all of one type."""

    seq: int
    number: int


def follow_feed(w: WriteSession, r: ReadSnapshot, user: int, marking: FeedMarking, made: int) -> bool:
    """Have the inbox follow a change that took the position ``made``, 0 if it changed nothing of the feed. Returns whether
    the inbox changed."""
    if marking.undone:
        return _undo(w, r, user, marking.undone)
    if not shared_items.exist(r, user):
        return False
    if marking.unread:
        return bool(made) and _unread_groups(w, r, user, marking.unread, made)
    if marking.all_to is None:
        numbers = dict.fromkeys(shared_items.groups_of(r, user, sorted(marking.read)).values())
        places = notification_groups.by_number(r, user, numbers)
        changes = _complete(w, r, user, {n: places[n] for n in numbers if n in places})
    else:
        changes = _read_all(w, r, user, marking.all_to)
        if made and changes:
            w.insert("insert_shared_read_alls", [(user, made, *change) for change in changes])
    if changes:
        read_together.touched(w, user)
    return bool(changes)


def _complete(w: WriteSession, r: ReadSnapshot, user: int, places: Places) -> list[Change]:
    """Mark those of these groups read whose shared events are all read."""
    rows = [row for _, row in places.values()]
    times = shared_items.times_of(r, user, rows)
    rows = [row for row in rows if times[row.number] is None]
    keys = _members(r, user, rows)
    shared = shared_items.groups_of(r, user, [key for some in keys.values() for key in some])
    own = own_read_times(r, read_together.reader(r, user), read_together.positions(r, list(shared)))
    mine = {number: [key for key in some if key in shared] for number, some in keys.items()}
    read = [number for number, some in mine.items() if some and all(key in own for key in some)]
    rows = inbox.mark_groups(w, r, user, {n: places[n] for n in read}, NotificationState.READ)
    return [Change(row.last_change, row.number) for row in rows]


def _members(r: ReadSnapshot, user: int, rows: Sequence[Row]) -> dict[int, list[int]]:
    """The events of the first of these groups that have so many events at most, by number."""
    groups = notification_groups.of(r, user, [row.number for row in rows if row.opened is not None])
    left, keys = CHECKED_EVENTS, dict[int, list[int]]()
    for row in rows:
        group = groups.get(row.number)
        left -= 1 if group is None else group.size
        if left < 0:
            break
        keys[row.number] = [row.key] if group is None else []
    numbers = {groups[number].id: number for number in keys if number in groups}
    if numbers:
        for id, key, _ in r.db.execute(sql("members_of_groups"), (r.writer.carray(numbers),)):
            keys[numbers[id]].append(key)
    return keys


def _read_all(w: WriteSession, r: ReadSnapshot, user: int, all_to: int) -> list[Change]:
    head = inbox_counters.one(r, user)
    if not head.unread_count:
        return []
    if not all_to or head.seq - head.read_up_to > COUNTED_SEQS:
        low = max(head.read_up_to, head.seq - CHECKED_SEQS)
        newest = inbox.newest_unread(r, user, low, head.seq, ALL_TYPES, CHECKED_GROUPS)
        return _complete(w, r, user, newest)
    unread = inbox.unread_by_type(r, user, head)
    names = {w.names.verb_text(type): type for type in unread}
    changes, merged = [], False
    for name in sorted(name for name in names if w.rules.rule(name).read_together):
        known = unread[names[name]] if all_to >= head.seq else None
        read = inbox.read_type(w, r, user, names[name], min(all_to, head.seq), known=known)
        merged |= read.merged
        if read.groups:
            changes.append(Change(inbox_counters.one(r, user).seq, 0))
    if merged:
        read_together.reset(w, r, user)
    return changes


def _unread_groups(w: WriteSession, r: ReadSnapshot, user: int, keys: Sequence[int], made: int) -> bool:
    """Mark those groups unread that had read these events; their other events stay read."""
    numbers = dict.fromkeys(shared_items.groups_of(r, user, sorted(keys)).values())
    places = notification_groups.by_number(r, user, numbers)
    times = shared_items.times_of(r, user, [row for _, row in places.values()])
    read = {n: places[n] for n in numbers if times.get(n) is not None}
    if not read:
        return False
    group, _ = shared_items.events_of(r, user, [row for _, row in read.values()], LISTED_EVENTS)
    marked = set(keys)
    others = read_together.positions(r, [key for key in group if key not in marked])
    own = own_read_times(r, read_together.reader(r, user), others)
    w.insert(
        "insert_feed_reads",
        [(user, key, at, made, times[group[key]]) for key, at in others if key not in own],
    )
    inbox.mark_groups(w, r, user, read, NotificationState.UNREAD)
    return True


def _undo(w: WriteSession, r: ReadSnapshot, user: int, made: int) -> bool:
    """Undo what a read-all of the feed changed of the inbox, unless it was changed since."""
    changes = [Change(*row) for row in r.db.all(sql("shared_read_alls"), (user, made))]
    if not changes:
        return False
    w.db.execute(sql("delete_shared_read_alls"), (user, made))
    read_alls = [seq for seq, number in changes if not number]
    undone = [inbox.undo_read_all(w, r, user, seq) for seq in read_alls]
    seqs = {number: seq for seq, number in changes if number}
    places = notification_groups.by_number(r, user, seqs)
    same = {n: places[n] for n, seq in seqs.items() if n in places and places[n][1].last_change == seq}
    unread = inbox.mark_groups(w, r, user, same, NotificationState.UNREAD)
    return any(undone) or bool(unread)
