"""Event loops that tests run in a thread of their own."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

ACCEPTING_TURNS = 5
"""Turns of a loop after which a connection that was accepted last has reached the task that serves it. Nothing closes one
whose task is cancelled before its first step."""


async def turn() -> None:
    """Returns in the next turn of the loop."""
    over = asyncio.Event()
    asyncio.get_running_loop().call_soon(over.set)
    await over.wait()


@contextmanager
def loop_in_a_thread(name: str) -> Iterator[asyncio.AbstractEventLoop]:
    """A loop that runs meanwhile. At the end every task is cancelled, and so closes its connection. A loop that is only
    stopped leaves what it has just accepted open, until a collection in a later test, which then fails for it."""
    with asyncio.Runner() as runner:
        loop, over = runner.get_loop(), asyncio.Event()

        async def run() -> None:
            await over.wait()
            for _ in range(ACCEPTING_TURNS):
                await turn()

        thread = threading.Thread(target=runner.run, args=(run(),), name=name)
        thread.start()
        try:
            yield loop
        finally:
            loop.call_soon_threadsafe(over.set)
            thread.join()
