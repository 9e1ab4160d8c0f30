"""``python -m tests.simulation``, as in ``make simulate``: many seeds on all cores, with progress. ``SEEDS=2000`` as many,
``SEED=7`` that one alone."""

import multiprocessing
import os
import sys
import time
import traceback
from typing import NamedTuple

from tests.simulation import simulation
from tests.simulation.effort import seeds

MANY = 10_000
"""Seeds of a thorough run: some ten minutes on two cores."""
EVERY_S = 10.0
"""Between two lines of progress."""
SHOWN = 5
"""Failures that are shown in full; there are seldom so many causes."""


class Run(NamedTuple):
    """What became of a seed: "" or the failure."""

    seed: int
    failure: str


def run(seed: int) -> Run:
    """Simulate one."""
    try:
        simulation.run(seed)
    except BaseException:  # a failure of any kind is one
        return Run(seed, traceback.format_exc())
    return Run(seed, "")


def main() -> int:
    """Run them all; the number of failures decides the exit status."""
    which = seeds(MANY)
    failed: list[int] = []
    begun = shown = time.monotonic()
    with multiprocessing.Pool(os.cpu_count()) as pool:
        for done, (seed, failure) in enumerate(pool.imap_unordered(run, which, chunksize=8), 1):
            if failure:
                failed.append(seed)
                print(failure if len(failed) <= SHOWN else f"seed {seed} fails too", flush=True)
            if time.monotonic() - shown >= EVERY_S or done == len(which):
                shown = time.monotonic()
                print(
                    f"{done:,} of {len(which):,} seeds, {len(failed)} failed, {shown - begun:.0f} s",
                    flush=True,
                )
    print(f"failed: {sorted(failed)}" if failed else "all hold")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
