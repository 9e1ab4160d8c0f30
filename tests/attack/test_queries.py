"""Queries as long and as laborious as a request's head can hold: none keeps the others waiting, whoever sends it."""

import pytest

from tests.attack.attacker import KIB, attacking, head
from tests.attack.probe import AttackedServer
from tidings.http.params import MAX_QUERY_BYTES, MAX_QUERY_PARAMETERS

QUERY_BYTES = 60 * KIB
"""Nearly all that a head may have."""
TOGETHER = 8
"""Such requests that arrive at one moment."""
MEMORY_MIB = 24
TURN_MS = 15.0
"""Milliseconds of processor time of one such request; an ordinary one takes 1."""
PASS_MS = 50.0
"""Milliseconds of processor time of one pass of the loop, in which all of them may arrive."""
PARTS = {
    "names": b"a&",
    "values": b"a=&",
    "nothing": b"&",
    "blanks": b"+&",
    "no UTF-8": b"a=%ff&",
    "percent signs": b"a=%&",
    "escapes": b"%41",
    "letters": b"a",
    "long filter": b"cursor=a,",
}
PATHS = ("/livez", "/", "/docs", "/v1/confirm", "/v1/feed")


def long_query(part: bytes) -> str:
    """The part over and over."""
    return (part * (QUERY_BYTES // len(part))).decode()


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)
def test_a_long_query_takes_no_long_turn(probed: AttackedServer, part: bytes, path: str) -> None:
    """Each of its parameters was read, judged and told, twice, before the first twenty errors were kept: 60 KB without any
    credential took the loop for 150 ms."""
    refused(probed, f"{path}?{long_query(part)}")


@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)
@pytest.mark.parametrize("path", ["/livez", "/v1/feed"])
def test_a_query_within_its_bounds_takes_no_long_turn(probed: AttackedServer, part: bytes, path: str) -> None:
    """Neither does one that is taken apart, with as many parameters and bytes as are accepted."""
    each = MAX_QUERY_BYTES // MAX_QUERY_PARAMETERS - 1
    parameter = (part.rstrip(b"&") * each)[:each] or b"x"
    refused(probed, f"{path}?{b'&'.join([parameter] * MAX_QUERY_PARAMETERS).decode()}")


@pytest.mark.parametrize("name", ["verb", "topic"])
@pytest.mark.parametrize("value", [",", "-,", "a,", "\\,,"])
def test_many_values_of_a_filter_take_no_long_turn(probed: AttackedServer, name: str, value: str) -> None:
    """All 16,000 were read, several times, before they were counted: 120 ms."""
    refused(probed, f"/v1/activity?{name}={value * ((MAX_QUERY_BYTES - 20) // len(value))}")


def refused(probed: AttackedServer, path: str) -> None:
    """Assert that several such requests at once are each refused in a short turn."""
    request = head(path, "Connection: close", method="GET")
    with attacking(probed, TOGETHER) as attackers:
        for attacker in attackers:
            attacker.send(request)
        statuses = {attacker.received().split(b" ", 2)[1] for attacker in attackers}
    assert statuses == {b"400"}
    probed.assert_bounds(memory_mib=MEMORY_MIB, turn_ms=TURN_MS, pass_ms=PASS_MS)
