"""Snoozes and pins: ``tidings.ports.Snoozing``."""

import pytest

from tests.harness import Harness, singles
from tidings.endpoint_commands import AddEndpoint
from tidings.inbox_commands import (
    MarkAllNotificationsRead,
    MarkAllNotificationsSeen,
    NotificationState,
    ReturnSnoozed,
    SetNotificationState,
    Snooze,
    SnoozeNotifications,
)
from tidings.model import EraseUser, InboxCounters, InboxFilter, Retract, SetNotificationType
from tidings.personal_data import Endpoint
from tidings.rules import Rule
from tidings.testing import START_MS, event
from tidings.timeutil import HOUR_MS

UNTIL = START_MS + HOUR_MS
READ, ARCHIVED, UNARCHIVED, UNSNOOZED, PINNED, UNPINNED, UNREAD = (
    NotificationState.READ,
    NotificationState.ARCHIVED,
    NotificationState.UNARCHIVED,
    NotificationState.UNSNOOZED,
    NotificationState.PINNED,
    NotificationState.UNPINNED,
    NotificationState.UNREAD,
)


def snooze(store: Harness, *ids: str, until: int = UNTIL) -> None:
    """Snooze notifications of bob."""
    store.write(SnoozeNotifications("bob", ids, until))


def listed(store: Harness, state: InboxFilter = "inbox") -> list[str]:
    """The types in a list of bob's, newest first; the counts are those of the rows."""
    store.check_inbox("bob")
    return [row.type for row in store.run(store.store.inbox("bob", 100, None, state=state)).rows]


def due(store: Harness, by: int = UNTIL) -> list[Snooze]:
    """The snoozes that end by a time."""
    return store.run(store.store.snoozed(by, 100))


def test_a_snoozed_notification_leaves_the_inbox_and_returns_as_the_newest(store: Harness) -> None:
    """Unread and unseen at a new seq, whatever it was before; a client that asks for changes has it."""
    _, b, a = store.tell("bob", "a", "b", "c")
    store.write(SetNotificationState("bob", (a,), READ))
    assert store.marked(SnoozeNotifications("bob", (a, b), UNTIL)) == (2, 1, 6, 2, 1, 1, False)
    assert (listed(store), listed(store, "snoozed"), listed(store, "all")) == (
        ["c"],
        ["b", "a"],
        ["c", "b", "a"],
    )
    assert due(store, UNTIL - 1) == []
    assert sorted(due(store)) == sorted([Snooze("bob", a, UNTIL), Snooze("bob", b, UNTIL)])
    assert store.row("bob", a).snoozed_until == UNTIL
    store.clock.advance(HOUR_MS)
    assert store.marked(ReturnSnoozed("bob", (a,), UNTIL)) == (1, 2, 7, 1, 2, 2, False)
    assert (listed(store), listed(store, "snoozed")) == (["a", "c"], ["b"])
    (row,) = store.changes("bob", 6).rows
    assert (row.id, row.order, row.seq, row.unread_seq) == (a, 7, 7, 7)
    assert (row.seen_at, row.read_at, row.snoozed_until) == (None, None, None)
    assert due(store) == [Snooze("bob", b, UNTIL)]


def test_a_snooze_ends_only_when_it_is_due(store: Harness) -> None:
    """The time may have been changed since it was found due; that changes one seq."""
    (a,) = store.tell("bob", "a")
    snooze(store, a)
    assert store.marked(SnoozeNotifications("bob", (a,), UNTIL))[:3] == (0, 0, 2)
    assert store.marked(SnoozeNotifications("bob", (a,), UNTIL + 1))[:3] == (1, 0, 3)
    assert store.marked(ReturnSnoozed("bob", (a,), UNTIL))[:3] == (0, 0, 3)
    assert due(store, UNTIL + 1) == [Snooze("bob", a, UNTIL + 1)]
    assert store.marked(ReturnSnoozed("bob", (a,), UNTIL + 1))[:3] == (1, 1, 4)
    assert store.marked(ReturnSnoozed("bob", (a,), UNTIL + 1))[:3] == (0, 1, 4)


def test_a_snooze_is_ended_early_or_for_good(store: Harness) -> None:
    """UNSNOOZED gives it back now; marked archived it does not return. What is archived can be snoozed."""
    b, a = store.tell("bob", "a", "b")
    snooze(store, a, b)
    store.write(SetNotificationState("bob", (a,), UNSNOOZED), SetNotificationState("bob", (b,), ARCHIVED))
    assert (listed(store), listed(store, "archived"), due(store)) == (["a"], ["b"], [])
    snooze(store, b)
    assert (listed(store, "archived"), listed(store, "snoozed")) == ([], ["b"])
    store.write(SetNotificationState("bob", (b,), UNARCHIVED))
    assert listed(store) == ["a"]
    store.write(SetNotificationState("bob", (b,), UNSNOOZED))
    assert (listed(store), store.counts("bob").unread_count) == (["b", "a"], 2)
    assert store.marked(SetNotificationState("bob", (b,), UNSNOOZED)).updated == 0


@pytest.mark.parametrize("state", [READ, UNREAD, NotificationState.UNSEEN])
def test_states_of_a_snoozed_one_do_not_count(store: Harness, state: NotificationState) -> None:
    """It returns unread."""
    (a,) = store.tell("bob", "a")
    snooze(store, a)
    store.write(MarkAllNotificationsRead("bob"), MarkAllNotificationsSeen("bob"))
    store.write(SetNotificationState("bob", (a,), state))
    assert store.counts("bob").unread_count == store.counts("bob").unseen_count == 0
    assert listed(store) == []
    store.write(ReturnSnoozed("bob", (a,), UNTIL))
    assert (listed(store), store.counts("bob").unseen_count) == (["a"], 1)


def test_nothing_joins_a_group_that_was_snoozed(store: Harness) -> None:
    """Items that come meanwhile open another one; it returns with all its items, and loses retracted ones as before."""

    def like(*actors: str) -> list[str]:
        return store.publish(*(event(actor, "like", "item:1", targets=("bob",)) for actor in actors))

    first, _ = like("ann", "ben")
    (row,) = store.rows("bob")
    snooze(store, row.id)
    like("cid")
    store.write(ReturnSnoozed("bob", (row.id,), UNTIL))
    assert store.counts("bob") == InboxCounters(2, 5, unread_items=3, unseen_count=2)
    like("dan")
    assert [row.size for row in store.rows("bob")] == [2, 2]
    store.write(Retract(first))
    assert store.row("bob", row.id).size == 1
    store.check_inbox("bob")


def test_one_that_returned_can_do_what_any_can(store: Harness) -> None:
    """Read, snoozed again and given back again, retracted: it is found by its id."""
    (a,) = store.tell("bob", "a")
    snooze(store, a)
    store.write(ReturnSnoozed("bob", (a,), UNTIL))
    store.write(SetNotificationState("bob", (a,), READ))
    snooze(store, a, until=UNTIL + 1)
    store.write(ReturnSnoozed("bob", (a,), UNTIL + 1))
    assert store.counts("bob") == singles(1, 6)
    (row,) = store.rows("bob")
    assert (row.id, row.order, row.size, row.actor_count) == (a, 6, 1, 1)
    store.write(Retract(row.event_ids[0]))
    assert (listed(store, "all"), store.counts("bob").unread_count) == ([], 0)


def test_a_tombstone_and_an_erased_inbox_have_no_snoozes(store: Harness) -> None:
    """Nothing is due of them, so nothing wakes for them for ever."""
    b, a = store.tell("bob", "a", "b")
    snooze(store, a, b)
    store.write(Retract(store.row("bob", a).event_ids[0]))
    assert due(store) == [Snooze("bob", b, UNTIL)]
    store.write(EraseUser("bob"))
    assert due(store) == []


def test_ids_of_others_are_skipped(store: Harness) -> None:
    (a,) = store.tell("bob", "a")
    assert store.marked(SnoozeNotifications("eve", (a, "?"), UNTIL))[:4] == (0, 0, 0, 0)
    assert due(store) == []


# --- deliveries ---------------------------------------------------------------------------------------------------

MAIL = Endpoint("e1", "bob", "email", "bob@mail.test", created_at=START_MS)


def queued(store: Harness) -> list[tuple[str, str, int]]:
    """The endpoint, the state and the due time of each delivery of bob's."""
    found = store.run(store.store.unsent_deliveries(None, 99)) or []
    return [(one.endpoint_id, one.state, one.due_at) for one in found]


def test_a_snooze_holds_the_deliveries_of_its_return(store: Harness) -> None:
    """One for each usable endpoint on a channel of the type, whatever was sent before; a second snooze moves them."""
    hook = Endpoint("e2", "bob", "webhook", "https://hook.test/", "s", START_MS)
    unconfirmed = Endpoint("e3", "bob", "email", "other@mail.test", created_at=START_MS, confirmed=False)
    of_cy = Endpoint("e4", "cy", "email", "cy@mail.test", created_at=START_MS)
    push = Endpoint("e5", "bob", "web_push", "https://push.test", "s", START_MS)
    store.write(SetNotificationType("a", Rule(channels=("email", "webhook"))))
    (a,) = store.tell("bob", "a")
    store.write(*(AddEndpoint(one) for one in (MAIL, hook, unconfirmed, of_cy, push)))
    assert queued(store) == []
    snooze(store, a)
    assert sorted(queued(store)) == [("e1", "held", UNTIL), ("e2", "held", UNTIL)]
    snooze(store, a, until=UNTIL + 1)
    assert sorted(queued(store)) == [("e1", "held", UNTIL + 1), ("e2", "held", UNTIL + 1)]
    store.clock.ms = UNTIL + 1
    store.write(ReturnSnoozed("bob", (a,), UNTIL))
    assert sorted(queued(store))[0] == ("e1", "held", UNTIL + 1)
    store.write(ReturnSnoozed("bob", (a,), UNTIL + 1))
    assert sorted(queued(store)) == [("e1", "queued", UNTIL + 1), ("e2", "queued", UNTIL + 1)]


@pytest.mark.parametrize("state", [READ, ARCHIVED, UNSNOOZED, UNREAD, PINNED])
@pytest.mark.parametrize("before", [True, False], ids=["read before", "unread before"])
def test_a_user_who_knows_of_it_ends_them(store: Harness, state: NotificationState, before: bool) -> None:
    """Whether the state changes or not; other states leave them, and those of other notifications stay."""
    store.write(SetNotificationType("a", Rule(channels=("email",))), AddEndpoint(MAIL))
    b, a = store.tell("bob", "a", "a")
    if before:
        store.write(SetNotificationState("bob", (a,), READ))
    snooze(store, a)
    store.write(SetNotificationState("bob", (a,), state))
    others = [("e1", "queued", START_MS)]
    waits = state in (UNREAD, PINNED)
    assert sorted(queued(store)) == ([("e1", "held", UNTIL), *others] if waits else others)
    store.write(SetNotificationState("bob", (b,), READ))
    assert len(queued(store)) == 1 + waits


# --- pins ---------------------------------------------------------------------------------------------------------


def test_a_pin_is_a_state_of_its_own(store: Harness) -> None:
    """It takes a seq, changes no count and no order, and stays over reads, snoozes and new items."""
    _, a = store.tell("bob", "a", "b")
    assert store.marked(SetNotificationState("bob", (a,), PINNED)) == (1, 2, 3, 1, 2, 2, False)
    assert store.marked(SetNotificationState("bob", (a,), PINNED)).updated == 0
    assert (listed(store), listed(store, "pinned")) == (["b", "a"], ["a"])
    store.write(SetNotificationState("bob", (a,), READ))
    snooze(store, a)
    assert listed(store, "pinned") == []
    store.write(ReturnSnoozed("bob", (a,), UNTIL))
    assert listed(store, "pinned") == ["a"]
    store.write(SetNotificationState("bob", (a,), UNPINNED))
    assert (listed(store, "pinned"), store.row("bob", a).pinned_at) == ([], None)


def test_a_pinned_group_stays_pinned_when_an_item_joins(store: Harness) -> None:
    """The fault: the row of a joined group was written anew, without its pin."""
    store.publish(event("ann", "like", "item:1", targets=("bob",)))
    (row,) = store.rows("bob")
    store.write(SetNotificationState("bob", (row.id,), PINNED))
    store.publish(*(event(actor, "like", "item:1", targets=("bob",)) for actor in ("ben", "cid")))
    (now,) = store.rows("bob")
    assert (now.id, now.size, now.pinned_at) == (row.id, 3, START_MS)
    assert listed(store, "pinned") == ["like"]
