"""The limit on what one HTTP reply may send to this server, whatever the reply consists of."""

import asyncio
import ssl
from collections.abc import Iterable
from typing import Any

import httpcore
from httpcore import SOCKET_OPTION

from tidings.config import KIB

MAX_REPLY_BYTES = 16 * KIB
"""Bytes read of one reply beside the wanted body: interim responses, head, framing. A reply of empty interim responses or of
chunks of one byte costs the event loop 30 µs for each 20 bytes."""
READ_BYTES = 2 * KIB
"""Bytes parsed between two turns of the event loop."""


class ReplyTooLong(httpcore.RemoteProtocolError):
    """The other side has sent more than it may."""


class LimitedBackend(httpcore.AsyncNetworkBackend):
    """Connections of another back-end, of whose replies at most ``most`` bytes are read."""

    def __init__(self, inner: httpcore.AsyncNetworkBackend, most: int = MAX_REPLY_BYTES) -> None:
        self._inner = inner
        self._most = most

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 (the interface has it)
        local_address: str | None = None,
        socket_options: Iterable[SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """A limited connection."""
        opened = await self._inner.connect_tcp(host, port, timeout, local_address, socket_options)
        return LimitedStream(opened, self._most)


class LimitedStream(httpcore.AsyncNetworkStream):
    """A connection that reads at most ``most`` bytes after each write, and yields the event loop at each read.

    :meth:`read` raises ReplyTooLong for more.
    """

    def __init__(self, inner: httpcore.AsyncNetworkStream, most: int) -> None:
        self._inner = inner
        self._most = most
        self._left = most

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 (the interface has it)
        """The next bytes of the reply, at most READ_BYTES."""
        await asyncio.sleep(0)  # bytes that have arrived already are read without a wait
        if self._left <= 0:
            raise ReplyTooLong(f"the answer has more than {self._most} bytes")
        found = await self._inner.read(min(max_bytes, READ_BYTES, self._left), timeout)
        self._left -= len(found)
        return found

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        """Send a part of a request; its reply may have as much again."""
        self._left = self._most
        await self._inner.write(buffer, timeout)

    async def aclose(self) -> None:
        """Close the connection."""
        await self._inner.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> httpcore.AsyncNetworkStream:
        """The same connection with TLS."""
        return LimitedStream(await self._inner.start_tls(ssl_context, server_hostname, timeout), self._most)

    def get_extra_info(self, info: str) -> Any:
        """What the library asks about the connection."""
        return self._inner.get_extra_info(info)
