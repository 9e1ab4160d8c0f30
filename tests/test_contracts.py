"""The import contracts hold, and each of them can fail: a linter that is set up wrongly passes everything."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LINTER = Path(sys.executable).with_name("lint-imports")

PLANTS = {
    "a module that looks up": ("flow", "model.py", "import tidings.feeds"),
    "neighbours that meet": ("flow", "live/hub.py", "import tidings.commands"),
    "a module without a place": ("flow", "utils.py", ""),
    "a reader that knows its store": ("back-ends", "feeds.py", "import tidings.storage.memory"),
    "a client that knows its server": ("client-alone", "client/api.py", "import tidings.rules"),
    "a handler that writes to the log": ("thin-http", "http/auth.py", "import tidings.commit_queue"),
    "a handler that knows a projection": ("thin-http", "http/auth.py", "import tidings.projections.windows"),
    "a writer that reads": ("write-not-read", "commands.py", "import tidings.feeds"),
    "a projection that sends": ("write-not-read", "projections/runner.py", "import tidings.live"),
    "a writer that notifies readers": (
        "write-not-read",
        "storage/records.py",
        "import tidings.notifications",
    ),
    "a store that imports another": (
        "sibling-stores",
        "storage/memory/store.py",
        "import tidings.storage.sqlite",
    ),
    "a store with a part of another": (
        "sibling-stores",
        "storage/sqlite/db.py",
        "import tidings.storage.memory.state",
    ),
    "a projection that imports another": (
        "sibling-projections",
        "projections/notification_rendering.py",
        "import tidings.projections.windows",
    ),
    "a projection without a place": ("sibling-projections", "projections/utils.py", ""),
    "two modules in a cycle": ("no-cycles", "live/timer_wheel.py", "import tidings.live.hub"),
    "two commands in a cycle": ("no-cycles", "cli/options.py", "import tidings.cli.serve"),
    "a core with a driver": ("pure-core", "commit_queue.py", "import apsw"),
    "a core with a framework": ("pure-core", "feeds.py", "import starlette"),
    "a setting with a driver": ("pure-core", "config.py", "import sqlite3"),
}
"""What is wrong: the contract that has to say so, the file, the line that is added to it."""


def contracts() -> list[str]:
    """The ids of the contracts in pyproject.toml."""
    linter = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    return [contract["id"] for contract in linter["contracts"]]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the sources and of the contracts, to be spoilt."""
    copied = shutil.ignore_patterns("__pycache__", "*.egg-info", "*.gz")
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=copied)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def lint(tree: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Check a tree against its own contracts."""
    environ = os.environ | {"PYTHONPATH": str(tree / "src"), "COLUMNS": "200"}
    command = [str(LINTER), "--no-logo", "--no-cache", *options]
    return subprocess.run(command, cwd=tree, env=environ, capture_output=True, text=True, check=False)


def test_the_tree_keeps_every_contract(tree: Path) -> None:
    """What is planted below is the only thing wrong there."""
    result = lint(tree)
    assert result.returncode == 0, result.stdout + result.stderr
    assert f"Contracts: {len(contracts())} kept, 0 broken." in result.stdout


@pytest.mark.parametrize("wrong", PLANTS)
def test_a_planted_violation_is_found(tree: Path, wrong: str) -> None:
    """The contract that forbids it says so, by name of the planted import."""
    contract, file, line = PLANTS[wrong]
    planted = tree / "src" / "tidings" / file
    assert planted.exists() == bool(line)  # only the module without a place is new
    with planted.open("a") as source:
        source.write(f"\n{line}\n")
    result = lint(tree, "--contract", contract)
    assert result.returncode == 1, result.stdout + result.stderr
    assert "0 kept, 1 broken" in result.stdout
    found = line.removeprefix("import ") or "utils"
    # Of a cycle, only the last part of a name is printed.
    assert (f"-> .{found.rpartition('.')[2]} " if contract == "no-cycles" else found) in result.stdout


def test_every_contract_has_a_plant() -> None:
    """A contract that nobody has seen failing may be one that cannot."""
    assert {contract for contract, _, _ in PLANTS.values()} == set(contracts())


OUTER = {"cli", "http", "process", "server", "server_parts", "storage", "testing"}
"""What is not of the core: it knows the web framework, a database driver, or what does."""
SHARED = {"client", "hosts"}
"""The client, and what it shares with the server."""


def listed(contract: str, key: str) -> set[str]:
    """The modules that a contract lists under a key."""
    linter = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    (found,) = (one for one in linter["contracts"] if one["id"] == contract)
    return {module.removeprefix("tidings.") for module in found[key]}


def test_no_module_is_left_out() -> None:
    """The fault: contracts that list modules did not cover those that were added later, such as confirmations and marker."""
    top = ROOT / "src" / "tidings"
    modules = {path.stem for path in top.glob("*.py")} - {"__init__", "__main__"}
    modules |= {path.parent.name for path in top.glob("*/__init__.py")}
    assert listed("client-alone", "forbidden_modules") == modules - SHARED
    assert listed("pure-core", "source_modules") == modules - OUTER
