"""Filters of events, and beginnings of what is new, as query parameters."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypedDict

Since = int | str | datetime
"""A position or seq, the id of an event, or a time."""


class Excluded(str):
    """A value that a filter excludes: ``verb=[Excluded("like")]``. A string in a list never excludes: an id may begin with a
    hyphen."""

    __slots__ = ()


class Filters(TypedDict, total=False):
    """Filters of events by verb, actor, object, topic and time; ``from_`` is inclusive, ``to`` exclusive. The values of a
    list are taken as they are: any one matches, and none that is ``Excluded``. A string has the syntax of the query
    parameter."""

    verb: str | Sequence[str]
    object_type: str | Sequence[str]
    object_id: str
    actor_id: str | Sequence[str]
    topic: str | Sequence[str]
    from_: datetime
    to: datetime


class ActivityFilters(Filters, total=False):
    """In addition: only items that the user has ``read``, or has not."""

    read: bool


class FeedFilters(ActivityFilters, total=False):
    """In addition: the user's own events too."""

    include_own: bool


def filter_parameters(given: Mapping[str, Any]) -> dict[str, Any]:
    """Filters as parameters; ``from_`` is ``from``, a keyword of Python."""
    return {name.rstrip("_"): _filter(name, value) for name, value in given.items()}


def _filter(name: str, value: Any) -> Any:
    """A string as it is given, the values of a list in the syntax of the query parameter. Raises ValueError for a list
    without values, which could mean all events or none."""
    if isinstance(value, Excluded):
        return literal(value)
    if isinstance(value, list | tuple):
        if not value:
            raise ValueError(
                f"{name}: expected at least one value, got none; without the filter, all values match"
            )
        return ",".join(map(literal, value))
    return moment(value)


def literal(value: str) -> str:
    """A value whose commas, backslashes and hyphen at the beginning mean themselves, preceded by a hyphen if it is
    excluded."""
    escaped = value.replace("\\", "\\\\").replace(",", "\\,")
    if escaped.startswith("-"):
        escaped = "\\" + escaped
    return "-" + escaped if isinstance(value, Excluded) else escaped


def moment(value: Any) -> Any:
    """A time as a parameter; any other value as it is."""
    return value.isoformat() if isinstance(value, datetime) else value
