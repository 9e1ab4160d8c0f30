"""What only the SQLite store has of groups: rows that move, work in sets, fan-out in chunks, and what is forgotten."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import apsw
import msgspec
import pytest

from tests.backends import SMALL
from tests.harness import Harness
from tests.unit.storage.inside import Inside, traced
from tidings.inbox_commands import MarkAllNotificationsRead, NotificationState, SetNotificationState
from tidings.model import EraseUser, Follow, InboxRow, NewEvent, Publish, Retract, SetNotificationType
from tidings.rules import Rule
from tidings.storage.sqlite import SqliteStore
from tidings.storage.sqlite.maintenance import HOUSEKEEPING_MS
from tidings.storage.sqlite.preferences import declare
from tidings.storage.sqlite.retention import SWEEP_MS, SWEEP_ROWS
from tidings.testing import START_MS, FakeClock, MemoryStore, event
from tidings.timeutil import DAY_MS

SETTINGS = msgspec.structs.replace(SMALL, fanout_sync_max_followers=10)
CHUNK = 10


class Opened(Inside):
    """A harness that counts rows and statements."""

    def count(self, table: str) -> int:
        """The rows of a table."""
        return int(self.writer.db.one(f"SELECT count(*) FROM {table}")[0])

    def statements(self, *events: NewEvent) -> int:
        """How many statements it takes to publish these events."""
        with traced(self.writer.db) as seen:
            self.run(self.store.write([Publish(events)]))
        return len(seen)


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    with Opened.opened(tmp_path, SETTINGS, salt=0) as inside:
        yield inside


@pytest.fixture
def oracle(opened: Opened) -> Harness:
    """A reference by the same clock."""
    return Harness(MemoryStore(opened.clock), opened.clock, opened._runner)


def unnamed(rows: list[InboxRow]) -> list[InboxRow]:
    """Rows without the number of the user, which each store allots for itself."""
    return [row._replace(id=row.id.partition("-")[2]) for row in rows]


def comment(n: int, *targets: str) -> NewEvent:
    """The n-th comment: on one of three things, by one of five."""
    return event(f"a{n % 5}", "comment", f"item:{n % 3}", targets=targets or ("bob",))


def test_groups_move_while_partitions_are_merged(opened: Opened, oracle: Harness) -> None:
    """At every step the list, the changes and the counts are those of the reference, whatever joins meanwhile."""
    for n in range(60):
        for store in (opened, oracle):
            store.run(
                store.store.write(
                    [Publish((comment(n), event("ann", "post", f"note:{n}", targets=("bob",))))]
                )
            )
        merging = opened.writer.inboxes.merging()
        if merging is not None and n % 4 == 0:
            some = opened.rows("bob")[-1]
            for store in (opened, oracle):
                mine = store.rows("bob")[-1].id
                store.run(store.store.write([SetNotificationState("bob", (mine,), NotificationState.READ)]))
            assert some.order == unnamed(oracle.rows("bob"))[-1].order
        opened.run(opened.store.work(1))
        assert unnamed(opened.rows("bob")) == unnamed(oracle.rows("bob"))
        assert unnamed(opened.changes("bob", 0).rows) == unnamed(oracle.changes("bob", 0).rows)
        assert opened.counts("bob") == oracle.counts("bob")
    assert len(opened.writer.inboxes.spans) > 1
    opened.settle()
    assert unnamed(opened.rows("bob")) == unnamed(oracle.rows("bob"))


def test_counting_what_is_unread_is_exact_while_partitions_are_merged(
    opened: Opened, oracle: Harness
) -> None:
    """A row that is in two partitions counts once."""
    for n in range(40):
        for store in (opened, oracle):
            store.run(store.store.write([Publish((event("ann", "post", f"note:{n}", targets=("bob",)),))]))
    while opened.writer.inboxes.merging() is None:
        assert opened.run(opened.store.work(1))
    opened.run(opened.store.work(3))
    for up_to in (5, 11, 30):
        read = MarkAllNotificationsRead("bob", up_to)
        assert opened.run(opened.store.write([read])) == oracle.run(oracle.store.write([read]))
    assert opened.writer.inboxes.merging() is not None


def test_an_erasure_finds_a_target_in_entries_that_are_being_moved(opened: Opened) -> None:
    """A follow adds an entry to the partition that others are merged into, whose origin hid that its user was a target."""
    for n in range(40):
        note = event("ann", "post", f"note:{n}", targets=("bob", "zoe"), at=START_MS + n)
        opened.run(opened.store.write([Publish((note,))]))
    (first, *_) = opened.run(opened.store.tail(0, 1))
    while opened.writer.timelines.merging() is None:
        assert opened.run(opened.store.work(1))
    opened.run(opened.store.write([Follow("bob", f"note:{n}", 1) for n in range(40)]))
    assert opened.writer.timelines.merging() is not None
    opened.begin_erasure("bob")
    opened.settle()
    assert {entry.targets for entry in opened.run(opened.store.tail(first.position - 1, 100))} == {("zoe",)}


def test_an_erasure_changes_rows_that_are_being_moved(opened: Opened, oracle: Harness) -> None:
    """Each takes its seq once, wherever it lies, before it was moved and after."""

    def changed(store: Harness) -> list[tuple[str, int, int]]:
        return [(row.id.partition("-")[2], row.seq, row.order) for row in store.changes("bob", 0).rows]

    for n in range(40):
        for store in (opened, oracle):
            note = event("zoe" if n % 3 else "ann", "post", f"note:{n}", targets=("bob",))
            store.run(store.store.write([Publish((comment(n), note))]))
    while opened.writer.inboxes.merging() is None:
        assert opened.run(opened.store.work(1))
    for actor in ("zoe", "a1"):
        assert opened.writer.inboxes.merging() is not None
        for store in (opened, oracle):
            store.run(store.store.write([EraseUser(actor)]))
        while opened.store.erasures.under_way:
            opened.run(opened.store.work(1))
        assert changed(opened) == changed(oracle)
        assert opened.counts("bob") == oracle.counts("bob")
    opened.settle()
    assert changed(opened) == changed(oracle)


def test_arrivals_are_written_in_sets(opened: Opened) -> None:
    """It takes as many statements for ten times the targets, joining or not."""
    crowd = tuple(f"c{n}" for n in range(100))
    opened.statements(event("ann", "post", "warm:1", targets=crowd))
    few = opened.statements(*(event("ann", "post", f"few:{n}", targets=crowd[:10]) for n in range(10)))
    many = opened.statements(*(event("ann", "post", f"many:{n}", targets=crowd) for n in range(10)))
    assert many == few
    one = opened.statements(event("ben", "post", "many:1", targets=crowd[:1]))
    all_ = opened.statements(*(event(f"b{n}", "post", "many:2", targets=crowd) for n in range(10)))
    assert all_ <= one + 4 * len(opened.writer.inboxes.spans), "a probe and a deletion for each partition"


def test_an_erasure_costs_a_recipient_no_more_when_there_are_many(opened: Opened) -> None:
    """Ten times the recipients take at most ten times the statements."""
    crowd = tuple(f"c{n}" for n in range(100))
    opened.publish(
        event("ann", "post", "item:1", targets=crowd[:10]), event("ben", "post", "item:2", targets=crowd)
    )
    costs = []
    for actor in ("ann", "ben"):
        with traced(opened.writer.db) as seen:
            opened.run(opened.store.write([EraseUser(actor)]))
            opened.settle()
        costs.append(len(seen))
    assert costs[1] <= 10 * costs[0]
    assert opened.counts("c99").seq == 2


def test_items_of_one_batch_join_as_if_they_came_one_by_one(opened: Opened, oracle: Harness) -> None:
    """On an open group, on a closed one, and on none."""
    for store in (opened, oracle):
        store.write(Publish((comment(0), comment(1))))
        (mark,) = [row.id for row in store.rows("bob") if row.order == 1]
        store.write(
            SetNotificationState("bob", (mark,), NotificationState.READ),
            SetNotificationState("bob", (mark,), NotificationState.UNREAD),
        )
        store.write(Publish(tuple(comment(n, "bob", "cy") for n in range(12))))
    for user in ("bob", "cy"):
        assert unnamed(opened.rows(user)) == unnamed(oracle.rows(user))
        assert opened.counts(user) == oracle.counts(user)


def test_followers_of_a_wide_object_are_notified_in_chunks(opened: Opened) -> None:
    """Each once, though a step fails in between; a retraction takes it from all of them, in steps too."""
    crowd = [f"f{n}" for n in range(4 * CHUNK)]
    opened.write(
        SetNotificationType("post", Rule(notify="both")), *(Follow(user, "item:1") for user in crowd)
    )
    outcome = opened.run(opened.store.write([Publish((event("ann", "post", "item:1", targets=("f0",)),))]))[0]
    assert outcome.pending  # type: ignore[union-attr]
    assert sum(opened.counts(user).unread_count for user in crowd) == 1, "the target is told at once"
    opened.run(opened.store.work(CHUNK))
    with pytest.raises(apsw.SQLError):
        opened.writer.transaction(lambda: opened.writer.db.execute("INSERT INTO nothing VALUES (1)"))
    opened.settle()
    assert [opened.counts(user).seq for user in crowd] == [1] * len(crowd)
    assert opened.count("event_recipient_chunk") > 1
    opened.run(opened.store.write([Retract(outcome.receipts[0].event_id)]))  # type: ignore[union-attr]
    assert [opened.rows(user) for user in crowd] == [[]] * len(crowd), "nobody sees what is gone"
    opened.settle()
    assert [opened.counts(user)[:2] for user in crowd] == [(0, 2)] * len(crowd)
    assert opened.count("event_recipient_chunk") == 0


def test_a_retraction_finds_those_who_follow_no_more(opened: Opened) -> None:
    """Who was told is written down, not worked out anew."""
    opened.write(SetNotificationType("post", Rule(notify="followers")), Follow("fay", "item:1"))
    (id,) = opened.publish(event("ann", "post", "item:1"))
    opened.write(EraseUser("ann"), SetNotificationType("post", None))
    assert opened.counts("fay").unread_count == 1
    opened.write(Retract(id))
    assert opened.counts("fay")[:2] == (0, 3)


def test_groups_that_nothing_can_join_are_forgotten(opened: Opened) -> None:
    """Once no rule lets a group be so old; and all that is left of who was erased."""
    opened.publish(comment(0, "bob", "cy"))
    opened.clock.advance(DAY_MS - 1)
    opened.publish(comment(1, "bob"))
    opened.settle()
    assert opened.count("open_group") == 3
    opened.clock.advance(SWEEP_MS)
    opened.settle()
    assert opened.count("open_group") == 1
    opened.write(EraseUser("bob"))
    opened.clock.advance(SWEEP_MS)
    opened.settle()
    assert opened.count("open_group") == 0


def test_duplicates_are_forgotten_after_the_longest_window(opened: Opened) -> None:
    opened.write(
        SetNotificationType("like", Rule(duplicate_window_s=60)),
        SetNotificationType("tip", Rule(duplicate_window_s=7_200)),
    )
    opened.publish(event("ann", "like", targets=("bob",)))
    opened.clock.advance(SWEEP_MS)
    opened.settle()
    assert opened.count("dedup_window") == 1
    opened.write(SetNotificationType("tip", None))
    opened.clock.advance(SWEEP_MS)
    opened.settle()
    assert opened.count("dedup_window") == 0


def test_sweeping_goes_on_where_it_stopped(opened: Opened) -> None:
    """Step by step through more rows than one step looks at."""
    crowd = tuple(f"c{n}" for n in range(SWEEP_ROWS // 4))
    opened.publish(*(event("ann", "post", f"item:{n}", targets=crowd) for n in range(5)))
    assert opened.count("open_group") == 5 * len(crowd) > SWEEP_ROWS
    opened.clock.advance(2 * DAY_MS + HOUSEKEEPING_MS)
    opened.settle()
    assert opened.count("open_group") == 0


def test_a_rolled_back_declaration_is_forgotten(opened: Opened) -> None:
    """The rules in memory are those of the file."""

    def fail() -> None:
        declare(opened.writer, SetNotificationType("like", Rule(group="none")))
        raise KeyError

    with pytest.raises(KeyError):
        opened.writer.transaction(fail)
    assert opened.store.rules.declared == {}
    assert opened.changed(SetNotificationType("like", Rule(group="none"))) == 1
    assert opened.store.rules.rule("like").group == "none"


def test_declared_types_outlive_a_restart(tmp_path: Path) -> None:
    """Over those of the settings, which are seen again when they are taken back."""
    settings = msgspec.structs.replace(SETTINGS, types={"like": Rule(group="none")})
    said = Rule(verbs=("like", "love"), messages={"en": {"other": "{count} likes"}})
    clock = FakeClock()
    with asyncio.Runner() as runner:
        for command in (SetNotificationType("like", said), SetNotificationType("like", None)):
            store = runner.run(SqliteStore.open(tmp_path / "store.db", clock, settings))
            runner.run(store.write([command]))
            runner.run(store.close())
            store = runner.run(SqliteStore.open(tmp_path / "store.db", clock, settings))
            assert store.rules.rule("like") == (command.rule or settings.types["like"])
            runner.run(store.close())
