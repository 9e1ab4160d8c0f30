"""A temporary server for one command: data written to a file passes the same checks as over HTTP."""

import os
import re
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from tidings.cli.client import CommandClient

STOP_S = 60
"""Longer than the server's own ``shutdown_s``. A kill after it loses nothing that the server acknowledged."""

READY = re.compile(r"listens on (\S+)")


@contextmanager
def private_server(store: str, config: Path | None) -> Iterator[CommandClient]:
    """A client of a new server on loopback over ``store``, with the settings of the file ``config``, or of ./tidings.toml;
    the server ends with the block, or with this process if that is killed: it would keep the store in use.

    It has a random key, so that no other user of the machine can write into the store meanwhile. A server that does not
    start has reported the reason on standard error: that one line is the error of the command, whose exit code is that of
    the server.
    """
    key = secrets.token_urlsafe(32)
    flags = ["--host", "127.0.0.1", "--port", "0", "--store", store]
    if config is not None:
        flags += ["--config", str(config)]
    command = [sys.executable, "-m", "tidings.cli.owned_server", "serve", *flags]
    environ = os.environ | {"TIDINGS_API_KEYS": key}
    process = subprocess.Popen(command, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        with CommandClient(_address(process), key) as client:
            yield client
    finally:
        _stop(process)


def _stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.communicate(timeout=STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()


def _address(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    for line in process.stdout:
        if found := READY.search(line):
            return found[1]
    code = process.wait()
    if code > 0:
        raise click.exceptions.Exit(code)
    raise click.ClickException("the server of the store was ended before it was ready")
