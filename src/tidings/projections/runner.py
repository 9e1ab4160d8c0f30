"""The worker that runs background jobs: chunks of large fan-outs, rebuilt feeds, merges of partitions, erasures.

Each step is one bounded transaction of the store, so that other writers run between two steps, and a crash repeats at most
one step. A failed step is retried with growing pauses; the store makes a dead letter of a job that keeps failing.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from itertools import islice

from tidings.background import NextRun, Worker
from tidings.errors import Unavailable
from tidings.ports import Store

STEP_ROWS = 2_000
"""Rows of one step: about 10 ms of writing, which is the longest wait of a request behind a large fan-out."""
IDLE_S = 0.5
"""Seconds between two steps without a wake-up: merges of partitions become due without one."""
MOST_ASKED = 100
"""Publications whose progress is read after a step, about 1 ms on the event loop; if more wait, they take turns."""


class Runner(Worker):
    """Runs the store's background jobs in a worker process, one step in each round."""

    def __init__(
        self,
        store: Store,
        on_erased: Callable[[], None] = lambda: None,
        on_step: Callable[[], None] = lambda: None,
    ) -> None:
        """``on_erased`` is called when an erasure has ended, which changed the notifications of others; ``on_step`` after
        each step, which may have enqueued deliveries."""
        super().__init__("projection-runner")
        self._store = store
        self._on_erased = on_erased
        self._on_step = on_step
        self._waiting: dict[asyncio.Future[None], Sequence[range]] = {}
        self._closed = False

    async def close(self) -> None:
        """Stop. Nobody waits any longer: what is not written yet is durable, and is written after the next start."""
        await super().close()
        self._closed = True
        self._release(tuple(self._waiting))
        self._end_round()

    async def fanned_out(self, *positions: range) -> None:
        """Return when the store has no pending fan-out job of the events at these positions, whatever other jobs it has."""
        if self._closed:
            return
        waiter = asyncio.get_running_loop().create_future()
        self._waiting[waiter] = positions
        self.nudge()
        try:
            await waiter
        finally:
            self._waiting.pop(waiter, None)

    async def erased(self, user: str) -> None:
        """Return when the store has no data of an erased user any more. Raises Unavailable if the erasure is a dead
        letter."""
        while (set_aside := self._store.erasures.under_way.get(user)) is not None:
            if set_aside:
                raise Unavailable(
                    "the user is hidden, but the rest of the user's data could not be deleted yet"
                )
            if self._closed:
                raise Unavailable("the user is hidden, and the server stops before it has deleted all data")
            await self.round_ended()

    async def _round(self) -> NextRun:
        ended, waiting = self._store.erasures.ended, tuple(self._waiting)
        try:
            done = await self._store.work(STEP_ROWS)
        except Exception:
            await self._release_fanned_out()  # the job may be a dead letter now
            raise
        if self._store.erasures.ended != ended:
            self._on_erased()
        if done:
            self._on_step()
            await self._release_fanned_out()
        else:
            self._release(waiting)  # there was no job when they were known
        return NextRun(0, settled=False) if done else NextRun(IDLE_S)

    async def _release_fanned_out(self) -> None:
        """Release those of the first waiters whose events have no pending jobs; the others of them wait behind the rest."""
        asked = list(islice(self._waiting.items(), MOST_ASKED))
        ranges = [some for _, positions in asked for some in positions]
        answers = iter(await self._store.fanned_out(ranges) if ranges else ())
        for waiter, positions in asked:
            if False not in [next(answers) for _ in positions]:
                self._release((waiter,))
            elif self._waiting.pop(waiter, None) is not None:
                self._waiting[waiter] = positions

    def _release(self, waiters: Iterable[asyncio.Future[None]]) -> None:
        for waiter in waiters:
            self._waiting.pop(waiter, None)
            if not waiter.done():
                waiter.set_result(None)
