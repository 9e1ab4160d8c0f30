"""The event loop in which stores live before and after a crash."""

import asyncio
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    """One event loop for all tests of a file."""
    with asyncio.Runner() as runner:
        yield runner
