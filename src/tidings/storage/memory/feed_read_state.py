"""The read state of events for one user in memory: a watermark of read-alls for each list, exceptions in both directions,
and the latest changes for clients that resume."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from tidings.feed_changes import FeedMark, FeedReset
from tidings.model import LogEntry
from tidings.rules import last_to_merge


class FeedReadAll(NamedTuple):
    """All items of a list up to position ``up_to`` were marked read at ``at`` (milliseconds); this took position ``made``.
    ``activity`` names the list as MarkFeedRead does."""

    made: int
    up_to: int
    at: int
    activity: str | None = None


class ReadStateChange(NamedTuple):
    """An item with its own state, read at ``at`` or unread (None); this took position ``made``. A later read-all of a list
    that has it marks an unread one read again."""

    made: int
    at: int | None
    position: int


Lists = Callable[[str | None], bool]
"""Whether a list has an event now; lists as MarkFeedRead names them."""


@dataclass(slots=True)
class FeedReadState:
    """``forgotten`` is the position up to which changes are no longer kept, ``undone`` that at which a read-all was last
    undone, or some were merged. ``last_merged_read_all`` is the position of the last read-all that was among these.
    ``with_inbox``: by the position of a read-all, what it changed of the inbox: the seqs of read-alls of a type, each with
    0, and of groups, each with its number."""

    read_alls: list[FeedReadAll] = field(default_factory=list)
    marked: dict[int, ReadStateChange] = field(default_factory=dict)
    changes: list[FeedMark | FeedReset] = field(default_factory=list)
    forgotten: int = 0
    undone: int = 0
    last_merged_read_all: int = 0
    with_inbox: dict[int, list[tuple[int, int]]] = field(default_factory=dict)

    def read_at(self, entry: LogEntry, lists: Lists) -> int | None:
        """The time at which the event was read, in milliseconds; None while it is unread."""
        own = self.marked.get(entry.key)
        if own is not None:
            return own.at
        first = self.first(entry.position, lists)
        return None if first is None else first.at

    def unread_up_to(self, up_to: int) -> list[int]:
        """The keys of events that were marked unread, up to this position."""
        return [key for key, own in self.marked.items() if own.at is None and own.position <= up_to]

    def reach(self, activity: str | None) -> int:
        """How far the read-alls of a list go."""
        return max((one.up_to for one in self.read_alls if one.activity == activity), default=0)

    def topics(self) -> set[str]:
        """The topics with a read-all."""
        return {one.activity for one in self.read_alls if one.activity}

    def mark(self, change: FeedMark, items: Mapping[int, int]) -> None:
        """Set the state of these items (key to position)."""
        for key, position in items.items():
            self.marked[key] = ReadStateChange(change.position, change.at, position)
        self.changes.append(change)

    def read_all(self, one: FeedReadAll, again: Collection[int]) -> None:
        """Apply a read-all; ``again``: the items of its list that were marked unread."""
        self.read_alls.append(one)
        for key in again:
            self.marked[key] = ReadStateChange(one.made, one.at, self.marked[key].position)
        self.changes.append(FeedMark(one.made, one.at, up_to=one.up_to, activity=one.activity))

    def undoable(self, made: int) -> FeedReadAll | None:
        """The read-all that took this position, if it is in force and was not merged with others."""
        found = (one for one in self.read_alls if one.made == made > self.last_merged_read_all)
        return next(found, None)

    def undo(self, one: FeedReadAll, lists_of: Callable[[int], Lists], position: int) -> None:
        """Undo a read-all. The items that become unread are not listed, so no client can resume from before it.
        ``lists_of`` an event, by its key."""
        self.read_alls.remove(one)
        for key, own in self.marked.items():
            if own.made == one.made and own.at is not None:
                first = self.first(own.position, lists_of(key), one.made)
                made, at = (one.made, None) if first is None else (first.made, first.at)
                self.marked[key] = ReadStateChange(made, at, own.position)
        self.reset(position)

    def must_merge(self, kept: int) -> bool:
        """Whether there are so many read-alls that were never merged."""
        return len(self._single()) >= kept

    def merge(self, kept: int, position: int) -> None:
        """Merge the older half of so many read-alls: of all that were ever merged, the first of the furthest of each list
        stays."""
        self.last_merged_read_all = self._single()[last_to_merge(kept)].made
        old = [one for one in self.read_alls if one.made <= self.last_merged_read_all]
        lists = {one.activity for one in old}
        furthest = {
            max((one for one in old if one.activity == name), key=lambda one: one.up_to) for name in lists
        }
        self.read_alls = [one for one in self.read_alls if one not in old or one in furthest]
        self.reset(position)

    def adopt(
        self, marks: Mapping[int, tuple[int, int | None]], read_alls: Iterable[FeedReadAll], made: int
    ) -> bool:
        """Add the marks of another user (key to position and time) where there are none, at a position; and of each list of
        activity the first of the furthest read-alls, if it goes further. Returns whether there was any."""
        for key, (position, at) in marks.items():
            self.marked.setdefault(key, ReadStateChange(made, at, position))
        furthest: dict[str, FeedReadAll] = {}
        for one in read_alls:
            if one.activity is not None and one.up_to > self.reach(one.activity):
                first = furthest.setdefault(one.activity, one)
                furthest[one.activity] = min(first, one, key=lambda each: (-each.up_to, each.made))
        self.read_alls = sorted([*self.read_alls, *furthest.values()], key=lambda one: one.made)
        return bool(marks or furthest)

    def clear(self) -> bool:
        """Delete all marks and read-alls; returns whether there were any."""
        had = bool(self.marked or self.read_alls)
        self.marked.clear()
        self.read_alls.clear()
        return had

    def rename(self, old: str, new: str) -> None:
        """A topic has another name."""
        self.read_alls = [
            one._replace(activity=new) if one.activity == old else one for one in self.read_alls
        ]
        self.changes = [
            one._replace(activity=new) if isinstance(one, FeedMark) and one.activity == old else one
            for one in self.changes
        ]

    def _single(self) -> list[FeedReadAll]:
        return [one for one in self.read_alls if one.made > self.last_merged_read_all]

    def first(self, position: int, lists: Lists, made: int = 0) -> FeedReadAll | None:
        """The first read-all made after a position, of a list that has the event, that covers another."""
        return next(
            (
                one
                for one in self.read_alls
                if one.made > made and one.up_to >= position and lists(one.activity)
            ),
            None,
        )

    def reset(self, position: int) -> None:
        """Read times changed in a way that is not listed: no client can resume from before it."""
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
