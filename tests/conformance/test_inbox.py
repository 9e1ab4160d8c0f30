"""``tidings.ports.InboxViews``, sentence by sentence."""

import pytest

from tests.checkers.adapters import ALL, inbox_pages, item
from tests.checkers.inboxes import addressed, counted, sound, spared
from tests.checkers.paging import complete, walk
from tests.harness import Harness
from tidings.model import (
    Counts,
    InboxChanges,
    InboxPage,
    InboxRow,
    MarkInbox,
    MarkState,
    Mask,
    Publish,
    ReadInbox,
    Retract,
)
from tidings.testing import START_MS, event

READ, UNREAD, SEEN, ARCHIVED = MarkState.READ, MarkState.UNREAD, MarkState.SEEN, MarkState.ARCHIVED


def tell(store: Harness, user: str, *verbs: str) -> list[str]:
    """Notify a user once for each verb; returns the ids of all notifications of the user, newest first."""
    store.publish(*(event("alice", verb, targets=(user,)) for verb in verbs))
    return [row.id for row in page(store, user).rows]


def page(
    store: Harness,
    user: str,
    limit: int = ALL,
    before: int | None = None,
    unread_only: bool = False,
    type: str | None = None,
) -> InboxPage:
    return store.run(store.store.inbox(user, limit, before, unread_only, type))


def changes(store: Harness, user: str, since: int, limit: int = ALL) -> InboxChanges:
    return store.run(store.store.inbox_since(user, since, limit))


def row(store: Harness, user: str, id: str) -> InboxRow:
    """One notification, whatever its state."""
    (found,) = (row for row in changes(store, user, 0).rows if row.id == id)
    return found


def check(store: Harness, user: str) -> None:
    """I3 and I6 of an inbox as it is."""
    items, counts = store.inbox(user), store.counts(user)
    sound(items, counts.seq)
    counted(items, counts.unread_count)


# --- who is told --------------------------------------------------------------------------------------------


def test_each_target_gets_one_notification(store: Harness) -> None:
    """Once, though named twice; followers get none; the row holds the event."""
    store.publish(event("alice", targets=("bob", "cy", "bob")))
    (entry,) = store.run(store.store.tail(0, 1))
    for user in ("bob", "cy"):
        (found,) = page(store, user).rows
        assert (found.order, found.seq, found.body) == (1, 1, entry.body)
        assert (found.seen_at, found.read_at, found.archived_at, found.deleted) == (None, None, None, False)
        assert store.counts(user) == Counts(1, 1)


def test_nobody_is_notified_of_their_own_act(store: Harness) -> None:
    """The actor among the targets gets nothing."""
    store.publish(event("alice", targets=("alice", "bob")))
    assert store.counts("alice") == Counts(0, 0)
    assert store.counts("bob") == Counts(1, 1)


@pytest.mark.parametrize("topic", ["user:alice", "market:42", "category:x"])
def test_a_muted_topic_notifies_nobody(store: Harness, topic: str) -> None:
    """While it is muted; what came before stays, what came meanwhile does not come later."""
    sent = event("alice", obj="market:42", topics=("category:x",), targets=("bob",))
    store.publish(sent)
    store.write(Mask("bob", topic))
    store.publish(sent, event("dora", targets=("bob",)))
    assert store.counts("bob") == Counts(2, 2)
    store.write(Mask("bob", topic, on=False))
    assert store.counts("bob") == Counts(2, 2)
    store.publish(sent)
    assert store.counts("bob") == Counts(3, 3)


@pytest.mark.parametrize(("who", "whom"), [("bob", "alice"), ("alice", "bob")])
def test_a_block_notifies_neither(store: Harness, who: str, whom: str) -> None:
    """Whoever of the two blocked the other."""
    store.write(Mask(who, f"user:{whom}", block=True))
    store.publish(event("alice", targets=("bob", "cy")), event("bob", targets=("alice",)))
    assert store.run(store.store.counts(["alice", "bob", "cy"])) == [Counts(0, 0), Counts(0, 0), Counts(1, 1)]


def test_notifications_are_those_of_the_events_that_name_the_user(store: Harness) -> None:
    """I3: the inbox equals the recomputed audience, in the order of the log, over many events and writes."""
    named: list[str] = []
    for n in range(30):
        targets = tuple(f"u{k}" for k in range(n % 5))
        (event_id,) = store.publish(event("u1", targets=targets, at=START_MS - n))
        named += [event_id] if "u2" in targets else []
    addressed(store.inbox("u2"), named)
    assert store.counts("u1").seq == 0
    check(store, "u2")


def test_ids_name_one_notification_of_one_user(store: Harness) -> None:
    """No two notifications of anybody have the same id."""
    store.publish(*(event("alice", targets=("bob", "cy")) for _ in range(3)))
    ids = [row.id for user in ("bob", "cy") for row in page(store, user).rows]
    assert len(set(ids)) == 6


# --- seqs and marks -----------------------------------------------------------------------------------------


def test_seqs_are_dense_from_one(store: Harness) -> None:
    """I3: arrivals, marks, a read-all and a tombstone each take the next."""
    event_ids = store.publish(*(event("alice", targets=("bob",)) for _ in range(3)))
    first, *_ = reversed([row.id for row in page(store, "bob").rows])
    assert store.marked(MarkInbox("bob", (first,), READ)).seq == 4
    assert store.marked(ReadInbox("bob")).seq == 5
    store.write(Retract(event_ids[1]))
    assert store.counts("bob").seq == 6
    assert sorted(row.seq for row in changes(store, "bob", 0).rows) == [3, 4, 6]


def test_a_mark_takes_one_seq_for_each_row_it_changes(store: Harness) -> None:
    """In the order asked; what was so already takes none."""
    ids = tell(store, "bob", "a", "b", "c")
    assert store.marked(MarkInbox("bob", (ids[2], ids[0]), READ)) == (2, 1, 5, 2)
    assert (row(store, "bob", ids[2]).seq, row(store, "bob", ids[0]).seq) == (4, 5)
    assert store.marked(MarkInbox("bob", tuple(ids), READ)) == (1, 0, 6, 3)
    assert store.marked(MarkInbox("bob", tuple(ids), READ)) == (0, 0, 6, 3)
    check(store, "bob")


def test_ids_of_others_are_left_alone(store: Harness) -> None:
    """Neither another's notification, nor one that is not there, nor text that is no id is found."""
    (mine,), (foreign,) = tell(store, "bob", "a"), tell(store, "cy", "a")
    ids = (foreign, mine + "f", "", "n", "nx-1", mine.upper() + "!")
    assert store.marked(MarkInbox("bob", ids, READ)) == (0, 1, 1, 0)
    assert store.marked(MarkInbox("nobody", (mine,), READ)) == (0, 0, 0, 0)
    assert store.counts("cy") == Counts(1, 1)


def test_reading_sets_both_times(store: Harness) -> None:
    """READ sets ``read_at``, and ``seen_at`` where it was empty."""
    seen, fresh = tell(store, "bob", "a", "b")
    store.clock.advance(5)
    store.write(MarkInbox("bob", (seen,), SEEN))
    store.clock.advance(5)
    store.write(MarkInbox("bob", (seen, fresh), READ))
    now = store.clock.ms
    assert (row(store, "bob", seen).seen_at, row(store, "bob", seen).read_at) == (now - 5, now)
    assert (row(store, "bob", fresh).seen_at, row(store, "bob", fresh).read_at) == (now, now)


def test_unread_again(store: Harness) -> None:
    """UNREAD empties ``read_at``, leaves ``seen_at``, counts again; on an unread one it changes nothing."""
    (id,) = tell(store, "bob", "a")
    assert store.marked(MarkInbox("bob", (id,), UNREAD)) == (0, 1, 1, 1)
    store.write(MarkInbox("bob", (id,), READ))
    assert store.marked(MarkInbox("bob", (id,), UNREAD)) == (1, 1, 3, 1)
    assert (row(store, "bob", id).seen_at, row(store, "bob", id).read_at) == (START_MS, None)


def test_seen_is_not_read(store: Harness) -> None:
    """SEEN takes a seq and leaves the count alone."""
    (id,) = tell(store, "bob", "a")
    assert store.marked(MarkInbox("bob", (id,), SEEN)) == (1, 1, 2, 1)
    assert (row(store, "bob", id).seen_at, row(store, "bob", id).read_at) == (START_MS, None)
    assert store.marked(MarkInbox("bob", (id,), SEEN)) == (0, 1, 2, 1)


def test_archived_is_no_longer_counted(store: Harness) -> None:
    """Nor listed; neither seen nor read by it, but still among the changes, and still to be marked."""
    kept, gone = tell(store, "bob", "a", "b")
    store.clock.advance(5)
    assert store.marked(MarkInbox("bob", (gone,), ARCHIVED)) == (1, 1, 3, 1)
    found = row(store, "bob", gone)
    assert (found.archived_at, found.seen_at, found.read_at) == (store.clock.ms, None, None)
    assert [listed.id for listed in page(store, "bob").rows] == [kept]
    assert store.marked(MarkInbox("bob", (gone,), ARCHIVED)) == (0, 1, 3, 1)
    assert store.marked(MarkInbox("bob", (gone,), READ)) == (1, 1, 4, 1)
    assert store.marked(MarkInbox("bob", (gone,), UNREAD)) == (1, 1, 5, 1)
    check(store, "bob")


# --- read-all -----------------------------------------------------------------------------------------------


def test_a_read_all_takes_one_seq_and_touches_no_row(store: Harness) -> None:
    """It moves the watermark, under which everything is read and seen."""
    tell(store, "bob", "a", "b", "c")
    store.clock.advance(5)
    assert store.marked(ReadInbox("bob"))[:3] == (3, 0, 4)
    assert store.counts("bob") == Counts(0, 4, 3, 4)
    assert changes(store, "bob", 3).rows == []
    rows = page(store, "bob").rows
    assert [(found.seq, found.read_at, found.seen_at) for found in rows] == [
        (seq, store.clock.ms, store.clock.ms) for seq in (3, 2, 1)
    ]


def test_a_read_all_that_changes_nothing_takes_no_seq(store: Harness) -> None:
    """Nor does the watermark move."""
    tell(store, "bob", "a")
    store.write(ReadInbox("bob"))
    assert store.marked(ReadInbox("bob"))[:3] == (0, 0, 2)
    assert store.marked(ReadInbox("nobody"))[:3] == (0, 0, 0)
    assert store.counts("bob") == Counts(0, 2, 1, 2)


def test_a_read_all_spares_what_came_later(store: Harness) -> None:
    """I6: by the seq the caller has seen, whatever arrived since."""
    tell(store, "bob", "a", "b")
    before = store.inbox("bob")
    tell(store, "bob", "c")
    assert store.marked(ReadInbox("bob", up_to=2))[:3] == (2, 1, 4)
    assert store.counts("bob") == Counts(1, 4, 2, 4)
    spared(before, store.inbox("bob"), 2)
    assert [found.order for found in page(store, "bob", unread_only=True).rows] == [3]


def test_no_read_all_reaches_beyond_the_head(store: Harness) -> None:
    """A seq that is not there yet swallows nothing that comes later."""
    tell(store, "bob", "a")
    assert store.marked(ReadInbox("bob", up_to=1_000_000))[:3] == (1, 0, 2)
    tell(store, "bob", "b")
    assert store.counts("bob").unread_count == 1
    check(store, "bob")


def test_a_watermark_does_not_move_back(store: Harness) -> None:
    """A read-all up to an earlier seq changes nothing."""
    tell(store, "bob", "a", "b", "c")
    store.write(ReadInbox("bob", up_to=2))
    assert store.marked(ReadInbox("bob", up_to=1))[:3] == (0, 1, 4)
    assert store.counts("bob").read_up_to == 2


def test_what_was_marked_unread_later_is_spared(store: Harness) -> None:
    """What counts is when a row became unread: an old one, unread again after the watermark, stays unread."""
    old, _ = reversed(tell(store, "bob", "a", "b"))
    store.write(ReadInbox("bob"), MarkInbox("bob", (old,), UNREAD))
    assert store.counts("bob").unread_count == 1
    assert row(store, "bob", old).seen_at is not None
    assert store.marked(ReadInbox("bob", up_to=3))[:3] == (0, 1, 4)
    assert store.marked(ReadInbox("bob", up_to=4))[:3] == (1, 0, 5)


def test_a_change_that_leaves_a_row_unread_does_not_save_it(store: Harness) -> None:
    """Seen after the watermark's seq, but unread since before: it is read."""
    (id,) = tell(store, "bob", "a")
    store.write(MarkInbox("bob", (id,), SEEN))
    assert store.marked(ReadInbox("bob", up_to=1))[:3] == (1, 0, 3)
    check(store, "bob")


def test_marks_on_what_a_read_all_read(store: Harness) -> None:
    """READ and SEEN change nothing there; UNREAD does."""
    (id,) = tell(store, "bob", "a")
    store.write(ReadInbox("bob"))
    assert store.marked(MarkInbox("bob", (id,), READ)) == (0, 0, 2, 1)
    assert store.marked(MarkInbox("bob", (id,), SEEN)) == (0, 0, 2, 1)
    assert store.marked(MarkInbox("bob", (id,), UNREAD)) == (1, 1, 3, 1)
    assert store.marked(MarkInbox("bob", (id,), READ)) == (1, 0, 4, 1)


def test_read_times_stay(store: Harness) -> None:
    """A row keeps the time of the read-all that first read it, whatever comes after."""
    (first,) = tell(store, "bob", "a")
    store.clock.advance(5)
    store.write(ReadInbox("bob"))
    tell(store, "bob", "b")
    store.clock.advance(5)
    store.write(ReadInbox("bob"))
    assert row(store, "bob", first).read_at == START_MS + 5


def test_a_read_all_of_one_type_marks_each(store: Harness) -> None:
    """One seq for each row, oldest first; the watermark stays; other types are left alone."""
    tell(store, "bob", "like", "post", "like", "like")
    assert store.marked(ReadInbox("bob", up_to=3, type="like"))[:3] == (2, 2, 6)
    assert store.counts("bob") == Counts(2, 6)
    assert [(found.order, found.seq) for found in changes(store, "bob", 4).rows] == [(1, 5), (3, 6)]
    assert store.marked(ReadInbox("bob", type="never"))[:3] == (0, 2, 6)
    assert store.marked(ReadInbox("bob", type="like"))[:3] == (1, 1, 7)
    check(store, "bob")


def test_a_read_all_of_one_type_finds_what_lies_under_many_newer(store: Harness) -> None:
    """Rows that came after the watermark do not stand in the way, nor does one that is unread again."""
    ids = tell(store, "bob", *["like"] * 12)
    store.write(MarkInbox("bob", (ids[-1],), READ), MarkInbox("bob", (ids[-1],), UNREAD))
    assert store.marked(ReadInbox("bob", up_to=3, type="like"))[:2] == (2, 10)
    assert [found.order for found in page(store, "bob").rows if found.read_at is not None] == [3, 2]


def test_an_archived_row_can_be_unread_again(store: Harness) -> None:
    """Above every watermark, as any other; it is not counted."""
    (id,) = tell(store, "bob", "a")
    store.write(ReadInbox("bob"), MarkInbox("bob", (id,), ARCHIVED))
    assert store.marked(MarkInbox("bob", (id,), UNREAD)) == (1, 0, 4, 1)
    assert row(store, "bob", id).read_at is None


def test_archived_rows_do_not_make_a_read_all_a_change(store: Harness) -> None:
    """Only what is counted as unread does."""
    (id,) = tell(store, "bob", "a")
    store.write(MarkInbox("bob", (id,), ARCHIVED))
    assert store.marked(ReadInbox("bob"))[:3] == (0, 0, 2)


# --- tombstones ---------------------------------------------------------------------------------------------


def test_a_retracted_event_leaves_a_tombstone(store: Harness) -> None:
    """It takes a seq, has no body, is not listed, not counted, and cannot be marked."""
    kept, gone = store.publish(event("alice", targets=("bob",)), event("alice", targets=("bob", "cy")))
    id = page(store, "bob").rows[0].id
    store.write(Retract(gone))
    assert store.counts("bob") == Counts(1, 3)
    assert store.counts("cy") == Counts(0, 2)
    stone = row(store, "bob", id)
    assert (stone.order, stone.seq, stone.body, stone.deleted) == (2, 3, b"", True)
    assert [item(found).event_id for found in page(store, "bob").rows] == [kept]
    assert [store.marked(MarkInbox("bob", (id,), state)).updated for state in MarkState] == [0, 0, 0, 0]
    check(store, "bob")


def test_retracting_what_was_read_leaves_the_count(store: Harness) -> None:
    """Read one by one, by a read-all, or archived: it was not counted, so nothing is taken off."""
    event_ids = store.publish(*(event("alice", targets=("bob",)) for _ in range(4)))
    ids = [row.id for row in reversed(page(store, "bob").rows)]
    store.write(
        ReadInbox("bob", up_to=1), MarkInbox("bob", (ids[1],), READ), MarkInbox("bob", (ids[2],), ARCHIVED)
    )
    store.write(*(Retract(event_id) for event_id in event_ids[:3]))
    assert store.counts("bob").unread_count == 1
    store.write(Retract(event_ids[3]))
    assert store.counts("bob").unread_count == 0
    check(store, "bob")


# --- reading an inbox ---------------------------------------------------------------------------------------


def test_an_unknown_inbox_is_empty(store: Harness) -> None:
    """No rows and zeros."""
    assert page(store, "nobody") == ([], None, Counts(0, 0))
    assert changes(store, "nobody", 0) == ([], Counts(0, 0), False, False)


def test_an_inbox_is_listed_by_content(store: Harness) -> None:
    """Newest first whatever was marked since, continued below the last; with the counts of the moment."""
    ids = tell(store, "bob", *"abcde")
    store.write(MarkInbox("bob", (ids[4],), READ))
    first = page(store, "bob", 3)
    assert ([found.id for found in first.rows], first.next_order) == (ids[:3], 3)
    rest = page(store, "bob", 3, first.next_order)
    assert ([found.id for found in rest.rows], rest.next_order) == (ids[3:], None)
    assert rest.counts == Counts(4, 6)
    assert page(store, "bob", 5).next_order is None


def test_a_filtered_inbox_page_is_full_or_the_last(store: Harness) -> None:
    """By type, by unread, by both, over many others in between."""
    ids = tell(store, "bob", *("like" if n % 9 == 0 else "post" for n in range(36)))
    likes = [ids[n] for n in (8, 17, 26, 35)]
    first = page(store, "bob", 3, type="like")
    assert [found.id for found in first.rows] == likes[:3]
    rest = page(store, "bob", 3, first.next_order, type="like")
    assert ([found.id for found in rest.rows], rest.next_order) == (likes[3:], None)
    store.write(ReadInbox("bob", up_to=15), MarkInbox("bob", (likes[0],), READ))
    assert [found.id for found in page(store, "bob", unread_only=True, type="like").rows] == [likes[1]]
    assert len(page(store, "bob", unread_only=True).rows) == 20
    assert page(store, "bob", type="never").rows == []


def test_walking_an_inbox_while_notifications_arrive(store: Harness) -> None:
    """I4: nothing twice, nothing skipped that was there throughout."""
    tell(store, "bob", *"abcdefghij")
    throughout = {found.order for found in page(store, "bob").rows}

    async def between() -> None:
        await store.store.write([Publish((event("alice", targets=("bob",)),))])

    seen = store.run(walk(inbox_pages(store.store, "bob", 3), between))
    complete(seen, throughout, {found.order for found in page(store, "bob").rows})


def test_changes_show_each_notification_once(store: Harness) -> None:
    """By its last change, oldest first, tombstones and archived ones included."""
    event_ids = store.publish(*(event("alice", targets=("bob",)) for _ in range(4)))
    ids = [row.id for row in reversed(page(store, "bob").rows)]
    store.write(MarkInbox("bob", (ids[0],), SEEN), MarkInbox("bob", (ids[0],), READ))
    store.write(MarkInbox("bob", (ids[1],), ARCHIVED), Retract(event_ids[2]))
    found = changes(store, "bob", 0)
    assert [(one.id, one.seq) for one in found.rows] == [(ids[3], 4), (ids[0], 6), (ids[1], 7), (ids[2], 8)]
    assert (found.counts, found.more, found.reset) == (Counts(1, 8), False, False)
    assert [one.id for one in changes(store, "bob", 6).rows] == ids[1:3]
    assert changes(store, "bob", 8).rows == []


def test_changes_are_cut_at_the_limit(store: Harness) -> None:
    """``more`` says so, and the last seq goes on."""
    tell(store, "bob", *"abcde")
    first = changes(store, "bob", 0, 3)
    assert ([one.seq for one in first.rows], first.more) == ([1, 2, 3], True)
    rest = changes(store, "bob", 3, 3)
    assert ([one.seq for one in rest.rows], rest.more) == ([4, 5], False)
    assert changes(store, "bob", 0, 5).more is False


def test_a_seq_beyond_the_head_is_a_reset(store: Harness) -> None:
    """It belongs to another life of the inbox; the head itself does not."""
    tell(store, "bob", "a")
    assert changes(store, "bob", 2) == ([], Counts(1, 1), False, True)
    assert changes(store, "bob", 1) == ([], Counts(1, 1), False, False)
    assert changes(store, "nobody", 1).reset


def test_counts_come_in_the_order_asked(store: Harness) -> None:
    """One for each user asked, repeated and unknown ones too."""
    tell(store, "bob", "a", "b")
    tell(store, "cy", "a")
    users = ["cy", "nobody", "bob", "cy"]
    assert store.run(store.store.counts(users)) == [Counts(1, 1), Counts(0, 0), Counts(2, 2), Counts(1, 1)]
    assert store.run(store.store.counts([])) == []
