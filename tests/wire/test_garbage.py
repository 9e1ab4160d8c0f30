"""Garbage in any header, and in the encoding of an address, is the sender's fault and never ours: a 4xx, or passed over."""

import base64
import itertools
import socket
from urllib.parse import urlsplit

import httpx
import pytest

from tests.wire.people import bearer, event, token

HEADERS = (
    "accept",
    "accept-encoding",
    "authorization",
    "cache-control",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "forwarded",
    "host",
    "idempotency-key",
    "if-none-match",
    "last-event-id",
    "origin",
    "prefer",
    "sec-fetch-site",
    "x-forwarded-for",
)
GARBAGE = (
    b"http://[",
    b"http://[::1",
    b"[",
    b"]",
    b"http://a:b:c:99999999",
    b"\xff\xfe\x80",
    b"Bearer \xff.\xfe.\x80",
    b"Bearer a.b.c",
    b"__Host-tidings=\xff; a; =; ;;;",
    b",,;;==\"\"''\\",
    b"gzip;q=nan,*;q=1e999,br;q=",
    b"application/json;charset",
    b"9" * 5_000,
    b"-1",
    b"%zz",
    b'"',
    b"1.1.1.1.1",
)
REQUESTS = (
    ("GET", "/v1/feed"),
    ("GET", "/v1/notifications"),
    ("GET", "/v1/notifications/poll"),
    ("POST", "/v1/notifications/read-all"),
    ("PUT", "/v1/session"),
    ("GET", "/"),
    ("OPTIONS", "/v1/feed"),
)
BROKEN = ("%zz", "%", "a%2", "%%41", "%e9", "%ed%a0%80", "%c0%af")
"""Escapes that are none, and bytes that are not UTF-8."""


def exchange(url: str, method: str, path: str, headers: list[tuple[bytes, bytes]], body: bytes = b"") -> int:
    """The status of a raw request, whose headers no client would send."""
    place = urlsplit(url)
    lines = b"".join(b"%b: %b\r\n" % header for header in headers)
    with socket.create_connection((place.hostname, place.port or 80), timeout=30) as connection:
        connection.sendall(f"{method} {path} HTTP/1.1\r\n".encode() + lines + b"\r\n" + body)
        return int(connection.recv(64).split()[1])


@pytest.mark.parametrize("name", HEADERS)
@pytest.mark.parametrize("dev_mode", [False, True], ids=["keys", "dev"])
def test_garbage_in_a_header_is_no_fault_of_ours(
    url: str, dev: httpx.Client, name: str, dev_mode: bool
) -> None:
    """``Origin: http://[`` was a 500 where origins are compared."""
    base = str(dev.base_url) if dev_mode else url
    good = {
        b"host": b"localhost",
        b"connection": b"close",
        b"content-length": b"2",
        b"content-type": b"application/json",
        b"authorization": bearer(token("gary"))["authorization"].encode(),
    }
    for (method, path), value in itertools.product(REQUESTS, GARBAGE):
        headers = list((good | {name.encode(): value}).items())
        status = exchange(base, method, path + "?user_id=gary" * path.startswith("/v1/"), headers, b"{}")
        assert status < 500, (method, path, value)


@pytest.mark.parametrize(
    "name", ["origin", "cookie", "authorization", "host", "last-event-id", "sec-websocket-key"]
)
@pytest.mark.parametrize("dev_mode", [False, True], ids=["keys", "dev"])
def test_garbage_in_a_handshake_is_answered(url: str, dev: httpx.Client, name: str, dev_mode: bool) -> None:
    """A WebSocket's handshake goes its own way, and bytes beyond ASCII ended it without an answer."""
    good = {
        b"host": b"localhost",
        b"upgrade": b"websocket",
        b"connection": b"Upgrade",
        b"sec-websocket-version": b"13",
        b"sec-websocket-key": base64.b64encode(bytes(16)),
        b"authorization": bearer(token("gary"))["authorization"].encode(),
    }
    for value in GARBAGE:
        headers = list((good | {name.encode(): value}).items())
        path = "/v1/notifications/ws?user_id=gary"
        status = exchange(str(dev.base_url) if dev_mode else url, "GET", path, headers)
        assert status < 500, value
        assert name != "origin" or status == 403, value


@pytest.mark.parametrize("broken", BROKEN)
def test_broken_escapes_are_refused(app: httpx.Client, broken: str) -> None:
    """In a query, its names and its values, and in a path: ``%zz`` was taken for what it says."""
    for path in (
        f"/v1/feed?user_id={broken}",
        f"/v1/feed?user_id=u&{broken}=1",
        f"/v1/users/{broken}/follows",
        f"/v1/users/{broken}",
        f"/v1/feed{broken}?user_id=u",
        f"/{broken}",
    ):
        status = exchange(
            str(app.base_url),
            "GET",
            path,
            [(b"host", b"localhost"), (b"authorization", app.headers["authorization"].encode())],
        )
        assert status == 400, path
    assert app.post("/v1/events", json=event(actor="100%zz")).status_code == 201  # no address, no encoding
