"""Seeded simulations of servers, networks and devices, judged by the same checkers as everything else."""

import pytest

from tests.simulation import simulation
from tests.simulation.effort import SEEDS, seeds
from tests.simulation.runs import many
from tests.simulation.stats import Tally
from tests.simulation.store import SHAKEN
from tidings.testing import MemoryStore

SHOWN = 3
"""Failures that are shown in full."""


def test_whatever_happens_everybody_is_told_everything_once() -> None:
    """Through crashes, cuts, lost hints and everything else of its plan, each device ends with what the store has; and
    all the plans together leave nothing out."""
    which, tally, failures = seeds(), Tally(), list[str]()
    if len(which) == 1:
        simulation.run(which[0])  # in this process, where a debugger sees it
        return
    for run in many(which):
        tally.update(run.tally)
        failures += [run.failure] if run.failure else []
    if failures:
        pytest.fail(f"{len(failures)} seeds failed.\n" + "\n".join(failures[:SHOWN]), pytrace=False)
    assert len(which) < SEEDS or not tally.missing(), f"never seen: {tally.missing()}\n{tally}"


def test_the_reads_that_are_shaken_exist() -> None:
    """The fault: one was renamed, and was read in time and without failure from then on."""
    assert [name for name in SHAKEN if not callable(getattr(MemoryStore, name, None))] == []
