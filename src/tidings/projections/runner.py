"""The loop that pays what fan-out still owes: chunks of large fan-outs, rebuilt feeds, merged partitions.

Each step is one bounded transaction of the store, so other writers get their turn between two of them, and a crash
repeats at most one step. What fails is tried again with growing pauses; the store sets aside as a dead letter what
keeps failing.
"""

from tidings.ports import Store
from tidings.rounds import Rest, Rounds

STEP_ROWS = 2_000
"""Rows of one step: about 10 ms of writing, the longest that a POST waits behind somebody's large fan-out."""
IDLE_S = 0.5
"""Without a nudge the runner looks by itself this often: partitions to merge come without one."""


class Runner(Rounds):
    """Works the store's debts off in the background of a worker process, a step in each round."""

    def __init__(self, store: Store) -> None:
        super().__init__("projection-runner")
        self._store = store

    async def _round(self) -> Rest:
        if await self._store.work(STEP_ROWS):
            return Rest(0, settled=False)
        return Rest(IDLE_S)
