"""Reading an inbox: ``tidings.ports.InboxViews``, its methods."""

from collections.abc import Iterator

from tests.checkers.adapters import ALL, inbox_pages
from tests.checkers.fold import Client, faithful
from tests.checkers.paging import complete, walk
from tests.harness import Harness, singles
from tidings.filters import Choice, only
from tidings.inbox_commands import (
    MarkAllNotificationsRead,
    NotificationState,
    SetNotificationState,
    UndoMarkAllRead,
)
from tidings.model import Command, InboxChanges, InboxFilter, InboxPage, Publish, ReadWatermark, Retract
from tidings.testing import START_MS, event

READ, SEEN, ARCHIVED = NotificationState.READ, NotificationState.SEEN, NotificationState.ARCHIVED


def page(
    store: Harness,
    user: str,
    limit: int = ALL,
    before: int | None = None,
    unread_only: bool = False,
    type: str | Choice[str] | None = None,
    state: InboxFilter = "inbox",
    id: str | None = None,
) -> InboxPage:
    choice = only(type) if isinstance(type, str) else type
    return store.run(store.store.inbox(user, limit, before, unread_only, choice, state, id))


# --- tombstones ---------------------------------------------------------------------------------------------


def test_a_retracted_event_leaves_a_tombstone(store: Harness) -> None:
    """It takes a seq, has no body, is not listed, not counted, and cannot be marked."""
    kept, gone = store.publish(
        event("alice", "alone", targets=("bob",)), event("alice", "alone", targets=("bob", "cy"))
    )
    id = store.rows("bob")[0].id
    store.write(Retract(gone))
    assert store.counts("bob") == singles(1, 3)
    assert store.counts("cy") == singles(0, 2)
    stone = store.row("bob", id)
    assert (stone.order, stone.seq, stone.body, stone.deleted) == (2, 3, b"", True)
    assert [found.event_ids for found in store.rows("bob")] == [(kept,)]
    assert [
        store.marked(SetNotificationState("bob", (id,), state)).updated for state in NotificationState
    ] == [0] * len(NotificationState)
    store.check_inbox("bob")


def test_retracting_what_was_read_leaves_the_count(store: Harness) -> None:
    """Read one by one, by a read-all, or archived: it was not counted, so nothing is taken off."""
    event_ids = store.publish(*(event("alice", "alone", targets=("bob",)) for _ in range(4)))
    ids = [row.id for row in reversed(store.rows("bob"))]
    store.write(
        MarkAllNotificationsRead("bob", up_to=1),
        SetNotificationState("bob", (ids[1],), READ),
        SetNotificationState("bob", (ids[2],), ARCHIVED),
    )
    store.write(*(Retract(event_id) for event_id in event_ids[:3]))
    assert store.counts("bob").unread_count == 1
    store.write(Retract(event_ids[3]))
    assert store.counts("bob").unread_count == 0
    store.check_inbox("bob")


# --- reading an inbox ---------------------------------------------------------------------------------------


def test_lists_are_of_what_is_archived_of_what_is_not_or_of_all(store: Harness) -> None:
    """The fault: what was archived could not be listed. Newest content first, page by page, read or not, by type; no list
    has tombstones."""
    (gone,) = store.publish(event("alice", "alone", targets=("bob",)))
    ids = store.tell("bob", "like", "note", "like", "note", "like")[:-1]
    store.write(
        SetNotificationState("bob", (ids[0], ids[3], ids[4]), ARCHIVED),
        SetNotificationState("bob", (ids[3],), READ),
        Retract(gone),
    )

    def listed(state: InboxFilter, unread_only: bool = False, type: str | None = None) -> list[str]:
        found: list[str] = []
        before: int | None = None
        while True:
            some = page(store, "bob", 2, before, unread_only, type, state)
            found += [row.id for row in some.rows]
            if some.next_order is None:
                return found
            before = some.next_order

    assert listed("archived") == [ids[0], ids[3], ids[4]]
    assert listed("inbox") == [ids[1], ids[2]]
    assert listed("all") == ids
    assert listed("archived", unread_only=True) == [ids[0], ids[4]]
    assert listed("all", unread_only=True) == [ids[0], ids[1], ids[2], ids[4]]
    assert listed("archived", type="like") == [ids[0], ids[4]]
    assert listed("archived", unread_only=True, type="note") == []
    store.write(SetNotificationState("bob", (ids[0],), NotificationState.UNARCHIVED))
    assert (listed("archived"), listed("inbox")) == ([ids[3], ids[4]], ids[:3])


def test_types_are_listed_and_counted_together_and_excluded(store: Harness) -> None:
    """The fault: a list took one type, and counts none, so a bell beside an envelope had no number. Of several types,
    without some, and of unknown ones; under read-alls of one type and of all, archived, and unread again."""
    store.write(MarkAllNotificationsRead("bob"))
    ids = store.tell("bob", *("like", "note", "call") * 4)[::-1]
    store.publish(*(event(actor, "join", "item:1", targets=("bob",)) for actor in ("ann", "cy", "ann")))
    choices = {
        ("like",): only("like"),
        ("call", "join"): only("call", "join", "never"),
        ("like", "join"): Choice((), ("call", "note", "never")),
        ("note",): Choice(("note", "like"), ("like",)),
        (): only("never"),
        ("call", "join", "like", "note"): Choice((), ("never",)),
    }

    def check() -> None:
        rows = page(store, "bob").rows
        for types, choice in choices.items():
            expected = [row for row in rows if row.type in types]
            assert page(store, "bob", type=choice).rows == expected
            unread = [row for row in expected if row.read_at is None]
            items, unseen = sum(row.size for row in unread), sum(row.seen_at is None for row in unread)
            counts = store.counts("bob")._replace(
                unread_count=len(unread), unread_items=items, unseen_count=unseen
            )
            assert store.run(store.store.counts(["bob"], choice)) == [counts]

    check()
    for command in (
        MarkAllNotificationsRead("bob", up_to=5),
        MarkAllNotificationsRead("bob", type="note", up_to=9),
        SetNotificationState("bob", (ids[0], ids[6]), NotificationState.UNREAD),
        SetNotificationState("bob", (ids[11],), ARCHIVED),
        SetNotificationState("bob", (ids[9],), READ),
        SetNotificationState("bob", (ids[4],), SEEN),
        MarkAllNotificationsRead("bob", type="join"),
    ):
        store.write(command)
        check()
    store.write(UndoMarkAllRead("bob", store.counts("bob").seq))
    assert store.run(store.store.counts(["bob"], only("join")))[0].unread_items == 3
    check()
    store.write(MarkAllNotificationsRead("bob"))
    check()
    assert store.run(store.store.counts(["nobody"], only("like"))) == [singles(0, 0)]


def test_one_notification_is_found_by_its_id(store: Harness) -> None:
    """Archived or not, alone or a group; never another user's, a tombstone, or one that never was."""
    ids = store.tell("bob", "like", "like")
    store.publish(
        event("ann", "wave", "item:1", targets=("bob",)), event("cy", "wave", "item:1", targets=("bob",))
    )
    group = store.rows("bob")[0]
    (others,) = store.tell("dot", "like")
    store.write(SetNotificationState("bob", (ids[0],), ARCHIVED))
    for id in (*ids, group.id):
        (row,) = page(store, "bob", 1, state="all", id=id).rows
        assert row == store.row("bob", id)
    store.write(*(Retract(event_id) for event_id in store.row("bob", ids[1]).event_ids))
    for id in (ids[1], others, "n9-9", "none"):
        found = page(store, "bob", 1, state="all", id=id)
        assert (found.rows, found.counts) == ([], store.counts("bob"))
    assert page(store, "nobody", 1, state="all", id=ids[0]).rows == []


def test_an_unknown_inbox_is_empty(store: Harness) -> None:
    """No rows and zeros."""
    assert page(store, "nobody") == InboxPage([], None, singles(0, 0))
    assert store.changes("nobody", 0) == InboxChanges([], singles(0, 0))


def test_an_inbox_is_listed_by_content(store: Harness) -> None:
    """Newest first whatever was marked since, continued below the last; with the counts of the moment."""
    ids = store.tell("bob", *"abcde")
    store.write(SetNotificationState("bob", (ids[4],), READ))
    first = page(store, "bob", 3)
    assert ([found.id for found in first.rows], first.next_order) == (ids[:3], 3)
    rest = page(store, "bob", 3, first.next_order)
    assert ([found.id for found in rest.rows], rest.next_order) == (ids[3:], None)
    assert rest.counts == singles(4, 6)
    assert page(store, "bob", 5).next_order is None


def test_a_filtered_inbox_page_is_full_or_the_last(store: Harness) -> None:
    """By type, by unread, by both, over many others in between."""
    ids = store.tell("bob", *("like" if n % 9 == 0 else "post" for n in range(36)))
    likes = [ids[n] for n in (8, 17, 26, 35)]
    first = page(store, "bob", 3, type="like")
    assert [found.id for found in first.rows] == likes[:3]
    rest = page(store, "bob", 3, first.next_order, type="like")
    assert ([found.id for found in rest.rows], rest.next_order) == (likes[3:], None)
    store.write(MarkAllNotificationsRead("bob", up_to=15), SetNotificationState("bob", (likes[0],), READ))
    assert [found.id for found in page(store, "bob", unread_only=True, type="like").rows] == [likes[1]]
    assert len(page(store, "bob", unread_only=True).rows) == 20
    assert page(store, "bob", type="never").rows == []


def test_walking_an_inbox_while_notifications_arrive(store: Harness) -> None:
    """I4: nothing twice, nothing skipped that was there throughout."""
    store.tell("bob", *"abcdefghij")
    throughout = {found.order for found in store.rows("bob")}

    async def between() -> None:
        await store.store.write([Publish((event("alice", "alone", targets=("bob",)),))])

    seen = store.run(walk(inbox_pages(store.store, "bob", 3), between))
    complete(seen, throughout, {found.order for found in store.rows("bob")})


def test_changes_show_each_notification_once(store: Harness) -> None:
    """By its last change, oldest first, tombstones and archived ones included."""
    event_ids = store.publish(*(event("alice", "alone", targets=("bob",)) for _ in range(4)))
    ids = [row.id for row in reversed(store.rows("bob"))]
    store.write(SetNotificationState("bob", (ids[0],), SEEN), SetNotificationState("bob", (ids[0],), READ))
    store.write(SetNotificationState("bob", (ids[1],), ARCHIVED), Retract(event_ids[2]))
    found = store.changes("bob", 0)
    assert [(one.id, one.seq) for one in found.rows] == [(ids[3], 4), (ids[0], 6), (ids[1], 7), (ids[2], 8)]
    assert (found.counts, found.more, found.reset) == (singles(1, 8), False, False)
    assert [one.id for one in store.changes("bob", 6).rows] == ids[1:3]
    assert store.changes("bob", 8).rows == []


def test_changes_are_cut_at_the_limit(store: Harness) -> None:
    """``more`` says so, and the last seq goes on."""
    store.tell("bob", *"abcde")
    first = store.changes("bob", 0, 3)
    assert ([one.seq for one in first.rows], first.more) == ([1, 2, 3], True)
    rest = store.changes("bob", 3, 3)
    assert ([one.seq for one in rest.rows], rest.more) == ([4, 5], False)
    assert store.changes("bob", 0, 5).more is False


def test_a_seq_beyond_the_head_is_a_reset(store: Harness) -> None:
    """It belongs to another life of the inbox; the head itself does not."""
    store.tell("bob", "a")
    assert store.changes("bob", 2) == InboxChanges([], singles(1, 1), reset=True)
    assert store.changes("bob", 1) == InboxChanges([], singles(1, 1))
    assert store.changes("nobody", 1).reset


def test_changes_tell_of_read_alls(store: Harness) -> None:
    """Those after the seq, of all types ("") or of one, in order, with what they reached and when."""
    store.tell("bob", "like", "post")
    store.write(MarkAllNotificationsRead("bob", type="like"))
    store.clock.advance(5)
    store.write(MarkAllNotificationsRead("bob"))
    marks = (ReadWatermark(3, 2, "like", START_MS), ReadWatermark(4, 3, "", START_MS + 5))
    assert store.changes("bob", 0).marks == marks
    assert store.changes("bob", 3) == InboxChanges([], singles(0, 4, 3, 4), marks=marks[1:])
    assert store.changes("bob", 4).marks == ()


def test_changes_that_are_cut_tell_of_read_alls_up_to_the_last(store: Harness) -> None:
    """Later ones come with what follows."""
    for verb in "abc":
        store.tell("bob", verb)
        store.write(MarkAllNotificationsRead("bob"))
    assert [told(store, since, 3) for since in (0, 3)] == [([1, 3], [2], 3), ([5], [4, 6], 6)]
    assert told(store, 1, 1) == ([], [2], 2)


def test_read_alls_are_cut_like_notifications(store: Harness) -> None:
    """The fault: a page had all read-alls there are, whatever its limit; eleven thousand were 858 KB."""
    store.tell("bob", *"abcdefg")
    store.write(*(MarkAllNotificationsRead("bob", type=verb) for verb in "abcdefg"))
    assert [told(store, since, 3) for since in (7, 10, 13)] == [
        ([], [8, 9, 10], 10),
        ([], [11, 12, 13], 13),
        ([], [14], 14),
    ]
    assert [store.changes("bob", since, 3).more for since in (7, 10, 11, 13)] == [True, True, False, False]


def told(store: Harness, since: int, limit: int) -> tuple[list[int], list[int], int]:
    """The seqs of the notifications and of the read-alls of a page of changes, and where it goes on."""
    page = store.changes("bob", since, limit)
    return [row.seq for row in page.rows], [mark.seq for mark in page.marks], page.next_since


def test_an_undo_is_a_reset_for_those_before_it(store: Harness) -> None:
    """Whoever heard of it asks on."""
    store.tell("bob", "a", "b")
    store.write(MarkAllNotificationsRead("bob"), UndoMarkAllRead("bob", 3))
    reset = InboxChanges([], singles(2, 4), reset=True)
    assert [store.changes("bob", since) for since in range(4)] == [reset] * 4
    assert store.changes("bob", 4) == InboxChanges([], singles(2, 4))
    store.tell("bob", "c")
    assert [row.seq for row in store.changes("bob", 4).rows] == [5]
    assert store.changes("bob", 3).reset


def test_a_client_that_hears_of_changes_has_the_list(store: Harness) -> None:
    """I6, the fold: rows replace rows, read-alls read what became unread up to theirs, a reset fetches afresh; after
    every kind of change that is what a fresh list shows, however many changes a client hears of at a time."""
    clients = [(Client(), 1), (Client(), 2), (Client(), ALL)]
    for command in life_of_an_inbox(store):
        store.clock.advance(1_000)
        store.write(command)
        for client, limit in clients:
            store.run(client.catch_up(store.store, "bob", limit))
            faithful(client.rows, store.rows("bob"))
        store.check_inbox("bob")
    late = Client()
    store.run(late.catch_up(store.store, "bob", 2))
    faithful(late.rows, store.rows("bob"))


def life_of_an_inbox(store: Harness) -> Iterator[Command]:
    """Every kind of change, on groups and on single items, several of them at different states of a row."""

    def told(*actors: str, verb: str = "comment", targets: tuple[str, ...] = ("bob",)) -> Publish:
        return Publish(tuple(event(actor, verb, "market:42", targets=targets) for actor in actors))

    def mark(state: NotificationState) -> Command:
        return SetNotificationState("bob", tuple(row.id for row in store.changes("bob", undone).rows), state)

    undone = 0
    for type in ("comment", None):
        yield told("ann", "ben", "cid")
        yield told("ann", "ann", verb="alone")
        yield mark(SEEN)
        yield told("dot")
        yield MarkAllNotificationsRead("bob", type=type)
        yield told("ann", "eve")
        for state in NotificationState:
            yield mark(state)
            yield told("fay", verb="alone")
        yield Retract(store.rows("bob")[0].event_ids[0])
        yield Retract(store.rows("bob")[-1].event_ids[-1])
        yield MarkAllNotificationsRead("bob", up_to=store.counts("bob").seq - 1, type=type)
        yield told("gil", "gil")
        yield MarkAllNotificationsRead("bob", type=type)
        undone = store.counts("bob").seq + 1
        yield UndoMarkAllRead("bob", undone - 1)
        yield MarkAllNotificationsRead("bob")


def test_counts_come_in_the_order_asked(store: Harness) -> None:
    """One for each user asked, repeated and unknown ones too."""
    store.tell("bob", "a", "b")
    store.tell("cy", "a")
    users = ["cy", "nobody", "bob", "cy"]
    assert store.run(store.store.counts(users)) == [
        singles(1, 1),
        singles(0, 0),
        singles(2, 2),
        singles(1, 1),
    ]
    assert store.run(store.store.counts([])) == []
