"""Behind a reverse proxy: streams are counted by the address that the proxy names, and by no other."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.attack.probe import attacked_server
from tests.serving import serving
from tests.wire.people import KEY, SETTINGS, bearer
from tests.wire.streams import streaming
from tests.wire.test_sockets import opened, refused

LIMIT_S = 30
ONE_EACH = "--max-streams-per-address=1"


@pytest.fixture(scope="module")
def near(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server that lets each address have one stream. We are its proxy: loopback is trusted."""
    with serving(tmp_path_factory.mktemp("near"), ONE_EACH, **SETTINGS) as url:
        yield url


@contextmanager
def brought(url: str, *forwarded: str) -> Iterator[httpx.Client]:
    """A client that a proxy brings, with these lines of X-Forwarded-For."""
    headers = [*bearer(KEY).items(), *(("x-forwarded-for", line) for line in forwarded)]
    with httpx.Client(base_url=url, timeout=LIMIT_S, headers=headers) as client:
        yield client


def status(client: httpx.Client, user: str) -> int:
    """What a stream begins with."""
    with client.stream("GET", "/v1/notifications/stream", params={"user_id": user}) as reply:
        return reply.status_code


@pytest.mark.parametrize(
    ("one", "other"),
    [("203.0.113.1", "203.0.113.2"), ("2001:db8::1", "2001:db8:0:1::2")],
    ids=["IPv4", "IPv6"],
)
def test_each_address_has_streams_of_its_own(near: str, user: str, one: str, other: str) -> None:
    with (
        brought(near, one) as full,
        brought(near, other) as free,
        streaming(full, user) as stream,
    ):
        stream.next("hello")
        assert status(full, user) == 429
        assert status(free, user) == 200


@pytest.mark.parametrize(
    ("address", "lines"),
    [
        ("203.0.113.10", ("198.51.100.1, 203.0.113.10",)),
        ("203.0.113.11", ("198.51.100.1", "203.0.113.11")),
        ("203.0.113.12", ("203.0.113.12, 127.0.0.2",)),
        ("203.0.113.13", ("203.0.113.13:4711",)),
        ("203.0.113.14", ("::ffff:203.0.113.14",)),
        ("2001:db8:0:10::1", ("127.0.0.1, 2001:DB8:0:10::1",)),
        ("2001:db8:0:11::1", ("[2001:db8:0:11::1]:443",)),
        ("2001:db8:0:12::1", ("2001:db8:0:12:ffff::2",)),
    ],
)
def test_nobody_is_another_by_writing_it_differently(
    near: str, user: str, address: str, lines: tuple[str, ...]
) -> None:
    """What a client makes up stands left of what the proxy writes, and a client has a /64 of IPv6."""
    with brought(near, address) as first, brought(near, *lines) as again, streaming(first, user) as stream:
        stream.next("hello")
        assert status(again, user) == 429


def test_sockets_count_with_streams(near: str, user: str) -> None:
    """And the address is read from a handshake alike."""
    headers = bearer(KEY) | {"x-forwarded-for": "203.0.113.20"}
    with opened(near, user, headers=headers):
        assert refused(near, user, headers=headers)[0] == 429
        with brought(near, "203.0.113.20") as client:
            assert status(client, user) == 429


def test_a_proxy_that_names_nobody_is_not_counted(near: str, user: str) -> None:
    with brought(near) as client, streaming(client, user) as stream:
        stream.next("hello")
        assert status(client, user) == 200


def test_who_is_not_trusted_is_counted_whatever_they_say(tmp_path: Path, user: str) -> None:
    with (
        serving(tmp_path, ONE_EACH, "--trusted-proxies=10.0.0.0/8", **SETTINGS) as url,
        brought(url, "203.0.113.30") as client,
        brought(url, "203.0.113.31") as again,
        streaming(client, user) as stream,
    ):
        stream.next("hello")
        assert status(again, user) == 429


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "203.0.113.40", "unknown"])
def test_development_answers_nobody_whom_a_proxy_brings(dev: httpx.Client, address: str) -> None:
    """It has no credentials, and a proxy on this machine may serve the world; what it says of itself proves nothing."""
    reply = dev.get("/v1/feed?user_id=u", headers={"x-forwarded-for": address})
    assert reply.status_code == 403


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Forwarded", "for=203.0.113.40"),
        ("Via", "1.1 nginx"),
        ("X-Real-IP", "203.0.113.40"),
        ("X-Forwarded-Host", "tidings.example.org"),
        ("X-Forwarded-Proto", "https"),
        ("CF-Connecting-IP", "203.0.113.40"),
    ],
)
def test_development_knows_a_proxy_by_any_of_its_headers(dev: httpx.Client, name: str, value: str) -> None:
    """A proxy that sets no X-Forwarded-For had the world let in."""
    assert dev.get("/v1/feed?user_id=u", headers={name: value}).status_code == 403


def test_development_says_what_risk_remains(tmp_path: Path) -> None:
    """A proxy that adds no header at all cannot be known."""
    with attacked_server(tmp_path) as server:
        assert "one that adds no header, whose clients get access" in server.log()
