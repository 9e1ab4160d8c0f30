"""What a server answers besides pages of inboxes and feeds, and what is sent to it."""

from datetime import datetime
from typing import Any

from msgspec import UNSET, Struct, UnsetType

from tidings.client.errors import FieldError
from tidings.client.shapes import Event, FeedItem


class NewEvent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An event to publish: who did what, to what, whom it is meant for. ``created_at`` is now unless it is given."""

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
    metadata: dict[str, Any] = {}
    idempotency_key: str | UnsetType = UNSET


class Receipt(Struct, frozen=True):
    """An event that is durable: its id, its position in the log, when it happened. ``retracted``: an earlier request with
    the same key stored it, and it was retracted since, so it is not shown."""

    event_id: str
    position: int
    created_at: datetime
    retracted: bool = False


class Receipts(Struct, frozen=True):
    """Those of a batch, in its order."""

    events: tuple[Receipt, ...]


class LineError(Struct, frozen=True):
    """Why a line was refused."""

    type: str
    title: str = ""
    status: int = 0
    detail: str = ""
    errors: tuple[FieldError, ...] = ()


class LineResult(Struct, frozen=True):
    """What became of the ``line``-th event of an import, counted from 1: a receipt, ``replayed`` when it was there
    already (``retracted`` when it was retracted since), or an ``error``."""

    line: int | None
    event_id: str = ""
    position: int = 0
    created_at: datetime | None = None
    replayed: bool = False
    retracted: bool = False
    error: LineError | None = None


class Following(Struct, frozen=True):
    """Who follows what now."""

    user_id: str
    topic: str
    following: bool


class Follow(Struct, frozen=True):
    """A topic that is followed, since when."""

    topic: str
    created_at: datetime


class FollowsPage(Struct, frozen=True):
    """A page of followed topics, by name."""

    items: tuple[Follow, ...]
    next_cursor: str | None = None
    has_more: bool = False


class ActivityPage(Struct, frozen=True):
    """A page of what was done, newest first."""

    items: tuple[Event, ...]
    next_cursor: str | None = None
    has_more: bool = False
    position: int = 0
    partial: bool = False


class Summary(Struct, frozen=True):
    """A feed in numbers, and its newest items."""

    total: int
    unread_count: int
    read_count: int
    verbs: dict[str, int]
    recent: tuple[FeedItem, ...] = ()


class Changed(Struct, frozen=True):
    """How much was changed, and where the log ends."""

    updated: int
    position: int = 0


class FeedMarked(Changed, frozen=True):
    """The same of feed items that were marked read. ``undo``: the token that takes a read-all back, None when nothing was
    changed by one."""

    undo: str | None = None


class Unread(Struct, frozen=True):
    """The exact numbers of unread notifications, and of the items in them."""

    unread_count: int
    seq: int
    unread_items: int = 0


class Marked(Struct, frozen=True):
    """How many notifications really changed, and the counts after it."""

    updated: int
    unread_count: int
    seq: int
    unread_items: int = 0


class MarkedAll(Marked, frozen=True):
    """The same of a read-all. ``undo``: the token that takes it back, None when nothing was read."""

    undo: str | None = None


class QuietHours(Struct, frozen=True, omit_defaults=True):
    """When nothing leaves the application: from ``start`` to ``end`` ("22:00"), on windows that begin on these ISO
    ``days`` (1 is Monday), by the wall clock of ``time_zone``."""

    time_zone: str
    start: str
    end: str
    days: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7)


class Preferences(Struct, frozen=True, kw_only=True):
    """What a user wants. ``types``: type ("*": all others) → channel → wanted."""

    types: dict[str, dict[str, bool]] = {}
    quiet_hours: QuietHours | None = None
    locale: str = ""
    digest_s: int = 0
    muted_topics: tuple[str, ...] = ()


class NewReminder(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An event to come, for ``user_ids`` or for those who follow ``topic``: at ``deliver_at`` or in ``after_s`` seconds,
    and ``every`` ISO 8601 duration again, by the clock of ``time_zone``."""

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
    metadata: dict[str, Any] = {}


class Reminder(Struct, frozen=True, kw_only=True):
    """A reminder. ``due_at``: when it comes next, None when it has come for the last time."""

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
    metadata: dict[str, Any] = {}


class SetReminder(Reminder, frozen=True, kw_only=True):
    """A reminder as it was just set. ``fired``: it was due already, and so it was published."""

    fired: bool = False


class RemindersPage(Struct, frozen=True):
    """A page of the reminders that come next, soonest first."""

    items: tuple[Reminder, ...]
    next_cursor: str | None = None
    has_more: bool = False


class Endpoint(Struct, frozen=True):
    """Where a user is reached outside. Nothing is sent there before it is ``confirmed``, nor while it is disabled: since
    ``disabled_at``, for ``disabled_reason``. ``secret`` signs for a webhook; it is only shown when it is made:
    when the webhook is registered for the first time, or its secret rotated."""

    id: str
    channel: str
    address: str
    created_at: datetime
    sent_at: datetime | None = None
    confirmed: bool = True
    disabled_at: datetime | None = None
    disabled_reason: str | None = None
    secret: str | None = None


class Endpoints(Struct, frozen=True):
    """A user's endpoints, oldest first."""

    items: tuple[Endpoint, ...]


class DeclaredType(Struct, frozen=True):
    """A type of notifications, where its rule is from ("settings" or "api"), the rule, and the channels of it by which
    nothing is sent, each with what it lacks."""

    type: str
    source: str
    rule: dict[str, Any]
    warnings: tuple[str, ...] = ()


class DeclaredTypes(Struct, frozen=True):
    """All declared types."""

    items: tuple[DeclaredType, ...]


class TopItem(Struct, frozen=True):
    """One of the most frequent."""

    key: str
    count: int
    object_type: str = ""
    object_id: str = ""


class Top(Struct, frozen=True):
    """The most frequent of a window, most first; counts are off by at most ``error`` of ``total`` unless ``exact``."""

    window: str
    by: str
    as_of: datetime
    exact: bool
    total: int
    items: tuple[TopItem, ...]
    error: float = 0.0


class Check(Struct, frozen=True):
    """One condition of a notification, and whether it holds."""

    check: str
    passed: bool
    detail: str = ""


class Decision(Struct, frozen=True):
    """Whether something goes out on a channel, and why."""

    wanted: bool
    why: str = ""


class Explanation(Struct, frozen=True):
    """Why a user was notified of an event, or was not."""

    event_id: str
    user_id: str
    type: str
    notified: bool
    notification_id: str | None = None
    checks: tuple[Check, ...] = ()
    channels: dict[str, Decision] = {}
