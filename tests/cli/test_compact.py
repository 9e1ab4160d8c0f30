"""``tidings compact`` rewrites the file of a stopped server."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import apsw
import pytest

from tests.cli.conftest import Run
from tests.harness import Harness
from tests.serving import environ, serving
from tidings.config import Settings
from tidings.errors import Unavailable
from tidings.model import EraseUser, LogPosition
from tidings.storage.sqlite import SqliteStore, compaction
from tidings.testing import FakeClock, event


def lived(path: Path) -> LogPosition:
    """Open a store, publish, erase, close; how far it is then."""
    clock = FakeClock()
    with asyncio.Runner() as runner:
        harness = Harness(runner.run(SqliteStore.open(path, clock, Settings())), clock, runner)
        for number in range(200):
            harness.publish(event(f"user-{number}", name="x" * 500, targets=("bob",)))
        harness.write(*(EraseUser(f"user-{number}") for number in range(0, 200, 2)))
        head = harness.run(harness.store.head())
        harness.run(harness.store.close())
    return head


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    """The file of a store, in the folder of the commands; what lies beside it when a test ends."""
    file = tmp_path / "tidings.db"
    yield file
    assert {one.name for one in tmp_path.iterdir()} <= {"tidings.db", "tidings.db.marker"}


def test_the_file_is_rewritten_and_is_the_same_store(run: Run, path: Path) -> None:
    """Nothing lies beside it then, and no new epoch begins."""
    before = lived(path)
    result = run("compact", "--store", f"sqlite:///{path}")
    assert result.exit_code == 0, result.output
    assert f"{path.name} is rewritten: " in result.output
    assert f"{path.stat().st_size:,} now" in result.output
    after = lived(path)
    assert (after.epoch, after.position > before.position) == (before.epoch, True)


def test_a_store_in_use_is_left_alone(run: Run, tmp_path: Path) -> None:
    """A server that runs goes on, and would stop if another program rewrote its file."""
    with serving(tmp_path):
        result = run("compact")
    assert result.exit_code == 1
    assert "tidings.db is in use by process" in result.output


@pytest.mark.parametrize(
    "store", ["sqlite:///none.db", "sqlite:///empty.db", "sqlite:///text.db", "memory://"]
)
def test_what_is_no_store_is_refused(run: Run, tmp_path: Path, store: str) -> None:
    """And no file is made."""
    (tmp_path / "empty.db").touch()
    (tmp_path / "text.db").write_text("no database" * 500)
    before = sorted(tmp_path.iterdir())
    result = run("compact", "--store", store)
    assert result.exit_code == 1
    assert result.output.startswith("Error: ")
    assert ("memory:// has no file" in result.output) == (store == "memory://")
    assert sorted(tmp_path.iterdir()) == before


def test_an_interrupt_leaves_the_store_as_it_was(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The progress is also where an interrupt arrives; the lock is released."""
    before = lived(path)
    monkeypatch.setattr(compaction, "PROGRESS_STEPS", 100)
    seen: list[int] = []

    def interrupt(steps: int) -> None:
        seen.append(steps)
        if len(seen) == 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compaction.compact(path, interrupt)
    assert seen == list(range(100, 2_001, 100))
    assert lived(path).epoch == before.epoch


class _Usage(NamedTuple):
    total: int
    used: int
    free: int


def test_a_disk_without_space_for_it_is_refused_before(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not after an hour of work. The temporary copy and the log are on one disk here."""
    lived(path)
    content = path.read_bytes()
    needed = 2 * len(content)
    monkeypatch.setenv("SQLITE_TMPDIR", str(path.parent))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: _Usage(0, 0, needed - 1))
    said = (
        f"{needed - 1:,} bytes free, and {needed:,} are needed for the log of the rewrite and the temporary"
    )
    with pytest.raises(Unavailable, match=said):
        compaction.compact(path, lambda _: None)
    assert path.read_bytes() == content


def test_a_full_disk_is_named(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fault: without one free byte the error was "disk I/O error", as SQLite could make no file beside the store."""
    lived(path)
    content = path.read_bytes()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: _Usage(0, 0, 0))
    with pytest.raises(Unavailable, match=f"the disk of {path} is full, and nothing was changed"):
        compaction.compact(path, lambda _: None)
    assert path.read_bytes() == content


@pytest.mark.parametrize("variable", ["SQLITE_TMPDIR", "TMPDIR"])
def test_the_folder_for_temporary_files_is_checked_too(
    path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """The fault: only the folder of the file was, and VACUUM failed in the middle."""
    lived(path)
    content = path.read_bytes()
    other = Path("/dev")  # another file system; nothing is written there
    for name in ("SQLITE_TMPDIR", "TMPDIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, str(other))
    monkeypatch.setattr(os, "access", lambda *_: True)
    monkeypatch.setattr(
        shutil, "disk_usage", lambda place: _Usage(0, 0, 5_000 if place == other else len(content))
    )
    with pytest.raises(Unavailable, match=r"/dev has 5,000 bytes free, and .* for the temporary copy"):
        compaction.compact(path, lambda _: None)
    assert path.read_bytes() == content


KILLED = """
import os, signal, sys
from pathlib import Path
from tidings.storage.sqlite import compaction

path, at, steps = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
compaction.PROGRESS_STEPS = steps
empty = compaction._empty_log

def kill():
    os.kill(os.getpid(), signal.SIGKILL)

def progress(done):
    if done == at * steps:
        kill()

def empty_all_but_the_last(db, calls=[]):
    calls.append(db)
    kill() if len(calls) == 3 else empty(db)

compaction._empty_log = empty_all_but_the_last
compaction.compact(path, progress)
"""
"""Compacts a store, and dies at a step of it; if that does not come, before the log is emptied into the file."""
STEPS = 100
MOMENTS = 6


def content_of(path: Path) -> list[object]:
    """What a store tells of its events and of an inbox, and whether SQLite finds it whole."""
    clock = FakeClock()
    with asyncio.Runner() as runner:
        harness = Harness(runner.run(SqliteStore.open(path, clock, Settings())), clock, runner)
        found: list[object] = [
            harness.activity(None),
            harness.inbox("bob"),
            harness.run(harness.store.head()),
        ]
        harness.run(harness.store.close())
    with closing(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)) as file:
        assert file.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    return found


@pytest.mark.parametrize("moment", range(MOMENTS + 1))
def test_a_kill_at_any_moment_leaves_the_store_whole(
    path: Path, monkeypatch: pytest.MonkeyPatch, moment: int
) -> None:
    """Early and late in the rewrite, and after it, while all of it is in the log: same content, same epoch."""
    lived(path)
    before = content_of(path)
    monkeypatch.setattr(compaction, "PROGRESS_STEPS", STEPS)
    calls: list[int] = []
    copy = Path(shutil.copy(path, path.with_name("copy.db")))
    compaction.compact(copy, calls.append)
    copy.unlink()
    assert len(calls) > MOMENTS
    at = 1 + moment * len(calls) // MOMENTS
    arguments = (sys.executable, "-c", KILLED, str(path), str(at), str(STEPS))
    died = subprocess.run(arguments, capture_output=True, check=False)
    assert died.returncode == -signal.SIGKILL, died.stderr
    assert content_of(path) == before


def test_a_server_that_starts_meanwhile_is_refused_in_one_line(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is locked from the beginning to the end; the server leaves it alone, and the work goes on."""
    before = lived(path)
    monkeypatch.setattr(compaction, "PROGRESS_STEPS", STEPS)
    starts: list[subprocess.CompletedProcess[str]] = []

    def start(_: int) -> None:
        if not starts:
            serve = (
                sys.executable,
                "-m",
                "tidings",
                "serve",
                "--dev",
                "--port=0",
                f"--store=sqlite:///{path}",
            )
            starts.append(
                subprocess.run(
                    serve, env=environ(), cwd=path.parent, text=True, capture_output=True, check=False
                )
            )

    compaction.compact(path, start)
    (started,) = starts
    assert started.returncode == 1
    (line,) = (started.stdout + started.stderr).splitlines()
    assert f"{path} is in use by another process" in line
    assert lived(path).epoch == before.epoch
