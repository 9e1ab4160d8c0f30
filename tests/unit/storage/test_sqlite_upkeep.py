"""What only the SQLite store has: partitions that are merged, jobs that fail, rows that can be written again."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import apsw
import msgspec
import pytest

from tests.backends import SMALL
from tests.unit.storage.inside import Inside
from tidings.endpoint_commands import ReserveConfirmation
from tidings.errors import Unavailable
from tidings.model import EraseUser, Follow, Publish, RebuildFeeds, Retract, RetryDeadLetters
from tidings.storage.sqlite import SqliteStore
from tidings.storage.sqlite.fanout_queue import MAX_ATTEMPTS
from tidings.testing import START_MS, FakeClock, event


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Inside]:
    with Inside.opened(tmp_path) as inside:
        yield inside


def publish_many(opened: Inside, count: int) -> list[str]:
    return [
        opened.publish(event("alice", obj=f"item:{n}", at=START_MS + n * 1000, targets=("bob", f"u{n % 3}")))[
            0
        ]
        for n in range(count)
    ]


def one_at(second: int) -> Publish:
    return Publish(
        (event("alice", obj=f"item:{second}", at=START_MS + second * 1000, targets=("bob", "cy")),)
    )


def positions(opened: Inside, user: str) -> list[int]:
    return [item.position for item in opened.page(user).items]


def test_old_partitions_are_merged(opened: Inside) -> None:
    """Their number grows with the logarithm of the rows, and no feed or inbox changes by it."""
    publish_many(opened, 60)
    rows = sum(
        opened.writer.db.one(f"SELECT count(*) FROM timeline_{n}")[0]
        for span in opened.writer.timelines.spans
        for n in span.parts
    )
    rolled = rows // SMALL.sqlite_partition_rows
    assert len(opened.writer.timelines.spans) < rolled / 3
    assert positions(opened, "bob") == list(range(60, 0, -1))
    assert len(opened.inbox("bob")) == opened.counts("bob").unread_count == 60


def test_reads_are_whole_while_partitions_are_merged(opened: Inside) -> None:
    """At every step of a merge: feeds, counts, marks and retractions see each row once."""
    ids = [opened.run(opened.store.write([one_at(n)])) for n in range(40)]
    assert opened.writer.timelines.mergeable()
    retracted = ids[3][0].receipts[0].event_id  # type: ignore[union-attr]
    steps = 0
    while opened.run(opened.store.work(1)):
        if steps == 2:
            opened.run(opened.store.write([Retract(retracted)]))
        steps += 1
        expected = [n for n in range(40, 0, -1) if steps <= 2 or n != 4]
        assert positions(opened, "bob") == expected
        assert len(opened.feed("bob")) == len(expected), "page by page"
        assert opened.counts("bob").unread_count == len(expected)
    assert steps > 10


def test_a_half_made_merge_goes_on_after_a_restart(tmp_path: Path) -> None:
    """Copying begins anew; what was copied before is not doubled."""
    clock = FakeClock()
    with asyncio.Runner() as runner:
        store = runner.run(SqliteStore.open(tmp_path / "store.db", clock, SMALL))
        for n in range(40):
            runner.run(store.write([one_at(n)]))
        for _ in range(4):
            runner.run(store.work(2))
        assert store._writer.timelines.merging() is not None
        runner.run(store.close())
        again = Inside(runner.run(SqliteStore.open(tmp_path / "store.db", clock, SMALL)), clock, runner)
        again.settle()
        assert again.writer.timelines.merging() is None
        assert positions(again, "bob") == positions(again, "cy") == list(range(40, 0, -1))
        runner.run(again.store.close())


@pytest.mark.need("IN8")
def test_fan_out_that_keeps_failing_becomes_a_dead_letter(opened: Inside) -> None:
    """It is set aside after MAX_ATTEMPTS, others go on meanwhile, and a replay tries it again."""
    opened.write(*(Follow(f"f{n}", "user:alice") for n in range(4)))
    opened.writer.enqueue_job("no such kind", 1, 0, 0)
    opened.fail_job(KeyError, 100)
    opened.publish(event("alice"))
    assert positions(opened, "f3") == [1]
    (letter,) = opened.run(opened.store.dead_letters(10))
    assert (letter.kind, letter.attempts) == ("no such kind", MAX_ATTEMPTS)
    assert "no such kind" in letter.error
    assert opened.run(opened.store.status()).dead_letters == 1
    opened.run(opened.store.write([RetryDeadLetters()]))
    assert opened.run(opened.store.status()).dead_letters == 0
    with pytest.raises(KeyError):
        opened.run(opened.store.work(100))


def test_reconcile_writes_what_is_missing(opened: Inside) -> None:
    """Rows lost from homes and topics come back, and nothing else appears."""
    opened.write(Follow("fay", "user:alice"), Follow("gil", "item:1", 2))
    opened.publish(*(event("alice", "post", "item:1", targets=("bob",)) for _ in range(5)))
    before = {user: positions(opened, user) for user in ("fay", "gil", "bob")}
    for span in opened.writer.timelines.spans:
        for n in span.parts:
            opened.writer.db.execute(f"DELETE FROM timeline_{n}")
    assert positions(opened, "fay") == []
    opened.write(RebuildFeeds())
    assert {user: positions(opened, user) for user in before} == before


def test_reconcile_writes_the_backfills_of_wide_topics(tmp_path: Path) -> None:
    """A topic with more followers than one transaction serves has a job; it knew only what came after each follow."""
    settings = msgspec.structs.replace(SMALL, fanout_sync_max_followers=1)
    with Inside.opened(tmp_path, settings) as opened:
        opened.publish(*(event("alice", "post", "item:1") for _ in range(5)))
        opened.write(Follow("fay", "item:1", 3), Follow("gil", "item:1", 1))
        opened.publish(event("alice", "post", "item:1"))
        before = {user: positions(opened, user) for user in ("fay", "gil")}
        assert [len(shown) for shown in before.values()] == [4, 2]
        for span in opened.writer.timelines.spans:
            for n in span.parts:
                opened.writer.db.execute(f"DELETE FROM timeline_{n}")
        opened.write(RebuildFeeds())
        assert {user: positions(opened, user) for user in before} == before


def test_a_second_process_is_kept_out(opened: Inside, tmp_path: Path) -> None:
    """One file has one writer; the refusal names the holder."""
    with pytest.raises(Unavailable, match="in use by process"):
        opened.run(SqliteStore.open(tmp_path / "store.db", opened.clock, SMALL))


@pytest.mark.parametrize("schema", [1, 4])
def test_a_file_of_an_older_schema_is_refused(tmp_path: Path, schema: int) -> None:
    """In one line, and untouched. The fault: schema 4 changed under its number, so that a store made before the change was
    opened, and to cancel a reminder failed, because a table was missing."""
    db = apsw.Connection(str(tmp_path / "old.db"))
    db.execute("CREATE TABLE meta (name, value); INSERT INTO meta VALUES ('salt', 1), ('epoch', 'e')")
    db.execute(f"PRAGMA user_version={schema}")
    db.close()
    with (
        asyncio.Runner() as runner,
        pytest.raises(Unavailable, match=f"schema {schema}, of a version before"),
    ):
        runner.run(SqliteStore.open(tmp_path / "old.db", FakeClock(), SMALL))
    left = apsw.Connection(str(tmp_path / "old.db")).execute("PRAGMA user_version").fetchone()
    assert left == (schema,)


def test_commits_are_synced(opened: Inside) -> None:
    """The pragma that makes an acknowledgement durable."""
    assert opened.writer.db.one("PRAGMA synchronous") == (2,)
    assert opened.writer.db.one("PRAGMA journal_mode") == ("wal",)


def test_readers_cannot_write(opened: Inside) -> None:
    """Only one connection ever writes and checkpoints."""
    with pytest.raises(apsw.ReadOnlyError):
        opened.store._near.db.execute("DELETE FROM log")


def test_a_confirmation_mail_is_forgotten_when_it_counts_no_more(tmp_path: Path) -> None:
    """Whoever caused it may have been erased, and nobody may ever ask for another."""
    with Inside.opened(tmp_path) as opened:
        opened.write(
            *(ReserveConfirmation("bob", b"bob", b"a", 9, 9, window_ms) for window_ms in (60_000, 120_000))
        )
        opened.write(EraseUser("bob"))
        for left in (2, 1, 0):
            opened.settle()
            assert opened.writer.db.all("SELECT count(*) FROM confirmation") == [(left,)]
            opened.clock.advance(60_000)


def test_housekeeping_goes_on_when_the_clock_is_set_back(tmp_path: Path) -> None:
    """An hour back: it comes again after its minute, not after the hour."""
    with Inside.opened(tmp_path) as opened:
        opened.settle()
        before = opened.writer.housekept_at
        opened.clock.ms -= 3_600_000
        opened.clock.advance(60_000)
        opened.settle()
        assert opened.writer.housekept_at == before + 60_000
