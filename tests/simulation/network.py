"""What lies between a device and a server: bytes are late, arrive in pieces, stay away; a connection breaks at one end,
at both, or at neither although nothing gets through any more."""

import asyncio
import random
import re
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from tests.simulation.faults import Trouble
from tests.simulation.loop import settle
from tests.simulation.stats import Tally
from tidings.client.effects import TransportError
from tidings.http.sse import SERVER_SENT_EVENTS
from tidings.http.websocket import TEXTS
from tidings.live import Encoder

WINDOW_BYTES = 3_000
"""Bytes on their way, or unread, at which a wire says that its reader is slow: a few frames."""
PIECES = 0.3
"""How often less arrives at once than there is."""
LATEST_S = 60.0
"""The longest that a server takes to notice that nobody is there."""

CHANGES = (b"notification", b"read", b"seen", b"activity", b"feed_read", b"retracted")
"""Frames that tell what changed, each of which has a place."""


class Kind(NamedTuple):
    """A kind of wire: how frames are encoded on it, and how their name and the numbers of their id are found again."""

    label: str
    encoder: Encoder
    name: re.Pattern[bytes]
    place: re.Pattern[bytes]


EVENTS = Kind(
    "events",
    SERVER_SENT_EVENTS,
    re.compile(rb"event: (\w+)\n"),
    re.compile(rb"\nid: [^.\n]*\.(\d*)\.(\d*)\n\n\Z"),
)
SOCKET = Kind(
    "socket", TEXTS, re.compile(rb'\{"event":"(\w+)"'), re.compile(rb',"id":"[^."]*\.(\d*)\.(\d*)"\}\Z')
)


class Connection:
    """A stream's bytes, from the server (a :class:`tidings.live.Wire`) to the client (:meth:`receive`)."""

    def __init__(self, kind: Kind, trouble: Trouble, rng: random.Random, tally: Tally) -> None:
        self.encoder = kind.encoder
        self.became: Callable[[bool], None] = _nobody
        self.wrong = ""
        self.streamed = False
        self._kind = kind
        self._loop = asyncio.get_running_loop()
        self._trouble = trouble
        self._rng = rng
        self._tally = tally
        self._way: deque[tuple[float, bytes]] = deque()
        self._arrived = bytearray()
        self._unread = 0
        self._place = (0, 0)
        self._last_s = 0.0
        self._travelling = self._ended = False
        self._full = self._closed = self._vanishing = self._told = False
        self._stalled_until = 0.0
        self._end: bytes | TransportError | None = None
        self._reader: asyncio.Future[None] | None = None

    @property
    def over(self) -> bool:
        """Whether the server has ended it, or heard of its end."""
        return self._closed

    # --- what the server sees -------------------------------------------------------------------------------

    def write(self, data: bytes) -> bool:
        """Send."""
        if self._closed or not data:  # some wires have no word for some things
            return True
        self._look_at(data)
        self._unread += len(data)
        self._full = self._unread > WINDOW_BYTES
        if not self._vanishing:
            self._send(data)
        return not self._full

    def _look_at(self, data: bytes) -> None:
        """I5, where it is spoken: of what changed, nothing is sent twice or backwards over one connection. A hub survives
        whatever a wire raises, so what is wrong is kept."""
        found = self._kind.name.search(data)
        if found is None:
            return
        name = found[1]
        self._tally.add("frame", name.decode())
        if name == b"hello" and b'"resumed":true' in data:
            self._tally.add("resume")
        if name in CHANGES or name == b"reset":
            self._move(name, self._kind.place.search(data))

    def _move(self, name: bytes, place: re.Match[bytes] | None) -> None:
        here = (int(place[1] or 0), int(place[2] or 0)) if place else self._place
        ahead = here != self._place and here[0] >= self._place[0] and here[1] >= self._place[1]
        if not (ahead or name == b"reset"):
            self.wrong = self.wrong or f"{name.decode()} {here} was sent after {self._place}"
        self._place = here

    def close(self) -> None:
        """End behind what was sent."""
        if not self._closed:
            self._send(b"")
            self._closed = True
            self._tell_gone(self._trouble.latency(self._rng))

    def abort(self) -> None:
        """End at once."""
        if not self._closed:
            self._closed = True
            self._way.clear()
            self._finish(TransportError("reset by the server"))
            self._tell_gone(self._trouble.latency(self._rng))

    def _send(self, data: bytes) -> None:
        now = self._loop.time()
        delay_s = self._trouble.latency(self._rng)
        # Bytes do not overtake each other.
        self._last_s = max(self._last_s, now + delay_s, self._stalled_until)
        self._way.append((self._last_s, data))
        if not self._travelling:
            self._travelling = True
            self._loop.call_at(self._last_s, self._arrive)

    def _arrive(self) -> None:
        self._travelling = False
        while self._way and self._way[0][0] <= self._loop.time():
            data = self._way.popleft()[1]
            if data:
                self._arrived += data
            else:
                self._finish(b"")
        if self._way:
            self._travelling = True
            self._loop.call_at(self._way[0][0], self._arrive)
        self._wake()

    def opened(self) -> None:
        """There is a stream on it now, whose end counts."""
        self.streamed = True
        self._tally.add("stream", self._kind.label)

    def ended(self, by: str) -> None:
        """What ends the stream; only the first counts."""
        if self.streamed and not self._ended:
            self._ended = True
            self._tally.add("disconnect", by)

    def _tell_gone(self, after_s: float) -> None:
        if not self._told:
            self._told = True
            self._loop.call_later(after_s, self._gone)

    def _gone(self) -> None:
        self._closed = True
        self.became(False)

    # --- what the client sees -------------------------------------------------------------------------------

    async def receive(self, timeout_s: float) -> bytes | TransportError:
        """The next bytes, b"" at the end, Lost when it broke or nothing came in time."""
        if not self._arrived and self._end is None:
            self._reader = self._loop.create_future()
            timer = self._loop.call_later(timeout_s, settle, self._reader, None)
            try:
                await self._reader
            finally:
                timer.cancel()
                self._reader = None
        if self._arrived:
            return self._take()
        return TransportError("silence") if self._end is None else self._end

    def _take(self) -> bytes:
        size = len(self._arrived)
        if self._rng.random() < PIECES:
            size = self._rng.randint(1, size)
        taken = bytes(self._arrived[:size])
        del self._arrived[:size]
        if not self._vanishing:
            self._unread -= size
            if self._full and self._unread < WINDOW_BYTES // 2:
                self._full = False
                self._loop.call_later(self._trouble.latency(self._rng), self._writable)
        return taken

    def _writable(self) -> None:
        if not self._closed:
            self.became(True)

    def hang_up(self) -> None:
        """The client closes; the server hears of it, sooner or later."""
        self._end = self._end or TransportError("closed")
        self.ended("failed" if self._closed else "hung up")
        lost = self._rng.random() < self._trouble.packet_lost
        self._tell_gone(self._rng.uniform(1, LATEST_S) if lost else self._trouble.latency(self._rng))

    def _finish(self, end: bytes | TransportError) -> None:
        if self._end is None:
            self._end = end
            self._wake()

    def _wake(self) -> None:
        if self._reader is not None:
            settle(self._reader, None)

    # --- what befalls it ------------------------------------------------------------------------------------

    def reset(self, *, server_lives: bool = True) -> None:
        """It breaks: some of what was under way arrives, and that may end in the middle of a frame."""
        self.ended("cut" if server_lives else "crash")
        rest = b"".join(data for _, data in self._way)
        self._way.clear()
        self._arrived += rest[: self._rng.randint(0, len(rest))]
        self._closed = self._closed or not server_lives
        self._vanishing = True
        self._finish(TransportError("reset"))
        if server_lives:
            self._tell_gone(self._trouble.latency(self._rng))
        else:
            self._told = True

    def vanish(self, *, server_lives: bool = True) -> None:
        """Nothing gets through any more, and nobody is told; what the server noticed, it notices late."""
        self.ended("half-open" if server_lives else "crash")
        self._way.clear()
        self._vanishing = True
        self._closed = self._closed or not server_lives
        if server_lives:
            self._tell_gone(self._rng.uniform(1, LATEST_S))
        else:
            self._told = True

    def stall(self, seconds: float) -> None:
        """What is sent from now on waits for so long."""
        self._stalled_until = self._loop.time() + seconds


def _nobody(writable: bool) -> None:
    """Before somebody wants to be told."""
