"""Long work on the event loop, done in turns short enough for everybody else."""

import asyncio
from collections.abc import Callable

TURN_S = 0.005
"""Seconds after which the loop is given up: a tenth of the longest turn that any request may cost the others."""


class Turn:
    """Measures a turn of the event loop. ``monotonic`` tells seconds that never go back."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._began = monotonic()

    async def end_if_long(self) -> None:
        """Let others have the loop if this turn has lasted for TURN_S."""
        if self._monotonic() - self._began >= TURN_S:
            await asyncio.sleep(0)
            self._began = self._monotonic()
