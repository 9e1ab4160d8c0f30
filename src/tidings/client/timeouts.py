"""The times of a subscription, in seconds."""

from typing import NamedTuple


class SubscriptionTimeouts(NamedTuple):
    """The waits and timeouts. The defaults suit a server with its own defaults; tests and simulations change them. A wait is
    random between zero and a bound that doubles with every failure (full jitter)."""

    first_s: float = 1.0
    """The bound of the first wait, until a server sets its own."""
    longest_s: float = 30.0
    """The maximum of the doubling bound."""
    healthy_s: float = 60.0
    """A connection that lasted so long was good: the next failure counts as the first again. If it were shorter, all clients
    would reconnect at the first bound to a server that accepts connections and then fails."""
    open_s: float = 10.0
    """To connect, and again to get the first frame, which a server sends within 100 ms."""
    silence_s: float = 50.0
    """Without a byte for so long a connection is dead: two and a half heartbeats of 20 s."""
    ask_s: float = 30.0
    """Seconds for the response to a request, without the time for which the server holds it."""
    climb_s: float = 60.0
    """Between two attempts to open a stream while polling."""
    wait_s: int = 25
    """How long a server holds a poll; below the 30 s at which many proxies cut a silent request."""
    idle_s: float = 1.0
    """Between two polls without changes if the server does not hold them."""


POLL_AFTER = 3
"""Consecutive streams that were refused or cut before their first frame, after which the client polls. A connection that
nobody accepts does not count: a server that restarts causes a few."""
SHORTEST_S = 0.1
"""The shortest wait that a server can request."""
PATIENCE_S = 600.0
"""The longest wait that a server can request."""
