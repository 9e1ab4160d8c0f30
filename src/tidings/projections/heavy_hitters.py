"""The part of a window that does not fit into memory by key: frequent-items sketches with a known error.

The sketch is Apache DataSketches' (Anderson et al., "A High-Performance Algorithm for Identifying Frequent
Items in Data Streams", 2017): after any number of updates and merges each estimate is at most
``get_upper_bound`` of a key it never saw above the truth, and a key it dropped had at most that many.
"""

from collections.abc import Iterable, Mapping
from functools import reduce
from typing import Protocol, Self

SKETCH_LG_KEYS = 12
"""A sketch tracks at most 0.75 * 2**12 = 3,072 keys, about 0.3 MB."""
GROUPS = 60
"""Sketches of one window. It moves by whole sketches, so its edge is uncertain by a 60th of its length."""
_NEVER_A_KEY = ""


class Sketch(Protocol):
    """The part of ``datasketches.frequent_strings_sketch`` that is used."""

    def update(self, item: str, weight: int = 1) -> None:
        """Count ``weight`` more of the item."""
        ...

    def merge(self, other: Self, /) -> None:
        """Add another sketch's counts; the errors add up."""
        ...

    def get_upper_bound(self, item: str) -> int:
        """The most that the item's count can be."""
        ...

    def get_frequent_items(self, kind: object) -> list[tuple[str, int, int, int]]:
        """(item, estimate, lower bound, upper bound), most first."""
        ...


class _Group:
    """The folded events of a few adjacent seconds, of which ``gone`` have left the window."""

    def __init__(self) -> None:
        self.sketch = _new_sketch()
        self.events: dict[int, int] = {}
        self.gone = 0

    def add(self, second: int, counts: Mapping[str, int]) -> None:
        for key, count in counts.items():
            self.sketch.update(key, count)
        self.events[second] = self.events.get(second, 0) + sum(counts.values())

    def forget(self, second: int) -> None:
        self.gone += self.events.pop(second, 0)

    def excess(self, key: str) -> int:
        """The most events of the key that are still counted although they left the window."""
        return min(self.gone, self.sketch.get_upper_bound(key)) if self.gone else 0


class SketchedWindow:
    """The folded seconds of one window of ``length_s`` seconds. Falsy when there are none."""

    def __init__(self, length_s: int) -> None:
        self._group_s = max(1, length_s // GROUPS)
        self._groups: dict[int, _Group] = {}
        self._unsure: dict[int, int] = {}
        self._merged: Sketch | None = None

    def __bool__(self) -> bool:
        return bool(self._groups or self._unsure)

    def add(self, second: int, counts: Mapping[str, int]) -> None:
        """Fold events of a second into a sketch; ``counts`` are positive."""
        number = second // self._group_s
        if number not in self._groups:
            self._groups[number] = _Group()
        self._groups[number].add(second, counts)
        self._merged = None

    def doubt(self, second: int, events: int) -> None:
        """Add to the error of a second: so many of its events are miscounted, for unknown keys."""
        self._unsure[second] = self._unsure.get(second, 0) + events

    def forget(self, second: int) -> None:
        """The second has left the window."""
        self._unsure.pop(second, None)
        group = self._groups.get(second // self._group_s)
        if group is None:
            return
        group.forget(second)
        if not group.events:
            del self._groups[second // self._group_s]
            self._merged = None

    def estimates(self) -> dict[str, int]:
        """The tracked keys with their estimated counts."""
        if not self._groups:
            return {}
        return {item: estimate for item, estimate, _, _ in _tracked(self._all())}

    def error(self, keys: Iterable[str]) -> int:
        """The largest error of the estimates of these keys (0 for a key that is not tracked)."""
        base = sum(self._unsure.values())
        if self._groups:
            base += self._all().get_upper_bound(_NEVER_A_KEY)
        edge = [group for group in self._groups.values() if group.gone]
        return base + max((sum(group.excess(key) for group in edge) for key in keys), default=0)

    def _all(self) -> Sketch:
        if self._merged is None:
            self._merged = reduce(_merge, (group.sketch for group in self._groups.values()), _new_sketch())
        return self._merged


def _merge(into: Sketch, other: Sketch) -> Sketch:
    into.merge(other)
    return into


def _new_sketch() -> Sketch:
    # Imported at its first use: it imports numpy, some 30 MB that most servers never need.
    from datasketches import frequent_strings_sketch  # type: ignore[import-untyped]

    sketch: Sketch = frequent_strings_sketch(SKETCH_LG_KEYS)
    return sketch


def _tracked(sketch: Sketch) -> list[tuple[str, int, int, int]]:
    from datasketches import frequent_items_error_type

    return sketch.get_frequent_items(frequent_items_error_type.NO_FALSE_NEGATIVES)
