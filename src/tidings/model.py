"""The vocabulary of the domain: frozen values without I/O. ``docs/concepts`` explains each of them."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

import msgspec

from tidings.actions import Acted
from tidings.backfills import Backfill
from tidings.display_names import SetDisplayName
from tidings.endpoint_commands import (
    AddEndpoint,
    BoundDeliveries,
    ConfirmEndpoint,
    EnableEndpoint,
    RemoveEndpoint,
    ResendDelivery,
    ReserveConfirmation,
    RotateSecret,
    Unsubscribe,
)
from tidings.feed_changes import FeedChange
from tidings.inbox_commands import (
    MarkAllNotificationsRead,
    MarkAllNotificationsSeen,
    RecordAction,
    ReturnSnoozed,
    SetNotificationState,
    SnoozeNotifications,
    UndoMarkAllRead,
)
from tidings.notify_mode import NotifyMode
from tidings.personal_data import DeliveryResult, Preferences, Reminder
from tidings.rules import Rule
from tidings.user_merges import MergeUsers
from tidings.visibility import Visibility


def split_topic(topic: str) -> tuple[str, str]:
    """``market:42`` as ("market", "42"); the first colon separates, so an id may have colons. Raises ValueError."""
    kind, colon, name = topic.partition(":")
    if not (kind and colon and name):
        raise ValueError("a topic is written type:id")
    return kind, name


def user_topic(user: str) -> str:
    """The topic of a user: its followers get the user's events."""
    return f"user:{user}"


class NewEvent(msgspec.Struct, frozen=True, gc=False):
    """An event that passed every check and has no position in the log yet.

    ``body`` is the event as it will be sent, a JSON object in UTF-8 *without its opening brace*: the store puts
    ``{"event_id":"…","position":n,`` before it, so that a page is a join of bytes. ``created_at`` is in milliseconds since
    1970. ``topics`` has the extra topics only; the actor's and the object's are implied. With an idempotency ``key`` (16
    bytes) a repetition stores nothing and gets the first receipt; the same key with another ``fingerprint`` (8 bytes) is
    refused. With an ``audience`` it is a broadcast: to EVERYONE, or to the followers of a topic, and can be materialised
    until ``expires_at`` (milliseconds). ``actor_name`` is the one in the body.
    """

    actor_id: str
    verb: str
    object_type: str
    object_id: str
    created_at: int
    body: bytes
    targets: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    key: bytes | None = None
    fingerprint: bytes = b""
    audience: str = ""
    expires_at: int = 0
    visibility: Visibility = Visibility.PUBLIC
    notify: NotifyMode = NotifyMode.UNREAD
    actor_name: str | None = None

    def all_topics(self) -> tuple[str, ...]:
        """Every topic this event belongs to: its actor, its object, then the extra ones, each once."""
        own = (user_topic(self.actor_id), f"{self.object_type}:{self.object_id}")
        return tuple(dict.fromkeys(own + self.topics))


EVERYONE = "*"
"""The audience of a broadcast to all users."""


class Receipt(NamedTuple):
    """The response to a publisher: the event is durable, at this position, with this id. ``created_at`` in milliseconds.
    ``retracted``: an earlier request with this key stored the event, which was retracted since."""

    event_id: str
    position: int
    created_at: int
    retracted: bool = False


class LogEntry(NamedTuple):
    """One event of the log in its order. ``body`` is the complete JSON object; ``key`` the event's 8-byte key."""

    position: int
    key: int
    actor_id: str
    verb: str
    object_type: str
    object_id: str
    body: bytes
    targets: tuple[str, ...]
    topics: tuple[str, ...]
    visibility: Visibility = Visibility.PUBLIC
    notify: NotifyMode = NotifyMode.UNREAD


# --- commands: the store applies a list of these in one transaction ----------------------------------------------


class Publish(msgspec.Struct, frozen=True):
    """Append these events, all or none: if one reuses an idempotency key with another fingerprint, the whole command is
    refused as KeyReused; repeated events get their first receipt, with ``retracted`` if they were retracted since."""

    events: tuple[NewEvent, ...]


class Retract(msgspec.Struct, frozen=True):
    """Retract an event from the log, every feed, every inbox."""

    event_id: str


class Follow(msgspec.Struct, frozen=True):
    """``user`` follows ``topic``; the ``backfill`` newest of its events are added to the feed. A repetition changes
    nothing; with ``extend`` it adds those of the ``backfill`` newest events now that the follow does not cover."""

    user: str
    topic: str
    backfill: int = 100
    extend: bool = False


class Unfollow(msgspec.Struct, frozen=True):
    """End a follow. ``keep``: its events stay visible; otherwise all events that only this follow added are hidden."""

    user: str
    topic: str
    keep: bool = False


class SetMute(msgspec.Struct, frozen=True):
    """Mute a topic, or (``on=False``) end the mute. One mute too many is refused."""

    user: str
    topic: str
    on: bool = True


class SetBlock(msgspec.Struct, frozen=True):
    """Block the user of ``topic``, or (``on=False``) end the block. It works in both directions: neither sees the other's
    events, and the inbox of each loses those that it has. One block too many is refused."""

    user: str
    topic: str
    on: bool = True


class MarkFeedRead(msgspec.Struct, frozen=True):
    """Mark feed items read, the user's own included: these ids, or (``event_ids=None``) all up to position ``up_to``, or
    all. ``activity``: not of the feed (None) but of the activity of this topic, or of EVERYBODY; ids then may be of any
    activity page."""

    user: str
    event_ids: tuple[str, ...] | None = None
    up_to: int | None = None
    activity: str | None = None


class MarkFeedUnread(msgspec.Struct, frozen=True):
    """Mark these feed items unread, whether a mark or a read-all read them; or events of activity, as in MarkFeedRead."""

    user: str
    event_ids: tuple[str, ...]
    activity: str | None = None


class UndoMarkFeedRead(msgspec.Struct, frozen=True):
    """Undo the read-all, of a feed or of activity, that took ``position``: what it alone marked read is unread again."""

    user: str
    position: int


class ActOnNotification(msgspec.Struct, frozen=True):
    """Take an action on a notification, and in the same transaction publish its ``event``, if it has one and ``record`` has
    an effect."""

    record: RecordAction
    event: NewEvent | None = None


class MaterializeBroadcasts(msgspec.Struct, frozen=True):
    """Materialise the pending broadcasts of these users (``InboxCounters.lacking``). ``erasures``: the number of erasures
    (``Erasures.begun``) before the pending broadcasts were read; for a user who was erased after that, and has not returned
    since, nothing is written, because it would store their name again. None: as of now."""

    users: tuple[str, ...]
    erasures: int | None = None


class SetNotificationType(msgspec.Struct, frozen=True):
    """Declare a type of notifications, above the one of the settings if there is one; None deletes the declaration."""

    type: str
    rule: Rule | None


class SetPreferences(msgspec.Struct, frozen=True):
    """Replace a user's preferences and, unless they are None, their mutes; a command over the limit is refused whole. With
    ``only`` nothing happens if the user has other preferences by now: a change was computed from those, and an
    unsubscription that was stored meanwhile would be lost."""

    user: str
    preferences: Preferences
    muted: tuple[str, ...] | None = None
    only: Preferences | None = None


class SetReminder(msgspec.Struct, frozen=True):
    """Set a reminder; one of the same key is replaced."""

    reminder: Reminder


class CancelReminder(msgspec.Struct, frozen=True):
    """Cancel a reminder. With ``only`` nothing happens if another was set in its place."""

    key: str
    only: Reminder | None = None


class FireReminder(msgspec.Struct, frozen=True):
    """A reminder is due: publish its event and set it to ``next_at`` (None: it is done), all or nothing. If the store no
    longer has it exactly as it was read nothing happens: it fires once, and never with its content from before it was set
    again or a user in it was erased."""

    reminder: Reminder
    next_at: int | None
    event: NewEvent


class RecordDeliveryResults(msgspec.Struct, frozen=True):
    """The results of due deliveries."""

    handled: tuple[DeliveryResult, ...]


class EraseUser(msgspec.Struct, frozen=True):
    """Erase a user: their inbox, feed, follows, mutes and blocks are deleted, their events remain under a random name.
    Changes the notifications of others that named them. The last seq of the inbox is kept, under a digest of the name."""

    user: str


class RebuildFeeds(msgspec.Struct, frozen=True):
    """Enqueue a rebuild of every feed from the log: missing rows are written in the background."""


class RetryDeadLetters(msgspec.Struct, frozen=True):
    """Retry all dead letters of fan-out jobs and deliveries; but not those that a disabled endpoint would refuse again."""


Command = (
    Publish
    | Retract
    | Follow
    | Unfollow
    | SetMute
    | SetBlock
    | MarkFeedRead
    | MarkFeedUnread
    | UndoMarkFeedRead
    | SetNotificationState
    | SnoozeNotifications
    | ReturnSnoozed
    | ActOnNotification
    | MarkAllNotificationsRead
    | MarkAllNotificationsSeen
    | UndoMarkAllRead
    | MaterializeBroadcasts
    | SetNotificationType
    | SetPreferences
    | SetDisplayName
    | AddEndpoint
    | ConfirmEndpoint
    | Unsubscribe
    | EnableEndpoint
    | RotateSecret
    | ReserveConfirmation
    | RemoveEndpoint
    | SetReminder
    | CancelReminder
    | FireReminder
    | RecordDeliveryResults
    | EraseUser
    | RebuildFeeds
    | Backfill
    | MergeUsers
    | RetryDeadLetters
    | ResendDelivery
    | BoundDeliveries
)


class Published(NamedTuple):
    """The outcome of Publish: a receipt for each event in order. ``repeats`` are the indexes of repeated events.
    ``pending``: the positions from the first to the last of its events with a fan-out job, so that not every feed or inbox
    has them yet."""

    receipts: tuple[Receipt, ...]
    repeats: tuple[int, ...] = ()
    pending: range = range(0)


class CommandResult(NamedTuple):
    """The outcome of a command that changes at most one thing, or ``updated`` of many (of Backfill and MergeUsers: its id).
    ``gone``: the event that a Retract removed. ``marked``: the position that a change of the read state of a feed took, or
    the erasure of a user whom events show; 0 if there was none. ``limit``: the maximum number of mutes, blocks or topics
    with a read-all of a user if the command was refused because of that, or 1 if a user takes part in another merge;
    otherwise 0. ``inbox``: a change of the read state of a feed changed the inbox too."""

    updated: int
    position: int = 0
    gone: LogEntry | None = None
    marked: int = 0
    limit: int = 0
    inbox: bool = False


class InboxUpdateResult(NamedTuple):
    """The outcome of a change to an inbox: the number of changed groups, the exact count of unread ones after it, the last
    seq, how many of the given ids are this user's at all, and the exact counts of the items in unread groups and of the
    groups that were not seen. ``feed``: it changed the read state of events too."""

    updated: int
    unread_count: int
    seq: int
    found: int = 0
    unread_items: int = 0
    unseen_count: int = 0
    feed: bool = False


class ActionResult(NamedTuple):
    """The outcome of an action: the change of the inbox, and of the event that it published (None: there was none)."""

    marked: InboxUpdateResult
    published: Published | None = None


Outcome = Published | CommandResult | InboxUpdateResult | ActionResult
"""Publish → Published or KeyReused (returned, not raised) · FireReminder → Published, without receipts when it came too late
· ActOnNotification → ActionResult · the other commands of inbox_commands.py → InboxUpdateResult · all others →
CommandResult."""


# --- queries and their results ------------------------------------------------------------------------------------


class FeedItem(msgspec.Struct, frozen=True, gc=False):
    """One item of a page. ``body``: the event's JSON object. ``reason`` is "target", "follow" or "own", with the
    ``topic`` that was followed; both are empty in activity pages. ``read_at`` in milliseconds, None when unread."""

    key: int
    position: int
    body: bytes
    read_at: int | None = None
    reason: str = ""
    topic: str = ""


class Page(NamedTuple):
    """A page of a feed, newest first. ``next_key`` continues it (exclusive), None at the end. ``partial``: the scan budget
    was spent before the page was full; the next page continues. ``position`` is the last position of the log. For
    ``feed_since``, ``changes`` are those of older items, and ``reset`` says that they are not kept from that position on."""

    items: list[FeedItem]
    next_key: int | None
    position: int
    partial: bool = False
    changes: tuple[FeedChange, ...] = ()
    reset: bool = False


class UnseenCount(NamedTuple):
    """The number of items after a position. ``capped``: counting ended before all were found. ``oldest_at``: the time of the
    oldest of them, in milliseconds; None if there is none, or not all were found."""

    new: int
    capped: bool
    position: int
    oldest_at: int | None = None


class FeedSummary(NamedTuple):
    """Totals over a whole feed. ``verbs`` maps verb to count."""

    total: int
    unread: int
    verbs: Mapping[str, int]
    recent: list[FeedItem]


class InboxRow(NamedTuple):
    """A stored notification: one item, or a group of them.

    ``order`` is the seq of its newest item, or that at which its snooze ended, by which lists are sorted; ``seq`` that of
    its last change; ``unread_seq`` that at which it last became unread. ``body`` is the JSON of its newest event, empty in
    a tombstone; ``others`` the bodies of up to SAMPLE_ACTORS - 1 older ones by other actors, newest first; ``event_ids``
    the newest SAMPLE_ITEMS, newest first. ``size`` items by ``actor_count`` actors. Times in milliseconds, None if it has
    not happened; ``opened_at`` is the ``created_at`` of its first event. ``actor_names`` are the newest display names
    of the actors of ``body`` and ``others``, None for those without one.
    """

    id: str
    order: int
    seq: int
    unread_seq: int
    type: str
    body: bytes
    seen_at: int | None = None
    read_at: int | None = None
    archived_at: int | None = None
    deleted: bool = False
    opened_at: int = 0
    size: int = 1
    actor_count: int = 1
    event_ids: tuple[str, ...] = ()
    others: tuple[bytes, ...] = ()
    snoozed_until: int | None = None
    pinned_at: int | None = None
    acted: Acted | None = None
    actor_names: tuple[str | None, ...] = ()

    @property
    def listed(self) -> bool:
        """Whether an inbox shows it."""
        return self.archived_at is None and self.snoozed_until is None and not self.deleted


SAMPLE_ITEMS = 20
"""Newest items of a group that are read when it is shown: a group of a million costs as much as one of twenty."""
SAMPLE_ACTORS = 3
"""Actors that are named; the others are a number."""


class InboxCounters(NamedTuple):
    """The counters of one inbox, from one row: unread groups, the last seq, the items in these groups, and those of them
    that were not seen. ``read_up_to`` is the watermark of the last read-all of all types, ``read_seq`` the seq that moved
    it there. ``lacking``: this user has pending broadcasts."""

    unread_count: int
    seq: int
    read_up_to: int = 0
    read_seq: int = 0
    unread_items: int = 0
    unseen_count: int = 0
    lacking: bool = False


class ReadWatermark(NamedTuple):
    """A read-all: it took ``seq`` and marked read the notifications that had become unread up to ``up_to``, of one type (""
    for all), at ``at`` (milliseconds). ``seen_only``: a seen-all, which marked those of all types seen and not read."""

    seq: int
    up_to: int
    type: str
    at: int
    seen_only: bool = False


InboxFilter = Literal["inbox", "archived", "snoozed", "pinned", "all"]
"""The notifications in a list: those that are neither archived nor snoozed, those that are archived, those that are snoozed,
those of the inbox that are pinned, or all."""


class InboxPage(NamedTuple):
    """A page of an inbox with the counts of the same moment. ``next_order`` continues it, None at the end."""

    rows: list[InboxRow]
    next_order: int | None
    counts: InboxCounters


class InboxChanges(NamedTuple):
    """The changes after a seq, oldest first: the current rows, and the read-alls among them. ``reset``: the seq is above the
    last one, or since then the inbox was erased or a read-all undone; fetch the inbox again. ``more``: the limit cut it."""

    rows: list[InboxRow]
    counts: InboxCounters
    more: bool = False
    reset: bool = False
    marks: tuple[ReadWatermark, ...] = ()

    @property
    def next_since(self) -> int:
        """The seq to continue from."""
        last = [row.seq for row in self.rows[-1:]] + [mark.seq for mark in self.marks[-1:]]
        return max(last) if self.more else self.counts.seq


class ActivityReach(NamedTuple):
    """The streams that carry an event as activity ``watched``, a topic or EVERYBODY: those of the users in ``only``, None:
    of all, visitors too, except of those in ``hidden_from``."""

    watched: str
    only: frozenset[str] | None = None
    hidden_from: frozenset[str] = frozenset()

    def admits(self, user: str) -> bool:
        """Whether streams of this user carry it."""
        return (self.only is None or user in self.only) and user not in self.hidden_from


class EventAudience(NamedTuple):
    """One event for the open streams: those of the given users who have it in their feed, by reason, and those that carry it
    as activity. With a ``change``, that instead of an event, and the users whose feeds it changes."""

    position: int
    body: bytes
    listeners: list[tuple[str, str, list[str]]]
    """(reason, topic, users)"""
    change: FeedChange | None = None
    reach: tuple[ActivityReach, ...] = ()


class TopicInfo(NamedTuple):
    """A topic: its followers, and whether its events are fanned out on write or on read. ``viewer`` is the mode
    for one user ("write", "read", "" when not followed), ``reason`` the decision in words."""

    topic: str
    followers: int
    fan_out: str
    viewer: str = ""
    reason: str = ""


class FollowRow(NamedTuple):
    """A followed topic, and since when (milliseconds)."""

    topic: str
    created_at: int


class LogPosition(NamedTuple):
    """The end of the log. ``epoch`` identifies this state of the store: a restored one gets another."""

    position: int
    epoch: str


class Erasures(NamedTuple):
    """``under_way``: the names of the users whose erasure takes more than one transaction and has not ended, and whether it
    is a dead letter; ``ended``: how many of these have ended since the store was opened; ``begun``: how many users were
    erased since then, by however many transactions."""

    under_way: Mapping[str, bool]
    ended: int = 0
    begun: int = 0
