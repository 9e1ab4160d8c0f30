"""The work of one transaction, which ends early if others would wait too long for it: the handler of each command."""

from collections.abc import Collection, Sequence
from itertools import groupby

from tidings.backfills import Backfill
from tidings.display_names import SetDisplayName
from tidings.endpoint_commands import BoundDeliveries, ResendDelivery, Unsubscribe
from tidings.errors import KeyReused
from tidings.inbox_commands import (
    MarkAllNotificationsRead,
    MarkAllNotificationsSeen,
    ReturnSnoozed,
    SetNotificationState,
    SnoozeNotifications,
    UndoMarkAllRead,
)
from tidings.model import (
    ActOnNotification,
    CancelReminder,
    Command,
    EraseUser,
    FireReminder,
    Follow,
    MarkFeedRead,
    MarkFeedUnread,
    MaterializeBroadcasts,
    Outcome,
    Publish,
    RebuildFeeds,
    RecordDeliveryResults,
    Retract,
    RetryDeadLetters,
    SetBlock,
    SetMute,
    SetNotificationType,
    SetPreferences,
    SetReminder,
    UndoMarkFeedRead,
    Unfollow,
)
from tidings.storage.sqlite import (
    backfills,
    broadcast_delivery,
    deliveries,
    display_names,
    endpoints,
    erasure,
    fanout_queue,
    feed_read_state,
    graph,
    notification_state,
    preferences,
    publish,
    reminders,
    retract,
    unsent_deliveries,
    user_merges,
)
from tidings.storage.sqlite.read_snapshot import ReadSnapshot
from tidings.storage.sqlite.write_session import WriteSession
from tidings.user_merges import MergeUsers

LONGEST_S = 0.05
"""Seconds of a transaction after which it takes no more commands: events published meanwhile wait as long. Publishing itself
does not count, because its transactions are bounded by their events, and more commits would only slow it down."""

_Personal = (
    SetPreferences
    | SetDisplayName
    | Unsubscribe
    | endpoints.EndpointCommand
    | SetReminder
    | CancelReminder
    | FireReminder
    | RecordDeliveryResults
    | ResendDelivery
    | BoundDeliveries
    | MaterializeBroadcasts
    | Publish
)
"""The commands about what one user is notified of, and when."""


def apply(
    w: WriteSession,
    r: ReadSnapshot,
    commands: Sequence[Command],
    ends: Collection[int],
) -> list[Outcome | KeyReused]:
    """Apply the commands in order, or as many of them as fit; ``ends``: the numbers of commands after which it may stop."""
    outcomes: list[Outcome | KeyReused] = []
    spent = 0.0
    for kind, group in groupby(commands, type):
        if kind is Publish:
            outcomes.extend(publish.publish(w, [c for c in group if isinstance(c, Publish)]))
            continue
        began = w.clock.monotonic()
        for command in group:
            outcomes.append(change(w, r, command))
            if len(outcomes) in ends and spent + w.clock.monotonic() - began >= LONGEST_S:
                return outcomes
        spent += w.clock.monotonic() - began
    return outcomes


def change(w: WriteSession, r: ReadSnapshot, command: Command) -> Outcome | KeyReused:
    """Apply one command that is not a Publish."""
    match command:
        case Follow():
            return graph.follow(w, command)
        case Unfollow():
            return graph.unfollow(w, command)
        case SetMute() | SetBlock():
            return graph.mask(w, r, command)
        case MarkFeedRead() | MarkFeedUnread() | UndoMarkFeedRead():
            return feed_read_state.mark(w, r, command)
        case SetNotificationState() | SnoozeNotifications() | ReturnSnoozed():
            return notification_state.mark_inbox(w, r, command)
        case ActOnNotification():
            return notification_state.act(w, r, command)
        case MarkAllNotificationsRead():
            return notification_state.read_inbox(w, r, command)
        case MarkAllNotificationsSeen():
            return notification_state.see_inbox(w, r, command)
        case UndoMarkAllRead():
            return notification_state.undo_read(w, r, command)
        case SetNotificationType():
            return preferences.declare(w, command)
        case Retract():
            return retract.retract(w, r, command)
        case EraseUser():
            return erasure.erase(w, r, command)
        case Backfill():
            return backfills.begin(w, r, command)
        case MergeUsers():
            return user_merges.begin(w, r, command)
        case RebuildFeeds():
            return fanout_queue.rebuild_feeds(w)
        case RetryDeadLetters():
            return fanout_queue.replay(w)
        case _:
            return _change_personal(w, r, command)


def _change_personal(w: WriteSession, r: ReadSnapshot, command: _Personal) -> Outcome | KeyReused:
    match command:
        case SetPreferences():
            return preferences.prefer(w, r, command)
        case SetDisplayName():
            return display_names.set_name(w, command)
        case Unsubscribe():
            return preferences.unsubscribe(w, r, command)
        case SetReminder():
            return reminders.set_reminder(w, command)
        case CancelReminder():
            return reminders.cancel(w, command)
        case FireReminder():
            return reminders.fire(w, command)
        case RecordDeliveryResults():
            return deliveries.settle(w, command)
        case BoundDeliveries():
            return deliveries.bound(w, command.latest)
        case ResendDelivery():
            return unsent_deliveries.resend(w, command)
        case MaterializeBroadcasts():
            return broadcast_delivery.materialize_broadcasts(w, r, command)
        case Publish():
            raise TypeError("published in runs, by publish")
        case _:
            return endpoints.apply(w, command)
