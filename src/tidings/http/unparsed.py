"""Input of many connections that is not parsed yet: a bounded time of each pass of the event loop is for it."""

import asyncio
import time
from collections import deque
from collections.abc import Callable

from tidings.turns import TURN_S


class UnparsedInput:
    """The connections of one server with input to parse, which take turns: each parses one portion, then all others do.

    ``monotonic`` returns monotonic seconds.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._waiting: deque[Callable[[], None]] = deque()
        self._scheduled = False

    @property
    def is_waiting(self) -> bool:
        """Whether a connection has input that this pass did not parse."""
        return self._scheduled

    def add(self, parse: Callable[[], None], loop: asyncio.AbstractEventLoop) -> None:
        """Call ``parse``, which raises nothing, in the next pass or in a later one."""
        self._waiting.append(parse)
        if not self._scheduled:
            self._scheduled = True
            loop.call_soon(self._parse, loop)

    def _parse(self, loop: asyncio.AbstractEventLoop) -> None:
        ends = self._monotonic() + TURN_S
        for _ in range(len(self._waiting)):  # those that are added meanwhile have their turn in the next pass
            self._waiting.popleft()()
            if self._monotonic() >= ends:
                break
        self._scheduled = bool(self._waiting)
        if self._scheduled:
            loop.call_soon(self._parse, loop)
