"""Many clients ask for what takes long at the same moment: each pass of the event loop answers a few of them."""

import json
from collections.abc import Iterator

import httpx
import pytest

from tests.attack.attacker import attacking, head
from tests.attack.probe import LONG, AttackedServer, attacked_server
from tests.wire.people import KEY, SETTINGS, bearer, event

OWN_ADDRESS = {"TIDINGS_TRUSTED_PROXIES": "192.0.2.1"}
AUTHORIZED = f"Authorization: Bearer {KEY}"
ASKING = 800 if LONG else 300
ITEMS = 100
MUTES = 1_000
MEMORY_MIB = 64
"""Answers that are made while the clients read, and what the allocator keeps of them."""
PASS_MS = 80.0
"""Milliseconds of processor time of one pass: two shares for requests, and reading those of all clients."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AttackedServer]:
    """A server with ordinary events, and a user who muted many topics."""
    with attacked_server(tmp_path_factory.mktemp("many"), **SETTINGS, **OWN_ADDRESS) as running:
        with httpx.Client(base_url=running.url, headers=bearer(KEY)) as client:
            events = [event(object_id=str(n), metadata={"text": str(n**400)[:900]}) for n in range(ITEMS)]
            assert client.post("/v1/events", json=events).is_success
            muted = [f"thing:{n:0100}" for n in range(MUTES)]
            asked = {"muted_topics": muted}
            assert client.put("/v1/preferences?user_id=mia", json=asked).is_success
        yield running


@pytest.mark.parametrize(
    "path", ["/v1/activity?limit={}", "/v1/preferences?user_id=mia"], ids=["pages", "mutes"]
)
@pytest.mark.parametrize("coding", ["gzip", "identity"])
def test_answers_at_one_moment_are_made_in_turns(server: AttackedServer, path: str, coding: str) -> None:
    """All were made in one pass, which took most of a second: nobody else was heard meanwhile, ``/livez`` neither."""
    server.reset()
    asked = (AUTHORIZED, f"Accept-Encoding: {coding}", "Connection: close")
    with attacking(server, ASKING) as attackers:
        requests = [head(path.format(1 + n % ITEMS), *asked, method="GET") for n in range(ASKING)]
        for attacker, request in zip(attackers, requests, strict=True):
            attacker.send(request)
        replies = [attacker.received() for attacker in attackers]
    assert {reply.split(b" ", 2)[1] for reply in replies} == {b"200"}
    server.assert_bounds(memory_mib=MEMORY_MIB, pass_ms=PASS_MS)


def refused_preferences() -> bytes:
    """A body of 60 KB of which the last mute is none."""
    return json.dumps({"muted_topics": [f"t:{n}" for n in range(3_000)] + [1]}).encode()


def refused_events() -> bytes:
    """An array of which the last event is none."""
    return json.dumps([event(object_id=str(n)) for n in range(ITEMS)] + [{}]).encode()


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/v1/preferences?user_id=mia", refused_preferences()),
        ("POST", "/v1/events", refused_events()),
    ],
    ids=["preferences", "events"],
)
def test_bodies_that_end_at_one_moment_are_read_in_turns(
    server: AttackedServer, method: str, path: str, body: bytes
) -> None:
    """Only the beginning of a request had a turn: bodies whose last byte came at the same moment were all decoded in one
    pass."""
    lines = ("Content-Type: application/json", f"Content-Length: {len(body)}", "Connection: close")
    asked = head(path, AUTHORIZED, *lines, method=method) + body
    assert answers_to_last_byte(server, asked) == {b"422"}


def test_handshakes_that_end_at_one_moment_are_answered_in_turns(server: AttackedServer) -> None:
    """Handshakes of WebSockets had no turn at all."""
    lines = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13")
    key = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="
    asked = head("/v1/notifications/ws?user_id=mia&limit=no", AUTHORIZED, *lines, key, method="GET")
    assert answers_to_last_byte(server, asked) == {b"400"}


def test_lines_of_many_imports_are_read_in_turns(server: AttackedServer) -> None:
    """Each import gave the loop up every 5 ms and went on in the next pass, and so did all the others in that pass: 300 of
    them took most of a second."""
    body = b"\n".join([json.dumps(event(verb="", object_id=str(n))).encode() for n in range(ITEMS)])
    lines = ("Content-Type: application/x-ndjson", f"Content-Length: {len(body)}", "Connection: close")
    with attacking(server, ASKING) as attackers:
        for attacker in attackers:
            attacker.send(head("/v1/events", AUTHORIZED, *lines))
        server.bystander.wait(2)
        server.reset()
        for attacker in attackers:
            attacker.send(body)
        replies = [attacker.received() for attacker in attackers]
    assert {reply.split(b" ", 2)[1] for reply in replies} == {b"200"}
    server.assert_bounds(memory_mib=MEMORY_MIB, pass_ms=PASS_MS)


def answers_to_last_byte(server: AttackedServer, asked: bytes) -> set[bytes]:
    """The statuses of as many of these requests, whose last byte is sent at the same moment; asserts the bounds."""
    with attacking(server, ASKING) as attackers:
        for attacker in attackers:
            attacker.send(asked[:-1])
        server.bystander.wait(2)
        server.reset()
        for attacker in attackers:
            attacker.send(asked[-1:])
        replies = [attacker.received() for attacker in attackers]
    server.assert_bounds(memory_mib=MEMORY_MIB, pass_ms=PASS_MS)
    return {reply.split(b" ", 2)[1] for reply in replies}
