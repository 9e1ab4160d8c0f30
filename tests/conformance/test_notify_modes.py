"""How the notifications of an event arrive: as usual, read, or not at all."""

import pytest
from msgspec.structs import replace

from tests.harness import Harness, singles
from tidings.endpoint_commands import AddEndpoint
from tidings.inbox_commands import MarkAllNotificationsRead, NotificationState, SetNotificationState
from tidings.model import EVERYONE, Follow, MaterializeBroadcasts, Retract, SetNotificationType
from tidings.notify_mode import NotifyMode
from tidings.personal_data import Endpoint
from tidings.rules import Rule
from tidings.testing import START_MS, event

LIKE = ("alice", "like", "market:1")


def test_an_event_that_arrives_read_raises_no_count(store: Harness) -> None:
    """The item is in the inbox, takes a seq, is read and seen since it arrived; feeds have it as ever."""
    store.write(Follow("cy", "market:1"))
    (event_id,) = store.publish(event(*LIKE, targets=("bob",), notify=NotifyMode.READ))
    (row,) = store.rows("bob")
    assert (row.read_at, row.seen_at, row.unread_seq, row.seq) == (START_MS, START_MS, 1, 1)
    assert store.counts("bob") == singles(0, 1)
    assert [one.id for one in store.changes("bob", 0).rows] == [row.id]
    assert store.feed("bob") == store.feed("cy") == [event_id]
    store.check_inbox("bob")


def test_an_event_without_notifications_is_in_feeds_alone(store: Harness) -> None:
    """No inbox has a seq of it, however its recipients are found."""
    store.write(SetNotificationType("like", Rule(notify="both")), Follow("cy", "market:1"))
    (event_id,) = store.publish(event(*LIKE, targets=("bob",), notify=NotifyMode.NONE))
    assert store.counts("bob") == store.counts("cy") == singles(0, 0)
    assert store.feed("bob") == store.feed("cy") == [event_id]


def test_a_type_may_notify_nobody(store: Harness) -> None:
    """Neither targets nor followers, until it is declared otherwise."""
    store.write(SetNotificationType("like", Rule(notify="none")), Follow("cy", "market:1"))
    (event_id,) = store.publish(event(*LIKE, targets=("bob",)))
    assert store.counts("bob") == store.counts("cy") == singles(0, 0)
    assert store.feed("bob") == [event_id]
    store.write(SetNotificationType("like", None))
    store.publish(event(*LIKE, targets=("bob",)))
    assert store.counts("bob") == singles(1, 1)


def test_a_read_arrival_neither_joins_nor_opens_a_group(store: Harness) -> None:
    """The unread group keeps its items, and the next item joins that one."""
    like, old = (event(*LIKE, targets=("bob",), notify=mode) for mode in (NotifyMode.UNREAD, NotifyMode.READ))
    store.publish(like)
    store.publish(old, like, old)
    newest, group, first = store.rows("bob")
    assert (newest.size, group.size, first.size) == (1, 2, 1)
    assert (newest.order, group.order, first.order) == (4, 3, 2)
    assert group.read_at is None
    assert newest.read_at is not None
    assert first.read_at is not None
    counts = store.counts("bob")
    assert (counts.unread_count, counts.unread_items, counts.seq) == (1, 2, 4)
    store.check_inbox("bob")


def test_a_read_arrival_is_marked_like_any_notification(store: Harness) -> None:
    """Unread at a new seq; a read-all covers it then, and what arrives read afterwards leaves the counts alone."""
    old = event(*LIKE, targets=("bob",), notify=NotifyMode.READ)
    store.publish(old)
    (row,) = store.rows("bob")
    store.write(SetNotificationState("bob", (row.id,), NotificationState.UNREAD))
    assert store.counts("bob") == singles(1, 2, unseen=0)
    store.publish(old)
    assert store.counts("bob") == singles(1, 3, unseen=0)
    assert store.marked(MarkAllNotificationsRead("bob")).updated == 1
    store.check_inbox("bob")


def test_a_retracted_read_arrival_leaves_a_tombstone(store: Harness) -> None:
    """And the counts as they are."""
    (event_id,) = store.publish(event(*LIKE, targets=("bob",), notify=NotifyMode.READ))
    store.write(Retract(event_id))
    assert store.rows("bob") == []
    assert store.counts("bob") == singles(0, 2)
    store.check_inbox("bob")


@pytest.mark.parametrize("followers", [3, 40])
def test_followers_are_notified_alike_at_once_and_later(store: Harness, followers: int) -> None:
    """The mode is stored with the event: a fan-out job that notifies many followers has it too."""
    names = [f"f{n}" for n in range(followers)]
    store.write(SetNotificationType("like", Rule(notify="followers")))
    store.write(*(Follow(name, "market:1") for name in names))
    store.publish(event(*LIKE, notify=NotifyMode.READ), event(*LIKE, notify=NotifyMode.NONE))
    assert {store.counts(name) for name in names} == {singles(0, 1)}


def test_a_broadcast_of_an_old_event_is_materialised_read(store: Harness) -> None:
    """It was too old when it was published, not when its reader came."""
    for mode in (NotifyMode.READ, NotifyMode.UNREAD):
        store.publish(replace(event(*LIKE, notify=mode), audience=EVERYONE, expires_at=START_MS + 1))
    store.write(MaterializeBroadcasts(("bob",)))
    newer, older = store.rows("bob")
    assert newer.read_at is None
    assert older.read_at is not None
    assert store.counts("bob") == singles(1, 2)


def test_no_channel_delivers_what_arrives_read(store: Harness) -> None:
    """Also of a batch that has an event to deliver: that alone is due."""
    store.write(SetNotificationType("like", Rule(channels=("webhook",), group="none")))
    store.write(AddEndpoint(Endpoint("w1", "bob", "webhook", "https://hook.test/", "secret", START_MS)))
    old, new = (event(*LIKE, targets=("bob",), notify=mode) for mode in (NotifyMode.READ, NotifyMode.UNREAD))
    store.publish(old)
    assert store.run(store.store.deliveries(START_MS, 10)) == []
    store.publish(old, new, old)
    (due,) = store.run(store.store.deliveries(START_MS, 10))
    assert due.row is not None
    assert due.row.order == 3
