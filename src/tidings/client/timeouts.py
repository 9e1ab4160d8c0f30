"""The times of a subscription, in seconds."""

from typing import NamedTuple


class SubscriptionTimeouts(NamedTuple):
    """When to wait, and for how long. The defaults suit a server with its own defaults; tests and simulations turn
    them. A wait is drawn between nothing and a bound that doubles with every failure (full jitter)."""

    first_s: float = 1.0
    """The bound of the first wait, until a server names its own."""
    longest_s: float = 30.0
    """The bound that doubling ends at."""
    healthy_s: float = 60.0
    """A connection that lasted so long was a good one: the next failure is a first again. Less, and a server that
    accepts everybody and then falls would be stormed at the first bound."""
    open_s: float = 10.0
    """To connect, and again to get the first frame, which a server sends within 100 ms."""
    silence_s: float = 50.0
    """Without a byte for so long a connection is dead: two and a half heartbeats of 20 s."""
    ask_s: float = 30.0
    """To answer a request, its own waiting not counted."""
    climb_s: float = 60.0
    """Between two attempts to open a stream while polling."""
    wait_s: int = 25
    """How long a server holds a poll; below the 30 s at which many proxies cut a silent request."""
    idle_s: float = 1.0
    """Between two polls that bring nothing when the server does not hold them."""


POLL_AFTER = 3
"""Streams that could not be opened, one after the other, before the client polls."""
SHORTEST_S = 0.1
"""The least wait that a server can ask for."""
PATIENCE_S = 600.0
"""The longest wait that a server can ask for."""
