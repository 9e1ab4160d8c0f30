"""Trends against counting everything (I7)."""

from collections import Counter
from collections.abc import Iterable, Sequence


def brute_force(occurrences: Iterable[str], limit: int) -> list[tuple[str, int]]:
    """The most frequent, most first, ties by key."""
    return sorted(Counter(occurrences).items(), key=lambda item: (-item[1], item[0]))[:limit]


def exact(items: Sequence[tuple[str, int]], occurrences: Iterable[str], limit: int) -> None:
    """I7: the top ``limit`` are those of a count over everything in the window, ties by key."""
    expected = brute_force(occurrences, limit)
    assert list(items) == expected, f"top is {list(items)}, counting gives {expected}"
