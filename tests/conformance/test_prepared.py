"""What is done before a transaction: ``tidings.ports.Preparation``. Whatever others write between the two, a read-all of a
feed and its undoing do and say what they would without it, before what was written or after it."""

import msgspec
import pytest

from tests.checkers.adapters import ALL
from tests.harness import Harness
from tidings.filters import FeedFilter
from tidings.ids import key_at
from tidings.model import (
    Command,
    CommandResult,
    EraseUser,
    Follow,
    MarkFeedRead,
    MarkFeedUnread,
    Publish,
    Retract,
    SetBlock,
    SetMute,
    UndoMarkFeedRead,
    Unfollow,
)
from tidings.storage.sqlite import feed_counts
from tidings.testing import START_MS, MemoryStore, event

OWN = FeedFilter(include_own=True)
PUBLISHED = 12


def life(store: MemoryStore) -> list[Command]:
    """A feed with items of each kind: targeted, followed, the user's own, late, hidden, read and unread by themselves."""
    ids = [store.ids.text(key_at(START_MS + n)) for n in range(PUBLISHED)]
    actors = ("alice", "alice", "bob", "eve", "alice", "cy", "alice", "bob", "eve", "alice", "alice", "alice")
    return [
        Follow("bob", "user:alice", 0),
        Follow("bob", "user:cy", 0),
        SetMute("bob", "item:5"),
        SetBlock("eve", "user:bob"),
        *(
            Publish((event(actor, obj=f"item:{n}", targets=("bob",) if n % 3 else (), at=START_MS + n),))
            for n, actor in enumerate(actors)
        ),
        Publish((event("alice", at=START_MS - 9), event("bob", at=START_MS - 5))),
        MarkFeedRead("bob", (ids[1], ids[4])),
        MarkFeedUnread("bob", (ids[4],)),
        MarkFeedRead("bob", None, 3),
        MarkFeedUnread("bob", (ids[0],)),
    ]


BETWEEN: dict[str, list[Command]] = {
    "nothing": [],
    "publishing": [Publish((event("alice"), event("bob"))), Publish((event("alice", at=START_MS + 4),))],
    "late events": [Publish((event("alice", at=START_MS - 99),))],
    "a mute": [SetMute("bob", "item:6")],
    "an unmute": [SetMute("bob", "item:5", on=False)],
    "a block by another": [SetBlock("cy", "user:bob"), SetBlock("alice", "user:bob")],
    "a block taken back": [SetBlock("eve", "user:bob", on=False)],
    "an erased blocker": [EraseUser("eve")],
    "an erased actor": [EraseUser("alice")],
    "an erased user": [EraseUser("bob"), Publish((event("alice", targets=("bob",)),))],
    "a follow": [Follow("bob", "user:eve", 9)],
    "an unfollow": [Unfollow("bob", "user:alice")],
    "a keeping unfollow": [Unfollow("bob", "user:alice", keep=True), Publish((event("alice"),))],
    "another read-all": [MarkFeedRead("bob", None, 9)],
    "a longer read-all": [MarkFeedRead("bob")],
}


def commands(store: Harness) -> dict[str, Command]:
    """What is prepared. The read-all that is taken back is the last of a life."""
    return {
        "all": MarkFeedRead("bob"),
        "some": MarkFeedRead("bob", None, 8),
        "more than there are": MarkFeedRead("bob", None, 1_000),
        "undo": UndoMarkFeedRead("bob", _made(store)),
    }


def _made(store: Harness) -> int:
    """The position that the read-all of a life took."""
    page = store.run(store.store.feed_since("bob", 0, ALL))
    return max(change.position for change in page.changes if getattr(change, "up_to", None) is not None)


def begun(store: Harness) -> Harness:
    """A store and the reference beside it, after a life."""
    reference = Harness(MemoryStore(store.clock), store.clock, store._runner)
    for command in life(reference.store):  # type: ignore[arg-type]
        store.write(command)
        reference.write(command)
    return reference


def agree(store: Harness, reference: Harness) -> None:
    """Both show the same of the user's feed, read and unread."""
    for read in (True, False):
        want = msgspec.structs.replace(OWN, read=read)
        assert store.feed("bob", want) == reference.feed("bob", want)


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    """However few items there are, they are counted before the transaction."""
    monkeypatch.setattr(feed_counts, "SHORT", 0)


@pytest.mark.parametrize("what", ["all", "some", "more than there are", "undo"])
@pytest.mark.parametrize("between", BETWEEN)
def test_a_prepared_command_takes_effect_then_or_now(store: Harness, what: str, between: str) -> None:
    """Its outcome, and the feed, are those of a store that prepares nothing, and writes it before what came between or
    after it."""
    assert _in_some_order(store, what, BETWEEN[between])


@pytest.mark.parametrize("what", ["all", "some", "undo"])
@pytest.mark.parametrize("n", range(PUBLISHED + 2))
def test_a_retraction_may_follow_a_preparation(store: Harness, what: str, n: int) -> None:
    """Whether it is unread, read by itself, the user's own, hidden or in no feed of theirs."""
    assert _in_some_order(store, what, None, n)


def _in_some_order(store: Harness, what: str, others: list[Command] | None, n: int = 0) -> bool:
    """Whether a prepared command does what it does in one of the two orders."""
    first = begun(store)
    last = Harness(MemoryStore(store.clock), store.clock, store._runner)
    for command in life(last.store):  # type: ignore[arg-type]
        last.write(command)
    command = commands(store)[what]
    between = [Retract(store.activity(None)[n])] if others is None else others
    prepared = store.run(store.store.prepare(command))
    expected = [_seen(first, [command, *between], 0), _seen(last, [*between, command], -1)]
    return _seen(store, [*between, prepared], -1) in expected


def _seen(store: Harness, written: list[Command], n: int) -> tuple[int, list[str], list[str]]:
    """How much one of these commands changed, and what is read and unread once they are written."""
    outcome = [store.write(command)[0] for command in written][n]
    assert isinstance(outcome, CommandResult)
    unread, read = (store.feed("bob", msgspec.structs.replace(OWN, read=read)) for read in (False, True))
    return outcome.updated, unread, read


def test_a_preparation_changes_nothing(store: Harness) -> None:
    """Of what can be read; and of a user who is not known nothing is known afterwards."""
    reference = begun(store)
    head = store.run(store.store.head())
    for command in (*commands(store).values(), MarkFeedRead("nobody"), UndoMarkFeedRead("nobody", 1)):
        store.run(store.store.prepare(command))
    assert store.run(store.store.head()) == head
    agree(store, reference)
    assert store.feed("nobody") == []


def test_a_preparation_may_be_for_nothing(store: Harness) -> None:
    """What was prepared twice, or for a command that never comes, is in nobody's way."""
    reference = begun(store)
    prepared = list(commands(store).values())
    for command in (*prepared, *prepared):
        store.run(store.store.prepare(command))
    for command in prepared[::-1]:
        assert store.write(command) == reference.write(command)
        agree(store, reference)
