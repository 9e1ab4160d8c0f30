"""One timer for many connections: the state of each is checked periodically."""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

from tidings.turns import TURN_S

CHECKS = 32
"""Connections that are checked between two looks at the clock: half a millisecond if all are ended."""

Key = TypeVar("Key")
State = TypeVar("State")


class Sweep(Generic[Key, State]):
    """Calls ``look`` with every watched key, its state and the time of the loop, every ``every_s`` seconds. It returns the
    next state, or None to stop watching the key; it may watch it again itself.

    The timer runs only while a key is watched.
    """

    def __init__(self, every_s: float, look: Callable[[Key, State, float], State | None]) -> None:
        self.every_s = every_s
        self._look = look
        self._watched: dict[Key, State] = {}
        self._running = False

    def __contains__(self, key: Key) -> bool:
        return key in self._watched

    def __len__(self) -> int:
        return len(self._watched)

    def watch(self, key: Key, state: State, loop: asyncio.AbstractEventLoop) -> None:
        """Watch this from now on, in this state."""
        self._watched[key] = state
        if not self._running:
            self._running = True
            loop.call_later(self.every_s, self._sweep, loop)

    def forget(self, key: Key) -> None:
        """Stop watching this key, if it is watched."""
        self._watched.pop(key, None)

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        self._look_at(list(reversed(self._watched)), loop)

    def _look_at(self, keys: list[Key], loop: asyncio.AbstractEventLoop) -> None:
        """Check these in turns: with thousands of connections whose time is over, one turn would be long."""
        now = loop.time()
        while keys:
            if len(keys) % CHECKS == 0 and loop.time() - now >= TURN_S:
                loop.call_soon(self._look_at, keys, loop)
                return
            key = keys.pop()
            if key in self._watched:
                state = self._look(key, self._watched.pop(key), now)
                if state is not None:
                    self._watched[key] = state
        self._running = bool(self._watched)
        if self._running:
            loop.call_later(self.every_s, self._sweep, loop)
