"""One timer for many connections: the state of each is checked periodically."""

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

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
        now = loop.time()
        for key in list(self._watched):
            if key in self._watched:
                state = self._look(key, self._watched.pop(key), now)
                if state is not None:
                    self._watched[key] = state
        self._running = bool(self._watched)
        if self._running:
            loop.call_later(self.every_s, self._sweep, loop)
