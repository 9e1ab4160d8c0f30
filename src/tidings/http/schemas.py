"""The JSON of responses as types: for the OpenAPI document, and for tests that decode responses strictly.

The large responses are joined from bytes that the store keeps encoded; their types here only describe them.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from tidings.personal_data import QuietHours
from tidings.rules import Rule
from tidings.visibility import VisibilityName

Time = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]
Count = Annotated[int, Meta(ge=0)]


class Schema(Struct, forbid_unknown_fields=True, kw_only=True):
    """A JSON object with these members and no others."""


class FieldError(Schema):
    """The error of one field, named by a JSON Pointer into the body or the name of a parameter."""

    pointer: str
    detail: str


class Problem(Schema):
    """An error (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldError] | UnsetType = UNSET


class Receipt(Schema):
    """A durable event: its id, its position in the log, its time. ``retracted`` is in the response to a repeated request
    only: the event was retracted since, and is not shown again."""

    event_id: str
    position: Count
    created_at: Time
    retracted: bool | UnsetType = UNSET


class Receipts(Schema):
    """The receipts of a published array, in its order."""

    events: list[Receipt]


class Event(Schema, kw_only=True):
    """An event as readers see it; ``visibility`` is left out if it is "public"."""

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
    message: str | UnsetType = UNSET
    url: str | UnsetType = UNSET
    actor_image: str | UnsetType = UNSET
    object_image: str | UnsetType = UNSET
    actions: list["EventAction"] | UnsetType = UNSET
    visibility: VisibilityName | UnsetType = UNSET
    metadata: dict[str, Any]


class FullEvent(Event, kw_only=True):
    """An event as servers see it: with its targets."""

    target_user_ids: list[str] | UnsetType = UNSET


class Reason(Schema):
    """The reason why an item is in a feed."""

    kind: Literal["target", "follow", "own"]
    topic: str | None


class FeedItem(Event, kw_only=True):
    """An event in a user's feed."""

    read_at: Time | None
    reason: Reason


class ActivityEvent(Event, kw_only=True):
    """An event of activity, for a user with the time at which they read it."""

    read_at: Time | UnsetType | None = UNSET


class PageOfEvents(Schema, kw_only=True):
    """What pages of events and of their groups have beside the items."""

    next_cursor: str | None
    has_more: bool
    position: Count
    partial: bool | UnsetType = UNSET
    new_count: Count | UnsetType = UNSET
    new_count_capped: bool | UnsetType = UNSET


class FeedPage(PageOfEvents, kw_only=True):
    """A page of a feed, newest first. ``partial``: so few events match the filter that the page is short; request the next
    one. ``new_count``: the number of new items that match, if ``since`` was given; ``new_count_capped``: there may be
    more."""

    items: list[FeedItem]


class ActivityPage(PageOfEvents, kw_only=True):
    """A page of events, newest first. ``new_count`` as in a page of a feed."""

    items: list[ActivityEvent]


class GroupWindow(Schema):
    """The times of the items of a group, as filters take them: from inclusive, to exclusive."""

    from_: Time = msgspec.field(name="from")
    to: Time


class ActivityGroup(Schema, kw_only=True):
    """Similar events, of one verb and one object within a window. ``actors`` and ``items`` are the newest few,
    ``actor_names`` the display names that these actors have now, null without one,
    ``count`` and ``actor_count`` the numbers of all. ``created_at`` is that of the newest item. ``group_id`` stays the same
    while items are added. For a user, ``read_at`` is null while one of them is unread, and the time of the last mark
    then."""

    group_id: str
    verb: str
    object_type: str
    object_id: str
    object_title: str | None
    count: Count
    actors: list[str]
    actor_names: list[str | None]
    actor_count: Count
    items: list[ActivityEvent]
    created_at: Time
    window: GroupWindow
    unread_count: Count | UnsetType = UNSET
    read_at: Time | UnsetType | None = UNSET


class FeedGroup(ActivityGroup, kw_only=True):
    """Similar items of a feed. ``read_at`` is null while one of them is unread, and the time of the last mark then."""

    unread_count: Count
    read_at: Time | None
    items: list[FeedItem]  # type: ignore[assignment]


class FeedGroupPage(PageOfEvents, kw_only=True):
    """A page of groups of a feed, newest first: with ``group=true``. ``position``: all pages of one cursor show the items up
    to it. ``new_count`` counts items."""

    items: list[FeedGroup]


class ActivityGroupPage(PageOfEvents, kw_only=True):
    """A page of groups of events, newest first. As a page of groups of a feed."""

    items: list[ActivityGroup]


class NewCount(Schema):
    """The number of new items. ``capped``: there may be more than were counted. ``oldest_new_at``: the time of the oldest
    one, null if there is none, or if ``capped``."""

    count: Count
    capped: bool
    position: Count
    oldest_new_at: Time | None


class Summary(Schema):
    """The counts of a feed."""

    total: Count
    unread_count: Count
    read_count: Count
    verbs: dict[str, int]
    recent: list[FeedItem]


class UpdateResult(Schema):
    """The number of changes, and the end of the log."""

    updated: Count
    position: Count


class FeedReadResult(UpdateResult, kw_only=True):
    """The same of items that were read; of a read-all of activity at most 10,000 are counted. ``undo``: the token by which a
    read-all can be undone for ten minutes, null if it changed nothing."""

    undo: str | UnsetType | None = UNSET


class Person(Schema):
    """An actor and, if known, their name and their image."""

    id: str
    name: str | None
    image: str | None


class Thing(Schema):
    """An object and, if known, its title and its image."""

    type: str
    id: str
    title: str | None
    image: str | None


class Parts(Schema):
    """The parts of a message, for clients that write their own: the actors that it names, newest first, the number of the
    others, the object of the newest event, and the number of events."""

    actors: list[Person]
    others: Count
    object: Thing
    count: Count


class ShownAction(Schema):
    """An action of a notification. ``url``: the address that the front end opens."""

    id: str
    label: str
    style: str | UnsetType = UNSET
    url: str | UnsetType = UNSET


class EventAction(ShownAction, kw_only=True):
    """An action of an event. ``verb``: that of the event which is published when it is taken."""

    verb: str | UnsetType = UNSET


class Acted(Schema):
    """The action that was taken on a notification, by the user or by a server of the application for the user."""

    action_id: str
    at: Time
    by: Literal["user", "server"]


class Notification(Schema):
    """An item of an inbox: one event, or a group of them. ``order``: its position in lists, the seq of its newest event, or
    that at which its snooze ended. ``unread_seq``: the seq at which it last became unread; a read-all with an ``up_to``
    from there on has read it. ``actors`` (at most 3) and ``event_ids`` (at most 20) are the newest, newest first; title,
    description, url, names, images, object and metadata are those of the newest event. ``created_at`` is the time of the
    first event, ``updated_at`` that of the newest."""

    id: str
    seq: Count
    order: Count
    unread_seq: Count
    type: str
    message: str
    title: str | None
    description: str | None
    url: str | None
    actor_name: str | None
    actor_image: str | None
    object_title: str | None
    object_image: str | None
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
    snoozed_until: Time | None
    pinned_at: Time | None
    actions: list[ShownAction]
    acted: Acted | None


class Tombstone(Schema):
    """The tombstone of a notification whose events were retracted."""

    id: str
    seq: Count
    deleted: Literal[True]


Change = Annotated[
    dict[str, Any],
    Meta(description="A Notification; when its events were retracted only {id, seq, deleted: true} is left."),
]


class InboxPage(Schema):
    """A page of an inbox, newest content first, with the exact counts of the same moment: of unread notifications, of the
    events in them, and of those notifications that were not seen."""

    items: list[Notification]
    next_cursor: str | None
    has_more: bool
    unread_count: Count
    unread_items: Count
    unseen_count: Count
    seq: Count
    read_up_to: Count
    epoch: str


class ReadMark(Schema):
    """A read-all, of one type or (null) of all: the notifications that became unread up to ``up_to`` were read at
    ``read_at``, unless they were read before. With ``seen_at`` instead, a seen-all: they were seen then, and not read."""

    seq: Count
    up_to: Count
    type: str | None
    read_at: Time | UnsetType = UNSET
    seen_at: Time | UnsetType = UNSET


class InboxChanges(Schema):
    """The changes of an inbox after a seq, oldest first, and the read-alls and seen-alls among them. ``next_since``: the
    seq to continue from. ``reset``: fetch the whole inbox again."""

    items: list[Change]
    marks: list[ReadMark]
    has_more: bool
    next_since: Count
    reset: bool
    unread_count: Count
    unread_items: Count
    unseen_count: Count
    seq: Count
    read_up_to: Count
    epoch: str


class Unread(Schema):
    """The exact number of unread notifications, of the events in them, and of those notifications that were not seen."""

    unread_count: Count
    unread_items: Count
    unseen_count: Count
    seq: Count


class InboxUpdateResult(Schema):
    """The number of notifications that were changed, and the state of the inbox after it."""

    updated: Count
    unread_count: Count
    unread_items: Count
    unseen_count: Count
    seq: Count


class ReadAllResult(InboxUpdateResult, kw_only=True):
    """The same of a read-all, with the token by which it can be undone for ten minutes, null if it changed nothing."""

    undo: str | None


class Condition(Schema):
    """One condition of a notification."""

    check: Literal[
        "rule", "notify", "addressed", "own_act", "masked", "preference", "in_time", "duplicate", "result"
    ]
    passed: bool
    detail: str


class Decision(Schema):
    """Whether a channel gets a delivery."""

    wanted: bool
    why: str


class Explanation(Schema):
    """The explanation why an event notified a user or did not, by the current facts."""

    event_id: str
    user_id: str
    type: str
    notified: bool
    notification_id: str | None
    checks: list[Condition]
    channels: dict[str, Decision]


class Type(Schema):
    """A declared type of notifications: with the rule of the settings, or with one that was set by a request. ``warnings``:
    its channels on which nothing is sent, and the setting that each lacks; a visibility wider than that in the settings."""

    type: str
    source: Literal["settings", "api"]
    rule: Rule
    warnings: list[str]


class Types(Schema):
    """All declared types, by name."""

    items: list[Type]


class Preferences(Schema):
    """The preferences of a user."""

    types: dict[str, dict[str, bool]]
    quiet_hours: QuietHours | None
    locale: str
    digest_s: Count
    muted_topics: list[str]


class FollowedTopic(Schema):
    """A topic that is followed, since when."""

    topic: str
    created_at: Time


class FollowsPage(Schema):
    """A page of followed topics, by name."""

    items: list[FollowedTopic]
    next_cursor: str | None
    has_more: bool


class MutedTopic(Schema):
    """A topic that is muted."""

    topic: str


class MutesPage(Schema):
    """A page of muted topics, by name."""

    items: list[MutedTopic]
    next_cursor: str | None
    has_more: bool


class BlockedUser(Schema):
    """A user who is blocked."""

    user_id: str


class BlocksPage(Schema):
    """A page of blocked users, by name."""

    items: list[BlockedUser]
    next_cursor: str | None
    has_more: bool


class Following(Schema):
    """The follower and the topic of a follow."""

    user_id: str
    topic: str
    following: bool


class Updated(Schema):
    """The number of follows that began or ended."""

    updated: Count


class ViewerRelation(Schema):
    """The relation of one user to a topic."""

    user_id: str
    follows: bool
    fan_out: Literal["write", "read"] | None


class Topic(Schema):
    """A topic, the way its events reach feeds, and the reason."""

    topic: str
    followers: Count
    fan_out: Literal["write", "read"]
    reason: str
    viewer: ViewerRelation | UnsetType = UNSET


class Status(Schema):
    """The state of the server for operators."""

    position: Count
    epoch: str
    pending_fanout_jobs: Count
    dead_letters: Count
    sizes: dict[str, int]


class DeadLetter(Schema):
    """A fan-out job or a delivery that failed too often. ``user_id`` and ``endpoint_id``: the user and the endpoint of a
    delivery; null for a job."""

    id: int
    kind: str
    subject: str
    attempts: Count
    error: str
    user_id: str | None
    endpoint_id: str | None


class DeadLetters(Schema):
    """All dead letters, oldest first, at most a hundred."""

    items: list[DeadLetter]


class HealthReport(Schema):
    """The server is healthy."""

    status: Literal["alive", "ready"]
