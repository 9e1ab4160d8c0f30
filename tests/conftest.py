"""What holds for all tests."""

import os
import signal

from hypothesis import settings

from tests.folders import keep_in_memory

collect_ignore = [] if "BEHIND_NGINX" in os.environ else ["nginx"]
"""Tests of a program that no package brings have a command of their own, ``make nginx``."""

settings.register_profile("tests", deadline=None)
settings.load_profile("tests")  # none may depend on the speed of the machine


def pytest_configure() -> None:
    """Have the programs that tests start be interrupted. A shell that starts the tests in the background ignores interrupts
    on their behalf, every process below inherits that, and what a test interrupts would run on for ever."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    keep_in_memory()
