"""Stored groups: rows of inboxes, the read-alls that cover them, and their items.

A group of one has a row and nothing else; the tables of groups and members have those that ever had two items, or returned
from a snooze.
"""

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import NamedTuple

from tidings.ids import MAX_KEY
from tidings.storage.sqlite.read_snapshot import ReadSnapshot, chunks
from tidings.storage.sqlite.statements import sql

ALL_TYPES = 0
"""The type of a read-all of all types: no name has this number."""
SEEN_ALL = -1
"""The type of a seen-all."""
STANDING, UNDONE = 0, 1
"""The values of ``undone``: a read-all is in force, or was undone."""
MOST_MARKS = 1_000
"""Read-alls that are read from the file together, in about a millisecond."""


class Row(NamedTuple):
    """A stored group. ``seq`` is that of its newest item, ``opened`` that of its first if that is another; ``changed`` that
    of a change since the newest item. ``unread_since`` is set once the group is closed, to the seq at which it last became
    unread."""

    seq: int
    key: int
    type: int
    opened: int | None
    changed: int | None
    unread_since: int | None
    seen_at: int | None
    read_at: int | None
    archived_at: int | None
    deleted: int | None
    snoozed_until: int | None
    pinned_at: int | None
    acted: bytes | None

    @property
    def number(self) -> int:
        """The seq of its first item, which identifies it."""
        return self.seq if self.opened is None else self.opened

    @property
    def became_unread(self) -> int:
        """The seq at which it became unread."""
        return self.seq if self.unread_since is None else self.unread_since

    @property
    def last_change(self) -> int:
        """The seq of its last change."""
        return self.seq if self.changed is None else self.changed

    @property
    def listed(self) -> bool:
        """Whether an inbox shows it."""
        return self.archived_at is None and self.snoozed_until is None and not self.deleted


class ReadWatermarks:
    """The read-alls in force of one inbox, and its seen-alls, applied to its rows."""

    def __init__(self, rows: Sequence[tuple[int, int, int, int]], find: "_Find | None" = None) -> None:
        """``rows``: (seq, up_to, type, at) by seq. ``find`` searches the file for each instead."""
        self._find = find or _Halving(rows)
        self._none = find is None and not rows

    @classmethod
    def of(
        cls, r: ReadSnapshot, user: int, rows: Sequence[Row], but: Collection[int] = ()
    ) -> "ReadWatermarks":
        """Those of a user that may cover some of these rows, except those with some seqs. Only later ones cover a row that
        became unread at a seq. If they are many, each row costs two look-ups instead, however many there are."""
        seq = min((row.seq for row in rows), default=MAX_KEY)
        query = sql("read_alls_after")
        found = r.db.all(query, (user, seq, STANDING, MOST_MARKS + 1))
        if len(found) > MOST_MARKS:
            return cls((), _Seeking(r, user, but))
        return cls([row for row in found if row[0] not in but] if but else found)

    def times(self, row: Row) -> tuple[int | None, int | None]:
        """When a row was first seen and read, None if it was not. A read row is seen."""
        if row.read_at is not None or self._none:
            return row.seen_at, row.read_at
        looked_up = (self._find(type, row.became_unread) for type in (ALL_TYPES, row.type))
        found = [mark for mark in looked_up if mark is not None]
        read_at = min(found)[1] if found else None
        if row.seen_at is not None:
            return row.seen_at, read_at
        if (seen := self._find(SEEN_ALL, row.became_unread)) is not None:
            found.append(seen)
        return min(found)[1] if found else None, read_at

    def unread(self, row: Row) -> bool:
        """Whether it is counted."""
        return row.listed and self.times(row)[1] is None

    def unseen(self, row: Row) -> bool:
        """Whether it is counted as unseen."""
        return row.listed and self.times(row)[0] is None


_Find = Callable[[int, int], tuple[int, int] | None]
"""Finds, for a type and the seq at which a row became unread, (seq, at) of the first read-all of exactly this type that
covers it."""


class _Halving:
    """Searches loaded read-alls and seen-alls: each of a type goes further than the earlier ones of it."""

    def __init__(self, rows: Sequence[tuple[int, int, int, int]]) -> None:
        self._reaches: dict[int, tuple[list[int], list[tuple[int, int]]]] = {}
        for seq, up_to, type, at in rows:
            reach, marks = self._reaches.setdefault(type, ([], []))
            reach.append(up_to)
            marks.append((seq, at))

    def __call__(self, type: int, unread: int) -> tuple[int, int] | None:
        if type not in self._reaches:
            return None
        reach, marks = self._reaches[type]
        place = bisect_left(reach, unread)
        return marks[place] if place < len(reach) else None


class _Seeking:
    """Searches the file."""

    def __init__(self, r: ReadSnapshot, user: int, but: Collection[int]) -> None:
        self._db = r.db
        self._user = user
        self._but = but

    def __call__(self, type: int, unread: int) -> tuple[int, int] | None:
        rows = self._db.all(sql("read_alls_covering"), (self._user, type, unread, len(self._but) + 1))
        return next(((seq, at) for seq, at in rows if seq not in self._but), None)


class GroupCounts(NamedTuple):
    """A group that ever had two items: its id for its members, the seq of its row, the key of its first event, its
    counts."""

    id: int
    row: int
    first: int
    size: int
    actors: int


def of(r: ReadSnapshot, user: int, numbers: Collection[int]) -> dict[int, GroupCounts]:
    """Those of a user's groups with these numbers that ever had two items."""
    if not numbers:
        return {}
    rows = r.db.execute(sql("inbox_groups"), (user, r.writer.carray(numbers)))
    return {number: GroupCounts(*rest) for number, *rest in rows}


def newest(r: ReadSnapshot, group: int) -> int | None:
    """The key of the newest event in the group with this id, None if it has none any more."""
    row = r.db.one(sql("newest_member"), (group,))
    return row[0] if row else None


def at(r: ReadSnapshot, user: int, seqs: Iterable[int]) -> dict[int, tuple[int, Row]]:
    """Rows by seq, each with a partition that it is in."""
    wanted = set(seqs)
    found: dict[int, tuple[int, Row]] = {}
    if not wanted:
        return found
    for n in chunks(r.inbox_spans):
        if len(found) == len(wanted):
            break
        rows = r.db.execute(sql("inbox_rows", n), (user, r.writer.carray(wanted)))
        found |= {row[0]: (n, Row(*row)) for row in rows}
    return found


def by_number(r: ReadSnapshot, user: int, numbers: Iterable[int]) -> dict[int, tuple[int, Row]]:
    """Groups by number, each with a partition that its row is in."""
    numbers = set(numbers)
    if not numbers:
        return {}
    seqs = {n: n for n in numbers} | {number: group.row for number, group in of(r, user, numbers).items()}
    rows = at(r, user, seqs.values())
    found = {number: rows[seq] for number, seq in seqs.items() if seq in rows}
    return {number: place for number, place in found.items() if place[1].number == number}
