"""``python -m tests.simulation``, as in ``make simulate``: many seeds on all cores, with progress. ``SEEDS=2000`` as many,
``SEED=7`` that one alone."""

import sys
import time

from tests.simulation.effort import seeds
from tests.simulation.runs import many
from tests.simulation.stats import Tally

MANY = 10_000
"""Seeds of a thorough run: a quarter of an hour on two cores."""
DISCONNECTS = 100_000
"""Streams that a thorough run has to see end, or it was none."""
EVERY_S = 10.0
"""Between two lines of progress."""
SHOWN = 5
"""Failures that are shown in full; there are seldom so many causes."""


def main() -> int:
    """Run them all. The exit status is 1 when a seed failed, or when all of them together disturbed too little."""
    which, failed, tally = seeds(MANY), list[int](), Tally()
    begun = shown = time.monotonic()
    for done, (seed, failure, story) in enumerate(many(which), 1):
        tally.update(story)
        if failure:
            failed.append(seed)
            print(failure if len(failed) <= SHOWN else f"seed {seed} fails too", flush=True)
        if time.monotonic() - shown >= EVERY_S:
            shown = time.monotonic()
            print(_progress(done, len(which), len(failed), tally, shown - begun), flush=True)
    print(_progress(len(which), len(which), len(failed), tally, time.monotonic() - begun))
    print(tally)
    wrong = _wrong(len(which), failed, tally)
    print(wrong or "all hold: zero unannounced gaps, zero duplicates")
    return 1 if wrong else 0


def _progress(done: int, of: int, failed: int, tally: Tally, seconds: float) -> str:
    rate = done / seconds if seconds else 0.0
    disconnects = tally.of("disconnect")
    return f"{done:,} of {of:,} seeds, {failed} failed, {disconnects:,} disconnects, {rate:.1f} seeds/s, {seconds:.0f} s"


def _wrong(done: int, failed: list[int], tally: Tally) -> str:
    """What is not as it must be; "" when everything is."""
    if failed:
        return f"failed: {sorted(failed)}"
    if done >= MANY and tally.of("disconnect") < DISCONNECTS:
        return (
            f"only {tally.of('disconnect'):,} disconnects, and not {DISCONNECTS:,}: too little was disturbed"
        )
    if done >= MANY and tally.missing():
        return f"never seen: {', '.join(tally.missing())}"
    return ""


if __name__ == "__main__":
    sys.exit(main())
