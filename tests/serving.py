"""A real server in a process of its own, for tests that speak HTTP or run commands against it."""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

READY = re.compile(r"listens on (http://\S+)")
START_S = 60
"""How long a server may take to be ready, its sample loaded, before it is ended and the test fails."""
STOP_S = 30
"""How long a stopping server may take before it is killed and the test fails."""


def environ() -> dict[str, str]:
    """The environment without settings of the machine that runs the tests. Tests publish alike events again and again, and
    each is to notify."""
    others = {name: value for name, value in os.environ.items() if not name.startswith("TIDINGS_")}
    return others | {"TIDINGS_DUPLICATE_WINDOW_S": "0"}


@contextmanager
def serving(folder: Path, *flags: str, until: str = "", **settings: str) -> Iterator[str]:
    """The address of ``tidings serve --dev`` with its store in ``folder``; with ``settings`` (``TIDINGS_…``)
    of a server without ``--dev``.

    It is handed over when the server says that it listens, or with ``until``, when it has said that.
    """
    mode = () if settings else ("--dev",)
    command = [sys.executable, "-m", "tidings", "serve", *mode, "--port", "0", *flags]
    env = environ() | settings
    with subprocess.Popen(command, cwd=folder, env=env, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield within(START_S, process, lambda: address(process, until))
        finally:
            stop(process)


def stop(process: subprocess.Popen[str], seconds: float = STOP_S) -> None:
    """Ask a process to end, and wait for that. Raises AssertionError with its command when it has to be killed: a
    ``with subprocess.Popen(…)`` would wait for it without an end."""
    process.terminate()
    try:
        process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        raise AssertionError(f"{process.args!r} did not end within {seconds} s of a SIGTERM") from None


def within(seconds: float, process: subprocess.Popen[str], wait: Callable[[], T]) -> T:
    """What ``wait`` returns. When that takes too long, the process is killed, so that its output ends, and AssertionError
    raised with its command."""
    late = threading.Event()

    def kill() -> None:
        late.set()
        process.kill()

    limit = threading.Timer(seconds, kill)
    limit.start()
    try:
        return wait()
    finally:
        limit.cancel()
        assert not late.is_set(), f"{process.args!r} was killed: a wait for it took over {seconds} s"


def address(process: subprocess.Popen[str], until: str = "") -> str:
    """Where a server listens, once it says so, and with ``until`` when it has said that too."""
    assert process.stdout is not None
    url = ""
    for line in process.stdout:
        if found := READY.search(line):
            url = found[1]
        if url and until in line:
            return url
    raise AssertionError(f"the server ended with {process.wait()} before it was ready")
