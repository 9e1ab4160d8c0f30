"""Many clients ask for large answers at the same moment: each pass of the event loop makes a few of them."""

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
