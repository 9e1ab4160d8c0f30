"""``tidings compact`` rewrites the file of a stopped server."""

import asyncio
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.cli.conftest import Run
from tests.harness import Harness
from tests.serving import serving
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
    """Not after an hour of work."""
    lived(path)
    content = path.read_bytes()
    monkeypatch.setattr(shutil, "disk_usage", lambda _: _Usage(10_000, 5_000, 5_000))
    with pytest.raises(Unavailable, match="has 5,000 bytes free, and the log of the rewrite needs"):
        compaction.compact(path, lambda _: None)
    assert path.read_bytes() == content
