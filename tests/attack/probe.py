"""A real server under a probe of its memory and of its event loop, for tests that attack it.

    with attacked_server(folder) as server:
        ...  # attack server.url
        server.assert_bounds(memory_mib=20, turn_ms=50)

The server is ``tidings serve`` in a process of its own (:mod:`tests.attack.launcher`). While the block lasts somebody else
asks it for ``/livez``, over and over, from an address of their own.
"""

import contextlib
import http.client
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from tests.attack.launcher import MARK
from tests.serving import START_S, address, environ, stop, within

ROOT = Path(__file__).parents[2]
LAUNCHER = Path(__file__).with_name("launcher.py")
LONG = os.environ.get("ATTACK") == "all"
"""Whether attacks take their long form, as in ``make attack``."""
TURN_MS = 50.0
"""Milliseconds of processor time for which one callback may keep everybody else waiting."""
BYSTANDER = "127.0.0.2"
"""The address of who asks for ``/livez``: not the attacker's. All of 127.0.0.0/8 is this machine, on Linux."""
PATIENCE_S = 30
"""How long ``/livez`` may take on however slow a machine; a server that is stuck takes for ever."""
EVERY_S = 0.02
"""The pause between two such questions."""
FAULTS = ("Traceback", "a request failed", "Exception in")
"""What the log of a server has only when something went wrong in it."""


class Report(NamedTuple):
    """What the probe saw since the last reset: by how much the resident memory grew at its peak (MiB); the processor time
    of the longest callback of the loop, and of its longest pass over all that was due (milliseconds, scaled to the machine
    that the bounds were chosen on); whose callback the longest was; and the scale."""

    memory_mib: float
    turn_ms: float
    pass_ms: float
    what: str
    scale: float


class Bystander:
    """Somebody who asks for ``/livez`` while others attack, by a connection of its own each time."""

    def __init__(self, host: str, port: int, path: str) -> None:
        self._server, self._path = (host, port), path
        self._over = threading.Event()
        self._counted = threading.Condition()
        self._thread = threading.Thread(target=self._ask, name="bystander")
        self.answered = 0
        self.failures: list[str] = []

    def start(self) -> None:
        """Begin to ask."""
        self._thread.start()

    def end(self) -> None:
        """Ask no more."""
        self._over.set()
        self._thread.join()

    def wait(self, answers: int = 1) -> None:
        """Wait for so many further answers. Raises AssertionError when they do not come."""
        with self._counted:
            wanted = self.answered + answers
            came = self._counted.wait_for(lambda: self.answered >= wanted or bool(self.failures), PATIENCE_S)
        assert came, f"/livez is not answered within {PATIENCE_S} s"
        assert not self.failures, f"/livez: {self.failures[0]}"

    def _ask(self) -> None:
        while not self._over.wait(EVERY_S):
            try:
                failure = self._failure()
            except (OSError, http.client.HTTPException) as error:
                failure = repr(error)
            with self._counted:
                self.answered += not failure
                self.failures += [failure] if failure else []
                self._counted.notify_all()

    def _failure(self) -> str:
        with contextlib.closing(
            http.client.HTTPConnection(*self._server, timeout=PATIENCE_S, source_address=(BYSTANDER, 0))
        ) as connection:
            connection.request("GET", self._path)
            reply = connection.getresponse()
            reply.read()
        return "" if reply.status == 200 else f"answered {reply.status}"


class AttackedServer:
    """A server under the probe. ``url`` is its base address, ``port`` where it listens on 127.0.0.1; ``process`` the
    server itself, ``bystander`` who asks for ``/livez``."""

    def __init__(self, url: str, process: "subprocess.Popen[str]", log: Path) -> None:
        self.url = url
        self.process = process
        self.port = urlsplit(url).port or 0
        self._log = log
        self.bystander = Bystander("127.0.0.1", self.port, urlsplit(url).path + "/livez")

    def reset(self) -> None:
        """Measure from now on: what is set up before an attack is not part of it."""
        self.order("reset")

    def report(self) -> Report:
        """What was measured since the last reset."""
        return self.order("report")

    def sample(self, name: str) -> float:
        """The value of a metric now, labels included in its name; 0 when it is not there yet."""
        return float(self._ask(f"sample {name}"))

    def order(self, command: str) -> Report:
        """Send a command to the launcher, and return the report that answers it."""
        return Report(**self._ask(command))

    def _ask(self, command: str) -> Any:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        for line in self.process.stdout:
            if line.startswith(MARK):
                return json.loads(line.removeprefix(MARK))
        raise AssertionError(f"the server ended with {self.process.wait()}: {self._log.read_text()}")

    def log(self) -> str:
        """What the server wrote to its standard error."""
        return self._log.read_text()

    def assert_bounds(
        self, *, memory_mib: float, turn_ms: float = TURN_MS, pass_ms: float | None = None
    ) -> Report:
        """Assert that memory grew by no more than ``memory_mib`` at any moment, that no callback took the loop for over
        ``turn_ms`` (nor one pass of it for over ``pass_ms``, where many small things at once are the attack), that
        ``/livez`` is and was answered, and that the log tells of no fault."""
        self.bystander.wait(2)  # the first may have been under way before the attack was over
        report = self.report()
        if report.turn_ms > turn_ms or (pass_ms is not None and report.pass_ms > pass_ms):
            report = self.order("rescale")  # processors change their pace; to measure it takes 25 ms
        assert report.memory_mib <= memory_mib, f"memory grew by more than {memory_mib} MiB: {report}"
        assert report.turn_ms <= turn_ms, f"a turn of the loop took over {turn_ms} ms: {report}"
        assert pass_ms is None or report.pass_ms <= pass_ms, f"a pass took over {pass_ms} ms: {report}"
        assert not any(fault in self.log() for fault in FAULTS), self.log()
        return report


@contextmanager
def attacked_server(folder: Path, *flags: str, **settings: str) -> Iterator[AttackedServer]:
    """``tidings serve --dev`` under the probe, with its store in ``folder``; with ``settings`` (``TIDINGS_…``) a server
    without ``--dev``. Measures from when it is ready."""
    mode = () if settings else ("--dev",)
    command = [sys.executable, str(LAUNCHER), "serve", *mode, "--port", "0", *flags]
    env = environ() | settings | {"PYTHONPATH": str(ROOT)}
    log = folder / "stderr.log"
    with (
        log.open("w") as errors,
        subprocess.Popen(
            command,
            cwd=folder,
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as process,
    ):
        try:
            server = AttackedServer(within(START_S, process, lambda: address(process)), process, log)
            with _watched(server):
                server.reset()
                yield server
        finally:
            stop(process)


@contextmanager
def _watched(server: AttackedServer) -> Iterator[None]:
    server.bystander.start()
    try:
        server.bystander.wait()
        yield
    finally:
        server.bystander.end()
