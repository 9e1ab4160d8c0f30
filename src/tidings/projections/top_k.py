"""The first keys of a window without sorting all keys: a small set of candidates that contains the first hundred.

The set has each key that ranks at or before a *mark*, which is a count and a key. A key enters when its count reaches the
mark; a key that falls behind the mark is removed at the next query. Keys with the count of the mark and a later name wait in
a tie bucket, from which the set is refilled when its first members leave: ascending ids with one event each leave in that
order without an end.

All keys are examined again only if fewer keys than requested have that count. The hazard is that they are then all in one
tie bucket, which must be built: once, 0.2 s for 600,000 keys in order and 0.4 s in no order (measured).
"""

from collections import Counter
from collections.abc import Callable, Collection

from tidings.projections.tie_bucket import Cell, TieBucket

KEPT = 500
"""Candidates when the mark is set: five times the longest reply, so that many can fall behind the mark."""
MOST = 2_000
"""Candidates above which the mark is raised; ranking so many takes about 0.4 ms."""


class TopK:
    """The candidates of one window; ``count`` reads a cell's count in it.

    ``floor`` is the count of the mark. A caller that raises a cell's count from at most ``floor`` to at least ``floor``
    calls :meth:`admit`, and :meth:`settle` after each batch.
    """

    def __init__(self, count: Callable[[Cell], int]) -> None:
        self._count = count
        self._cells: set[Cell] = set()
        self.floor = 1
        self._bucket = TieBucket(count, self.floor)

    def __len__(self) -> int:
        return len(self._cells)

    @property
    def waiting(self) -> int:
        """Entries in the tie bucket, including stale ones."""
        return len(self._bucket)

    def admit(self, cell: Cell) -> None:
        """Add a cell whose count has reached the floor."""
        low = self._bucket.low
        if low is None or cell.key < low or self._count(cell) > self.floor:
            self._cells.add(cell)
        else:
            self._bucket.add(cell)

    def settle(self) -> None:
        """Keep the set below its cap: remove the cells behind the mark, and raise the mark if too many are before it."""
        if len(self._cells) > MOST:
            standing = self._standing()
            if len(standing) > MOST // 2:
                self._mark(standing)

    def best(self, limit: int, everybody: Collection[Cell]) -> list[Cell]:
        """The first ``limit`` (at most KEPT) cells: most first, ties by key ascending.

        ``everybody``: all cells of the dimension, which are read only if too few reach the floor.
        """
        standing = self._standing()
        while len(standing) < limit and self._bucket.low is not None:
            standing.update(self._bucket.take())
        if len(standing) < limit and self.floor > 1:
            self._forget()
            self._mark(everybody)
            standing = self._cells
        if len(standing) > limit:
            cut = sorted(map(self._count, standing), reverse=True)[limit - 1]
            standing = {cell for cell in standing if self._count(cell) >= cut}
        return sorted(standing, key=lambda cell: (-self._count(cell), cell.key))[:limit]

    def _leads(self, cell: Cell) -> bool:
        count, low = self._count(cell), self._bucket.low
        return count > self.floor or (count == self.floor and (low is None or cell.key < low))

    def _forget(self) -> None:
        self._cells.clear()
        self.floor = 0  # below any mark, so that the next mark begins a new tie bucket

    def _standing(self) -> set[Cell]:
        """The candidates before the mark; cells behind it with the count of the mark return to the tie bucket."""
        fallen = [cell for cell in self._cells if not self._leads(cell)]
        self._cells.difference_update(fallen)
        for cell in fallen:
            if self._count(cell) == self.floor:
                self._bucket.add(cell)
        return self._cells

    def _mark(self, pool: Collection[Cell]) -> None:
        """Set the mark at the KEPT-th cell of the pool, or below all cells if there are fewer.

        The pool has all cells above the floor, and those at the floor that rank before the mark.
        """
        floor, room = self._floor_of(Counter(map(self._count, pool)))
        above = [cell for cell in pool if self._count(cell) > floor]
        level = [cell for cell in pool if self._count(cell) == floor]
        if floor != self.floor:
            self.floor = floor
            self._bucket = TieBucket(self._count, floor, level)
        else:
            for cell in level:
                self._bucket.add(cell)
        self._cells = set(above)
        while room > 0 and self._bucket.low is not None:
            taken = self._bucket.take()
            room -= len(taken)
            self._cells.update(taken)

    @staticmethod
    def _floor_of(keys_with: Counter[int]) -> tuple[int, int]:
        """The count of the KEPT-th key, and how many keys of that count are needed for KEPT in all."""
        room = KEPT
        for count in sorted(keys_with, reverse=True):
            if count < 1:
                break
            if keys_with[count] >= room:
                return count, room
            room -= keys_with[count]
        return 1, KEPT
