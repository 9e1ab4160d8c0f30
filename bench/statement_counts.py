"""The product in a process that counts the statements of its store."""

import asyncio
from multiprocessing.connection import Connection
from pathlib import Path

import apsw
import uvloop

from bench.hub import OPENS_PER_S, serve_streams
from tidings.config import Settings
from tidings.server import running
from tidings.timeutil import SystemClock


class _Counter:
    """Counts what every connection of this process executes."""

    def __init__(self) -> None:
        self.statements = 0

    def watch(self, connection: apsw.Connection) -> None:
        """A connection was opened."""
        connection.set_profile(self._executed)

    def _executed(self, statement: str, took_ns: int) -> None:
        self.statements += 1


def counted(pipe: Connection, store: Path) -> None:
    """Serve until ended. Through ``pipe`` goes the port; then the count so far, whenever something comes."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(pipe, store))


async def _serve(pipe: Connection, store: Path) -> None:
    counter = _Counter()
    apsw.connection_hooks.append(counter.watch)
    settings = Settings(dev=True, store=f"sqlite:///{store}", stream_opens_per_s=OPENS_PER_S)
    async with running(settings, SystemClock()) as services:
        await serve_streams(services, pipe, lambda: _tell(pipe, counter))


def _tell(pipe: Connection, counter: _Counter) -> None:
    pipe.recv()
    pipe.send(counter.statements)
