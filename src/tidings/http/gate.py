"""How many connections are let in, in all and from one address, before anything is read of them."""

import resource
from collections import Counter
from collections.abc import Iterable
from enum import Enum, auto
from functools import lru_cache
from typing import Protocol

from tidings.config import Network
from tidings.http.proxies import address_key, parse_address

RESERVED = 64
"""Connections above the cap, where only health checks are answered: an orchestrator that gets no answer would restart a
server that is merely busy. When they are taken too, one of the client that holds the most of them gives way."""
RESERVED_FILES = 256
"""Files that are left for the store and outgoing deliveries under the process's limit on open files."""


class Entry(Enum):
    """How a connection is let in: as any, for health checks alone, or not at all."""

    OPEN = auto()
    HEALTH = auto()
    CLOSED = auto()


class Entrant(Protocol):
    """A connection that asks to be let in."""

    @property
    def host(self) -> str:
        """The address that it comes from; "" where that is not known."""
        ...

    def evict(self) -> bool:
        """End it, and have the gate release it; returns whether it was ended. It is not while it is being answered."""
        ...


class Gate:
    """Counts the open connections. ``most`` in all, ``most_of_one`` from one address; the proxies in ``trusted`` bring those
    of others, and are counted in all only."""

    def __init__(self, most: int, most_of_one: int, trusted: Iterable[Network]) -> None:
        self._most = most
        self._most_of_one = most_of_one
        self._counted_as = lru_cache(maxsize=4_096)(lambda host: _counted_as(host, tuple(trusted)))
        self._of: dict[str, int] = {}
        self._reserved: dict[Entrant, str] = {}
        """The connections that were let in for health checks, up to RESERVED, the oldest first, and whose they are. Here
        proxies count as clients: one of them may connect in silence too."""
        self.open = 0

    def counted_as(self, host: str) -> str:
        """Under which name what comes from an address is counted; "" when it is counted in all only."""
        return self._counted_as(host)

    def acquire(self, entrant: Entrant) -> Entry:
        """Count this connection, and return how it is let in; one that is CLOSED is not counted."""
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
        """Count this connection no more: it was let in, and has ended."""
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
        """Make room for a connection of this client among the reserved ones; returns whether one was ended. The client
        that holds the most, the new connection included, loses its oldest silent one, so that many connections of one
        client end no health check of another. Never one of a client that holds less than this one would."""
        held = Counter(self._reserved.values())
        held[client] += 1
        found = sorted(self._reserved.items(), key=lambda item: -held[item[1]])
        return any(entrant.evict() for entrant, owner in found if held[owner] >= held[client])


def fitting(most: int) -> int:
    """How many of ``most`` connections the process's limit on open files leaves room for."""
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if allowed == resource.RLIM_INFINITY:
        return most
    return min(most, max(allowed // 2, allowed - RESERVED_FILES - RESERVED))


def _counted_as(host: str, trusted: tuple[Network, ...]) -> str:
    """Under which name the connections from an address are counted; "" when they are not."""
    address = parse_address(host)
    if address is None or any(address in network for network in trusted):
        return ""
    return address_key(host)
