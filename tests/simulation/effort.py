"""Which seeds are run, and how a failure is repeated: ``SEEDS=10000`` as many, ``SEED=7`` that one alone."""

import os

SEEDS = 500
"""Seeds of a normal run: less than a minute on two cores."""


def seeds(usual: int = SEEDS) -> range:
    """The seeds to run."""
    if "SEED" in os.environ:
        one = int(os.environ["SEED"])
        return range(one, one + 1)
    return range(int(os.environ.get("SEEDS", usual)))


def command(seed: int) -> str:
    """What repeats a seed."""
    return f"SEED={seed} .venv/bin/python -m pytest tests/simulation/test_simulation.py"
