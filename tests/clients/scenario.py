"""What clients under test live through: a server that dies and comes back, and publishers that never stop.

Publishers repeat what was not acknowledged under the same idempotency key, so that they know exactly what they said.
"""

import itertools
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from bench.server import free_port
from tests.serving import START_S, STOP_S, address, environ, within
from tests.wire.people import event

PATIENCE_S = 30
"""How long anything may take to come before the test goes on to judge what has."""
EVIL = 'x\r\n\r\nevent: reset\ndata: {}\nid: 9\n\n\u2028id: 9\u2029\u0085\0"}'
"""A title with whatever some client might take for the end of a line, or of a frame."""
READ_EVERY = 5
"""One notification in so many is marked read at once, so that marks are among what is told."""


class Server:
    """A server that keeps its address and its file through everything."""

    def __init__(self, folder: Path, *flags: str) -> None:
        self._folder = folder
        self._flags = flags
        self._process: subprocess.Popen[str] | None = None
        self.up = threading.Event()
        self.url = f"http://127.0.0.1:{free_port()}"  # which nobody else is given while the server is away

    def start(self) -> None:
        """Start it, and wait until it answers."""
        port = self.url.rpartition(":")[2]
        command = [sys.executable, "-m", "tidings", "serve", "--dev", f"--port={port}", *self._flags]
        process = self._process = subprocess.Popen(
            command, cwd=self._folder, env=environ(), stdout=subprocess.PIPE, text=True
        )
        within(START_S, process, lambda: address(process))
        self.up.set()

    def end(self, how: signal.Signals) -> None:
        """End it with this signal, and wait until it is gone."""
        self.up.clear()
        if self._process is not None:
            self._process.send_signal(how)
            self._process.communicate(timeout=STOP_S)
            self._process = None


@contextmanager
def serving(folder: Path, *flags: str) -> Iterator[Server]:
    """Such a server, which is killed with the block."""
    server = Server(folder, *flags)
    try:
        server.start()
        yield server
    finally:
        server.end(signal.SIGKILL)


class Publisher(threading.Thread):
    """Tells a user of one thing after the other. ``told`` are the ids of the events that were acknowledged."""

    def __init__(self, server: Server, user: str, name: str, acked: Callable[[], object]) -> None:
        super().__init__(name=name)
        self.told: list[str] = []
        self._server = server
        self._user = user
        self._acked = acked
        self._over = threading.Event()
        self._going = threading.Event()
        self._going.set()
        self._busy = threading.Lock()

    def run(self) -> None:
        """Publish until it is enough."""
        with httpx.Client(base_url=self._server.url, timeout=PATIENCE_S, trust_env=False) as http:
            for number in itertools.count():
                self._going.wait()
                if self._over.is_set():
                    return
                with self._busy:
                    self._tell(http, f"{self.name}-{number}")
                    if number % READ_EVERY == 0:
                        self._read_newest(http)
                self._acked()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Publish nothing for as long as the block lasts; what is under way is acknowledged before it begins."""
        self._going.clear()
        try:
            with self._busy:
                yield
        finally:
            self._going.set()

    def enough(self) -> None:
        """End when what is under way has been acknowledged."""
        self._over.set()
        self.join()

    def _tell(self, http: httpx.Client, thing: str) -> None:
        given = event(object_id=thing, object_title=EVIL, target_user_ids=[self._user])
        self.told.append(self._sent(http, "POST", "/v1/events", thing, given).json()["event_id"])

    def _read_newest(self, http: httpx.Client) -> None:
        whose = f"user_id={self._user}"
        (newest,) = self._sent(http, "GET", f"/v1/notifications?{whose}&limit=1").json()["items"]
        self._sent(http, "POST", f"/v1/notifications/{newest['id']}/read?{whose}")

    def _sent(
        self, http: httpx.Client, method: str, path: str, key: str = "", body: Any = None
    ) -> httpx.Response:
        """The answer to a request, which is repeated until there is one."""
        headers = {"idempotency-key": key} if key else {}
        while self._server.up.wait(PATIENCE_S):
            try:
                answer = http.request(method, path, headers=headers, json=body)
            except httpx.TransportError:
                continue
            if answer.status_code != 503:
                assert answer.is_success, answer.text
                return answer
        raise AssertionError("the server did not come back")
