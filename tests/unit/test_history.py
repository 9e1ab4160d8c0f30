"""The record of what was written says who may have what of it, and fails on each thing it is there to find."""

from collections.abc import Callable

import pytest

from tests.checkers.history import History
from tests.checkers.relations import Spans
from tests.simulation.store import at_once
from tidings.activity_scope import EVERYBODY, ActivityScope
from tidings.model import (
    Command,
    EraseUser,
    Follow,
    InboxRow,
    MarkFeedRead,
    Publish,
    Retract,
    SetBlock,
    SetMute,
    Unfollow,
)
from tidings.testing import FakeClock, MemoryStore, event
from tidings.visibility import VISITOR, Visibility

FEED = ActivityScope()
ALL = ActivityScope(feed=False, everybody=True)
TOPIC = ActivityScope(feed=False, topics=frozenset({"item:1"}))


class Written:
    """The reference store, and the record of what was written to it."""

    def __init__(self) -> None:
        self.store = MemoryStore(FakeClock(), epoch="e1")
        self.history = History(self.store.rules)

    def write(self, *commands: Command) -> None:
        """Write these."""
        self.history.write(commands, at_once(self.store.write(commands)))

    def publish(self, visibility: Visibility = Visibility.PUBLIC) -> str:
        """An event of ann about an item, for ben."""
        made = event("ann", "like", "item:1", targets=("ben",), visibility=visibility)
        self.write(Publish((made,)))
        return list(self.history.events)[-1]

    def rows(self, user: str) -> list[InboxRow]:
        """All of an inbox."""
        return list(at_once(self.store.inbox(user, 100, None, state="all")).rows)


@pytest.fixture
def written() -> Written:
    """Nothing yet."""
    return Written()


def test_spans_of_moments() -> None:
    spans = Spans()
    spans.set(True, 3)
    spans.set(False, 5)
    assert spans.within(1, 3)
    assert spans.within(4, 9)
    assert not spans.within(1, 2)
    assert not spans.within(5, 9)
    assert spans.throughout(3, 4)
    assert not spans.throughout(2, 4)
    assert not spans.throughout(3, 5)
    assert not spans.open


def test_what_streams_are_due(written: Written) -> None:
    """Events by visibility, changes of read state, and in place of an event its retraction."""
    written.write(Follow("cid", "item:1", 0))
    ids = [written.publish(visibility) for visibility in Visibility]
    history = written.history
    assert history.due("ben", FEED, 0) == [1, 2, 3]
    assert history.due("cid", FEED, 0) == history.due("cid", TOPIC, 0) == [1, 2]
    assert history.due("ann", TOPIC, 0) == [1, 2]
    assert history.due("ann", FEED, 0) == []
    assert history.due(VISITOR, ALL, 0) == history.due("ben", TOPIC, 0) == [1]
    written.write(MarkFeedRead("ben"), Retract(ids[1]))
    assert history.due("ben", FEED, 1) == [3, 4, 5]
    assert history.due("ann", FEED, 0) == [5]
    assert history.due("dot", ActivityScope(True, True), 0) == [1]
    written.write(SetMute("cid", "item:1"), Unfollow("cid", "item:1"), SetBlock("dot", "user:ann"))
    assert history.due("cid", FEED, 0) == history.due("dot", ALL, 0) == []


Claim = Callable[[History, list[str]], None]


@pytest.mark.parametrize(
    "claim",
    [
        lambda history, ids: history.carries("cid", FEED, ids[0], 1),
        lambda history, ids: history.carries("ben", ALL, ids[1], 2),
        lambda history, ids: history.carries(VISITOR, TOPIC, ids[1], 2),
        lambda history, ids: history.carries("dot", ALL, ids[0], 1),
        lambda history, ids: history.carries("ben", FEED, ids[0], 2),
        lambda history, ids: history.carries("ben", FEED, "unknown", 1),
        lambda history, ids: history.retracts("cid", ALL, ids[2], 4),
        lambda history, ids: history.retracts("ben", FEED, ids[2], 5),
        lambda history, ids: history.retracts("ben", FEED, ids[1], 4),
        lambda history, ids: history.has_fed("ben", [1]),
        lambda history, ids: history.has_fed("ben", [1, 2, 3]),
        lambda history, ids: history.has_fed("cid", [1]),
    ],
    ids=[
        "not followed",
        "for followers",
        "for followers, to a visitor",
        "across a block",
        "another position",
        "never published",
        "the retraction of what was hidden",
        "a retraction elsewhere",
        "no retraction",
        "a feed with a hole",
        "a feed with what was retracted",
        "a feed with what is not in it",
    ],
)
def test_a_history_finds(written: Written, claim: Claim) -> None:
    """I5, I9: each frame and item that should not be, or that should."""
    written.write(SetBlock("dot", "user:ann"))
    ids = [written.publish(visibility) for visibility in Visibility]
    written.write(Retract(ids[2]))
    written.history.carries("ben", FEED, ids[1], 2)
    written.history.retracts("ben", FEED, ids[2], 4)
    written.history.has_fed("ben", [1, 2])
    with pytest.raises(AssertionError):
        claim(written.history, ids)


def test_inboxes_are_those_of_the_notified(written: Written) -> None:
    """I3, I6: exactly, without what a retraction or a block removed; too much and too little is found."""
    ids = [written.publish() for _ in range(3)]
    written.write(Retract(ids[0]))
    rows = written.rows("ben")
    assert written.history.notified("ben", rows, lacking=False) == 0
    for wrong in ([], [rows[0]._replace(event_ids=tuple(ids), size=3)], [*rows, *rows]):
        with pytest.raises(AssertionError):
            written.history.notified("ben", wrong, lacking=False)
    written.write(SetBlock("ben", "user:ann"))
    assert written.history.removed == 2
    assert written.history.notified("ben", written.rows("ben"), lacking=False) == 0
    with pytest.raises(AssertionError):
        written.history.notified("ben", rows, lacking=False)


def test_a_block_that_is_lifted_early_may_leave_the_rest(written: Written) -> None:
    """Where its items are removed in steps. What a retraction removed stays away."""
    history = written.history = History(written.store.rules, in_steps=True)
    ids = [written.publish() for _ in range(2)]
    rows = written.rows("ben")
    written.write(SetBlock("ben", "user:ann"), Retract(ids[0]))
    with pytest.raises(AssertionError):
        history.notified("ben", rows, lacking=False)
    written.write(SetBlock("ben", "user:ann", on=False))
    with pytest.raises(AssertionError):
        history.notified("ben", rows, lacking=False)
    left = [rows[0]._replace(event_ids=(ids[1],), size=1)]
    assert history.notified("ben", left, lacking=False) == 1
    assert history.notified("ben", [], lacking=False) == 1


def test_pages_are_what_is_listed_now(written: Written) -> None:
    for visibility in Visibility:
        written.publish(visibility)
    history = written.history
    assert [one.position for one in history.page(EVERYBODY, "ben")] == [1]
    assert [one.position for one in history.page("item:1", "ben")] == [1]
    written.write(Follow("ben", "item:1", 0))
    assert [one.position for one in history.page("item:1", "ben")] == [1, 2]
    written.write(SetBlock("ann", "user:ben"))
    assert history.page("item:1", "ben") == []
    written.write(SetBlock("ann", "user:ben", on=False))
    assert history.public_positions() == {1}


def test_the_position_of_an_erasure_is_public(written: Written) -> None:
    """Visitors get a reset at it. The erasure of a user whom no event shows takes none."""
    written.publish(Visibility.RECIPIENTS)
    written.write(Follow("eve", "item:1", 0), EraseUser("eve"))
    assert written.history.erased
    assert written.history.public_positions() == set()
    written.write(EraseUser("ann"))
    assert written.history.public_positions() == {2}
