"""One server for all tests here; each test has its own users."""

from collections.abc import Iterator

import pytest

from tests.serving import serving
from tests.wire.people import KEY, SETTINGS
from tidings.client import Client


@pytest.fixture(scope="session")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server that asks for credentials."""
    with serving(tmp_path_factory.mktemp("client"), **SETTINGS) as address:
        yield address


@pytest.fixture
def app(url: str) -> Iterator[Client]:
    """The host application."""
    with Client(url, api_key=KEY) as client:
        yield client
