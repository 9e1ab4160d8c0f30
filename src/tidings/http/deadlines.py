"""Deadlines of connections for each phase of a request."""

import asyncio
from enum import Enum, auto
from typing import Protocol

from tidings.http.sweep import Sweep

HALF_CLOSED_S = 2.0
"""Seconds for which a client that closed its own side still gets responses. It may have left altogether, which looks the
same to the server, and a poll would then occupy a stream in vain."""
LINGER_S = 5.0
"""Seconds for which the bytes that a client still sends after its last response are read and discarded, so that the response
arrives."""
HEALTH_S = 2.0
"""Seconds to receive the head of a request on a connection that is accepted above the cap."""
_SWEEP_S = 0.5
"""Seconds between checks of the watched connections: the longest delay of a deadline."""
_IDLE_SWEEP_S = 2.0
"""The same for connections between two requests, of which there may be thousands, with more than a minute each."""


class Phase(Enum):
    """The phase of a connection: between requests, receiving a request's head or body, sending responses to a client that
    has closed its side, or discarding input after its last response."""

    IDLE = auto()
    HEAD = auto()
    BODY = auto()
    HALF_CLOSED = auto()
    LINGER = auto()


class Watched(Protocol):
    """A connection that has a deadline."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop of the connection."""
        ...

    @property
    def reading_paused(self) -> bool:
        """Whether the server is the slow side: the client cannot send while the server does not read."""
        ...

    def expire(self) -> None:
        """The deadline has passed."""
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
        """Start the deadline of this phase, or another one, now; an idle connection has none."""
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


class KeptConnection(Protocol):
    """A connection that is kept for further requests. ``idle_since``: the time of the loop at its last response; None while
    a request arrives or has no response yet."""

    idle_since: float | None

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop of the connection."""
        ...

    def timeout_keep_alive_handler(self) -> None:
        """No further request came."""
        ...


class KeepAlive:
    """Ends connections that send no further request within ``idle_s`` seconds after a response. One timer for all: one for
    each response would be a twentieth of the work for a small request."""

    def __init__(self, idle_s: float) -> None:
        self._idle_s = idle_s
        self._kept: Sweep[KeptConnection, bool] = Sweep(min(_IDLE_SWEEP_S, idle_s / 4), self._look)

    def __len__(self) -> int:
        return len(self._kept)

    def watch(self, connection: KeptConnection) -> None:
        """A connection is open."""
        self._kept.watch(connection, True, connection.loop)

    def forget(self, connection: KeptConnection) -> None:
        """A connection has ended, or serves no further requests."""
        self._kept.forget(connection)

    def _look(self, connection: KeptConnection, state: bool, now: float) -> bool | None:
        since = connection.idle_since
        if since is None or now - since < self._idle_s:
            return state
        connection.timeout_keep_alive_handler()
        return None
