"""Requests as an attacker writes them who knows RFC 9112: what a proxy before us could read otherwise is refused."""

import json
import re
import socket
from typing import NamedTuple

import httpx
import pytest

from tests.wire.people import KEY, event
from tests.wire.replies import publish
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
BRACES = b"2\r\n{}\r\n0\r\n\r\n"
"""A chunked body that is JSON, and no event."""
EXPECT = b"Expect: 100-continue\r\n"
HEAD = b"HEAD /livez HTTP/1.1\r\n" + HOST
MAX_HEARTBEATS = 5
"""Heartbeats after which a stream whose client has ended its side counts as kept: some may be on their way."""
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
    # --- the length of a body (RFC 9112, 6): one that a proxy could take for another is refused
    Case("length twice", POST + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}" + NEXT, (400,)),
    Case("two lengths", POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}" + NEXT, (400,)),
    *(
        Case(f"length {value!r}", POST + b"Content-Length: " + value + b"\r\n\r\n{}" + NEXT, (400,))
        for value in (b"2, 2", b"+2", b"-2", b"0x2", b"", b"2 2", b"2.0", b"9" * 30)
    ),
    Case("blanks around a length", POST + b"Content-Length: \t2 \t\r\n\r\n{}" + NEXT, (422, 200)),
    Case("length and coding", POST + b"Content-Length: 2\r\n" + CHUNKED + BRACES + NEXT, (400,)),
    Case("coding and length", POST + CHUNKED[:-2] + b"Content-Length: 2\r\n\r\n" + BRACES + NEXT, (400,)),
    Case("coding twice", POST + CHUNKED[:-2] + CHUNKED + BRACES + NEXT, (400,)),
    Case("coding of HTTP/1.0", POST.replace(b"1.1", b"1.0") + CHUNKED + BRACES + NEXT, (400,)),
    *(
        Case(
            f"coding {value!r}",
            POST + b"Transfer-Encoding: " + value + b"\r\n\r\n" + BRACES + NEXT,
            (status,),
        )
        for value, status in (
            (b"chunked, chunked", 400),
            (b"chunked, gzip", 400),
            (b"\x0bchunked", 400),
            (b"", 400),
            (b"gzip, chunked", 501),
            (b"identity", 501),
            (b"xchunked", 501),
            (b'"chunked"', 501),
        )
    ),
    Case(
        "coding in other words", POST + b"Transfer-Encoding: \t CHUNKED \r\n\r\n" + BRACES + NEXT, (422, 200)
    ),
    # --- chunks (RFC 9112, 7.1)
    *(
        Case(f"chunk {chunk!r}", POST + CHUNKED + chunk + b"\r\n0\r\n\r\n" + NEXT, (400,))
        for chunk in (
            b"0x2\r\n{}",
            b"+2\r\n{}",
            b"-2\r\n{}",
            b" 2\r\n{}",
            b"2 \r\n{}",
            b"\r\n{}",
            b"10000000000000002\r\n{}",
            b"2\n{}",
            b"2\r{}",
            b"1\r\n{}",
            b"2;a\n\r\n{}",
            b"2;a\r\r\n{}",
            b"2;a\0\r\n{}",
            b'2;a="\r\n"\r\n{}',
        )
    ),
    Case("chunk that a line feed ends", POST + CHUNKED + b"2\r\n{}\n0\r\n\r\n" + NEXT, (400,)),
    Case("last chunk that line feeds end", POST + CHUNKED + b"2\r\n{}\r\n0\n\n" + NEXT, (400,)),
    Case("extensions of chunks", POST + CHUNKED + b'2;a;b=c;d="e"\r\n{}\r\n0;x\r\n\r\n' + NEXT, (422, 200)),
    Case("tiny chunks", POST + CHUNKED + b"1\r\n \r\n" * 3_000 + BRACES + NEXT, (422, 200)),
    Case("trailers", POST + CHUNKED + BRACES[:-2] + b"Host: a\r\nExpect: b\r\n\r\n" + NEXT, (422, 200)),
    Case("trailer without a colon", POST + CHUNKED + BRACES[:-2] + b"a\r\n\r\n" + NEXT, (400,)),
    Case(
        "length in the trailers", POST + CHUNKED + BRACES[:-2] + b"Content-Length: 9\r\n\r\n" + NEXT, (400,)
    ),
    Case("coding in the trailers", POST + CHUNKED + BRACES[:-2] + CHUNKED + NEXT, (400,)),
    # --- lines (RFC 9112, 2.2 and 5)
    *(
        Case(f"line {line!r}", GET + HOST + line + b"\r\n" + NEXT, (400,))
        for line in (
            b"X: a\r\n b\r\n",
            b"X: a\r\n\tb\r\n",
            b"X: a\n",
            b"X: a\nY: b\r\n",
            b"X: a\rY: b\r\n",
            b"\r",
            b"X: a\0b\r\n",
            b"X: a\x01b\r\n",
            b"X: a\x7fb\r\n",
            b"X Y: a\r\n",
            b"X : a\r\n",
            b"X\t: a\r\n",
            b"X\0: a\r\n",
            b"X(y): a\r\n",
            b"X\xe9: a\r\n",
            b": a\r\n",
            b"X\r\n",
        )
    ),
    Case("folded coding", POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n" + BRACES + NEXT, (400,)),
    Case("blank before the first header", GET + b" " + HOST + b"\r\n" + NEXT, (400,)),
    Case("blank before the colon of Host", GET + b"Host : localhost\r\n\r\n" + NEXT, (400,)),
    Case("head of line feeds", ONE.replace(b"\r\n", b"\n") + NEXT, (400,)),
    Case("head of carriage returns", ONE.replace(b"\r\n", b"\r") + NEXT, (400,)),
    Case("latin text in a value", GET + HOST + b"X: \xe9\r\n\r\n" + NEXT, (200, 200)),
    Case("empty lines before a request", b"\r\n\r\n" + NEXT, (200,)),
    # --- request lines (RFC 9112, 3)
    *(
        Case(f"request line {line!r}", line + b"\r\n" + HOST + b"\r\n" + NEXT, (status,))
        for line, status in (
            (b"get /livez HTTP/1.1", 400),
            (b"FOO /livez HTTP/1.1", 400),
            (b" GET /livez HTTP/1.1", 400),
            (b"GET /livez HTTP/1.1 ", 400),
            (b"GET\t/livez HTTP/1.1", 400),
            (b"GET /livez x HTTP/1.1", 400),
            (b"GET /livez http/1.1", 400),
            (b"GET /livez HTTP/1.2", 400),
            (b"GET /livez HTTP/1.10", 400),
            (b"GET /livez HTTP/3.0", 400),
            (b"GET /livez HTTP/2.0", 505),
            (b"GET /livez HTTP/0.9", 505),
            (b"GET /livez", 505),
            (b"PRI * HTTP/2.0", 400),
            (b"HTTP/1.1 100 Continue", 400),
            (b"CONNECT localhost:80 HTTP/1.1", 501),
            (b"GET livez HTTP/1.1", 400),
            (b"GET localhost:80 HTTP/1.1", 400),
            (b"GET * HTTP/1.1", 400),
            (b"GET /livez#a HTTP/1.1", 400),
            (b"GET /livez?a=b#c HTTP/1.1", 400),
            (b"GET ftp://localhost/livez HTTP/1.1", 400),
            (b"GET http:///livez HTTP/1.1", 400),
            (b"GET http://a@localhost/livez HTTP/1.1", 400),
            (b"GET http://localhost:x/livez HTTP/1.1", 400),
        )
    ),
    *(
        Case(f"target {target!r}", b"GET " + target + b" HTTP/1.1\r\n" + HOST + b"\r\n" + NEXT, (status, 200))
        for target, status in (
            (b"http://localhost/livez", 200),
            (b"HTTPS://other.example:443/livez", 200),
            (b"http://localhost", 200),
            (b"http://localhost?a=b", 400),
            (b"http://localhost/livez?a=b", 400),
            (b"//localhost/livez", 404),
            (b"/v1/../livez", 404),
            (b"/livez%00", 404),
            (b"/livez%zz", 400),
        )
    ),
    Case("URL without a host", b"GET http://localhost/livez HTTP/1.1\r\n\r\n" + NEXT, (400,)),
    Case("URL of HTTP/1.0", b"GET http://localhost/livez HTTP/1.0\r\n\r\n", (200,)),
    Case("URL of all", b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n" + NEXT, (404, 200)),
    # --- Expect (RFC 9110, 10.1.1)
    Case("expectation with its body", POST + EXPECT + b"Content-Length: 2\r\n\r\n{}" + NEXT, (422, 200)),
    Case("expectation without a body", POST + EXPECT + b"\r\n" + NEXT, (400, 200)),
    Case("expectation of an empty body", POST + EXPECT + b"Content-Length: 0\r\n\r\n" + NEXT, (400, 200)),
    Case("expectation of a GET", GET + HOST + EXPECT + b"\r\n" + NEXT, (200, 200)),
    Case("expectation of too much", POST + EXPECT + b"Content-Length: 999999999\r\n\r\n", (413,)),
    Case("another expectation", POST + b"Expect: a\r\nContent-Length: 2\r\n\r\n{}" + NEXT, (422, 200)),
    # --- HEAD (RFC 9110, 9.3.2): no answer has a body
    Case("HEAD with a body that says nothing", HEAD + b"Content-Length: 2\r\n\r\n{}" + NEXT, (200, 200)),
    Case("HEAD with a body", HEAD + b"Content-Length: 5\r\n\r\nabcde" + NEXT, (422, 200)),
    Case("HEAD of nothing", HEAD.replace(b"livez", b"a") + b"\r\n" + NEXT, (404, 200)),
    Case("HEAD with a bad line", HEAD + b"X : a\r\n\r\n" + NEXT, (400,)),
    Case("HEAD with two hosts", HEAD + HOST + b"\r\n" + NEXT, (400,)),
    Case("HEAD with a bad chunk", HEAD + CHUNKED + b"x\r\n" + NEXT, (400,)),
    Case("no HEAD behind a HEAD", HEAD + b"\r\n" + b"\x01\r\n\r\n", (200, 400)),
    # --- the end of a connection (RFC 9112, 9.6)
    Case("behind the last request", NEXT + ONE, (200,)),
    Case("behind a request of HTTP/1.0", b"GET /livez HTTP/1.0\r\n\r\n" + ONE, (200,)),
    Case("kept alive by HTTP/1.0", b"GET /livez HTTP/1.0\r\nConnection: keep-alive\r\n\r\n" + ONE, (200,)),
    # --- an upgrade that is none (RFC 9110, 7.8)
    Case("upgrade without its option", GET + HOST + b"Upgrade: websocket\r\n\r\n" + NEXT, (200, 200)),
)


def answers(url: str, sent: bytes) -> list[bytes]:
    """The answers until the server ends the connection."""
    with connected(url) as connection:
        connection.sendall(sent)
        received = b""
        while data := connection.recv(65_536):
            received += data
    assert received.startswith(b"HTTP/1.1 ") or not received
    return re.split(rb"HTTP/1\.1 (?=\d{3} )", received)[1:]


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_each_request_has_its_answer(url: str, case: Case) -> None:
    """In its order; behind a request that is refused nothing is read, and the refusal is a problem document."""
    found = answers(url, case.sent)
    assert tuple(int(answer[:3]) for answer in found) == case.statuses
    for n, answer in enumerate(found):
        body = answer.partition(b"\r\n\r\n")[2]
        if case.sent.startswith(b"HEAD ") and n == 0:
            assert not body
        elif int(answer[:3]) >= 400:
            assert json.loads(body)["status"] == int(answer[:3])


def test_a_body_that_is_asked_for_is_asked_for_once(url: str) -> None:
    """With 100 (Continue), before which the client sends nothing of it."""
    with connected(url) as connection:
        connection.sendall(POST + EXPECT + b"Content-Length: 2\r\n\r\n")
        assert connection.recv(65_536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"{}" + NEXT)
        received = b""
        while data := connection.recv(65_536):
            received += data
    assert [answer[:3] for answer in received.split(b"HTTP/1.1 ")[1:]] == [b"422", b"200"]


def test_nothing_is_asked_for_of_http_1_0(url: str) -> None:
    """It knows no 100 (Continue), and would take it for the answer."""
    with connected(url) as connection:
        connection.sendall(POST.replace(b"1.1", b"1.0") + EXPECT + b"Content-Length: 2\r\n\r\n")
        connection.sendall(b"{}")
        assert connection.recv(65_536).startswith(b"HTTP/1.1 422 ")


@pytest.mark.parametrize("behind", [b"", NEXT], ids=["alone", "before-another"])
@pytest.mark.parametrize("kept", [b"", b"Connection: keep-alive\r\n"], ids=["closed", "kept-alive"])
@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
def test_http_1_0_gets_no_chunks(
    url: str, app: httpx.Client, user: str, method: bytes, kept: bytes, behind: bytes
) -> None:
    """A response in parts was sent in chunks to clients of HTTP/1.0 too, which read their sizes as a part of the body
    (RFC 9112, 6.1). It ends with the connection instead."""
    publish(app, target_user_ids=[user])
    export = b"%b /v1/users/%b/export HTTP/1.%%d\r\n%b" % (method, user.encode(), HOST)
    export += f"Authorization: Bearer {KEY}\r\n".encode()
    (chunked,) = answers(url, export % 1 + b"Connection: close\r\n\r\n")
    (whole,) = answers(url, export % 0 + kept + b"\r\n" + behind)
    head, _, body = whole.partition(b"\r\n\r\n")
    assert head.startswith(b"200 ")
    assert b"transfer-encoding" not in head
    assert b"connection: close" in head
    if method == b"GET":
        assert b"transfer-encoding: chunked" in chunked.partition(b"\r\n\r\n")[0]
        assert all(json.loads(line) for line in body.splitlines())
        assert body.count(user.encode()) == chunked.count(user.encode()) >= 1
    else:
        assert not body


def test_an_import_over_http_1_0_gets_no_chunks(url: str, user: str) -> None:
    """Its reply begins before the body has arrived."""
    lines = (json.dumps(event(target_user_ids=[user])).encode() + b"\n") * 1_200
    sent = POST.replace(b"1.1", b"1.0").replace(b"application/json", b"application/x-ndjson")
    (answer,) = answers(url, sent + b"Content-Length: %d\r\n\r\n" % len(lines) + lines)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head
    assert len([json.loads(line) for line in body.splitlines()]) >= 1


def test_the_host_of_a_url_counts(dev: httpx.Client) -> None:
    """Not that of the Host header beside it (RFC 9112, 3.2.2), by which development knows whom a request is for."""
    target = b"GET http://%b/v1/feed?user_id=u HTTP/1.1\r\nHost: %b\r\nConnection: close\r\n\r\n"
    for hosts, status in (
        ((b"evil.example", b"localhost"), b"403"),
        ((b"localhost", b"evil.example"), b"200"),
    ):
        (answer,) = answers(str(dev.base_url), target % hosts)
        assert answer[:3] == status


def test_a_handshake_may_name_a_url(url: str) -> None:
    """It was looked for under the whole URL, and not found."""
    with connected(url) as connection:
        connection.sendall(UPGRADE.replace(b"GET /", b"GET http://localhost/") + HOST + HANDSHAKE + b"\r\n")
        assert connection.recv(65_536).startswith(b"HTTP/1.1 101 ")


@pytest.mark.parametrize(
    "behind",
    [
        ONE,
        ONE * 20,
        GET,
        b"\x01\r\n\r\n",
        POST + b"Content-Length: 9\r\n\r\n{",
        ONE + b"\r\n" * 5_000,
        GET + b"\r\n",
        UPGRADE + HOST + HANDSHAKE + b"\r\n",
    ],
    ids=["request", "requests", "half", "garbage", "body", "much", "no-host", "handshake"],
)
def test_a_stream_is_the_last_answer(url: str, app: httpx.Client, user: str, behind: bytes) -> None:
    """What follows its request is discarded, and the client's end is noticed. The connection was closed without an answer;
    behind a refused request it was kept, with its place, until a write failed."""
    stream = (
        f"GET /v1/notifications/stream?user_id={user} HTTP/1.1\r\nAuthorization: Bearer {KEY}\r\n".encode()
    )
    with connected(url) as connection:
        connection.sendall(ONE + stream + HOST + b"\r\n" + behind)
        received = b""
        while b"event: hello" not in received:
            data = connection.recv(65_536)
            assert data, received
            received += data
        publish(app, target_user_ids=[user])
        while b"event: notification" not in received:
            data = connection.recv(65_536)
            assert data, received
            received += data
        connection.shutdown(socket.SHUT_WR)
        rest = b""
        while data := connection.recv(65_536):
            rest += data
            assert rest.count(b"event: heartbeat") < MAX_HEARTBEATS, "the client's end goes unnoticed"
    assert received.count(b"HTTP/1.1 200 ") == received.count(b"HTTP/1.1 ") == 2
