"""How long are people without news when the server dies? And what does it cost the store when all come back?

The server is killed right after it acknowledged an event for everybody. Clients do what an EventSource does: wait as long
as they were told, open the stream again from the last id, and again if that fails. All must have the event, once.
"""

import heapq
import os
import re
import signal
from collections.abc import Generator
from time import monotonic

from bench.client import post
from bench.cores import CLIENT
from bench.poster import Poster
from bench.remote_client import afar
from bench.report import Row
from bench.run import Bench
from bench.scenarios.streams import ALL, follow
from bench.server import Served, free_port, spawned, started
from bench.statement_counts import counted
from bench.stream_clients import LONGEST_S, QUIET_S, Crowd, Dialect, Witness

TOPIC = "market:42"
EVENT = post(
    "/v1/events",
    b'{"actor_id":"ann","verb":"resolve","object_type":"market","object_id":"42","metadata":{"at":1}}',
)
RETRY = re.compile(rb"^retry: (\d+)$", re.MULTILINE)
UNTOLD_MS = 3_000
"""After how long an EventSource returns that was never told."""


class _Returning(Witness):
    """A stream that can be opened again."""

    def __init__(self, port: int, number: int, dialect: Dialect, last: str = "") -> None:
        super().__init__(port, number, dialect, last)
        self.retry_ms = UNTOLD_MS

    def hear(self, data: bytes | bytearray, size: int) -> int:
        """The last word on when to return counts."""
        if told := RETRY.findall(data[:size]):
            self.retry_ms = int(told[-1])
        return super().hear(data, size)


class _Clients:
    """People who come back whenever their stream ends."""

    def __init__(self, port: int, number: int) -> None:
        self.crowd = Crowd()
        self._port = port
        self._streams = self.crowd.open(port, range(number), ALL, _Returning)
        self._waiting: list[tuple[float, int]] = []
        self._away = set(range(number))
        self.heard = [0] * number

    def step(self) -> None:
        """Hear what comes, note who was cut off, open again the streams whose time has come."""
        self.crowd.pump(0.01)
        for stream in self._streams:
            self.heard[stream.number] += len(stream.stamps)
            stream.stamps.clear()
            if stream.ended and stream.retry_ms:
                heapq.heappush(self._waiting, (stream.ended + stream.retry_ms / 1_000, stream.number))
                stream.retry_ms = 0
        while self._waiting and self._waiting[0][0] <= monotonic():
            self._return(heapq.heappop(self._waiting)[1])

    def _return(self, number: int) -> None:
        before = self._streams[number]
        try:
            stream = _Returning(self._port, number, ALL, before.last)
        except ConnectionError:
            heapq.heappush(self._waiting, (monotonic() + UNTOLD_MS / 1_000, number))
            return
        self._streams[number] = stream
        self.crowd.add(stream)
        self._away.discard(number)

    @property
    def complete(self) -> bool:
        """Whether all have come back, have been greeted, and have the event."""
        greeted = all(stream.greeted and not stream.ended for stream in self._streams)
        return greeted and not self._away and all(self.heard)


def restart(bench: Bench) -> list[Row]:
    """Seconds from the kill until the last is back and lacks nothing; statements for coming back to nothing new."""
    streams, store = bench.sizes.streams[0], bench.new_store("restart")
    with started(store, port=free_port()) as first:
        follow(first.port, TOPIC, streams)
        with afar(CLIENT, _return, first.port, first.process, streams) as client:
            client.begin(None)
            with started(store, port=first.port):
                seconds = client.reply()
    name = f"restart with {streams:,} streams"
    return [
        Row(name=name, value=seconds, unit="s", gate=10, goal=4),
        Row(
            name=f"{name}: statements for empty resumes",
            value=_statements(bench, streams),
            unit="statements",
            gate=40,
            goal=10,
        ),
    ]


def _return(port: int, process: int, streams: int) -> Generator[float, None]:
    """Publish and kill; then, once asked, come back and have everything."""
    clients, poster = _Clients(port, streams), Poster(port)
    poster.send(EVENT)
    poster.receipt()
    os.kill(process, signal.SIGKILL)
    killed = monotonic()
    yield 0
    while not clients.complete:
        clients.step()
        if monotonic() > killed + LONGEST_S:
            raise TimeoutError(f"{clients.heard.count(0)} never had the event")
    took = monotonic() - killed
    until = monotonic() + QUIET_S
    while monotonic() < until:
        clients.step()
    if any(heard != 1 for heard in clients.heard):
        raise RuntimeError("an event came twice")
    yield took


def _statements(bench: Bench, streams: int) -> int:
    with (
        spawned(counted, bench.new_store("counted")) as served,
        afar(CLIENT, _resume, served.port, streams) as client,
    ):
        before = _count(served)
        client.ask(None)
        return _count(served) - before


def _count(served: Served) -> int:
    assert served.pipe is not None
    served.pipe.send(None)
    return int(served.pipe.recv())


def _resume(port: int, streams: int) -> Generator[None, None]:
    """Open streams and close them; then, once asked, open them again from their last ids, all at once."""
    crowd = Crowd()
    before = crowd.open(port, range(streams), ALL, Witness)
    crowd.close()
    yield
    crowd = Crowd()
    for stream in before:
        crowd.add(Witness(port, stream.number, ALL, stream.last))
    crowd.wait(streams)
    yield
