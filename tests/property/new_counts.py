"""New counts by counting the items that are listed."""

from collections.abc import Iterable
from typing import NamedTuple

from tidings.ids import ms_of
from tidings.model import FeedItem, UnseenCount


class Asked(NamedTuple):
    """A question for a new count."""

    since: int
    cap: int
    up_to: int | None


def counted(items: Iterable[FeedItem], asked: Asked, head: int) -> UnseenCount:
    """The count of those of these items that are new, counted until there are more than the cap."""
    end = head if asked.up_to is None else asked.up_to
    keys = [item.key for item in items if asked.since < item.position <= end]
    if len(keys) > asked.cap:
        return UnseenCount(asked.cap, True, head)
    return UnseenCount(len(keys), False, head, ms_of(min(keys)) if keys else None)
