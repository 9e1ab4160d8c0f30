"""The power fails at any moment: what was acknowledged is there when it comes back, and nothing is there in part."""

import asyncio
import random
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

import apsw
import pytest

from tests.crash.checker import judge, opened
from tests.crash.effort import repeatable, seeds
from tests.crash.vfs import NAME, Cut, Op, PowerVFS, survivors
from tests.crash.workload import History
from tidings.errors import Unavailable
from tidings.storage.sqlite import checkpoints
from tidings.testing import START_MS

CHECKPOINT_PAGES = 20
"""Pages in the WAL before it is copied into the file: few, so that the copying is cut off too."""
PASTS = 3
"""Different histories that are cut off."""
ENOUGH = 20
"""Cuts of which one must hit a store that does not sync."""


def recorded(folder: Path, history: History, runner: asyncio.Runner, pragma: str = "") -> list[Op]:
    """All that happened on the disk from the opening of a new store to its close."""
    writers: list[apsw.Connection] = []
    apsw.connection_hooks.append(writers.append)
    vfs = PowerVFS()
    try:
        with (
            patch.object(checkpoints, "CHECKPOINT_PAGES", CHECKPOINT_PAGES),
            opened(folder / "tidings.db", START_MS, runner, vfs=NAME) as run,
        ):
            writers[0].execute(pragma)
            for number, step in enumerate(history.steps, 1):
                run.take(step)
                vfs.acked = number
    finally:
        vfs.unregister()
        apsw.connection_hooks.remove(writers.append)
    return vfs.record


class Past(NamedTuple):
    """What a store lived through, and what it did to its disk."""

    history: History
    record: list[Op]


Pasts = Callable[[int], Past]


@pytest.fixture(scope="module")
def pasts(tmp_path_factory: pytest.TempPathFactory, runner: asyncio.Runner) -> Pasts:
    """The past of a number, lived through once."""

    @cache
    def past(number: int) -> Past:
        history = History(number, runner)
        return Past(history, recorded(tmp_path_factory.mktemp("power"), history, runner))

    return past


def cut(folder: Path, past: Past, runner: asyncio.Runner, seed: int) -> None:
    """Cut the power at a random moment, in a random way; judge what is left."""
    chance = random.Random(seed)
    at, way = chance.randrange(1, len(past.record)), chance.choice(list(Cut))
    folder.mkdir(exist_ok=True)
    for name, content in survivors(past.record[:at], way, chance).items():
        (folder / name).write_bytes(content)
    judge(folder / "tidings.db", past.history, past.record[at].acked, runner)


@pytest.mark.need("IN7")
@pytest.mark.parametrize("seed", seeds(20, 200))
def test_what_was_acknowledged_survives_a_power_cut(
    tmp_path: Path, pasts: Pasts, runner: asyncio.Runner, seed: int
) -> None:
    """I1, I2, I3, I6 of what the disk had for certain, with any part of the rest; and life goes on from there."""
    with repeatable(seed, "test_power.py"):
        cut(tmp_path, pasts(seed % PASTS), runner, seed)


@pytest.mark.parametrize("pragma", ["PRAGMA synchronous=OFF", "PRAGMA synchronous=NORMAL"])
def test_a_store_that_does_not_sync_is_found_out(tmp_path: Path, runner: asyncio.Runner, pragma: str) -> None:
    """The check is able to fail: a store that acknowledges before its disk has the commit loses some."""
    history = History(0, runner)
    careless = Past(history, recorded(tmp_path, history, runner, pragma))

    def survived(seed: int) -> bool:
        try:
            cut(tmp_path / str(seed), careless, runner, seed)
        except (AssertionError, apsw.Error, Unavailable):
            return False
        return True

    assert not all(survived(seed) for seed in range(ENOUGH))
