"""Every checker passes on what is right and fails on each thing it is there to find."""

import asyncio

import pytest

from tests.checkers import audience, bounds, inboxes, ledger, paging, streams, taint, tops
from tests.checkers.adapters import json_item
from tests.checkers.inboxes import Item
from tests.checkers.ledger import Place, Reply
from tests.checkers.streams import Frame
from tidings.model import LogEntry

A, B, C = Place(1, "a"), Place(2, "b"), Place(3, "c")


def test_exactly_once_accepts_a_log_with_more_than_was_acknowledged() -> None:
    """A lost acknowledgement is no fault; a retracted event is gone."""
    ledger.exactly_once([A], [A, B])
    ledger.exactly_once([A, B], [A], retracted={"b"})


@pytest.mark.parametrize(
    ("acked", "log", "retracted"),
    [
        ([A, B], [A], ()),
        ([A], [Place(2, "a")], ()),
        ([A], [A, Place(2, "a")], ()),
        ([A, B], [B, A], ()),
        ([A, B], [A, Place(1, "b")], ()),
        ([A], [A], {"a"}),
    ],
    ids=["lost", "moved", "doubled", "disordered", "same position", "still there"],
)
def test_exactly_once_finds(acked: list[Place], log: list[Place], retracted: set[str]) -> None:
    """I1: each way of not being there exactly once."""
    with pytest.raises(AssertionError):
        ledger.exactly_once(acked, log, retracted)


def test_idempotent_accepts_equal_replies_and_refusals() -> None:
    """The first reply sets what the key stands for."""
    ledger.idempotent([Reply("k", 1, "x"), Reply("k", 1, "x"), Reply("k", 2, None), Reply("l", 2, "y")])


@pytest.mark.parametrize(
    "second", [Reply("k", 1, "y"), Reply("k", 1, None), Reply("k", 2, "x"), Reply("k", 2, "y")]
)
def test_idempotent_finds(second: Reply) -> None:
    """I2: another answer, a wrong refusal, another body let through."""
    with pytest.raises(AssertionError):
        ledger.idempotent([Reply("k", 1, "x"), second])


def test_dense_seqs() -> None:
    """I3: a hole, a double, one beyond the head and a missing last one are found."""
    inboxes.dense([3, 1, 2], 3)
    inboxes.dense([5, 6], 6, after=4)
    for wrong in ([1, 3], [1, 2, 2, 3], [1, 2, 3, 4], [1, 2]):
        with pytest.raises(AssertionError):
            inboxes.dense(wrong, 3)


def test_sound_rows() -> None:
    """I3: a shared seq, a seq beyond the head and one before its content are found."""
    inboxes.sound([Item("a", 1, 3), Item("b", 2, 2)], 3)
    for wrong in (
        [Item("a", 1, 2), Item("b", 2, 2)],
        [Item("a", 1, 4)],
        [Item("a", 2, 1)],
        [Item("a", 0, 0)],
    ):
        with pytest.raises(AssertionError):
            inboxes.sound(wrong, 3)


def test_addressed_rows() -> None:
    """I3: a missing, a foreign and a disordered notification are found; tombstones do not count."""
    rows = [Item("2", 2, 5, "y"), Item("1", 1, 1, "x"), Item("3", 3, 6, deleted=True)]
    inboxes.addressed(rows, ["x", "y"])
    for wrong in (["x"], ["x", "y", "z"], ["y", "x"]):
        with pytest.raises(AssertionError):
            inboxes.addressed(rows, wrong)


def test_counted_rows() -> None:
    """I6: read, archived and deleted rows are not counted, all others are."""
    rows = [
        Item("a", 1, 1),
        Item("b", 2, 2, read=True),
        Item("c", 3, 3, archived=True),
        Item("d", 4, 4, deleted=True),
    ]
    inboxes.counted(rows, 1)
    for wrong in (0, 2, 4):
        with pytest.raises(AssertionError):
            inboxes.counted(rows, wrong)


def test_spared_rows() -> None:
    """I6: a later arrival that a read-all swallowed is found, be it read or gone."""
    before = [Item("a", 1, 1), Item("b", 2, 2), Item("c", 3, 3, read=True)]
    inboxes.spared(before, [Item("a", 1, 1, read=True), Item("b", 2, 2)], up_to=1)
    for after in ([Item("b", 2, 2, read=True)], []):
        with pytest.raises(AssertionError):
            inboxes.spared(before, after, up_to=1)


def _entry(
    position: int, actor: str, targets: tuple[str, ...] = (), topics: tuple[str, ...] = ()
) -> LogEntry:
    return LogEntry(position, 100 - position, actor, "v", "t", "o", b"{}", targets, topics)


def test_the_audience_is_targets_and_followers_without_the_actor() -> None:
    """I3: recomputed from the log; a follow covers what came after it."""
    log = [
        _entry(1, "x", topics=("user:x",)),
        _entry(2, "x", topics=("user:x",)),
        _entry(3, "bob", targets=("bob",)),
        _entry(4, "y", targets=("bob",)),
    ]
    assert audience.notified("bob", log) == [4]
    assert audience.fed("bob", log, [audience.Followed("user:x", 1)]) == [98, 96]


def test_complete_walks() -> None:
    """I4: a double, a wrong order, a hole and a stranger are found; late arrivals may or may not be seen."""
    paging.complete([5, 3, 1], {5, 1}, {5, 4, 3, 1})
    for seen in ([5, 5, 1], [1, 5], [5, 3], [5, 2, 1]):
        with pytest.raises(AssertionError):
            paging.complete(seen, {5, 1}, {5, 4, 3, 1})


def test_a_walk_without_an_end_fails() -> None:
    """A cursor that goes round in circles does not hang the test."""

    async def circle(_: int | None) -> tuple[list[int], int | None]:
        return [], 1

    with pytest.raises(AssertionError):
        asyncio.run(paging.walk(circle))


def test_continuous_streams() -> None:
    """I5: complete, with changes that later ones overtook, resumed, or reset."""
    last = {"a": 4, "b": 2, "c": 3}
    streams.continuous([Frame(2, "b"), Frame(3, "c"), Frame(4, "a")], last)
    streams.continuous([Frame(1, "a"), Frame(2, "b"), Frame(3, "c"), Frame(4, "a")], last)
    streams.continuous([Frame(4, "a")], last, since=3)
    streams.continuous([Frame(9, "z"), Frame(3, reset=True), Frame(4, "a")], last)


@pytest.mark.parametrize(
    "frames",
    [
        [Frame(2, "b"), Frame(4, "a")],
        [Frame(2, "b"), Frame(3, "c"), Frame(3, "c"), Frame(4, "a")],
        [Frame(3, "c"), Frame(2, "b"), Frame(4, "a")],
        [Frame(1, "a"), Frame(2, "b"), Frame(3, "c")],
        [Frame(2, "b"), Frame(3, "c"), Frame(4, "a"), Frame(1, reset=True)],
    ],
    ids=["hole", "double", "disorder", "stale", "nothing after a reset"],
)
def test_continuous_finds(frames: list[Frame]) -> None:
    """I5: each way in which a stream can fail its reader."""
    with pytest.raises(AssertionError):
        streams.continuous(frames, {"a": 4, "b": 2, "c": 3})


def test_exact_tops() -> None:
    """I7: most first, ties by key, cut at the limit; a wrong count, order or length is found."""
    seen = ["b", "a", "c", "c"]
    tops.exact([("c", 2), ("a", 1)], seen, 2)
    for wrong in ([("c", 2), ("b", 1)], [("c", 1), ("a", 1)], [("c", 2)], [("a", 1), ("c", 2)]):
        with pytest.raises(AssertionError):
            tops.exact(wrong, seen, 2)


def test_untainted_replies() -> None:
    """I9: the owner's own marker may be there, nobody else's."""
    markers = {"alice": b"MA", "bob": b"MB"}
    taint.untainted(b"...MA...", "alice", markers)
    for owner in ("bob", "cy"):
        with pytest.raises(AssertionError):
            taint.untainted(b"...MA...", owner, markers)


def test_bounds() -> None:
    """I12: at the cap is allowed; over it, or without one, is not."""
    bounds.within({"queue": 5}, {"queue": 5, "files": 9})
    for wrong in ({"queue": 6}, {"tasks": 1}):
        with pytest.raises(AssertionError):
            bounds.within(wrong, {"queue": 5})


def test_items_off_the_wire() -> None:
    """A notification and a tombstone as JSON become the same plain data."""
    shown = {
        "id": "n1-a",
        "seq": 12,
        "event_ids": ["e"],
        "read_at": None,
        "archived_at": "2026-01-01T00:00:00.000Z",
    }
    assert json_item(shown) == Item("n1-a", 10, 12, "e", archived=True)
    assert json_item({"id": "n1-b", "seq": 13, "deleted": True}) == Item("n1-b", 11, 13, deleted=True)
