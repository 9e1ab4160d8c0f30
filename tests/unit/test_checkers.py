"""Every checker passes on what is right and fails on each thing it is there to find."""

import asyncio
from typing import Any

import msgspec
import pytest

from tests.checkers import audience, bounds, fold, inboxes, ledger, paging, streams, taint, tops
from tests.checkers.adapters import json_item
from tests.checkers.groups import Plain, Shown, partition
from tests.checkers.inboxes import Item
from tests.checkers.ledger import Place, Reply
from tests.checkers.streams import Frame
from tidings.model import InboxChanges, InboxCounters, InboxRow, LogEntry, ReadWatermark
from tidings.rules import Rule, Rules

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
    """I3: a shared seq or order, a seq beyond the head, of a row or a read-all, one before its content or before it
    became unread, and a size that does not fit are found."""
    inboxes.sound(
        [Item("a", 1, 4, 4), Item("b", 2, 2, 2), Item("c", 3, 6, 3, size=0, deleted=True)], 6, marks=[5]
    )
    for wrong in (
        [Item("a", 1, 2, 1), Item("b", 2, 2, 2)],
        [Item("a", 1, 1, 1), Item("b", 1, 2, 2)],
        [Item("a", 1, 4, 1)],
        [Item("a", 2, 1, 1)],
        [Item("a", 2, 3, 1)],
        [Item("a", 1, 2, 3)],
        [Item("a", 0, 0, 0)],
        [Item("a", 1, 1, 1, size=0)],
        [Item("a", 1, 2, 1, deleted=True)],
    ):
        with pytest.raises(AssertionError):
            inboxes.sound(wrong, 3)
    for marks in ([1], [2, 2], [4]):
        with pytest.raises(AssertionError):
            inboxes.sound([Item("a", 1, 1, 1)], 3, marks)


def test_addressed_rows() -> None:
    """I3: a missing, a foreign, a doubled and a disordered item are found, within a group and between groups;
    tombstones do not count."""
    rows = [
        Item("2", 4, 5, 4, ("z", "x"), 2),
        Item("1", 2, 2, 2, ("y",)),
        Item("3", 3, 6, 3, size=0, deleted=True),
    ]
    inboxes.addressed(rows, ["x", "y", "z"])
    for wrong in (["x", "y"], ["x", "y", "z", "u"], ["z", "y", "x"], ["x", "z", "y"]):
        with pytest.raises(AssertionError):
            inboxes.addressed(rows, wrong)
    for extra in (Item("4", 5, 7, 5, ("x",)), Item("4", 5, 7, 5, ("v",), 2)):
        with pytest.raises(AssertionError):
            inboxes.addressed([*rows, extra], ["x", "y", "z", "v"])


def test_counted_rows() -> None:
    """I6: read, archived and deleted rows are not counted, all others are, and the items in them."""
    rows = [
        Item("a", 1, 1, 1, size=3),
        Item("b", 2, 2, 2, read=True, seen=True),
        Item("e", 5, 5, 5, seen=True),
        Item("c", 3, 3, 3, archived=True),
        Item("d", 4, 4, 4, size=0, deleted=True),
    ]
    inboxes.counted(rows, 2, 4, 1)
    for groups, items, unseen in (
        (1, 4, 1),
        (3, 4, 1),
        (5, 4, 1),
        (2, 2, 1),
        (2, 5, 1),
        (2, 4, 0),
        (2, 4, 2),
    ):
        with pytest.raises(AssertionError):
            inboxes.counted(rows, groups, items, unseen)
    with pytest.raises(AssertionError):
        inboxes.counted([Item("b", 2, 2, 2, read=True)], 0, 0, 0)


def test_spared_rows() -> None:
    """I6: what became unread later and was swallowed by a read-all is found, be it read or gone."""
    before = [Item("a", 1, 1, 1), Item("b", 2, 3, 3), Item("c", 4, 4, 4, read=True)]
    inboxes.spared(before, [Item("a", 1, 1, 1, read=True), Item("b", 2, 3, 3)], up_to=2)
    for after in ([Item("b", 2, 3, 3, read=True)], []):
        with pytest.raises(AssertionError):
            inboxes.spared(before, after, up_to=2)


def test_returned_rows() -> None:
    """I3, I6: a snooze that ends in the old place, read, or with other items is found, and so is a change of another row."""
    before = [Item("a", 1, 5, 1, ("e1",), snoozed=True), Item("b", 2, 2, 2, ("e2",))]
    back = Item("a", 6, 6, 6, ("e1",))
    assert inboxes.returned(before, [back, before[1]], ["a"], head=5) == 1
    assert inboxes.returned(before, before, ["a"], head=5) == 0
    wrong = (
        back._replace(order=1),
        back._replace(order=5, seq=5, unread_seq=5),
        back._replace(read=True, seen=True),
        back._replace(event_ids=("e2",)),
        before[0]._replace(seq=6),
    )
    for row in wrong:
        with pytest.raises(AssertionError):
            inboxes.returned(before, [row, before[1]], ["a"], head=5)
    with pytest.raises(AssertionError):
        inboxes.returned(before, [back, before[1]._replace(seq=7, read=True)], ["a"], head=5)


def _row(order: int, type: str = "like", **fields: Any) -> InboxRow:
    return InboxRow(f"n1-{order:x}", order, order, order, type, b"{}")._replace(**fields)


def test_a_client_applies_rows_and_read_alls() -> None:
    """Rows replace rows; a read-all reads what became unread up to its seq, of its type, unless it is read already, and
    leaves what was seen at its time."""
    held = {
        row.id: row for row in (_row(1), _row(2, seen_at=5), _row(3, "post"), _row(4, read_at=6, seen_at=6))
    }
    moved = _row(2)._replace(order=5, seq=5, unread_seq=5)
    marks = (ReadWatermark(6, 4, "like", 7), ReadWatermark(7, 5, "", 8))
    counts = InboxCounters(0, 7, 5, 7)
    one = fold.folded(held, InboxChanges([moved], counts, marks=marks[:1]))
    assert [(row.order, row.read_at) for row in fold.listed(one)] == [(5, None), (4, 6), (3, None), (1, 7)]
    both = fold.folded(one, InboxChanges([], counts, marks=marks[1:]))
    assert [(row.order, row.seen_at, row.read_at) for row in fold.listed(both)] == [
        (5, 8, 8),
        (4, 6, 6),
        (3, 8, 8),
        (1, 7, 7),
    ]
    with pytest.raises(AssertionError):
        fold.folded(held, InboxChanges([], counts, reset=True))


def test_what_a_client_shows() -> None:
    """Neither archived ones nor tombstones, newest content first; it is the fresh list."""
    held = {row.id: row for row in (_row(1), _row(3), _row(2, archived_at=9), _row(4, deleted=True))}
    fold.faithful(held, [_row(3), _row(1)])
    for wrong in (
        [_row(1), _row(3)],
        [_row(3)],
        [_row(4), _row(3), _row(1)],
        [_row(3), _row(1, read_at=9)],
        [_row(3), _row(1, size=2)],
        [_row(3, body=b"renamed"), _row(1)],
        [_row(3, others=(b"renamed",)), _row(1)],
    ):
        with pytest.raises(AssertionError):
            fold.faithful(held, wrong)


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


def test_rules_say_who_is_notified() -> None:
    """I3: the targets, the followers of the object since before the event, or both; never the actor."""
    log = [
        _entry(1, "x", targets=("bob",)),
        _entry(2, "x", targets=("cy",)),
        _entry(3, "bob"),
        _entry(4, "x", targets=("bob",)),
    ]
    follows = [audience.Followed("t:o", 1), audience.Followed("user:x", 0)]
    expected = {"targets": [1, 4], "followers": [2, 4], "both": [1, 2, 4]}
    for notify, positions in expected.items():
        rules = Rules({"v": msgspec.convert({"notify": notify}, Rule)})
        assert audience.notified("bob", log, rules, follows) == positions


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


A_GROUP = Shown("g", "like", "item:1", 0, 10, 2, 1, ("bea", "ann"), 2, (5, 3))
ITS_ITEMS = [Plain(5, "like", "item:1", "bea"), Plain(3, "like", "item:1", "ann", True)]


def test_groups_partition_a_feed() -> None:
    """Every item is in exactly one group, whose numbers are those of its items."""
    later = Plain(7, "post", "item:1", "ann")
    other = A_GROUP._replace(id="h", verb="post", size=1, read=0, actors=("ann",), actor_count=1, items=(7,))
    partition([later, *ITS_ITEMS], [other, A_GROUP], 2)
    for wrong in (
        [A_GROUP, other],
        [other, other, A_GROUP],
        [A_GROUP],
        [other, A_GROUP, A_GROUP._replace(id="i")],
        [other, A_GROUP._replace(end=4, size=1)],
        [other, A_GROUP._replace(size=3)],
        [other, A_GROUP._replace(read=2)],
        [other, A_GROUP._replace(actor_count=1)],
        [other, A_GROUP._replace(actors=("ann", "bea"))],
        [other, A_GROUP._replace(items=(3, 5))],
    ):
        with pytest.raises(AssertionError):
            partition([later, *ITS_ITEMS], wrong, 2)
    with pytest.raises(AssertionError):
        partition([later, *ITS_ITEMS], [other, A_GROUP], 1)


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
        "order": 11,
        "unread_seq": 12,
        "event_ids": ["e", "d"],
        "count": 2,
        "read_at": None,
        "archived_at": "2026-01-01T00:00:00.000Z",
    }
    assert json_item(shown) == Item("n1-a", 11, 12, 12, ("e", "d"), 2, archived=True)
    stone = Item("n1-b", 11, 13, 11, size=0, deleted=True)
    assert json_item({"id": "n1-b", "seq": 13, "deleted": True}) == stone
