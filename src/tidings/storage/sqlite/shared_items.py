"""Items of inboxes that are read together with the feed, as readers see them: an event is read once its group is."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from tidings.storage.sqlite import notification_groups
from tidings.storage.sqlite.notification_groups import ReadWatermarks, Row
from tidings.storage.sqlite.read_snapshot import ReadSnapshot
from tidings.storage.sqlite.statements import sql
from tidings.storage.sqlite.write_session import WriteSession


class Undoing(NamedTuple):
    """What the read-all of a feed changed of the inbox, and its undoing will undo: the seqs of read-alls of a type, and by
    number the groups that were not changed since, with their seqs."""

    read_alls: frozenset[int]
    groups: Mapping[int, int]


NOTHING_UNDONE = Undoing(frozenset(), {})


def exist(r: ReadSnapshot, user: int) -> bool:
    """Whether a user has such items."""
    return bool(r.writer.sharing and r.db.one(sql("user_has_shared_items"), (user,))[0])


def groups_of(r: ReadSnapshot, user: int, keys: Collection[int]) -> dict[int, int]:
    """The numbers of the groups of those of these events that a user has such an item of, by key."""
    if not keys or not r.writer.sharing:
        return {}
    return dict(r.db.execute(sql("shared_items"), (r.writer.carray(keys), user)))


def read_times(
    r: ReadSnapshot, user: int | None, keys: Collection[int], undoing: Undoing = NOTHING_UNDONE
) -> dict[int, int]:
    """When the groups of these events were read, of those that were, by key; or as it will be after an undoing."""
    if user is None or not (numbers := groups_of(r, user, keys)):
        return {}
    places = notification_groups.by_number(r, user, numbers.values())
    times = times_of(r, user, [row for _, row in places.values()], undoing)
    return {key: at for key, number in numbers.items() if (at := times.get(number)) is not None}


def times_of(
    r: ReadSnapshot, user: int, rows: Sequence[Row], undoing: Undoing = NOTHING_UNDONE
) -> dict[int, int | None]:
    """When these groups were read, by number."""
    marks = ReadWatermarks.of(r, user, rows, undoing.read_alls)
    return {
        row.number: None if undoing.groups.get(row.number, -1) == row.last_change else marks.times(row)[1]
        for row in rows
    }


def undoing(r: ReadSnapshot, user: int, made: int) -> Undoing:
    """What the read-all of a feed that took a position changed of the inbox, without what was merged or changed since."""
    rows = r.db.all(sql("shared_read_alls"), (user, made))
    if not rows:
        return NOTHING_UNDONE
    (merged,) = r.db.one(sql("last_merged_read_all_of_inbox"), (user,)) or (0,)
    read_alls = frozenset(seq for seq, number in rows if not number and seq > merged)
    return Undoing(read_alls, {number: seq for seq, number in rows if number})


def events_of(r: ReadSnapshot, user: int, rows: Sequence[Row], most: int) -> tuple[dict[int, int], bool]:
    """The keys of the shared events of these groups, of each the newest first, among the first ``most`` events of all, with
    the numbers of the groups; and whether these are all."""
    groups = notification_groups.of(r, user, [row.number for row in rows if row.opened is not None])
    fitting, left = list[Row](), most
    for row in rows:
        size = groups[row.number].size if row.number in groups else 1
        if size > left:
            break
        fitting.append(row)
        left -= size
    whole = len(fitting) == len(rows)
    members: dict[int, list[int]] = {}
    if ids := [groups[row.number].id for row in fitting if row.number in groups]:
        for id, key, _ in r.db.execute(sql("members_of_groups"), (r.writer.carray(ids),)):
            members.setdefault(id, []).append(key)
    keys: list[int] = []
    for row in fitting:
        keys += members.get(groups[row.number].id, [])[::-1] if row.number in groups else [row.key]
    if left and not whole:
        id = groups[rows[len(fitting)].number].id
        keys += [key for (key,) in r.db.execute(sql("newest_members"), (id, left))]
    shared = groups_of(r, user, keys)
    return {key: shared[key] for key in keys if key in shared}, whole


def remove(w: WriteSession, user: int, keys: Iterable[int]) -> None:
    """The events with these keys left the groups of a user."""
    if w.sharing and (gone := list(keys)):
        w.db.execute(sql("delete_shared_items"), (user, w.carray(gone)))
