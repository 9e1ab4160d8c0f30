"""Handshakes of WebSockets that are none are answered, with a problem document."""

import base64
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest

from tests.wire.people import KEY, bearer, event

TIMEOUT_S = 30
HANDSHAKE = {
    "host": "localhost",
    "upgrade": "websocket",
    "connection": "Upgrade",
    "sec-websocket-version": "13",
    "sec-websocket-key": base64.b64encode(bytes(16)).decode(),
    **bearer(KEY),
}
SOCKET = "/v1/notifications/ws?user_id=hanna"
JSON = {"content-type": "application/json"}


class Reply(NamedTuple):
    """What came back before the connection was ended."""

    status: int
    head: str
    body: bytes

    @property
    def problem(self) -> Any:
        """The problem document that the body is."""
        assert "content-type: application/problem+json" in self.head
        return json.loads(self.body)


@contextmanager
def connected(url: str) -> Iterator[socket.socket]:
    """A connection to the server."""
    place = urlsplit(url)
    with socket.create_connection((place.hostname, place.port or 80), timeout=TIMEOUT_S) as connection:
        yield connection


def ask(
    url: str,
    headers: dict[str, str],
    body: bytes = b"",
    *,
    method: str = "GET",
    path: str = SOCKET,
    version: str = "1.1",
) -> Reply:
    """The reply to this request, after which the server ends the connection."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    with connected(url) as connection:
        connection.sendall(f"{method} {path} HTTP/{version}\r\n{lines}\r\n".encode() + body)
        received = b""
        while data := connection.recv(65_536):
            received += data
    head, _, body = received.partition(b"\r\n\r\n")
    assert head, "the connection was ended without an answer"
    return Reply(int(head.split()[1]), head.decode().lower(), body)


@pytest.mark.parametrize(
    ("framing", "body"),
    [
        ({"content-length": "5"}, b"abcde"),
        ({"content-length": "5"}, b""),
        ({"transfer-encoding": "chunked"}, b"2\r\nab\r\n0\r\n\r\n"),
        ({"content-length": "00"}, b""),
    ],
    ids=["length", "never-sent", "chunked", "zeros"],
)
def test_a_handshake_with_a_body_is_refused(url: str, framing: dict[str, str], body: bytes) -> None:
    """It was ended without an answer (RFC 6455, 4.2.1: with an HTTP error)."""
    reply = ask(url, HANDSHAKE | framing, body)
    assert (reply.status, reply.problem["type"]) == (400, "urn:tidings:problem:malformed-request")
    assert "body" in reply.problem["detail"]


@pytest.mark.parametrize(
    "wrong",
    [{"sec-websocket-key": "short"}, {"sec-websocket-key": ""}, {"sec-websocket-version": "12"}],
    ids=["key", "no-key", "version"],
)
def test_a_handshake_that_does_not_fit_is_told_what_does(url: str, wrong: dict[str, str]) -> None:
    """As a problem document, where it was plain text; and which version is spoken here (RFC 6455, 4.4)."""
    reply = ask(url, HANDSHAKE | wrong)
    assert (reply.status, reply.problem["type"]) == (400, "urn:tidings:problem:malformed-request")
    assert "Sec-WebSocket-Version: 13" in reply.problem["detail"]
    assert "\r\nsec-websocket-version: 13" in reply.head


@pytest.mark.parametrize(
    ("headers", "path"),
    [({"cookie": "a" * 9_000}, SOCKET), ({}, SOCKET + "&last_event_id=" + "a" * 9_000)],
    ids=["header", "address"],
)
def test_a_handshake_with_a_long_line_is_refused(url: str, headers: dict[str, str], path: str) -> None:
    """Lines over 8 KiB are read in requests, but not in handshakes."""
    reply = ask(url, HANDSHAKE | headers, path=path)
    assert (reply.status, reply.problem["type"]) == (431, "urn:tidings:problem:head-too-large")


@pytest.mark.parametrize("protocol", ["websocket", "h2c"])
@pytest.mark.parametrize("chunked", [True, False], ids=["chunked", "length"])
@pytest.mark.parametrize("cut", [0, 5, 60, 400], ids=lambda cut: f"cut-{cut}")
def test_an_upgrade_is_declined_and_the_request_served(
    url: str, protocol: str, chunked: bool, cut: int
) -> None:
    """An upgrade is an offer (RFC 9110, 7.8), and a handshake is a GET. Clients of HTTP/2 make the offer with whatever they
    ask for first; the body of their POST was taken for another request, and one for a WebSocket was not answered at all.
    Nothing of that depends on where the bytes are cut, and the next request is served."""
    body = json.dumps(event()).encode()
    framing = {"transfer-encoding": "chunked"} if chunked else {"content-length": str(len(body))}
    lines = "".join(f"{k}: {v}\r\n" for k, v in (HANDSHAKE | JSON | framing | {"upgrade": protocol}).items())
    sent = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if chunked else body
    request = f"POST /v1/events HTTP/1.1\r\n{lines}\r\n".encode() + sent
    last = b"GET /livez HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
    with connected(url) as connection:
        connection.sendall(request[:cut])
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(request[cut:] + request + last)
        received = b""
        while data := connection.recv(65_536):
            received += data
    statuses = [reply[:3] for reply in received.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [b"201", b"201", b"200"]


@pytest.mark.parametrize("padding", [0, 3_000, 30_000])
def test_connect_is_refused(url: str, padding: int) -> None:
    """Each parser took it for an upgrade, and another one was given the head, until the stack was full: no answer came."""
    headers = {"host": "x:80"} | {f"x-{n}": "a" * 600 for n in range(padding // 600)}
    reply = ask(url, headers, method="CONNECT", path="x:80")
    assert (reply.status, reply.problem["type"]) == (501, "urn:tidings:problem:not-implemented")


def test_a_transfer_coding_that_is_not_undone_is_refused(url: str) -> None:
    """The coded bytes were taken for the body (RFC 9112, 6.1)."""
    headers = {"host": "localhost", **JSON, **bearer(KEY), "transfer-encoding": "gzip, chunked"}
    reply = ask(
        url, headers | {"connection": "close"}, b"2\r\n{}\r\n0\r\n\r\n", method="POST", path="/v1/events"
    )
    assert (reply.status, reply.problem["type"]) == (501, "urn:tidings:problem:not-implemented")


def test_an_upgrade_of_http_1_0_is_passed_over(url: str) -> None:
    """It must be (RFC 9110, 7.8): the route answers that a WebSocket is what it speaks."""
    assert ask(url, HANDSHAKE, version="1.0").problem["type"] == "urn:tidings:problem:upgrade-required"


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_an_upgrade_of_the_last_request_is_declined(url: str, version: str) -> None:
    """The connection ends behind it."""
    headers = HANDSHAKE | JSON | {"upgrade": "h2c", "connection": "Upgrade, close", "content-length": "2"}
    reply = ask(url, headers, b"{}", method="POST", path="/v1/events", version=version)
    assert (reply.status, reply.problem["type"]) == (422, "urn:tidings:problem:invalid-fields")
