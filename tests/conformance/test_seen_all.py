"""The unseen count and seen-alls: ``tidings.ports.InboxViews``, its third paragraph."""

import pytest

from tests.harness import Harness, singles
from tidings.inbox_commands import (
    MarkAllNotificationsRead,
    MarkAllNotificationsSeen,
    NotificationState,
    SetNotificationState,
    UndoMarkAllRead,
)
from tidings.model import InboxCounters, ReadWatermark, Retract
from tidings.testing import START_MS, event

READ, UNREAD, SEEN, UNSEEN, ARCHIVED, UNARCHIVED = (
    NotificationState.READ,
    NotificationState.UNREAD,
    NotificationState.SEEN,
    NotificationState.UNSEEN,
    NotificationState.ARCHIVED,
    NotificationState.UNARCHIVED,
)


def unseen(store: Harness) -> int:
    """The unseen count of bob, which is that of his rows."""
    store.check_inbox("bob")
    return store.counts("bob").unseen_count


def seen_times(store: Harness) -> list[int | None]:
    """When bob's notifications were seen, oldest first."""
    return [row.seen_at for row in store.rows("bob")[::-1]]


def test_a_seen_all_takes_one_seq_and_leaves_all_unread(store: Harness) -> None:
    """The badge clears, the list stays unread; what arrives later is unseen."""
    store.tell("bob", "a", "b", "c")
    assert store.marked(MarkAllNotificationsSeen("bob")) == (3, 3, 4, 0, 3, 0, False)
    assert store.counts("bob") == singles(3, 4, unseen=0)
    assert seen_times(store) == [START_MS] * 3
    assert store.changes("bob", 3).marks == (ReadWatermark(4, 3, "", START_MS, seen_only=True),)
    store.tell("bob", "d")
    assert unseen(store) == 1


def test_a_seen_all_that_changes_nothing_takes_no_seq(store: Harness) -> None:
    assert store.marked(MarkAllNotificationsSeen("bob"))[:3] == (0, 0, 0)
    store.tell("bob", "a")
    store.write(MarkAllNotificationsRead("bob"))
    assert store.marked(MarkAllNotificationsSeen("bob"))[:3] == (0, 0, 2)
    assert store.marked(MarkAllNotificationsSeen("bob", up_to=0))[:3] == (0, 0, 2)


@pytest.mark.parametrize("up_to", [1, 2, 3, 4, 9, 10, 11, 99])
def test_a_seen_all_up_to_a_seq_leaves_later_ones_unseen(store: Harness, up_to: int) -> None:
    """I6: whatever the list showed, and however far it is from either end."""
    store.tell("bob", *(f"verb {n}" for n in range(10)))
    marked = store.marked(MarkAllNotificationsSeen("bob", up_to))
    assert (marked.updated, marked.unread_count) == (min(up_to, 10), 10)
    assert [at is not None for at in seen_times(store)] == [n <= up_to for n in range(1, 11)]
    assert unseen(store) == marked.unseen_count == max(0, 10 - up_to)


def test_the_first_that_covers_it_says_when_it_was_seen(store: Harness) -> None:
    """Of seen-alls and read-alls together; a mark of its own goes before both."""
    own, both, later = store.tell("bob", "a", "b", "c")[::-1]
    store.write(SetNotificationState("bob", (own,), SEEN))
    store.clock.advance(1)
    store.write(MarkAllNotificationsSeen("bob", up_to=2))
    store.clock.advance(1)
    store.write(MarkAllNotificationsRead("bob"))
    assert seen_times(store) == [START_MS, START_MS + 1, START_MS + 2]
    assert [row.read_at for row in store.rows("bob")] == [START_MS + 2] * 3
    store.write(SetNotificationState("bob", (both, later), UNREAD))
    assert seen_times(store) == [START_MS, START_MS + 1, START_MS + 2]
    assert unseen(store) == 0


def test_states_change_the_unseen_count(store: Harness) -> None:
    """Seen, read and archived do not count; what is brought back counts again."""
    (id,) = store.tell("bob", "a")
    counts = []
    for state in (SEEN, UNSEEN, READ, UNREAD, UNSEEN, ARCHIVED, UNARCHIVED, ARCHIVED, SEEN, UNARCHIVED):
        store.write(SetNotificationState("bob", (id,), state))
        counts.append(unseen(store))
    assert counts == [0, 1, 0, 0, 1, 0, 1, 0, 0, 0]


def test_unseen_again_is_above_a_seen_all(store: Harness) -> None:
    """The fault: an old seen-all covered what was marked unseen after it."""
    ids = store.tell("bob", "a", "b")
    store.write(MarkAllNotificationsSeen("bob"), SetNotificationState("bob", (ids[0],), UNSEEN))
    assert (unseen(store), store.counts("bob").unread_count) == (1, 2)
    store.write(MarkAllNotificationsSeen("bob", up_to=3))
    assert unseen(store) == 1
    store.write(MarkAllNotificationsSeen("bob", up_to=4))
    assert unseen(store) == 0


@pytest.mark.parametrize("how", ["mark", "seen-all"])
def test_an_item_makes_a_seen_group_unseen(store: Harness, how: str) -> None:
    """One more if it was seen, none more if it was not; several at once count once."""
    for actors, expected in ((["ann"], 1), (["ben"], 1), (["cid", "dan"], 1)):
        store.publish(*(event(actor, "like", "item:1", targets=("bob",)) for actor in actors))
        assert store.counts("bob").unseen_count == expected
    (row,) = store.rows("bob")
    mark = SetNotificationState("bob", (row.id,), SEEN) if how == "mark" else MarkAllNotificationsSeen("bob")
    store.write(mark)
    assert unseen(store) == 0
    store.publish(*(event(actor, "like", "item:1", targets=("bob",)) for actor in ("eve", "fay")))
    assert store.counts("bob") == InboxCounters(1, 7, unread_items=6, unseen_count=1)
    assert unseen(store) == 1


def test_a_read_all_sees_what_it_reads(store: Harness) -> None:
    """All of it, of one type, or up to a seq; an undo makes unseen what it alone saw."""
    store.tell("bob", "a", "b", "a", "b")
    store.write(MarkAllNotificationsSeen("bob", up_to=1))
    undo = store.marked(MarkAllNotificationsRead("bob", type="a")).seq
    assert unseen(store) == 2
    store.write(UndoMarkAllRead("bob", undo))
    assert unseen(store) == 3
    undo = store.marked(MarkAllNotificationsRead("bob", up_to=2)).seq
    assert unseen(store) == 2
    store.write(UndoMarkAllRead("bob", undo))
    assert (unseen(store), store.counts("bob").unread_count) == (3, 4)


def test_the_seen_all_of_a_token_is_no_read_all(store: Harness) -> None:
    """Only a read-all is undone."""
    store.tell("bob", "a")
    seq = store.marked(MarkAllNotificationsSeen("bob")).seq
    assert store.marked(UndoMarkAllRead("bob", seq)) == (0, 1, seq, 0, 1, 0, False)


def test_a_retraction_takes_what_it_removes_from_the_unseen_count(store: Harness) -> None:
    """A group that keeps items keeps its state."""
    first, second, alone = store.publish(
        *(
            event(actor, verb, "item:1", targets=("bob",))
            for actor, verb in (("a", "x"), ("b", "x"), ("a", "y"))
        )
    )
    store.write(Retract(first))
    assert unseen(store) == 2
    store.write(MarkAllNotificationsSeen("bob", up_to=2), Retract(alone))
    assert unseen(store) == 0
    store.write(Retract(second))
    assert unseen(store) == 0
