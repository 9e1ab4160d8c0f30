"""The whole corpus of bad input, under the probe: a refusal is as short a turn as an answer."""

from pathlib import Path

import httpx

from tests.attack.probe import attacked_server
from tests.wire.test_bad_input import CASES

MEMORY_MIB = 64
"""What all of it together may grow the server by: some bodies are as large as they may be."""


def test_no_refusal_keeps_others_waiting(tmp_path: Path) -> None:
    """Whatever is wrong: it is found, and said, within a turn that nobody notices."""
    with attacked_server(tmp_path) as server, httpx.Client(base_url=server.url, timeout=60) as client:
        for case in CASES:
            reply = client.request(case.method, case.path, content=case.body, headers=case.headers)
            assert reply.status_code == case.status, case.name
        server.assert_bounds(memory_mib=MEMORY_MIB)
