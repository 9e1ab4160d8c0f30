"""Every back-end, under every setting that changes the way it works, behind one fixture."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.backends import BACKENDS, opened
from tests.harness import Harness
from tidings.rules import Rule
from tidings.testing import FakeClock

TYPES = {
    "applause": Rule(verbs=("clap", "cheer")),
    "alone": Rule(group="none"),
    "bridge": Rule(notify="followers"),
}
"""Types of the settings. Verbs that are not in them have the defaults; tests declare what else they need."""


@pytest.fixture(params=BACKENDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Harness]:
    """An empty store; the test's id names the back-end."""
    clock = FakeClock()
    with asyncio.Runner() as runner:
        harness = Harness(runner.run(opened(request.param, tmp_path, clock, TYPES)), clock, runner)
        yield harness
        harness.run(harness.store.close())
