"""Requests as an attacker writes them who knows RFC 9112: what a proxy before us could read otherwise is refused."""

import json
from typing import NamedTuple

import pytest

from tests.wire.people import KEY
from tests.wire.test_handshakes import SOCKET, connected

HOST = b"Host: localhost\r\n"
GET = b"GET /livez HTTP/1.1\r\n"
ONE = GET + HOST + b"\r\n"
NEXT = GET + HOST + b"Connection: close\r\n\r\n"
"""A request whose answer is the last one: it shows that the server reads on, or does not."""
HANDSHAKE = (
    b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nAuthorization: Bearer " + KEY.encode() + b"\r\n"
)
POST = (
    b"POST /v1/events HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n"
    b"Authorization: Bearer " + KEY.encode() + b"\r\n"
)
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
UPGRADE = f"GET {SOCKET} HTTP/1.1\r\n".encode()


class Case(NamedTuple):
    """The bytes of requests, and the statuses of their answers, after which the server ends the connection."""

    name: str
    sent: bytes
    statuses: tuple[int, ...]


CASES = (
    # --- Host (RFC 9112, 3.2)
    Case("no host", GET + b"\r\n" + NEXT, (400,)),
    Case("two hosts", GET + HOST + HOST + b"\r\n" + NEXT, (400,)),
    Case("two hosts of HTTP/1.0", b"GET /livez HTTP/1.0\r\n" + HOST + HOST + b"\r\n", (400,)),
    Case("no host of HTTP/1.0", b"GET /livez HTTP/1.0\r\n\r\n", (200,)),
    Case("empty host", GET + b"Host:\r\n\r\n" + NEXT, (200, 200)),
    Case("host with a space", GET + b"Host: a b\r\n\r\n" + NEXT, (400,)),
    Case("host with a path", GET + b"Host: localhost/a\r\n\r\n" + NEXT, (400,)),
    Case("host with a user", GET + b"Host: a@localhost\r\n\r\n" + NEXT, (400,)),
    Case("host with a word for a port", GET + b"Host: localhost:http\r\n\r\n" + NEXT, (400,)),
    Case("address for a host", GET + b"Host: [2001:db8::1]:8787\r\n\r\n" + NEXT, (200, 200)),
    Case("handshake without a host", UPGRADE + HANDSHAKE + b"\r\n" + NEXT, (400,)),
    Case("handshake with two hosts", UPGRADE + HOST + HOST + HANDSHAKE + b"\r\n" + NEXT, (400,)),
    # --- behind a request that is not answered yet: its answer was lost
    Case("handshake behind a request", ONE + UPGRADE + HOST + HANDSHAKE + b"\r\n", (200, 400)),
    Case(
        "handshake behind requests",
        ONE * 3 + UPGRADE + HOST + HANDSHAKE + b"\r\n" + NEXT,
        (200, 200, 200, 400),
    ),
    Case("handshake behind the last request", NEXT + UPGRADE + HOST + HANDSHAKE + b"\r\n", (200,)),
    Case("garbage behind a request", ONE + b"\x01\r\n\r\n" + NEXT, (200, 400)),
    Case("garbage behind requests", ONE * 3 + b"\x01\r\n\r\n", (200, 200, 200, 400)),
    Case("no host behind a request", ONE + GET + b"\r\n" + NEXT, (200, 400)),
    Case("bad chunk behind a request", ONE + POST + CHUNKED + b"x\r\n", (200, 400)),
    Case("bad chunk behind requests", ONE * 3 + POST + CHUNKED + b"2\r\n{}x\r\n", (200, 200, 200, 400)),
    Case(
        "bad chunk behind a publication",
        POST + b"Content-Length: 2\r\n\r\n{}" + POST + CHUNKED + b"x\r\n",
        (422, 400),
    ),
)


def answers(url: str, sent: bytes) -> list[bytes]:
    """The answers until the server ends the connection."""
    with connected(url) as connection:
        connection.sendall(sent)
        received = b""
        while data := connection.recv(65_536):
            received += data
    assert received.startswith(b"HTTP/1.1 ") or not received
    return received.split(b"HTTP/1.1 ")[1:]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_each_request_has_its_answer(url: str, case: Case) -> None:
    """In its order; behind a request that is refused nothing is read, and the refusal is a problem document."""
    found = answers(url, case.sent)
    assert tuple(int(answer[:3]) for answer in found) == case.statuses
    for answer in found:
        head, _, body = answer.partition(b"\r\n\r\n")
        if int(answer[:3]) >= 400 and body:
            assert json.loads(body)["status"] == int(answer[:3]), head
