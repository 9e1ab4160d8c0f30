"""The least that can be done for many streams: a loop of uvloop that writes bytes made beforehand, and does nothing else.
What is posted is written to all; asked through its pipe, it tells random ones something, each for themselves.
"""

import asyncio
from multiprocessing.connection import Connection
from time import monotonic_ns
from typing import cast

import uvloop

from bench.push import push
from bench.stream_clients import Dialect

GREETING = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n: hi\n\n"
BARE = Dialect("/", b": hi\n", b"event: ")
RECEIPT = b"HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n"
BACKLOG = 2_048
MESSAGE = b'event: notification\ndata: {"at":%d}' + b"x" * 600 + b"\n\n"
"""As many bytes as a notification has."""


class _Bare(asyncio.Protocol):
    """A stream, once it was asked for; or who posts."""

    def __init__(self, streams: list[asyncio.Transport]) -> None:
        self._streams = streams

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the methods of asyncio's but do not inherit from them.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if data.startswith(b"GET"):
            self._streams.append(self._transport)
            self._transport.write(GREETING)
            return
        body = data[data.index(b"\r\n\r\n") + 4 :]
        for stream in self._streams:
            stream.write(body)
        self._transport.write(RECEIPT)


def bare(pipe: Connection) -> None:
    """Serve until ended; ``pipe`` is told the port; each Push that comes through it is answered with a Pushed."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(pipe))


async def _serve(pipe: Connection) -> None:
    streams: list[asyncio.Transport] = []
    tasks = set[asyncio.Task[None]]()
    loop = asyncio.get_running_loop()
    loop.add_reader(pipe.fileno(), lambda: tasks.add(loop.create_task(_answer(pipe, streams))))
    server = await loop.create_server(lambda: _Bare(streams), "127.0.0.1", 0, backlog=BACKLOG)
    pipe.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


async def _answer(pipe: Connection, streams: list[asyncio.Transport]) -> None:
    users = {f"user{number}": stream for number, stream in enumerate(streams)}
    rest = asyncio.Event()
    rest.set()

    def tell(some: set[str]) -> None:
        for user in some:
            users[user].write(MESSAGE % monotonic_ns())

    pipe.send(await push(pipe.recv(), set(), rest, tell))
