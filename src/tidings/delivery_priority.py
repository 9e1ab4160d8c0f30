"""The priority of deliveries: which of those that are due are sent first."""

from collections.abc import Sequence
from enum import IntEnum
from typing import Final, TypeVar

SHARE: Final = 10
"""A page of due deliveries leaves one in so many to each lower priority that has some due."""
T = TypeVar("T")


class DeliveryPriority(IntEnum):
    """What is sent first, in this order: critical types before all others, and in each the notifications of single users
    before those of many. ``BULK``: of a broadcast, of a reminder to a topic, and of an event whose followers are written in
    chunks. The numbers are stored."""

    CRITICAL = 0
    CRITICAL_BULK = 1
    ORDINARY = 2
    BULK = 3

    @classmethod
    def of(cls, *, critical: bool, bulk: bool) -> "DeliveryPriority":
        """The priority of the deliveries of one notification."""
        return cls((0 if critical else 2) + bulk)

    @property
    def is_critical(self) -> bool:
        """Whether the type is critical."""
        return self <= DeliveryPriority.CRITICAL_BULK


def fill_page(due: Sequence[Sequence[T]], limit: int) -> list[T]:
    """A page of at most ``limit`` of these deliveries, which are given by priority: the first ones of each, except that
    every lower priority has its share."""
    left, page = limit, list[T]()
    for number, some in enumerate(due):
        reserved = sum(min(len(lower), limit // SHARE) for lower in due[number + 1 :])
        taken = some[: max(0, left - reserved)]
        left -= len(taken)
        page += taken
    return page
