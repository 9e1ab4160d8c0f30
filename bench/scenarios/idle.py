"""What does a stream cost on which nothing happens?"""

from collections.abc import Generator
from time import monotonic
from typing import NamedTuple

from bench.cores import CLIENT
from bench.process import KIB, Memory, cpu_s, memory, slab_kib
from bench.remote_client import afar
from bench.report import Row
from bench.run import Bench
from bench.scenarios.streams import FLAGS, INBOX
from bench.server import Served, started
from bench.stream_clients import Crowd, Listener

SETTLE_S = 2.0
"""After the last stream was opened."""
KB = KIB / 1_000
US = 1e6


class Idle(NamedTuple):
    """What the server had in memory, what the kernel had, and what the streams cost in processor seconds a second."""

    memory: Memory
    slab_kib: int
    busy: float


def idle(bench: Bench) -> list[Row]:
    """Memory and processor time of a stream, by the difference that many of them make."""
    streams = bench.sizes.streams[1]
    with (
        started(bench.new_store("idle"), *FLAGS) as served,
        afar(CLIENT, _listen, served, streams, bench.sizes.idle_s) as client,
    ):
        before, after = client.first, client.ask(None)
    rss = (after.memory.rss - before.memory.rss) * KB / streams
    pss = (after.memory.pss - before.memory.pss) * KB / streams
    slab = (after.slab_kib - before.slab_kib) * KB / streams
    name = f"idle stream of {streams:,}"
    return [
        Row(name=f"{name}: memory", value=rss, unit="KB", gate=20, goal=10),
        Row(name=f"{name}: memory, shared pages divided", value=pss, unit="KB"),
        Row(name=f"{name}: kernel, both ends", value=max(slab, 0.0), unit="KB"),
        Row(name=f"{name}: CPU", value=after.busy * US / streams, unit="µs a second", gate=10, goal=4),
    ]


def _listen(served: Served, streams: int, seconds: float) -> Generator[Idle, None]:
    yield Idle(memory(served.process), slab_kib(), 0)
    crowd = Crowd()
    crowd.open(served.port, range(streams), INBOX, Listener)
    crowd.listen(SETTLE_S)
    cpu, began = cpu_s(served.process), monotonic()
    crowd.listen(seconds)
    busy = (cpu_s(served.process) - cpu) / (monotonic() - began)
    yield Idle(memory(served.process), slab_kib(), busy)
