"""Clients that close, reset or half-close their connection, at any moment of a request of any form. The fault: each such end
of an import whose reply had begun wrote a traceback into the log, as many as anybody with a key wanted."""

import contextlib
import itertools
import json
import socket
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.attack.attacker import Attacker, attacking, head
from tests.attack.probe import LONG, AttackedServer, attacked_server
from tests.wire.people import event

EVENTS = 300
LINES = 1_200
"""Lines of an import: more than two transactions of it have."""
AT_ONCE, ROUNDS = (16, 8) if LONG else (3, 1)
TRIES, READERS, READS = 50, 4, 8
SMALL_BUFFER = 4_096
GROWTH_MIB = 64


def get(path: str, *lines: str) -> bytes:
    """A question."""
    return head(path, *lines, method="GET")


def post(body: bytes, media: str, *lines: str) -> bytes:
    """Events in a body."""
    return head("/v1/events", f"Content-Type: {media}", f"Content-Length: {len(body)}", *lines) + body


ARRAY = json.dumps([event(target_user_ids=["ann"])] * EVENTS).encode()
IMPORT = (json.dumps(event(target_user_ids=["ann"])).encode() + b"\n") * LINES
CHUNK = b"%x\r\n%b\r\n" % (len(IMPORT), IMPORT)
HANDSHAKE = get(
    "/v1/notifications/socket?user_id=ann",
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version: 13",
)
FORMS = {
    "page": get("/v1/notifications?user_id=ann&limit=100", "Accept-Encoding: gzip"),
    "walk": get("/v1/feed?user_id=ann&object_id=nothing"),
    "cached": get("/openapi.json", "Accept-Encoding: gzip"),
    "poll": get("/v1/notifications/poll?user_id=ann&wait=60&last_event_id="),
    "patient-page": get("/v1/notifications?user_id=ann&since=1000000&wait=60"),
    "export": get("/v1/users/ann/export"),
    "stream": get("/v1/notifications/stream?user_id=ann"),
    "socket": HANDSHAKE,
    "socket-that-speaks": HANDSHAKE + b"\x89\x80abcd\x88\x80abcd\xff\xff",
    "other-protocol": get("/v1/feed?user_id=ann", "Upgrade: h2c", "Connection: Upgrade"),
    "last": get("/livez", "Connection: close"),
    "event": post(json.dumps(event()).encode(), "application/json"),
    "array": post(ARRAY, "application/json"),
    "expecting": post(ARRAY, "application/json", "Expect: 100-continue"),
    "import": post(IMPORT, "application/x-ndjson"),
    "chunked-import": head("/v1/events", "Content-Type: application/x-ndjson", "Transfer-Encoding: chunked")
    + CHUNK
    + b"0\r\ntrailer: 1\r\n\r\n",
    "mark": head("/v1/notifications/read-all?user_id=ann"),
    "unknown": get("/nowhere"),
    "refused": b"GARBAGE\r\n\r\n",
}
BEHIND = {"alone": b"", "before-another": get("/livez"), "before-some": FORMS["poll"] * 3 + FORMS["refused"]}
MOMENTS: tuple[Callable[[bytes], bytes], ...] = (
    lambda data: data[: len(data) // 2],
    lambda data: data[:-1],
    lambda data: data,
)
"""How much of a request is sent before the end."""


def close(attacker: Attacker) -> None:
    """The end as a program makes it that has gone."""
    attacker.close()


def reset(attacker: Attacker) -> None:
    """The end without a farewell."""
    attacker.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    attacker.close()


def half_close(attacker: Attacker) -> None:
    """The end of one side."""
    with contextlib.suppress(OSError):  # the server may have ended the connection
        attacker.socket.shutdown(socket.SHUT_WR)


ENDS = (close, reset, half_close)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AttackedServer]:
    """A server with something to read."""
    with attacked_server(tmp_path_factory.mktemp("ended")) as server:
        publish(server, 1)
        yield server


def publish(server: AttackedServer, arrays: int) -> None:
    """Publish arrays, and wait for that."""
    with attacking(server) as (publisher,):
        for _ in range(arrays - 1):
            publisher.send(FORMS["array"])
        publisher.send(post(ARRAY, "application/json", "Connection: close"))
        assert publisher.received().count(b"HTTP/1.1 201 ") == arrays


def assert_silent(server: AttackedServer) -> None:
    """Assert that the server lives, and has written no error."""
    server.assert_bounds(memory_mib=GROWTH_MIB, turn_ms=1_000)
    assert "ERROR" not in server.log()


@pytest.mark.parametrize("behind", BEHIND)
@pytest.mark.parametrize("form", FORMS)
def test_no_end_of_a_connection_is_an_error(probed: AttackedServer, form: str, behind: str) -> None:
    """Whatever was sent, however much of it, and however the connection ends: the log has no error for it."""
    ways = list(itertools.product(MOMENTS, ENDS))
    for _ in range(ROUNDS):
        with attacking(probed, len(ways)) as attackers:
            for attacker, (moment, _) in zip(attackers, ways, strict=True):
                attacker.send(moment(FORMS[form] + BEHIND[behind]))
            probed.bystander.wait()
            for attacker, (_, end) in zip(attackers, ways, strict=True):
                end(attacker)
            probed.bystander.wait()
    assert_silent(probed)


@pytest.mark.parametrize("end", ENDS)
def test_an_import_that_ends_early_is_no_error(
    probed: AttackedServer, end: Callable[[Attacker], None]
) -> None:
    """Its reply begins before its body is complete."""
    with attacking(probed, AT_ONCE) as attackers:
        for attacker in attackers:
            attacker.send(FORMS["import"][: len(FORMS["import"]) - 1])
            assert attacker.socket.recv(SMALL_BUFFER).startswith(b"HTTP/1.1 200 ")
            end(attacker)
        probed.bystander.wait(2)
    assert_silent(probed)


def test_an_export_that_is_refused_later_is_cut(tmp_path: Path) -> None:
    """Each part of an export is a long read, and refused when its user has too many. It was a traceback in the log; the
    connection ends, so that nobody takes what was sent for all."""
    with attacked_server(tmp_path, "--max-reads-per-user=1") as server:
        publish(server, 20)
        cut = 0
        for attempt in range(TRIES):
            with attacking(server, READERS + 1) as (exporter, *readers):
                exporter.send(get("/v1/users/ann/export", "Connection: close"))
                begun = exporter.socket.recv(SMALL_BUFFER)
                for reader, n in itertools.product(readers, range(READS)):
                    reader.send(get(f"/v1/feed?user_id=ann&object_id={attempt}.{n}"))
                cut += begun.startswith(b"HTTP/1.1 200 ") and not exporter.received().endswith(
                    b"\r\n0\r\n\r\n"
                )
            if cut:
                break
        assert cut, "no export was refused after its beginning"
        assert_silent(server)
