"""Under which key a client is counted, also when proxies bring its requests."""

import pytest

from tidings.config import Settings
from tidings.http.proxies import client_key
from tidings.http.request import Message, Request

NOT_COUNTED = ""
HOME, FAR = "203.0.113.7", "198.51.100.1"


async def nothing() -> Message:
    """No body comes."""
    return {}


def counted(peer: str | None, *lines: str, trusted: str = Settings().trusted_proxies) -> str:
    """The key of a request from ``peer`` with these lines of X-Forwarded-For."""
    scope = {
        "method": "GET",
        "raw_path": b"/",
        "query_string": b"",
        "headers": [(b"x-forwarded-for", line.encode()) for line in lines],
        "client": None if peer is None else (peer, 4711),
    }
    return client_key(Request(scope, nothing), Settings(trusted_proxies=trusted))


@pytest.mark.parametrize(("peer", "key"), [(HOME, HOME), ("2001:db8::7", "2001:db8::/64")])
def test_who_is_not_trusted_speaks_for_nobody(peer: str, key: str) -> None:
    assert counted(peer) == counted(peer, FAR) == counted(peer, "127.0.0.1") == key


@pytest.mark.parametrize("trusted", ["", "10.0.0.0/8"])
def test_one_network_of_ipv6_is_one_client(trusted: str) -> None:
    """A customer has a /64 of IPv6. With another address for each request they had a turn for each, and streams over their
    share; connected to us or to a proxy."""

    def key(address: str) -> str:
        return counted("10.0.0.1", address, trusted=trusted) if trusted else counted(address, trusted=trusted)

    assert key("2001:db8::1") == key("2001:db8::ffff:2") != key("2001:db8:0:1::1")


@pytest.mark.parametrize(
    ("peer", "key"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("127.1.2.3", "127.1.2.3"),
        ("::1", "::/64"),
        ("::ffff:127.0.0.1", "127.0.0.1"),
    ],
)
def test_this_machine_is_trusted_unless_said_otherwise(peer: str, key: str) -> None:
    assert counted(peer) == counted(peer, "") == counted(peer, " , ") == NOT_COUNTED
    assert counted(peer, HOME) == HOME
    assert counted(peer, HOME, trusted="") == key


def test_a_peer_that_has_no_address_is_not_counted() -> None:
    """As a socket file has none."""
    assert counted(None, HOME) == NOT_COUNTED


@pytest.mark.parametrize(
    ("lines", "address"),
    [
        ((f"{FAR}, {HOME}",), HOME),
        ((FAR, HOME), HOME),
        ((f"{HOME}, {FAR}, 10.0.0.2",), FAR),
        ((f"{HOME}, 10.0.0.2, 10.0.0.3",), HOME),
        ((f"{HOME},,10.0.0.2 ,\t",), HOME),
        ((f"{FAR}, 2001:db8::7, fd00::2",), "2001:db8::/64"),
        (("10.0.0.2, 10.0.0.3",), NOT_COUNTED),
    ],
)
def test_it_is_the_last_that_is_no_proxy_of_ours(lines: tuple[str, ...], address: str) -> None:
    assert counted("10.0.0.1", *lines, trusted="10.0.0.0/8, fd00::/8") == address


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("203.0.113.7:4711", "203.0.113.7"),
        ("[2001:db8::7]", "2001:db8::/64"),
        ("[2001:db8::7]:4711", "2001:db8::/64"),
        ("2001:DB8:0:0::7", "2001:db8::/64"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
    ],
)
def test_an_address_is_the_same_however_it_is_written(written: str, address: str) -> None:
    assert counted("127.0.0.1", written) == address


@pytest.mark.parametrize(
    "wrong",
    ["unknown", "_hidden", "203.0.113", "203.0.113.7:x", "[2001:db8::7", "2001:db8::7]:1", "é", "[]:"],
)
def test_of_what_is_no_address_the_proxy_that_wrote_it_is_left(wrong: str) -> None:
    """Nothing left of it is believed either."""
    assert counted("127.0.0.1", wrong) == counted("127.0.0.1", f"{HOME}, {wrong}") == "127.0.0.1"
    assert counted("127.0.0.1", f"{HOME}, {wrong}, 127.0.0.2") == "127.0.0.2"
