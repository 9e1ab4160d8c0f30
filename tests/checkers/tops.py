"""Trends against counting everything (I7)."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple


class Occurred(NamedTuple):
    """An event as trends count it: its time (milliseconds), its keys by dimension ("" is none), and its topics."""

    at: int
    keys: Mapping[str, str]
    topics: tuple[str, ...] = ()


class Asked(NamedTuple):
    """A window that ends with the second ``as_of`` (seconds since 1970), and its filters."""

    as_of: int
    length_s: int
    object_type: str | None = None
    topic: str | None = None

    def has(self, event: Occurred) -> bool:
        """Whether the event counts."""
        return (
            self.as_of - self.length_s < event.at // 1000 <= self.as_of
            and self.object_type in (None, event.keys["object_type"])
            and (self.topic is None or self.topic in event.topics)
        )

    def before(self) -> "Asked":
        """The window directly before."""
        return self._replace(as_of=self.as_of - self.length_s)

    def times(self, events: Iterable[Occurred], by: str, key: str | None) -> list[int]:
        """The times of the events that count and have the key, or (None) of all that count."""
        return [event.at for event in events if self.has(event) and key in (None, event.keys[by])]

    def occurrences(self, events: Iterable[Occurred], by: str) -> list[str]:
        """The key of each event that counts; "" for an event without one."""
        return [event.keys[by] for event in events if self.has(event)]


def brute_force(occurrences: Iterable[str], limit: int) -> list[tuple[str, int]]:
    """The most frequent, most first, ties by key."""
    counts = Counter(occurrences)
    counts.pop("", None)
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:limit]


def exact(items: Sequence[tuple[str, int]], occurrences: Iterable[str], limit: int) -> None:
    """I7: the top ``limit`` are those of a count over everything in the window, ties by key."""
    expected = brute_force(occurrences, limit)
    assert list(items) == expected, f"top is {list(items)}, counting gives {expected}"


class Previous(NamedTuple):
    """What an item says of the window before."""

    events: int
    rank: int | None


def compared(items: Sequence[tuple[str, Previous]], occurrences: Iterable[str]) -> None:
    """I7: each item has its count and its rank of a count over everything in the window before; 0 and none if it was not
    there."""
    everybody = list(occurrences)
    ranked = {
        key: Previous(count, rank)
        for rank, (key, count) in enumerate(brute_force(everybody, len(everybody)), 1)
    }
    expected = [(key, ranked.get(key, Previous(0, None))) for key, _ in items]
    assert list(items) == expected, f"before are {list(items)}, counting gives {expected}"


def series(counts: Sequence[int], times: Iterable[int], asked: Asked) -> None:
    """I7: each point is a count over the seconds of its part of the window; ``times`` are those of the events that count."""
    step = asked.length_s // len(counts)
    first = asked.as_of + 1 - asked.length_s
    found = Counter((time // 1000 - first) // step for time in times)
    expected = [found[point] for point in range(len(counts))]
    assert list(counts) == expected, f"the series is {list(counts)}, counting gives {expected}"
