"""Tests wait for the processes that they start, and for no longer than they say. The fault: a process that did not end was
waited for without an end, by the ``with`` that had started it."""

import subprocess
import sys

import pytest

from tests.serving import stop, within

DEAF = (
    "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); signal.pause()"
)
PATIENCE_S = 60


def test_a_process_that_ignores_its_end_is_killed_and_named() -> None:
    """The failure says which process was waited for."""
    with subprocess.Popen([sys.executable, "-c", DEAF], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert within(PATIENCE_S, process, process.stdout.readline) == "ready\n"
        with pytest.raises(AssertionError, match=r"signal\.pause.* did not end within 0\.01 s of a SIGTERM"):
            stop(process, 0.01)


def test_output_that_does_not_come_is_not_waited_for() -> None:
    """The process is killed, and the failure says which one it was."""
    with subprocess.Popen([sys.executable, "-c", DEAF], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        with pytest.raises(
            AssertionError, match=r"signal\.pause.* was killed: a wait for it took over 0\.01 s"
        ):
            within(0.01, process, process.stdout.read)
