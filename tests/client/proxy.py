"""A real TCP proxy between a client and a server, which does to connections what networks do."""

import asyncio
import socket
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple
from urllib.parse import urlsplit

from tests.loops import loop_in_a_thread

CHUNK = 16 * 1024
BACKLOG = 100


class Fate(NamedTuple):
    """What becomes of a connection: ``end`` is "pass", or "cut" (closed), "reset" or "stall" (nothing more comes, nothing
    is closed) after ``after`` bytes of the server; whoever asks to be refused is closed before the server hears of it."""

    end: str = "pass"
    after: int = 0


PASS = Fate()
REFUSE = Fate("cut", 0)
Decide = Callable[[bytes], Fate]
"""The fate of a connection, by the first bytes that its client sends."""


class Proxy:
    """Runs in a thread of its own. ``ends`` counts the connections that it ended or stalled."""

    def __init__(self, url: str, decide: Decide) -> None:
        parts = urlsplit(url)
        self._upstream = (parts.hostname, parts.port)
        self._decide = decide
        self.ends = 0
        self.url = ""

    async def start(self) -> asyncio.Server:
        """Listen."""
        server = await asyncio.start_server(self._connection, "127.0.0.1", 0, backlog=BACKLOG)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        return server

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.CancelledError):
            asked = await reader.read(CHUNK)
            fate = self._decide(asked) if asked else REFUSE
            if fate == REFUSE:
                self.ends += bool(asked)
            else:
                await self._between(reader, writer, asked, fate)
        writer.transport.abort()

    async def _between(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: bytes, fate: Fate
    ) -> None:
        upstream, to_upstream = await asyncio.open_connection(*self._upstream)
        to_upstream.write(asked)
        asking = asyncio.create_task(_copied(reader, to_upstream))
        try:
            await self._answered(upstream, writer, fate)
            if fate.end == "stall":
                await asking  # until the client has had enough
        finally:
            asking.cancel()
            to_upstream.transport.abort()

    async def _answered(
        self, upstream: asyncio.StreamReader, writer: asyncio.StreamWriter, fate: Fate
    ) -> None:
        left = fate.after
        while chunk := await upstream.read(CHUNK):
            if fate.end == "pass" or len(chunk) < left:
                writer.write(chunk)
                await writer.drain()
                left -= len(chunk)
                continue
            writer.write(chunk[:left])
            await writer.drain()
            self.ends += 1
            if fate.end == "reset":
                raw = writer.get_extra_info("socket")
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return


async def _copied(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(CHUNK):
        writer.write(chunk)
        await writer.drain()


@contextmanager
def between(url: str, decide: Decide) -> Iterator[Proxy]:
    """A proxy before the server at this address."""
    proxy = Proxy(url, decide)
    with loop_in_a_thread("proxy") as loop:
        server = asyncio.run_coroutine_threadsafe(proxy.start(), loop).result()
        try:
            yield proxy
        finally:
            loop.call_soon_threadsafe(server.close)
