"""How much of the crash suite is run, and how a failure is repeated.

``make test`` runs a sample that is always the same; ``CRASH=all``, as in ``make crash``, everything; and
``CRASH_SEED=7`` one seed alone.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

ALL = os.environ.get("CRASH") == "all"


def seeds(some: int, all_of_them: int) -> list[int]:
    """The seeds to run out of ``all_of_them``: in a normal run ``some``, evenly spread."""
    if "CRASH_SEED" in os.environ:
        return [int(os.environ["CRASH_SEED"])]
    return list(range(0, all_of_them, 1 if ALL else all_of_them // some))


@contextmanager
def repeatable(seed: int, test: str) -> Iterator[None]:
    """A failure inside says the one command that repeats it."""
    try:
        yield
    except BaseException as error:
        error.add_note(f"Again: CRASH_SEED={seed} .venv/bin/python -m pytest tests/crash/{test}")
        raise
