"""What read-alls look at: what they cover, however much else there is, and that once."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import msgspec
import pytest

from tests.backends import SMALL
from tests.checkers.adapters import ALL
from tests.unit.storage.inside import Inside
from tidings.filters import Choice
from tidings.inbox_commands import (
    MarkAllNotificationsRead,
    NotificationState,
    SetNotificationState,
    UndoMarkAllRead,
)
from tidings.model import (
    Command,
    CommandResult,
    Follow,
    MarkFeedRead,
    MarkFeedUnread,
    Publish,
    SetBlock,
    UndoMarkFeedRead,
)
from tidings.storage.sqlite import feed_counts, notification_groups
from tidings.storage.sqlite.read_snapshot import ReadSnapshot, TimelineRow
from tidings.testing import START_MS, event

ITEMS = 500
FEW = 10
KEPT = 200
MERGE_STEPS = 40
"""Steps of SQLite's machine for each read-all that a merge looks at, with room: it removes half of them."""
STEPS_AT_ONCE = 10
"""Steps of SQLite's machine between two counts."""


@pytest.fixture
def inside(tmp_path: Path) -> Iterator[Inside]:
    """A store in which bob's feed and inbox have many items of one type, and his inbox one of another, which is read."""
    with Inside.opened(tmp_path) as opened:
        opened.write(Follow("bob", "user:alice", 0))
        opened.tell("bob", "rare")
        opened.write(MarkAllNotificationsRead("bob", type="rare"), MarkFeedRead("bob"))
        opened.publish(
            *(event("alice", "often", f"item:{n}", targets=("bob",), at=START_MS + n) for n in range(ITEMS))
        )
        yield opened


@contextmanager
def entries(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[TimelineRow]]:
    """The entries of timelines that are looked at inside."""
    seen: list[TimelineRow] = []
    real = ReadSnapshot.entries

    def noted(
        self: ReadSnapshot,
        timelines: Sequence[int],
        before: int,
        above: int,
        limit: int,
        verbs: Choice[int] | None = None,
    ) -> list[TimelineRow]:
        found = real(self, timelines, before, above, limit, verbs)
        seen.extend(found)
        return found

    with monkeypatch.context() as patched:
        patched.setattr(ReadSnapshot, "entries", noted)
        yield seen


def steps(inside: Inside, *commands: Command) -> int:
    """How many steps these commands take in one transaction, in tens."""
    taken = count()
    db = inside.writer.db

    def step() -> bool:
        next(taken)
        return False

    db.set_progress_handler(step, STEPS_AT_ONCE)
    try:
        inside.write(*commands)
    finally:
        db.set_progress_handler(None)
    return next(taken)


def marked(inside: Inside, command: MarkFeedRead | UndoMarkFeedRead) -> CommandResult:
    (outcome,) = inside.write(command)
    assert isinstance(outcome, CommandResult)
    return outcome


# --- feeds --------------------------------------------------------------------------------------------------------


def test_a_read_all_of_a_feed_looks_at_what_it_covers(
    inside: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fault: it went through everything above the read-all before it, 0.2 s for 30,000 items, to read one more."""
    first = marked(inside, MarkFeedRead("bob", None, 2)).marked
    for up_to in range(3, 3 + FEW):
        with entries(monkeypatch) as seen:
            last = marked(inside, MarkFeedRead("bob", None, up_to))
        assert (last.updated, len(seen)) == (1, 1)
    with entries(monkeypatch) as seen:
        assert marked(inside, UndoMarkFeedRead("bob", last.marked)).updated == 1
        assert marked(inside, UndoMarkFeedRead("bob", first)).updated == 0
    assert len(seen) == 1


def test_what_came_late_is_looked_at_by_its_position(inside: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many late events do not make every later read-all long."""
    inside.write(MarkFeedRead("bob"))
    inside.publish(*(event("alice", targets=("bob",), at=START_MS - n) for n in range(1, FEW)))
    inside.publish(event("alice", targets=("bob",), at=START_MS + ITEMS))
    at = inside.run(inside.store.head()).position
    with entries(monkeypatch) as seen:
        assert marked(inside, MarkFeedRead("bob", None, at - 1)).updated == FEW - 1
        assert marked(inside, MarkFeedRead("bob")).updated == 1
    assert len(seen) == 1


@pytest.mark.parametrize("undo", [False, True])
@pytest.mark.parametrize(
    "others",
    [
        (),
        (Publish((event("alice", targets=("bob",), at=START_MS + ITEMS),)),),
        (SetBlock("eve", "user:bob"), SetBlock("eve", "user:bob", on=False)),
        (SetBlock("alice", "user:bob"), SetBlock("alice", "user:bob", on=False)),
    ],
    ids=["nothing", "publishing", "a block", "a block by whose items they are"],
)
def test_what_was_counted_before_is_not_counted_in_the_transaction(
    inside: Inside, monkeypatch: pytest.MonkeyPatch, undo: bool, others: tuple[Command, ...]
) -> None:
    """The fault: a transaction counted 30,000 items, at first always, then whenever another user blocked the viewer, or a
    follow came, between the count and the transaction."""
    monkeypatch.setattr(feed_counts, "SHORT", FEW)
    made = marked(inside, MarkFeedRead("bob")).marked if undo else 0
    command = UndoMarkFeedRead("bob", made) if undo else MarkFeedRead("bob")
    prepared = inside.run(inside.store.prepare(command))
    assert isinstance(prepared, MarkFeedRead | UndoMarkFeedRead)
    inside.write(*others)
    with entries(monkeypatch) as seen:
        assert marked(inside, prepared).updated == ITEMS
    assert seen == []


def test_what_was_marked_unread_is_counted_before(inside: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fault: a transaction looked at each item that was marked unread, however many."""
    monkeypatch.setattr(feed_counts, "SHORT", FEW)
    inside.write(MarkFeedRead("bob"))
    again = tuple(inside.feed("bob")[: 2 * FEW])
    inside.write(MarkFeedUnread("bob", again))
    made = 0
    for undo in (False, True):
        command = UndoMarkFeedRead("bob", made) if undo else MarkFeedRead("bob")
        prepared = inside.run(inside.store.prepare(command))
        assert isinstance(prepared, MarkFeedRead | UndoMarkFeedRead)
        with monkeypatch.context() as patched:
            patched.delattr(feed_counts, "visible")
            done = marked(inside, prepared)
        made = done.marked
        assert done.updated == len(again)


@pytest.fixture
def merging(tmp_path: Path) -> Iterator[Inside]:
    """A store that merges read-alls when there are some."""
    with Inside.opened(tmp_path, msgspec.structs.replace(SMALL, read_all_history=KEPT)) as opened:
        yield opened


def test_a_merge_of_descending_read_alls_of_a_feed_looks_at_each_once(merging: Inside) -> None:
    """The fault: it held each against all later ones, and removed none: with 8,000 of them, one user made every other user's
    write wait for a second."""
    (id,) = merging.publish(event("bob"))
    merging.publish(*(event("alice") for _ in range(2 * KEPT)))
    for n in range(2 * KEPT, KEPT, -1):
        merging.write(MarkFeedRead("bob", None, n), MarkFeedUnread("bob", (id,)))
    merge = steps(merging, MarkFeedRead("bob", None, KEPT))
    assert merge < KEPT * MERGE_STEPS / STEPS_AT_ONCE
    (left,) = merging.writer.db.one("SELECT count(*) FROM feed_read_watermark")
    assert left == KEPT // 2 + 2


# --- inboxes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shared", [1, KEPT])
def test_a_merge_of_read_alls_of_many_types_looks_at_each_once(merging: Inside, shared: int) -> None:
    """The fault: it held each against all later ones; one of each of 6,000 types made every other user's write wait for a
    second."""
    verbs = [f"v{n % shared}" for n in range(KEPT + 1)]
    for verb in verbs[:-1]:
        merging.tell("bob", verb)
        merging.write(MarkAllNotificationsRead("bob", type=verb))
    merging.tell("bob", verbs[-1])
    assert (
        steps(merging, MarkAllNotificationsRead("bob", type=verbs[-1])) < KEPT * MERGE_STEPS / STEPS_AT_ONCE
    )
    (left,) = merging.writer.db.one("SELECT count(*) FROM read_watermark WHERE undone = 0")
    assert left == (KEPT // 2 + 2 if shared == 1 else KEPT + 1)


def test_a_joining_item_does_not_look_at_read_alls_of_other_types(inside: Inside) -> None:
    """The fault: each item that joined a group was held against every read-all since, of any type."""
    verbs = [f"v{n}" for n in range(ITEMS // 4)]
    again = Publish(tuple(event("carl", "joined", f"thing:{n}", targets=("bob",)) for n in range(ITEMS // 4)))
    inside.write(again)
    inside.tell("bob", *verbs)
    expected = steps(inside, again)
    inside.write(*(MarkAllNotificationsRead("bob", type=verb) for verb in verbs))
    assert steps(inside, again) < expected * 1.2


def test_a_read_all_of_a_type_without_anything_unread_looks_once(inside: Inside) -> None:
    """The fault: it went through everything unread of all other types, as often as it was repeated."""
    first, again = (steps(inside, MarkAllNotificationsRead("bob", type="rare")) for _ in range(2))
    assert first > ITEMS / STEPS_AT_ONCE > again
    inside.tell("bob", "rare", "rare")
    assert inside.marked(MarkAllNotificationsRead("bob", type="rare")).updated == 2


def test_a_read_all_of_a_type_does_not_look_at_read_alls_of_others(inside: Inside) -> None:
    """The fault: each notification was held against every read-all that there ever was."""
    verbs = [f"v{n}" for n in range(ITEMS // 4)]
    inside.tell("bob", *verbs)
    before = steps(inside, MarkAllNotificationsRead("bob", type="often"))
    inside.write(UndoMarkAllRead("bob", inside.counts("bob").seq))
    inside.write(*(MarkAllNotificationsRead("bob", type=verb) for verb in verbs))
    assert steps(inside, MarkAllNotificationsRead("bob", type="often")) < before * 1.5


def test_a_read_all_counts_from_the_nearer_end(inside: Inside) -> None:
    """The fault: one that read the oldest notification went through all newer ones."""
    inside.write(MarkAllNotificationsRead("bob", 3))
    assert steps(inside, MarkAllNotificationsRead("bob", 4)) < ITEMS / STEPS_AT_ONCE
    head = inside.counts("bob")
    assert inside.marked(MarkAllNotificationsRead("bob", 6)).updated == 2
    assert steps(inside, MarkAllNotificationsRead("bob", head.seq - 1)) < ITEMS / STEPS_AT_ONCE
    inside.check_inbox("bob")


def test_what_is_unread_again_is_read_though_nothing_was(inside: Inside) -> None:
    """Of what a read-all of a type found nothing, something is there again: by an undo, or out of the archive."""
    (rare, *_) = (row.id for row in inside.rows("bob")[::-1])
    read = inside.changes("bob", 0).marks[0].seq
    assert inside.marked(MarkAllNotificationsRead("bob", type="rare")).updated == 0
    inside.write(UndoMarkAllRead("bob", read))
    assert inside.marked(MarkAllNotificationsRead("bob", type="rare")).updated == 1
    inside.write(
        SetNotificationState("bob", (rare,), NotificationState.UNREAD),
        SetNotificationState("bob", (rare,), NotificationState.ARCHIVED),
    )
    assert inside.marked(MarkAllNotificationsRead("bob", type="rare")).updated == 0
    inside.write(SetNotificationState("bob", (rare,), NotificationState.UNARCHIVED))
    assert inside.marked(MarkAllNotificationsRead("bob", type="rare")).updated == 1
    inside.check_inbox("bob")


def test_what_a_roll_back_undid_is_not_remembered(inside: Inside) -> None:
    """A read-all that found nothing, because of a mark of the same transaction, which failed."""
    (rare, *_) = (row.id for row in inside.rows("bob")[::-1])
    inside.write(SetNotificationState("bob", (rare,), NotificationState.UNREAD))
    failing = Publish((msgspec.structs.replace(event("alice"), created_at=1 << 60),))
    with pytest.raises(OverflowError):
        inside.write(
            SetNotificationState("bob", (rare,), NotificationState.READ),
            MarkAllNotificationsRead("bob", type="rare"),
            failing,
        )
    assert inside.marked(MarkAllNotificationsRead("bob", type="rare")).updated == 1


def test_many_read_alls_are_looked_up_one_by_one(inside: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fault: whatever was said of an old notification, every read-all since was read. Both ways say the same."""
    for up_to in range(5, ITEMS // 2, 7):
        inside.clock.advance(1)
        inside.write(MarkAllNotificationsRead("bob", up_to, type="often" if up_to % 2 else None))
    together = inside.run(inside.store.inbox("bob", ALL, None)).rows
    monkeypatch.setattr(notification_groups, "MOST_MARKS", 1)
    assert inside.run(inside.store.inbox("bob", ALL, None)).rows == together
    assert len({row.read_at for row in together}) > FEW


# --- how many are kept -------------------------------------------------------------------------------------------


def kept_read_alls(inside: Inside, undone: int) -> int:
    """How many read-alls of inboxes are stored: standing ones, or undone ones."""
    (rows,) = inside.writer.db.one("SELECT count(*) FROM read_watermark WHERE undone = ?", (undone,))
    return int(rows)


def test_a_type_without_anything_unread_leaves_no_read_all(inside: Inside) -> None:
    """Whoever names types, known or not, adds no rows: each read-all that is kept has read a notification of its type."""
    inside.publish(*(event("carl", f"v{n}") for n in range(FEW)))
    head, read_alls = inside.counts("bob").seq, kept_read_alls(inside, 0)
    for n in range(2 * FEW):
        assert inside.marked(MarkAllNotificationsRead("bob", type=f"v{n}")).updated == 0
    assert (inside.counts("bob").seq, kept_read_alls(inside, 0)) == (head, read_alls)


@pytest.mark.parametrize("beyond", [0, FEW])
def test_undone_read_alls_of_many_types_leave_one_row(inside: Inside, beyond: int) -> None:
    """The fault: of each type that ever had one an undone row stayed, whatever read-alls of all types came later. Only those
    that go further than these stay."""
    verbs = [f"v{n}" for n in range(2 * FEW)]
    inside.tell("bob", *verbs)
    for verb in verbs:
        read = inside.marked(MarkAllNotificationsRead("bob", inside.counts("bob").seq, type=verb))
        inside.write(UndoMarkAllRead("bob", read.seq))
    assert kept_read_alls(inside, 1) == len(verbs)
    head = inside.counts("bob").seq
    inside.marked(MarkAllNotificationsRead("bob", head - 2 * beyond - 1))
    assert kept_read_alls(inside, 1) == 1 + beyond
    assert inside.changes("bob", head - 1).reset, "what was undone last is still known"
    assert not inside.changes("bob", head).reset
    inside.check_inbox("bob")


def test_standing_read_alls_of_many_types_go_once_one_of_all_covers_them(merging: Inside) -> None:
    """One of each type stays until a read-all of all types was merged with it."""
    for n in range(KEPT // 2):
        merging.tell("bob", f"v{n}")
        merging.write(MarkAllNotificationsRead("bob", type=f"v{n}"))
    for _ in range(KEPT + 1):
        merging.tell("bob", "other")
        merging.write(MarkAllNotificationsRead("bob"))
    assert kept_read_alls(merging, 0) <= KEPT
    (typed,) = merging.writer.db.one("SELECT count(*) FROM read_watermark WHERE undone = 0 AND type <> 0")
    assert typed == 0
