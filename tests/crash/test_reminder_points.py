"""A death at any statement while the rows of large reminders are written or deleted in steps."""

import asyncio
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import apsw
import msgspec

from tests.backends import SMALL
from tests.crash.test_points import FILES, Watch, before_each_statement, left
from tests.harness import Harness
from tidings.model import CancelReminder, Command, SetReminder
from tidings.personal_data import Reminder
from tidings.storage.sqlite import SqliteStore
from tidings.testing import START_MS, FakeClock

SETTINGS = msgspec.structs.replace(SMALL, fanout_sync_max_followers=4)
"""Four rows are written at once."""
STEP = 5
"""Rows of a step."""


def reminder(prefix: str) -> Reminder:
    users = tuple(f"{prefix}-{n:02d}" for n in range(12))
    return Reminder("r", START_MS, msgspec.json.encode({"target_user_ids": users}), users)


OLD, NEW = reminder("old"), reminder("new")
STEPS: tuple[Command | None, ...] = (
    SetReminder(OLD),
    *[None] * 2,
    SetReminder(NEW),
    *[None] * 8,
    CancelReminder("r"),
    *[None] * 5,
)
"""Commands, and (None) steps of what is owed. The second comes while the rows of the first are still being written."""
STANDING = [None, *[OLD] * 3, *[NEW] * 9, *[None] * 6]
"""The reminder after so many of them."""


@contextmanager
def opened(path: Path, runner: asyncio.Runner) -> Iterator[Harness]:
    clock = FakeClock()
    store = runner.run(SqliteStore.open(path, clock, SETTINGS, salt=0))
    try:
        yield Harness(store, clock, runner)
    finally:
        runner.run(store.close())


def take(harness: Harness, step: Command | None) -> None:
    if step is None:
        harness.run(harness.store.work(STEP))
    else:
        harness.run(harness.store.write([step]))


def test_a_death_leaves_the_old_reminder_or_the_new_one(tmp_path: Path, runner: asyncio.Runner) -> None:
    """Nothing in part: and once what was owed is done, exactly the users whom it names find it."""
    (tmp_path / "first").mkdir()
    watch = Watch(tmp_path / "first")
    with before_each_statement(watch), opened(tmp_path / "first" / FILES[0], runner) as harness:
        for number, step in enumerate(STEPS, 1):
            take(harness, step)
            watch.acked = number
    assert {state.acked for state in watch.states} == set(range(len(STEPS) + 1))
    for number, state in enumerate(watch.states):
        path = left(tmp_path / str(number), state)
        with opened(path, runner) as harness:
            found = harness.run(harness.store.reminder("r"))
            assert found in STANDING[state.acked : state.acked + 2]
            assert harness.run(harness.store.reminders(None, 9)) == ([found] if found else [])
            harness.settle()
            assert harness.run(harness.store.reminder("r")) == found
        with closing(apsw.Connection(str(path))) as file:
            named = file.execute("SELECT user FROM reminder_user ORDER BY user").fetchall()
            assert named == [(user,) for user in (found.users if found else ())]
            (kept,) = file.execute("SELECT count(*) FROM reminder").fetchall()
            assert kept == (int(found is not None),)
