"""A rollback journal beside a store: SQLite writes its pages into whatever file has the name."""

import asyncio
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from tidings.cli.doctor import store as examined
from tidings.config import Settings
from tidings.errors import Unavailable
from tidings.model import LogPosition, Publish
from tidings.storage.sqlite import SqliteStore, compaction
from tidings.storage.sqlite.compaction import compact
from tidings.testing import FakeClock, event


def lived(runner: asyncio.Runner, path: Path, events: int = 0) -> LogPosition:
    """Open, publish, close; how far the store is then."""
    store = runner.run(SqliteStore.open(path, FakeClock(), Settings()))
    for number in range(events):
        runner.run(store.write([Publish((event(f"user-{number}", name="x" * 900, targets=("bob",)),))]))
    runner.run(store.check())
    head = runner.run(store.head())
    runner.run(store.close())
    return head


def copied(path: Path, copy: Path) -> bytes:
    """A backup as the guide shows it; its bytes."""
    with closing(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)) as source:
        source.execute("VACUUM INTO ?", (str(copy),))
    return copy.read_bytes()


def interrupted(path: Path, change: str) -> tuple[bytes, bytes]:
    """The file and the journal that a kill leaves of a program that makes this change."""
    with closing(apsw.Connection(str(path))) as program:
        program.execute("PRAGMA cache_size=1")
        program.execute("BEGIN IMMEDIATE")
        program.execute(change)
        found = path.read_bytes(), Path(f"{path}-journal").read_bytes()
        program.execute("ROLLBACK")
    return found


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The file of a store."""
    return tmp_path / "store.db"


def test_a_journal_of_another_file_is_refused(tmp_path: Path, path: Path, runner: asyncio.Runner) -> None:
    """The fault: a copy was restored, a program that wrote it was killed, and a newer copy took its place: the start undid
    parts of the newer one without a word, and neither a start nor the check told."""
    lived(runner, path, 100)
    copied(path, older := tmp_path / "older.db")
    lived(runner, path, 50)
    newer = copied(path, tmp_path / "newer.db")
    _, journal = interrupted(older, "UPDATE event_1 SET body=zeroblob(900)")
    path.write_bytes(newer)
    left = Path(f"{path}-journal")
    left.write_bytes(journal)
    with pytest.raises(
        Unavailable, match=r"if the file was put there since, as a backup is, remove store.db-journal"
    ):
        lived(runner, path)
    with pytest.raises(Unavailable, match=r"remove store.db-journal"):
        compact(path, lambda _: None)
    found = examined(path)
    assert (found.level, "remove store.db-journal" in found.detail) == ("fail", True)
    assert (path.read_bytes(), left.read_bytes()) == (newer, journal)
    left.unlink()
    assert lived(runner, path).position == 150


def test_a_journal_of_an_interrupted_change_is_refused_beside_its_own_file(
    path: Path, tmp_path: Path, runner: asyncio.Runner
) -> None:
    """It cannot be told from one of another file. The program that left it undoes the change; then the store starts."""
    lived(runner, path, 100)
    path.write_bytes(copied(path, tmp_path / "copy.db"))
    content, journal = interrupted(path, "UPDATE event_1 SET body=zeroblob(900)")
    path.write_bytes(content)
    Path(f"{path}-journal").write_bytes(journal)
    with pytest.raises(Unavailable, match="open the file with that program once"):
        lived(runner, path)
    with closing(apsw.Connection(str(path))) as program:
        program.execute("PRAGMA quick_check").fetchall()
    assert lived(runner, path).position == 100


def test_a_kill_at_the_first_opening_of_a_copy_is_no_reason_to_refuse_it(
    path: Path, tmp_path: Path, runner: asyncio.Runner
) -> None:
    """The change to write-ahead logging has a journal of the first page, which differs in counters alone."""
    lived(runner, path, 3)
    path.write_bytes(copied(path, tmp_path / "copy.db"))
    content, journal = interrupted(path, f"PRAGMA user_version={schema_of(path)}")
    path.write_bytes(content[:18] + bytes([2, 2]) + content[20:])
    Path(f"{path}-journal").write_bytes(journal)
    assert lived(runner, path).position == 3


def schema_of(path: Path) -> int:
    """The version of the schema of a file."""
    with closing(apsw.Connection(str(path))) as connection:
        ((version,),) = connection.execute("PRAGMA user_version").fetchall()
    return int(str(version))


def test_a_kill_at_the_creation_is_no_reason_to_refuse(path: Path, runner: asyncio.Runner) -> None:
    """The journal says that there was no page before."""
    _, journal = interrupted(path, "PRAGMA user_version=0")
    Path(f"{path}-journal").write_bytes(journal)
    assert lived(runner, path, 1).position == 1


@pytest.mark.parametrize("there", ["empty", "missing"])
def test_a_start_without_the_file_does_not_delete_its_journal(
    path: Path, tmp_path: Path, runner: asyncio.Runner, there: str
) -> None:
    """A disk that was not mounted: SQLite would delete the journal, and the file could not be repaired once it is back."""
    lived(runner, path, 100)
    path.write_bytes(copied(path, tmp_path / "copy.db"))
    _, journal = interrupted(path, "UPDATE event_1 SET body=zeroblob(900)")
    Path(f"{path}-journal").write_bytes(journal)
    path.write_bytes(b"") if there == "empty" else path.unlink()
    with pytest.raises(Unavailable, match=r"put the file back, or remove store.db-journal"):
        lived(runner, path)
    assert Path(f"{path}-journal").read_bytes() == journal


def test_compact_of_a_copy_leaves_no_journal(
    path: Path, tmp_path: Path, runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fault: it rewrote a copy by VACUUM INTO with a rollback journal, which a kill left for the next restore."""
    lived(runner, path, 100)
    path.write_bytes(copied(path, tmp_path / "copy.db"))
    monkeypatch.setattr(compaction, "PROGRESS_STEPS", 100)
    headers: set[bytes] = set()
    compact(path, lambda _: headers.add(path.read_bytes()[18:20]))
    assert headers == {b"\2\2"}, "SQLite rewrites it with a write-ahead log"
    assert lived(runner, path).position == 100
