"""Deliveries while the store takes or answers nothing, as after a commit by another program: the log stays short."""

import asyncio
from collections.abc import Sequence

import pytest

from tests.outbound.world import World
from tidings.errors import ForeignCommit
from tidings.model import Command, Outcome, RecordDeliveryResults

Loop = asyncio.Runner
PROBLEM = ForeignCommit("restart the server", for_log="another program changed tidings.db")


def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str, bool]]:
    """(level, text, whether a traceback follows) of what was logged."""
    return [(one.levelname, one.getMessage(), one.exc_info is not None) for one in caplog.records]


def test_results_that_cannot_be_recorded_are_one_line_for_all_endpoints(
    loop: Loop, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """The fault: a traceback for each endpoint after a commit by another program."""

    async def scene() -> None:
        refused = 0

        async def refusing(command: Command) -> Outcome:
            nonlocal refused
            if isinstance(command, RecordDeliveryResults) and refused < 4:
                refused += 1
                raise PROBLEM
            return await world.log.submit(command)

        await world.dispatcher.close()
        world.begin(submit=refusing)
        for path in ("/a", "/b"):
            await world.hook(path)
        await world.tell()
        await world.deliver()
        assert refused == 4
        assert await world.waiting() == []

    loop.run(scene())
    cause = (
        "results of deliveries cannot be recorded, their endpoints wait: another program changed tidings.db"
    )
    assert lines(caplog) == [("WARNING", cause, False)]


def test_deliveries_that_cannot_be_read_again_are_no_traceback(
    loop: Loop, world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The fault: a traceback for each endpoint with an attempt, beside the line of the dispatcher itself."""
    deliveries = world.store.deliveries
    failures = 1

    async def failing(
        due_by: int, limit: int, ids: Sequence[int] | None = None, without: Sequence[str] = ()
    ) -> object:
        nonlocal failures
        if ids is not None and failures:
            failures -= 1
            raise PROBLEM
        return await deliveries(due_by, limit, None if ids is None else tuple(ids), tuple(without))

    async def scene() -> None:
        monkeypatch.setattr(world.store, "deliveries", failing)
        await world.hook()
        await world.tell()
        await world.deliver()
        assert len(world.web.requests) == 1

    loop.run(scene())
    assert lines(caplog) == []
