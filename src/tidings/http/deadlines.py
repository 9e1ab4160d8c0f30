"""By when a connection must have done what it owes us."""

import asyncio
from enum import Enum, auto
from typing import Protocol

from tidings.http.sweep import Sweep

HALF_CLOSED_S = 2.0
"""Seconds for which a client that ended its own side is still answered. It may have left altogether, which looks the same
from here, and a poll would then hold a place for nobody."""
LINGER_S = 5.0
"""Seconds for which what a client still sends after its answer is read and thrown away, so that the answer reaches it."""
HEALTH_S = 2.0
"""Seconds to receive the head of a request on a connection that is let in above the cap."""
_SWEEP_S = 0.5
"""Seconds between looks at the connections that owe us something: by how much a deadline may act too late."""


class Phase(Enum):
    """What a connection is about: between requests, a request's head or body, the answers to a client that has ended its
    side, or what a client sends after its last answer."""

    IDLE = auto()
    HEAD = auto()
    BODY = auto()
    HALF_CLOSED = auto()
    LINGER = auto()


class Watched(Protocol):
    """A connection that has a deadline."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop it lives in."""
        ...

    @property
    def reading_paused(self) -> bool:
        """Whether we are the slow side: the client cannot send while we do not read."""
        ...

    def expire(self) -> None:
        """The time is over."""
        ...


class Deadlines:
    """The deadlines of one server: ``head_s`` and ``body_s`` seconds to receive a request's head and body. A request that
    arrives in one piece is never registered here."""

    def __init__(self, head_s: float, body_s: float) -> None:
        self._allowed = {
            Phase.HEAD: head_s,
            Phase.BODY: body_s,
            Phase.HALF_CLOSED: HALF_CLOSED_S,
            Phase.LINGER: LINGER_S,
        }
        self._due: Sweep[Watched, float] = Sweep(min(_SWEEP_S, head_s / 4, body_s / 4), self._look)

    def __len__(self) -> int:
        return len(self._due)

    def watch(self, connection: Watched, phase: Phase, within_s: float | None = None) -> None:
        """Give the connection the time of this phase, or another, from now on; none when it is idle."""
        if phase is Phase.IDLE:
            self._due.forget(connection)
            return
        allowed = self._allowed[phase]
        due = connection.loop.time() + (allowed if within_s is None else min(allowed, within_s))
        self._due.watch(connection, due, connection.loop)

    def _look(self, connection: Watched, due: float, now: float) -> float | None:
        if connection.reading_paused:
            return due + self._due.every_s
        if due > now:
            return due
        connection.expire()
        return None
