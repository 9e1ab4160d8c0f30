"""The effects of a committed transaction on trends, streams, fan-out jobs and deliveries, as data."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from tidings.backfills import Backfill
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
    ActionResult,
    ActOnNotification,
    Command,
    CommandResult,
    EraseUser,
    FireReminder,
    InboxUpdateResult,
    LogEntry,
    MarkFeedRead,
    MarkFeedUnread,
    MaterializeBroadcasts,
    NewEvent,
    Outcome,
    Publish,
    Published,
    Retract,
    SetBlock,
    UndoMarkFeedRead,
    split_topic,
)
from tidings.user_merges import MergeUsers
from tidings.visibility import Visibility


@dataclass(slots=True)
class CommitEffects:
    """The effects of one transaction.

    ``added``: the events that are new in the log, in its order, the last of them at ``position``; ``retracted``: those that
    left it. ``public_position``: the last one of a public event, of the retraction of one, or of an erasure; 0 without
    any. ``erased``: users who were erased, ``merged``: those who were merged into others. ``inboxes``: users whose inboxes
    changed by a command; those of the added events' recipients are not among them. ``all_inboxes``: any inbox may have
    changed. ``feeds``: feeds changed otherwise than by an added event. ``jobs``: fan-out jobs or deliveries may wait to be
    done.
    """

    added: list[NewEvent] = field(default_factory=list)
    position: int = 0
    public_position: int = 0
    retracted: list[LogEntry] = field(default_factory=list)
    erased: list[str] = field(default_factory=list)
    merged: list[str] = field(default_factory=list)
    inboxes: set[str] = field(default_factory=set)
    all_inboxes: bool = False
    feeds: bool = False
    jobs: bool = False


def effects_of(commands: Sequence[Command], outcomes: Sequence[Outcome | KeyReused]) -> CommitEffects:
    """The effects of the commands of one transaction, each with its outcome. A refused one has none."""
    effects = CommitEffects()
    for command, outcome in zip(commands, outcomes, strict=True):
        if not isinstance(outcome, KeyReused):
            _include(effects, command, outcome)
    return effects


def _include(effects: CommitEffects, command: Command, outcome: Outcome) -> None:
    match command:
        case Publish() | FireReminder():
            assert isinstance(outcome, Published)
            _include_published(effects, command, outcome)
        case ActOnNotification():
            assert isinstance(outcome, ActionResult)
            effects.inboxes.add(command.record.user)
            effects.feeds |= outcome.marked.feed
            if command.event is not None and outcome.published is not None:
                _include_published(effects, Publish((command.event,)), outcome.published)
        case (
            SetNotificationState()
            | SnoozeNotifications()
            | ReturnSnoozed()
            | MarkAllNotificationsRead()
            | MarkAllNotificationsSeen()
            | UndoMarkAllRead()
        ):
            assert isinstance(outcome, InboxUpdateResult)
            effects.inboxes.add(command.user)
            effects.feeds |= outcome.feed
        case MaterializeBroadcasts():
            effects.inboxes.update(command.users)
        case MarkFeedRead() | MarkFeedUnread() | UndoMarkFeedRead():
            assert isinstance(outcome, CommandResult)
            effects.feeds |= outcome.marked > 0
            if outcome.inbox:
                effects.inboxes.add(command.user)
        case Backfill():
            effects.all_inboxes |= command.notify and not command.dry_run
            effects.jobs = True
        case MergeUsers():
            assert isinstance(outcome, CommandResult)
            if outcome.updated:
                effects.merged.append(command.user)
                effects.inboxes.update((command.user, command.into))
                effects.feeds = effects.jobs = True
        case EraseUser():
            assert isinstance(outcome, CommandResult)
            effects.feeds |= outcome.marked > 0
            effects.public_position = max(effects.public_position, outcome.marked)
            effects.erased.append(command.user)
            effects.inboxes.add(command.user)
            effects.all_inboxes = effects.jobs = True  # notifications of others named the user
        case Retract():
            assert isinstance(outcome, CommandResult)
            effects.jobs = True
            if outcome.gone is not None:
                effects.feeds = True
                effects.inboxes.update(outcome.gone.targets)
                effects.retracted.append(outcome.gone)
                if outcome.gone.visibility == Visibility.PUBLIC:
                    effects.public_position = outcome.position
        case SetBlock():
            effects.jobs = True
            effects.inboxes.update((command.user, split_topic(command.topic)[1]))
        case _:
            effects.jobs = True


def _include_published(effects: CommitEffects, command: Publish | FireReminder, outcome: Published) -> None:
    effects.jobs |= bool(outcome.pending)
    effects.position = max([effects.position, *[receipt.position for receipt in outcome.receipts]])
    added = _added(command, outcome)
    effects.added += [event for event, _ in added]
    public = Visibility.PUBLIC
    positions = [at for event, at in added if event.visibility == public]
    effects.public_position = max([effects.public_position, *positions])


def _added(command: Publish | FireReminder, outcome: Published) -> list[tuple[NewEvent, int]]:
    """The events that a command really added, with their positions: none of a reminder that is not due any more, no
    repetitions."""
    events = command.events if isinstance(command, Publish) else (command.event,)
    both = zip(events, outcome.receipts, strict=False)
    return [(event, made.position) for i, (event, made) in enumerate(both) if i not in outcome.repeats]
