"""Whether a file that survived a crash holds what was acknowledged, nothing twice and nothing in part."""

import asyncio
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import apsw

from tests.checkers import ledger
from tests.checkers.adapters import ALL, places
from tests.checkers.ledger import Reply
from tests.crash.workload import SETTINGS, TOPICS, VERBS, WATCHED, History, Run
from tests.harness import Harness
from tests.property.comparison import Scope, same, same_state
from tests.property.worlds import World
from tidings.filters import FeedFilter
from tidings.model import Published
from tidings.storage.sqlite import SqliteStore
from tidings.testing import FakeClock

SCOPE = Scope(WATCHED, TOPICS, VERBS)


def judge(path: Path, history: History, acked: int, runner: asyncio.Runner) -> None:
    """Open the file that was left when ``acked`` steps had ended and the next one was perhaps under way.

    It must be sound, hold exactly those steps or that one as well, and take the rest of the history to the same end.
    A step need not show in what can be read, only in what comes of it later: so both are tried to the end, each on the
    files as they were left. Raises AssertionError, or whatever the store raises.
    """
    again = path.parent.with_name(f"{path.parent.name} again")
    shutil.copytree(path.parent, again)
    try:
        _goes_on(path, history, acked, runner)
    except AssertionError:
        if acked == len(history.steps):
            raise
        _goes_on(again / path.name, history, acked + 1, runner)
    finally:
        shutil.rmtree(again)


def _goes_on(path: Path, history: History, held: int, runner: asyncio.Runner) -> None:
    """From the ``held`` steps that the file holds, to the end of the history."""
    with opened(path, history.law(held).world.harness.clock.ms, runner) as run:
        reads_as(history, held, run.world)
        _check_ledger(history, held, run.world)
        for number, step in enumerate(history.steps[held:], held):
            same(run.take(step), history.outcomes[number], f"outcomes of step {number}, {step}")
        reads_as(history, len(history.steps), run.world)
    with closing(apsw.Connection(str(path))) as file:
        assert file.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def reads_as(history: History, held: int, found: World) -> None:
    """Whatever can be read is what the reference shows after so many steps. I3, I5 and I6 hold."""
    same_state(history.law(held).world, found, SCOPE, FeedFilter(read=False))


@contextmanager
def opened(path: Path, ms: int, runner: asyncio.Runner, vfs: str | None = None) -> Iterator[Run]:
    """A run on a store in this file, at this time; the store is closed with the block."""
    clock = FakeClock(ms)
    store = runner.run(SqliteStore.open(path, clock, SETTINGS, salt=0, vfs=vfs))
    try:
        yield Run(Harness(store, clock, runner))
    finally:
        runner.run(store.close())


def _check_ledger(history: History, held: int, found: World) -> None:
    """I1 and I2."""
    log = found.read(found.store.tail(0, ALL))
    ledger.exactly_once(places(history.receipts(held)), places(log), history.retracted(held))
    if (keyed := history.last_keyed(held)) is not None:
        command, told = keyed
        (again,) = found.apply([command])
        assert isinstance(again, Published)
        ((event,), key) = command.events, command.events[0].key
        answers = (tuple(places(answer.receipts)) for answer in (told, again))
        ledger.idempotent(Reply(key, event.fingerprint, answer) for answer in answers)
