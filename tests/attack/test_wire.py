"""Attacks by bytes, before there is a request and behind one: memory and turns of the loop stay within their bounds."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.attack.attacker import KIB, MIB, SOCKETS, Attacker, attacking, head
from tests.attack.probe import AttackedServer, attacked_server
from tests.wire.people import KEY, SETTINGS, event
from tidings.http.gate import RESERVED
from tidings.http.portions import PORTION_BYTES

OWN_ADDRESS = {"TIDINGS_TRUSTED_PROXIES": "192.0.2.1"}
"""No proxy is on this machine: who attacks is counted by their address."""
IMPATIENT = {
    "TIDINGS_REQUEST_HEADER_TIMEOUT_S": "1",
    "TIDINGS_BODY_TIMEOUT_S": "1",
    "TIDINGS_REPLY_TIMEOUT_S": "1",
}
GROWTH_MIB = 24
"""What one socket, or the sockets of one attack, may make a server of 60 MiB grow by, caches and fragments included."""
PASS_MS = 50.0
"""Milliseconds of processor time of one pass of the loop, in which requests arrive that are cheap to read."""
TRIES = 50
"""Tries for each connection of a server that is to be full: the bystander has the last one now and then."""
AUTHORIZED = f"Authorization: Bearer {KEY}"
CHUNKED = "Transfer-Encoding: chunked"
JSON = "Content-Type: application/json"
LINES = "Content-Type: application/x-ndjson"
LARGE_PAGE = "/openapi.json"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AttackedServer]:
    """A server with credentials and the usual deadlines."""
    with attacked_server(tmp_path_factory.mktemp("attacked"), **SETTINGS, **OWN_ADDRESS) as server:
        yield server


@pytest.fixture
def server(running: AttackedServer) -> AttackedServer:
    """The same with nothing measured yet."""
    running.reset()
    return running


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AttackedServer]:
    """A server whose deadlines are a second."""
    folder = tmp_path_factory.mktemp("impatient")
    with attacked_server(folder, **SETTINGS, **OWN_ADDRESS, **IMPATIENT) as server:
        yield server


# --- trailers and chunks --------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["X-Nobody: 1", AUTHORIZED], ids=["nobody", "somebody"])
@pytest.mark.parametrize("trailers", [b"a: b\r\n", b"x"], ids=["many", "giant"])
def test_trailers_are_bounded(server: AttackedServer, trailers: bytes, who: str) -> None:
    """Trailers without end, and one trailer without end, are refused as a head would be, whoever sends them: they were kept,
    and the giant one was copied for each read."""
    with attacking(server) as (attacker,):
        attacker.send(head("/v1/events", CHUNKED, JSON, who) + b"2\r\n{}\r\n0\r\nfirst: ")
        attacker.flood(trailers)
        reply = attacker.received()
    assert not reply or reply.split()[1] in (b"401", b"431")
    server.assert_bounds(memory_mib=GROWTH_MIB)


def test_trailers_of_many_are_bounded(server: AttackedServer) -> None:
    """Each of many sockets may send a little more than its head's limit, and no more than that is kept."""
    with attacking(server, SOCKETS) as attackers:
        for attacker in attackers:
            attacker.send(head("/v1/events", CHUNKED, JSON, AUTHORIZED) + b"2\r\n{}\r\n0\r\n")
            attacker.flood(b"a: b\r\n", mib=1)
        server.assert_bounds(memory_mib=GROWTH_MIB)


def test_trailers_decide_nothing(server: AttackedServer) -> None:
    """A credential behind the body is none, and a request with a few trailers is answered as one without."""
    body = json.dumps(event()).encode()
    whole = b"%x\r\n%b\r\n0\r\n" % (len(body), body)
    with attacking(server, 2) as (stranger, friend):
        stranger.send(
            head("/v1/events", CHUNKED, JSON, "Connection: close") + whole + AUTHORIZED.encode() + b"\r\n\r\n"
        )
        assert stranger.received().startswith(b"HTTP/1.1 401 ")
        friend.send(
            head("/v1/events", CHUNKED, JSON, AUTHORIZED, "Connection: close") + whole + b"a: b\r\n\r\n"
        )
        assert friend.received().startswith(b"HTTP/1.1 201 ")


@pytest.mark.parametrize(
    "chunks",
    [b"1;" + b"x" * 4_000, b"0" * 4_000, b"1\r\n \r\n", b"1;a=b\r\n \r\n"],
    ids=["extension", "size", "tiny", "tiny-with-extensions"],
)
def test_chunks_are_bounded(server: AttackedServer, chunks: bytes) -> None:
    """Extensions and sizes without end, and bodies in pieces of a byte."""
    with attacking(server) as (attacker,):
        attacker.send(head("/v1/events", CHUNKED, LINES, AUTHORIZED))
        attacker.flood(chunks)
        server.assert_bounds(memory_mib=GROWTH_MIB)


# --- heads ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "piece", [b"a:b\r\n", b"\r\n", b"X: " + b"y" * 4_000 + b"\r\n"], ids=["tiny", "empty", "long"]
)
def test_heads_are_bounded(server: AttackedServer, piece: bytes) -> None:
    """Headers of a few bytes by the thousand, empty lines, and a head without end."""
    with attacking(server) as (attacker,):
        attacker.send(b"" if piece == b"\r\n" else b"GET / HTTP/1.1\r\n")
        attacker.flood(piece)
        reply = attacker.received()
    assert not reply or reply.startswith(b"HTTP/1.1 431 ")
    server.assert_bounds(memory_mib=GROWTH_MIB)


def test_slow_heads_and_bodies_are_ended(impatient: AttackedServer) -> None:
    """Attackers that send half a head, half a body or nothing, and wait, are sent away."""
    impatient.reset()
    kinds = (b"", b"GET / HT", head("/v1/events", "Content-Length: 9", JSON, AUTHORIZED) + b"{")
    with attacking(impatient, SOCKETS) as attackers:
        for number, attacker in enumerate(attackers):
            attacker.send(kinds[number % len(kinds)])
        for attacker in attackers:
            assert attacker.received().startswith(b"HTTP/1.1 408 ")
        impatient.assert_bounds(memory_mib=GROWTH_MIB)


# --- behind a request -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("framing", ["Content-Length: 999999999999", CHUNKED])
def test_body_behind_its_answer_is_not_read(server: AttackedServer, framing: str) -> None:
    """Who is refused before the body was read is told so, that the connection closes, and what still comes is thrown away;
    it was kept, and parsed."""
    with attacking(server) as (attacker,):
        attacker.send(head("/v1/events", framing, JSON))
        attacker.flood(b"10000\r\n" + b"x" * 64 * KIB + b"\r\n")
        reply = attacker.received()
    assert not reply or (reply.startswith(b"HTTP/1.1 401 ") and b"connection: close" in reply)
    server.assert_bounds(memory_mib=GROWTH_MIB)


def test_answer_reaches_who_still_sends(server: AttackedServer) -> None:
    """The connection is not reset while the answer is on its way."""
    with attacking(server) as (attacker,):
        attacker.send(head("/v1/events", "Content-Length: 9999999", JSON) + b"x" * MIB)
        assert attacker.received().startswith(b"HTTP/1.1 401 ")


@pytest.mark.parametrize("path", ["/livez", LARGE_PAGE, "/v1/feed"])
def test_pipelined_requests_are_bounded(server: AttackedServer, path: str) -> None:
    """The smallest requests, as many as go into the socket, and no answer is read: few are begun at once, and the rest
    waits in the socket."""
    with attacking(server, 3) as attackers:
        for attacker in attackers:
            attacker.flood(head(path, method="GET"))
        server.assert_bounds(memory_mib=GROWTH_MIB)


def test_pipelined_requests_are_answered(server: AttackedServer) -> None:
    """All of them, in order, however many: nobody who reads loses anything by the bound."""
    count = 1_000
    with attacking(server) as (attacker,):
        attacker.send(head("/livez", method="GET") * (count - 1))
        attacker.send(head("/livez", "Connection: close", method="GET"))
        assert attacker.received().count(b"HTTP/1.1 200 ") == count
    server.assert_bounds(memory_mib=GROWTH_MIB)


def test_pipelined_requests_of_who_leaves_keep_no_place(tmp_path: Path) -> None:
    """Connections whose last request is cut by a portion stayed for ever, and with them their places, also when their
    clients had left."""
    few = {"TIDINGS_MAX_CONNECTIONS_PER_ADDRESS": "20"}
    last = head("/livez", "Content-Length: 60", method="GET")
    padding = PORTION_BYTES - len(head("/livez", "X: ", method="GET") + last) - 20
    asked = head("/livez", f"X: {'a' * padding}", method="GET") + last + b" " * 60
    with attacked_server(tmp_path, **SETTINGS, **OWN_ADDRESS, **IMPATIENT, **few) as server:
        with attacking(server, 20) as attackers:
            for attacker in attackers:
                attacker.send(asked)
            server.bystander.wait(2)
        server.bystander.wait(2)
        with attacking(server, 20) as others:
            for other in others:
                other.send(head("/livez", "Connection: close", method="GET"))
                assert other.received().startswith(b"HTTP/1.1 200 ")


# --- slow readers ---------------------------------------------------------------------------------------------


def test_who_does_not_read_is_ended(impatient: AttackedServer) -> None:
    """Sockets that ask for large pages and read nothing stayed for ever."""
    impatient.reset()
    with attacking(impatient, SOCKETS) as attackers:
        for attacker in attackers:
            attacker.flood(head(LARGE_PAGE, method="GET"), mib=1)
        assert all(attacker.ended() for attacker in attackers)
        impatient.assert_bounds(memory_mib=GROWTH_MIB + SOCKETS // 4)


def test_who_reads_slowly_is_served(impatient: AttackedServer) -> None:
    """As long as something is taken, however long the whole lasts."""
    impatient.reset()
    count = 100
    with attacking(impatient) as (attacker,):
        attacker.send(head(LARGE_PAGE, method="GET") * count)
        read = b""
        while read.count(b"HTTP/1.1 200 ") < count:
            piece = attacker.socket.recv(256 * KIB)
            assert piece, "ended"
            read += piece
            impatient.bystander.wait(1)
    impatient.assert_bounds(memory_mib=GROWTH_MIB)


# --- who ends their side --------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/livez", LARGE_PAGE, "/v1/feed?user_id=u", "/v1/feed/summary?user_id=u"])
@pytest.mark.parametrize("count", [1, 5])
def test_half_closed_client_gets_its_answers(server: AttackedServer, path: str, count: int) -> None:
    """Who ends their own side after the last request gets every answer, and then the end."""
    with attacking(server) as (attacker,):
        attacker.send(head(path, AUTHORIZED, method="GET") * count)
        attacker.socket.shutdown(1)
        assert attacker.received().count(b"HTTP/1.1 200 ") == count


def test_half_closed_publisher_gets_an_answer(server: AttackedServer) -> None:
    """A body that is complete is published; one that is not is not waited for."""
    body = json.dumps(event()).encode()
    with attacking(server, 2) as (whole, half):
        for attacker, sent in ((whole, body), (half, body[:-1])):
            attacker.send(head("/v1/events", f"Content-Length: {len(body)}", JSON, AUTHORIZED) + sent)
            attacker.socket.shutdown(1)
        assert whole.received().startswith(b"HTTP/1.1 201 ")
        assert half.received() == b""


# --- streams and sockets --------------------------------------------------------------------------------------


def websocket(server: AttackedServer, attacker: Attacker) -> None:
    """Make this a WebSocket of a user."""
    upgrade = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13")
    key = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="
    attacker.send(head("/v1/notifications/ws?user_id=wanda", *upgrade, key, AUTHORIZED, method="GET"))
    reply = attacker.socket.recv(64 * KIB)
    assert reply.startswith(b"HTTP/1.1 101 ")


def frame(opcode: int, payload: bytes, last: bool = True) -> bytes:
    """A masked frame; the mask is zero, so the payload is as it is. Up to 65,535 bytes."""
    size = len(payload)
    length = bytes((0x80 | size,)) if size < 126 else b"\xfe" + size.to_bytes(2, "big")
    return bytes((opcode | 0x80 * last,)) + length + bytes(4) + payload


@pytest.mark.parametrize(
    "said",
    [
        frame(9, b"x" * 125),
        frame(9, b""),
        frame(10, b""),
        frame(1, b"hello"),
        frame(0, b"", last=False),
        frame(2, b"x" * 60_000),
        b"\x81\xff" + b"\x7f" * 12,
    ],
    ids=["pings", "empty-pings", "pongs", "texts", "fragments", "large", "endless"],
)
def test_frames_of_who_never_reads_are_bounded(server: AttackedServer, said: bytes) -> None:
    """Pings were each answered into memory while nothing was read; whatever is said without end ends the connection."""
    with attacking(server) as (attacker,):
        websocket(server, attacker)
        if said == frame(0, b"", last=False):
            attacker.send(frame(1, b"", last=False))
        attacker.flood(said)
        assert attacker.ended()
    server.assert_bounds(memory_mib=GROWTH_MIB)


def test_what_is_said_to_a_stream_is_bounded(server: AttackedServer) -> None:
    """The client of a stream has nothing to say; without end it is ended."""
    with attacking(server) as (attacker,):
        attacker.send(head("/v1/notifications/stream?user_id=sam", AUTHORIZED, method="GET"))
        assert attacker.socket.recv(64 * KIB).startswith(b"HTTP/1.1 200 ")
        attacker.flood(b"GET / HTTP/1.1\r\n\r\n")
        assert attacker.ended()
    server.assert_bounds(memory_mib=GROWTH_MIB)


def test_slow_handshakes_are_ended(impatient: AttackedServer) -> None:
    """Half a WebSocket handshake has the deadline of any other request head."""
    impatient.reset()
    with attacking(impatient, SOCKETS) as attackers:
        for attacker in attackers:
            attacker.send(b"GET /v1/notifications/ws HTTP/1.1\r\nUpgrade: websocket\r\nConnection: upgr")
        assert all(attacker.received().startswith(b"HTTP/1.1 408 ") for attacker in attackers)
        impatient.assert_bounds(memory_mib=GROWTH_MIB)


# --- many connections ------------------------------------------------------------------------------------------


def test_one_address_cannot_have_all_connections(tmp_path: Path) -> None:
    """Over its share an address is answered 503 and sent away; others are served, and its places come back."""
    few = {"TIDINGS_MAX_CONNECTIONS_PER_ADDRESS": "20"}
    with (
        attacked_server(tmp_path, **SETTINGS, **OWN_ADDRESS, **few) as server,
        attacking(server, 20) as inside,
    ):
        with attacking(server, SOCKETS) as attackers:
            for attacker in attackers:
                reply = attacker.received()
                assert reply.startswith(b"HTTP/1.1 503 ")
                assert b"retry-after: " in reply
        inside.pop().close()
        server.bystander.wait(2)
        with attacking(server) as (late,):
            late.send(head("/livez", "Connection: close", method="GET"))
            assert late.received().startswith(b"HTTP/1.1 200 ")
        server.assert_bounds(memory_mib=GROWTH_MIB)


@contextlib.contextmanager
def full(server: AttackedServer, connections: int) -> Iterator[None]:
    """All connections of a server, held by streams: whoever comes next is above the cap. Who is refused comes
    again."""
    with contextlib.ExitStack() as closing:
        held = 0
        for _ in range(TRIES * connections):
            with contextlib.ExitStack() as coming:
                attacker = coming.enter_context(contextlib.closing(Attacker(server)))
                attacker.send(head(f"/v1/notifications/stream?user_id=s{held}", AUTHORIZED, method="GET"))
                if attacker.socket.recv(64 * KIB).startswith(b"HTTP/1.1 200 "):
                    closing.push(coming.pop_all())
                    held += 1
            if held == connections:
                break
        assert held == connections
        yield


def test_full_server_answers_health_checks(tmp_path: Path) -> None:
    """Above the cap of all connections whoever asks whether the server lives is answered, and nobody else."""
    few = {"TIDINGS_MAX_CONNECTIONS": "20"}
    with attacked_server(tmp_path, **SETTINGS, **few) as server, full(server, 20):
        asked = (
            ("GET", "/livez", b"200"),
            ("HEAD", "/readyz", b"200"),
            ("GET", "/v1/feed", b"503"),
            ("GET", "/v1/events/livez", b"503"),  # it was served, as it ends like a health check
            ("DELETE", "/livez", b"503"),
        )
        for method, path, status in asked:
            with attacking(server) as (attacker,):
                attacker.send(head(path, AUTHORIZED, method=method))
                assert attacker.received().split()[1] == status
        with attacking(server, RESERVED // 2) as attackers:  # who says nothing there has a shorter time
            assert all(attacker.received().startswith(b"HTTP/1.1 408 ") for attacker in attackers)
        server.assert_bounds(memory_mib=GROWTH_MIB)


def test_reserved_connections_cannot_be_held_in_silence(tmp_path: Path) -> None:
    """Clients that connect, send a byte and wait, all of them again as soon as they are sent away, kept every health check
    out. The oldest of them gives way."""
    few = {"TIDINGS_MAX_CONNECTIONS": "20"}
    with attacked_server(tmp_path, **SETTINGS, **few) as server, full(server, 20):
        for _ in range(3):
            with attacking(server, RESERVED + 1) as silent:
                for attacker in silent:
                    attacker.send(b"G")
                with attacking(server) as (checker,):
                    checker.send(head("/livez", method="GET"))
                    assert checker.received().startswith(b"HTTP/1.1 200 ")
                assert silent[0].received().startswith(b"HTTP/1.1 503 ")
        server.assert_bounds(memory_mib=GROWTH_MIB)


# --- what many may ask for at once ---------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/metrics", "/openapi.json"])
def test_large_public_answers_are_made_once(server: AttackedServer, path: str) -> None:
    """Who needs no credential has a large answer made and compressed by each of many requests."""
    with attacking(server, SOCKETS) as attackers:
        for attacker in attackers:
            attacker.send(head(path, "Accept-Encoding: gzip", "Connection: close", method="GET"))
        replies = [attacker.received() for attacker in attackers]
    assert all(b"content-encoding: gzip" in reply for reply in replies)
    server.assert_bounds(memory_mib=GROWTH_MIB, pass_ms=PASS_MS)
