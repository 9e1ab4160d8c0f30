"""What the simulation is worth: it finds mistakes that were made on purpose, and does the same twice."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation import simulation
from tests.simulation.planted import PLANTED

ROOT = Path(__file__).parent.parent.parent
ENOUGH = 250
"""Seeds within which each violation must be found: fewer than a normal run has."""
TWICE = (3, 17, 40)
"""Seeds that are run again."""


@pytest.mark.parametrize("what", PLANTED)
def test_a_planted_violation_is_found(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each breaks one law; a few seeds are enough to see it."""
    monkeypatch.setattr(*PLANTED[what])
    assert any(_fails(seed) for seed in range(ENOUGH)), f"{what} was not found"


def _fails(seed: int) -> bool:
    try:
        simulation.run(seed)
    except AssertionError:
        return True
    return False


def test_the_same_seed_is_the_same_story() -> None:
    """Whatever was drawn, in whatever order things are hashed: what happened, and when, is a function of the seed."""
    here = [simulation.run(seed).fingerprint for seed in TWICE]
    assert here == [simulation.run(seed).fingerprint for seed in TWICE]
    assert here == _elsewhere("1") == _elsewhere("2")
    assert len(set(here)) == len(TWICE)


def _elsewhere(hash_seed: str) -> list[str]:
    """The same in a process that hashes otherwise."""
    code = f"from tests.simulation import simulation\nfor seed in {TWICE}: print(simulation.run(seed).fingerprint)"
    environ = os.environ | {"PYTHONHASHSEED": hash_seed}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environ, capture_output=True, check=True
    )
    return done.stdout.decode().split()
