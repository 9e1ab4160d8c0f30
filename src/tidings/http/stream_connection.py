"""A connection whose response does not end: bytes go to the socket as they are, without HTTP or a task in between."""

import asyncio
import socket
from collections.abc import Callable

from tidings.config import KIB
from tidings.live import Encoder

BUFFER_BYTES = 4 * KIB
"""Bytes that may wait for a slow reader in this process, one frame more or less."""
KERNEL_BYTES = 64 * KIB
"""Bytes that the kernel may hold for a reader in addition (Linux doubles the figure for its own needs); without it the
buffer would grow to megabytes for each inactive reader."""

UNANSWERED_MS = 45_000
"""Milliseconds after which a client that acknowledges nothing counts as gone, two heartbeats and a little. Without it a
laptop that left its network keeps its streams, and their share of the caps, for a quarter of an hour (docs/adr/0010)."""

FAREWELL_S = 5.0
"""Seconds within which the last bytes must be taken when a connection is closed; a client that reads nothing would keep it,
and its share of the caps, forever."""

Became = Callable[[bool], None]
"""Called with True when a connection takes bytes again, with False when it has ended."""


class StreamConnection:
    """A :class:`tidings.live.Transport` over a transport. The protocol that owns the transport reports its state, and keeps
    ``paused``: whether the transport's buffer is full for now. The flag is kept here because one change is sent to ten
    thousand streams at once, and each look-up elsewhere is a cache miss for each of them."""

    __slots__ = ("_goodbye", "_transport", "became", "encoder", "paused")

    def __init__(self, transport: asyncio.Transport, encoder: Encoder, goodbye: bytes = b"") -> None:
        """``goodbye`` is sent before the end."""
        transport.set_write_buffer_limits(high=BUFFER_BYTES)
        _bound(transport.get_extra_info("socket"))
        self._transport = transport
        self.paused = False
        self._goodbye = goodbye
        self.encoder = encoder
        self.became: Became = _nobody

    def write(self, data: bytes) -> bool:
        """Send without waiting; False when the client does not keep up."""
        self._transport.write(data)
        return not self.paused

    def resume(self) -> None:
        """The transport takes bytes again."""
        self.paused = False
        self.became(True)

    def lost(self) -> None:
        """The transport has ended. The callback refers to this connection, so the reference is dropped."""
        became, self.became = self.became, _nobody
        became(False)

    def close(self, goodbye: bytes | None = None) -> None:
        """Send the buffered bytes and ``goodbye``, then end."""
        if not self._transport.is_closing():
            self._transport.write(self._goodbye if goodbye is None else goodbye)
            close_soon(self._transport)

    def abort(self) -> None:
        """End at once."""
        self._transport.abort()


def close_soon(transport: asyncio.Transport) -> None:
    """Send the buffered bytes, then end, as soon as they were taken or :data:`FAREWELL_S` later."""
    transport.close()
    asyncio.get_running_loop().call_later(FAREWELL_S, transport.abort)


def _bound(connection: socket.socket | None) -> None:
    if connection is None:
        return
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL_BYTES)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNANSWERED_MS)


def _nobody(writable: bool) -> None:
    """The callback until one is set."""
