"""The judge lets through what a crash may leave, and nothing else, even where it hardly shows."""

import asyncio
from pathlib import Path

import pytest

from tests.crash.checker import judge, opened
from tests.crash.workload import History
from tidings.testing import START_MS

HISTORY = 113
PUBLISH, BLOCK = 28, 29
"""Two of its steps: an event that shows at once, and a block of somebody who has done nothing that it would hide. Taken
twice, the block answers that nothing changed."""


@pytest.fixture(scope="module")
def history(runner: asyncio.Runner) -> History:
    """What the store lives through."""
    history = History(HISTORY, runner)
    assert history.lived(BLOCK + 1).take(history.steps[BLOCK]) != history.outcomes[BLOCK]
    return history


def left(path: Path, history: History, steps: int, runner: asyncio.Runner) -> Path:
    """The file of a store that took so many steps."""
    with opened(path, START_MS, runner) as run:
        for step in history.steps[:steps]:
            run.take(step)
    return path


@pytest.mark.parametrize("step", [PUBLISH, BLOCK])
@pytest.mark.parametrize("through", [0, 1])
def test_a_step_under_way_came_through_or_did_not(
    tmp_path: Path, history: History, runner: asyncio.Runner, step: int, through: int
) -> None:
    """Both may be; nothing is left beside the file."""
    (tmp_path / "a").mkdir()
    path = left(tmp_path / "a" / "tidings.db", history, step + through, runner)
    judge(path, history, step, runner)
    assert list(tmp_path.iterdir()) == [path.parent]


@pytest.mark.parametrize("step", [PUBLISH, BLOCK])
def test_a_step_that_was_acknowledged_and_is_gone_is_found(
    tmp_path: Path, runner: asyncio.Runner, step: int
) -> None:
    """I1, even when it was the last one and nothing came of it."""
    history = History(HISTORY, runner, step + 1)
    path = left(tmp_path / "tidings.db", history, step, runner)
    with pytest.raises(AssertionError):
        judge(path, history, step + 1, runner)
