"""Filters of events, and beginnings of what is new, as parameters of requests."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypedDict

Since = int | str | datetime
"""A position or seq, the id of an event, or a time."""


class Filters(TypedDict, total=False):
    """Filters of events by verb, actor, object and time; ``from_`` is inclusive, ``to`` exclusive. Of a list
    of values any one matches; "-value" excludes one."""

    verb: str | Sequence[str]
    object_type: str | Sequence[str]
    object_id: str
    actor_id: str | Sequence[str]
    from_: datetime
    to: datetime


class FeedFilters(Filters, total=False):
    """In addition: by topic; only items that are ``read``, or are not; the user's own events too."""

    topic: str | Sequence[str]
    read: bool
    include_own: bool


def filters_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """Filters as parameters; ``from_`` is ``from``, a keyword of Python."""
    return {name.rstrip("_"): _filter(value) for name, value in given.items()}


def _filter(value: Any) -> Any:
    """One value as it is given, several by comma."""
    if isinstance(value, list | tuple):
        return ",".join(one.replace("\\", "\\\\").replace(",", "\\,") for one in value)
    return moment(value)


def moment(value: Any) -> Any:
    """A time as text, any other value as it is."""
    return value.isoformat() if isinstance(value, datetime) else value
