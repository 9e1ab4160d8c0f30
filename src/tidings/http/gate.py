"""How many connections are let in, in all and from one address, before anything is read of them."""

import resource
from collections.abc import Iterable
from enum import Enum, auto
from functools import lru_cache
from ipaddress import IPv6Address, ip_network
from typing import Protocol

from tidings.config import Network
from tidings.http.proxies import parse_address

RESERVED = 64
"""Connections above the cap, where only health checks are answered: an orchestrator that gets no answer would restart a
server that is merely busy. When they are taken too, the oldest of them that is not being answered gives way."""
RESERVED_FILES = 256
"""Files that are left for the store and outgoing deliveries under the process's limit on open files."""
_IPV6_PREFIX = 64
"""Bits of an IPv6 address that tell customers apart; one of them has all the rest (RFC 6177)."""


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
        """End it, and have the gate release it; returns False, and does nothing, when it is being answered."""
        ...


class Gate:
    """Counts the open connections. ``most`` in all, ``most_of_one`` from one address; the proxies in ``trusted`` bring those
    of others, and are counted in all only."""

    def __init__(self, most: int, most_of_one: int, trusted: Iterable[Network]) -> None:
        self._most = most
        self._most_of_one = most_of_one
        self._counted_as = lru_cache(maxsize=4_096)(lambda host: _counted_as(host, tuple(trusted)))
        self._of: dict[str, int] = {}
        self._reserved: dict[Entrant, None] = {}
        """The connections that were let in for health checks, the oldest first."""
        self.open = 0

    def counted_as(self, host: str) -> str:
        """Under which name what comes from an address is counted; "" when it is counted in all only."""
        return self._counted_as(host)

    def acquire(self, entrant: Entrant) -> Entry:
        """Count this connection, and return how it is let in; one that is CLOSED is not counted."""
        one = self._counted_as(entrant.host)
        theirs = self._of.get(one, 0) if one else 0
        if theirs >= self._most_of_one or (self.open >= self._most + RESERVED and not self._evict_one()):
            return Entry.CLOSED
        self.open += 1
        if one:
            self._of[one] = self._of.get(one, 0) + 1
        if self.open <= self._most:
            return Entry.OPEN
        self._reserved[entrant] = None
        return Entry.HEALTH

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

    def _evict_one(self) -> bool:
        """Make room among the reserved connections: who holds one in silence must not keep a health check out."""
        return any(entrant.evict() for entrant in list(self._reserved))


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
    if isinstance(address, IPv6Address):
        return str(ip_network((address, _IPV6_PREFIX), strict=False))
    return str(address)
