"""The loop that pays what fan-out still owes: chunks of large fan-outs, rebuilt feeds, merged partitions, what erased users
left.

Each step is one bounded transaction of the store, so other writers get their turn between two of them, and a crash
repeats at most one step. What fails is tried again with growing pauses; the store sets aside as a dead letter what
keeps failing.
"""

from collections.abc import Callable

from tidings.background import NextRun, Worker
from tidings.errors import Unavailable
from tidings.ports import Store

STEP_ROWS = 2_000
"""Rows of one step: about 10 ms of writing, the longest that a POST waits behind somebody's large fan-out."""
IDLE_S = 0.5
"""Without a nudge the runner looks by itself this often: partitions to merge come without one."""


class Runner(Worker):
    """Works the store's debts off in the background of a worker process, a step in each round."""

    def __init__(self, store: Store, on_erased: Callable[[], None] = lambda: None) -> None:
        """``on_erased`` is told when an erasure has ended, which changed the notifications of others."""
        super().__init__("projection-runner")
        self._store = store
        self._on_erased = on_erased

    async def erased(self, user: str) -> None:
        """Returns when nothing is left in the store of a user who was erased. Raises Unavailable when that was set aside
        because it failed for too often."""
        while (set_aside := self._store.erasures.under_way.get(user)) is not None:
            if set_aside:
                raise Unavailable("the user is hidden, but what is left of them could not be deleted yet")
            await self.round_ended()

    async def _round(self) -> NextRun:
        ended = self._store.erasures.ended
        done = await self._store.work(STEP_ROWS)
        if self._store.erasures.ended != ended:
            self._on_erased()
        return NextRun(0, settled=False) if done else NextRun(IDLE_S)
