"""The JSON that is sent back, as types: for the OpenAPI document, and for tests that decode replies strictly.

The large replies are joined from bytes that the store keeps encoded; their types here only describe them.
"""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from tidings.personal import QuietHours
from tidings.rules import Rule

Time = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
Count = Annotated[int, Meta(ge=0)]


class Schema(Struct, forbid_unknown_fields=True, kw_only=True):
    """A JSON object with these members and no others."""


class FieldError(Schema):
    """What is wrong with one field, which a JSON Pointer into the body or the name of a parameter names."""

    pointer: str
    detail: str


class Problem(Schema):
    """A failure (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldError] | UnsetType = UNSET


class Receipt(Schema):
    """An event that is durable: its id, its place in the log, when it happened. ``retracted`` is in the reply to a repeated
    request only: the event was retracted since, and is not shown again."""

    event_id: str
    position: Count
    created_at: Time
    retracted: bool | UnsetType = UNSET


class Receipts(Schema):
    """What a publisher of an array is told, in its order."""

    events: list[Receipt]


class Event(Schema, kw_only=True):
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


class Reason(Schema):
    """Why an item is in a feed."""

    kind: Literal["target", "follow", "own"]
    topic: str | None


class FeedItem(Event, kw_only=True):
    """An event in somebody's feed."""

    read_at: Time | None
    reason: Reason


class FeedPage(Schema):
    """A page of a feed, newest first. ``partial``: filtered so sparsely that the page is short; go on."""

    items: list[FeedItem]
    next_cursor: str | None
    has_more: bool
    position: Count
    partial: bool | UnsetType = UNSET


class ActivityPage(Schema):
    """A page of events, newest first."""

    items: list[Event]
    next_cursor: str | None
    has_more: bool
    position: Count
    partial: bool | UnsetType = UNSET


class NewCount(Schema):
    """How many items are new; ``capped`` when there are more than were counted."""

    count: Count
    capped: bool
    position: Count


class Summary(Schema):
    """A feed in numbers."""

    total: Count
    unread_count: Count
    read_count: Count
    verbs: dict[str, int]
    recent: list[FeedItem]


class Changed(Schema):
    """How much was changed, and where the log ends."""

    updated: Count
    position: Count


class FeedRead(Changed, kw_only=True):
    """The same of items that were read. ``undo``: the token by which a read-all can be undone for ten minutes, null when it
    changed nothing."""

    undo: str | UnsetType | None = UNSET


class Person(Schema):
    """An actor and, where it was told, their name."""

    id: str
    name: str | None


class Thing(Schema):
    """An object and, where it was told, its title."""

    type: str
    id: str
    title: str | None


class Parts(Schema):
    """What a message is made of, for clients that write their own: the actors that it names, newest first, how many more
    there are, the object of the newest event, and how many events there are."""

    actors: list[Person]
    others: Count
    object: Thing
    count: Count


class Notification(Schema):
    """An item of an inbox: one event, or a group of them. ``order``: its place in lists, the seq of its newest event.
    ``unread_seq``: the seq at which it last became unread; a mark with an ``up_to`` from there on has read it.
    ``actors`` (at most 3) and ``event_ids`` (at most 20) are the newest, newest first; title, description, object and
    metadata those of the newest event. ``created_at`` is the time of the first event, ``updated_at`` that of the newest."""

    id: str
    seq: Count
    order: Count
    unread_seq: Count
    type: str
    message: str
    title: str | None
    description: str | None
    parts: Parts
    count: Count
    actors: Annotated[list[str], Meta(max_length=3)]
    actor_count: Count
    object_type: str
    object_id: str
    event_ids: Annotated[list[str], Meta(max_length=20)]
    metadata: dict[str, Any]
    created_at: Time
    updated_at: Time
    seen_at: Time | None
    read_at: Time | None
    archived_at: Time | None


class Tombstone(Schema):
    """What is left of a notification whose events were retracted."""

    id: str
    seq: Count
    deleted: Literal[True]


Change = Annotated[
    dict[str, Any],
    Meta(description="A Notification; when its events were retracted only {id, seq, deleted: true} is left."),
]


class InboxPage(Schema):
    """A page of an inbox, newest content first, with the exact counts of the same moment: of unread notifications, and
    of the events in them."""

    items: list[Notification]
    next_cursor: str | None
    has_more: bool
    unread_count: Count
    unread_items: Count
    seq: Count
    read_up_to: Count
    epoch: str


class ReadMark(Schema):
    """A read-all, of one type or (null) of all: what became unread up to ``up_to`` was read at ``read_at``, unless it was
    read before."""

    seq: Count
    up_to: Count
    type: str | None
    read_at: Time


class InboxChanges(Schema):
    """What changed in an inbox after a seq, oldest first, and the read-alls among the changes. ``next_since``: the seq to
    go on from. ``reset``: fetch the inbox afresh."""

    items: list[Change]
    marks: list[ReadMark]
    has_more: bool
    next_since: Count
    reset: bool
    unread_count: Count
    unread_items: Count
    seq: Count
    read_up_to: Count
    epoch: str


class Frame(Schema):
    """A frame as a stream has it: its name, its data, and (null: unchanged) the place that the client is at with it."""

    event: str
    data: dict[str, Any]
    id: str | None


class Polled(Schema):
    """What a stream had to say, the hello first. ``last_event_id``: with which to come back."""

    frames: list[Frame]
    last_event_id: str


class Unread(Schema):
    """The exact number of unread notifications, and of the events in them."""

    unread_count: Count
    unread_items: Count
    seq: Count


class Marked(Schema):
    """How many notifications really changed, and the state of the inbox after it."""

    updated: Count
    unread_count: Count
    unread_items: Count
    seq: Count


class ReadAll(Marked, kw_only=True):
    """The same of a read-all, with the token by which it can be undone for ten minutes, null when it changed nothing."""

    undo: str | None


class Check(Schema):
    """One condition of being told."""

    check: Literal["rule", "addressed", "own_act", "masked", "preference", "in_time", "duplicate", "result"]
    passed: bool
    detail: str


class Decision(Schema):
    """Whether something goes out on a channel."""

    wanted: bool
    why: str


class Explanation(Schema):
    """Why a user was told of an event, or was not, by the facts as they are now."""

    event_id: str
    user_id: str
    type: str
    told: bool
    notification_id: str | None
    checks: list[Check]
    channels: dict[str, Decision]


class Type(Schema):
    """A declared type of notifications: with the rule of the settings, or with one that was set here. ``warnings``: its
    channels by which nothing is sent, and the setting that each lacks."""

    type: str
    source: Literal["settings", "api"]
    rule: Rule
    warnings: list[str]


class Types(Schema):
    """All declared types, by name."""

    items: list[Type]


class Preferences(Schema):
    """What a user wants."""

    types: dict[str, dict[str, bool]]
    quiet_hours: QuietHours | None
    locale: str
    digest_s: Count
    muted_topics: list[str]


class Follow(Schema):
    """A topic that is followed, since when."""

    topic: str
    created_at: Time


class FollowsPage(Schema):
    """A page of followed topics, by name."""

    items: list[Follow]
    next_cursor: str | None
    has_more: bool


class Following(Schema):
    """Who follows what now."""

    user_id: str
    topic: str
    following: bool


class Updated(Schema):
    """How many things are new."""

    updated: Count


class Viewer(Schema):
    """How a topic reaches one user."""

    user_id: str
    follows: bool
    fan_out: Literal["push", "pull"] | None


class Topic(Schema):
    """A topic, how its events travel, and why."""

    topic: str
    followers: Count
    fan_out: Literal["push", "pull"]
    why: str
    viewer: Viewer | UnsetType = UNSET


class TopItem(Schema):
    """One of the most frequent."""

    key: str
    count: Count
    object_type: str | UnsetType = UNSET
    object_id: str | UnsetType = UNSET


class Top(Schema):
    """The most frequent of a window, most first."""

    window: str
    by: str
    as_of: Time
    exact: bool
    error: float
    total: Count
    items: list[TopItem]


class Status(Schema):
    """What an operator looks at first."""

    position: Count
    epoch: str
    pending_fanout_jobs: Count
    dead_letters: Count
    sizes: dict[str, int]


class DeadLetter(Schema):
    """A fan-out job or a delivery that was set aside because it kept failing. ``user_id`` and ``endpoint_id``: of a
    delivery, whose it is and where it went; null for a job."""

    id: int
    kind: str
    subject: str
    attempts: Count
    error: str
    user_id: str | None
    endpoint_id: str | None


class DeadLetters(Schema):
    """Everything that was set aside, oldest first, at most a hundred."""

    items: list[DeadLetter]


class Health(Schema):
    """That all is well."""

    status: Literal["alive", "ready"]
