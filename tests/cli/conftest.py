"""A server shared by the commands of one module, and a way to run them in this process."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.serving import environ, serving
from tidings.cli import main

Run = Callable[..., Result]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a dev server that is empty at first."""
    with serving(tmp_path_factory.mktemp("server")) as url:
        yield url


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """``run("serve", "--dev", TIDINGS_PORT="1")``: a command in an empty folder with only these settings; ``input`` is what
    it reads from standard input."""
    monkeypatch.chdir(tmp_path)

    def invoke(*arguments: str, input: str = "", **settings: str) -> Result:
        monkeypatch.setattr("os.environ", environ() | settings)
        return CliRunner().invoke(main, arguments, input)

    return invoke
