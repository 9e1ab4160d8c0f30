"""What several tests of the store need."""

import asyncio
from collections.abc import Iterator

import pytest


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    """The loop in which stores are opened."""
    with asyncio.Runner() as runner:
        yield runner
