"""One server with credentials and one for development, shared by all tests here; each test has its own users.

A module that needs a server of its own replaces ``url``, and the clients ask that one.
"""

import re
from collections.abc import Iterator

import httpx
import pytest

from tests.serving import serving
from tests.wire.people import KEY, SETTINGS, bearer

TIMEOUT_S = 30


@pytest.fixture
def user(request: pytest.FixtureRequest) -> str:
    """A user of this test's own."""
    return re.sub(r"\W+", "-", str(request.node.name))


@pytest.fixture(scope="session")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server that asks for credentials."""
    with serving(tmp_path_factory.mktemp("wire"), **SETTINGS) as address:
        yield address


@pytest.fixture(scope="module")
def anybody(url: str) -> Iterator[httpx.Client]:
    """A client without a credential."""
    with httpx.Client(base_url=url, timeout=TIMEOUT_S) as client:
        yield client


@pytest.fixture(scope="module")
def app(url: str) -> Iterator[httpx.Client]:
    """A client with an API key: the host application."""
    with httpx.Client(base_url=url, timeout=TIMEOUT_S, headers=bearer(KEY)) as client:
        yield client


@pytest.fixture(scope="session")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of a development server."""
    with (
        serving(tmp_path_factory.mktemp("dev")) as address,
        httpx.Client(base_url=address, timeout=TIMEOUT_S) as client,
    ):
        yield client
