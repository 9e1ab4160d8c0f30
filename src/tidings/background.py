"""The loop of whatever works behind the requests: a round, a rest until there is something to do, the next round."""

import asyncio
import contextlib
import logging
from abc import ABC, abstractmethod
from typing import NamedTuple

from tidings.errors import Unavailable

FIRST_PAUSE_S = 0.1
"""Seconds until a round that failed is tried again; twice as long after each further failure in a row."""
LONGEST_PAUSE_S = 30.0
"""Seconds that such a pause has at most: what failed works again at some time, and somebody waits for it."""

_log = logging.getLogger(__name__)


class NextRun(NamedTuple):
    """How a round ended: ``seconds`` until the next one, unless a nudge comes before. ``settled``: it left nothing undone
    that was there when it began."""

    seconds: float
    settled: bool = True


class Worker(ABC):
    """Background work of a process, one round at a time. What fails is tried again with growing pauses, for ever."""

    def __init__(self, name: str, gap_s: float = 0) -> None:
        """``name`` is what logs call it. ``gap_s``: seconds between two rounds at least, however many nudges come."""
        self._name = name
        self._gap_s = gap_s
        self._nudged = asyncio.Event()
        self._waiters: list[asyncio.Future[None]] = []
        self._watchers: list[asyncio.Future[None]] = []
        self._task: asyncio.Task[None] | None = None

    @abstractmethod
    async def _round(self) -> NextRun:
        """Do what there is to do. May raise anything; may be cancelled wherever it waits."""

    def start(self) -> None:
        """Begin working; needs a running event loop."""
        self._task = asyncio.create_task(self._run(), name=self._name)

    async def close(self) -> None:
        """Stop, in the middle of a round too: what it had not made durable is done after the next start."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def nudge(self) -> None:
        """There may be something to do."""
        self._nudged.set()

    async def settled(self) -> None:
        """Returns when all that there is to do now has been done."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        self.nudge()
        await waiter

    async def round_ended(self) -> None:
        """Returns when the next round has ended, or the one under way, whatever became of it."""
        watcher = asyncio.get_running_loop().create_future()
        self._watchers.append(watcher)
        self.nudge()
        await watcher

    async def _run(self) -> None:
        failures = 0
        while True:
            self._nudged.clear()
            waiters, self._waiters = self._waiters, []
            try:
                rest = await self._round()
            except Exception as error:
                failures += 1
                self._waiters = waiters + self._waiters
                self._report(error, failures)
                self._end_round()
                # Nudges do not cut it short: one comes with every commit, and the pauses would never grow.
                await asyncio.sleep(backoff_s(failures))
            else:
                failures = 0
                self._end_round()
                self._tell(waiters, rest.settled)
                await self._rest(rest.seconds)

    def _report(self, error: Exception, failures: int) -> None:
        """A disk that is full is no fault to be traced, and would be logged for as long as it is."""
        if not isinstance(error, Unavailable):
            _log.error("%s failed, attempt %d", self._name, failures, exc_info=error)
        elif failures == 1:
            _log.warning("%s waits: %s", self._name, error.for_log)

    def _end_round(self) -> None:
        watchers, self._watchers = self._watchers, []
        _release(watchers)

    def _tell(self, waiters: list[asyncio.Future[None]], settled: bool) -> None:
        if not settled:
            self._waiters = waiters + self._waiters
            return
        _release(waiters)

    async def _rest(self, seconds: float) -> None:
        await asyncio.sleep(self._gap_s)
        # Not wait_for: on Python 3.11 it may swallow a cancellation that comes together with the nudge.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._nudged.wait()


def _release(waiters: list[asyncio.Future[None]]) -> None:
    for waiter in waiters:
        if not waiter.done():
            waiter.set_result(None)


def backoff_s(failures: int) -> float:
    """Seconds to wait after so many failures in a row."""
    # The exponent is bounded: 2 to the power of 1,024 fits no float, and the loop would end for good.
    return min(FIRST_PAUSE_S * 2.0 ** min(failures - 1, 16), LONGEST_PAUSE_S)
