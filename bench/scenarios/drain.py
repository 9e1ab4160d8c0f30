"""How does a server leave that was asked to stop: how long does it take, and do its streams go one after the other?"""

import os
import signal
from collections.abc import Generator
from itertools import pairwise
from time import monotonic

from bench.cores import CLIENT
from bench.remote_client import afar
from bench.report import Row
from bench.run import Bench
from bench.scenarios.streams import ALL
from bench.server import Served, started
from bench.stream_clients import LONGEST_S, Crowd, Listener

DRAIN = b"event: drain\n"


def drain(bench: Bench) -> list[Row]:
    """Seconds from the signal to the end of the process, and the longest in which no stream was told to leave."""
    streams = bench.sizes.streams[0]
    with started(bench.new_store("drain")) as served, afar(CLIENT, _leave, served, streams) as client:
        began = monotonic()
        ends = client.ask(None)
    took = monotonic() - began
    gap_ms = max(later - earlier for earlier, later in pairwise(ends)) * 1_000
    return [
        Row(name=f"drain of {streams:,} streams", value=took, unit="s", gate=30),
        Row(name=f"drain of {streams:,} streams: longest gap", value=gap_ms, unit="ms"),
    ]


def _leave(served: Served, streams: int) -> Generator[list[float], None]:
    """Once asked, stop the server; when each stream ended, in order. Raises RuntimeError when one was not told."""
    crowd = Crowd()
    listeners = crowd.open(served.port, range(streams), ALL._replace(message=DRAIN), Listener)
    yield []
    os.kill(served.process, signal.SIGTERM)
    until = monotonic() + LONGEST_S
    while crowd.members and monotonic() < until:
        crowd.pump(until - monotonic())
    if any(listener.heard != 1 for listener in listeners):
        raise RuntimeError("a stream was cut without a word")
    yield sorted(listener.ended for listener in listeners)
