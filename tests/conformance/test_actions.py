"""Actions that are taken on notifications: ``tidings.ports.InboxViews``, ``ActOnNotification``."""

from typing import NamedTuple

import pytest

from tests.harness import Harness
from tidings.actions import Acted
from tidings.inbox_commands import (
    NotificationState,
    RecordAction,
    ReturnSnoozed,
    SetNotificationState,
    SnoozeNotifications,
)
from tidings.model import ActionResult, ActOnNotification, EraseUser, NewEvent, Published, Retract
from tidings.notify_mode import NotifyMode
from tidings.testing import START_MS, event
from tidings.timeutil import HOUR_MS

UNTIL = START_MS + HOUR_MS
ACCEPTED = Acted("accept", START_MS, "user")


class Asked(NamedTuple):
    """A notification with actions, and its event."""

    id: str
    event_id: str


def ask(store: Harness, actor: str = "ann", obj: str = "request:1") -> Asked:
    """Publish an event with two actions for bob."""
    (event_id,) = store.publish(event(actor, "request", obj, targets=("bob",), actions=("accept", "decline")))
    return Asked(store.rows("bob")[0].id, event_id)


def act(
    store: Harness, asked: Asked, action: str = "accept", user: str = "bob", said: NewEvent | None = None
) -> ActionResult:
    """Take an action."""
    (outcome,) = store.write(
        ActOnNotification(RecordAction(user, asked.id, asked.event_id, action, "user"), said)
    )
    assert isinstance(outcome, ActionResult)
    store.check_inbox("bob")
    return outcome


def test_an_action_is_recorded_and_marks_read(store: Harness) -> None:
    """With one seq, so that every device learns of it."""
    asked = ask(store)
    assert act(store, asked) == ((1, 0, 2, 1, 0, 0, False), None)
    (row,) = store.changes("bob", 1).rows
    assert (row.seq, row.seen_at, row.read_at, row.acted) == (2, START_MS, START_MS, ACCEPTED)
    assert [row.id for row in store.rows("bob")] == [asked.id]


def test_one_action_is_taken_for_ever(store: Harness) -> None:
    """The same again, another one, and one after it is unread again take no seq and change nothing."""
    asked = ask(store)
    act(store, asked)
    store.clock.advance(HOUR_MS)
    for action in ("accept", "decline"):
        assert act(store, asked, action, said=event("bob", "again")) == ((0, 0, 2, 1, 0, 0, False), None)
    store.write(SetNotificationState("bob", (asked.id,), NotificationState.UNREAD))
    assert act(store, asked, "decline").marked.updated == 0
    row = store.row("bob", asked.id)
    assert (row.seq, row.read_at, row.acted) == (3, None, ACCEPTED)


def test_a_read_one_keeps_its_time(store: Harness) -> None:
    """Also what was read long ago can be acted on."""
    asked = ask(store)
    store.write(SetNotificationState("bob", (asked.id,), NotificationState.READ))
    store.clock.advance(HOUR_MS)
    assert act(store, asked).marked[:3] == (1, 0, 3)
    row = store.row("bob", asked.id)
    assert (row.read_at, row.acted) == (START_MS, Acted("accept", UNTIL, "user"))


def test_an_event_is_published_with_the_first_record_alone(store: Harness) -> None:
    """In the same transaction, as any other event: its targets are notified."""
    asked = ask(store)
    said = event("bob", "accepted", "request:1", targets=("ann",))
    outcome = act(store, asked, said=said)
    assert isinstance(outcome.published, Published)
    assert act(store, asked, said=said).published is None
    (row,) = store.rows("ann")
    assert (row.type, row.event_ids) == ("accepted", (outcome.published.receipts[0].event_id,))
    assert store.run(store.store.head()).position == 2


@pytest.mark.parametrize("wrong", ["user", "event", "tombstone", "unknown"])
def test_nothing_happens_to_other_notifications(store: Harness, wrong: str) -> None:
    """Of another user, with another newest event, without events, or that never existed."""
    asked = ask(store)
    other = ask(store, obj="request:2")
    if wrong == "tombstone":
        store.write(Retract(asked.event_id))
    given = {
        "user": (asked, "eve"),
        "event": (Asked(asked.id, other.event_id), "bob"),
        "tombstone": (asked, "bob"),
        "unknown": (Asked("n0-0", asked.event_id), "bob"),
    }
    seq = store.counts("bob").seq
    outcome = act(store, given[wrong][0], user=given[wrong][1], said=event("bob", "accepted"))
    assert (outcome.marked.updated, outcome.published) == (0, None)
    assert outcome.marked.found == (wrong in ("event", "tombstone"))
    assert store.counts("bob").seq == seq


def test_archived_and_pinned_stay_so_and_a_snooze_ends(store: Harness) -> None:
    """What was acted on does not return unread."""
    asked = ask(store)
    store.write(
        SetNotificationState("bob", (asked.id,), NotificationState.PINNED),
        SetNotificationState("bob", (asked.id,), NotificationState.ARCHIVED),
    )
    act(store, asked)
    row = store.row("bob", asked.id)
    assert (row.archived_at, row.pinned_at, row.acted) == (START_MS, START_MS, ACCEPTED)
    snoozed = ask(store, obj="request:2")
    store.write(SnoozeNotifications("bob", (snoozed.id,), UNTIL))
    assert act(store, snoozed).marked.unread_count == 0
    assert store.run(store.store.snoozed(UNTIL, 10)) == []
    assert [row.id for row in store.rows("bob")] == [snoozed.id]


def test_what_is_snoozed_after_it_returns_with_its_action(store: Harness) -> None:
    """Unread, and no other action can be taken."""
    asked = ask(store)
    act(store, asked)
    store.write(SnoozeNotifications("bob", (asked.id,), UNTIL), ReturnSnoozed("bob", (asked.id,), UNTIL))
    (row,) = store.rows("bob")
    assert (row.read_at, row.acted) == (None, ACCEPTED)
    assert act(store, asked, "decline").marked.updated == 0


def test_events_with_actions_do_not_group(store: Harness) -> None:
    """An action names one event, so none may come between what the user saw and the action."""
    ask(store, "ann")
    ask(store, "ben")
    store.publish(event("cid", "request", "request:1", targets=("bob",)))
    store.publish(event("dan", "request", "request:1", targets=("bob",)))
    assert [row.size for row in store.rows("bob")] == [2, 1, 1]


def test_a_group_is_acted_on_by_its_newest_event(store: Harness) -> None:
    """Of a type with actions; nothing joins it after that."""
    older, newer = store.publish(*(event(actor, "like", targets=("bob",)) for actor in ("ann", "ben")))
    (row,) = store.rows("bob")
    assert act(store, Asked(row.id, older)).marked.updated == 0
    assert act(store, Asked(row.id, newer)).marked[:3] == (1, 0, 3)
    store.publish(event("cid", "like", targets=("bob",)))
    assert [row.size for row in store.rows("bob")] == [1, 2]
    store.write(Retract(newer))
    assert [row.acted for row in store.rows("bob")] == [None, ACCEPTED]


def test_what_returned_or_lost_its_newest_event_is_acted_on_by_what_it_shows(store: Harness) -> None:
    """The fault: it was refused for ever in memory, as if another event had just joined the notification."""
    returned = ask(store)
    store.write(SnoozeNotifications("bob", (returned.id,), UNTIL))
    store.clock.advance(HOUR_MS)
    store.write(ReturnSnoozed("bob", (returned.id,), UNTIL))
    assert act(store, returned).marked.updated == 1
    kept, lost = store.publish(*(event(f"u{n}", "like", "item:1", targets=("bob",)) for n in range(2)))
    group = store.rows("bob")[0]
    assert tuple(group.event_ids) == (lost, kept)
    store.write(Retract(lost))
    assert act(store, Asked(group.id, kept)).marked.updated == 1


def test_a_tombstone_and_an_erased_inbox_have_no_action(store: Harness) -> None:
    """An export has it; who returns under the name finds nothing."""
    asked = ask(store)
    act(store, asked)
    (record,) = [line for line in store.export("bob") if line["kind"] == "notification"]
    assert record["acted"] == {"action_id": "accept", "at": "2023-11-14T22:13:20.000Z", "by": "user"}
    store.write(Retract(asked.event_id))
    assert store.row("bob", asked.id).acted is None
    other = ask(store)
    act(store, other)
    store.write(EraseUser("bob"))
    assert ask(store).id != other.id
    assert [row.acted for row in store.rows("bob")] == [None]


def test_an_old_event_with_actions_arrives_read(store: Harness) -> None:
    """Its actions can be taken."""
    (event_id,) = store.publish(
        event("ann", "request", targets=("bob",), actions=("accept",), notify=NotifyMode.READ)
    )
    (row,) = store.rows("bob")
    assert row.read_at is not None
    assert act(store, Asked(row.id, event_id)).marked[:3] == (1, 0, 2)
