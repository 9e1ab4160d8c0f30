"""Clients that leave while nothing is read from them: the event loop reports the end of a connection only if it reads."""

import asyncio
import math
import select
import socket
from typing import Protocol

from tidings.http.deadlines import HALF_CLOSED_S
from tidings.http.sweep import Sweep

_SWEEP_S = 0.5
"""Seconds between checks of the watched connections."""
_HALF_CLOSED = getattr(select, "POLLRDHUP", 0)
"""Linux alone reports that a client closed its side; elsewhere only the end of both sides is seen."""
_CLOSED = select.POLLHUP | select.POLLERR


class PausedConnection(Protocol):
    """A connection from which nothing is read while a request waits for its response."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop of the connection."""
        ...

    def paused_socket(self) -> socket.socket | None:
        """The socket, if nothing is read from it now and a request waits for its response."""
        ...

    def on_disconnect(self, at_once: bool) -> None:
        """The client has left: ``at_once``, or it closed its side and may still read, but got no response in time."""
        ...


class DisconnectWatcher:
    """Watches connections of which reading is paused behind a request. A client that ended the connection is gone; one that
    closed its side still gets a response that begins within :data:`HALF_CLOSED_S`, as if it had been read."""

    def __init__(self) -> None:
        self._watched: Sweep[PausedConnection, float] = Sweep(_SWEEP_S, self._look)

    def watch(self, connection: PausedConnection) -> None:
        """Watch from now on, for another request than before."""
        self._watched.watch(connection, math.inf, connection.loop)

    def forget(self, connection: PausedConnection) -> None:
        """The connection has ended."""
        self._watched.forget(connection)

    def _look(self, connection: PausedConnection, since: float, now: float) -> float | None:
        paused = connection.paused_socket()
        if paused is None:
            return None
        events = _events(paused)
        if not events:
            return math.inf
        since = min(since, now)
        if events & _CLOSED or now - since >= HALF_CLOSED_S:
            connection.on_disconnect(at_once=bool(events & _CLOSED))
        return since


def _events(paused: socket.socket) -> int:
    poll = select.poll()
    poll.register(paused, _HALF_CLOSED)
    return next((events for _, events in poll.poll(0)), 0)
