"""Groups of similar events, of one verb and one object within a window of time: the rule, which every back-end applies.

A window begins at a multiple of its length since 1970, so its limits do not depend on the time of reading. A *segment* is a
range of keys in one window: the whole window, or, of a window with more than ``max_items`` items, a part with so many. The
items of a segment with one verb and one object are a group, at the place of the newest of them.
"""

import hashlib
import sys
from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache
from typing import Generic, NamedTuple, TypeVar

import msgspec

from tidings.ids import COUNTER_BITS, MAX_KEY
from tidings.model import FeedItem

MAX_ITEMS = 1_000
"""Items of the largest group, and of the part of a window that one page has to read again. As many can be marked read at
once."""
ACTORS, ITEMS = 3, 3
"""The newest actors and items that a group shows."""

T = TypeVar("T")
GroupRow = tuple[int, int, T, T, T, T]
"""An item before hydration: key, position, actor, verb, object, and what a back-end needs for its reason."""


class GroupRule(NamedTuple):
    """The length of windows in milliseconds, and the maximum number of items in a segment."""

    window_ms: int
    max_items: int = MAX_ITEMS


class GroupCursor(NamedTuple):
    """The end of a page. The pages of one cursor show the items up to ``position``. The segment of the last group has the
    keys from ``end`` on and below ``top``; the next groups are those whose newest key is below ``place``."""

    position: int
    top: int
    end: int
    place: int


class FeedGroup(msgspec.Struct, frozen=True, gc=False):
    """A group: its newest items, its size, and how many of its items are read. ``read_at``: when the last of them was read,
    in milliseconds, None if not all are. ``end`` and ``top`` are the limits of its segment. ``actor_names``: the
    display names that ``actors`` have now, None for those without one."""

    verb: str
    object_type: str
    object_id: str
    count: int
    read: int
    read_at: int | None
    actors: tuple[str, ...]
    actor_count: int
    items: tuple[FeedItem, ...]
    top: int
    end: int
    actor_names: tuple[str | None, ...]

    @property
    def id(self) -> str:
        """The public id: the same for all readers of the same segment."""
        return group_id(self.top, self.end, self.verb, f"{self.object_type}:{self.object_id}")

    def next(self, position: int) -> GroupCursor:
        """The cursor that continues after this group."""
        return GroupCursor(position, self.top, self.end, self.items[0].key)


class GroupPage(NamedTuple):
    """A page of groups, newest first. ``next`` continues it, None at the end. ``partial``: the scan budget was spent before
    the page was full. ``position`` is that of the snapshot that all pages of one cursor show."""

    groups: Sequence[FeedGroup]
    next: GroupCursor | None
    position: int
    partial: bool = False


def group_id(top: int, end: int, verb: str, thing: str) -> str:
    """The public id of the group of a verb and an object (``type:id``) in a segment."""
    return f"g{top:x}-{end:x}-{_digest(verb, thing)}"


@lru_cache(maxsize=8192)
def _digest(verb: str, thing: str) -> str:
    return hashlib.blake2b(f"{verb}\0{thing}".encode(), digest_size=8).hexdigest()


class Segment:
    """The keys from ``end`` on and below ``top``. It ends earlier than its window if it gets too many items."""

    __slots__ = ("end", "top")

    def __init__(self, top: int, end: int) -> None:
        self.top = top
        self.end = end


class Members(NamedTuple, Generic[T]):
    """A group before hydration: its rows, newest first."""

    segment: Segment
    rows: list[GroupRow[T]]


def _descending(row: GroupRow[T]) -> int:
    return -row[0]


class Fold(Generic[T]):
    """Folds the rows of a feed, newest first, into the groups of one page."""

    def __init__(self, rule: GroupRule, limit: int, at: GroupCursor | None) -> None:
        self._window = rule.window_ms << COUNTER_BITS
        self._most = rule.max_items
        self._limit = limit
        self._place = MAX_KEY if at is None else at.place
        # The limits of the segment that a cursor names were found by the page before, and stay.
        self._segment = Segment(MAX_KEY, MAX_KEY) if at is None else Segment(at.top, at.end)
        self._room = sys.maxsize
        self._named: dict[tuple[T, T], list[GroupRow[T]]] = {}
        self._shown: list[Members[T]] = []
        self._more = False

    def add(self, rows: Sequence[GroupRow[T]]) -> bool:
        """Add the next rows; returns whether the page is complete."""
        at = 0
        while at < len(rows):
            if (rows[at][0] < self._segment.end or not self._room) and self._leave(rows[at][0]):
                return True
            end = self._segment.end
            to = len(rows) if rows[-1][0] >= end else bisect_right(rows, -end, at, key=_descending)
            some = rows[at : min(to, at + self._room)]
            named = self._named
            for row in some:
                found = named.get((row[3], row[4]))
                if found is not None:
                    found.append(row)
                else:
                    self._open((row[3], row[4]), row)
            self._room -= len(some)
            at += len(some)
        return False

    def _open(self, name: tuple[T, T], row: GroupRow[T]) -> None:
        rows = self._named[name] = [row]
        if row[0] < self._place:  # others are on the pages before
            self._shown.append(Members(self._segment, rows))

    def _leave(self, key: int) -> bool:
        """Begin the segment of a key; returns True instead if the page is complete without it."""
        last = self._segment
        last.end = max(last.end, key + 1)
        self._more = len(self._shown) >= self._limit
        if self._more:
            return True
        begin = key - key % self._window
        self._segment = Segment(min(begin + self._window, last.end), begin)
        self._room, self._named = self._most, {}
        return False

    def cut(self, reached: int) -> None:
        """Rows were examined down to a key, and no others are."""
        self._segment.end = max(self._segment.end, reached)

    def groups(self) -> list[Members[T]]:
        """The groups of the page."""
        return self._shown[: self._limit]

    def next(self, position: int, reached: int | None) -> GroupCursor | None:
        """The cursor that continues the page, None at the end. ``reached``: the key down to which rows were examined, None
        for the end of them."""
        if self._more or len(self._shown) > self._limit:
            segment, rows = self._shown[self._limit - 1]
            return GroupCursor(position, segment.top, segment.end, rows[0][0])
        return None if reached is None else GroupCursor(position, reached, reached, reached)
