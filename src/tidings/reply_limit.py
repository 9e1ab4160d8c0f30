"""The limit on what one reply of a receiver may send, whatever it consists of."""

import asyncio
import ssl
from typing import Any

import httpcore

from tidings.config import KIB

MAX_REPLY_BYTES = 16 * KIB
"""Bytes read of one reply: interim responses, head and body with its framing. Only the status and ``Retry-After`` are
evaluated, and a reply of empty interim responses or of chunks of one byte costs the event loop 30 µs for each 20 bytes."""
READ_BYTES = 2 * KIB
"""Bytes parsed between two turns of the event loop."""


class ReplyTooLong(httpcore.RemoteProtocolError):
    """The receiver has sent more than MAX_REPLY_BYTES."""


class LimitedStream(httpcore.AsyncNetworkStream):
    """A connection that reads at most MAX_REPLY_BYTES after each write, and yields the event loop at each read.

    :meth:`read` raises ReplyTooLong for more.
    """

    def __init__(self, inner: httpcore.AsyncNetworkStream) -> None:
        self._inner = inner
        self._left = MAX_REPLY_BYTES

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 (the interface has it)
        """The next bytes of the reply, at most READ_BYTES."""
        await asyncio.sleep(0)  # bytes that have arrived already are read without a wait
        if self._left <= 0:
            raise ReplyTooLong
        found = await self._inner.read(min(max_bytes, READ_BYTES, self._left), timeout)
        self._left -= len(found)
        return found

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109
        """Send a part of a request; its reply may have MAX_REPLY_BYTES."""
        self._left = MAX_REPLY_BYTES
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
        return LimitedStream(await self._inner.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        """What the library asks about the connection."""
        return self._inner.get_extra_info(info)
