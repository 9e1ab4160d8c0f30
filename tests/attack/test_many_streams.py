"""Many streams get many events at once: each turn of the loop sends to a few of them."""

from collections.abc import Iterator

import httpx
import pytest

from tests.attack.attacker import KIB, Attacker, attacking, head
from tests.attack.probe import LONG, PATIENCE_S, AttackedServer, attacked_server
from tests.wire.people import KEY, SETTINGS, bearer, event, token

STREAMS = 1_000 if LONG else 200
EVENTS = 100
LIMITS = {
    "TIDINGS_PUBLIC_READS": "activity",
    "TIDINGS_MAX_PUBLIC_STREAMS_PER_ADDRESS": "5000",
}
READERS = {
    "visitors": "/v1/activity/stream",
    "visitors of topics": "/v1/activity/stream?topic=room:1&topic=item:1",
    "users": "/v1/notifications/stream?include=activity:all",
    "users with notifications": "/v1/notifications/stream?include=notifications,activity:all",
    "followers": "/v1/notifications/stream?include=activity",
}
"""What is read, by who reads it."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AttackedServer]:
    """A server on which every user follows a room."""
    with attacked_server(tmp_path_factory.mktemp("streams"), **SETTINGS | LIMITS) as running:
        with httpx.Client(base_url=running.url, headers=bearer(KEY), timeout=PATIENCE_S) as client:
            follows = [{"user_id": f"u{n}", "topic": "room:1"} for n in range(STREAMS)]
            assert client.post("/v1/follows", json=follows).is_success
        yield running


def read_until(attacker: Attacker, word: bytes, number: int) -> int:
    """Read until a word came so often; how often it did."""
    found = bytearray()
    while (seen := found.count(word)) < number:
        data = attacker.socket.recv(256 * KIB)
        assert data, bytes(found[-KIB:])
        found += data
    return seen


@pytest.mark.need("LI3")
@pytest.mark.parametrize("who", READERS)
def test_events_reach_streams_in_turns(server: AttackedServer, who: str) -> None:
    """The fault: one turn wrote all events to all streams, 840 ms for a hundred to a thousand visitors."""
    with attacking(server, STREAMS) as readers:
        for n, reader in enumerate(readers):
            credential = () if who.startswith("visitors") else (f"Authorization: Bearer {token(f'u{n}')}",)
            reader.send(head(READERS[who], *credential, "Accept: text/event-stream", method="GET"))
        for reader in readers:
            read_until(reader, b"event: hello", 1)
        server.reset()
        sent = [event(object_id=f"{who} {n}", topics=["room:1"]) for n in range(EVENTS)]
        with httpx.Client(base_url=server.url, headers=bearer(KEY), timeout=PATIENCE_S) as client:
            assert client.post("/v1/events", json=sent).status_code == 201
        seen = [read_until(reader, b"event: activity", EVENTS) for reader in readers]
    assert seen == [EVENTS] * STREAMS
    server.assert_bounds(memory_mib=96)
