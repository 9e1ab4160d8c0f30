"""A timer wheel: thousands of deadlines need one timer, and a list for each second."""

from collections import defaultdict
from typing import Generic, TypeVar

T = TypeVar("T")


class TimerWheel(Generic[T]):
    """Items by the second in which they are due. The caller ignores an item that has ended before."""

    def __init__(self, now: float) -> None:
        self._slots: defaultdict[int, list[T]] = defaultdict(list)
        self._turned = int(now)

    def schedule(self, when: float, thing: T) -> None:
        """Return the item in the second of ``when``, or at the next call if that second has passed."""
        self._slots[max(int(when), self._turned + 1)].append(thing)

    def expire(self, now: float) -> list[T]:
        """The items that are due by now, those of one second in the order of their scheduling."""
        due: list[T] = []
        for second in range(self._turned + 1, int(now) + 1):
            due += self._slots.pop(second, ())
        self._turned = max(self._turned, int(now))
        return due
