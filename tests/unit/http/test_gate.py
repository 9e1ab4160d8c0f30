"""Who is let in: so many in all, so many of one address."""

import resource
from ipaddress import ip_network

import pytest

from tidings.http.gate import RESERVED, RESERVED_FILES, Entry, Gate, fitting

PROXY = "192.0.2.7"
TRUSTED = (ip_network("192.0.2.0/24"),)


def test_one_address_has_its_share() -> None:
    """Above it that address alone is closed out, until one of its connections ends."""
    here = Gate(10, 2, TRUSTED)
    assert [here.acquire("198.51.100.1") for _ in range(3)] == [Entry.OPEN, Entry.OPEN, Entry.CLOSED]
    assert here.acquire("198.51.100.2") is Entry.OPEN
    here.release("198.51.100.1")
    assert here.acquire("198.51.100.1") is Entry.OPEN


@pytest.mark.parametrize(
    "twins", [("2001:db8::1", "2001:db8::ffff:2"), ("203.0.113.1", "::ffff:203.0.113.1")]
)
def test_one_customer_is_one_address(twins: tuple[str, str]) -> None:
    """A network of IPv6 belongs to one customer, and IPv4 may come in the clothes of IPv6."""
    here = Gate(10, 1, ())
    assert [here.acquire(one) for one in twins] == [Entry.OPEN, Entry.CLOSED]


@pytest.mark.parametrize("uncounted", [PROXY, "", "unix"])
def test_proxies_are_counted_in_all_only(uncounted: str) -> None:
    """So is who has no address, as behind a socket of this machine."""
    here = Gate(3, 1, TRUSTED)
    assert [here.acquire(uncounted) for _ in range(3)] == [Entry.OPEN] * 3
    assert here.acquire("198.51.100.1") is Entry.HEALTH


def test_above_the_cap_there_is_room_for_health_checks() -> None:
    """And above that there is none."""
    here = Gate(2, 1_000, ())
    assert [here.acquire("198.51.100.1") for _ in range(2)] == [Entry.OPEN] * 2
    assert [here.acquire("198.51.100.1") for _ in range(RESERVED)] == [Entry.HEALTH] * RESERVED
    assert here.acquire("198.51.100.1") is Entry.CLOSED
    for _ in range(RESERVED + 2):
        here.release("198.51.100.1")
    assert here.open == 0


@pytest.mark.parametrize(
    ("allowed", "fits"),
    [(1_000_000, 5_000), (4_096, 4_096 - RESERVED - RESERVED_FILES), (256, 128), (-1, 5_000)],
)
def test_cap_fits_the_limit_of_open_files(monkeypatch: pytest.MonkeyPatch, allowed: int, fits: int) -> None:
    """A server that accepts what it has no file for accepts nobody, and the store could open none."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (allowed, allowed))
    assert fitting(5_000) == fits
