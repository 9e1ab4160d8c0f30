"""The JSON that is sent back, as types: for the OpenAPI document, and for tests that decode replies strictly.

The large replies are joined from bytes that the store keeps encoded; their types here only describe them.
"""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

Time = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
Count = Annotated[int, Meta(ge=0)]


class Shape(Struct, forbid_unknown_fields=True, kw_only=True):
    """A JSON object with these members and no others."""


class FieldProblem(Shape):
    """What is wrong with one field: a JSON Pointer into the body, or a parameter's name."""

    pointer: str
    detail: str


class Problem(Shape):
    """A failure (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldProblem] | UnsetType = UNSET


class Receipt(Shape):
    """An event that is durable: its id, its place in the log, when it happened."""

    event_id: str
    position: Count
    created_at: Time


class Receipts(Shape):
    """What a publisher of an array is told, in its order."""

    events: list[Receipt]


class Event(Shape, kw_only=True):
    """An event as readers see it."""

    event_id: str
    position: Count
    actor_id: str
    verb: str
    object_type: str
    object_id: str
    topics: list[str]
    created_at: Time
    actor_name: str | None
    object_title: str | None
    title: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    metadata: dict[str, Any]


class FullEvent(Event, kw_only=True):
    """An event as servers see it: with those it was addressed to."""

    target_user_ids: list[str] | UnsetType = UNSET


class Reason(Shape):
    """Why an item is in a feed."""

    kind: Literal["target", "follow", "own"]
    topic: str | None


class FeedItem(Event, kw_only=True):
    """An event in somebody's feed."""

    read_at: Time | None
    reason: Reason


class FeedPage(Shape):
    """A page of a feed, newest first. ``partial``: filtered so sparsely that the page is short; go on."""

    items: list[FeedItem]
    next_cursor: str | None
    has_more: bool
    position: Count
    partial: bool | UnsetType = UNSET


class ActivityPage(Shape):
    """A page of events, newest first."""

    items: list[Event]
    next_cursor: str | None
    has_more: bool
    position: Count
    partial: bool | UnsetType = UNSET


class NewCount(Shape):
    """How many items are new; ``capped`` when there are more than were counted."""

    count: Count
    capped: bool
    position: Count


class Summary(Shape):
    """A feed in numbers."""

    total: Count
    unread_count: Count
    read_count: Count
    verbs: dict[str, int]
    recent: list[FeedItem]


class Changed(Shape):
    """How much was changed, and where the log ends."""

    updated: Count
    position: Count


class Notification(Shape):
    """An item of an inbox."""

    id: str
    seq: Count
    type: str
    message: str
    count: Count
    actors: list[str]
    actor_count: Count
    object_type: str
    object_id: str
    event_ids: list[str]
    metadata: dict[str, Any]
    created_at: Time
    updated_at: Time
    seen_at: Time | None
    read_at: Time | None
    archived_at: Time | None


class Tombstone(Shape):
    """What is left of a notification whose event was retracted."""

    id: str
    seq: Count
    deleted: Literal[True]


Change = Annotated[
    dict[str, Any],
    Meta(description="A Notification; of a retracted event only {id, seq, deleted: true} is left."),
]


class InboxPage(Shape):
    """A page of an inbox, newest change first, with the exact count of the same moment."""

    items: list[Notification]
    next_cursor: str | None
    has_more: bool
    unread_count: Count
    seq: Count
    read_up_to: Count
    epoch: str


class InboxChanges(Shape):
    """What changed in an inbox after a seq, oldest first. ``reset``: fetch the inbox afresh."""

    items: list[Change]
    has_more: bool
    reset: bool
    unread_count: Count
    seq: Count
    read_up_to: Count
    epoch: str


class Unread(Shape):
    """The exact number of unread notifications."""

    unread_count: Count
    seq: Count


class Marked(Shape):
    """How many notifications really changed, and the state of the inbox after it."""

    updated: Count
    unread_count: Count
    seq: Count


class Follow(Shape):
    """A topic that is followed, since when."""

    topic: str
    created_at: Time


class FollowsPage(Shape):
    """A page of followed topics, by name."""

    items: list[Follow]
    next_cursor: str | None
    has_more: bool


class Following(Shape):
    """Who follows what now."""

    user_id: str
    topic: str
    following: bool


class Updated(Shape):
    """How many things are new."""

    updated: Count


class Viewer(Shape):
    """How a topic reaches one user."""

    user_id: str
    follows: bool
    fan_out: Literal["push", "pull"] | None


class Topic(Shape):
    """A topic, how its events travel, and why."""

    topic: str
    followers: Count
    fan_out: Literal["push", "pull"]
    why: str
    viewer: Viewer | UnsetType = UNSET


class TopItem(Shape):
    """One of the most frequent."""

    key: str
    count: Count
    object_type: str | UnsetType = UNSET
    object_id: str | UnsetType = UNSET


class Top(Shape):
    """The most frequent of a window, most first."""

    window: str
    by: str
    as_of: Time
    exact: bool
    error: float
    total: Count
    items: list[TopItem]


class Status(Shape):
    """What an operator looks at first."""

    position: Count
    epoch: str
    lag: Count
    dead_letters: Count
    sizes: dict[str, int]


class DeadLetter(Shape):
    """Fan-out that was set aside because it kept failing."""

    id: int
    kind: str
    subject: str
    attempts: Count
    error: str


class DeadLetters(Shape):
    """Everything that was set aside, oldest first, at most a hundred."""

    items: list[DeadLetter]


class Health(Shape):
    """That all is well."""

    status: Literal["alive", "ready"]
