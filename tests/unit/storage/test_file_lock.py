"""One server has a store, by whatever name it comes to it, and notices when its file is taken away."""

import asyncio
import os
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from tests.unit.storage.inside import Inside
from tidings.config import Settings
from tidings.errors import Unavailable
from tidings.marker import path_of
from tidings.model import Publish
from tidings.storage.sqlite import SqliteStore, file_lock
from tidings.storage.sqlite.file_lock import FileLock
from tidings.testing import FakeClock, event


def open_again(path: Path) -> None:
    """Open and close a store."""

    async def work() -> None:
        await (await SqliteStore.open(path, FakeClock(), Settings())).close()

    asyncio.run(work())


def test_a_symbolic_link_leads_to_the_same_lock(tmp_path: Path) -> None:
    """The lock is on the inode: another name of the file is the same file, and the holder is named."""
    link = tmp_path / "link.db"
    with Inside.opened(tmp_path):
        link.symlink_to("store.db")
        with pytest.raises(Unavailable, match=rf"store.db is in use by process {os.getpid()}"):
            FileLock(link)
    open_again(link)
    assert sorted(found.name for found in tmp_path.iterdir()) == ["link.db", "store.db", "store.db.marker"]


def test_a_hard_link_is_refused(tmp_path: Path) -> None:
    """SQLite keeps the write-ahead log beside one of the names: who opens the other lacks what is in it."""
    with Inside.opened(tmp_path):
        os.link(tmp_path / "store.db", tmp_path / "hard.db")
        with pytest.raises(Unavailable, match=r"is in use by"):
            FileLock(tmp_path / "hard.db")
    with pytest.raises(Unavailable, match=r"has 2 names \(hard links\)"):
        FileLock(tmp_path / "hard.db")
    (tmp_path / "hard.db").unlink()
    open_again(tmp_path / "store.db")


def test_nothing_beside_the_file_is_the_lock(tmp_path: Path) -> None:
    """Whatever is deleted beside it, the store stays locked."""
    with Inside.opened(tmp_path):
        path_of(tmp_path / "store.db").unlink()
        with pytest.raises(Unavailable, match="in use by another process"):
            FileLock(tmp_path / "store.db")


def test_a_file_that_is_mounted_alone_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container that mounts the file, not its folder: the write-ahead log lies in the container and goes with it."""
    mounts, file = tmp_path / "mountinfo", tmp_path / "a b.db"
    monkeypatch.setattr(file_lock, "MOUNTS", mounts)
    place = str(file).replace(" ", "\\040")
    mounts.write_text(
        f"22 1 0:21 / /proc rw - proc proc rw\n40 1 8:1 /host/t.db {place} rw - ext4 /dev/sda1 rw\n"
    )
    with pytest.raises(Unavailable, match=r"is mounted by itself.*mount its folder"):
        FileLock(file)
    assert not file.exists()
    mounts.write_text(f"40 1 8:1 /host {tmp_path} rw - ext4 /dev/sda1 rw\n")
    FileLock(file).close()
    mounts.unlink()
    FileLock(file).close()


def test_only_its_user_reads_the_store(tmp_path: Path) -> None:
    """The files hold what is private to everybody: whatever the umask, no other user of the machine may read them."""
    before = os.umask(0)
    try:
        with Inside.opened(tmp_path) as inside:
            inside.publish(event("alice"))
            modes = {file.name: file.stat().st_mode & 0o777 for file in tmp_path.iterdir()}
    finally:
        os.umask(before)
    assert modes == dict.fromkeys(("store.db", "store.db-wal", "store.db-shm", "store.db.marker"), 0o600)


@pytest.mark.parametrize("log", [True, False])
def test_the_database_of_another_program_is_left_alone(tmp_path: Path, log: bool) -> None:
    """It is refused before a byte is written, whether or not it has a write-ahead log."""
    path = tmp_path / "theirs.db"
    with closing(apsw.Connection(str(path))) as theirs:
        if log:
            theirs.execute("PRAGMA journal_mode=WAL")
        theirs.execute("CREATE TABLE meta (name, value)")
        before = path.read_bytes()
        with pytest.raises(Unavailable, match="a sound database, but not one of Tidings"):
            open_again(path)
        assert path.read_bytes() == before
    assert not path_of(path).exists()


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The error has the path of the folder that is missing."""
    with pytest.raises(Unavailable, match=f"the folder {tmp_path / 'nodir'} does not exist"):
        FileLock(tmp_path / "nodir" / "x.db")


def test_a_file_that_was_never_filled_is_not_left_behind(tmp_path: Path) -> None:
    """An empty file would be taken for a new store at the next start."""
    FileLock(tmp_path / "new.db").close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm"])
def test_a_file_that_is_taken_away_takes_no_more_writes(tmp_path: Path, suffix: str) -> None:
    """The fault: the index of the log (-shm) was not watched; without it other programs did not see the server's locks.
    Deleted or replaced while it is open: what would be acknowledged could never be found again. Put back, it goes on."""
    file, aside = tmp_path / f"store.db{suffix}", tmp_path / "aside"
    with Inside.opened(tmp_path) as inside:
        inside.publish(event("alice"))
        file.rename(aside)
        for said in ("deleted or moved", "replaced by another file"):
            with pytest.raises(Unavailable, match=said):
                inside.run(inside.store.write([Publish((event("alice"),))]))
            with pytest.raises(Unavailable, match=said):
                inside.run(inside.store.check())
            assert len(inside.activity(None)) == 1
            file.write_bytes(b"")
        file.unlink()
        aside.rename(file)
        inside.run(inside.store.check())
        inside.publish(event("alice"))
        assert len(inside.activity(None)) == 2
