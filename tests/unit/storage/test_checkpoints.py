"""A store notices when another program changes its file or cuts its log, and takes nothing else for that."""

import asyncio
import errno
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from operator import eq
from pathlib import Path

import apsw
import pytest

from tests.unit.storage.inside import Inside
from tidings.config import Settings
from tidings.errors import Unavailable
from tidings.model import Publish
from tidings.storage.sqlite import SqliteStore, checkpoints
from tidings.storage.sqlite.db import Db
from tidings.storage.sqlite.file_lock import FileLock
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
    "log truncated": (
        lambda path: os.truncate(f"{path}-wal", 0),
        "store.db-wal was truncated by another program",
    ),
    "log cut": (
        lambda path: os.truncate(f"{path}-wal", 4_000),
        "store.db-wal was truncated by another program",
    ),
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
        with pytest.raises(Unavailable, match=rf"is not complete: .*{said}"):
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


@pytest.mark.parametrize("kind", ["PASSIVE", "RESTART", "TRUNCATE"])
def test_checkpoints_by_another_program_in_a_row_are_no_change(tmp_path: Path, kind: str) -> None:
    """The fault: a log that began anew with as many frames as before, or more, was taken for the same log, of which all had
    been copied. The next checkpoint by another program was then taken for a change of the file, which took every write."""
    frames = []
    with Inside.opened(tmp_path) as inside, closing(apsw.Connection(str(tmp_path / "store.db"))) as other:
        for number in range(50):
            inside.publish(event("alice", "like", f"{'x' * 200}:{number}", targets=("bob",)))
            frames.append(inside.store._checkpoints._frames)
            other.execute(f"PRAGMA wal_checkpoint({kind})").fetchall()
        inside.run(inside.store.check())
    assert any(map(eq, frames, frames[1:])), "no log began anew with as many frames as before"


class _Pausing(apsw.VFS):
    """Files of which every write to the database itself is followed by a call."""

    def __init__(self, then: Callable[[int], None]) -> None:
        self.then = then
        super().__init__("pausing", "")

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:
        return _PausingFile(name, flags, self.then)


class _PausingFile(apsw.VFSFile):
    def __init__(
        self, name: str | apsw.URIFilename | None, flags: list[int], then: Callable[[int], None]
    ) -> None:
        super().__init__("", name, flags)
        self.then = then if flags[0] & apsw.SQLITE_OPEN_MAIN_DB else None

    def xWrite(self, data: bytes, offset: int) -> None:
        super().xWrite(data, offset)
        if self.then:
            self.then(offset)


@pytest.mark.parametrize("killed", [False, True])
def test_half_a_checkpoint_by_another_program_is_no_change(tmp_path: Path, killed: bool) -> None:
    """The fault: pages that were copied, and not counted yet, were taken for a change: writes got 503 for events that were
    committed. ``killed``: the checkpoint never counts them."""
    writes: list[int] = []
    with Inside.opened(tmp_path) as inside:

        def then(offset: int) -> None:
            writes.append(offset)
            publish(inside)
            if killed and len(writes) > 3:
                raise apsw.FullError

        vfs = _Pausing(then)
        for _ in range(3):
            publish(inside, 10)
            with closing(apsw.Connection(str(tmp_path / "store.db"), vfs="pausing")) as other:
                other.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
                del writes[:]
                with suppress(apsw.FullError):
                    other.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            assert 0 in writes, "the first page was not copied"
            publish(inside, 3)
        vfs.unregister()


def test_a_stop_waits_for_a_checkpoint_by_another_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fault: a stop meanwhile ended with "database is locked" and exit code 1: SQLite does not wait for it by itself."""
    busy = [apsw.BusyError("database is locked")] * 3
    real = Db.wal_checkpoint

    def one_after_another(db: Db, name: str | None = None, mode: int = 0) -> tuple[int, int]:
        if mode == apsw.SQLITE_CHECKPOINT_TRUNCATE and busy:
            raise busy.pop()
        return real(db, name, mode)

    with asyncio.Runner() as runner:
        store = runner.run(SqliteStore.open(tmp_path / "store.db", FakeClock(), Settings()))
        busy[:] = busy or [apsw.BusyError("database is locked")] * 3
        monkeypatch.setattr(Db, "wal_checkpoint", one_after_another)
        runner.run(store.close())
    assert not busy


def test_a_middle_page_that_is_written_over_is_not_compared(tmp_path: Path) -> None:
    """The bound of docs/adr/0016: of a file of the same size, two pages alone are compared."""
    path = tmp_path / "store.db"
    with Inside.opened(tmp_path) as inside:
        publish(inside, 3)
        store = inside.store
        taken = {(page - 1) * 4_096 for page in store._checkpoints._sampled}
        page = next(at for at in range(8 * 4_096, path.stat().st_size, 4_096) if at not in taken)
        kept = path.read_bytes()[page : page + 4_096]
        for content in (os.urandom(4_096), kept):
            with path.open("r+b") as file:
                file.seek(page)
                file.write(content)
            inside.run(store.check())


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


def fail_with(error: BaseException) -> Callable[..., object]:
    """What raises this error, whatever it is called with."""

    def fail(*_given: object, **_options: object) -> object:
        raise error

    return fail


@pytest.mark.parametrize("call", ["pread", "fstat"])
@pytest.mark.parametrize("looked_into", [True, False])
def test_a_disk_that_cannot_be_read_is_released_at_the_close(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, looked_into: bool
) -> None:
    """The fault: an OSError of the looks at the files ended the close half-way, with the store locked and its threads
    alive; a write got 500 for it. ``looked_into``: the time of change makes the store look at the pages of its file."""
    path = tmp_path / "store.db"
    threads = set(threading.enumerate())
    with asyncio.Runner() as runner:
        store = runner.run(SqliteStore.open(path, FakeClock(), Settings()))
        publish(Inside(store, FakeClock(), runner), 3)
        if looked_into:
            os.utime(path, (1, 1))
        with monkeypatch.context() as patched:
            patched.setattr(os, call, fail_with(OSError(errno.EIO, os.strerror(errno.EIO))))
            if looked_into:
                with pytest.raises(
                    Unavailable, match="the store cannot be checked now: its file cannot be used"
                ):
                    runner.run(store.write([Publish((event("alice"),))]))
            with pytest.raises(
                Unavailable, match=r"the file of the store is not complete: .*Input/output error"
            ):
                runner.run(store.close())
        assert [one.name for one in set(threading.enumerate()) - threads if "tidings" in one.name] == []
        again = runner.run(SqliteStore.open(path, FakeClock(), Settings()))
        assert runner.run(again.head()).position == 3
        runner.run(again.close())


@pytest.mark.parametrize("error", [apsw.IOError(), apsw.SQLError(), MemoryError()], ids=repr)
def test_whatever_fails_at_the_end_the_store_is_released(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    """The fault: an error of the last checkpoint left the file locked, so no store could be opened in this process."""
    path = tmp_path / "store.db"
    with asyncio.Runner() as runner:
        store = runner.run(SqliteStore.open(path, FakeClock(), Settings()))
        publish(Inside(store, FakeClock(), runner), 3)
        with monkeypatch.context() as patched:
            patched.setattr(Db, "wal_checkpoint", fail_with(error))
            with pytest.raises((Unavailable, type(error))):
                runner.run(store.close())
        again = runner.run(SqliteStore.open(path, FakeClock(), Settings()))
        assert runner.run(again.head()).position == 3
        runner.run(again.close())


def test_a_start_that_cannot_read_the_file_leaves_no_descriptor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fault: the descriptor of the log stayed open."""
    path = tmp_path / "store.db"
    with asyncio.Runner() as runner:
        runner.run(runner.run(SqliteStore.open(path, FakeClock(), Settings())).close())
        left = len(os.listdir("/proc/self/fd"))
        with monkeypatch.context() as patched:
            patched.setattr(os, "pread", fail_with(OSError(errno.EIO, os.strerror(errno.EIO))))
            with pytest.raises(OSError, match="Input/output error"):
                runner.run(SqliteStore.open(path, FakeClock(), Settings()))
        assert len(os.listdir("/proc/self/fd")) == left
        runner.run(runner.run(SqliteStore.open(path, FakeClock(), Settings())).close())


def test_a_file_whose_state_could_not_be_read_is_not_taken_for_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A checkpoint that wrote the file, after which the disk failed for a moment: in doubt the store goes on. The fault: the
    write that was committed before got 503."""
    monkeypatch.setattr(checkpoints, "CHECKPOINT_PAGES", 1)
    with Inside.opened(tmp_path) as inside:
        publish(inside, 3)
        with monkeypatch.context() as patched:
            patched.setattr(FileLock, "read", fail_with(OSError(errno.EIO, os.strerror(errno.EIO))))
            inside.publish(event("alice"))
            with pytest.raises(Unavailable, match="cannot be checked now"):
                inside.publish(event("alice"))
        publish(inside, 3)
        assert len(inside.activity(None)) == 7
