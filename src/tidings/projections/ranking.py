"""Who leads a window, without sorting everybody: a small set that is certain to hold the first hundred.

The set holds every key that ranks at or before a *mark*, a count and a key. A key enters when its count
reaches the mark; one that falls behind is noticed at the next query. Only when fewer than asked for are left
is everybody looked at again. Ranks have no ties (count downwards, then key upwards), so a million keys with
one event each need no larger set than a few famous ones.

The hazard is a crowd of equals whose first keys leave first, such as ids that count upwards with one event each:
the set runs dry again and again, and each search takes about 0.2 µs a key, 100 ms for 600,000 keys.
"""

from collections import Counter
from collections.abc import Callable, Collection
from heapq import nsmallest

import msgspec

KEPT = 500
"""Keys kept when the mark is set: five longest replies, so that many may fall behind it."""
MOST = 2_000
"""Candidates at which the mark is moved up; ranking so many takes about 0.4 ms."""


class Cell(msgspec.Struct, eq=False, gc=False):
    """One key of one dimension with its events in each window.

    The garbage collector leaves it alone: a million of them would make each full collection a pause.
    """

    key: str
    hour: int = 0
    five: int = 0
    minute: int = 0


class Leaders:
    """The candidates of one window; ``count`` reads a cell's count in it.

    ``floor`` is the count of the mark. Whoever raises a cell's count from at most ``floor`` to at least
    ``floor`` calls :meth:`admit`, and :meth:`settle` after each batch.
    """

    def __init__(self, count: Callable[[Cell], int]) -> None:
        self._count = count
        self._cells: set[Cell] = set()
        self.floor = 1
        self._last: str | None = None

    def __len__(self) -> int:
        return len(self._cells)

    def admit(self, cell: Cell) -> None:
        """Take the cell in if it ranks at or before the mark."""
        if self._leads(cell):
            self._cells.add(cell)

    def settle(self) -> None:
        """Keep the set under its cap: drop who fell behind, and move the mark up when too many lead."""
        if len(self._cells) > MOST:
            standing = list(filter(self._leads, self._cells))
            if len(standing) > MOST // 2:
                self._mark(standing)
            else:
                self._cells = set(standing)

    def best(self, limit: int, everybody: Collection[Cell]) -> list[Cell]:
        """The first ``limit`` (at most KEPT) cells: most first, ties by key ascending.

        ``everybody`` is the whole dimension; it is read only when too few candidates are left.
        """
        standing = list(filter(self._leads, self._cells))
        if len(standing) < limit and not self._holds_everybody():
            self._mark(everybody)
            standing = list(self._cells)
        if len(standing) > limit:
            cut = sorted(map(self._count, standing), reverse=True)[limit - 1]
            standing = [cell for cell in standing if self._count(cell) >= cut]
        return sorted(standing, key=lambda cell: (-self._count(cell), cell.key))[:limit]

    def _leads(self, cell: Cell) -> bool:
        count = self._count(cell)
        if count == self.floor:
            return self._last is None or cell.key <= self._last
        return count > self.floor

    def _holds_everybody(self) -> bool:
        return self.floor == 1 and self._last is None

    def _mark(self, pool: Collection[Cell]) -> None:
        """Set the mark at the KEPT-th of the pool, or below everybody when there are fewer."""
        self.floor, room = self._floor_of(Counter(map(self._count, pool)))
        above = [cell for cell in pool if self._count(cell) > self.floor]
        level = [cell for cell in pool if self._count(cell) == self.floor]
        if room is not None:
            level = nsmallest(room, level, key=lambda cell: cell.key)
        self._last = level[-1].key if room is not None else None
        self._cells = {*above, *level}

    @staticmethod
    def _floor_of(keys_with: Counter[int]) -> tuple[int, int | None]:
        """The count of the KEPT-th key, and how many keys of that count are among the KEPT (None: all)."""
        room = KEPT
        for count in sorted(keys_with, reverse=True):
            if count < 1:
                break
            if keys_with[count] >= room:
                return count, room
            room -= keys_with[count]
        return 1, None
