"""The power fails at any moment: what was acknowledged is there when it comes back, and nothing is there in part."""

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from tests.crash.effort import repeatable, seeds
from tests.crash.judge import closed, judge, opened
from tests.crash.vfs import NAME, Cut, Op, PowerVFS, survivors
from tests.crash.workload import History
from tidings.testing import START_MS

CUTS = seeds(20, 200)
CHECKPOINT_PAGES = 20
"""Pages in the WAL before it is copied into the file: few, so that the copying is cut off too."""


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    """One event loop for all cuts."""
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(scope="module")
def history(runner: asyncio.Runner) -> History:
    """What the store lives through."""
    return History(0, runner)


def recorded(folder: Path, history: History, runner: asyncio.Runner, pragma: str = "") -> list[Op]:
    """All that happened on the disk from the opening of a new store to its close."""
    writers: list[apsw.Connection] = []
    apsw.connection_hooks.append(writers.append)
    vfs = PowerVFS()
    try:
        run = opened(folder / "tidings.db", START_MS, runner, vfs=NAME)
        writers[0].wal_autocheckpoint(CHECKPOINT_PAGES)
        writers[0].execute(pragma)
        for number, step in enumerate(history.steps, 1):
            run.take(step)
            vfs.acked = number
        closed(run, folder / "tidings.db")
    finally:
        vfs.unregister()
        apsw.connection_hooks.remove(writers.append)
    return vfs.record


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory, history: History, runner: asyncio.Runner) -> list[Op]:
    """What the store did to its disk."""
    return recorded(tmp_path_factory.mktemp("power"), history, runner)


def cut(folder: Path, record: list[Op], history: History, runner: asyncio.Runner, seed: int) -> None:
    """Cut the power at a random moment, in a random way; judge what is left."""
    chance = random.Random(seed)
    at, way = chance.randrange(1, len(record)), chance.choice(list(Cut))
    for name, content in survivors(record[:at], way, chance).items():
        (folder / name).write_bytes(content)
    judge(folder / "tidings.db", history, record[at].acked, runner)


@pytest.mark.parametrize("seed", CUTS)
def test_what_was_acknowledged_survives_a_power_cut(
    tmp_path: Path, record: list[Op], history: History, runner: asyncio.Runner, seed: int
) -> None:
    """I1, I2, I3, I6 of what the disk had for certain, with any part of the rest; and life goes on from there."""
    with repeatable(seed, "test_power.py"):
        cut(tmp_path, record, history, runner, seed)


@pytest.mark.parametrize("pragma", ["PRAGMA synchronous=OFF", "PRAGMA synchronous=NORMAL"])
def test_a_store_that_does_not_sync_is_found_out(
    tmp_path: Path, history: History, runner: asyncio.Runner, pragma: str
) -> None:
    """The check is able to fail: a store that acknowledges before its disk has the commit loses some."""
    careless = recorded(tmp_path, history, runner, pragma)
    losses = 0
    for seed in range(10):
        folder = tmp_path / str(seed)
        folder.mkdir()
        try:
            cut(folder, careless, history, runner, seed)
        except (AssertionError, apsw.Error):
            losses += 1
    assert losses
