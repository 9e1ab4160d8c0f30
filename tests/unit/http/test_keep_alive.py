"""Connections are kept for further requests, for as long as permitted."""

from tests.unit.http.test_stalls import Loop
from tidings.http.deadlines import KeepAlive

IDLE_S = 60.0
SWEEP_S = 2.0
"""The longest delay of the end."""


class Connection:
    """A connection with a response at ``idle_since``, or with a request in progress."""

    def __init__(self, loop: Loop, idle_since: float | None) -> None:
        self.loop = loop
        self.idle_since = idle_since
        self.ended_at: float | None = None

    def timeout_keep_alive_handler(self) -> None:
        """No further request came."""
        self.ended_at = self.loop.time()


def kept(*idle_since: float | None) -> tuple[Loop, KeepAlive, list[Connection]]:
    """Connections that are watched from now on."""
    loop, keep_alive = Loop(), KeepAlive(IDLE_S)
    connections = [Connection(loop, since) for since in idle_since]
    for connection in connections:
        keep_alive.watch(connection)  # type: ignore[arg-type]
    return loop, keep_alive, connections


def test_an_idle_connection_is_ended_in_time() -> None:
    """Not before its time is over, and no later than the next sweep."""
    loop, keep_alive, (connection,) = kept(0.0)
    loop.advance(IDLE_S - 1)
    assert connection.ended_at is None
    loop.advance(1 + SWEEP_S)
    assert connection.ended_at is not None
    assert connection.ended_at <= IDLE_S + SWEEP_S
    assert not len(keep_alive)
    assert loop.timers == 0


def test_a_request_in_progress_is_not_ended() -> None:
    """However long it takes; its connection has a whole time after the response."""
    loop, _, (connection,) = kept(None)
    loop.advance(IDLE_S * 10)
    assert connection.ended_at is None
    connection.idle_since = loop.time()
    loop.advance(IDLE_S - 1)
    assert connection.ended_at is None
    loop.advance(1 + SWEEP_S)
    assert connection.ended_at is not None


def test_each_response_gives_the_time_anew() -> None:
    """A client that sends a request now and then keeps its connection."""
    loop, _, (connection,) = kept(0.0)
    for _ in range(5):
        loop.advance(IDLE_S - 1)
        connection.idle_since = loop.time()
    assert connection.ended_at is None


def test_a_forgotten_connection_is_not_ended() -> None:
    """It became a stream, or has ended."""
    loop, keep_alive, (connection,) = kept(0.0)
    keep_alive.forget(connection)  # type: ignore[arg-type]
    loop.advance(IDLE_S * 2)
    assert connection.ended_at is None
    assert loop.timers == 0
