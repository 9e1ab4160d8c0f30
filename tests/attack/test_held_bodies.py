"""Bodies of many requests at once: those that are held, in memory or in the queue of writes, are bounded in bytes."""

import contextlib
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.attack.attacker import KIB, MIB, Attacker, attacking, head
from tests.attack.probe import LONG, AttackedServer, attacked_server
from tests.wire.people import KEY, SETTINGS, event

OWN_ADDRESS = {"TIDINGS_TRUSTED_PROXIES": "192.0.2.1"}
"""No proxy is on this machine: who attacks is counted by their address."""
OF_ONE_MIB = 8
BOUNDS = {"TIDINGS_MAX_BODY_MIB": "16", "TIDINGS_MAX_BODY_MIB_PER_ADDRESS": str(OF_ONE_MIB)}
MEMORY_MIB = 110
"""Several times what one address may have held: what is built of it, what the store keeps ready, what the sockets have been
read of. Without a bound an attack takes 200 MiB and more."""
AUTHORIZED = f"Authorization: Bearer {KEY}"
JSON = "Content-Type: application/json"
LINES = "Content-Type: application/x-ndjson"
ARRAYS = 100 if LONG else 40
REMINDERS = 400 if LONG else 100
UNFINISHED = 1_900 if LONG else 800
TOGETHER = 100
PATIENCE = 20
"""Tries after which a body must be taken again."""
IMPORTS = 200 if LONG else 60


@pytest.fixture
def server(tmp_path: Path) -> Iterator[AttackedServer]:
    """A server whose bounds are small."""
    with attacked_server(tmp_path, **SETTINGS, **OWN_ADDRESS, **BOUNDS) as running:
        yield running


def request(method: str, path: str, body: bytes, media: str = JSON, length: int | None = None) -> bytes:
    """A request with this body, or the beginning of one that announces more."""
    announced = f"Content-Length: {len(body) if length is None else length}"
    return head(path, AUTHORIZED, media, announced, "Connection: close", method=method) + body


def statuses(attackers: list[Attacker]) -> Counter[bytes]:
    """How often each status was answered; b"" where the connection ended before the answer was read."""
    replies = [attacker.received() for attacker in attackers]
    assert all(b"retry-after: " in reply.lower() for reply in replies if reply[9:12] in (b"429", b"503"))
    return Counter(reply[9:12] for reply in replies)


def send(attackers: list[Attacker], data: bytes) -> None:
    """Have each send this, whether the server takes it to the end or refuses it."""
    for attacker in attackers:
        with contextlib.suppress(ConnectionError):
            attacker.send(data)


def test_large_arrays_at_once_are_bounded(server: AttackedServer) -> None:
    """A hundred arrays of 4 MiB were kept in the queue of writes: 1.5 GB, and the next publisher waited for all of them."""
    items = [event(object_id=str(n), description="x" * 4_000) for n in range(500)]
    with attacking(server, ARRAYS) as attackers:
        send(attackers, request("POST", "/v1/events", json.dumps(items).encode()))
        found = statuses(attackers)
        server.assert_bounds(memory_mib=MEMORY_MIB, turn_ms=100.0)
    assert found.keys() <= {b"201", b"429", b""}
    assert found[b"201"]
    assert found[b"429"]


def test_large_reminders_whose_answers_nobody_reads_are_bounded(server: AttackedServer) -> None:
    """An answer that tells of a change is always given, and that of a reminder is as large as its body: 400 took 1.6 GB. No
    further body is taken while too many answers wait."""
    users = [f"{n:05d}{'x' * 123}" for n in range(5_000)]
    reminder = {"deliver_at": "2099-01-01T00:00:00Z", "type": "t", "object_type": "t", "object_id": "1"}
    body = json.dumps(reminder | {"user_ids": users}).encode()
    with attacking(server, REMINDERS) as attackers:
        send(attackers, request("PUT", "/v1/reminders/r", body))
        server.assert_bounds(memory_mib=MEMORY_MIB, turn_ms=100.0)


@pytest.mark.parametrize("media", [JSON, LINES])
def test_bodies_without_end_are_bounded(server: AttackedServer, media: str) -> None:
    """Each was held for as long as a body may take: 1,900 beginnings of one took 528 MiB."""
    size = 250 * KIB
    body = b'{"locale":"' + b"x" * size
    method, path = ("PUT", "/v1/preferences?user_id=ann") if media is JSON else ("POST", "/v1/events")
    data = request(method, path, body, media, 256 * KIB if media is JSON else 4 * MIB)
    with attacking(server, UNFINISHED if media is JSON else IMPORTS) as attackers:
        for at in range(0, len(attackers), TOGETHER):
            send(attackers[at : at + TOGETHER], data)
            server.bystander.wait(2)  # what is read of many sockets in one pass is not the matter here
        server.assert_bounds(memory_mib=MEMORY_MIB)


def test_a_refused_body_leaves_nothing_behind(server: AttackedServer) -> None:
    """What a request held is given back when its client is answered, or leaves: else the server would refuse for ever."""
    body = json.dumps([event(object_id=str(n), description="x" * 4_000) for n in range(250)]).encode()
    for _ in range(3):
        with attacking(server, OF_ONE_MIB * 2) as attackers:
            send(attackers, request("POST", "/v1/events", body[:-1], length=len(body)))
    for _ in range(PATIENCE):
        server.bystander.wait(2)  # until it is noticed who left
        with attacking(server) as attackers:
            send(attackers, request("POST", "/v1/events", body))
            if statuses(attackers) == {b"201": 1}:
                return
    pytest.fail("bodies of requests that have ended are still held")
