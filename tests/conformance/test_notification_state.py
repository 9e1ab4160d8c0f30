"""The states of notifications, read-alls and their undoing: ``tidings.ports.InboxViews``, its third paragraph."""

import pytest

from tests.checkers.inboxes import dense, spared
from tests.harness import Harness, singles
from tidings.inbox_commands import (
    MarkAllNotificationsRead,
    NotificationState,
    SetNotificationState,
    UndoMarkAllRead,
)
from tidings.model import Command, Publish, Retract
from tidings.testing import START_MS, event

READ, UNREAD, SEEN = NotificationState.READ, NotificationState.UNREAD, NotificationState.SEEN
ARCHIVED, UNARCHIVED, UNSEEN = (
    NotificationState.ARCHIVED,
    NotificationState.UNARCHIVED,
    NotificationState.UNSEEN,
)


def test_seqs_are_dense_from_one(store: Harness) -> None:
    """I3: items that open and join, marks, read-alls, a group that shrinks and a tombstone each take the next."""
    issued: list[int] = []

    def after(*commands: Command) -> int:
        """The seq of the one change that these made."""
        head = store.counts("bob").seq
        store.write(*commands)
        changes = store.changes("bob", head)
        issued.extend([*(row.seq for row in changes.rows), *(mark.seq for mark in changes.marks)])
        return issued[-1]

    events = [
        event(actor, verb, targets=("bob",)) for actor, verb in (("a", "x"), ("b", "x"), ("a", "alone"))
    ]
    assert [after(Publish((one,))) for one in events] == [1, 2, 3]
    group, alone = store.rows("bob")[::-1]
    for state in NotificationState:
        after(SetNotificationState("bob", (group.id,), state))
    after(SetNotificationState("bob", (group.id,), UNREAD))
    after(MarkAllNotificationsRead("bob", type="x"))
    after(MarkAllNotificationsRead("bob"))
    for event_id in (*group.event_ids, *alone.event_ids):
        after(Retract(event_id))
    dense(issued, store.counts("bob").seq)
    assert len(issued) >= 12


def test_a_mark_takes_one_seq_for_each_row_it_changes(store: Harness) -> None:
    """In the order asked; what was so already takes none."""
    ids = store.tell("bob", "a", "b", "c")
    assert store.marked(SetNotificationState("bob", (ids[2], ids[0]), READ))[:4] == (2, 1, 5, 2)
    assert (store.row("bob", ids[2]).seq, store.row("bob", ids[0]).seq) == (4, 5)
    assert store.marked(SetNotificationState("bob", tuple(ids), READ))[:4] == (1, 0, 6, 3)
    assert store.marked(SetNotificationState("bob", tuple(ids), READ))[:4] == (0, 0, 6, 3)
    store.check_inbox("bob")


def test_ids_of_others_are_left_alone(store: Harness) -> None:
    """Neither another's notification, nor one that is not there, nor text that is no id is found."""
    (mine,), (foreign,) = store.tell("bob", "a"), store.tell("cy", "a")
    ids = (foreign, mine + "f", "", "n", "nx-1", mine.upper() + "!")
    assert store.marked(SetNotificationState("bob", ids, READ))[:4] == (0, 1, 1, 0)
    assert store.marked(SetNotificationState("nobody", (mine,), READ))[:4] == (0, 0, 0, 0)
    assert store.counts("cy") == singles(1, 1)


def test_reading_sets_both_times(store: Harness) -> None:
    """READ sets ``read_at``, and ``seen_at`` where it was empty."""
    seen, fresh = store.tell("bob", "a", "b")
    store.clock.advance(5)
    store.write(SetNotificationState("bob", (seen,), SEEN))
    store.clock.advance(5)
    store.write(SetNotificationState("bob", (seen, fresh), READ))
    now = store.clock.ms
    assert (store.row("bob", seen).seen_at, store.row("bob", seen).read_at) == (now - 5, now)
    assert (store.row("bob", fresh).seen_at, store.row("bob", fresh).read_at) == (now, now)


def test_unread_again(store: Harness) -> None:
    """UNREAD empties ``read_at``, leaves ``seen_at``, counts again; on an unread one it changes nothing."""
    (id,) = store.tell("bob", "a")
    assert store.marked(SetNotificationState("bob", (id,), UNREAD))[:4] == (0, 1, 1, 1)
    store.write(SetNotificationState("bob", (id,), READ))
    assert store.marked(SetNotificationState("bob", (id,), UNREAD))[:4] == (1, 1, 3, 1)
    assert (store.row("bob", id).seen_at, store.row("bob", id).read_at) == (START_MS, None)


@pytest.mark.need("NO5")
def test_seen_is_not_read(store: Harness) -> None:
    """SEEN takes a seq and leaves the count alone."""
    (id,) = store.tell("bob", "a")
    assert store.marked(SetNotificationState("bob", (id,), SEEN))[:4] == (1, 1, 2, 1)
    assert (store.row("bob", id).seen_at, store.row("bob", id).read_at) == (START_MS, None)
    assert store.marked(SetNotificationState("bob", (id,), SEEN))[:4] == (0, 1, 2, 1)


def test_archived_is_no_longer_counted(store: Harness) -> None:
    """Nor listed; neither seen nor read by it, but still among the changes, and still to be marked."""
    kept, gone = store.tell("bob", "a", "b")
    store.clock.advance(5)
    assert store.marked(SetNotificationState("bob", (gone,), ARCHIVED))[:4] == (1, 1, 3, 1)
    found = store.row("bob", gone)
    assert (found.archived_at, found.seen_at, found.read_at) == (store.clock.ms, None, None)
    assert [listed.id for listed in store.rows("bob")] == [kept]
    assert store.marked(SetNotificationState("bob", (gone,), ARCHIVED))[:4] == (0, 1, 3, 1)
    assert store.marked(SetNotificationState("bob", (gone,), READ))[:4] == (1, 1, 4, 1)
    assert store.marked(SetNotificationState("bob", (gone,), UNREAD))[:4] == (1, 1, 5, 1)
    store.check_inbox("bob")


def test_unseen_is_unread(store: Harness) -> None:
    """UNSEEN empties both times. Unless it was neither, it became unread just now: a seen-all before that does not cover
    it."""
    read, seen, fresh = reversed(store.tell("bob", "a", "b", "c"))
    store.write(SetNotificationState("bob", (read,), READ), SetNotificationState("bob", (seen,), SEEN))
    assert store.marked(SetNotificationState("bob", (read, seen, fresh), UNSEEN))[:4] == (2, 3, 7, 3)
    rows = [store.row("bob", id) for id in (read, seen, fresh)]
    assert [(row.seen_at, row.read_at) for row in rows] == [(None, None)] * 3
    assert [(row.seq, row.unread_seq) for row in rows] == [(6, 6), (7, 7), (3, 3)]
    assert store.marked(MarkAllNotificationsRead("bob", up_to=5))[:3] == (1, 2, 8)


def test_what_a_read_all_read_can_be_unseen(store: Harness) -> None:
    """It is unread from then on, and seen no more."""
    (id,) = store.tell("bob", "a")
    store.write(MarkAllNotificationsRead("bob"))
    assert store.marked(SetNotificationState("bob", (id,), UNSEEN))[:4] == (1, 1, 3, 1)
    found = store.row("bob", id)
    assert (found.seen_at, found.read_at, found.unread_seq) == (None, None, 3)


def test_unarchived_is_as_it_was(store: Harness) -> None:
    """Listed where it was, counted if it is unread; on what is not archived it changes nothing."""
    ids = store.tell("bob", "a", "b", "c")
    assert store.marked(SetNotificationState("bob", (ids[1],), UNARCHIVED))[:4] == (0, 3, 3, 1)
    store.write(
        SetNotificationState("bob", (ids[0],), READ), SetNotificationState("bob", tuple(ids[:2]), ARCHIVED)
    )
    assert store.counts("bob") == singles(1, 6)
    assert store.marked(SetNotificationState("bob", tuple(ids[:2]), UNARCHIVED))[:4] == (2, 2, 8, 2)
    assert [row.id for row in store.rows("bob")] == ids
    assert store.row("bob", ids[0]).read_at == START_MS
    assert store.row("bob", ids[1]).unread_seq == 2
    store.check_inbox("bob")


def test_what_was_read_all_while_archived_is_read(store: Harness) -> None:
    """It became unread before; brought back, it is not counted."""
    old, _ = reversed(store.tell("bob", "a", "b"))
    store.write(SetNotificationState("bob", (old,), ARCHIVED), MarkAllNotificationsRead("bob"))
    assert store.marked(SetNotificationState("bob", (old,), UNARCHIVED))[:4] == (1, 0, 5, 1)
    assert store.row("bob", old).read_at is not None


# --- read-all -----------------------------------------------------------------------------------------------


def test_a_read_all_takes_one_seq_and_touches_no_row(store: Harness) -> None:
    """It moves the watermark, under which everything is read and seen."""
    store.tell("bob", "a", "b", "c")
    store.clock.advance(5)
    assert store.marked(MarkAllNotificationsRead("bob"))[:3] == (3, 0, 4)
    assert store.counts("bob") == singles(0, 4, 3, 4)
    assert store.changes("bob", 3).rows == []
    rows = store.rows("bob")
    assert [(found.seq, found.read_at, found.seen_at) for found in rows] == [
        (seq, store.clock.ms, store.clock.ms) for seq in (3, 2, 1)
    ]


def test_a_read_all_that_changes_nothing_takes_no_seq(store: Harness) -> None:
    """Nor does the watermark move."""
    store.tell("bob", "a")
    store.write(MarkAllNotificationsRead("bob"))
    assert store.marked(MarkAllNotificationsRead("bob"))[:3] == (0, 0, 2)
    assert store.marked(MarkAllNotificationsRead("nobody"))[:3] == (0, 0, 0)
    assert store.counts("bob") == singles(0, 2, 1, 2)


def test_a_read_all_spares_what_came_later(store: Harness) -> None:
    """I6: by the seq the caller has seen, whatever arrived since."""
    store.tell("bob", "a", "b")
    before = store.inbox("bob")
    store.tell("bob", "c")
    assert store.marked(MarkAllNotificationsRead("bob", up_to=2))[:3] == (2, 1, 4)
    assert store.counts("bob") == singles(1, 4, 2, 4)
    spared(before, store.inbox("bob"), 2)
    assert [found.order for found in store.rows("bob") if found.read_at is None] == [3]


def test_no_read_all_reaches_beyond_the_head(store: Harness) -> None:
    """A seq that is not there yet swallows nothing that comes later."""
    store.tell("bob", "a")
    assert store.marked(MarkAllNotificationsRead("bob", up_to=1_000_000))[:3] == (1, 0, 2)
    store.tell("bob", "b")
    assert store.counts("bob").unread_count == 1
    store.check_inbox("bob")


def test_a_watermark_does_not_move_back(store: Harness) -> None:
    """A read-all up to an earlier seq changes nothing."""
    store.tell("bob", "a", "b", "c")
    store.write(MarkAllNotificationsRead("bob", up_to=2))
    assert store.marked(MarkAllNotificationsRead("bob", up_to=1))[:3] == (0, 1, 4)
    assert store.counts("bob").read_up_to == 2


def test_what_was_marked_unread_later_is_spared(store: Harness) -> None:
    """What counts is when a row became unread: an old one, unread again after the watermark, stays unread."""
    old, _ = reversed(store.tell("bob", "a", "b"))
    store.write(MarkAllNotificationsRead("bob"), SetNotificationState("bob", (old,), UNREAD))
    assert store.counts("bob").unread_count == 1
    assert store.row("bob", old).seen_at is not None
    assert store.marked(MarkAllNotificationsRead("bob", up_to=3))[:3] == (0, 1, 4)
    assert store.marked(MarkAllNotificationsRead("bob", up_to=4))[:3] == (1, 0, 5)


def test_a_change_that_leaves_a_row_unread_does_not_save_it(store: Harness) -> None:
    """Seen after the watermark's seq, but unread since before: it is read."""
    (id,) = store.tell("bob", "a")
    store.write(SetNotificationState("bob", (id,), SEEN))
    assert store.marked(MarkAllNotificationsRead("bob", up_to=1))[:3] == (1, 0, 3)
    store.check_inbox("bob")


def test_marks_on_what_a_read_all_read(store: Harness) -> None:
    """READ and SEEN change nothing there; UNREAD does."""
    (id,) = store.tell("bob", "a")
    store.write(MarkAllNotificationsRead("bob"))
    assert store.marked(SetNotificationState("bob", (id,), READ))[:4] == (0, 0, 2, 1)
    assert store.marked(SetNotificationState("bob", (id,), SEEN))[:4] == (0, 0, 2, 1)
    assert store.marked(SetNotificationState("bob", (id,), UNREAD))[:4] == (1, 1, 3, 1)
    assert store.marked(SetNotificationState("bob", (id,), READ))[:4] == (1, 0, 4, 1)


def test_read_times_stay(store: Harness) -> None:
    """A row keeps the time of the read-all that first read it, whatever comes after."""
    (first,) = store.tell("bob", "a")
    store.clock.advance(5)
    store.write(MarkAllNotificationsRead("bob"))
    store.tell("bob", "b")
    store.clock.advance(5)
    store.write(MarkAllNotificationsRead("bob"))
    assert store.row("bob", first).read_at == START_MS + 5


def test_a_read_all_of_one_type_is_a_read_all(store: Harness) -> None:
    """One seq, no row touched, other types left alone; the counts tell of the watermark of all types only."""
    store.tell("bob", "like", "post", "like", "like")
    store.clock.advance(5)
    assert store.marked(MarkAllNotificationsRead("bob", up_to=3, type="like"))[:3] == (2, 2, 5)
    assert store.counts("bob") == singles(2, 5)
    assert store.changes("bob", 4).rows == []
    now = store.clock.ms
    assert [row.read_at for row in store.rows("bob")] == [None, now, None, now]
    assert store.marked(MarkAllNotificationsRead("bob", type="never"))[:3] == (0, 2, 5)
    assert store.marked(MarkAllNotificationsRead("bob", type="like"))[:3] == (1, 1, 6)
    assert store.marked(MarkAllNotificationsRead("bob"))[:3] == (1, 0, 7)
    assert store.counts("bob") == singles(0, 7, 6, 7)
    store.check_inbox("bob")


def test_a_read_all_of_one_type_finds_what_lies_under_many_newer(store: Harness) -> None:
    """Rows that came after the watermark do not stand in the way, nor does one that is unread again."""
    ids = store.tell("bob", *["like"] * 12)
    store.write(
        SetNotificationState("bob", (ids[-1],), READ), SetNotificationState("bob", (ids[-1],), UNREAD)
    )
    assert store.marked(MarkAllNotificationsRead("bob", up_to=3, type="like"))[:2] == (2, 10)
    assert [found.order for found in store.rows("bob") if found.read_at is not None] == [3, 2]


def test_the_first_read_all_that_covers_a_row_reads_it(store: Harness) -> None:
    """Of its type or of all, whichever came first."""
    like, post = reversed(store.tell("bob", "like", "post"))
    for type in ("like", None):
        store.clock.advance(5)
        store.write(MarkAllNotificationsRead("bob", type=type))
    assert [store.row("bob", id).read_at for id in (like, post)] == [START_MS + 5, START_MS + 10]


def test_an_archived_row_can_be_unread_again(store: Harness) -> None:
    """Above every watermark, as any other; it is not counted."""
    (id,) = store.tell("bob", "a")
    store.write(MarkAllNotificationsRead("bob"), SetNotificationState("bob", (id,), ARCHIVED))
    assert store.marked(SetNotificationState("bob", (id,), UNREAD))[:4] == (1, 0, 4, 1)
    assert store.row("bob", id).read_at is None


def test_archived_rows_do_not_make_a_read_all_a_change(store: Harness) -> None:
    """Only what is counted as unread does."""
    (id,) = store.tell("bob", "a")
    store.write(SetNotificationState("bob", (id,), ARCHIVED))
    assert store.marked(MarkAllNotificationsRead("bob"))[:3] == (0, 0, 2)


# --- taking a read-all back ---------------------------------------------------------------------------------


def undo(store: Harness, seq: int) -> tuple[int, ...]:
    """(updated, unread_count, seq) of bob's UndoRead."""
    return store.marked(UndoMarkAllRead("bob", seq))[:3]


@pytest.mark.parametrize("type", [None, "like"])
def test_a_read_all_can_be_undone(store: Harness, type: str | None) -> None:
    """It takes one seq; what was read by it alone is unread again, since when it was."""
    store.tell("bob", "like", "like")
    before = store.rows("bob")
    store.write(MarkAllNotificationsRead("bob", type=type))
    assert undo(store, 3) == (2, 2, 4)
    assert store.rows("bob") == before
    assert store.counts("bob") == singles(2, 4)
    assert store.marked(MarkAllNotificationsRead("bob", up_to=2))[:3] == (2, 0, 5)


def test_only_a_read_all_that_stands_can_be_undone(store: Harness) -> None:
    """Another seq, another user's, one that was undone: nothing happens, and no seq is taken."""
    store.tell("bob", "a")
    store.tell("cy", "a")
    store.write(MarkAllNotificationsRead("bob"))
    assert store.marked(UndoMarkAllRead("cy", 2))[:3] == (0, 1, 1)
    assert store.marked(UndoMarkAllRead("nobody", 2))[:3] == (0, 0, 0)
    assert (undo(store, 1), undo(store, 3)) == ((0, 0, 2), (0, 0, 2))
    assert (undo(store, 2), undo(store, 2)) == ((1, 1, 3), (0, 1, 3))


def test_what_another_read_all_covers_stays_read(store: Harness) -> None:
    """At the time of that one; the watermark is that of the last which stands."""
    store.tell("bob", "like")
    store.write(MarkAllNotificationsRead("bob"))
    store.tell("bob", "like")
    store.clock.advance(5)
    store.write(MarkAllNotificationsRead("bob"))
    assert undo(store, 2) == (0, 0, 5)
    assert store.counts("bob") == singles(0, 5, 3, 4)
    assert [row.read_at for row in store.rows("bob")] == [START_MS + 5] * 2
    assert undo(store, 4) == (2, 2, 6)
    assert store.counts("bob") == singles(2, 6)


def test_an_undo_gives_back_the_watermark_before(store: Harness) -> None:
    """What the earlier read-all read stays so."""
    store.tell("bob", "a", "b")
    store.write(MarkAllNotificationsRead("bob", up_to=1), MarkAllNotificationsRead("bob"))
    assert undo(store, 4) == (1, 1, 5)
    assert store.counts("bob") == singles(1, 5, 1, 3)
    assert [row.read_at is None for row in store.rows("bob")] == [True, False]


def test_an_undo_spares_what_was_said_since(store: Harness) -> None:
    """A row that was marked after the read-all has its own state, that of then included; one that archiving hid is not
    counted."""
    kept, again, fresh = reversed(store.tell("bob", "a", "b", "c"))
    store.write(
        MarkAllNotificationsRead("bob"),
        SetNotificationState("bob", (kept,), ARCHIVED),
        SetNotificationState("bob", (again,), UNREAD),
        SetNotificationState("bob", (again,), READ),
    )
    assert undo(store, 4) == (1, 1, 8)
    store.write(SetNotificationState("bob", (kept,), UNARCHIVED))
    assert {row.id: row.read_at is None for row in store.rows("bob")} == {
        kept: False,
        again: False,
        fresh: True,
    }
    store.check_inbox("bob")


def test_an_undo_may_find_nothing_to_restore(store: Harness) -> None:
    """It takes its seq all the same, since the read-all is gone."""
    (id,) = store.tell("bob", "a")
    store.write(MarkAllNotificationsRead("bob"), SetNotificationState("bob", (id,), ARCHIVED))
    assert undo(store, 2) == (0, 0, 4)
    assert store.counts("bob") == singles(0, 4)


def test_what_was_retracted_does_not_come_back(store: Harness) -> None:
    """A tombstone is no more unread after an undo than before."""
    gone, _ = store.publish(*(event("alice", "alone", targets=("bob",)) for _ in range(2)))
    store.write(MarkAllNotificationsRead("bob"), Retract(gone))
    assert undo(store, 3) == (1, 1, 5)
    store.check_inbox("bob")
