"""Clients that ask for large pages and do not read them."""

from collections.abc import Iterator

import httpx
import pytest

from tests.attack.attacker import SOCKETS, attacking, head
from tests.attack.probe import LONG, AttackedServer, attacked_server
from tests.wire.people import KEY, SETTINGS, bearer, event

OWN_ADDRESS = {"TIDINGS_TRUSTED_PROXIES": "192.0.2.1"}
FEW = {"TIDINGS_MAX_UNSENT_MIB_PER_ADDRESS": "8", "TIDINGS_MAX_UNSENT_MIB": "16"}
AUTHORIZED = f"Authorization: Bearer {KEY}"
LARGE = 20
PAGE = "/v1/activity?limit=100"
READERS = 4 * SOCKETS if LONG else 2 * SOCKETS
TRIES = 500
"""Requests until one of them has to be refused: the attackers' are answered long before, on however slow a machine."""
CONNECTION_KIB = 40
"""What a connection takes with eight requests begun on it; measured: 14 with one of them, 33 with eight."""
MEMORY_MIB = 8 + 24 + READERS * CONNECTION_KIB / 1_024
"""What may wait for one address, what is under way, and the connections."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AttackedServer]:
    """A server with some large events."""
    with attacked_server(tmp_path_factory.mktemp("slow"), **SETTINGS, **OWN_ADDRESS, **FEW) as running:
        with httpx.Client(base_url=running.url, headers=bearer(KEY)) as client:
            for n in range(LARGE):
                sent = event(object_id=str(n), description="\u2603" * 5_000, metadata={"text": "x" * 15_000})
                assert client.post("/v1/events", json=sent).is_success
        yield running


def test_pages_that_nobody_reads_are_bounded_in_all(server: AttackedServer) -> None:
    """Each connection was given a copy of its page, however many waited: now an address is told 429."""
    server.reset()
    with attacking(server, READERS) as attackers:
        for attacker in attackers:
            attacker.send(head(PAGE, AUTHORIZED, method="GET") * 8)
        server.bystander.wait(3)
        with httpx.Client(
            base_url=server.url, headers=bearer(KEY), transport=httpx.HTTPTransport(local_address="127.0.0.9")
        ) as other:
            assert other.get(PAGE).status_code == 200
        with httpx.Client(base_url=server.url, headers=bearer(KEY)) as same:
            for n in range(TRIES):  # until more has been answered than the kernel takes
                if (refused := same.get(PAGE)).status_code != 200:
                    break
                attackers[n % len(attackers)].send(head(PAGE, AUTHORIZED, method="GET"))
                server.bystander.wait(1)
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) > 0
        assert refused.json()["type"] == "urn:tidings:problem:too-many-requests"
        server.assert_bounds(memory_mib=MEMORY_MIB)


def test_what_nobody_reads_any_more_is_given_back(server: AttackedServer) -> None:
    """When the slow connections have gone, the address is served as before."""
    with httpx.Client(base_url=server.url, headers=bearer(KEY)) as client:
        for _ in range(LARGE):
            if (reply := client.get(PAGE)).status_code == 200:
                break
            server.bystander.wait(3)
        assert reply.status_code == 200
