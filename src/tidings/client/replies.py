"""The responses of a server other than pages of inboxes and feeds, and the bodies of requests."""

from datetime import datetime
from typing import Any

from msgspec import UNSET, Struct, UnsetType

from tidings.client.errors import FieldError
from tidings.client.shapes import ActivityGroup, ActivityItem, FeedItem


class NewAction(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An action to offer on the notifications of an event: with a ``url`` to open, or the ``verb`` of the event that is
    published when it is taken, or neither."""

    id: str
    label: str
    style: str | UnsetType = UNSET
    url: str | UnsetType = UNSET
    verb: str | UnsetType = UNSET


class NewEvent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An event to publish: actor, verb, object, and targets. ``created_at`` is now unless it is given; ``visibility`` is
    "public", "followers" or "recipients", by default that of the type. ``notify`` False notifies nobody, True
    notifies of an old or imported event too."""

    actor_id: str
    verb: str
    object_type: str
    object_id: str
    target_user_ids: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    created_at: datetime | None = None
    actor_name: str | None = None
    object_title: str | None = None
    title: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    message: str | UnsetType = UNSET
    url: str | UnsetType = UNSET
    actor_image: str | UnsetType = UNSET
    object_image: str | UnsetType = UNSET
    actions: tuple[NewAction, ...] | UnsetType = UNSET
    visibility: str | UnsetType = UNSET
    notify: bool | UnsetType = UNSET
    metadata: dict[str, Any] = {}
    idempotency_key: str | UnsetType = UNSET


class Receipt(Struct, frozen=True):
    """A durable event: its id, its position in the log, its time. ``retracted``: an earlier request with the same key stored
    it, and it was retracted since, so it is not shown."""

    event_id: str
    position: int
    created_at: datetime
    retracted: bool = False


class Receipts(Struct, frozen=True):
    """The receipts of a batch, in its order."""

    events: tuple[Receipt, ...]


class LineError(Struct, frozen=True):
    """The reason why a line was refused."""

    type: str
    title: str = ""
    status: int = 0
    detail: str = ""
    errors: tuple[FieldError, ...] = ()


class LineResult(Struct, frozen=True):
    """The result of the ``line``-th event of an import, counted from 1: a receipt, ``replayed`` if it existed already
    (``retracted`` if it was retracted since), or an ``error``."""

    line: int | None
    event_id: str = ""
    position: int = 0
    created_at: datetime | None = None
    replayed: bool = False
    retracted: bool = False
    error: LineError | None = None


class Following(Struct, frozen=True):
    """The follower and the topic of a follow."""

    user_id: str
    topic: str
    following: bool


class Updated(Struct, frozen=True):
    """The number of follows that began or ended."""

    updated: int


class FollowedTopic(Struct, frozen=True):
    """A topic that is followed, since when."""

    topic: str
    created_at: datetime


class FollowsPage(Struct, frozen=True):
    """A page of followed topics, by name."""

    items: tuple[FollowedTopic, ...]
    next_cursor: str | None = None
    has_more: bool = False


class DisplayName(Struct, frozen=True):
    """The newest known display name of a user, None without one."""

    user_id: str
    name: str | None = None


class MutedTopic(Struct, frozen=True):
    """A topic that is muted."""

    topic: str


class MutesPage(Struct, frozen=True):
    """A page of muted topics, by name."""

    items: tuple[MutedTopic, ...]
    next_cursor: str | None = None
    has_more: bool = False


class BlockedUser(Struct, frozen=True):
    """A user who is blocked."""

    user_id: str


class BlocksPage(Struct, frozen=True):
    """A page of blocked users, by name."""

    items: tuple[BlockedUser, ...]
    next_cursor: str | None = None
    has_more: bool = False


class ActivityPage(Struct, frozen=True):
    """A page of activity, newest first. ``new_count`` as in a page of a feed."""

    items: tuple[ActivityItem, ...]
    next_cursor: str | None = None
    has_more: bool = False
    position: int = 0
    partial: bool = False
    new_count: int | None = None
    new_count_capped: bool = False


class ActivityGroupPage(Struct, frozen=True, kw_only=True):
    """A page of groups of events, newest first. ``position``: all pages of one cursor show the events up to it."""

    items: tuple[ActivityGroup, ...]
    next_cursor: str | None = None
    has_more: bool = False
    position: int = 0
    partial: bool = False
    new_count: int | None = None
    new_count_capped: bool = False


class Summary(Struct, frozen=True):
    """The counts of a feed, and its newest items."""

    total: int
    unread_count: int
    read_count: int
    verbs: dict[str, int]
    recent: tuple[FeedItem, ...] = ()


class UpdateResult(Struct, frozen=True):
    """The number of changes, and the end of the log."""

    updated: int
    position: int = 0


class FeedReadResult(UpdateResult, frozen=True):
    """The same of feed items that were marked read. ``undo``: the token that undoes a read-all, None if it changed
    nothing."""

    undo: str | None = None


class Unread(Struct, frozen=True):
    """The exact numbers of unread notifications, of the items in them, and of those notifications that were not seen."""

    unread_count: int
    seq: int
    unread_items: int = 0
    unseen_count: int = 0


class InboxUpdateResult(Struct, frozen=True):
    """The number of notifications that were changed, and the counts after it."""

    updated: int
    unread_count: int
    seq: int
    unread_items: int = 0
    unseen_count: int = 0


class ReadAllResult(InboxUpdateResult, frozen=True):
    """The same of a read-all. ``undo``: the token that undoes it, None if nothing was read."""

    undo: str | None = None


class QuietHours(Struct, frozen=True, omit_defaults=True):
    """The times without deliveries: from ``start`` to ``end`` ("22:00"), in windows that begin on these ISO ``days`` (1 is
    Monday), by the local time of ``time_zone``."""

    time_zone: str
    start: str
    end: str
    days: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7)


class Preferences(Struct, frozen=True, kw_only=True):
    """The preferences of a user. ``types``: type ("*": all others) → channel → wanted."""

    types: dict[str, dict[str, bool]] = {}
    quiet_hours: QuietHours | None = None
    locale: str = ""
    digest_s: int = 0
    muted_topics: tuple[str, ...] = ()


class NewReminder(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A future event, for ``user_ids`` or for the followers of ``topic``: at ``deliver_at`` or in ``after_s`` seconds, and
    again after each ISO 8601 duration ``every``, by the local time of ``time_zone``."""

    type: str
    object_type: str
    object_id: str
    user_ids: tuple[str, ...] = ()
    topic: str | None = None
    deliver_at: datetime | None = None
    after_s: int | None = None
    every: str | None = None
    time_zone: str = "UTC"
    actor_id: str | UnsetType = UNSET
    actor_name: str | None = None
    object_title: str | None = None
    title: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    message: str | UnsetType = UNSET
    url: str | UnsetType = UNSET
    actor_image: str | UnsetType = UNSET
    object_image: str | UnsetType = UNSET
    actions: tuple[NewAction, ...] | UnsetType = UNSET
    visibility: str | UnsetType = UNSET
    metadata: dict[str, Any] = {}


class Reminder(Struct, frozen=True, kw_only=True):
    """A reminder. ``due_at``: the next time at which it is published, None after the last one."""

    key: str
    due_at: datetime | None
    type: str
    object_type: str
    object_id: str
    every: str | None = None
    time_zone: str = "UTC"
    user_ids: tuple[str, ...] = ()
    topic: str | None = None
    actor_id: str = ""
    actor_name: str | None = None
    object_title: str | None = None
    title: str = ""
    description: str = ""
    message: str = ""
    url: str = ""
    actor_image: str = ""
    object_image: str = ""
    visibility: str = "recipients"
    metadata: dict[str, Any] = {}


class ReminderResult(Reminder, frozen=True, kw_only=True):
    """A reminder that was just set. ``fired``: it was due already, so it was published."""

    fired: bool = False


class RemindersPage(Struct, frozen=True):
    """A page of the reminders that are due next, soonest first."""

    items: tuple[Reminder, ...]
    next_cursor: str | None = None
    has_more: bool = False


class Endpoint(Struct, frozen=True):
    """A delivery endpoint of a user. Nothing is sent to it before it is ``confirmed``, nor while it is disabled: since
    ``disabled_at``, for ``disabled_reason``; nor before ``paused_until``, which it asked for. ``last_error``: why the last
    attempt failed, at ``last_error_at``; None if it succeeded. ``secret`` signs for a webhook; it is only shown when it is
    created: at the first registration or a rotation. ``previous_secret_until``: until when the secret before a rotation
    signs as well."""

    id: str
    channel: str
    address: str
    created_at: datetime
    sent_at: datetime | None = None
    confirmed: bool = True
    disabled_at: datetime | None = None
    disabled_reason: str | None = None
    paused_until: datetime | None = None
    last_error: str | None = None
    last_error_at: datetime | None = None
    secret: str | None = None
    previous_secret_until: datetime | None = None


class Endpoints(Struct, frozen=True):
    """A user's endpoints, oldest first."""

    items: tuple[Endpoint, ...]


class UnsentDelivery(Struct, frozen=True):
    """A delivery that was not sent: "queued" or "held" until ``due_at``, or "dead", a dead letter. ``error`` is that of the
    last of its ``attempts``; receivers know it by ``message_id``."""

    id: str
    message_id: str
    endpoint_id: str
    user_id: str
    channel: str
    type: str
    notification_id: str
    state: str
    attempts: int
    created_at: datetime
    error: str | None = None
    due_at: datetime | None = None


class UnsentDeliveriesPage(Struct, frozen=True):
    """A page of deliveries that were not sent, newest first."""

    items: tuple[UnsentDelivery, ...]
    next_cursor: str | None = None
    has_more: bool = False


class DeclaredType(Struct, frozen=True):
    """A type of notifications, the source of its rule ("settings" or "api"), the rule, and its channels on which nothing is
    sent, each with the missing setting."""

    type: str
    source: str
    rule: dict[str, Any]
    warnings: tuple[str, ...] = ()


class DeclaredTypes(Struct, frozen=True):
    """All declared types."""

    items: tuple[DeclaredType, ...]


class PreviousRank(Struct, frozen=True):
    """The place of a key in the window directly before; a count of 0 and no rank if it was not there."""

    count: int
    rank: int | None


class TopItem(Struct, frozen=True):
    """One of the most frequent keys. ``previous`` is None unless it was asked for."""

    key: str
    count: int
    object_type: str = ""
    object_id: str = ""
    previous: PreviousRank | None = None


class Top(Struct, frozen=True):
    """The most frequent keys of a window, most frequent first; counts are off by at most ``error`` of ``total`` unless
    ``exact``."""

    window: str
    by: str
    as_of: datetime
    exact: bool
    total: int
    items: tuple[TopItem, ...]
    error: float = 0.0


class SeriesPoint(Struct, frozen=True):
    """One of 60 equal parts of a window, which begins ``at`` a time."""

    at: datetime
    count: int


class TopSeries(Struct, frozen=True):
    """The events of a window over its time, oldest first; of all events if ``key`` is None."""

    window: str
    by: str
    key: str | None
    as_of: datetime
    points: tuple[SeriesPoint, ...]
    total: int


class DateRange(Struct, frozen=True):
    """The times between which the events of a backfill were created."""

    start: datetime
    end: datetime


class MergeCounts(Struct, frozen=True):
    """What the merges of two users have moved so far. ``follows``, ``mutes``, ``blocks``: those that the destination did not
    have; ``over_limit``: mutes, blocks and endpoints that were left out, because a user has as many as are allowed.
    ``followers``: users who follow the destination because they followed the source. ``targeted``: events that addressed the
    source. ``notifications``: those that arrived in the inbox; ``duplicates``: those of which it had all events."""

    follows: int = 0
    followers: int = 0
    mutes: int = 0
    blocks: int = 0
    over_limit: int = 0
    targeted: int = 0
    notifications: int = 0
    duplicates: int = 0
    endpoints: int = 0
    reminders: int = 0


class MergeJob(Struct, frozen=True):
    """A merge of a user into another one and its progress: "running", "done" or "failed". ``job_id`` is None if the user is
    unknown."""

    job_id: str | None
    state: str
    user_id: str
    into: str
    counts: MergeCounts


class BackfillJob(Struct, frozen=True):
    """A backfill and its progress: "running", "done" or "failed". ``created_count``: items that feeds gained so far, or with
    ``dry_run`` would have; ``notified_count`` the same of inboxes; ``users``: those who follow something, whose feeds were
    read. ``user_id`` is None for all users."""

    job_id: str
    state: str
    user_id: str | None
    created_count: int
    notified_count: int
    users: int
    date_range: DateRange
    dry_run: bool = False
    notify: bool = False


class Condition(Struct, frozen=True):
    """One condition of a notification, and whether it holds."""

    check: str
    passed: bool
    detail: str = ""


class Decision(Struct, frozen=True):
    """Whether a channel gets a delivery, and the reason."""

    wanted: bool
    why: str = ""


class Explanation(Struct, frozen=True):
    """The explanation why an event notified a user, or did not."""

    event_id: str
    user_id: str
    type: str
    notified: bool
    notification_id: str | None = None
    checks: tuple[Condition, ...] = ()
    channels: dict[str, Decision] = {}
