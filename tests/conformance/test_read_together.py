"""Types whose notifications share their read state with their events in feeds and activity."""

from collections.abc import Callable

import pytest

from tests.harness import Harness
from tidings import read_together as bounds
from tidings.activity_scope import EVERYBODY
from tidings.feed_changes import FeedChange, FeedMark, FeedReset
from tidings.filters import FeedFilter
from tidings.inbox_commands import (
    MarkAllNotificationsRead,
    NotificationState,
    SetNotificationState,
    SnoozeNotifications,
    UndoMarkAllRead,
)
from tidings.model import (
    Command,
    CommandResult,
    Follow,
    InboxRow,
    InboxUpdateResult,
    MarkFeedRead,
    MarkFeedUnread,
    NewEvent,
    Retract,
    SetNotificationType,
    UndoMarkFeedRead,
)
from tidings.notify_mode import NotifyMode
from tidings.rules import Rule
from tidings.storage.sqlite import feed_counts
from tidings.testing import START_MS, event

READ, UNREAD = NotificationState.READ, NotificationState.UNREAD
SHARED = Rule(read_together=True, duplicate_window_s=0)


@pytest.fixture
def shared(store: Harness) -> Harness:
    """A store whose type ``like`` is read together; ``post`` is not."""
    store.write(SetNotificationType("like", SHARED))
    return store


def like(
    actor: str = "alice", obj: str = "item:1", ago: int = 0, notify: NotifyMode = NotifyMode.UNREAD
) -> NewEvent:
    return event(actor, "like", obj, targets=("bob",), at=START_MS - ago, notify=notify)


def rows(store: Harness) -> list[InboxRow]:
    """Bob's inbox, checked: the counts are those of its rows."""
    page = store.run(store.store.inbox("bob", 100, None))
    unread = [row for row in page.rows if row.read_at is None]
    assert page.counts.unread_count == len(unread)
    assert page.counts.unread_items == sum(row.size for row in unread)
    return page.rows


def unread(store: Harness) -> tuple[int, list[str]]:
    """The number of unread notifications, and the unread events of the feed, oldest first."""
    feed = store.feed("bob", FeedFilter(read=False))
    assert store.run(store.store.summary("bob")).unread == len(feed)
    return sum(row.read_at is None for row in rows(store)), feed[::-1]


def ids(store: Harness) -> tuple[str, ...]:
    return tuple(row.id for row in rows(store))


def notified(store: Harness, command: Command) -> InboxUpdateResult:
    (outcome,) = store.write(command)
    assert isinstance(outcome, InboxUpdateResult)
    return outcome


def marked(store: Harness, command: Command) -> CommandResult:
    (outcome,) = store.write(command)
    assert isinstance(outcome, CommandResult)
    return outcome


def changes(store: Harness, after: int) -> tuple[FeedChange, ...]:
    page = store.run(store.store.feed_since("bob", after, 100))
    audiences, _ = store.run(store.store.audience_since(after, {"bob"}, 1_000))
    told = tuple(one.change for one in audiences if one.change is not None)
    assert page.reset or page.changes == told
    return told


def head(store: Harness) -> int:
    return store.run(store.store.head()).position


# --- notifications change the feed --------------------------------------------------------------------------------


@pytest.mark.need("FE7")
def test_reading_a_notification_reads_all_its_events(shared: Harness) -> None:
    """In one transaction, with one change of the feed; events of other types stay unread."""
    one, two, other = shared.publish(like("alice"), like("cy"), event("cy", targets=("bob",)))
    start = head(shared)
    shared.clock.advance(5)
    outcome = notified(shared, SetNotificationState("bob", ids(shared)[1:], READ))
    assert (outcome.updated, outcome.feed) == (1, True)
    assert unread(shared) == (1, [other])
    assert changes(shared, start) == (FeedMark(start + 1, shared.clock.ms, (one, two)),)
    assert {item.read_at for item in shared.page("bob").items} == {None, shared.clock.ms}
    assert not notified(shared, SetNotificationState("bob", ids(shared)[1:], READ)).feed


def test_a_type_without_the_rule_is_read_by_itself(store: Harness) -> None:
    """Neither change reaches the other."""
    (one,) = store.publish(event("alice", targets=("bob",)))
    assert not notified(store, SetNotificationState("bob", ids(store), READ)).feed
    assert unread(store) == (0, [one])
    store.write(SetNotificationState("bob", ids(store), UNREAD))
    assert not marked(store, MarkFeedRead("bob")).inbox
    assert unread(store) == (1, [])


def test_a_notification_marked_unread_has_its_events_unread(shared: Harness) -> None:
    """Whether it, or marks and read-alls of the feed read them."""
    one, two = shared.publish(like("alice"), like("cy"))
    shared.write(MarkFeedRead("bob", (one,)), MarkFeedRead("bob"))
    assert unread(shared) == (0, [])
    start = head(shared)
    shared.write(SetNotificationState("bob", ids(shared), UNREAD))
    assert unread(shared) == (1, [one, two])
    assert changes(shared, start) == (FeedMark(start + 1, None, (one, two)),)
    assert shared.changed(MarkFeedRead("bob")) == 2
    assert unread(shared) == (0, [])


@pytest.mark.parametrize("type", [None, "like"])
def test_a_read_all_of_the_inbox_reads_the_events(shared: Harness, type: str | None) -> None:
    """Up to its seq; and its undo has them unread again, at a reset of both."""
    one, two = shared.publish(like("alice"), like("cy", "item:2"))
    start = head(shared)
    read = notified(shared, MarkAllNotificationsRead("bob", 1, type))
    assert unread(shared) == (1, [two])
    assert changes(shared, start) == (FeedMark(start + 1, shared.clock.ms, (one,)),)
    undone = notified(shared, UndoMarkAllRead("bob", read.seq))
    assert (undone.updated, undone.feed) == (1, True)
    assert unread(shared) == (2, [one, two])
    assert shared.run(shared.store.feed_since("bob", start, 9)).reset


def test_what_the_feed_read_stays_read_after_an_undo_of_the_inbox(shared: Harness) -> None:
    """The undo restores what the read-all alone marked read."""
    one, two, _ = shared.publish(like("alice"), like("cy"), like("dot", "item:2"))
    shared.write(MarkFeedRead("bob", (one,)))
    read = notified(shared, MarkAllNotificationsRead("bob"))
    shared.write(UndoMarkAllRead("bob", read.seq))
    assert unread(shared)[1][0] == two


def test_a_snoozed_notification_returns_with_its_events_unread(shared: Harness) -> None:
    """It was read before it was snoozed."""
    (one,) = shared.publish(like())
    id = ids(shared)
    shared.write(SetNotificationState("bob", id, READ), SnoozeNotifications("bob", id, shared.clock.ms + 9))
    assert shared.feed("bob", FeedFilter(read=False)) == []
    shared.write(SetNotificationState("bob", id, NotificationState.UNSNOOZED))
    assert unread(shared) == (1, [one])


def test_what_arrives_read_is_not_read_together(shared: Harness) -> None:
    """An imported event is unread in the feed, as ever."""
    (old,) = shared.publish(like(notify=NotifyMode.READ))
    assert unread(shared) == (0, [old])


@pytest.mark.parametrize("limit", ["LISTED_EVENTS", "CHECKED_GROUPS", "CHECKED_SEQS"])
def test_a_read_all_of_many_resets_the_feed(
    shared: Harness, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    """A frame lists no more than its bound; the events are read all the same."""
    modules = ("tidings.storage.sqlite.read_together", "tidings.storage.sqlite.notification_state")
    for target in ("tidings.read_together", *modules):
        monkeypatch.setattr(f"{target}.{limit}", 1, raising=False)
    shared.publish(like("alice"), like("cy", "item:2"))
    start = head(shared)
    shared.write(MarkAllNotificationsRead("bob"))
    assert unread(shared) == (0, [])
    assert changes(shared, start) == (FeedReset(start + 1),)
    assert bounds.LISTED_EVENTS


def test_a_read_all_announces_what_was_put_away_and_is_unread_again(shared: Harness) -> None:
    """The fault: an archived notification that became unread again after a read-all has an old place, below that, and its
    event was read by the next one without a frame."""
    (old,) = shared.publish(like())
    shared.write(MarkAllNotificationsRead("bob"))
    archived = ids(shared)
    shared.write(SetNotificationState("bob", archived, NotificationState.ARCHIVED))
    shared.write(SetNotificationState("bob", archived, UNREAD))
    (new,) = shared.publish(like("cy", "item:2"))
    assert unread(shared) == (1, [old, new])
    start = head(shared)
    shared.write(MarkAllNotificationsRead("bob"))
    assert unread(shared) == (0, [])
    (change,) = changes(shared, start)
    assert isinstance(change, FeedMark)
    assert set(change.event_ids) == {old, new}


# --- the feed changes notifications -------------------------------------------------------------------------------


@pytest.mark.parametrize("activity", [None, EVERYBODY, "user:alice"])
def test_a_notification_is_read_once_all_its_events_are(shared: Harness, activity: str | None) -> None:
    """One by one: the last of them reads it, in the transaction of the mark."""
    one, two = shared.publish(like("alice"), like("alice"))
    assert not marked(shared, MarkFeedRead("bob", (one,), None, activity)).inbox
    assert unread(shared) == (1, [two])
    assert marked(shared, MarkFeedRead("bob", (two,), None, activity)).inbox
    assert unread(shared) == (0, [])
    assert rows(shared)[0].seen_at is not None


def test_an_event_marked_unread_has_its_notification_unread(shared: Harness) -> None:
    """The other events of the group stay read, at their time."""
    one, two = shared.publish(like("alice"), like("cy"))
    shared.write(SetNotificationState("bob", ids(shared), READ))
    read_at = shared.clock.ms
    shared.clock.advance(5)
    assert marked(shared, MarkFeedUnread("bob", (two,))).inbox
    assert unread(shared) == (1, [two])
    times = {item.position: item.read_at for item in shared.page("bob").items}
    assert list(times.values()) == [None, read_at]
    assert marked(shared, MarkFeedRead("bob", (two,))).inbox
    assert unread(shared) == (0, [])
    assert one


@pytest.mark.parametrize(
    "how",
    [
        lambda at: MarkFeedRead("bob"),
        lambda at: MarkFeedRead("bob", None, at),
        lambda at: MarkFeedRead("bob", None, at + 9),
    ],
)
def test_a_read_all_of_the_feed_reads_the_notifications(
    shared: Harness, how: Callable[[int], MarkFeedRead]
) -> None:
    """Of the types with the rule alone; its undo restores both."""
    made = shared.publish(like("alice"), like("cy", "item:2"), event("cy", targets=("bob",)))
    before = unread(shared)
    read = marked(shared, how(head(shared)))
    assert (read.updated, read.inbox) == (3, True)
    assert unread(shared) == (1, [])
    undone = marked(shared, UndoMarkFeedRead("bob", read.marked))
    assert (undone.updated, undone.inbox) == (3, True)
    assert unread(shared) == before == (3, made)


def test_a_read_all_up_to_a_position_leaves_what_it_does_not_reach(shared: Harness) -> None:
    """A group with a later event stays unread, and its undo leaves what changed meanwhile."""
    first, second, _ = shared.publish(like("alice", "item:2"), like("alice"), like("cy"))
    read = marked(shared, MarkFeedRead("bob", None, 2 + head(shared) - 3))
    assert unread(shared)[0] == 1
    (row,) = [row for row in rows(shared) if row.read_at is not None]
    shared.write(SetNotificationState("bob", (row.id,), NotificationState.PINNED))
    shared.write(UndoMarkFeedRead("bob", read.marked))
    assert unread(shared)[0] == 1
    assert (first in unread(shared)[1], second in unread(shared)[1]) == (False, True)


@pytest.mark.parametrize("activity", [EVERYBODY, "item:1"])
def test_a_read_all_of_activity_reads_the_notifications(shared: Harness, activity: str) -> None:
    """Those whose events its list has all."""
    shared.write(Follow("bob", "user:alice"))
    shared.publish(like("alice", "item:1"), like("cy", "item:1"))
    read = marked(shared, MarkFeedRead("bob", None, None, activity))
    assert (read.updated, read.inbox) == (2, True)
    assert unread(shared) == (0, [])
    shared.write(UndoMarkFeedRead("bob", read.marked))
    assert unread(shared)[0] == 1


def test_a_read_all_that_changes_nothing_of_the_feed_reads_a_late_notification(shared: Harness) -> None:
    """It arrived unread, though its event was read meanwhile; here the type got the rule later."""
    (one,) = shared.publish(event("alice", "note", targets=("bob",)))
    shared.write(MarkFeedRead("bob"), SetNotificationType("note", SHARED))
    shared.publish(event("cy", "note", targets=("bob",)))
    shared.write(MarkFeedRead("bob"))
    assert unread(shared) == (0, [])
    assert one


def test_a_retracted_event_leaves_the_state_of_the_others(shared: Harness) -> None:
    """It is in no feed, and its group keeps its state."""
    one, two = shared.publish(like("alice"), like("cy"))
    shared.write(SetNotificationState("bob", ids(shared), READ), Retract(two))
    assert unread(shared) == (0, [])
    shared.write(SetNotificationState("bob", ids(shared), UNREAD))
    assert unread(shared) == (1, [one])


@pytest.mark.parametrize("whole", [True, False])
def test_a_prepared_read_all_is_that_of_its_count(
    shared: Harness, monkeypatch: pytest.MonkeyPatch, whole: bool
) -> None:
    """What is published between the count and the transaction stays unread in both; so does its undo."""
    monkeypatch.setattr(feed_counts, "SHORT", -1)
    shared.publish(like("alice"), like("cy", "item:2"))
    command = shared.run(shared.store.prepare(MarkFeedRead("bob", None, None if whole else 1)))
    shared.publish(like("dot", "item:3"))
    is_prepared = type(command) is not MarkFeedRead
    read = marked(shared, command)
    assert unread(shared)[0] == ((1 if is_prepared else 0) if whole else 2)
    undone = marked(shared, shared.run(shared.store.prepare(UndoMarkFeedRead("bob", read.marked))))
    assert (undone.updated, undone.inbox) == (read.updated, True)
    assert unread(shared)[0] == 3


def test_an_undo_restores_notifications_whose_events_are_gone(shared: Harness) -> None:
    """The read-all of the type is undone, though no event is shared any more."""
    (one,) = shared.publish(like())
    read = marked(shared, MarkFeedRead("bob"))
    shared.write(Retract(one))
    assert marked(shared, UndoMarkFeedRead("bob", read.marked)).inbox
    assert unread(shared) == (0, [])
