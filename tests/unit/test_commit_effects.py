"""What each command changes for trends, streams, jobs and deliveries once it is committed."""

import pytest

from tidings.commit_effects import CommitEffects, effects_of
from tidings.errors import KeyReused
from tidings.inbox_commands import (
    MarkAllNotificationsRead,
    NotificationState,
    RecordAction,
    ReturnSnoozed,
    SetNotificationState,
    SnoozeNotifications,
    UndoMarkAllRead,
)
from tidings.model import (
    ActionResult,
    ActOnNotification,
    CancelReminder,
    Command,
    CommandResult,
    EraseUser,
    FireReminder,
    Follow,
    InboxUpdateResult,
    LogEntry,
    MarkFeedRead,
    MarkFeedUnread,
    MaterializeBroadcasts,
    Outcome,
    Publish,
    Published,
    RebuildFeeds,
    Receipt,
    Retract,
    RetryDeadLetters,
    SetBlock,
    SetMute,
    UndoMarkFeedRead,
    Unfollow,
)
from tidings.personal_data import Reminder
from tidings.testing import event
from tidings.visibility import Visibility

NEW, OTHER = event("ada", targets=("bob",)), event("cy")
SECRET = event("cy", visibility=Visibility.RECIPIENTS)
GONE = LogEntry(4, 1, "ada", "post", "item", "1", b"{}", ("bob",), ())
FIRE = FireReminder(Reminder("key", 0, b"{}"), None, NEW)
SET = InboxUpdateResult(1, 0, 1)
TAKEN = RecordAction("bob", "n1", "e4", "accept", "user")
DONE, NOTHING = CommandResult(1), CommandResult(0)


def published(*positions: int, repeats: tuple[int, ...] = (), pending: range = range(0)) -> Published:
    """The outcome of a publish."""
    return Published(tuple(Receipt(f"e{at}", at, 0) for at in positions), repeats, pending)


CASES: list[tuple[Command, Outcome | KeyReused, CommitEffects]] = [
    (Publish((NEW, OTHER)), published(7, 8), CommitEffects([NEW, OTHER], 8, 8)),
    (Publish((NEW, SECRET)), published(7, 8), CommitEffects([NEW, SECRET], 8, 7)),
    (Publish((SECRET,)), published(8), CommitEffects([SECRET], 8, 0)),
    (Publish((NEW,)), published(7, pending=range(7, 8)), CommitEffects([NEW], 7, 7, jobs=True)),
    (Publish((NEW, OTHER)), published(3, 8, repeats=(0,)), CommitEffects([OTHER], 8, 8)),
    (Publish((NEW,)), KeyReused(0), CommitEffects()),
    (FIRE, published(7), CommitEffects(added=[NEW], position=7, public_position=7)),
    (FIRE, published(), CommitEffects()),  # it was set anew meanwhile
    (
        Retract("e4"),
        CommandResult(1, 9, GONE),
        CommitEffects(public_position=9, retracted=[GONE], inboxes={"bob"}, feeds=True, jobs=True),
    ),
    (
        Retract("e4"),
        CommandResult(1, 9, GONE._replace(visibility=Visibility.FOLLOWERS)),
        CommitEffects(
            retracted=[GONE._replace(visibility=Visibility.FOLLOWERS)],
            inboxes={"bob"},
            feeds=True,
            jobs=True,
        ),
    ),
    (Retract("e4"), NOTHING, CommitEffects(jobs=True)),
    (SetNotificationState("bob", ("n1",), NotificationState.READ), SET, CommitEffects(inboxes={"bob"})),
    (SnoozeNotifications("bob", ("n1",), 1), SET, CommitEffects(inboxes={"bob"})),
    (ReturnSnoozed("bob", ("n1",), 1), SET, CommitEffects(inboxes={"bob"})),
    (ActOnNotification(TAKEN), ActionResult(SET), CommitEffects(inboxes={"bob"})),
    (ActOnNotification(TAKEN, NEW), ActionResult(SET), CommitEffects(inboxes={"bob"})),  # not the first time
    (
        ActOnNotification(TAKEN, NEW),
        ActionResult(SET, published(7, pending=range(7, 8))),
        CommitEffects(added=[NEW], position=7, public_position=7, inboxes={"bob"}, jobs=True),
    ),
    (MarkAllNotificationsRead("bob"), SET, CommitEffects(inboxes={"bob"})),
    (UndoMarkAllRead("bob", 1), SET, CommitEffects(inboxes={"bob"})),
    (MaterializeBroadcasts(("ada", "bob")), DONE, CommitEffects(inboxes={"ada", "bob"})),
    (MarkFeedRead("bob"), CommandResult(1, marked=9), CommitEffects(feeds=True)),
    (MarkFeedRead("bob"), NOTHING, CommitEffects()),
    (MarkFeedUnread("bob", ("e4",)), CommandResult(1, marked=9), CommitEffects(feeds=True)),
    (UndoMarkFeedRead("bob", 9), NOTHING, CommitEffects()),
    (EraseUser("bob"), DONE, CommitEffects(erased=["bob"], inboxes={"bob"}, all_inboxes=True, jobs=True)),
    (SetBlock("ada", "user:bob"), DONE, CommitEffects(inboxes={"ada", "bob"}, jobs=True)),
    (SetMute("ada", "item:1"), DONE, CommitEffects(jobs=True)),
    (Follow("bob", "item:1"), DONE, CommitEffects(jobs=True)),
    (Unfollow("bob", "item:1"), DONE, CommitEffects(jobs=True)),
    (CancelReminder("key"), DONE, CommitEffects(jobs=True)),
    (RebuildFeeds(), DONE, CommitEffects(jobs=True)),
    (RetryDeadLetters(), DONE, CommitEffects(jobs=True)),
]


@pytest.mark.parametrize(("command", "outcome", "effects"), CASES, ids=lambda one: type(one).__name__)
def test_a_command_has_these_effects(
    command: Command, outcome: Outcome | KeyReused, effects: CommitEffects
) -> None:
    """Each kind of command, applied and refused."""
    assert effects_of([command], [outcome]) == effects


def test_the_effects_of_a_transaction_are_those_of_all_its_commands() -> None:
    """The position is that of the last event, in whatever order the commands have it."""
    commands: list[Command] = [Publish((OTHER,)), Publish((NEW,)), EraseUser("cy"), MarkFeedRead("bob")]
    outcomes: list[Outcome] = [published(8), published(7), DONE, CommandResult(1, marked=9)]
    assert effects_of(commands, outcomes) == CommitEffects(
        added=[OTHER, NEW],
        position=8,
        public_position=8,
        erased=["cy"],
        inboxes={"cy"},
        all_inboxes=True,
        feeds=True,
        jobs=True,
    )
