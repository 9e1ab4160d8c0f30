"""What we build on within uvicorn, which promises none of it, is as it was when we built on it."""

import hashlib
import inspect
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

ROOT = Path(__file__).parents[3]
KNOWN = {
    HttpToolsProtocol: "18fdf324b11bf160",
    RequestResponseCycle: "e67d470d435dcc1c",
    FlowControl: "126debcdaa894c83",
    uvicorn.Server: "06e799f7c58f8be6",
}
"""Digests of the classes that protocol.py, websocket.py and process.py replace parts of, or reach into."""


@pytest.mark.parametrize("of", KNOWN, ids=lambda of: str(of.__name__))
def test_uvicorn_is_as_we_know_it(of: type[Any]) -> None:
    """Whoever raises the bound on uvicorn reads what has changed in these classes first, then writes the new digest here."""
    found = hashlib.sha256(inspect.getsource(of).encode()).hexdigest()[:16]
    assert found == KNOWN[of], (
        f"uvicorn {version('uvicorn')} changed {of.__module__}.{of.__name__}: compare it with what "
        f"tidings.http.protocol, tidings.http.websocket and tidings.process make of it, then put {found} into KNOWN"
    )


def test_uvicorn_is_bounded() -> None:
    """No version that nobody has looked at is installed."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (bound,) = (line for line in project["dependencies"] if line.startswith("uvicorn"))
    assert ",<" in bound
    assert tuple(map(int, version("uvicorn").split(".")[:2])) < tuple(
        map(int, bound.rpartition("<")[2].split("."))
    )
