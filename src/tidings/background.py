"""The loop of background work: one run, a rest until there is more to do, the next run."""

import asyncio
import contextlib
import logging
from abc import ABC, abstractmethod
from typing import NamedTuple

from tidings.outages import OutageLog

FIRST_PAUSE_S = 0.1
"""Seconds until a failed run is tried again; twice as long after each further failure in a row."""
LONGEST_PAUSE_S = 30.0
"""Maximum of such a pause in seconds: the cause of a failure ends at some time, and users wait for the work."""

_log = logging.getLogger(__name__)


class NextRun(NamedTuple):
    """The end of a run: ``seconds`` until the next one, unless a wake-up comes before; None: only a wake-up starts it.
    ``settled``: it completed all work that existed when it began."""

    seconds: float | None
    settled: bool = True


class Worker(ABC):
    """Background work of a process, one run at a time. A failed run is retried with growing pauses, without end."""

    def __init__(self, name: str, gap_s: float = 0, longest_pause_s: float = LONGEST_PAUSE_S) -> None:
        """``name`` is its name in logs. ``gap_s``: minimum seconds between two runs, however many wake-ups there are.
        ``longest_pause_s``: maximum seconds until a failed run is tried again."""
        self._name = name
        self._gap_s = gap_s
        self._longest_pause_s = longest_pause_s
        self._nudged = asyncio.Event()
        self._waiters: list[asyncio.Future[None]] = []
        self._watchers: list[asyncio.Future[None]] = []
        self._task: asyncio.Task[None] | None = None
        self._outages = OutageLog(_log, f"{name} failed and is retried")

    @abstractmethod
    async def _round(self) -> NextRun:
        """Do the pending work. May raise any exception; may be cancelled wherever it waits."""

    def start(self) -> None:
        """Begin working; needs a running event loop."""
        self._task = asyncio.create_task(self._run(), name=self._name)

    async def close(self) -> None:
        """Stop, in the middle of a run too: its work that is not durable yet is done after the next start."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def nudge(self) -> None:
        """Wake the worker: there may be work."""
        self._nudged.set()

    async def settled(self) -> None:
        """Returns when all current work is done."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        self.nudge()
        await waiter

    async def round_ended(self) -> None:
        """Returns when the running or the next run has ended, in whatever way."""
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
                self._outages.failed(error)
                self._end_round()
                # Wake-ups do not shorten it: one comes with every commit, and the pauses would never grow.
                await asyncio.sleep(backoff_s(failures, self._longest_pause_s))
            else:
                failures = 0
                self._outages.succeeded()
                self._end_round()
                self._resolve(waiters, rest.settled)
                await self._rest(rest.seconds)

    def _end_round(self) -> None:
        watchers, self._watchers = self._watchers, []
        _release(watchers)

    def _resolve(self, waiters: list[asyncio.Future[None]], settled: bool) -> None:
        if not settled:
            self._waiters = waiters + self._waiters
            return
        _release(waiters)

    async def _rest(self, seconds: float | None) -> None:
        await asyncio.sleep(self._gap_s)
        # Not wait_for: on Python 3.11 it may swallow a cancellation that comes together with the wake-up.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._nudged.wait()


def _release(waiters: list[asyncio.Future[None]]) -> None:
    for waiter in waiters:
        if not waiter.done():
            waiter.set_result(None)


def backoff_s(failures: int, longest_s: float = LONGEST_PAUSE_S) -> float:
    """Seconds to wait after so many failures in a row, at most ``longest_s``."""
    # The exponent is bounded: 2 to the power of 1,024 fits no float, and the loop would end.
    return min(FIRST_PAUSE_S * 2.0 ** min(failures - 1, 16), longest_s)
