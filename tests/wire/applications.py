"""An application with a server of its own, whose memory is bounded."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.attack.probe import attacked_server
from tests.wire.people import KEY, SETTINGS, bearer

GROWTH_MIB = 64


@contextmanager
def application(folder: Path, **settings: str) -> Iterator[httpx.Client]:
    """A client with the API key of a server with these settings, which grows by no more than GROWTH_MIB."""
    with (
        attacked_server(folder, **SETTINGS, **settings) as server,
        httpx.Client(base_url=server.url, headers=bearer(KEY), timeout=60) as client,
    ):
        yield client
        server.assert_bounds(memory_mib=GROWTH_MIB)
