"""A restored store is found out by itself (I11), and a crash is not taken for one."""

import asyncio
import os
import shutil
from contextlib import closing
from pathlib import Path

import apsw
import msgspec
import pytest

from tests.checkers import epochs
from tests.harness import Harness
from tidings.config import Settings
from tidings.errors import Unavailable
from tidings.inbox_commands import MarkAllNotificationsRead
from tidings.marker import BYTES, Marker, MarkerFile, path_of, read
from tidings.model import LogPosition
from tidings.storage.sqlite import SqliteStore, checkpoints, connection, generations, store
from tidings.storage.sqlite.compaction import compact
from tidings.storage.sqlite.connection import empty_wal
from tidings.storage.sqlite.db import Db
from tidings.testing import FakeClock, event


class Place:
    """A folder in which a store is opened again and again."""

    def __init__(self, folder: Path, runner: asyncio.Runner) -> None:
        self.file = folder / "store.db"
        self._runner = runner
        self._clock = FakeClock()

    def opened(self) -> Harness:
        """The store in the file now."""
        store = self._runner.run(SqliteStore.open(self.file, self._clock, Settings()))
        return Harness(store, self._clock, self._runner)

    def lived(self, events: int, *, check: bool = True) -> LogPosition:
        """Open, publish, close; how far the store is then. ``check``: a second passes after it."""
        harness = self.opened()
        for _ in range(events):
            harness.publish(event("alice", targets=("bob",)))
        if check:
            harness.run(harness.store.check())
        head = harness.run(harness.store.head())
        harness.run(harness.store.close())
        return head


@pytest.fixture
def place(tmp_path: Path, runner: asyncio.Runner) -> Place:
    """A folder without a store."""
    return Place(tmp_path, runner)


def test_a_restart_is_no_restore(place: Place) -> None:
    """Stopped in order, with work since the last second or without, or opened and closed: cursors hold."""
    for events, check in ((3, True), (2, False), (0, True), (0, False)):
        before = place.lived(events, check=check)
        epochs.goes_on(before, place.lived(0))


def test_a_crash_is_no_restore(tmp_path: Path, place: Place, runner: asyncio.Runner) -> None:
    """What a kill leaves at any moment, the marker behind the file or level with it: cursors hold."""
    place.lived(3)
    harness, kept = place.opened(), tmp_path / "kept"
    files = [place.file, Path(f"{place.file}-wal"), path_of(place.file)]
    heads: list[LogPosition] = []
    for moment in range(4):
        if moment % 2:
            runner.run(harness.store.check())
        else:
            harness.publish(event("alice"))
        (kept / str(moment)).mkdir(parents=True)
        for file in files:
            shutil.copy(file, kept / str(moment))
        heads.append(runner.run(harness.store.head()))
    runner.run(harness.store.close())
    for moment, head in enumerate(heads):
        for file in files:
            file.write_bytes((kept / str(moment) / file.name).read_bytes())  # in place: the inodes stay
        epochs.goes_on(head, place.lived(0))


@pytest.mark.parametrize("in_place", [True, False])
def test_an_older_copy_in_the_place_of_the_file_is_found_out(place: Place, in_place: bool) -> None:
    """I11: its positions and seqs are given again, to other events, so every old cursor has to be answered reset."""
    place.lived(3)
    copy = Path(shutil.copy(place.file, place.file.with_name("copy.db")))
    before = place.lived(5)
    if in_place:
        place.file.write_bytes(copy.read_bytes())
    else:
        copy.replace(place.file)
    after = place.lived(0)
    epochs.resets(before, after)
    assert after.position == 3
    epochs.goes_on(after, place.lived(5))


def test_a_copy_that_lacks_only_changes_of_inboxes_is_found_out(place: Place) -> None:
    """Seqs move without a position: a copy as far in the log may be behind in an inbox."""
    place.lived(3)
    copy = Path(shutil.copy(place.file, place.file.with_name("copy.db")))
    harness = place.opened()
    harness.marked(MarkAllNotificationsRead("bob"))
    before = harness.run(harness.store.head())
    harness.run(harness.store.close())
    place.file.write_bytes(copy.read_bytes())
    epochs.resets(before, place.lived(0))


def test_a_copy_elsewhere_is_another_store(tmp_path: Path, place: Place, runner: asyncio.Runner) -> None:
    """Both go on with different events under the same positions."""
    before = place.lived(3)
    elsewhere = Place(tmp_path / "elsewhere", runner)
    elsewhere.file.parent.mkdir()
    shutil.copy(place.file, elsewhere.file)
    other = elsewhere.lived(0)
    epochs.resets(before, other)
    epochs.goes_on(other, elsewhere.lived(0))
    epochs.goes_on(before, place.lived(0))
    # And back again, over the first.
    place.file.write_bytes(elsewhere.file.read_bytes())
    epochs.resets(other, place.lived(0))


def test_a_marker_that_cannot_be_read_counts_as_none(place: Place) -> None:
    """Who cannot tell fetches afresh: that costs time, the other mistake would cost notifications."""
    before = place.lived(3)
    path_of(place.file).write_text("{")
    epochs.resets(before, place.lived(0))


def test_a_marker_that_is_too_long_is_made_good(place: Place) -> None:
    """What stands behind its 512 bytes is not read, and goes: or each start would begin a new epoch."""
    before = place.lived(3)
    with path_of(place.file).open("a") as file:
        file.write("#" * 2_000)
    epochs.goes_on(before, place.lived(0))
    assert path_of(place.file).stat().st_size == BYTES
    path_of(place.file).write_text("x" * 2_000)
    after = place.lived(0)
    epochs.resets(before, after)
    epochs.goes_on(after, place.lived(0))


def test_a_marker_with_a_number_that_no_file_can_hold_counts_as_none(place: Place) -> None:
    """A generation beyond what SQLite stores ended the start in a traceback."""
    before = place.lived(3)
    known = read(place.file)
    assert known is not None
    path_of(place.file).write_bytes(msgspec.json.encode(msgspec.structs.replace(known, generation=2**63 - 1)))
    after = place.lived(0)
    epochs.resets(before, after)
    epochs.goes_on(after, place.lived(0))


def test_a_log_that_a_reader_keeps_from_being_emptied_is_told_at_the_close(
    place: Place, runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is not whole then: a copy of it alone lacks what is in the log. Nothing is lost, and all is released."""
    monkeypatch.setattr(generations, "BUSY_MS", 0)
    place.lived(1)
    harness = place.opened()
    with closing(apsw.Connection(str(place.file), flags=apsw.SQLITE_OPEN_READONLY)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM log").fetchall()
        harness.publish(event("alice"))
        before = harness.run(harness.store.head())
        with pytest.raises(Unavailable, match=r"is not complete: .* a copy of the file needs it"):
            runner.run(harness.store.close())
    epochs.goes_on(before, place.lived(0))


def test_a_marker_that_is_no_file_is_refused(place: Place) -> None:
    """A pipe under its name is not waited for."""
    place.lived(1)
    path_of(place.file).unlink()
    os.mkfifo(path_of(place.file))
    assert read(place.file) is None
    with pytest.raises(OSError, match="is no regular file"):
        place.opened()


def killed(
    tmp_path: Path, place: Place, runner: asyncio.Runner, *, anew: str = ""
) -> tuple[Path, LogPosition]:
    """A place whose server was killed with a write-ahead log, and a copy of its file of before. ``anew``: the log began
    anew in the meantime, under one and the same server, at the commit of an event or of a generation."""
    place.lived(3)
    copy = Path(shutil.copy(place.file, place.file.with_name("copy.db")))
    if not anew:
        place.lived(5)
    harness, kept = place.opened(), tmp_path / "kept"
    if anew:
        harness.publish(event("alice", targets=("bob",)))
        harness.run(harness.store.check())
    if anew == "event":
        harness.store._writer.db.wal_checkpoint(None)  # type: ignore[attr-defined]
    harness.publish(event("alice", targets=("bob",)))
    if anew == "generation":
        harness.store._writer.db.wal_checkpoint(None)  # type: ignore[attr-defined]
    harness.run(harness.store.check())
    head = harness.run(harness.store.head())
    kept.mkdir()
    files = [place.file, Path(f"{place.file}-wal"), path_of(place.file)]
    for file in files:
        shutil.copy(file, kept)
    runner.run(harness.store.close())
    for file in files:
        file.write_bytes((kept / file.name).read_bytes())
    return copy, head


@pytest.mark.parametrize("anew", ["", "event", "generation"])
@pytest.mark.parametrize("in_place", [True, False])
def test_a_copy_is_not_merged_with_the_log_of_another_file(
    tmp_path: Path, place: Place, runner: asyncio.Runner, in_place: bool, anew: str
) -> None:
    """A backup in the place of a store that was killed, whose log still lies there: merged, both would be corrupt. It is
    refused as it is, and starts once the log is removed. The fault: where the commit of a generation began the log anew,
    the marker did not learn that the file had all of the generation before."""
    copy, before = killed(tmp_path, place, runner, anew=anew)
    backup = copy.read_bytes()
    if in_place:
        place.file.write_bytes(backup)
    else:
        copy.replace(place.file)
    with pytest.raises(Unavailable, match=r"if the file is a backup, remove store.db-wal and store.db-shm"):
        place.opened()
    assert place.file.read_bytes() == backup
    Path(f"{place.file}-wal").unlink()
    epochs.resets(before, place.lived(0))


def killed_after_a_backup(
    place: Place, runner: asyncio.Runner, backup: Path, *, marker: bool = True
) -> Marker:
    """A place whose server was killed some generations after a backup by VACUUM INTO was made; its marker."""
    place.lived(3)
    harness = place.opened()
    kept: dict[Path, bytes] = {}
    for number in range(3):
        harness.publish(event("alice", targets=("bob",)))
        harness.run(harness.store.check())
        if number == 1:
            with closing(apsw.Connection(str(place.file), flags=apsw.SQLITE_OPEN_READONLY)) as source:
                source.execute("VACUUM INTO ?", (str(backup),))
    for file in (place.file, Path(f"{place.file}-wal"), path_of(place.file)):
        kept[file] = file.read_bytes()
    runner.run(harness.store.close())
    for file, content in kept.items():
        file.write_bytes(content)  # in place: the inodes stay
    known = read(place.file)
    assert known is not None
    if not marker:
        path_of(place.file).unlink()
    return known


@pytest.mark.parametrize("marker", [True, False])
def test_a_backup_of_since_the_log_began_is_not_merged_with_it(
    tmp_path: Path, place: Place, runner: asyncio.Runner, marker: bool
) -> None:
    """The fault: a copy by VACUUM INTO that is newer than the beginning of the log, in the place of the file of a killed
    server, got the pages of the log, which were of another layout, and was corrupt."""
    backup = tmp_path / "backup.db"
    known = killed_after_a_backup(place, runner, backup, marker=marker)
    place.file.write_bytes(backup.read_bytes())
    log = Path(f"{place.file}-wal").read_bytes()
    with pytest.raises(Unavailable, match=r"by VACUUM INTO.*: remove store.db-wal and store.db-shm"):
        place.opened()
    assert place.file.read_bytes() == backup.read_bytes()
    assert Path(f"{place.file}-wal").read_bytes() == log
    Path(f"{place.file}-wal").unlink()
    after = place.lived(0)
    assert after.position == 5
    assert after.epoch != known.epoch


def test_a_backup_that_was_opened_elsewhere_is_not_merged_with_the_log(
    tmp_path: Path, place: Place, runner: asyncio.Runner
) -> None:
    """Who tries a backup with a server before it is restored gives it a write-ahead log and newer generations, but also an
    epoch of its own."""
    elsewhere = Place(tmp_path / "elsewhere", runner)
    elsewhere.file.parent.mkdir()
    killed_after_a_backup(place, runner, elsewhere.file)
    elsewhere.lived(2)
    elsewhere.lived(2)
    place.file.write_bytes(elsewhere.file.read_bytes())
    with pytest.raises(Unavailable, match=r"if the file is a backup, remove store.db-wal and store.db-shm"):
        place.opened()
    assert place.file.read_bytes() == elsewhere.file.read_bytes()


def test_a_kill_while_a_new_epoch_is_copied_is_not_taken_for_a_backup(
    place: Place, runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of an older generation begins a new epoch. A kill after that was copied into the file, before the log was cut
    and the marker written, leaves a file whose epoch is none that the marker knows."""
    place.lived(3)
    harness = place.opened()
    for _ in range(3):
        harness.publish(event("alice", targets=("bob",)))
        harness.run(harness.store.check())
    files = [place.file, Path(f"{place.file}-wal"), path_of(place.file)]
    kept = {file: file.read_bytes() for file in (place.file, path_of(place.file))}
    runner.run(harness.store.close())
    for file, content in kept.items():
        file.write_bytes(content)  # the log of the killed server is gone: the file is older than its marker
    moments: list[dict[Path, bytes]] = []

    def copied(connection: Db, wait_ms: int = 0) -> str:
        connection.wal_checkpoint(None)
        moments.append({file: file.read_bytes() for file in files})
        return empty_wal(connection, wait_ms)

    monkeypatch.setattr(checkpoints, "empty_wal", copied)
    harness = place.opened()
    runner.run(harness.store.close())
    monkeypatch.undo()
    assert moments[0][files[1]], "the log holds nothing"
    for file, content in moments[0].items():
        file.write_bytes(content)
    place.lived(1)


def test_a_kill_is_not_taken_for_a_backup(tmp_path: Path, place: Place, runner: asyncio.Runner) -> None:
    """The log of a killed server is merged into its own file, also after it began anew."""
    for anew in ("", "event", "generation"):
        folder = tmp_path / f"killed {anew}"
        folder.mkdir()
        own = Place(folder, runner)
        _, before = killed(folder, own, runner, anew=anew)
        epochs.goes_on(before, own.lived(0))


def test_a_file_that_is_moved_with_its_log_starts_without_the_marker(
    tmp_path: Path, place: Place, runner: asyncio.Runner
) -> None:
    """A killed store is copied to another disk, log and marker with it: the way on that the refusal names loses nothing."""
    _, before = killed(tmp_path, place, runner)
    elsewhere = Place(tmp_path / "elsewhere", runner)
    elsewhere.file.parent.mkdir()
    for file in (place.file, Path(f"{place.file}-wal"), path_of(place.file)):
        shutil.copy(file, elsewhere.file.parent)
    with pytest.raises(Unavailable, match=r"were moved here together, remove store.db.marker"):
        elsewhere.opened()
    path_of(elsewhere.file).unlink()
    assert elsewhere.lived(0).position == before.position


@pytest.mark.parametrize("how", ["in place", "another file", "no marker", "no file"])
def test_a_kill_after_a_restore_is_not_taken_for_a_backup(
    tmp_path: Path, place: Place, runner: asyncio.Runner, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once it has begun a new epoch, a restored store has a log of its own: killed at any moment of its start and
    afterwards it took that log for the one of another file, and never started again."""
    place.lived(0 if how == "no file" else 3)
    copy = Path(shutil.copy(place.file, place.file.with_name("copy.db")))
    place.lived(0 if how == "no file" else 5)
    match how:
        case "in place":
            place.file.write_bytes(copy.read_bytes())
        case "another file":
            copy.replace(place.file)
        case "no marker":
            path_of(place.file).unlink()
        case _:
            place.file.unlink()
    files = [place.file, Path(f"{place.file}-wal"), path_of(place.file)]
    moments: list[tuple[int, dict[Path, bytes]]] = []
    write, acknowledged = MarkerFile.write, 0

    def keep() -> None:
        moments.append((acknowledged, {file: file.read_bytes() for file in files if file.exists()}))

    def noted(self: MarkerFile, marker: Marker, *, durable: bool = False) -> None:
        keep()
        write(self, marker, durable=durable)
        keep()

    monkeypatch.setattr(MarkerFile, "write", noted)
    harness = place.opened()
    for _ in range(3):
        harness.publish(event("alice"))
        acknowledged = harness.run(harness.store.head()).position
        keep()
        harness.run(harness.store.check())
    runner.run(harness.store.close())
    monkeypatch.undo()
    for position, moment in moments:
        for file in files:
            if file in moment:
                file.write_bytes(moment[file])  # in place: the inodes stay
            else:
                file.unlink(missing_ok=True)
        head = place.lived(0)
        assert head.position >= position
        epochs.goes_on(head, place.lived(0))


@pytest.mark.parametrize("left", ["empty", "missing"])
@pytest.mark.parametrize("beside", ["log", "marker"])
def test_a_start_without_the_file_does_not_destroy_what_is_beside_it(
    tmp_path: Path, place: Place, runner: asyncio.Runner, left: str, beside: str
) -> None:
    """A disk that was not mounted, or a file moved away: a new store in its place deleted the log, and with it events that
    were acknowledged. It is refused until the file is back."""
    _, head = killed(tmp_path, place, runner)
    log, mark = Path(f"{place.file}-wal"), path_of(place.file)
    (mark if beside == "log" else log).unlink()
    aside = place.file.rename(place.file.with_name("aside.db"))
    if left == "empty":
        place.file.touch()
    kept = log.read_bytes() if beside == "log" else mark.read_bytes()
    with pytest.raises(Unavailable, match=r"put the file back, or remove store.db-wal and store.db.marker"):
        place.opened()
    assert kept == (log if beside == "log" else mark).read_bytes()
    assert place.file.exists() == (left == "empty")
    aside.replace(place.file)
    found = place.lived(0)
    assert found.position == head.position or beside == "marker"
    for file in (place.file, mark):
        file.unlink()
    assert place.lived(0).position == 0


def rewrite(file: Path) -> None:
    """What another program may do to the file of a stopped server: every page gets another number."""
    with closing(apsw.Connection(str(file))) as connection:
        connection.execute("VACUUM")


@pytest.mark.parametrize(
    ("how", "then"), [("compact", "at work"), ("compact", "starting"), ("VACUUM", "at work")]
)
def test_a_copy_of_before_a_rewrite_is_not_merged_with_a_later_log(
    place: Place, runner: asyncio.Runner, how: str, then: str
) -> None:
    """The fault: a rewrite left generation and epoch as they were. The start after it took that generation as the least
    that fits its log, so a copy of before the rewrite, whose pages have other numbers, was merged with the log."""
    place.lived(200)
    copy = place.file.read_bytes()
    if how == "compact":
        compact(place.file, lambda _: None)
    else:
        rewrite(place.file)
    before = LogPosition(200, "")
    if then == "at work":
        harness = place.opened()
        harness.publish(event("alice", targets=("bob",)))
        before = harness.run(harness.store.head())
        files = [place.file, Path(f"{place.file}-wal"), path_of(place.file)]
        kept = {file: file.read_bytes() for file in files}
        runner.run(harness.store.close())
        for file, content in kept.items():
            file.write_bytes(content)  # in place: the inodes stay
    else:
        first_commit_of_a_start(place.file)
    place.file.write_bytes(copy)
    log = Path(f"{place.file}-wal").read_bytes()
    assert log
    with pytest.raises(Unavailable, match=r"is older .* remove store.db-wal and store.db-shm"):
        place.opened()
    assert place.file.read_bytes() == copy
    assert Path(f"{place.file}-wal").read_bytes() == log
    Path(f"{place.file}-wal").unlink()
    epochs.resets(before, place.lived(0))


def first_commit_of_a_start(file: Path) -> None:
    """The generation that a start commits, in the log alone, as a kill leaves it."""
    with closing(apsw.Connection(str(file))) as connection:
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        connection.execute("UPDATE meta SET value=value+1 WHERE name='generation'")


def test_a_compact_of_a_restored_copy_does_not_hide_the_restore(place: Place) -> None:
    """It raises the generation, and so does a start; an older copy must not thereby seem as new as its marker."""
    place.lived(3)
    copy = place.file.read_bytes()
    before = place.lived(3)
    place.file.write_bytes(copy)
    for _ in range(5):
        compact(place.file, lambda _: None)
    epochs.resets(before, place.lived(0))


def test_a_kill_after_a_compact_is_no_restore(place: Place) -> None:
    """Nor is the compact: cursors hold, also when the first start after it is killed."""
    before = place.lived(3)
    compact(place.file, lambda _: None)
    first_commit_of_a_start(place.file)
    assert Path(f"{place.file}-wal").stat().st_size
    epochs.goes_on(before, place.lived(0))
    compact(place.file, lambda _: None)
    epochs.goes_on(before, place.lived(0))


def test_a_start_that_cannot_count_itself_still_reads(
    place: Place, runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A kill on a full disk: the start takes no new generation, and the base is as before."""
    before = place.lived(3)
    known = read(place.file)
    assert known is not None

    def full(*_: object) -> None:
        raise apsw.FullError("database or disk is full")

    monkeypatch.setattr(generations.Generations, "_begin", full)
    harness = place.opened()
    assert "cannot be written now: FullError" in caplog.text
    found = read(place.file)
    assert found is not None
    assert (found.generation, found.base) == (known.generation, known.base)
    epochs.goes_on(before, runner.run(harness.store.head()))
    runner.run(harness.store.close())
    monkeypatch.undo()
    epochs.goes_on(before, place.lived(1))


def mixed(tmp_path: Path, place: Place, runner: asyncio.Runner) -> dict[Path, bytes]:
    """A copy of before a rewrite beside the log of a killed server, without the marker that tells; the two files."""
    place.lived(200)
    copy = place.file.read_bytes()
    compact(place.file, lambda _: None)
    harness = place.opened()
    for _ in range(200):
        harness.publish(event("alice", targets=("bob",)))
    log = Path(f"{place.file}-wal").read_bytes()
    runner.run(harness.store.close())
    path_of(place.file).unlink()
    found = {place.file: copy, Path(f"{place.file}-wal"): log}
    for file, content in found.items():
        file.write_bytes(content)
    return found


def test_a_compact_of_a_damaged_store_leaves_file_and_log(
    tmp_path: Path, place: Place, runner: asyncio.Runner
) -> None:
    """The fault: it merged the log into the file before anything was checked, and deleted it."""
    files = mixed(tmp_path, place, runner)
    with pytest.raises((Unavailable, apsw.Error)):
        compact(place.file, lambda _: None)
    assert {file: file.read_bytes() for file in files} == files


@pytest.mark.parametrize("step", ["migrate", "session", "reader", "marker"])
def test_a_start_that_fails_leaves_file_and_log(
    tmp_path: Path, place: Place, runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """The fault: where a start failed, SQLite merged the log into the file as it closed, and deleted it. If the two do not
    fit, as the failure may tell, neither could be saved."""
    _, before = killed(tmp_path, place, runner)
    files = {file: file.read_bytes() for file in (place.file, Path(f"{place.file}-wal"))}

    def fail(*_: object) -> None:
        raise apsw.CorruptError("database disk image is malformed")

    where, name = {
        "migrate": (connection, "_migrate"),
        "session": (store, "WriteSession"),
        "reader": (store, "LoopSnapshot"),
        "marker": (generations, "restored"),
    }[step]
    monkeypatch.setattr(where, name, fail)
    with pytest.raises(apsw.CorruptError):
        place.opened()
    monkeypatch.undo()
    for file, content in files.items():
        assert file.read_bytes().startswith(content)  # a start may have added to the log
    assert place.file.read_bytes() == files[place.file]
    epochs.goes_on(before, place.lived(0))
