"""The read state of a feed, and how its changes and retractions reach a client that continues."""

import pytest

from tests.harness import Harness
from tidings.feed_changes import FeedChange, FeedMark, FeedReset, Retraction
from tidings.filters import FeedFilter, FeedOf
from tidings.model import (
    CommandResult,
    EraseUser,
    Follow,
    MarkFeedRead,
    MarkFeedUnread,
    Page,
    Retract,
    SetBlock,
    SetMute,
    UndoMarkFeedRead,
    Unfollow,
)
from tidings.testing import START_MS, event

OWN = FeedFilter(include_own=True)
MANY = tuple(f"v{n}" for n in range(5))


def unread(store: Harness, user: str = "bob") -> list[str]:
    """What is unread of a feed, own acts included; what is read is the rest."""
    found = store.feed(user, FeedFilter(read=False, include_own=True))
    read = store.feed(user, FeedFilter(read=True, include_own=True))
    assert sorted(found + read) == sorted(store.feed(user, OWN))
    summary = store.run(store.store.summary(user, include_own=True))
    assert (summary.total, summary.unread) == (len(found + read), len(found))
    return found


def marked(store: Harness, command: MarkFeedRead | MarkFeedUnread | UndoMarkFeedRead) -> CommandResult:
    (outcome,) = store.write(command)
    assert isinstance(outcome, CommandResult)
    return outcome


def since(store: Harness, after: int, user: str = "bob", limit: int = 100) -> Page:
    return store.run(store.store.feed_since(user, after, limit))


def changes(store: Harness, after: int, user: str = "bob") -> list[FeedChange]:
    """The changes of a feed after a position, as who resumes reads them page by page, and as streams hear them."""
    found: list[FeedChange] = []
    at: int | None = after
    while at is not None:
        page = since(store, at, user, limit=2)
        assert not page.reset
        assert len(page.items) + len(page.changes) <= 2
        found += page.changes
        at = page.next_key
    audiences, last = store.run(store.store.audience_since(after, {user}, 1_000))
    assert last == store.run(store.store.head()).position
    assert [one.change for one in audiences if one.change is not None] == found
    return found


# --- own acts ---------------------------------------------------------------------------------------------------


def test_own_items_can_be_marked_read_by_id(store: Harness) -> None:
    """An own act is read and unread like any other item, whichever way it is asked for."""
    store.write(Follow("bob", "market:42", 0))
    own, other = store.publish(event("bob", obj="market:42"), event("alice", obj="market:42"))
    assert store.changed(MarkFeedRead("bob", (own,))) == 1
    assert unread(store) == [other]
    assert store.changed(MarkFeedRead("bob", (own,))) == 0
    assert store.changed(MarkFeedUnread("bob", (own,))) == 1
    assert unread(store) == [other, own]


def test_own_items_are_read_by_a_read_all(store: Harness) -> None:
    """They lie under the watermark like the others, and are counted."""
    store.publish(event("bob"), event("alice", targets=("bob",)), event("bob", at=START_MS - 5))
    assert store.changed(MarkFeedRead("bob", up_to=2)) == 2
    assert store.changed(MarkFeedRead("bob")) == 1
    assert unread(store) == []


@pytest.mark.need("FE8")
def test_a_summary_counts_own_acts_when_asked(store: Harness) -> None:
    """Total, unread, verbs and the newest items; without being asked it leaves them out."""
    store.publish(event("bob", "like"), event("alice", targets=("bob",)), event("bob", "like"))
    with_own = store.run(store.store.summary("bob", include_own=True))
    assert (with_own.total, with_own.unread, dict(with_own.verbs)) == (3, 3, {"post": 1, "like": 2})
    assert with_own.recent == store.page("bob", 5, OWN).items
    assert store.run(store.store.summary("bob")).total == 1


def test_new_count_counts_own_acts_when_asked(store: Harness) -> None:
    """By position, late ones too."""
    store.publish(event("bob"), event("alice", targets=("bob",)), event("bob", at=START_MS - 9))
    for after, both, others in ((0, 3, 1), (1, 2, 1), (2, 1, 0)):
        assert store.run(store.store.new_count(FeedOf("bob"), after, 10, OWN)).new == both
        assert store.run(store.store.new_count(FeedOf("bob"), after, 10)).new == others


# --- unread -----------------------------------------------------------------------------------------------------


def test_a_mark_by_id_can_be_taken_back(store: Harness) -> None:
    """Once; ids that are unread, unknown or not in the feed change nothing."""
    mine, other, foreign = store.publish(*(event("alice", targets=(user,)) for user in ("bob", "bob", "cy")))
    store.write(MarkFeedRead("bob", (mine,)), MarkFeedRead("cy"))
    position = store.run(store.store.head()).position
    assert store.changed(MarkFeedUnread("bob", (other, foreign, "no-id"))) == 0
    assert store.run(store.store.head()).position == position
    assert store.changed(MarkFeedUnread("bob", (mine, other, mine))) == 1
    assert unread(store) == [other, mine]
    assert store.changed(MarkFeedUnread("bob", (mine,))) == 0


def test_an_item_under_the_watermark_can_be_unread(store: Harness) -> None:
    """Pushed and merged items alike; the others stay read."""
    store.write(*(Follow(user, "user:alice", 0) for user in MANY))
    ids = store.publish(*(event("alice", at=START_MS - n) for n in range(4)))
    store.write(MarkFeedRead("v1"))
    assert store.changed(MarkFeedUnread("v1", (ids[1], ids[3]))) == 2
    assert unread(store, "v1") == [ids[1], ids[3]]
    store.clock.advance(5)
    assert store.changed(MarkFeedRead("v1", (ids[1],))) == 1
    assert unread(store, "v1") == [ids[3]]
    times = {store.store.ids.text(item.key): item.read_at for item in store.page("v1").items}
    assert times[ids[1]] == store.clock.ms, "it was read again, later"


def test_the_next_read_all_reads_what_was_marked_unread(store: Harness) -> None:
    """As far as it goes, though another read-all went further before; one that changes nothing takes no position."""
    ids = store.publish(*(event("alice", targets=("bob",)) for _ in range(4)))
    store.write(MarkFeedRead("bob"), MarkFeedUnread("bob", (ids[0], ids[3])))
    store.clock.advance(5)
    assert store.changed(MarkFeedRead("bob", up_to=2)) == 1
    assert unread(store) == [ids[3]]
    position = store.run(store.store.head()).position
    assert store.changed(MarkFeedRead("bob", up_to=2)) == 0
    assert store.run(store.store.head()).position == position
    assert store.changed(MarkFeedRead("bob")) == 1
    assert unread(store) == []
    assert store.changed(MarkFeedRead("bob")) == 0
    assert store.changed(MarkFeedUnread("bob", (ids[0],))) == 1
    assert unread(store) == [ids[0]]


# --- a read-all taken back --------------------------------------------------------------------------------------


def test_a_read_all_of_the_feed_can_be_taken_back(store: Harness) -> None:
    """What is read by it alone is unread again, what was marked unread before it too; a second time changes nothing."""
    ids = store.publish(*(event("alice", targets=("bob",)) for _ in range(5)))
    first = marked(store, MarkFeedRead("bob", up_to=2)).marked
    store.write(MarkFeedUnread("bob", (ids[0],)), MarkFeedRead("bob", (ids[3],)))
    second = marked(store, MarkFeedRead("bob")).marked
    assert unread(store) == []
    assert store.changed(UndoMarkFeedRead("bob", second)) == 3
    assert unread(store) == [ids[4], ids[2], ids[0]]
    assert store.changed(UndoMarkFeedRead("bob", second)) == 0
    assert store.changed(UndoMarkFeedRead("bob", first)) == 1
    assert unread(store) == [ids[4], ids[2], ids[1], ids[0]]


def test_taking_a_read_all_back_leaves_what_another_reads(store: Harness) -> None:
    """Also of what was marked unread between them, or after them; other positions take nothing back."""
    ids = store.publish(*(event("alice", targets=("bob",)) for _ in range(3)))
    first = marked(store, MarkFeedRead("bob", up_to=2)).marked
    store.write(MarkFeedUnread("bob", (ids[1],)))
    second = marked(store, MarkFeedRead("bob", up_to=2)).marked
    third = marked(store, MarkFeedRead("bob")).marked
    store.write(MarkFeedUnread("bob", (ids[2],)))
    assert store.changed(UndoMarkFeedRead("bob", second)) == 0
    assert unread(store) == [ids[2]]
    assert store.changed(UndoMarkFeedRead("bob", first)) == 0
    assert store.changed(UndoMarkFeedRead("bob", third + 1)) == 0
    assert store.changed(UndoMarkFeedRead("cy", third)) == 0
    assert store.changed(UndoMarkFeedRead("bob", third)) == 2
    assert unread(store) == ids[::-1]


# --- what is told of it -----------------------------------------------------------------------------------------


def test_every_change_of_the_read_state_is_told_in_order(store: Harness) -> None:
    """I5: each takes a position, and is told to this user alone, from whatever position they go on."""
    first, second = store.publish(event("alice", targets=("bob", "cy")), event("bob"))
    at = store.clock.ms
    store.write(MarkFeedRead("bob", (first, second)), MarkFeedUnread("bob", (second,)), MarkFeedRead("bob"))
    expected = [
        FeedMark(3, at, (first, second)),
        FeedMark(4, None, (second,)),
        FeedMark(5, at, up_to=2),
    ]
    for after in range(6):
        assert changes(store, after) == [one for one in expected if one.position > after]
    assert changes(store, 0, "cy") == []
    assert [item.read_at for item in since(store, 0).items] == [at]


def test_a_mark_that_changes_nothing_is_not_told(store: Harness) -> None:
    """A repeat, an id of another feed, a read-all of nothing new."""
    mine, foreign = store.publish(event("alice", targets=("bob",)), event("alice", targets=("cy",)))
    store.write(
        MarkFeedRead("bob", (mine,)), MarkFeedRead("bob", (mine, foreign)), MarkFeedUnread("bob", (foreign,))
    )
    store.write(MarkFeedRead("bob"), MarkFeedRead("bob"))
    assert [type(one) for one in changes(store, 2)] == [FeedMark, FeedMark]
    assert store.run(store.store.head()).position == 4


def test_a_retraction_is_told_to_whose_feed_it_was_in(store: Harness) -> None:
    """Targets, followers by whichever way it travels, and its actor; nobody else hears of the id, nor who has hidden it."""
    store.write(*(Follow(user, "user:alice", 0) for user in MANY), SetMute("v1", "item:1"))
    store.write(Follow("eve", "user:alice", 0), Unfollow("eve", "user:alice"), SetBlock("v2", "user:alice"))
    gone, kept = store.publish(event("alice", targets=("bob",)), event("alice"))
    store.write(Follow("late", "user:alice", 0), Retract(gone))
    told = [Retraction(3, gone)]
    for user in ("bob", "alice", "v0", "v3", "v4"):
        assert changes(store, 0, user) == told, user
    for user in ("v1", "v2", "eve", "late", "nobody"):
        assert changes(store, 0, user) == [], user
    assert store.ids_of(since(store, 0, "v3")) == [kept]
    assert changes(store, 3, "bob") == []


def test_a_retraction_is_told_to_who_got_the_event_by_a_backfill(store: Harness) -> None:
    """A follow that was made after the event covers it, or does not."""
    gone, _ = store.publish(event("alice"), event("alice", at=START_MS + 1))
    store.write(Follow("bob", "user:alice", 2), Follow("cy", "user:alice", 1), Retract(gone))
    assert changes(store, 2, "bob") == [Retraction(3, gone)]
    assert changes(store, 2, "cy") == []


def test_changes_come_among_the_items_in_the_order_of_positions(store: Harness) -> None:
    """A page is cut between them, and goes on there."""
    first, _ = store.publish(event("alice", targets=("bob",)), event("alice", targets=("bob",)))
    store.write(MarkFeedRead("bob"), Retract(first))
    store.publish(event("alice", targets=("bob",)))
    told = []
    at: int | None = 0
    while at is not None:
        page = since(store, at, limit=1)
        told += [one.position for one in (*page.items, *page.changes)]
        at = page.next_key
    assert told == [2, 3, 4, 5]


def test_a_read_all_taken_back_resets_who_comes_from_before_it(store: Harness) -> None:
    """And who is there hears of it; who comes from behind it is told what follows."""
    ids = store.publish(*(event("alice", targets=("bob", "cy")) for _ in range(2)))
    undone = marked(store, UndoMarkFeedRead("bob", marked(store, MarkFeedRead("bob")).marked))
    assert undone == CommandResult(2, 4, marked=4)
    assert [since(store, after).reset for after in range(5)] == [True] * 4 + [False]
    audiences, _ = store.run(store.store.audience_since(3, {"bob", "cy"}, 9))
    assert [(one.change, one.listeners) for one in audiences] == [(FeedReset(4), [("", "", ["bob"])])]
    store.write(MarkFeedRead("bob", (ids[0],)))
    assert [type(one) for one in changes(store, 4)] == [FeedMark]
    assert not since(store, 0, "cy").reset


def test_an_erased_person_leaves_no_marks(store: Harness) -> None:
    """Who returns under the name is somebody else, and has read nothing."""
    (mine,) = store.publish(event("alice", targets=("bob",)))
    store.write(MarkFeedRead("bob"), MarkFeedUnread("bob", (mine,)), EraseUser("bob"))
    assert changes(store, 0) == []
    audiences, _ = store.run(store.store.audience_since(0, {"bob"}, 9))
    assert audiences == []
    (new,) = store.publish(event("alice", targets=("bob",)))
    assert unread(store) == [new]


@pytest.mark.parametrize("after", [0, 1, 2])
def test_what_was_never_shown_may_be_retracted(store: Harness, after: int) -> None:
    """An event that came and went between two positions is told as retracted, and not as an item."""
    (gone,) = store.publish(event("alice", targets=("bob",)))
    store.write(Retract(gone))
    page = since(store, after)
    assert page.items == []
    assert [one.position for one in page.changes] == ([2] if after < 2 else [])
