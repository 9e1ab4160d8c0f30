"""The interfaces of the core to a store and a clock. Each sentence of a docstring here is a promise with a test in
``tests/conformance``; every back-end keeps all of them. A port has the needs of the domain, never SQL.

The visibility rules of a feed, which hold for every back-end, however it stores things. An event *e* (actor *a*, topics *T*,
position *p*, key *k*) is in the feed of viewer *V* when *a* is not *V* and

- *V* is among its targets (reason ``target``), or
- *V* has a follow of a topic in *T* (reason ``follow``) that covers it: ``k >= since_key or p > since_position``, and not
  ended by a keeping unfollow at a position before *p*. ``since_key`` is the key of the last event that a backfill added,
  ``since_position`` the last position of the log when the follow was made;

and neither a mute nor a block of *V* hides it: a muted topic in *T*, or a block between *V* and *a*. No follow brings an
event of the visibility RECIPIENTS, and followers are not notified of it. With ``include_own`` the viewer's own events are in
it as well (reason ``own``). If several reasons hold, any one of them is returned.
"""

import sys
from collections.abc import AsyncIterator, Collection, Sequence
from typing import Protocol

from tidings.activity_scope import FEED_ALONE, NOTHING_WATCHED, ActivityScope, Watched
from tidings.backfills import BackfillJob
from tidings.display_names import DisplayNames
from tidings.errors import KeyReused
from tidings.event_counts import Dimension, EventSelection, KeyCounts, PointCounts, Points
from tidings.filters import EVERYTHING, ActivityOf, Choice, FeedFilter, FeedOf
from tidings.grouping import GroupCursor, GroupPage, GroupRule
from tidings.ids import EventIds
from tidings.inbox_commands import Snooze
from tidings.model import (
    Command,
    Erasures,
    EventAudience,
    FeedSummary,
    FollowRow,
    InboxChanges,
    InboxCounters,
    InboxFilter,
    InboxPage,
    LogEntry,
    LogPosition,
    Outcome,
    Page,
    TopicInfo,
    UnseenCount,
)
from tidings.notification_facts import Delivery, RecipientFacts
from tidings.personal_data import Endpoint, Preferences, Reminder
from tidings.rules import Rules
from tidings.status import Backlog, DeadLetter, DeliveryPlace, QueuedDelivery, Status
from tidings.user_merges import UserMerge
from tidings.visibility import Visibility


class EventLog(Protocol):
    """The log, and the only way to write."""

    @property
    def ids(self) -> EventIds:
        """The encoding of event ids of this store."""
        ...

    async def write(
        self, commands: Sequence[Command], ends: Collection[int] = ()
    ) -> list[Outcome | KeyReused]:
        """Apply the commands in order, in one transaction; when it returns, they are durable and every reader sees them.

        One outcome per command. ``ends``: numbers of commands, counted from the first, after which the transaction may end
        early because others would wait too long for it; there are fewer outcomes then, and the rest was not applied.

        Positions are dense from 1 in the order of the commands: each event takes one, and so do a retraction and a change of
        the read state of a feed. If it raises, nothing was applied. An event's key is minted from its ``created_at``; keys
        of one millisecond keep the order of the log.
        """
        ...

    async def head(self, at: int | None = None) -> LogPosition:
        """The last position (0 when empty) and the epoch. With a time ``at``, in milliseconds, the last position up to which
        no event was created after it."""
        ...

    async def tail(self, after: int, limit: int) -> list[LogEntry]:
        """The entries with a position over ``after``, in order, at most ``limit``. Retracted ones are left out."""
        ...

    async def event(self, event_id: str, viewer: str | None = None) -> LogEntry | None:
        """One event, or None if it never existed, or was retracted; with a ``viewer``, also None if that user may not look
        it up (``visibility.may_look_up``): a follow permits it while it lasts, and after that if it covers the event,
        but not while a block is between the viewer and the actor. For a viewer ``targets`` is empty."""
        ...


class FeedViews(Protocol):
    """Feeds and activity pages.

    Long reads of these views and of inboxes may be refused: with TooManyRequests if their user has too many in progress,
    with Unavailable if all users have. A cancelled read ends. A read that begins after a write was acknowledged sees that
    write.

    An event, also one of the user's own, has one read state for a user, in the feed and in activity. It is read if it was
    marked read by its id, or by a read-all, up to its position or a later one, of a list that has it now: the feed, the
    activity of all users, or that of a topic; and not marked unread since. Only events in the feed, or (with ``activity``)
    on a page of activity, are marked by id; a read-all covers positions, to the last event at most, and so the items that a
    later follow adds there. One that was marked unread is read by a later read-all of a list that has it then. A change of
    state without effect takes no position, nor does a read-all of a topic without events that reach followers. One of more
    topics than MAX_TOPICS_READ is refused with that ``limit``. ``updated`` counts the items that were really changed, at
    most MAX_COUNTED of activity. UndoMarkFeedRead restores the items that only that read-all marked
    read. Read-alls of a user are merged when as many are in force as in an inbox, at a position of its own: of all of a
    list that were ever merged, the first of those that go furthest stays. An item that was marked unread before keeps the
    time of the read-all that read it again.
    """

    async def feed(self, user: str, want: FeedFilter, limit: int, before: int | None) -> Page:
        """A page of the user's feed, by key downwards from ``before`` (exclusive), by the visibility rules above.

        A page has ``limit`` items, or is the last, or is ``partial``. An unknown user has an empty feed.
        """
        ...

    async def feed_version(self, user: str) -> object:
        """A token of the current state of the user's feed: while it stays equal, so does the first page, except
        ``Page.position``. Every change of the feed changes the token before the writer gets its outcome."""
        ...

    async def activity(
        self,
        topic: str | None,
        want: FeedFilter,
        limit: int,
        before: int | None,
        viewer: str | None = None,
        narrowest: Visibility = Visibility.PUBLIC,
    ) -> Page:
        """The same for the public events of one topic, or (None) of all users; ``narrowest``: with less visible events too.
        The page of a topic also has the events for followers if the ``viewer`` follows the topic now or is their actor.
        Items have the viewer's read state, and no reason. Mutes have no effect; an event is left out if there is a block
        between the viewer and its actor."""
        ...

    async def feed_since(self, user: str, after: int, limit: int, scope: ActivityScope = FEED_ALONE) -> Page:
        """Items of the user's feed with a position over ``after``, in the order of positions, and among them the ``changes``
        of older ones: this user's read states, and the retractions of events that would be in the feed, the user's own
        included, without the retraction. At most ``limit`` of both; ``next_key`` is then the position to continue from, None
        if there are no more. ``reset``: since ``after`` a read-all was undone, some were merged, there were more changes
        than are kept, or a user was erased whom events show as actor, object or topic: that takes a position.

        A ``scope`` adds the events that activity of everybody, or of its topics, lists for this user, as items without a
        reason, and the retractions of such events; or it has these and the read states in place of the feed. An event of
        both is an item of the feed. ``reset`` then also over ``activity_history`` positions behind the last."""
        ...

    async def audience_since(
        self,
        after: int,
        users: Collection[str],
        limit: int,
        watched: Watched = NOTHING_WATCHED,
        readers: Collection[str] = (),
    ) -> tuple[list[EventAudience], int]:
        """The events with a position over ``after``, oldest first, and the feeds of these users that they are in, by the
        visibility rules above, without the users' own events. Among them each change of older items, as ``feed_since`` has
        it, and the users whose feeds it changes; read states of ``readers`` too. First, at the last position, a FeedReset of
        users whose changes are not all kept. Reads ``limit`` positions at most; also returns the last one. ``watched`` adds
        to each the ``reach``: in which of these activities it is listed, for which of their users. What is in none, nor in a
        feed, is left out. The FeedReset is for all activities once retractions are not kept."""
        ...

    async def new_count(
        self,
        what: FeedOf | ActivityOf,
        since: int,
        cap: int,
        want: FeedFilter = EVERYTHING,
        up_to: int | None = None,
    ) -> UnseenCount:
        """The number of items of a feed, or of activity, that match a filter, with a position over ``since`` and, if it is
        given, up to ``up_to``. Counting ends at ``cap``, or when a filtered page would be partial."""
        ...

    async def summary(self, user: str, include_own: bool = False) -> FeedSummary:
        """Exact totals over the user's feed, and its five newest items."""
        ...


class FeedGroups(Protocol):
    """Groups of similar events. A capability beside the store's own.

    A group has the items of a feed, or of activity, with one verb and one object whose keys are in one segment of a window
    (see ``grouping``). Each item that matches the filter is in exactly one group, and each group on one page of a cursor, at
    the place of its newest item. All pages of a cursor show the items up to the position of the first page; what is marked
    read, hidden or retracted since then changes the groups that are still to come.
    """

    async def feed_groups(
        self,
        what: FeedOf | ActivityOf,
        want: FeedFilter,
        limit: int,
        at: GroupCursor | None,
        rule: GroupRule,
    ) -> GroupPage:
        """A page of ``limit`` groups, newest first, or the last, or a ``partial`` one; ``at``: the end of the page before.
        ``read`` is 0 for activity without a viewer."""
        ...


class InboxViews(Protocol):
    """Inboxes. The rule of an event's type (``rules``) states its recipients: its targets, those who follow some of its
    topics when it is published, or both; never the actor, never a user from whom a mute or a block hides the event or who
    does not want the type in the application (unless it is critical), no user twice for one event, and no user again for a
    duplicate within the window (``rules.duplicate_window``) of an event that notified the user and is not retracted. Later
    ``work`` may notify the followers of wide topics; items of many recipients that were not targets are removed by such
    ``work`` too, once the event is retracted.

    The event's ``notify`` states how they are notified: with NONE nobody is; with READ each gets an item that is read and
    seen at its arrival, in a group that is closed, and no delivery.

    Each recipient gets an *item*. It opens a group of its own, or joins the user's newest group of the same grouping key, if
    that is unread, not archived, and young enough (``rules.grouping``). A *notification* is a group: its number is the seq
    of its first item, its ``order`` that of its newest. A group that was read or archived stays closed, whatever its later
    state. Joining empties ``seen_at``.

    Every change of an inbox takes the next seq of its user: dense, from 1, and it never falls. An item takes one; a change
    of state takes one for each group that it really changes; a read-all, of one type or of all, takes one in all, if it
    changes anything, and writes no row: all groups that became unread at or before its ``up_to`` are read at its time. A
    group that an item joins or that is marked UNREAD becomes unread at that seq. Marking READ sets ``seen_at`` too if it
    was empty; UNREAD empties ``read_at``; UNSEEN empties both, and a group that it changes becomes unread at that seq and
    stays closed. A seen-all is like a read-all of all types, and sets ``seen_at`` alone. A retracted event leaves its
    group, which takes a seq; the last one leaves a tombstone. A block removes the items of the other user from the inbox of
    each of the two, read and archived ones included: every group that had some of them takes one seq, that with the newest
    content first, and an empty one is a tombstone. In large inboxes later ``work`` continues it; the counts are always
    those of the listed groups. Removing the block restores nothing.

    UndoMarkAllRead takes one seq and restores the groups that are unread without that read-all and were not changed since; a
    request for changes from before it gets ``reset``. If there are ``read_all_history`` read-alls in force that were never
    merged, the next one merges the older half first. That takes a seq before its own. Of all read-alls that were ever
    merged, one that a later one of them covers (of the same type, or of all) is deleted, and the groups that it covered have
    the time of the first that is left. UndoMarkAllRead changes nothing of one that was merged, and a request from before
    that seq gets ``reset``. Only groups that are unread and neither archived nor tombstones are counted as unread, their
    items in ``unread_items``, and those of the groups that were not seen in ``unseen_count``. Seen-alls count as read-alls
    for a merge; one of all types covers them, they cover one another, and none of them is undone.

    When a user is erased, their inbox is emptied, and takes a seq if it ever had an item, or has had one since an earlier
    erasure. A request for changes from before that, from 0 too, gets ``reset``; a user who returns under the name continues
    from it. Every group of others with an event that has the user as actor, object or topic takes a seq, the oldest group
    first. No other inbox changes.

    A broadcast is one row. ``InboxCounters.lacking`` states that one is pending for a user in its audience: all users, or
    those who follow its topic since before it; not its actor, nor a user from whom it is hidden or who does not want the
    type. MaterializeBroadcasts writes it, as an item that does not group; ``work`` does for users with a usable endpoint on
    a channel of its type. An expired one is not materialised any more.

    Items of types with ``read_together`` share their read state with feeds and activity: see ``read_together.py``.

    An event with ``notify`` SINGLE, which has actions, opens a group that no item joins. ActOnNotification records the
    action that was taken on a notification (``acted``), which marks it READ and ends its snooze, in one seq; it stays
    archived or pinned. It records one for each notification for ever: with another one, the same again, an ``event_id``
    that is not that of the newest event, a tombstone or a notification of another user it changes and publishes nothing. A
    tombstone has no action.
    """

    async def inbox(
        self,
        user: str,
        limit: int,
        before: int | None,
        unread_only: bool = False,
        type: Choice[str] | None = None,
        state: InboxFilter = "inbox",
        id: str | None = None,
    ) -> InboxPage:
        """A page, newest content first, downwards from ``before`` (exclusive), of those in a ``state``; tombstones are in
        none. With an ``id`` only the notification of this id, if
        it is the user's.

        A page is of groups. Filtered pages are filled to the limit or are the last. ``unread_only`` asks for those that
        were not read, archived or not.
        """
        ...

    async def inbox_since(self, user: str, since: int, limit: int) -> InboxChanges:
        """Each notification changed after ``since`` once, by its last change, tombstones and archived ones included, and
        the read-alls after it that stand; the first ``limit`` of both together."""
        ...

    async def inbox_seq(self, user: str, key: int) -> int:
        """The seq after which ``inbox_since`` has all notifications that have an event with a greater key: the one before
        the first notification whose newest event has one; the last seq of the inbox without any. Tombstones do not count."""
        ...

    async def counts(self, users: Sequence[str], type: Choice[str] | None = None) -> list[InboxCounters]:
        """The counters of each of these inboxes, in the given order; zeros for an unknown user. With a ``type``, only the
        notifications of those types are counted as unread; that is for one user, and reads the unread rows."""
        ...


class EventCounts(Protocol):
    """Counts of events by the time of their ``created_at``, for trends. A capability beside the store's own.

    An event counts until it is retracted, under the names that it has now; the name of an erased user is no key. These reads
    may be refused and cancelled like long reads of feeds; their ``viewer`` is the user who asks, ("") the
    application, or (None) all, for a reply that they share. Each examines the events of the period, or of the selected topic
    those in it that are not for recipients only: if there are over ``most``, the result is None.
    """

    async def ranked_keys(
        self,
        selected: EventSelection,
        by: Dimension,
        first: int,
        most: int,
        viewer: str = "",
    ) -> KeyCounts | None:
        """The first so many keys: most events first, ties by key, each with its rank among all keys. ``total`` counts events
        without a key too."""
        ...

    async def ranks_of_keys(
        self,
        selected: EventSelection,
        by: Dimension,
        keys: Sequence[str],
        most: int,
        viewer: str = "",
    ) -> KeyCounts | None:
        """The same of these keys, at least one, as far as they have events."""
        ...

    async def point_counts(
        self,
        selected: EventSelection,
        points: Points,
        by: Dimension,
        key: str | None,
        most: int,
        viewer: str = "",
    ) -> PointCounts | None:
        """The number of selected events in each point, of those with this key, or (None) of all. ``points`` cover the
        period. With an object or an actor as the key, and no selected topic, only its own events are examined."""
        ...


class Graph(Protocol):
    """The follows of users, and topics."""

    async def follows(self, user: str, limit: int, after: str | None) -> list[FollowRow]:
        """The topics the user follows now, by name, beginning after ``after``."""
        ...

    async def topic(self, topic: str, viewer: str | None = None) -> TopicInfo:
        """A topic and how its events travel; unknown topics have no followers and fan out on write."""
        ...


class Maintenance(Protocol):
    """Background work, and the operators' views."""

    async def work(self, budget: int) -> int:
        """Process at most about ``budget`` rows of fan-out jobs and clean-up, in its own transaction; returns the rows done,
        0 if there is no work. A crash between two calls loses and duplicates nothing."""
        ...

    async def dead_letters(self, limit: int) -> list[DeadLetter]:
        """Dead letters, oldest first. No other work waits for them; RetryDeadLetters enqueues them again."""
        ...

    def export(self, user: str) -> AsyncIterator[bytes]:
        """All stored data of a user, one JSON object at a time, each with a ``kind``."""
        ...

    async def status(self) -> Status:
        """Sizes, pending fan-out jobs and dead letters."""
        ...

    async def close(self) -> None:
        """Release files and threads; everything acknowledged stays durable."""
        ...


class FanOutProgress(Protocol):
    """Which events have reached all feeds and inboxes. A capability beside the store's own."""

    async def fanned_out(self, positions: Sequence[range]) -> list[bool]:
        """For each of these ranges of positions, whether ``work`` has written all its events into the feeds and inboxes of
        their followers, or has set aside what it could not write as dead letters."""
        ...


class Health(Protocol):
    """Whether writes now are durable. A capability beside the store's own."""

    async def check(self) -> None:
        """Try whether the store can be written, if it could not be before, and record the generation for the next start; to
        be called about once a second. Raises Unavailable with the reason if it cannot."""
        ...


class Preparation(Protocol):
    """Work that need not wait until a transaction. A capability beside the store's own."""

    async def prepare(self, command: Command) -> Command:
        """Do work that would make the transaction of a command long; returns the command to write in its place. Changes
        nothing that can be read. The returned command has the effect and the outcome that the command has now, or those that
        it has when it is written, if nothing of its user is written in between. It may be refused and cancelled like reads
        of feeds."""
        ...


class PreferencesViews(Protocol):
    """Notification types, users' preferences, and the facts behind notifications. A capability beside the store's own."""

    @property
    def rules(self) -> Rules:
        """The current types of notifications."""
        ...

    async def preferences(self, user: str) -> Preferences:
        """A user's preferences; the defaults for a user without any."""
        ...

    async def muted(self, user: str, limit: int | None = None, after: str | None = None) -> list[str]:
        """The topics that a user muted, by name, beginning after ``after``: the first ``limit``, or (None) all."""
        ...

    async def blocked(self, user: str, limit: int, after: str | None = None) -> list[str]:
        """The users whom a user blocked, in the same form; not those who blocked the user."""
        ...

    async def explain_facts(self, user: str, event_id: str) -> RecipientFacts | None:
        """The current facts about one event and one user; None without such an event."""
        ...


class EndpointViews(Protocol):
    """The endpoints of users: their addresses on channels. A capability beside the store's own."""

    async def endpoints(self, user: str) -> list[Endpoint]:
        """The endpoints of a user, oldest first."""
        ...


class DeliveryQueue(Protocol):
    """Reminders and deliveries. A capability beside the store's own.

    Each new item of an inbox enqueues a delivery to every endpoint of its user on a channel of its type's rule that is
    confirmed and not disabled, in the same transaction; no other one while one about the same group is queued for the same
    endpoint, and none on a channel that the server is not set up for. Queued deliveries of an endpoint stay when it is
    disabled. Mutes apply when a delivery is read: one whose newest event belongs to a muted topic is ``muted``. While
    ``work`` still has to remove a blocked actor from a group, no delivery of this group is due; the others do not wait.
    """

    async def reminders(
        self,
        due_by: int | None,
        limit: int,
        after: tuple[int, str] | None = None,
        max_bytes: int = sys.maxsize,
    ) -> list[Reminder]:
        """The next reminders, soonest first, those of one time by key: those due by a time, or (None) all; beginning after a
        (time, key). As many as their sizes (``Reminder.size``) fit into ``max_bytes``, and at least one."""
        ...

    async def reminder(self, key: str) -> Reminder | None:
        """One reminder."""
        ...

    async def deliveries(
        self, due_by: int, limit: int, ids: tuple[int, ...] | None = None, without: tuple[str, ...] = ()
    ) -> list[Delivery]:
        """Deliveries due by a time that are no dead letters, by priority and then longest due first, with a share of the
        page for each (``fill_page``); only those of ``ids``, if given, and none to the endpoints ``without``."""
        ...

    async def next_due(self) -> int | None:
        """The time at which the next reminder or delivery is due, in milliseconds; None without any."""
        ...

    async def backlog(self) -> Backlog:
        """The number of pending fan-out jobs and of dead letters."""
        ...

    async def count_active_broadcasts(self) -> int:
        """The number of active broadcasts: neither expired nor retracted."""
        ...


class UnsentDeliveries(Protocol):
    """The deliveries that were not sent, for operators, and a bound of their delays. A capability beside the store's own."""

    async def unsent_deliveries(
        self, endpoint: str | None, limit: int, before: DeliveryPlace | None = None
    ) -> list[QueuedDelivery] | None:
        """A page of the queued deliveries and dead letters to an endpoint, in descending order of their places, from below
        one on: the newest notification first. None without such an endpoint. Of all endpoints (None): the newest delivery
        first, below the id in the place."""
        ...

    async def unsent_delivery(self, id: int) -> QueuedDelivery | None:
        """One of them."""
        ...


class Snoozing(Protocol):
    """Snoozes of notifications. A capability beside the store's own.

    SnoozeNotifications takes notifications out of the inbox or the archive, and out of the counts; of one that is snoozed
    it changes the time. Marking one archived ends its snooze for good. ReturnSnoozed for those of its notifications that
    are due, and UNSNOOZED, give one back: with the next seq it becomes unread and unseen, and it is the newest of the inbox
    (``order``). No item joins it before or after. A tombstone is neither snoozed nor pinned; each of these changes takes a
    seq. SnoozeNotifications replaces the queued deliveries of a notification by new ones, of its type, that are held until
    its end; ReturnSnoozed makes them due. READ, ARCHIVED, UNSNOOZED and an action on a snoozed one delete them.
    """

    async def snoozed(self, due_by: int, limit: int) -> list[Snooze]:
        """The snoozes that end by a time (milliseconds), soonest first."""
        ...


class Erasing(Protocol):
    """Erasures that take longer than one transaction. A capability beside the store's own.

    From the transaction of an EraseUser on no look-up finds the user by their name, and no response has it, except in texts
    and metadata of publishers. The user's data is removed from the store then, or by later ``work``: their inbox and feed,
    follows of them and by them, the name in the text of their events, and the seqs that the notifications of others take. A
    crash between two steps loses and duplicates nothing. A user who takes the name meanwhile is another user, and keeps
    their data.
    """

    @property
    def erasures(self) -> Erasures:
        """What goes on, what has ended by later ``work``, which may have changed notifications of others, and how many have
        begun: who reads that number before an inbox, and gives it to MaterializeBroadcasts, writes no name that was erased
        after it. A repeated EraseUser of a name that was set aside puts it back in line."""
        ...


class Backfills(Protocol):
    """Feeds and inboxes that are built from stored events. A capability beside the store's own.

    A Backfill has each follow that stands cover the events of its topic from its time on, as if its backfill had reached so
    far: with them the feed has the events that a follow brings, each once. With ``notify`` each event of the feed from that
    time on arrives in the inbox too, the oldest first, if the rule of its type notifies the user now: as a target, or as a
    follower of one of its topics. It arrives read and without a delivery, in a notification of its own. Events that are in
    the inbox do not; nor broadcasts, events published without notifying, those that a mute or a block hides, and types that
    the user does not want. A dry run changes nothing, and counts the same.

    A large backfill is continued by later ``work``, which other writes do not wait for; a crash between two steps loses and
    duplicates nothing, and a repeated Backfill adds and counts nothing. ``created`` counts the items that feeds gained, of
    which none is hidden, and ``notified`` those of inboxes.
    """

    async def backfill(self, id: int) -> BackfillJob | None:
        """A backfill by its id, the ``updated`` of its outcome; None if there is none, or many have begun since it ended."""
        ...


class UserMerges(Protocol):
    """Merges of users. A capability beside the store's own.

    MergeUsers adds what the store has of a user to another one: follows, mutes, blocks, the feed with its read state, the
    inbox, preferences, endpoints, deliveries and recipients of reminders. Each notification arrives in the other inbox with
    a seq for each of its items, in the order of the list, keeps its state, and is closed; of an event that both inboxes have
    the destination's stays. It is in exactly one inbox at any time. Settings and marks of the destination are kept, and its
    limits on mutes and blocks hold. Events keep their actor. The user is empty then, and clients of the inbox start again;
    what addresses the user later is a new user's.

    A large merge is continued by later ``work``, which other writes do not wait for; a crash between two steps loses and
    duplicates nothing, and a repeated MergeUsers moves what came since. Two merges under way never have the same source, and
    the destination of neither is the source of the other: the later one is refused.
    """

    async def user_merge(self, id: int) -> UserMerge | None:
        """The merges of two users by their id, the ``updated`` of the outcome (0: the user is unknown or the same, and
        nothing was merged); None if there is none, or many have begun since."""
        ...


class Store(
    EventLog,
    FeedViews,
    FeedGroups,
    InboxViews,
    Graph,
    Maintenance,
    FanOutProgress,
    Health,
    Preparation,
    PreferencesViews,
    DisplayNames,
    EndpointViews,
    DeliveryQueue,
    UnsentDeliveries,
    Snoozing,
    Erasing,
    Backfills,
    UserMerges,
    EventCounts,
    Protocol,
):
    """A complete back-end: the methods of these ports, and the commands that ``write`` applies."""
