"""The probe finds what it is there for: each fault is planted, and must be caught."""

from pathlib import Path

import httpx
import pytest

from tests.attack.probe import AttackedServer, attacked_server

LONG_MS, SHORT_MS = 100, 5
HARDLY_MS = 1
LARGE_MIB, SMALL_MIB = 64, 32


def test_ordinary_use_keeps_the_bounds(probed: AttackedServer) -> None:
    """Events and pages neither grow the server nor stop its loop."""
    with httpx.Client(base_url=probed.url) as client:
        for number in range(50):
            event = {"actor_id": "alice", "verb": "v", "object_type": "o", "object_id": str(number)}
            assert client.post("/v1/events", json=event).status_code == 201
            assert client.get("/v1/activity").status_code == 200
    assert probed.assert_bounds(memory_mib=SMALL_MIB).turn_ms > 0


def test_a_long_turn_is_caught(probed: AttackedServer) -> None:
    """One callback over the bound fails the assertion, which names the callback."""
    probed.order(f"burn {LONG_MS}")
    with pytest.raises(AssertionError, match=r"turn .*_burn"):
        probed.assert_bounds(memory_mib=SMALL_MIB)


def test_many_short_turns_are_no_long_one(probed: AttackedServer) -> None:
    """Only who keeps all others waiting is blamed; a pass of the loop has a bound of its own, where one is asked for."""
    for _ in range(20):
        probed.order(f"burn {SHORT_MS}")
    assert probed.assert_bounds(memory_mib=SMALL_MIB).pass_ms >= HARDLY_MS
    with pytest.raises(AssertionError, match="pass"):
        probed.assert_bounds(memory_mib=SMALL_MIB, pass_ms=HARDLY_MS)


def test_growth_is_caught(probed: AttackedServer) -> None:
    """Memory over the bound fails the assertion."""
    probed.order(f"hold {LARGE_MIB}")
    with pytest.raises(AssertionError, match="memory"):
        probed.assert_bounds(memory_mib=SMALL_MIB)


def test_each_measurement_begins_anew(probed: AttackedServer) -> None:
    """What an attack did is not charged to the next."""
    probed.order(f"hold {LARGE_MIB}")
    probed.order(f"burn {LONG_MS}")
    probed.bystander.wait(2)
    probed.reset()
    probed.assert_bounds(memory_mib=SMALL_MIB)


def test_a_server_that_is_gone_is_caught(tmp_path: Path) -> None:
    """A killed server fails the wait for /livez."""
    with attacked_server(tmp_path) as server:
        server.process.kill()
        with pytest.raises(AssertionError, match="/livez"):
            server.bystander.wait(2)
