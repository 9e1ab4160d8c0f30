"""A timer wheel: thousands of deadlines, seconds apart, cost one timer and a list for each second."""

from collections import defaultdict
from typing import Generic, TypeVar

T = TypeVar("T")


class TimerWheel(Generic[T]):
    """Things by the second in which they are due. A thing that is gone by then is simply passed over by its owner."""

    def __init__(self, now: float) -> None:
        self._slots: defaultdict[int, list[T]] = defaultdict(list)
        self._turned = int(now)

    def schedule(self, when: float, thing: T) -> None:
        """Hand the thing out in the second of ``when``, or the next turn if that has passed."""
        self._slots[max(int(when), self._turned + 1)].append(thing)

    def expire(self, now: float) -> list[T]:
        """What has come due up to now, each second's in the order it was put there."""
        due: list[T] = []
        for second in range(self._turned + 1, int(now) + 1):
            due += self._slots.pop(second, ())
        self._turned = max(self._turned, int(now))
        return due
