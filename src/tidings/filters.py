"""The rule of filters, which every back-end applies; and the lists of events that are filtered."""

from collections.abc import Callable, Collection, Iterable
from typing import Generic, NamedTuple, TypeVar

import msgspec

T = TypeVar("T")
U = TypeVar("U")


class Choice(NamedTuple, Generic[T]):
    """The values of a field that a filter admits: one of ``include``, or any if that is empty, and none of ``exclude``."""

    include: Collection[T] = ()
    exclude: Collection[T] = ()

    def admits(self, values: Iterable[T]) -> bool:
        """Whether an event with these values matches: of a topic filter, all topics of the event."""
        found = not self.include
        for value in values:
            if value in self.exclude:
                return False
            found = found or value in self.include
        return found

    def numbered(self, number: Callable[[T], U | None]) -> "Choice[U] | None":
        """The choice in the numbers of a store, without the values that have none. None if nothing can match, as all values
        to include are without one."""
        included = {known for name in self.include if (known := number(name)) is not None}
        excluded = {known for name in self.exclude if (known := number(name)) is not None}
        return None if self.include and not included else Choice(included, excluded)


def only(*values: str) -> Choice[str]:
    """The choice of these values."""
    return Choice(values)


class EventFilter(NamedTuple, Generic[T]):
    """The fields of a filter that concern the event itself, None for any. ``T``: what a back-end has for the names of verbs,
    actors and topics, such as numbers."""

    verb: Choice[T] | None
    actor: Choice[T] | None
    topic: Choice[T] | None
    object_type: Choice[str] | None
    object_id: str | None

    def admits(
        self, verb: T, actor: T, topics: Callable[[], Iterable[T]], thing: Callable[[], tuple[str, str]]
    ) -> bool:
        """Whether an event matches all fields. ``topics`` returns all of its topics, ``thing`` the type and the id of its
        object; neither is called unless it matters."""
        return (
            (self.verb is None or self.verb.admits((verb,)))
            and (self.actor is None or self.actor.admits((actor,)))
            and (self.topic is None or self.topic.admits(topics()))
            and ((self.object_type is None and self.object_id is None) or self._admits_object(*thing()))
        )

    def _admits_object(self, kind: str, name: str) -> bool:
        admitted = self.object_type is None or self.object_type.admits((kind,))
        return admitted and self.object_id in (None, name)


class FeedFilter(msgspec.Struct, frozen=True):
    """The filter of a feed; None means any. ``since``/``until`` in milliseconds, half-open."""

    verb: Choice[str] | None = None
    object_type: Choice[str] | None = None
    object_id: str | None = None
    actor_id: Choice[str] | None = None
    topic: Choice[str] | None = None
    since: int | None = None
    until: int | None = None
    read: bool | None = None
    include_own: bool = False


EVERYTHING = FeedFilter()
"""The filter that admits every item."""


class SinceTime(NamedTuple):
    """A beginning that is a time, in milliseconds."""

    ms: int


Since = int | str | SinceTime
"""From where on something is new: after a position, after the event with an id, or after a time."""


class FeedOf(NamedTuple):
    """The feed of a user."""

    user: str


class ActivityOf(NamedTuple):
    """The activity of a topic, or (None) of all users; for a ``viewer`` without the events that a block hides."""

    topic: str | None
    viewer: str | None = None
