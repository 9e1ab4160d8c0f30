"""The loop that pays what fan-out still owes: chunks of large fan-outs, rebuilt feeds, merged partitions.

Each step is one bounded transaction of the store, so other writers get their turn between two of them, and a crash
repeats at most one step. What fails is tried again with growing pauses; the store sets aside as a dead letter what
keeps failing.
"""

import asyncio
import contextlib
import logging

from tidings.ports import Store

STEP_ROWS = 2_000
"""Rows of one step: about 10 ms of writing, the longest that a POST waits behind somebody's large fan-out."""
FIRST_PAUSE_S = 0.1
LONGEST_PAUSE_S = 30.0
IDLE_S = 0.5
"""Without a nudge the runner looks by itself this often: partitions to merge come without one."""

_log = logging.getLogger(__name__)


class Runner:
    """Works the store's debts off in the background of a worker process."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._nudge = asyncio.Event()
        self._waiters: list[asyncio.Future[None]] = []
        self._task: asyncio.Task[None] | None = None
        self._failures = 0

    def start(self) -> None:
        """Begin working; needs a running event loop."""
        self._task = asyncio.create_task(self._run(), name="projection-runner")

    async def close(self) -> None:
        """Stop between two steps."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def nudge(self) -> None:
        """There is something to do."""
        self._nudge.set()

    async def settled(self) -> None:
        """Returns when all that is owed now has been done."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        self._nudge.set()
        await waiter

    async def _run(self) -> None:
        while True:
            self._nudge.clear()
            waiters, self._waiters = self._waiters, []
            if await self._work_off():
                for waiter in waiters:
                    if not waiter.done():
                        waiter.set_result(None)
                await self._rest()
            else:
                self._waiters = waiters + self._waiters
                await asyncio.sleep(min(FIRST_PAUSE_S * 2**self._failures, LONGEST_PAUSE_S))

    async def _work_off(self) -> bool:
        """Steps until nothing is owed; False when one failed."""
        try:
            while await self._store.work(STEP_ROWS):
                self._failures = 0
        except Exception:
            self._failures += 1
            _log.exception("a fan-out step failed, attempt %d", self._failures)
            return False
        return True

    async def _rest(self) -> None:
        # Not wait_for: on Python 3.11 it may swallow a cancellation that comes together with the nudge.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(IDLE_S):
                await self._nudge.wait()
