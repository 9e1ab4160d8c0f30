"""A store notices commits by other programs, which go through SQLite, and takes nothing else for one."""

import asyncio
import errno
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from tests.checkers import epochs
from tests.unit.storage.inside import Inside
from tidings.config import Settings
from tidings.errors import ForeignCommit, Unavailable
from tidings.marker import Marker, MarkerFile, path_of, read
from tidings.model import EraseUser, Follow, LogPosition, Publish
from tidings.storage.sqlite import SqliteStore
from tidings.storage.sqlite.db import Db
from tidings.testing import FakeClock, event

SAID = "another program made a commit in the store while it was open"
RESTORE = """
import sqlite3, sys
with sqlite3.connect(sys.argv[1]) as source, sqlite3.connect(sys.argv[2]) as target:
    source.backup(target)
"""
EXECUTE = """
import sqlite3, sys
found = sqlite3.connect(sys.argv[1], isolation_level=None)
for statement in sys.argv[2:]:
    found.execute(statement).fetchall()
"""


def python(program: str, *arguments: object) -> None:
    """Run a program in another process, which has the SQLite of Python and not that of the server."""
    subprocess.run([sys.executable, "-c", program, *map(str, arguments)], check=True)


def copied(path: Path, copy: Path) -> Path:
    """A copy of a store, as ``.backup`` of the shell makes it."""
    python(RESTORE, path, copy)
    return copy


def opened(path: Path, runner: asyncio.Runner) -> Inside:
    """The store in this file."""
    clock = FakeClock()
    return Inside(runner.run(SqliteStore.open(path, clock, Settings())), clock, runner)


def lived(path: Path, runner: asyncio.Runner, events: int) -> LogPosition:
    """Open, publish, close; how far the store is then."""
    inside = opened(path, runner)
    publish(inside, events)
    head = inside.run(inside.store.head())
    inside.run(inside.store.close())
    return head


def publish(inside: Inside, events: int = 1) -> None:
    """Publish, and let a second pass after each event."""
    for _ in range(events):
        inside.publish(event("alice", targets=("bob",)))
        inside.run(inside.store.check())


Change = Callable[[Path, Path], None]
"""What another program does to the store; the second path is that of an older copy of it."""


def executed(*statements: str) -> Change:
    """These statements."""
    return lambda path, _: python(EXECUTE, path, *statements)


def another_restored(path: Path, _: Path) -> None:
    """A store with a salt and an epoch of its own, of a later generation."""
    other = path.with_name("other.db")
    with asyncio.Runner() as runner:
        lived(other, runner, 20)
    python(RESTORE, other, path)


def no_store_restored(path: Path, _: Path) -> None:
    """A database of another application."""
    other = path.with_name("other.db")
    python(EXECUTE, other, "CREATE TABLE t (a)", "INSERT INTO t VALUES (1)")
    python(RESTORE, other, path)


CHANGES: dict[str, tuple[Change, str]] = {
    "older copy": (lambda path, copy: python(RESTORE, copy, path), "an older or another store now"),
    "another store": (another_restored, "an older or another store now"),
    "copy of this second": (lambda path, _: python(RESTORE, copied(path, path.with_name("now")), path), ""),
    "update": (executed("UPDATE meta SET value = value + 100 WHERE name = 'position'"), ""),
    "delete": (executed("DELETE FROM inbox_1"), ""),
    "table": (executed("CREATE TABLE mine (a)"), ""),
    "vacuum": (executed("VACUUM"), ""),
    "update and checkpoint": (executed("DELETE FROM inbox_1", "PRAGMA wal_checkpoint(TRUNCATE)"), ""),
    "older copy and checkpoint": (
        lambda path, copy: python(RESTORE + "target.execute('PRAGMA wal_checkpoint(TRUNCATE)')", copy, path),
        "an older or another store now",
    ),
}


@pytest.mark.parametrize("written", [True, False])
@pytest.mark.parametrize("change", CHANGES)
def test_after_a_commit_by_another_program_nothing_is_served_until_a_restart(
    tmp_path: Path, runner: asyncio.Runner, caplog: pytest.LogCaptureFixture, change: str, written: bool
) -> None:
    """The fault: a restore through SQLite (``.restore`` of its shell), or any other commit by another program, passed every
    check. Acknowledged events were gone, cursors went wrong, writes went on with what was in memory, and no new epoch began
    at the next start. ``written``: a write finds it; otherwise the look at an idle store does, once a second."""
    how, said = CHANGES[change]
    path = tmp_path / "store.db"
    lived(path, runner, 3)
    copy = copied(path, tmp_path / "copy.db")
    inside = opened(path, runner)
    publish(inside, 2)
    before = inside.run(inside.store.head())
    how(path, copy)
    left = counted(path)
    for _ in range(3):
        with pytest.raises(ForeignCommit, match=SAID) as refused:
            inside.run(inside.store.write([Publish((event("alice"),))]) if written else inside.store.check())
        assert f"made a commit in {path} while it was open: " in refused.value.for_log
        assert "restart the server, which begins a new epoch" in refused.value.for_log
    assert caplog.text.count(f"{path} is {said}") == bool(said)
    calls: list[Callable[[], object]] = [
        lambda: inside.write(Follow("bob", "t:1")),
        lambda: inside.run(inside.store.check()),
        lambda: inside.run(inside.store.work(100)),
        lambda: inside.activity(None),
        lambda: inside.inbox("bob"),
        lambda: inside.run(inside.store.feed_version("bob")),
        lambda: inside.run(inside.store.status()),
    ]
    for call in calls:
        with pytest.raises(ForeignCommit, match=SAID):
            call()
    assert inside.run(inside.store.head()) == before
    with pytest.raises(Unavailable, match="is not complete: another program made a commit"):
        inside.run(inside.store.close())
    assert counted(path) == left
    after = lived(path, runner, 0)
    epochs.resets(before, after)
    epochs.goes_on(after, lived(path, runner, 1))


def counted(path: Path) -> tuple[object, ...]:
    """How many events there are, and the last generation."""
    with closing(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)) as found:
        rows = found.execute("SELECT count(*), (SELECT value FROM meta WHERE name='generation') FROM log")
        return next(iter(rows))


def test_another_database_in_the_place_of_the_store_is_named(
    tmp_path: Path, runner: asyncio.Runner, caplog: pytest.LogCaptureFixture
) -> None:
    """Its tables are not ours, so nothing is read of it: no request gets an error of SQL."""
    path = tmp_path / "store.db"
    inside = opened(path, runner)
    publish(inside, 2)
    no_store_restored(path, path)
    with pytest.raises(ForeignCommit):
        publish(inside)
    assert "is no store of Tidings any more" in caplog.text
    with pytest.raises(ForeignCommit):
        inside.inbox("bob")
    with pytest.raises(Unavailable, match="is not complete: another program made a commit"):
        inside.run(inside.store.close())
    with pytest.raises(Unavailable, match="not one of Tidings"):
        opened(path, runner)


@pytest.mark.parametrize("failures", [1, 3])
def test_the_marker_is_written_until_it_says_that_a_new_epoch_is_to_begin(
    tmp_path: Path, runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch, failures: int
) -> None:
    """The fault: if the disk failed as the commit was found, nobody wrote the marker again, and the next start went on with
    the same epoch. The look of each second writes it, at last the close."""
    path = tmp_path / "store.db"
    inside = opened(path, runner)
    publish(inside, 2)
    before = inside.run(inside.store.head())
    python(EXECUTE, path, "DELETE FROM log")
    write, tries = MarkerFile.write, []

    def fails_at_first(self: MarkerFile, marker: Marker, *, durable: bool = False) -> None:
        tries.append(marker)
        if len(tries) <= failures:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        write(self, marker, durable=durable)

    monkeypatch.setattr(MarkerFile, "write", fails_at_first)
    for _ in range(3):
        with pytest.raises(ForeignCommit):
            inside.run(inside.store.check())
    assert len(tries) == min(failures + 1, 3)
    with pytest.raises(Unavailable, match="is not complete: another program made a commit"):
        inside.run(inside.store.close())
    assert len(tries) == failures + 1
    known = read(path)
    assert known is not None
    assert (known.epoch, known.base) == ("", 0)
    epochs.resets(before, lived(path, runner, 0))


def test_a_marker_that_cannot_be_written_is_named_at_the_close(
    tmp_path: Path, runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The operator can delete it: the next start then begins a new epoch, too."""
    path = tmp_path / "store.db"
    inside = opened(path, runner)
    publish(inside, 2)
    before = inside.run(inside.store.head())
    python(EXECUTE, path, "DELETE FROM log")

    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patched:
        patched.setattr(MarkerFile, "write", fail)
        with pytest.raises(
            Unavailable, match=r"store\.db\.marker could not be written: delete it"
        ) as refused:
            inside.run(inside.store.close())
    assert "another program made a commit" in refused.value.for_log
    path_of(path).unlink()
    epochs.resets(before, lived(path, runner, 0))


def test_a_kill_after_the_commit_was_found_begins_a_new_epoch_too(
    tmp_path: Path, runner: asyncio.Runner
) -> None:
    """The marker says it at once, for the file does not: an UPDATE leaves generation and epoch as they were."""
    path = tmp_path / "store.db"
    inside = opened(path, runner)
    publish(inside, 2)
    before = inside.run(inside.store.head())
    python(EXECUTE, path, "DELETE FROM log")
    with pytest.raises(ForeignCommit):
        inside.run(inside.store.check())
    files = [path, Path(f"{path}-wal"), Path(f"{path}.marker")]
    kept = [file.read_bytes() for file in files]
    with pytest.raises(Unavailable):
        inside.run(inside.store.close())
    for file, content in zip(files, kept, strict=True):
        file.write_bytes(content)  # in place: the inodes stay
    known = read(path)
    assert known is not None
    assert (known.epoch, known.base) == ("", 0)
    epochs.resets(before, lived(path, runner, 0))


def _reload_failed(inside: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    """A transaction failed, and the disk failed again when the state in memory was read afterwards."""

    def fail(*_: object) -> None:
        raise apsw.IOError

    with monkeypatch.context() as patched:
        patched.setattr(inside.writer.names, "reload", fail)
        with pytest.raises(apsw.IOError):
            inside.writer.transaction(fail)


def _erased(inside: Inside, _: pytest.MonkeyPatch) -> None:
    """An erasure ended: the next transaction reads which ones go on."""
    inside.write(EraseUser("alice"))


@pytest.mark.parametrize("before", [_reload_failed, _erased])
def test_a_transaction_reads_nothing_before_the_commits_are_compared(
    tmp_path: Path,
    runner: asyncio.Runner,
    monkeypatch: pytest.MonkeyPatch,
    before: Callable[[Inside, pytest.MonkeyPatch], None],
) -> None:
    """The fault: after a failed transaction or an erasure a transaction first took the state in memory from the file, which
    was another database. Each write got an error of SQL instead of a 503, until the next look a second later."""
    path = tmp_path / "store.db"
    inside = opened(path, runner)
    publish(inside, 2)
    before(inside, monkeypatch)
    no_store_restored(path, path)
    for _ in range(2):
        with pytest.raises(ForeignCommit, match=SAID):
            inside.run(inside.store.write([Publish((event("alice"),))]))
    with pytest.raises(Unavailable, match="is not complete: another program made a commit"):
        inside.run(inside.store.close())


def test_nothing_is_read_after_a_failed_transaction_either(tmp_path: Path, runner: asyncio.Runner) -> None:
    """SQLite itself may end a transaction that fails, and another program then make a commit."""
    path = tmp_path / "store.db"
    inside = opened(path, runner)
    publish(inside, 2)

    def fail() -> None:
        inside.writer.db.execute("ROLLBACK")
        no_store_restored(path, path)
        raise apsw.FullError

    with pytest.raises(ForeignCommit, match=SAID):
        inside.writer.transaction(fail)
    with pytest.raises(Unavailable, match="is not complete: another program made a commit"):
        inside.run(inside.store.close())


def test_what_writes_nothing_is_no_commit(tmp_path: Path, runner: asyncio.Runner) -> None:
    """Readers, copies out of the running store, checkpoints, transactions that write nothing or are rolled back, and doctor,
    in between our commits: writes go on, and the epoch stays."""
    path = tmp_path / "store.db"
    acts: list[Callable[[], object]] = [
        *(
            lambda kind=kind: python(EXECUTE, path, f"PRAGMA wal_checkpoint({kind})")
            for kind in ("PASSIVE", "FULL", "RESTART", "TRUNCATE")
        ),
        lambda: python(EXECUTE, path, "SELECT count(*) FROM log", "PRAGMA quick_check"),
        lambda: python(EXECUTE, path, f"VACUUM INTO '{tmp_path}/{len(list(tmp_path.iterdir()))}.db'"),
        lambda: copied(path, tmp_path / "backup.db"),
        lambda: python(EXECUTE, path, "PRAGMA journal_mode=WAL", "BEGIN IMMEDIATE", "COMMIT"),
        lambda: python(EXECUTE, path, "BEGIN IMMEDIATE", "DELETE FROM log", "ROLLBACK"),
        lambda: python(EXECUTE, path, "DELETE FROM log WHERE 0"),
        lambda: subprocess.run(
            [sys.executable, "-m", "tidings", "doctor", "--dev", "--port=0", f"--store=sqlite:///{path}"]
        ),
    ]
    inside = opened(path, runner)
    publish(inside)
    before = inside.run(inside.store.head())
    for act in acts:
        act()
        inside.run(inside.store.check())
        publish(inside, 2)
        act()
        publish(inside)
    inside.run(inside.store.close())
    after = lived(path, runner, 0)
    epochs.goes_on(before, after)
    assert after.position == 1 + 3 * len(acts)


def test_each_of_our_commits_is_counted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is rolled back or fails is not, nor one that writes nothing; one that writes its pages early is."""
    with Inside.opened(tmp_path) as inside:
        inside.writer.db.execute("PRAGMA cache_size=5")
        for work in (lambda: None, lambda: inside.writer.db.execute("DELETE FROM log WHERE 0")):
            inside.writer.transaction(work)
            publish(inside)

        def fail() -> None:
            inside.writer.db.execute("DELETE FROM log")
            raise apsw.FullError

        with pytest.raises(apsw.FullError):
            inside.writer.transaction(fail)
        with monkeypatch.context() as patched:
            patched.setattr(Db, "wal_checkpoint", lambda *_: fail())
            publish(inside)
        inside.publish(*(event("alice", name="x" * 2_000, targets=("bob",)) for _ in range(200)))
        publish(inside)
        assert len(inside.activity(None)) == 204


def test_a_count_that_cannot_be_read_is_unavailable(
    tmp_path: Path, runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is a failure of the disk like others: the next write tries again, and no commit is made up."""
    inside = opened(tmp_path / "store.db", runner)
    publish(inside)

    def fail(*_: object) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patched:
        patched.setattr(os, "pread", fail)
        for call in (lambda: inside.store.write([Publish((event("alice"),))]), inside.store.check):
            with pytest.raises(Unavailable, match="the store cannot be written now: its file cannot be used"):
                runner.run(call())
    publish(inside)
    runner.run(inside.store.close())
