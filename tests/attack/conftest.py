"""A development server under the probe for each module that needs no other."""

from collections.abc import Iterator

import pytest

from tests.attack.probe import AttackedServer, attacked_server


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AttackedServer]:
    """A development server, shared by the tests of a module."""
    with attacked_server(tmp_path_factory.mktemp("attacked")) as server:
        yield server


@pytest.fixture
def probed(running: AttackedServer) -> AttackedServer:
    """The same with nothing measured yet."""
    running.reset()
    return running
