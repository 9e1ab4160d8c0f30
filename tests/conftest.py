"""What holds for all tests."""

import gc
import os
import signal
import ssl
from collections.abc import Generator
from functools import cache
from typing import Any

import httpx._config
import httpx._transports.default
import pytest
from hypothesis import HealthCheck, settings

from tests.folders import keep_in_memory

collect_ignore = [] if "BEHIND_NGINX" in os.environ else ["nginx"]
"""Tests of a program that no package brings have a command of their own, ``make nginx``."""

LONGEST = (
    "tests/simulation/test_simulation.py",
    "tests/property/test_machine.py",
    "tests/crash/test_power.py",
    "tests/crash/test_points.py",
    "tests/simulation/test_planted.py",
    "tests/crash/test_kill.py",
    "tests/replay/test_github.py",
    "tests/test_bench.py",
)
"""Modules with tests of many seconds, the longest first. A process that has one left at the end would work alone."""

settings.register_profile("tests", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tests")  # none may depend on the speed of the machine


@cache
def _trust(
    verify: ssl.SSLContext | str | bool, cert: Any, trust_env: bool, _: tuple[str | None, ...]
) -> ssl.SSLContext:
    return httpx._config.create_ssl_context(verify, cert, trust_env)


def share_certificates() -> None:
    """Load the certificates of the environment once, not again for each client that tests make of httpx: it takes 30 ms of
    processor time."""

    def trust(
        verify: ssl.SSLContext | str | bool = True, cert: Any = None, trust_env: bool = True
    ) -> ssl.SSLContext:
        named = tuple(os.environ.get(name) for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"))
        return _trust(verify, cert, trust_env, named)

    setattr(httpx._transports.default, "create_ssl_context", trust)  # noqa: B010 - it has a type of its own


def pytest_configure() -> None:
    """Have the programs that tests start be interrupted. A shell that starts the tests in the background ignores interrupts
    on their behalf, every process below inherits that, and what a test interrupts would run on for ever."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    keep_in_memory()
    share_certificates()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """The processes that run tests: one more than cores, since some tests wait for servers, and leave theirs idle."""
    return (os.cpu_count() or 1) + 1


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect without garbage collections: thousands of tests are made, and all of them stay."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest modules; all others keep their order."""
    first = {module: place for place, module in enumerate(LONGEST)}
    items.sort(key=lambda item: first.get(item.nodeid.partition("::")[0], len(LONGEST)))
