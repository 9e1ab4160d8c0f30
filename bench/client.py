"""A closed-loop HTTP/1.1 load client: so many connections, each with one request under way at any time.

Requests are bytes made beforehand and replies are only framed (status, Content-Length), so that the client
needs a small part of the time that a server needs. It runs in a process and on a core of its own.
"""

import asyncio
from array import array
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from time import perf_counter, process_time
from typing import NamedTuple, cast

import uvloop

from bench.cores import CLIENT, pin

WARM_UP_S = 0.5
"""Not measured: connections are made, caches and the adaptive interpreter warm up."""
BUCKETS_PER_S = 100_000
"""Latencies are counted in steps of 10 µs …"""
LONGEST_S = 10
"""… up to this; a longer one counts as this long."""


class LoadResult(NamedTuple):
    """What a load achieved. ``rate`` is good replies per second; ``errors`` other statuses, bad frames, lost
    connections, none of which is in the rate or the latencies. ``client_cpu`` is the share of its core that
    the client used: near 1, it was the client that was measured."""

    rate: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    errors: int
    client_cpu: float


def get(path: str, headers: str = "") -> bytes:
    """A GET request; ``headers`` are complete lines, each with its CRLF."""
    return f"GET {path} HTTP/1.1\r\nhost: bench\r\n{headers}\r\n".encode()


def post(path: str, body: bytes, headers: str = "") -> bytes:
    """A POST request with a JSON body."""
    head = f"POST {path} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n{headers}"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


def run_load(
    host: str,
    port: int,
    connections: int,
    seconds: float,
    requests: Sequence[bytes],
    expect_status: int = 200,
) -> LoadResult:
    """Load a server for ``seconds`` after WARM_UP_S, each connection going round the ``requests`` from its
    own start.

    Raises OSError when the server cannot be reached.
    """
    with ProcessPoolExecutor(1, get_context("spawn"), pin, (CLIENT,)) as process:
        return process.submit(_drive, host, port, connections, seconds, requests, expect_status).result()


def _drive(
    host: str, port: int, connections: int, seconds: float, requests: Sequence[bytes], expect_status: int
) -> LoadResult:
    load = _Load(requests, expect_status)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(load.run(host, port, connections, seconds))


class _Load:
    """What all connections share: the requests, the counts, the end."""

    def __init__(self, requests: Sequence[bytes], expect_status: int) -> None:
        self.requests = requests
        self.status = str(expect_status).encode()
        self.errors = 0
        self.latencies = array("Q", bytes(8 * (LONGEST_S * BUCKETS_PER_S + 1)))
        self.open = 0
        self.stopping = False
        self.transports: list[asyncio.Transport] = []
        self.all_lost = asyncio.Event()

    async def run(self, host: str, port: int, connections: int, seconds: float) -> LoadResult:
        for number in range(connections):
            await self._connect(host, port, number * len(self.requests) // connections)
        await self._wait(WARM_UP_S)
        self._forget()
        began, cpu_began = perf_counter(), process_time()
        await self._wait(seconds)
        took, cpu = perf_counter() - began, process_time() - cpu_began
        self.stopping = True
        for transport in self.transports:
            transport.abort()
        return self._result(took, cpu)

    async def _connect(self, host: str, port: int, start: int) -> None:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_connection(lambda: _Connection(self, start), host, port)
        self.transports.append(transport)

    async def _wait(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self.all_lost.wait(), seconds)
        except TimeoutError:
            return

    def _forget(self) -> None:
        self.latencies = array("Q", bytes(8 * len(self.latencies)))

    def count(self, latency_s: float) -> None:
        self.latencies[min(int(latency_s * BUCKETS_PER_S), len(self.latencies) - 1)] += 1

    def lost(self) -> None:
        self.open -= 1
        if not self.stopping:
            self.errors += 1
            if not self.open:
                self.all_lost.set()

    def _result(self, took: float, cpu: float) -> LoadResult:
        p50, p95, p99 = percentiles(self.latencies, (0.5, 0.95, 0.99))
        return LoadResult(sum(self.latencies) / took, p50, p95, p99, self.errors, cpu / took)


class _Connection(asyncio.Protocol):
    """One request under way at any time; a reply is counted, then the next request is sent."""

    def __init__(self, load: _Load, start: int) -> None:
        self._load = load
        self._next = start
        self._pending = b""
        self._sent = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the methods of asyncio's but do not inherit from them.
        self._transport = cast(asyncio.Transport, transport)
        self._load.open += 1
        self._send()

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
            self._load.count(perf_counter() - self._sent)
        else:
            self._load.errors += 1
        self._send()

    def _send(self) -> None:
        requests = self._load.requests
        request = requests[self._next % len(requests)]
        self._next += 1
        self._sent = perf_counter()
        self._transport.write(request)


def reply_size(reply: bytes) -> int | None:
    """Bytes of the reply that begins here; None until its head has come whole, or while its body has not.

    0 for a head without Content-Length: this client does not read chunked bodies.
    """
    end = reply.find(b"\r\n\r\n")
    if end < 0:
        return None
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
