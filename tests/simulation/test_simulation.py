"""Seeded simulations of servers, networks and devices, judged by the same checkers as everything else."""

import pytest

from tests.simulation import simulation
from tests.simulation.effort import seeds


@pytest.mark.parametrize("seed", seeds())
def test_whatever_happens_everybody_is_told_everything_once(seed: int) -> None:
    """Through crashes, cuts, lost hints and everything else of its plan, each device ends with what the store has."""
    simulation.run(seed)
