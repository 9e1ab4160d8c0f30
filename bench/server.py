"""Servers, each a process of its own on the server's core: the product as it is served, and what it is compared with."""

import http.client
import os
import re
import secrets
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

from bench.cores import SERVER, pin
from bench.process import raise_file_limit

READY = re.compile(r"listens on http://127\.0\.0\.1:(\d+)")
FIXED_PORTS = range(20_000, 30_000)
"""Below those of outgoing connections, which begin at 32,768 on Linux."""
STOP_S = 60
"""How long a server may take to write what is waiting and checkpoint a large file."""


class Reply(NamedTuple):
    """What a server answered."""

    status: int
    etag: str
    body: bytes


SETTINGS = {"TIDINGS_DUPLICATE_WINDOW_S": "0"}
"""The settings that differ from those that ship: the events of a scenario repeat actor, verb and object, so with a window
most would notify nobody."""


class Served(NamedTuple):
    """A server on loopback: its port, its process, and (unless it is the product) a pipe to it."""

    port: int
    process: int
    pipe: Connection | None = None


@contextmanager
def serving(store: Path) -> Iterator[int]:
    """The port of ``tidings serve --dev`` on loopback with its store in this file.

    Raises RuntimeError when it ends before it is ready.
    """
    with started(store) as served:
        yield served.port


@contextmanager
def started(store: Path, *flags: str, port: int = 0) -> Iterator[Served]:
    """The same with further flags, or on a given port. It may have ended, or been ended, before the block does."""
    raise_file_limit()
    command = [sys.executable, "-m", "tidings", "serve", "--dev", "--port", str(port)]
    command += ["--store", f"sqlite:///{store}", *flags]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("TIDINGS_")}
    environ |= SETTINGS
    with subprocess.Popen(
        command, cwd=store.parent, env=environ, stdout=subprocess.PIPE, text=True
    ) as process:
        pin(SERVER, process.pid)
        try:
            yield Served(_port(process), process.pid)
        finally:
            process.terminate()
            process.communicate(timeout=STOP_S)


@contextmanager
def spawned(serve: Callable[..., None], *args: Any) -> Iterator[Served]:
    """A server that is a function of a module, called with a pipe through which it first says its port."""
    raise_file_limit()
    context = get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_on_its_core, args=(serve, there, args))
    process.start()
    there.close()
    try:
        yield Served(here.recv(), process.pid or 0, here)
    finally:
        process.terminate()
        process.join()


def _on_its_core(serve: Callable[..., None], pipe: Connection, args: tuple[Any, ...]) -> None:
    pin(SERVER)
    serve(pipe, *args)


def free_port() -> int:
    """A port that is free now, and that the system gives to no outgoing connection: while nobody listens at a port of
    those, who tries to connect to it may be connected with itself."""
    while True:
        port = secrets.choice(FIXED_PORTS)
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        return port


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
