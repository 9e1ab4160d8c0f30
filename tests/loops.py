"""The turns of an event loop, and loops that tests run in a thread of their own."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

ACCEPTING_TURNS = 5
"""Turns of a loop after which a connection that was accepted last has reached the task that serves it. Nothing closes one
whose task is cancelled before its first step."""


async def turns(number: int) -> None:
    """Let the loop turn so many times, so that tasks that were made begin."""
    loop = asyncio.get_running_loop()
    for _ in range(number):
        passed = loop.create_future()
        loop.call_soon(passed.set_result, None)
        await passed


@contextmanager
def loop_in_a_thread(name: str) -> Iterator[asyncio.AbstractEventLoop]:
    """A loop that runs meanwhile. At the end every task is cancelled, and so closes its connection. A loop that is only
    stopped leaves what it has just accepted open, until a collection in a later test, which then fails for it."""
    with asyncio.Runner() as runner:
        loop, over = runner.get_loop(), asyncio.Event()

        async def run() -> None:
            await over.wait()
            await turns(ACCEPTING_TURNS)

        thread = threading.Thread(target=runner.run, args=(run(),), name=name)
        thread.start()
        try:
            yield loop
        finally:
            loop.call_soon_threadsafe(over.set)
            thread.join()
