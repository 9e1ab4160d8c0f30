"""Who is let in: so many in all, so many of one address."""

import resource
from ipaddress import ip_network

import pytest

from tidings.http.gate import RESERVED, RESERVED_FILES, Entry, Gate, fitting

PROXY = "192.0.2.7"
TRUSTED = (ip_network("192.0.2.0/24"),)


class Peer:
    """A connection from an address; ``busy``: it is being answered."""

    def __init__(self, gate: Gate, host: str) -> None:
        self.host = host
        self.busy = self.evicted = False
        self._gate = gate
        self.entry = gate.acquire(self)

    def evict(self) -> bool:
        """Leave, unless busy."""
        if not self.busy:
            self.evicted = True
            self.leave()
        return not self.busy

    def leave(self) -> None:
        """End."""
        self._gate.release(self)


def entries(gate: Gate, *hosts: str) -> list[Entry]:
    """How connections from these addresses are let in, one after the other."""
    return [Peer(gate, host).entry for host in hosts]


def test_one_address_has_its_share() -> None:
    """Above it that address alone is closed out, until one of its connections ends."""
    here = Gate(10, 2, TRUSTED)
    one, *others = [Peer(here, "198.51.100.1") for _ in range(3)]
    assert [one.entry, *(other.entry for other in others)] == [
        Entry.OPEN,
        Entry.OPEN,
        Entry.CLOSED,
    ]
    assert entries(here, "198.51.100.2") == [Entry.OPEN]
    one.leave()
    assert entries(here, "198.51.100.1") == [Entry.OPEN]


@pytest.mark.parametrize(
    "twins", [("2001:db8::1", "2001:db8::ffff:2"), ("203.0.113.1", "::ffff:203.0.113.1")]
)
def test_one_customer_is_one_address(twins: tuple[str, str]) -> None:
    """A network of IPv6 belongs to one customer, and IPv4 may come in the clothes of IPv6."""
    assert entries(Gate(10, 1, ()), *twins) == [Entry.OPEN, Entry.CLOSED]


@pytest.mark.parametrize("uncounted", [PROXY, "", "unix"])
def test_proxies_are_counted_in_all_only(uncounted: str) -> None:
    """So is who has no address, as behind a socket of this machine."""
    here = Gate(3, 1, TRUSTED)
    assert entries(here, *[uncounted] * 3) == [Entry.OPEN] * 3
    assert entries(here, "198.51.100.1") == [Entry.HEALTH]


def full(most: int) -> tuple[Gate, list[Peer]]:
    """A gate whose connections are all taken, and those that were let in for health checks."""
    here = Gate(most, 1_000, ())
    assert entries(here, *["198.51.100.1"] * most) == [Entry.OPEN] * most
    reserved = [Peer(here, "198.51.100.1") for _ in range(RESERVED)]
    assert {peer.entry for peer in reserved} == {Entry.HEALTH}
    return here, reserved


def test_above_the_cap_there_is_room_for_health_checks() -> None:
    """And above that there is none while all of them are being answered."""
    here, reserved = full(2)
    for peer in reserved:
        peer.busy = True
    assert entries(here, "198.51.100.1") == [Entry.CLOSED]
    for peer in reserved:
        peer.leave()
    assert here.open == 2
    assert entries(here, "198.51.100.1") == [Entry.HEALTH]


def test_a_connection_below_the_cap_may_ask_anything() -> None:
    """Also while all reserved connections are held: the next client was let in for health checks alone, and their number
    grew."""
    here = Gate(1, 1_000, ())
    inside = Peer(here, "198.51.100.1")
    reserved = [Peer(here, "198.51.100.1") for _ in range(RESERVED)]
    inside.leave()
    assert entries(here, *["198.51.100.2"] * 2) == [Entry.OPEN, Entry.HEALTH]
    assert [peer.evicted for peer in reserved[:2]] == [True, False]


def test_reserved_connections_cannot_be_held_in_silence() -> None:
    """The oldest silent one of the client that holds the most gives way to the next; whoever held all of them kept health
    checks out."""
    here, reserved = full(2)
    reserved[0].busy = True
    assert entries(here, *["198.51.100.2"] * 3) == [Entry.HEALTH] * 3
    assert [peer.evicted for peer in reserved[:5]] == [False, True, True, True, False]
    assert here.open == 2 + RESERVED


def test_a_flood_evicts_its_own_connections_only() -> None:
    """A health check from another address, not sent yet, was the oldest silent connection and was ended."""
    here = Gate(2, 1_000, ())
    assert entries(here, *["198.51.100.1"] * 2) == [Entry.OPEN] * 2
    checker = Peer(here, "198.51.100.2")
    flood = [Peer(here, "198.51.100.1") for _ in range(3 * RESERVED)]
    assert {peer.entry for peer in flood} == {Entry.HEALTH}
    assert not checker.evicted
    assert [peer.evicted for peer in flood] == [True] * (2 * RESERVED + 1) + [False] * (RESERVED - 1)


def test_a_flood_whose_connections_are_busy_evicts_nobody() -> None:
    """It is refused: who holds less than the flood keeps what they have."""
    here, reserved = full(2)
    reserved[0].leave()
    checker = Peer(here, "198.51.100.2")
    for peer in reserved:
        peer.busy = True
    assert entries(here, "198.51.100.1") == [Entry.CLOSED]
    assert not checker.evicted


def test_among_clients_that_hold_the_same_the_oldest_connection_gives_way() -> None:
    """Many addresses in silence keep a health check out no more than one does."""
    here = Gate(1, 1_000, ())
    first = Peer(here, "198.51.100.1")
    reserved = [Peer(here, f"203.0.113.{n}") for n in range(RESERVED)]
    assert (first.entry, Peer(here, "198.51.100.2").entry) == (Entry.OPEN, Entry.HEALTH)
    assert [peer.evicted for peer in reserved[:2]] == [True, False]


@pytest.mark.parametrize(
    ("flooding", "other"),
    [("2001:db8::{}", "2001:db8:0:1::1"), (PROXY, "192.0.2.8")],
    ids=["ipv6-network", "proxy"],
)
def test_a_flood_is_that_of_a_network_or_of_a_proxy(flooding: str, other: str) -> None:
    """Addresses of one /64 are one client's. A proxy is counted in all only, but not for these connections."""
    here = Gate(0, 1_000, TRUSTED)
    checker = Peer(here, other)
    hosts = [flooding.format(n + 1) for n in range(2 * RESERVED)]
    assert entries(here, *hosts) == [Entry.HEALTH] * len(hosts)
    assert not checker.evicted


def test_who_has_too_many_connections_evicts_nobody() -> None:
    """An address over its share is closed out before room is made."""
    here = Gate(1, RESERVED + 1, ())
    held = [Peer(here, "198.51.100.1") for _ in range(RESERVED + 1)]
    assert entries(here, "198.51.100.1") == [Entry.CLOSED]
    assert not any(peer.evicted for peer in held)


@pytest.mark.parametrize(
    ("allowed", "fits"),
    [(1_000_000, 5_000), (4_096, 4_096 - RESERVED - RESERVED_FILES), (256, 128), (-1, 5_000)],
)
def test_cap_fits_the_limit_of_open_files(monkeypatch: pytest.MonkeyPatch, allowed: int, fits: int) -> None:
    """A server that accepts what it has no file for accepts nobody, and the store could open none."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (allowed, allowed))
    assert fitting(5_000) == fits
