"""What trends count of an event, and counts by key and by time, as stores return them. Values without I/O."""

from typing import Literal, NamedTuple, Protocol

from tidings.model import user_topic
from tidings.personal_data import ALIAS_PREFIX, is_alias
from tidings.visibility import Visibility

Dimension = Literal["object", "verb", "object_type", "actor"]
"""What events are counted by; the key of an object is type:id."""
DIMENSIONS: tuple[Dimension, ...] = ("object", "verb", "object_type", "actor")


class CountedEvent(Protocol):
    """The parts of an event that are counted."""

    @property
    def actor_id(self) -> str: ...

    @property
    def verb(self) -> str: ...

    @property
    def object_type(self) -> str: ...

    @property
    def object_id(self) -> str: ...


def occurrence(at: int, event: CountedEvent) -> tuple[int, str, str, str, str]:
    """What trends count of an event of this time (milliseconds), and subtract after a retraction: the time, and the keys in
    the order of DIMENSIONS. An empty text is no key: the name of an erased user is none."""
    topic = f"{event.object_type}:{event.object_id}"
    if event.object_type == "user" and is_alias(event.object_id):
        topic = ""
    actor = event.actor_id
    if ALIAS_PREFIX in actor and is_alias(actor):  # the first test costs no call, and nearly all end there
        actor = ""
    return at, topic, event.verb, event.object_type, actor


class EventSelection(NamedTuple):
    """The events of a period: ``since`` is inclusive, ``until`` exclusive, both in milliseconds; of one object type or one
    topic, if given; no less visible than ``narrowest``."""

    since: int
    until: int
    object_type: str | None = None
    topic: str | None = None
    narrowest: Visibility = Visibility.PUBLIC

    def with_key(self, by: Dimension, key: str) -> "EventSelection | None":
        """Those of the events that may have this key, so that no others are examined; None if none can have it."""
        if by == "verb":
            return self
        if by == "object_type":
            return self._replace(object_type=key) if self.object_type in (None, key) else None
        topic = key if by == "object" else user_topic(key)
        if is_alias(topic.removeprefix("user:")):
            return None
        return self if self.topic is not None else self._replace(topic=topic)


class Points(NamedTuple):
    """The equal parts of a period: so many, of ``step`` milliseconds each, the first of which begins at ``since``."""

    since: int
    step: int
    number: int


class RankedKey(NamedTuple):
    """A key, its events, and its place among all keys: most first, ties by key ascending."""

    key: str
    events: int
    rank: int


class KeyCounts(NamedTuple):
    """Ranked keys, and the number of selected events of all keys. ``examined``: the events that were read for it."""

    items: list[RankedKey]
    total: int
    examined: int


class PointCounts(NamedTuple):
    """The number of events in each of the points. ``examined``: the events that were read for it."""

    counts: list[int]
    examined: int
