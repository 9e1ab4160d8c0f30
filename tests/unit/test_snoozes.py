"""When snoozes end, on a clock that the tests turn: once, not too early, whatever happened in between."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest

from tests.backends import BACKENDS, opened
from tidings.commit_queue import GroupCommitQueue
from tidings.errors import InvalidFields, KeyReused, NotFound
from tidings.inbox_commands import ReturnSnoozed
from tidings.model import Command, InboxRow, Outcome, Publish
from tidings.ports import Store
from tidings.snoozes import RETURNED_AT_ONCE, SnoozeService
from tidings.testing import START_MS, FakeClock, event
from tidings.timeutil import HOUR_MS

LIMIT_S = 20
"""How long a test waits for what must come before it fails."""
UNTIL = START_MS + HOUR_MS


class World:
    """A store, its log, and snoozes that end by a clock which stands until it is turned."""

    def __init__(self, store: Store, clock: FakeClock) -> None:
        self.store = store
        self.clock = clock
        self.returned: asyncio.Queue[ReturnSnoozed] = asyncio.Queue()
        self.log = GroupCommitQueue(store, batch_events=100, queue=1_000, on_commit=self._committed)
        self.snoozes = SnoozeService(store, self.log, clock)

    def _committed(self, commands: Sequence[Command], outcomes: Sequence[Outcome | KeyReused]) -> None:
        for command in commands:
            if isinstance(command, ReturnSnoozed):
                self.returned.put_nowait(command)

    async def turn(self, ms: int) -> None:
        """Let time pass, and have the loop notice."""
        self.clock.advance(ms)
        self.snoozes.nudge()

    async def next_returned(self) -> ReturnSnoozed:
        """The next snoozes that end."""
        return await asyncio.wait_for(self.returned.get(), LIMIT_S)

    async def rows(self, user: str) -> list[InboxRow]:
        """What the inbox lists."""
        return (await self.store.inbox(user, 1_000, None)).rows


def play(store: Store, clock: FakeClock, scene: Callable[[World], Awaitable[None]]) -> None:
    """Run a scene with the log and the loop going."""

    async def run() -> None:
        world = World(store, clock)
        world.log.start()
        world.snoozes.start()
        try:
            await scene(world)
        finally:
            await world.snoozes.close()
            await world.log.close()
            await world.store.close()

    asyncio.run(run())


async def told(world: World, *users: str) -> None:
    """Each of these users is notified of one thing."""
    await world.log.submit(Publish((event("ann", targets=users),)))


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=BACKENDS)
def store(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock) -> Store:
    return asyncio.run(opened(request.param, tmp_path, clock))


def test_a_snooze_ends_when_it_is_due_and_once(store: Store, clock: FakeClock) -> None:
    """Neither before its time nor a second time."""

    async def scene(world: World) -> None:
        await told(world, "bob")
        (row,) = await world.rows("bob")
        await world.snoozes.snooze_one("bob", row.id, UNTIL)
        await world.turn(HOUR_MS - 1)
        await world.snoozes.round_ended()
        assert await world.rows("bob") == []
        await world.turn(1)
        assert await world.next_returned() == ReturnSnoozed("bob", (row.id,), UNTIL)
        (back,) = await world.rows("bob")
        assert (back.id, back.seq, back.read_at) == (row.id, 3, None)
        await world.turn(HOUR_MS)
        await world.snoozes.round_ended()
        assert world.returned.empty()

    play(store, clock, scene)


def test_many_snoozes_of_many_users_end_together(store: Store, clock: FakeClock) -> None:
    """More than are given back at once."""
    users = tuple(f"user-{n:03}" for n in range(RETURNED_AT_ONCE + 5))

    async def scene(world: World) -> None:
        await told(world, *users)
        for user in users:
            (row,) = await world.rows(user)
            await world.snoozes.snooze_one(user, row.id, UNTIL)
        await world.turn(HOUR_MS)
        assert {(await world.next_returned()).user for _ in users} == set(users)
        assert await world.store.snoozed(UNTIL, 1_000) == []

    play(store, clock, scene)


def test_a_snooze_is_refused_that_is_over(store: Store, clock: FakeClock) -> None:
    """And one of a notification that is not there."""

    async def scene(world: World) -> None:
        await told(world, "bob")
        (row,) = await world.rows("bob")
        for until in (START_MS, START_MS - 1, 1 << 62):
            with pytest.raises(InvalidFields) as refused:
                await world.snoozes.snooze("bob", (row.id,), until)
            assert [error.pointer for error in refused.value.errors] == ["/until"]
        with pytest.raises(NotFound):
            await world.snoozes.snooze_one("eve", row.id, UNTIL)

    play(store, clock, scene)


def test_a_snooze_ends_after_a_restart(tmp_path: Path, clock: FakeClock) -> None:
    """The store has it; the process that set it need not live."""

    async def begin() -> str:
        store = await opened("sqlite", tmp_path, clock)
        world = World(store, clock)
        world.log.start()
        await told(world, "bob")
        (row,) = await world.rows("bob")
        await world.snoozes.snooze_one("bob", row.id, UNTIL)
        await world.log.close()
        await store.close()
        return row.id

    id = asyncio.run(begin())
    clock.advance(2 * HOUR_MS)

    async def scene(world: World) -> None:
        assert (await world.next_returned()).ids == (id,)
        assert [row.id for row in await world.rows("bob")] == [id]

    play(asyncio.run(opened("sqlite", tmp_path, clock)), clock, scene)
