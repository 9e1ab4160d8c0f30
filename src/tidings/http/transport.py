"""The layer between a protocol and its transport: it writes once a turn of the loop, closes so that the last response
arrives, and ends a connection whose client does not read."""

import asyncio
import contextlib
import fcntl
import socket
import struct
from typing import Any, NamedTuple, Protocol

from tidings.config import KIB
from tidings.http.sweep import Sweep

MIN_PROGRESS_BYTES = 4 * KIB
"""Bytes that a client must take of the waiting ones within the permitted time: a client that takes a byte now and then holds
a connection like one that takes none."""
MAX_PERIODS = 10
"""Such times within which a client must have taken all waiting bytes: at the default of 30 s it has five minutes for any
response, and must read half a megabyte at 1.7 KB/s, a third of the rate of the slowest mobile network."""
AT_ONCE_BYTES = 16 * KIB
"""Bytes from which a write is immediate: the number of bytes that it leaves waiting must be known before the next response
is given."""
_SWEEP_S = 1.0
"""Seconds between checks of the connections with waiting bytes."""
_OUTQ = 0x5411
"""SIOCOUTQ: the number of bytes in the kernel that the client has not acknowledged (tcp(7)). Without it there would be no
visible progress while the kernel's own buffer, up to some megabytes, empties over a slow line."""


class Writer(Protocol):
    """A connection with waiting bytes."""

    def recounted(self) -> int:
        """Bytes that wait in this process."""
        ...

    def arrived(self) -> int:
        """How many of the bytes written so far the client has acknowledged."""
        ...

    def abort(self) -> None:
        """End at once."""
        ...


class _Progress(NamedTuple):
    """The bytes that a client had acknowledged at a time, None before the first check, and the most bytes that have waited
    for it."""

    arrived: int | None = None
    at: float = 0.0
    most: int = 0


class Stalls:
    """Ends connections whose client takes too few of the waiting bytes in ``stalled_s`` seconds: less than
    :data:`MIN_PROGRESS_BYTES`, or than its share of the most that has waited for it, one in :data:`MAX_PERIODS`. Streams are
    not watched here: they have their own bounds (stream_connection.py)."""

    def __init__(self, stalled_s: float) -> None:
        self._stalled_s = stalled_s
        self._writing: Sweep[Writer, _Progress] = Sweep(min(_SWEEP_S, stalled_s / 4), self._look)

    def watch(self, out: Writer, loop: asyncio.AbstractEventLoop) -> None:
        """Watch the progress of the bytes written now."""
        if out not in self._writing:
            self._writing.watch(out, _Progress(), loop)

    def forget(self, out: Writer) -> None:
        """The connection has ended, or is watched elsewhere."""
        self._writing.forget(out)

    def _look(self, out: Writer, before: _Progress, now: float) -> _Progress | None:
        waiting = out.recounted()
        if not waiting:
            return None
        most = max(before.most, waiting)
        arrived = out.arrived()
        if before.arrived is None or arrived >= before.arrived + max(MIN_PROGRESS_BYTES, most // MAX_PERIODS):
            return _Progress(arrived, now, most)
        if now - before.at < self._stalled_s:
            return before._replace(most=most)
        out.abort()
        return None


class Owner(Protocol):
    """The protocol of a connection, as its transport sees it."""

    def unread(self) -> bool:
        """Whether the client is still sending a request whose response is complete."""

    def read_on(self) -> None:
        """Continue to read, unless there is a reason to pause: uvicorn would ignore it."""

    def lingers(self) -> None:
        """The connection was closed for writing only."""

    def count_unsent(self, by: int) -> None:
        """Add so many bytes to those that wait in this process, or remove them."""


class Coalescing:
    """A transport that writes once a turn of the loop. uvicorn writes a response's head and its body apart, and a stream
    each frame; one system call less is a tenth of the cost of a page.

    It holds no bound methods: each would be 64 bytes of every idle stream.
    """

    __slots__ = ("_count", "_lingers", "_loop", "_owner", "_stalls", "_transport", "_waiting", "_written")

    def __init__(
        self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, stalls: Stalls, owner: Owner
    ) -> None:
        self._transport = transport
        self._loop = loop
        self._stalls = stalls
        self._owner = owner
        self._lingers = False
        self._count = 0
        self._waiting: list[bytes] = []
        self._written = 0

    @property
    def waiting(self) -> int:
        """Bytes that wait in this process."""
        return self._transport.get_write_buffer_size()

    def recounted(self, waiting: int | None = None) -> int:
        """The bytes that wait in this process, after an update of the account; ``waiting`` replaces the count."""
        if waiting is None:
            waiting = self.waiting
        if waiting != self._count:
            self._owner.count_unsent(waiting - self._count)
            self._count = waiting
        return waiting

    def arrived(self) -> int:
        """How many of the bytes written so far the client has acknowledged; if that is unknown, how many the kernel has
        accepted."""
        return self._written - self.waiting - _held_by_kernel(self.get_extra_info("socket"))

    def write(self, data: bytes) -> None:
        """Write with the rest of this turn; nothing after the last response."""
        if self._lingers:
            return
        if not self._waiting:
            self._loop.call_soon(self.flush)
        self._waiting.append(data)
        if len(data) >= AT_ONCE_BYTES:
            self.flush()

    def pause_reading(self) -> None:
        """Pause reading."""
        self._transport.pause_reading()

    def read_on(self) -> None:
        """Resume reading, without the protocol's decision."""
        self._transport.resume_reading()

    def resume_reading(self) -> None:
        """Resume reading, if the protocol has no reason to pause."""
        self._owner.read_on()

    def is_closing(self) -> bool:
        """Whether nothing more can be written."""
        return self._lingers or self._transport.is_closing()

    def close(self) -> None:
        """Write what is waiting, then close."""
        if not self._lingers and self._owner.unread():
            self.linger()
        else:
            self.flush()
            self._transport.close()

    def linger(self) -> None:
        """Write the waiting bytes and close our side only. A connection that is closed while its client still sends is
        reset, and after a reset the client loses the response (RFC 9112, 9.6)."""
        self.flush()
        if self._transport.is_closing():
            return
        self._lingers = True
        try:
            self._transport.write_eof()
        except OSError:  # the client has reset the connection, and the loop has not reported it yet
            self._transport.abort()
            return
        self._owner.lingers()

    def abort(self) -> None:
        """End at once."""
        self._transport.abort()

    def reset(self) -> None:
        """End at once, so that the client sees that it was no orderly end."""
        with contextlib.suppress(OSError):  # it has ended already
            self.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
        self.abort()

    def bare(self) -> asyncio.Transport:
        """The transport itself, for a protocol that writes whole messages and bounds slow readers itself."""
        self.flush()
        self._stalls.forget(self)
        self.recounted(0)
        return self._transport

    def lost(self) -> None:
        """The connection has ended: waiting bytes and later writes are dropped, and the owner is not called."""
        self._stalls.forget(self)
        self.recounted(0)
        self._lingers = True
        self._waiting.clear()
        self._owner = _NOBODY

    def flush(self) -> None:
        """Write the waiting bytes now."""
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            data = b"".join(waiting)
            self._written += len(data)
            self._transport.write(data)
            waiting_bytes = self._transport.get_write_buffer_size()
            if waiting_bytes or self._count:  # else, as nearly always, nothing waited before or waits now
                self.recounted()
            if waiting_bytes:
                self._stalls.watch(self, self._loop)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class _Nobody:
    """The owner of a transport whose connection has ended. The protocol refers to the transport: with a reference back both
    would wait for a garbage collection."""

    def unread(self) -> bool:
        """Nothing is being sent."""
        return False

    def read_on(self) -> None:
        """There is nothing to read."""

    def lingers(self) -> None:
        """It has ended already."""

    def count_unsent(self, by: int) -> None:
        """Nothing waits."""


_NOBODY = _Nobody()


def _held_by_kernel(connection: socket.socket | None) -> int:
    if connection is None:
        return 0
    try:
        found = fcntl.ioctl(connection.fileno(), _OUTQ, b"\0" * 4)
    except OSError:  # not Linux, or closed
        return 0
    return int(struct.unpack("i", found)[0])
