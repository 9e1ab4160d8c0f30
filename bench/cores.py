"""Which core does what: the server has the first, the load client the second, so that neither takes the
other's time.
"""

import os

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
