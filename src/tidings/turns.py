"""The responsiveness of the event loop: long work on it is done in turns, and threads beside it have a lower priority."""

import asyncio
import os
import sys
import threading
from collections.abc import Awaitable, Callable

TURN_S = 0.005
"""Seconds after which work yields the loop: a tenth of the longest turn that any request may cost the others."""
BESIDE_THE_LOOP = 5
"""Niceness of the threads beside the loop: on one busy core they get a quarter of it."""


TakeTurn = Callable[[], Awaitable[None]]
"""Waits until the work for a client may continue."""


async def next_pass() -> None:
    """Yield the loop to all work that is due now."""
    await asyncio.sleep(0)


class Turn:
    """Measures a turn of the event loop. ``monotonic`` returns monotonic seconds; ``take`` waits for the next one. If much
    work continues in the next pass that pass is long, so work that clients can request many times at once gets its turns
    from a scheduler."""

    def __init__(self, monotonic: Callable[[], float], take: TakeTurn = next_pass) -> None:
        self._monotonic = monotonic
        self._take = take
        self.ends = monotonic() + TURN_S
        """The time from which on this turn is long, for loops in which a call of :meth:`is_long` would cost too much."""

    async def next(self) -> None:
        """Yield the loop, and wait for the next turn."""
        await self._take()
        self.ends = self._monotonic() + TURN_S

    def is_long(self) -> bool:
        """Whether this turn has lasted for TURN_S."""
        return self._monotonic() >= self.ends


def lower_priority() -> None:
    """Give the event loop precedence if cores are scarce: a commit may be a millisecond later, all responses may not. Called
    in a thread when it begins."""
    if sys.platform == "linux":  # elsewhere niceness is the process's, not the thread's
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), BESIDE_THE_LOOP)
