"""Pages of everybody's activity behind many events that only others see: no request for one takes a long turn."""

from collections.abc import Iterator

import httpx
import pytest

from tests.attack.probe import LONG, AttackedServer, attacked_server
from tests.wire.people import event
from tidings.config import KIB

HIDDEN = 6_000 if LONG else 1_500
BYTES = 12 * KIB
"""Of each hidden event: their bodies are what made the turns long."""
ARRAY = 100
ASKED = 10
TURN_MS = 8.0
"""Milliseconds of processor time of one such request on the event loop; an ordinary one takes 1."""
MEMORY_MIB = 48
PATIENCE_S = 120


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AttackedServer]:
    """A public event, and above it many that are large and hidden."""
    with attacked_server(tmp_path_factory.mktemp("hidden")) as running:
        with httpx.Client(base_url=running.url, timeout=PATIENCE_S) as client:
            client.post("/v1/events", json=event(object_id="public")).raise_for_status()
            for n, visibility in enumerate(("recipients", "followers") * (HIDDEN // ARRAY // 2)):
                hidden = event(object_id=str(n), visibility=visibility, metadata={"text": "x" * BYTES})
                client.post("/v1/events", json=[hidden] * ARRAY).raise_for_status()
        yield running


@pytest.mark.parametrize(
    "path",
    [
        "/v1/activity",
        "/v1/activity?limit=1",
        "/v1/activity/new?since=0",
        "/v1/topics/user:alice/activity",
        "/v1/topics/user:alice/new?since=0",
    ],
)
def test_hidden_events_are_passed_over_in_short_turns(server: AttackedServer, path: str) -> None:
    """They were read with their bodies on the event loop, 100 ms each time, and dropped. The public event is found."""
    server.reset()
    with httpx.Client(base_url=server.url, timeout=PATIENCE_S) as client:
        for _ in range(ASKED):
            reply = client.get(path)
            assert reply.status_code == 200, reply.text
            assert reply.json().get("count", len(reply.json().get("items", ()))) == 1
    server.assert_bounds(memory_mib=MEMORY_MIB, turn_ms=TURN_MS)
