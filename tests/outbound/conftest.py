"""The world of these tests, over each kind of store."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.outbound.world import World


@pytest.fixture
def loop() -> Iterator[asyncio.Runner]:
    """An event loop to run coroutines in."""
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture(params=("memory", "sqlite"))
def world(request: pytest.FixtureRequest, tmp_path: Path, loop: asyncio.Runner) -> Iterator[World]:
    """A world whose dispatcher has begun; the test's id names the store."""
    world = loop.run(World.opened(request.param, tmp_path))
    yield world
    loop.run(world.close())
