"""Which core does what: the server has the first, the load client the second, so that neither takes the
other's time.
"""

import gc
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

SERVER, CLIENT = 0, 1
"""Places among the cores that this process may use."""


def pin(place: int, process: int = 0) -> None:
    """Keep a process (0: this one) on one core; does nothing where there is only one, or the system cannot pin.

    Threads that it has already made stay where they are.
    """
    if not hasattr(os, "sched_setaffinity"):
        return
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) > 1:
        os.sched_setaffinity(process, {cores[place % len(cores)]})


def measure_from(place: int) -> None:
    """Have this process on one core, and never pause to collect garbage: a pause of the client's, 30 ms with some hundred
    thousand objects, would be taken for one of the server's. It lives for seconds."""
    pin(place)
    gc.disable()


def run_on(place: int, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What a function of a module returns, run in a new process on one core."""
    with ProcessPoolExecutor(1, get_context("spawn"), measure_from, (place,)) as process:
        return process.submit(function, *args, **kwargs).result()
