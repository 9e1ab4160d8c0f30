"""The number of accepted connections, in all and from one address, checked before anything is read."""

import resource
from collections import Counter
from collections.abc import Iterable
from enum import Enum, auto
from functools import lru_cache
from typing import Protocol

from tidings.config import Network, Settings, networks
from tidings.http.proxies import address_key, parse_address

RESERVED = 64
"""Connections above the cap, on which only health checks get a response: without one an orchestrator would restart a server
that is merely busy. When these are taken too, the client that holds most of them loses one."""
RESERVED_FILES = 256
"""Open files that are reserved for the store and outgoing deliveries under the process's limit on open files."""


class Entry(Enum):
    """The admission of a connection: for all requests, for health checks alone, or closed."""

    OPEN = auto()
    HEALTH = auto()
    CLOSED = auto()


class Entrant(Protocol):
    """A connection that asks for admission."""

    @property
    def host(self) -> str:
        """The network address of the client; "" if unknown."""
        ...

    def evict(self) -> bool:
        """End the connection and release it from the gate; returns whether it was ended. A connection with a request in
        progress is not."""
        ...


class Gate:
    """Counts the open connections. ``most`` in all, ``most_of_one`` from one address; the proxies in ``trusted`` forward
    those of other clients, and are counted in all only."""

    def __init__(self, most: int, most_of_one: int, trusted: Iterable[Network]) -> None:
        self._most = most
        self._most_of_one = most_of_one
        self._counted_as = lru_cache(maxsize=4_096)(lambda host: _counted_as(host, tuple(trusted)))
        self._of: dict[str, int] = {}
        self._reserved: dict[Entrant, str] = {}
        """The connections that were admitted for health checks, up to RESERVED, the oldest first, and their clients. Here
        proxies count as clients: a proxy may hold a silent connection too."""
        self.open = 0

    def counted_as(self, host: str) -> str:
        """The name under which connections from an address are counted; "" if they are counted in all only."""
        return self._counted_as(host)

    def acquire(self, entrant: Entrant) -> Entry:
        """Count this connection, and return its admission; a CLOSED one is not counted."""
        one = self._counted_as(entrant.host)
        theirs = self._of.get(one, 0) if one else 0
        if theirs >= self._most_of_one:
            return Entry.CLOSED
        entry = Entry.OPEN
        if self.open - len(self._reserved) >= self._most:
            client = address_key(entrant.host)
            if len(self._reserved) >= RESERVED and not self._evict_one_for(client):
                return Entry.CLOSED
            self._reserved[entrant] = client
            entry = Entry.HEALTH
        self.open += 1
        if one:
            self._of[one] = self._of.get(one, 0) + 1
        return entry

    def release(self, entrant: Entrant) -> None:
        """Stop counting this connection: it was admitted, and has ended."""
        self.open -= 1
        self._reserved.pop(entrant, None)
        one = self._counted_as(entrant.host)
        if one:
            left = self._of[one] - 1
            if left:
                self._of[one] = left
            else:
                del self._of[one]

    def _evict_one_for(self, client: str) -> bool:
        """Free a reserved connection for this client; returns whether one was ended. The client that holds the most, the new
        connection included, loses its oldest silent one, so that many connections of one client end no health check of
        another. A client that holds fewer than this one would never loses one."""
        held = Counter(self._reserved.values())
        held[client] += 1
        found = sorted(self._reserved.items(), key=lambda item: -held[item[1]])
        return any(entrant.evict() for entrant, owner in found if held[owner] >= held[client])


def gate_of(settings: Settings) -> Gate:
    """The gate of a server with these settings."""
    proxies = networks("trusted_proxies", settings.trusted_proxies)
    return Gate(fitting(settings.max_connections), settings.max_connections_per_address, proxies)


def fitting(most: int) -> int:
    """The number of connections, at most ``most``, that the process's limit on open files permits."""
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if allowed == resource.RLIM_INFINITY:
        return most
    return min(most, max(allowed // 2, allowed - RESERVED_FILES - RESERVED))


def _counted_as(host: str, trusted: tuple[Network, ...]) -> str:
    """The name under which the connections from an address are counted; "" if they are not."""
    address = parse_address(host)
    if address is None or any(address in network for network in trusted):
        return ""
    return address_key(host)
