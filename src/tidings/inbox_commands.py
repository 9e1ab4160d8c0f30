"""The commands that change the state of notifications, and the snoozes that they set."""

from enum import IntEnum
from typing import Literal, NamedTuple

import msgspec

from tidings.actions import ActedBy


class NotificationState(IntEnum):
    """The state to set on a notification. READ implies SEEN, so UNSEEN implies UNREAD; ARCHIVED implies neither, but the
    notification is no longer listed or counted; UNARCHIVED restores it unchanged. UNSNOOZED ends a snooze at once."""

    READ = 1
    UNREAD = 2
    SEEN = 3
    ARCHIVED = 4
    UNSEEN = 5
    UNARCHIVED = 6
    UNSNOOZED = 7
    PINNED = 8
    UNPINNED = 9


class SetNotificationState(msgspec.Struct, frozen=True):
    """Set the state of these notifications of this user; ids of other users' notifications are ignored."""

    user: str
    ids: tuple[str, ...]
    state: NotificationState


class SnoozeNotifications(msgspec.Struct, frozen=True):
    """Take these notifications out of the inbox, or of the archive, until a time (milliseconds); ids as above."""

    user: str
    ids: tuple[str, ...]
    until: int


class ReturnSnoozed(msgspec.Struct, frozen=True):
    """End the snoozes of these notifications that last until ``due_by`` (milliseconds) at most."""

    user: str
    ids: tuple[str, ...]
    due_by: int


class RecordAction(msgspec.Struct, frozen=True):
    """Record that an action was taken on a notification: it is read then, and not snoozed any more. Without effect if one
    was taken before, or if its newest event is not ``event_id``: then it has other actions."""

    user: str
    id: str
    event_id: str
    action_id: str
    by: ActedBy

    @property
    def ids(self) -> tuple[str, ...]:
        """The notification, as other commands name theirs."""
        return (self.id,)


NotificationCommand = SetNotificationState | SnoozeNotifications | ReturnSnoozed | RecordAction
"""The commands that change single notifications."""


DeliveryEffect = Literal["defer", "drop", "release"]
"""The effect of a command on the deliveries of a notification that is snoozed, or becomes so: they wait for the end of the
snooze, are dropped, or are due."""


def effect_on_deliveries(command: NotificationCommand, snoozed: bool) -> DeliveryEffect | None:
    """The effect of a command on the deliveries of a notification, which is ``snoozed`` before it or not. A user who marks
    it read or archived, acts on it or brings it back knows of it: nothing is sent of it any more."""
    if isinstance(command, SnoozeNotifications):
        return "defer"
    if not snoozed:
        return None
    if isinstance(command, ReturnSnoozed):
        return "release"
    known = (NotificationState.READ, NotificationState.ARCHIVED, NotificationState.UNSNOOZED)
    return "drop" if isinstance(command, RecordAction) or command.state in known else None


class MarkAllNotificationsRead(msgspec.Struct, frozen=True):
    """Mark read all notifications that became unread up to seq ``up_to`` (None: now), optionally of one type only."""

    user: str
    up_to: int | None = None
    type: str | None = None


class MarkAllNotificationsSeen(msgspec.Struct, frozen=True):
    """Mark seen all notifications that became unread up to seq ``up_to`` (None: now). They stay unread."""

    user: str
    up_to: int | None = None


class UndoMarkAllRead(msgspec.Struct, frozen=True):
    """Undo the read-all that took seq ``seq``: notifications that it alone marked read are unread again."""

    user: str
    seq: int


class Snooze(NamedTuple):
    """A notification that is snoozed until a time, in milliseconds."""

    user: str
    id: str
    until: int
