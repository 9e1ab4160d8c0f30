"""The least that can be done for many streams: a loop of uvloop that writes the same bytes to each, and does nothing
else. What is posted is what is written.
"""

import asyncio
from multiprocessing.connection import Connection
from typing import cast

import uvloop

GREETING = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n: hi\n\n"
RECEIPT = b"HTTP/1.1 201 Created\r\ncontent-length: 0\r\n\r\n"
BACKLOG = 2_048


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
    """Serve until ended; ``pipe`` is told the port."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(pipe))


async def _serve(pipe: Connection) -> None:
    streams: list[asyncio.Transport] = []
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Bare(streams), "127.0.0.1", 0, backlog=BACKLOG)
    pipe.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()
