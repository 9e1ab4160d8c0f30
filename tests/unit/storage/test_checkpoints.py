"""A store notices when another program changes its file or cuts its log, and takes nothing else for that."""

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from tests.unit.storage.inside import Inside
from tidings.config import Settings
from tidings.errors import Unavailable
from tidings.model import Publish
from tidings.storage.sqlite import SqliteStore, checkpoints
from tidings.testing import FakeClock, event

FEW_PAGES = 20
"""Pages in the log before a commit checkpoints it."""


def publish(inside: Inside, events: int = 1) -> None:
    """Publish, and let a second pass after each event."""
    for _ in range(events):
        inside.publish(event("alice", targets=("bob",)))
        inside.run(inside.store.check())


def elsewhere(path: Path, statements: str) -> None:
    """Execute statements in another process."""
    program = "import apsw, sys; apsw.Connection(sys.argv[1]).execute(sys.argv[2]).fetchall()"
    subprocess.run([sys.executable, "-c", program, str(path), statements], check=True)


def backed_up(path: Path) -> Path:
    """A copy by VACUUM INTO."""
    copy = path.with_name("copy.db")
    with closing(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)) as source:
        source.execute("VACUUM INTO ?", (str(copy),))
    return copy


def restored(path: Path) -> None:
    """An older copy over the file, as ``cp`` writes it."""
    path.write_bytes(backed_up(path).read_bytes())


def overwritten(path: Path) -> None:
    """Some pages of the same number of bytes."""
    with path.open("r+b") as file:
        file.seek(0)
        file.write(os.urandom(8_192))


CHANGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "restored": (restored, "store.db was changed by another program"),
    "overwritten": (overwritten, "store.db was changed by another program"),
    "truncated": (lambda path: os.truncate(path, 0), "store.db was changed by another program"),
    "log truncated": (lambda path: os.truncate(f"{path}-wal", 0), "store.db-wal was cut by another program"),
    "log cut": (lambda path: os.truncate(f"{path}-wal", 4_000), "store.db-wal was cut by another program"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_file_that_is_changed_in_place_takes_no_more_writes(
    tmp_path: Path, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fault: with its inode as before, the file was taken for the store. Events were acknowledged that no later start
    could find, and the closing checkpoint wrote over the backup that somebody had restored."""
    how, said = CHANGES[change]
    monkeypatch.setattr(checkpoints, "CHECKPOINT_PAGES", FEW_PAGES)
    path = tmp_path / "store.db"
    with asyncio.Runner() as runner:
        store = runner.run(SqliteStore.open(path, FakeClock(), Settings()))
        inside = Inside(store, FakeClock(), runner)
        publish(inside, 5)
        how(path)
        left = path.read_bytes()
        for _ in range(2 * FEW_PAGES):
            with pytest.raises(Unavailable, match="by another program while it was open") as refused:
                runner.run(store.write([Publish((event("alice"),))]))
            assert said in refused.value.for_log
        with pytest.raises(Unavailable, match="by another program while it was open"):
            runner.run(store.check())
        with pytest.raises(Unavailable, match=rf"not left whole: .*{said}"):
            runner.run(store.close())
    assert path.read_bytes() == left
    assert Path(f"{path}-wal").exists()


@pytest.mark.parametrize("change", ["restored", "truncated"])
def test_what_was_changed_in_place_is_refused_until_the_log_is_removed(tmp_path: Path, change: str) -> None:
    """The log of the store is kept, and is not merged with what is there now."""
    path = tmp_path / "store.db"
    with asyncio.Runner() as runner:
        store = runner.run(SqliteStore.open(path, FakeClock(), Settings()))
        publish(Inside(store, FakeClock(), runner), 5)
        CHANGES[change][0](path)
        with pytest.raises(Unavailable):
            runner.run(store.close())
        with pytest.raises(Unavailable, match=r"remove store.db-wal and store.db(-shm|.marker)"):
            runner.run(SqliteStore.open(path, FakeClock(), Settings()))


def test_what_others_may_do_is_no_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading, copying, a backup, another time of change, a change of the mode, and a checkpoint by another program, in
    between commits that make checkpoints: none is taken for a change of the file."""
    monkeypatch.setattr(checkpoints, "CHECKPOINT_PAGES", FEW_PAGES)
    path = tmp_path / "store.db"
    acts: list[Callable[[], object]] = [
        lambda: elsewhere(path, "SELECT count(*) FROM log"),
        lambda: elsewhere(path, "PRAGMA quick_check"),
        lambda: elsewhere(path, f"VACUUM INTO '{tmp_path}/elsewhere.db'"),
        lambda: shutil.copy(path, tmp_path / "plain.db"),
        lambda: os.utime(path),
        lambda: os.utime(path, (1, 1)),
        lambda: os.utime(f"{path}-wal"),
        lambda: path.chmod(0o640),
        lambda: elsewhere(path, "PRAGMA wal_checkpoint(PASSIVE)"),
        lambda: elsewhere(path, "PRAGMA wal_checkpoint(RESTART)"),
        lambda: elsewhere(path, "PRAGMA wal_checkpoint(TRUNCATE)"),
    ]
    with Inside.opened(tmp_path) as inside:
        for act in acts:
            publish(inside, 3)
            act()
            inside.run(inside.store.check())
            before = path.read_bytes()
            publish(inside, 9)
            assert path.read_bytes() != before, "no commit made a checkpoint"


def test_a_reader_that_holds_up_checkpoints_is_no_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Checkpoints copy a part then, and the log grows; when the reader ends, the rest is copied and the log begins anew."""
    monkeypatch.setattr(checkpoints, "CHECKPOINT_PAGES", FEW_PAGES)
    with (
        Inside.opened(tmp_path) as inside,
        closing(apsw.Connection(str(tmp_path / "store.db"), flags=apsw.SQLITE_OPEN_READONLY)) as reader,
    ):
        for _ in range(3):
            publish(inside, 10)
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM log").fetchall()
            publish(inside, 20)
            grown = (tmp_path / "store.db-wal").stat().st_size
            reader.execute("COMMIT")
            publish(inside, 40)
            assert (tmp_path / "store.db-wal").stat().st_size < 2 * grown


def test_a_checkpoint_that_fails_does_not_fail_the_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log has what was committed: the next commit tries again."""
    monkeypatch.setattr(checkpoints, "CHECKPOINT_PAGES", 1)
    with Inside.opened(tmp_path) as inside:

        def fail() -> None:
            raise apsw.FullError

        monkeypatch.setattr(inside.store._checkpoints, "_copy", fail)
        inside.publish(event("alice"))
        monkeypatch.undo()
        inside.publish(event("alice"))
        assert len(inside.activity(None)) == 2
