"""The events of the last hour in one dimension: the events of each second, and the count of each key in each window.

Each second of the last hour has a bucket of (cell, events). Events that leave a window are subtracted from their
cells, so an advance costs as much as the events that leave, independently of the keys that stay. The buckets of the
last minute are dictionaries; older ones are packed, as a tuple and an array with 12 bytes for each entry.

When keys or entries exceed their caps, the oldest seconds are folded into sketches until there is room. The
newest seconds stay exact, so a short window remains exact while the hour is approximate, and the hour becomes
exact again when the folded seconds have left it.
"""

from array import array
from collections.abc import Iterable, Mapping
from heapq import nsmallest
from operator import attrgetter
from typing import NamedTuple

from tidings.projections.heavy_hitters import SketchedWindow
from tidings.projections.tie_bucket import Cell
from tidings.projections.top_k import TopK

HOUR_S, FIVE_S, MINUTE_S = 3_600, 300, 60
LENGTHS_S = (HOUR_S, FIVE_S, MINUTE_S)
"""The windows, the longest first: a second that is in n of them is in the first n."""
ENTRIES_PER_KEY = 8
"""Bucket entries for each key of the cap; at 12 bytes each they take about as much memory as the key."""
ROOM_AFTER_FOLDING = 7 / 8
"""Folding stops at this share of a cap, so that a dimension at its cap does not fold on every batch."""

_COUNTS = (attrgetter("hour"), attrgetter("five"), attrgetter("minute"))


class Ranking(NamedTuple):
    """The first keys of a window; a count may be wrong by ``error``, 0 when ``exact``."""

    items: list[tuple[str, int]]
    exact: bool
    error: int


class _Packed(NamedTuple):
    """A second older than a minute. Late events and retractions are appended, so a cell may recur.

    The cells are a tuple, not a list: the garbage collector does not traverse it, and would examine each entry of a list.
    """

    cells: tuple[Cell, ...]
    counts: "array[int]"


def windows_holding(second: int, now: int) -> int:
    """How many windows contain a second when ``now`` is the current one; 0 for a future second."""
    return sum(now - length < second <= now for length in LENGTHS_S)


class SlidingCounter:
    """One dimension. ``max_keys`` caps its distinct keys, and ENTRIES_PER_KEY times that its bucket entries.

    Both caps are checked after each batch, so they are exceeded by at most one batch. Seconds are whole
    seconds since 1970; the caller steps ``now`` one by one through :meth:`advance`.
    """

    def __init__(self, now: int, max_keys: int) -> None:
        self._max_keys = max_keys
        self._future: dict[int, dict[str, int]] = {}
        self._uncounted: dict[int, int] = {}
        self.clear(now)

    def clear(self, now: int) -> None:
        """Forget everything up to ``now``, which becomes the current second."""
        self._now = now
        self._folded_up_to = now - HOUR_S
        self._cells: dict[str, Cell] = {}
        self._open: dict[int, dict[Cell, int]] = {}
        self._packed: dict[int, _Packed] = {}
        self._future = {second: counts for second, counts in self._future.items() if second > now}
        self._uncounted = {second: events for second, events in self._uncounted.items() if second > now}
        self._entries = sum(map(len, self._future.values()))
        self._leaders = tuple(TopK(count) for count in _COUNTS)
        self._folds = tuple(SketchedWindow(length) for length in LENGTHS_S)

    @property
    def size(self) -> tuple[int, int, int]:
        """(keys, bucket entries, candidates) in memory now."""
        return len(self._cells), self._entries, sum(map(len, self._leaders))

    def may_hold(self, key: str) -> bool:
        """Whether the key is or may be counted here: folded seconds cannot be searched."""
        return key in self._cells or any(self._folds) or any(key in due for due in self._future.values())

    def add(self, second: int, counts: Mapping[str, int]) -> None:
        """Count events of a second that is at most an hour old; negative counts subtract what was added."""
        if second > self._now:
            self._keep_for_later(second, counts)
        elif second <= self._folded_up_to:
            self._fold_in(second, counts)
        else:
            self._put(second, self._count(counts, windows_holding(second, self._now)), counts)
        self._make_room()

    def advance(self) -> None:
        """Move to the next second: subtract what is too old, and count the events that waited for it."""
        self._now += 1
        self._leave_minute(self._now - MINUTE_S)
        self._leave_five(self._now - FIVE_S)
        self._leave_hour(self._now - HOUR_S)
        for fold, length in zip(self._folds, LENGTHS_S, strict=True):
            fold.forget(self._now - length)
            if self._now in self._uncounted:
                fold.doubt(self._now, self._uncounted[self._now])
        self._uncounted.pop(self._now, None)
        due = self._future.pop(self._now, None)
        if due is not None:
            self._entries -= len(due)
            self.add(self._now, due)

    def ranking(self, window: int, limit: int) -> Ranking:
        """The first ``limit`` keys of the window with this place in LENGTHS_S.

        When the window is not exact, a key left out has at most ``error`` events more than the last one
        shown.
        """
        leaders, count, fold = self._leaders[window], _COUNTS[window], self._folds[window]
        best = [(cell.key, count(cell)) for cell in leaders.best(limit, self._cells.values())]
        if not fold:
            return Ranking(best, True, 0)
        known = dict(best)
        for key, estimate in fold.estimates().items():
            cell = self._cells.get(key)
            known[key] = estimate + (count(cell) if cell else 0)
        items = nsmallest(limit, known.items(), key=lambda item: (-item[1], item[0]))
        return Ranking(items, False, fold.error(key for key, _ in items))

    # --- counting ---------------------------------------------------------------------------------

    def _count(self, counts: Mapping[str, int], holding: int) -> list[Cell]:
        """Add the counts to the first ``holding`` windows; returns the cells, in the order of the keys.

        This is the hottest loop of the module: once per distinct key of a batch. A cell that rises past a floor becomes
        a candidate.
        """
        hour, five, minute = self._leaders
        cells, touched = self._cells, []
        for key, n in counts.items():
            cell = cells.get(key)
            if cell is None:
                cell = cells[key] = Cell(key)
            touched.append(cell)
            cell.hour += n
            if cell.hour >= hour.floor >= cell.hour - n:
                hour.admit(cell)
            if holding > 1:
                cell.five += n
                if cell.five >= five.floor >= cell.five - n:
                    five.admit(cell)
            if holding > 2:
                cell.minute += n
                if cell.minute >= minute.floor >= cell.minute - n:
                    minute.admit(cell)
        for leaders in self._leaders:
            leaders.settle()
        return touched

    def _put(self, second: int, cells: list[Cell], counts: Mapping[str, int]) -> None:
        """Store in the second's bucket what is to be subtracted when the second leaves."""
        if second <= self._now - MINUTE_S:
            before = self._packed.get(second, _Packed((), array("i")))
            added = array("i", counts.values())
            self._packed[second] = _Packed(before.cells + tuple(cells), before.counts + added)
            self._entries += len(cells)
            return
        bucket = self._open.setdefault(second, {})
        known = len(bucket)
        for cell, n in zip(cells, counts.values(), strict=True):
            bucket[cell] = bucket.get(cell, 0) + n
        self._entries += len(bucket) - known

    def _keep_for_later(self, second: int, counts: Mapping[str, int]) -> None:
        """Store future events. Those over the cap are not counted, and replies state the error."""
        if self._entries + len(counts) > self._max_keys * ENTRIES_PER_KEY:
            self._uncounted[second] = self._uncounted.get(second, 0) + sum(map(abs, counts.values()))
            return
        waiting = self._future.setdefault(second, {})
        self._entries -= len(waiting)
        for key, n in counts.items():
            waiting[key] = waiting.get(key, 0) + n
        self._entries += len(waiting)

    # --- leaving ----------------------------------------------------------------------------------

    def _leave_minute(self, second: int) -> None:
        bucket = self._open.pop(second, None)
        if bucket is not None:
            for cell, n in bucket.items():
                cell.minute -= n
            self._packed[second] = _Packed(tuple(bucket), array("i", bucket.values()))

    def _leave_five(self, second: int) -> None:
        packed = self._packed.get(second)
        if packed is not None:
            for cell, n in zip(packed.cells, packed.counts, strict=True):
                cell.five -= n

    def _leave_hour(self, second: int) -> None:
        packed = self._packed.pop(second, None)
        if packed is not None:
            self._entries -= len(packed.cells)
            for cell, n in zip(packed.cells, packed.counts, strict=True):
                cell.hour -= n
            self._drop_empty(packed.cells)

    def _drop_empty(self, cells: Iterable[Cell]) -> None:
        # Only after a whole second has left: a cell that recurs in it (added, retracted) passes through zero.
        # A dropped cell may still be in later seconds, with counts that add up to zero; when those leave, the key may
        # have another cell, which must stay.
        for cell in cells:
            if cell.hour == 0 and self._cells.get(cell.key) is cell:
                del self._cells[cell.key]

    # --- folding ----------------------------------------------------------------------------------

    def _make_room(self) -> None:
        if self._fits(1.0):
            return
        while self._folded_up_to < self._now and not self._fits(ROOM_AFTER_FOLDING):
            self._folded_up_to = max(self._folded_up_to, self._now - HOUR_S) + 1
            self._fold(self._folded_up_to)

    def _fits(self, share: float) -> bool:
        keys, entries = self._max_keys * share, self._max_keys * ENTRIES_PER_KEY * share
        return len(self._cells) <= keys and self._entries <= entries

    def _fold(self, second: int) -> None:
        """Move a second from the cells into the sketches."""
        holding = windows_holding(second, self._now)
        left: dict[Cell, int] = {}
        counts: dict[str, int] = {}
        for cell, n in self._take(second):
            left[cell] = left.get(cell, 0) + n
        for cell, n in left.items():
            cell.hour -= n
            cell.five -= n if holding > 1 else 0
            cell.minute -= n if holding > 2 else 0
            counts[cell.key] = counts.get(cell.key, 0) + n
        self._drop_empty(left)
        self._fold_in(second, counts)

    def _take(self, second: int) -> Iterable[tuple[Cell, int]]:
        bucket = self._open.pop(second, None)
        if bucket is not None:
            self._entries -= len(bucket)
            return bucket.items()
        packed = self._packed.pop(second, None)
        if packed is None:
            return ()
        self._entries -= len(packed.cells)
        return zip(packed.cells, packed.counts, strict=True)

    def _fold_in(self, second: int, counts: Mapping[str, int]) -> None:
        """Fold counts in. A sketch cannot subtract: retracted events stay counted there, and the error includes them."""
        added = {key: n for key, n in counts.items() if n > 0}
        taken = -sum(n for n in counts.values() if n < 0)
        for fold in self._folds[: windows_holding(second, self._now)]:
            if added:
                fold.add(second, added)
            if taken:
                fold.doubt(second, taken)
