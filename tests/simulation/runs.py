"""Many seeds, on all cores."""

import gc
import multiprocessing
import os
import traceback
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tests.simulation import simulation
from tests.simulation.stats import Tally
from tidings.process import GC_THRESHOLDS

AT_ONCE = 4
"""Seeds given to a core at a time: few, since a crowd takes as long as fifty others."""


class Run(NamedTuple):
    """What became of a seed: ``failure`` is "" or says it all."""

    seed: int
    failure: str
    tally: Tally


def run(seed: int) -> Run:
    """Simulate one."""
    try:
        return Run(seed, "", simulation.run(seed).tally)
    except BaseException:  # a failure of any kind is one
        return Run(seed, traceback.format_exc(), Tally())


def many(which: Sequence[int]) -> Iterator[Run]:
    """Simulate these, and say of each what became of it, in whatever order they end."""
    with multiprocessing.get_context("spawn").Pool(os.cpu_count(), gc.set_threshold, GC_THRESHOLDS) as pool:
        yield from pool.imap_unordered(run, which, AT_ONCE)
