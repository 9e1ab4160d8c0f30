"""The product as it is served: a process of its own on the server's core, its store a file."""

import http.client
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from bench.cores import SERVER, pin

READY = re.compile(r"listens on http://127\.0\.0\.1:(\d+)")
STOP_S = 60
"""How long a server may take to write what is waiting and checkpoint a large file."""


class Reply(NamedTuple):
    """What a server answered."""

    status: int
    etag: str
    body: bytes


@contextmanager
def serving(store: Path) -> Iterator[int]:
    """The port of ``tidings serve --dev`` on loopback with its store in this file.

    Raises RuntimeError when it ends before it is ready.
    """
    command = [
        sys.executable,
        "-m",
        "tidings",
        "serve",
        "--dev",
        "--port",
        "0",
        "--store",
        f"sqlite:///{store}",
    ]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("TIDINGS_")}
    with subprocess.Popen(
        command, cwd=store.parent, env=environ, stdout=subprocess.PIPE, text=True
    ) as process:
        pin(SERVER, process.pid)
        try:
            yield _port(process)
        finally:
            process.terminate()
            process.communicate(timeout=STOP_S)


def _port(process: "subprocess.Popen[str]") -> int:
    for line in process.stdout or ():
        if found := READY.search(line):
            return int(found[1])
    raise RuntimeError(f"the server ended with {process.wait()} before it was ready")


def ask(port: int, method: str, path: str, body: bytes | None = None) -> Reply:
    """One request outside of any measurement. Raises RuntimeError unless it succeeds."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=STOP_S)
    try:
        connection.request(method, path, body, {"content-type": "application/json"})
        reply = connection.getresponse()
        answer = Reply(reply.status, reply.headers.get("etag", ""), reply.read())
    finally:
        connection.close()
    if answer.status >= 300:
        raise RuntimeError(f"{method} {path}: {answer}")
    return answer
