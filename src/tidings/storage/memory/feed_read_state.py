"""The read state of one user's feed in memory: a watermark of read-alls, exceptions in both directions, and the latest
changes for clients that resume."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from tidings.feed_changes import FeedMark, FeedReset
from tidings.model import LogEntry
from tidings.rules import last_to_merge


class FeedReadAll(NamedTuple):
    """All items up to position ``up_to`` were marked read at ``at`` (milliseconds); this took position ``made``."""

    made: int
    up_to: int
    at: int


class ReadStateChange(NamedTuple):
    """An item with its own state, read at ``at`` or unread (None); this took position ``made``. Later read-alls mark an
    unread one read again."""

    made: int
    at: int | None
    position: int


@dataclass(slots=True)
class FeedReadState:
    """``forgotten`` is the position up to which changes are no longer kept, ``undone`` that at which a read-all was last
    undone, or some were merged. ``last_merged_read_all`` is the position of the last read-all that was among these."""

    read_alls: list[FeedReadAll] = field(default_factory=list)
    marked: dict[int, ReadStateChange] = field(default_factory=dict)
    changes: list[FeedMark | FeedReset] = field(default_factory=list)
    forgotten: int = 0
    undone: int = 0
    last_merged_read_all: int = 0

    def read_at(self, entry: LogEntry) -> int | None:
        """The time at which the feed item was read, in milliseconds; None while it is unread."""
        return self.time_of(self.marked.get(entry.key, ReadStateChange(0, None, entry.position)))

    def time_of(self, marked: ReadStateChange) -> int | None:
        """The same of an item with its own state, by which a later read-all has read it too."""
        if marked.at is not None:
            return marked.at
        first = self._first(marked.made, marked.position)
        return None if first is None else first.at

    def would_read(self, up_to: int) -> bool:
        """Whether a read-all up to here changes anything: it goes further, or covers an item that was marked unread."""
        if up_to > max((one.up_to for one in self.read_alls), default=0):
            return True
        return any(
            at is None and position <= up_to and self._first(made, position) is None
            for made, at, position in self.marked.values()
        )

    def mark(self, change: FeedMark, items: Mapping[int, int]) -> None:
        """Apply a change to these items (key to position), or to all up to its ``up_to``."""
        if change.up_to is not None and change.at is not None:
            self.read_alls.append(FeedReadAll(change.position, change.up_to, change.at))
        for key, position in items.items():
            self.marked[key] = ReadStateChange(change.position, change.at, position)
        self.changes.append(change)

    def can_undo(self, made: int) -> bool:
        """Whether the read-all that took this position is in force and was not merged with others."""
        return made > self.last_merged_read_all and any(one.made == made for one in self.read_alls)

    def undo(self, made: int, position: int) -> None:
        """Undo a read-all. The items that become unread are not listed, so no client can resume from before it."""
        self.read_alls = [one for one in self.read_alls if one.made != made]
        self._reset(position)

    def must_merge(self, kept: int) -> bool:
        """Whether there are so many read-alls that were never merged."""
        return len(self._single()) >= kept

    def merge(self, kept: int, position: int) -> None:
        """Merge the older half of so many read-alls: of all that were ever merged, the first of the furthest stays. An item
        that was marked unread before keeps the time at which it was read again."""
        self.last_merged_read_all = self._single()[last_to_merge(kept)].made
        old = [one for one in self.read_alls if one.made <= self.last_merged_read_all]
        dropped = set(old) - {max(old, key=lambda one: one.up_to)}
        for key, item in self.marked.items():
            first = self._first(item.made, item.position)
            if item.at is None and first in dropped:
                self.marked[key] = ReadStateChange(first.made, first.at, item.position)
        self.read_alls = [one for one in self.read_alls if one not in dropped]
        self._reset(position)

    def _single(self) -> list[FeedReadAll]:
        return [one for one in self.read_alls if one.made > self.last_merged_read_all]

    def _first(self, made: int, position: int) -> FeedReadAll | None:
        """The first read-all made after a position that covers another."""
        return next((one for one in self.read_alls if one.made > made and one.up_to >= position), None)

    def _reset(self, position: int) -> None:
        self.changes.append(FeedReset(position))
        self.undone = position

    def forget(self, kept: int) -> None:
        """Keep this many of the latest changes."""
        for gone in self.changes[:-kept]:
            self.forgotten = max(self.forgotten, gone.position)
        self.changes = self.changes[-kept:]

    def since(self, after: int) -> Iterable[FeedMark | FeedReset]:
        """The changes after a position, in their order."""
        return (change for change in self.changes if change.position > after)
