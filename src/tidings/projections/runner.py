"""The worker that runs background jobs: chunks of large fan-outs, rebuilt feeds, merges of partitions, erasures.

Each step is one bounded transaction of the store, so that other writers run between two steps, and a crash repeats at most
one step. A failed step is retried with growing pauses; the store makes a dead letter of a job that keeps failing.
"""

from collections.abc import Callable

from tidings.background import NextRun, Worker
from tidings.errors import Unavailable
from tidings.ports import Store

STEP_ROWS = 2_000
"""Rows of one step: about 10 ms of writing, which is the longest wait of a request behind a large fan-out."""
IDLE_S = 0.5
"""Seconds between two steps without a wake-up: merges of partitions become due without one."""


class Runner(Worker):
    """Runs the store's background jobs in a worker process, one step in each round."""

    def __init__(self, store: Store, on_erased: Callable[[], None] = lambda: None) -> None:
        """``on_erased`` is called when an erasure has ended, which changed the notifications of others."""
        super().__init__("projection-runner")
        self._store = store
        self._on_erased = on_erased

    async def erased(self, user: str) -> None:
        """Return when the store has no data of an erased user any more. Raises Unavailable if the erasure is a dead
        letter."""
        while (set_aside := self._store.erasures.under_way.get(user)) is not None:
            if set_aside:
                raise Unavailable(
                    "the user is hidden, but the rest of the user's data could not be deleted yet"
                )
            await self.round_ended()

    async def _round(self) -> NextRun:
        ended = self._store.erasures.ended
        done = await self._store.work(STEP_ROWS)
        if self._store.erasures.ended != ended:
            self._on_erased()
        return NextRun(0, settled=False) if done else NextRun(IDLE_S)
