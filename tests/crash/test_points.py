"""The store is stopped at every statement: by a death that leaves the files as they are, or by a failure that it outlives.

A process that dies between two statements leaves what the operating system has. A copy of the files at that moment is
the same, and tells whether everything acknowledged is in it, nothing is there in part, and life goes on from there. Most
statements change no file, so many points leave one and the same state, which is judged once.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import NamedTuple

import apsw
import pytest

from tests.crash.checker import judge, opened, reads_as
from tests.crash.effort import ALL, repeatable, seeds
from tests.crash.workload import History, Write
from tests.property.comparison import same
from tidings.errors import Unavailable
from tidings.storage.sqlite.commit_guard import CommitGuard
from tidings.storage.sqlite.write_session import WriteSession
from tidings.testing import START_MS

FILES = ("tidings.db", "tidings.db-wal", "tidings.db-journal")
HISTORY = 0
STATES = 200
"""Into so many shares the states are divided."""
FAILURES = 100
"""At so many statements, evenly spread, the store meets a failure."""

SOME_STEPS = 3
"""Steps after which a store without transactions must have been found out."""


class State(NamedTuple):
    """What a death would have left before a statement, and how many steps had ended."""

    acked: int
    files: tuple[bytes, ...]


class Points(NamedTuple):
    """The statements of a whole history: how many of them open the store, how many there are, and the different states
    before them."""

    opening: int
    statements: int
    states: list[State]


class Watch:
    """Notes the state of the files before each statement."""

    def __init__(self, folder: Path) -> None:
        self._paths = [folder / name for name in FILES]
        self.acked = 0
        self.statements = 0
        self.states: list[State] = []

    def __call__(self) -> None:
        self.statements += 1
        now = State(self.acked, tuple(path.read_bytes() if path.exists() else b"" for path in self._paths))
        if not self.states or now != self.states[-1]:
            self.states.append(now)


COUNT_OF_START = 4
"""Statements of the last transaction of a start, which counts it."""


class Failure:
    """A full disk at one statement, and room again at the next."""

    def __init__(self, at: int) -> None:
        self._left = at

    def __call__(self) -> None:
        self._left -= 1
        if self._left == -1:
            raise apsw.FullError("the disk is full")


@contextmanager
def before_each_statement(call: Callable[[], None]) -> Iterator[None]:
    """Call this before each statement of the first connection that is opened inside: the one that writes."""

    def trace(cursor: apsw.Cursor, statement: str, bindings: object) -> bool:
        call()
        return True

    def hook(connection: apsw.Connection) -> None:
        apsw.connection_hooks.remove(hook)
        connection.exec_trace = trace

    apsw.connection_hooks.append(hook)
    yield


@pytest.fixture(scope="module")
def history(runner: asyncio.Runner) -> History:
    """What the store lives through."""
    return History(HISTORY, runner)


@pytest.fixture(scope="module")
def points(tmp_path_factory: pytest.TempPathFactory, history: History, runner: asyncio.Runner) -> Points:
    """All points of the history."""
    return watched(tmp_path_factory.mktemp("points"), history, len(history.steps), runner)


def watched(folder: Path, history: History, steps: int, runner: asyncio.Runner) -> Points:
    """The points of so many steps, from the opening of a new store on."""
    watch = Watch(folder)
    with before_each_statement(watch), opened(folder / FILES[0], START_MS, runner) as run:
        opening = watch.statements
        for number, step in enumerate(history.steps[:steps], 1):
            run.take(step)
            watch.acked = number
    return Points(opening, watch.statements, watch.states)


def left(folder: Path, state: State) -> Path:
    """A new folder with the files of a state; returns the path of the store."""
    folder.mkdir()
    for name, content in zip(FILES, state.files, strict=True):
        (folder / name).write_bytes(content)
    return folder / FILES[0]


def test_all_statements_are_seen(points: Points, history: History) -> None:
    """There are several for each step, and those that commit leave a state of their own."""
    assert points.statements > len(points.states) > len(history.steps)
    writes = {number for number, step in enumerate(history.steps) if isinstance(step, Write)}
    assert {state.acked for state in points.states} >= writes


@pytest.mark.parametrize("share", seeds(10, STATES))
def test_a_death_at_any_statement_loses_nothing(
    tmp_path: Path, points: Points, history: History, runner: asyncio.Runner, share: int
) -> None:
    """I1, I2, I3, I6 of the files as they were before a statement; and life goes on from there."""
    with repeatable(share, "test_points.py"):
        for number, state in enumerate(points.states[share::STATES]):
            judge(left(tmp_path / str(number), state), history, state.acked, runner)


def test_a_store_without_transactions_is_found_out(
    tmp_path: Path, history: History, runner: asyncio.Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check is able to fail: a store that commits every statement by itself leaves something in part."""
    monkeypatch.setattr(WriteSession, "transaction", lambda writer, work: work())
    # SQLite does not call the hook for a statement that commits when it is reset, so such commits are not counted.
    monkeypatch.setattr(CommitGuard, "check", lambda guard: None)
    careless = watched(tmp_path, history, SOME_STEPS, runner)
    monkeypatch.undo()

    def survived(number: int) -> bool:
        state = careless.states[number]
        try:
            judge(left(tmp_path / str(number), state), history, state.acked, runner)
        except AssertionError:
            return False
        return True

    assert not all(survived(number) for number in reversed(range(len(careless.states))))


@pytest.mark.parametrize("part", seeds(10, FAILURES))
def test_a_failure_at_any_statement_changes_nothing(
    tmp_path: Path, points: Points, history: History, runner: asyncio.Runner, part: int
) -> None:
    """What failed was not done at all, in the file or in memory; the store goes on, and the same step then succeeds."""
    path, at = tmp_path / FILES[0], points.opening + part * (points.statements - points.opening) // FAILURES
    with (
        repeatable(part, "test_points.py"),
        before_each_statement(Failure(at)),
        opened(path, START_MS, runner) as run,
    ):
        for number, (step, expected) in enumerate(zip(history.steps, history.outcomes, strict=True)):
            try:
                told = run.take(step)
            except Unavailable:
                told = run.take(step)
            same(told, expected, f"outcomes of step {number}, {step}")
        reads_as(history, len(history.steps), run.world)


def test_a_failure_while_opening_leaves_a_file_that_can_be_opened(
    tmp_path: Path, points: Points, history: History, runner: asyncio.Runner
) -> None:
    """At whichever statement a store could not be made: once there is room, it is made. That a start cannot be counted ends
    none, since reads go on while the disk is full."""
    for at in range(0, points.opening, 1 if ALL else 5):
        path = tmp_path / f"{at}.db"
        ends = pytest.raises(apsw.FullError) if at < points.opening - COUNT_OF_START else nullcontext()
        with before_each_statement(Failure(at)), ends, opened(path, START_MS, runner):
            pass
        with opened(path, START_MS, runner) as run:
            run.take(history.steps[0])
            reads_as(history, 1, run.world)
