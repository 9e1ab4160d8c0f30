"""What one user makes the server do later delays the replies of nobody else: each publication waits for its own jobs alone.

Nothing is timed: the jobs that are still pending when the reply comes are counted.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest

from tests.unit.storage.inside import Inside
from tidings.commands import Commands
from tidings.commit_queue import GroupCommitQueue
from tidings.config import Settings
from tidings.cursors import Cursors
from tidings.model import Follow, Publish, RebuildFeeds
from tidings.projections import runner as runner_module
from tidings.projections.runner import Runner
from tidings.storage.sqlite import fanout_queue
from tidings.testing import event

T = TypeVar("T")
FOLLOWERS = tuple(f"f{n}" for n in range(8))
STEP = 4
"""Rows of a step of the runner: a publication takes three."""
EVENTS = 400
"""Events that each rebuild writes again: so many steps."""
REBUILDS = 3
PATIENCE_S = 120


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Inside]:
    """A store in which a topic has followers, with jobs of others that take hundreds of steps."""
    monkeypatch.setattr(runner_module, "STEP_ROWS", STEP)
    with Inside.opened(tmp_path, Settings(fanout_sync_max_followers=1)) as inside:
        inside.write(*(Follow(user, "topic:1") for user in FOLLOWERS))
        inside.write(Publish(tuple(event("ann", "old", f"thing:{n}") for n in range(EVENTS))))
        inside.run(inside.store.write([RebuildFeeds()] * REBUILDS))
        yield inside


@asynccontextmanager
async def served(inside: Inside) -> AsyncIterator[tuple[Commands, Runner]]:
    """The service that writes, with a worker that does the jobs."""
    runner = Runner(inside.store)
    log = GroupCommitQueue(
        inside.store, batch_events=10, queue=10, on_commit=lambda commands, outcomes: runner.nudge()
    )
    for part in (runner, log):
        part.start()
    try:
        async with asyncio.timeout(PATIENCE_S):
            yield (
                Commands(log, runner, Settings(), inside.clock, Cursors(b"secret"), inside.store),
                runner,
            )
    finally:
        await log.close()
        await runner.close()


def played(inside: Inside, script: Callable[[Commands, Runner], Coroutine[Any, Any, T]]) -> T:
    """Play a script against the service."""

    async def play() -> T:
        async with served(inside) as (commands, runner):
            return await script(commands, runner)

    return inside.run(play())


def told() -> bytes:
    """An event of the topic."""
    return msgspec.json.encode({"actor_id": "bob", "verb": "new", "object_type": "topic", "object_id": "1"})


async def waiting(inside: Inside) -> int:
    """The jobs that are pending."""
    return (await inside.store.backlog()).pending_fanout_jobs


async def received(inside: Inside) -> list[int]:
    """The positions that each follower's feed has now, without what is merged on read."""
    rows = inside.store._near.db.execute(
        "SELECT count(*) FROM timeline_1 JOIN symbol ON timeline = id * 2 + 1 WHERE name GLOB 'user:f*' GROUP BY name"
    )
    return [count for (count,) in rows]


def test_a_publication_waits_for_its_own_fan_out_alone(opened: Inside) -> None:
    """The fault: the reply came once all jobs of everybody were done: half a minute for a publication while one user
    blocked others, and never while the user went on."""

    async def publish(commands: Commands, _: Runner) -> tuple[int, list[int]]:
        await commands.publish(told(), scope="")
        return await waiting(opened), await received(opened)

    assert played(opened, publish) == (REBUILDS, [1] * len(FOLLOWERS))


def test_an_import_waits_for_its_own_fan_out_alone(opened: Inside) -> None:
    """As a single publication does, for all its lines."""

    async def lines() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield told() + b"\n"

    async def publish(commands: Commands, _: Runner) -> tuple[int, list[int]]:
        results = [line async for line in commands.import_lines(lines(), scope="")]
        assert b"error" not in b"".join(results)
        return await waiting(opened), await received(opened)

    assert played(opened, publish) == (REBUILDS, [3] * len(FOLLOWERS))


def test_publications_at_once_wait_each_for_its_own(opened: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also if more wait than are looked at after one step."""
    monkeypatch.setattr(runner_module, "MOST_ASKED", 2)

    async def publish(commands: Commands, _: Runner) -> int:
        await asyncio.gather(*(commands.publish(told(), scope="") for _ in range(7)))
        return await waiting(opened)

    assert played(opened, publish) == REBUILDS


def test_nobody_waits_for_a_dead_letter(opened: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job that keeps failing is set aside, and its publication is answered then."""

    def fail(*_: object) -> Any:
        raise ZeroDivisionError

    monkeypatch.setitem(fanout_queue._KINDS, "fan_out", fail)
    monkeypatch.setattr(fanout_queue, "MAX_ATTEMPTS", 2)

    async def publish(commands: Commands, _: Runner) -> int:
        await commands.publish(told(), scope="")
        return (await opened.store.backlog()).dead_letters

    assert played(opened, publish) == 1


def test_nobody_waits_for_a_runner_that_is_closed(opened: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    """The event is durable, and the next start goes on with its jobs."""
    monkeypatch.setattr(runner_module, "STEP_ROWS", 1)

    async def publish(commands: Commands, runner: Runner) -> int:
        asked = asyncio.create_task(commands.publish(told(), scope=""))
        while not runner._waiting:
            await runner.round_ended()
        await runner.close()
        await asked
        await commands.publish(told(), scope="")
        return await waiting(opened)

    assert played(opened, publish) == REBUILDS + 2


def test_who_is_gone_is_not_waited_for(opened: Inside) -> None:
    """A request that is cancelled leaves nothing behind."""

    async def publish(commands: Commands, runner: Runner) -> int:
        asked = asyncio.create_task(commands.publish(told(), scope=""))
        while not runner._waiting:
            await runner.round_ended()
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
        return len(runner._waiting)

    assert played(opened, publish) == 0
