"""A real server that is killed: no signal handler runs, nothing is flushed, no file is closed."""

import random
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from tests.serving import START_S, STOP_S, address, environ, within

FLAGS = {
    "fan-out": "worker",
    "fanout-sync-max-followers": 20,
    "fanout-read-threshold-rows-per-s": 60,
    "sqlite-partition-rows": 200,
    "sqlite-event-partition-rows": 300,
    "max-batch-events": 50,
}
"""Settings under which a few hundred events take every large path: owed fan-out, topics that become hot, partitions
that are begun and merged."""
START_TAKES_S = 0.3
"""Roughly how long a start takes: where in it an unlucky one is killed is a random part of this."""


@contextmanager
def started(
    path: Path, *more: str, errors: IO[str] | None = None, program: Sequence[str] = ("-m", "tidings")
) -> Iterator[subprocess.Popen[str]]:
    """The process of a server on this store, which is killed with the block if not before; ``errors`` takes what it says
    on standard error. ``program``: the arguments of Python that run tidings."""
    flags = [f"--{name}={value}" for name, value in FLAGS.items()]
    command = [
        sys.executable,
        *program,
        "serve",
        "--dev",
        "--port=0",
        f"--store=sqlite:///{path}",
        *flags,
        *more,
    ]
    with subprocess.Popen(
        command, cwd=path.parent, env=environ(), stdout=subprocess.PIPE, stderr=errors, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()
            process.communicate(timeout=STOP_S)


@contextmanager
def serving(
    path: Path, *more: str, errors: IO[str] | None = None, program: Sequence[str] = ("-m", "tidings")
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The address of such a server, and its process."""
    with started(path, *more, errors=errors, program=program) as process:
        yield within(START_S, process, lambda: address(process)), process


def kill_while_starting(path: Path, chance: random.Random) -> None:
    """Start a server and kill it at a random moment of its start, when it may just repair the file."""
    with started(path) as process, suppress(subprocess.TimeoutExpired):
        process.wait(timeout=chance.random() * START_TAKES_S)
