"""An HTTP/1.1 load client for flows of requests: closed loops, or so many requests a second.

Requests are bytes made beforehand and replies are only framed (status, Content-Length), so that the client
needs a small part of the time that a server needs. It runs in a process and on a core of its own.
"""

import asyncio
from array import array
from collections import deque
from collections.abc import Sequence
from time import perf_counter, process_time
from typing import NamedTuple, cast

import uvloop

from bench.cores import CLIENT, run_on

WARM_UP_S = 0.5
"""Not measured, or as long as the measuring when that is shorter: connections are made, caches and the adaptive
interpreter warm up."""
BUCKETS_PER_S = 100_000
"""Latencies are counted in steps of 10 µs …"""
LONGEST_S = 10
"""… up to this; a longer one counts as this long."""
NO_BODY = (b"204", b"304")
"""Statuses whose replies end with the head."""


class Flow(NamedTuple):
    """Requests to be sent over some connections, each of which goes round them from its own start.

    Without ``per_s`` each connection has one request under way at any time. With it, that many requests a
    second become due, whatever became of those before; the latency of each counts from when it was due.
    """

    requests: Sequence[bytes]
    connections: int
    status: int = 200
    per_s: float | None = None


class LoadResult(NamedTuple):
    """What a flow achieved. ``rate`` is good replies per second; ``errors`` other statuses, bad frames, lost
    connections, none of which is in the rate or the latencies. ``client_cpu`` is the share of its core that
    the client used for all flows: near 1, it was the client that was measured."""

    rate: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    errors: int
    client_cpu: float


def get(path: str, headers: str = "") -> bytes:
    """A GET request; ``headers`` are complete lines, each with its CRLF."""
    return f"GET {path} HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n".encode()


def post(path: str, body: bytes, headers: str = "") -> bytes:
    """A POST request with a JSON body."""
    head = f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n{headers}"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


def run_load(port: int, seconds: float, *flows: Flow) -> list[LoadResult]:
    """Load a server on loopback with these flows at once for ``seconds`` after the warm-up; a result for each.

    Raises OSError when the server cannot be reached.
    """
    return run_on(CLIENT, _drive, port, seconds, flows)


def _drive(port: int, seconds: float, flows: Sequence[Flow]) -> list[LoadResult]:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_run(port, seconds, flows))


async def _run(port: int, seconds: float, flows: Sequence[Flow]) -> list[LoadResult]:
    loads = [_Load(flow) for flow in flows]
    for load in loads:
        await load.connect(port)
    await _wait(min(WARM_UP_S, seconds), loads)
    for load in loads:
        load.forget()
    began, cpu_began = perf_counter(), process_time()
    await _wait(seconds, loads)
    while perf_counter() - began < LONGEST_S and not all(
        load.answered or load.all_lost.is_set() for load in loads
    ):
        await _wait(seconds, loads)  # a stall as long as a short run is slow, but no failure
    took, cpu = perf_counter() - began, process_time() - cpu_began
    for load in loads:
        load.stop()
    return [load.result(took, cpu) for load in loads]


async def _wait(seconds: float, loads: Sequence["_Load"]) -> None:
    """Wait, or stop waiting when a flow has lost all its connections."""
    lost = [asyncio.create_task(load.all_lost.wait()) for load in loads]
    await asyncio.wait(lost, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for task in lost:
        task.cancel()


class _Load:
    """What all connections of a flow share: the requests, the counts, the end."""

    def __init__(self, flow: Flow) -> None:
        self.flow = flow
        self.status = str(flow.status).encode()
        self.errors = 0
        self.latencies = array("Q", bytes(8 * (LONGEST_S * BUCKETS_PER_S + 1)))
        self.open = 0
        self.stopping = False
        self.transports: list[asyncio.Transport] = []
        self.all_lost = asyncio.Event()
        self._idle: list[_Connection] = []
        self._due: deque[float] = deque()

    async def connect(self, port: int) -> None:
        """Open the connections; requests begin to flow."""
        loop, flow = asyncio.get_running_loop(), self.flow
        for number in range(flow.connections):
            start = number * len(flow.requests) // flow.connections
            transport, _ = await loop.create_connection(
                lambda start=start: _Connection(self, start),  # type: ignore[misc]
                "127.0.0.1",
                port,
            )
            self.transports.append(transport)
        if flow.per_s is not None:
            self._tick(perf_counter(), 1 / flow.per_s)

    def _tick(self, due: float, step: float) -> None:
        """Make due what is due by now, then come back in time for the next."""
        if self.stopping:
            return
        while due <= perf_counter():
            self._due.append(due)
            due += step
            if self._idle:
                self._idle.pop().send(self._due.popleft())
        asyncio.get_running_loop().call_later(due - perf_counter(), self._tick, due, step)

    def ready(self, connection: "_Connection") -> None:
        """A connection can send: at once in a closed loop, else when something is due."""
        if self.flow.per_s is None:
            connection.send(perf_counter())
        elif self._due:
            connection.send(self._due.popleft())
        else:
            self._idle.append(connection)

    def count(self, latency_s: float) -> None:
        """A good reply came."""
        self.latencies[min(int(latency_s * BUCKETS_PER_S), len(self.latencies) - 1)] += 1

    def lost(self) -> None:
        """A connection ended."""
        self.open -= 1
        if not self.stopping:
            self.errors += 1
            if not self.open:
                self.all_lost.set()

    @property
    def answered(self) -> bool:
        """Whether any reply was counted."""
        return any(self.latencies)

    def forget(self) -> None:
        """The warm-up is over."""
        self.latencies = array("Q", bytes(8 * len(self.latencies)))

    def stop(self) -> None:
        """Close the connections."""
        self.stopping = True
        for transport in self.transports:
            transport.abort()

    def result(self, took: float, cpu: float) -> LoadResult:
        """What was counted in the time that it took."""
        p50, p95, p99 = percentiles(self.latencies, (0.5, 0.95, 0.99))
        return LoadResult(sum(self.latencies) / took, p50, p95, p99, self.errors, cpu / took)


class _Connection(asyncio.Protocol):
    """One request under way at most; when its reply is counted, the load says what comes next."""

    def __init__(self, load: _Load, start: int) -> None:
        self._load = load
        self._next = start
        self._pending = b""
        self._began = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the methods of asyncio's but do not inherit from them.
        self._transport = cast(asyncio.Transport, transport)
        self._load.open += 1
        self._load.ready(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._load.lost()

    def data_received(self, data: bytes) -> None:
        reply = self._pending + data if self._pending else data
        size = reply_size(reply)
        if size is None:
            self._pending = reply
            return
        self._pending = b""
        if size != len(reply):
            self._transport.abort()
            return
        if reply[9:12] == self._load.status:
            self._load.count(perf_counter() - self._began)
        else:
            self._load.errors += 1
        self._load.ready(self)

    def send(self, began: float) -> None:
        """Send the next request, whose latency counts from ``began``."""
        requests = self._load.flow.requests
        request = requests[self._next % len(requests)]
        self._next += 1
        self._began = began
        self._transport.write(request)


def reply_size(reply: bytes) -> int | None:
    """Bytes of the reply that begins here; None until its head has come whole, or while its body has not.

    0 for a head that should have a Content-Length and has none: this client does not read chunked bodies.
    """
    end = reply.find(b"\r\n\r\n")
    if end < 0:
        return None
    if reply[9:12] in NO_BODY:
        return end + 4
    head = reply[:end].lower()
    at = head.find(b"\r\ncontent-length:")
    if at < 0:
        return 0
    stop = head.find(b"\r\n", at + 2)
    size = end + 4 + int(head[at + 17 : stop if stop > 0 else end])
    return size if size <= len(reply) else None


def percentiles(latencies: Sequence[int], shares: Sequence[float]) -> list[float]:
    """Milliseconds under which these shares of the counted latencies lie, by buckets; zeros when there are
    none.
    """
    wanted = [share * sum(latencies) for share in shares]
    found: list[float] = []
    seen = 0
    for bucket, count in enumerate(latencies):
        seen += count
        while count and len(found) < len(wanted) and seen >= wanted[len(found)]:
            found.append((bucket + 1) * 1000 / BUCKETS_PER_S)
    return found + [0.0] * (len(wanted) - len(found))
