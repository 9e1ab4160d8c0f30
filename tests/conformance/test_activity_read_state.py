"""The read state of activity: one for each user and event, in the feed and on every page of activity."""

import pytest

from tests.checkers.adapters import sound_groups
from tests.harness import Harness
from tidings.activity_scope import EVERYBODY, ActivityScope
from tidings.feed_changes import FeedChange, FeedMark, FeedReset
from tidings.filters import ActivityOf, FeedFilter, FeedOf
from tidings.grouping import GroupRule
from tidings.model import (
    CommandResult,
    EraseUser,
    Follow,
    MarkFeedRead,
    MarkFeedUnread,
    Page,
    SetBlock,
    UndoMarkFeedRead,
    Unfollow,
)
from tidings.testing import START_MS, event
from tidings.timeutil import DAY_MS
from tidings.visibility import VISITOR, Visibility

MARKET = "market:1"
TOPICS = frozenset({MARKET, "market:2"})
UNREAD, READ = FeedFilter(read=False), FeedFilter(read=True)


def unread(store: Harness, topic: str | None, user: str = "bob") -> list[str]:
    """What is unread of activity; what is read is the rest, and new counts say the same."""
    found, read = (store.activity(topic, want, user) for want in (UNREAD, READ))
    assert sorted(found + read) == sorted(store.activity(topic, viewer=user))
    for want, ids in ((UNREAD, found), (READ, read)):
        count = store.run(store.store.new_count(ActivityOf(topic, user), 0, 100, want))
        assert (count.new, count.capped) == (len(ids), False)
    return found


def marked(store: Harness, command: MarkFeedRead | MarkFeedUnread | UndoMarkFeedRead) -> CommandResult:
    (outcome,) = store.write(command)
    assert isinstance(outcome, CommandResult)
    return outcome


@pytest.fixture
def ids(store: Harness) -> list[str]:
    """Three events of alice, on two markets; only the last is in the feed of bob."""
    return store.publish(
        event("alice", obj=MARKET),
        event("alice", obj="market:2"),
        event("alice", obj=MARKET, targets=("bob",)),
    )


def test_an_event_of_activity_is_marked_by_id(store: Harness, ids: list[str]) -> None:
    """Without being in the feed; one in the feed is read there too, and unread for everybody else."""
    read = MarkFeedRead("bob", (ids[0], ids[2], "unknown"), None, EVERYBODY)
    assert [marked(store, read).updated for _ in range(2)] == [2, 0]
    assert unread(store, None) == [ids[1]]
    assert unread(store, MARKET) == store.feed("bob", UNREAD) == []
    assert len(unread(store, None, "cy")) == 3
    assert store.activity(None, READ) == []
    again = MarkFeedUnread("bob", (ids[2], ids[1]), EVERYBODY)
    assert [marked(store, again).updated for _ in range(2)] == [1, 0]
    assert unread(store, MARKET) == store.feed("bob", UNREAD) == [ids[2]]


def test_a_mark_of_a_topic_is_of_its_events_alone(store: Harness, ids: list[str]) -> None:
    assert marked(store, MarkFeedRead("bob", tuple(ids), None, MARKET)).updated == 2
    assert unread(store, None) == [ids[1]]
    assert marked(store, MarkFeedUnread("bob", tuple(ids), "market:2")).updated == 0
    assert marked(store, MarkFeedRead("bob", tuple(ids), None, "market:none")) == CommandResult(0, 4)


def test_a_mark_in_the_feed_is_one_in_activity(store: Harness, ids: list[str]) -> None:
    """By id, by a read-all, and back; a read-all of the feed reads no event outside it."""
    marked(store, MarkFeedRead("bob", (ids[2],)))
    assert unread(store, None) == [ids[1], ids[0]]
    marked(store, MarkFeedUnread("bob", (ids[2],)))
    assert unread(store, MARKET) == [ids[2], ids[0]]
    assert marked(store, MarkFeedRead("bob")).updated == 1
    assert unread(store, MARKET) == [ids[0]]


@pytest.mark.parametrize(("activity", "left"), [(EVERYBODY, []), (MARKET, [1]), ("market:2", [0, 2])])
def test_a_read_all_reads_what_its_list_has(
    store: Harness, ids: list[str], activity: str, left: list[int]
) -> None:
    """Up to a position; what arrives after it stays unread. A repetition changes nothing."""
    first = marked(store, MarkFeedRead("bob", None, None, activity))
    assert first.updated == 3 - len(left)
    assert sorted(unread(store, None)) == sorted(ids[n] for n in left)
    assert store.feed("bob", UNREAD) == [ids[n] for n in left if n == 2]
    assert marked(store, MarkFeedRead("bob", None, None, activity)) == CommandResult(0, first.position)
    later = store.publish(event("alice", obj=MARKET), event("alice", obj="market:2"))
    assert set(later) <= set(unread(store, None))
    undone = marked(store, UndoMarkFeedRead("bob", first.marked))
    assert undone.updated == first.updated
    assert len(unread(store, None)) == 5


def test_a_read_all_ends_at_its_position(store: Harness, ids: list[str]) -> None:
    assert marked(store, MarkFeedRead("bob", None, 1, EVERYBODY)).updated == 1
    assert unread(store, None) == [ids[2], ids[1]]
    assert marked(store, MarkFeedRead("bob", None, 0, MARKET)).updated == 0


def test_a_read_all_counts_what_others_left_unread(store: Harness, ids: list[str]) -> None:
    """Each event once, whichever list it was read in; undone, it is read by the other read-all."""
    topic = marked(store, MarkFeedRead("bob", None, None, MARKET))
    everyone = marked(store, MarkFeedRead("bob", None, None, EVERYBODY))
    feed = marked(store, MarkFeedRead("bob"))
    assert [one.updated for one in (topic, everyone, feed)] == [2, 1, 0]
    assert marked(store, UndoMarkFeedRead("bob", topic.marked)).updated == 0
    assert marked(store, UndoMarkFeedRead("bob", everyone.marked)).updated == 2
    assert unread(store, None) == [ids[1], ids[0]]


def test_an_event_marked_unread_is_read_by_a_list_that_has_it(store: Harness, ids: list[str]) -> None:
    marked(store, MarkFeedUnread("bob", tuple(ids), EVERYBODY))
    marked(store, MarkFeedRead("bob", tuple(ids), None, EVERYBODY))
    marked(store, MarkFeedUnread("bob", tuple(ids), EVERYBODY))
    assert marked(store, MarkFeedRead("bob")).updated == 1
    made = marked(store, MarkFeedRead("bob", None, None, MARKET))
    assert made.updated == 1
    assert unread(store, None) == [ids[1]]
    assert marked(store, UndoMarkFeedRead("bob", made.marked)).updated == 1
    assert unread(store, MARKET) == [ids[0]]


def test_nothing_is_marked_that_no_page_shows(store: Harness) -> None:
    """Neither by id nor by a read-all: an event for recipients stays unread in the feed, one behind a block as it is."""
    private, followed, blocked = store.publish(
        event("alice", obj=MARKET, targets=("bob",), visibility=Visibility.RECIPIENTS),
        event("alice", obj=MARKET, targets=("bob",), visibility=Visibility.FOLLOWERS),
        event("cy", obj=MARKET, targets=("bob",)),
    )
    store.write(SetBlock("bob", "user:cy"))
    ids = (private, followed, blocked)
    assert marked(store, MarkFeedRead("bob", ids, None, EVERYBODY)).updated == 0
    assert marked(store, MarkFeedRead("bob", None, None, MARKET)).updated == 0
    assert store.feed("bob", UNREAD) == [followed, private]
    store.write(Follow("bob", MARKET, 0))
    assert unread(store, MARKET) == []
    assert store.feed("bob", UNREAD) == [private]
    store.write(Unfollow("bob", MARKET))
    assert store.feed("bob", UNREAD) == [followed, private]


def test_groups_of_activity_agree(store: Harness, ids: list[str]) -> None:
    """Their counts and times, and what they show of a read state."""
    marked(store, MarkFeedRead("bob", (ids[0],), None, EVERYBODY))
    what, rule = ActivityOf(None, "bob"), GroupRule(DAY_MS)
    groups = store.run(sound_groups(store.store, what, FeedFilter(), 1, rule))
    assert [(group.object_id, group.count, group.read) for group in groups] == [("1", 2, 1), ("2", 1, 0)]
    groups = store.run(sound_groups(store.store, what, UNREAD, 1, rule))
    assert [(group.object_id, group.count, group.read) for group in groups] == [("1", 1, 0), ("2", 1, 0)]


def test_read_alls_of_activity_reach_streams(store: Harness, ids: list[str]) -> None:
    """They say of which list they are; marks by id do not differ from those of the feed."""
    head = store.run(store.store.head()).position
    marked(store, MarkFeedRead("bob", (ids[0],), None, EVERYBODY))
    marked(store, MarkFeedRead("bob", None, None, MARKET))
    made = marked(store, MarkFeedRead("bob", None, None, EVERYBODY))
    expected = [
        FeedMark(head + 1, START_MS, (ids[0],)),
        FeedMark(head + 2, START_MS, (), 3, MARKET),
        FeedMark(head + 3, START_MS, (), 3, EVERYBODY),
    ]
    assert list(store.run(store.store.feed_since("bob", head, 10)).changes) == expected
    audiences, _ = store.run(store.store.audience_since(head, {"bob", "cy"}, 100))
    assert [(one.change, [users for *_, users in one.listeners]) for one in audiences] == [
        (change, [["bob"]]) for change in expected
    ]
    marked(store, UndoMarkFeedRead("bob", made.marked))
    audiences, _ = store.run(store.store.audience_since(head + 3, {"bob"}, 100))
    assert [one.change for one in audiences] == [FeedReset(head + 4)]


@pytest.mark.parametrize(
    "scope", [ActivityScope(feed=False, everybody=True), ActivityScope(False, topics=TOPICS)]
)
def test_streams_of_activity_alone_have_the_read_state(
    store: Harness, ids: list[str], scope: ActivityScope
) -> None:
    """Of their own user, live and when they resume, in the order of positions; after the undo of a read-all they start
    again. Nobody else has it."""
    head = store.run(store.store.head()).position
    marked(store, MarkFeedRead("bob", (ids[0],), None, EVERYBODY))
    store.publish(event("alice", obj=MARKET, targets=("bob",)))
    made = marked(store, MarkFeedRead("bob", None, None, None))
    expected = [FeedMark(head + 1, START_MS, (ids[0],)), FeedMark(head + 3, START_MS, (), head + 2)]

    def resumed(user: str, after: int, limit: int = 10) -> Page:
        return store.run(store.store.feed_since(user, after, limit, scope))

    def live(after: int, readers: set[str]) -> list[tuple[FeedChange | None, list[str]]]:
        watched = dict.fromkeys(scope.watched, readers)
        found, _ = store.run(store.store.audience_since(after, (), 100, watched, readers))
        return [(one.change, [user for *_, users in one.listeners for user in users]) for one in found]

    assert list(resumed("bob", head).changes) == expected
    first = resumed("bob", head, 2)
    assert ([*first.changes], [item.position for item in first.items]) == (expected[:1], [head + 2])
    assert list(resumed("bob", first.next_key or 0).changes) == expected[1:]
    assert resumed("cy", head).changes == resumed(VISITOR, head).changes == ()
    assert live(head, {"bob", "cy"}) == [(expected[0], ["bob"]), (None, []), (expected[1], ["bob"])]
    assert live(head, {"cy"}) == [(None, [])]
    marked(store, UndoMarkFeedRead("bob", made.marked))
    assert live(head + 3, {"bob", "cy"}) == [(FeedReset(head + 4), ["bob"])]
    assert [resumed(user, head + 3).reset for user in ("bob", "cy", VISITOR)] == [True, False, False]


def test_read_alls_of_activity_are_exported_and_erased(store: Harness, ids: list[str]) -> None:
    """With the list that they are of; a user who returns has read nothing."""
    marked(store, MarkFeedRead("bob", (ids[1],), None, EVERYBODY))
    marked(store, MarkFeedRead("bob", None, None, MARKET))
    marked(store, MarkFeedRead("bob", None, None, EVERYBODY))
    lines = [line for line in store.export("bob") if line["kind"] == "feed_read"]
    assert [line.get("event_id") for line in lines] == [ids[1], None, None]
    assert [line.get("activity") for line in lines] == [None, MARKET, "all"]
    store.write(EraseUser("bob"))
    store.settle()
    assert [line for line in store.export("bob") if line["kind"] == "feed_read"] == []
    assert len(unread(store, None)) == 3
    assert store.run(store.store.new_count(FeedOf("bob"), 0, 10, READ)).new == 0


def test_read_alls_of_topics_have_a_limit(
    store: Harness, ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing else bounds the rows of a user. Repeats, marks by ids, other lists and other users are no more than before; an
    undo makes room."""
    monkeypatch.setattr("tidings.activity_scope.MAX_TOPICS_READ", 1)
    over = MarkFeedRead("bob", None, None, "market:2")
    first = marked(store, MarkFeedRead("bob", None, None, MARKET))
    refused = marked(store, over)
    assert (refused.updated, refused.marked, refused.limit) == (0, 0, 1)
    assert unread(store, None) == [ids[1]]
    assert marked(store, MarkFeedRead("bob", None, None, "market:none")).limit == 0
    store.publish(event("alice", obj=MARKET))
    again = marked(store, MarkFeedRead("bob", None, None, MARKET))
    assert (again.updated, again.limit) == (1, 0)
    for activity in (None, EVERYBODY):
        assert marked(store, MarkFeedRead("bob", None, None, activity)).limit == 0
    assert marked(store, MarkFeedRead("cy", None, None, "market:2")).updated == 1
    for one in (first, again):
        marked(store, UndoMarkFeedRead("bob", one.marked))
    assert marked(store, over).limit == 0


def test_a_topic_of_recipients_alone_has_no_read_all(store: Harness) -> None:
    """No page lists its events, so there is nothing to cover."""
    store.publish(event("alice", obj=MARKET, targets=("bob",), visibility=Visibility.RECIPIENTS))
    outcome = marked(store, MarkFeedRead("bob", None, None, MARKET))
    assert (outcome.updated, outcome.marked) == (0, 0)
