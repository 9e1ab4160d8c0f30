"""What do those who do not read cost the server, and the others?

A tenth of the streams are left alone while all are sent long messages, until the server has to give up on writing to
them; then they read again, and must get everything, in order.
"""

import socket
from collections.abc import Generator
from time import monotonic_ns
from typing import NamedTuple

import msgspec

from bench.client import post
from bench.cores import CLIENT
from bench.poster import Poster
from bench.process import KIB, memory
from bench.remote_client import afar
from bench.report import TIMES, Row
from bench.run import Bench
from bench.scenarios.streams import ALL, FLAGS, follow, quantiles
from bench.server import Served, started
from bench.stream_clients import LONGEST_S, Crowd, Witness, latencies_ms

PER_S = 1_000
"""Deliveries a second."""
GROUPS = 4
"""Parts of the streams that each follow a topic of their own: a message goes to one part at a time."""
TEXT = "x" * 15_000
"""With it seconds are enough to fill what a connection may hold."""
FROZEN = 10
"""One in so many is frozen."""
ASLEEP_BYTES, AWAKE_BYTES = 4 * KIB, 256 * KIB
"""Receive buffer of a stream that sleeps, and of one that has woken up."""
NS = 1e9


class Watched(NamedTuple):
    """How long messages took to those who read, in milliseconds, and KiB by which the server grew meanwhile."""

    times_ms: list[float]
    grown_kib: int


class _Sleeper(Witness):
    """A stream that can be left alone, with little room for what comes meanwhile: it is the server's buffers that are
    in question. Awake it has room, or small windows would slow it down."""

    def sleep(self, crowd: Crowd) -> None:
        """Read no more."""
        crowd.ignore(self)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, ASLEEP_BYTES)

    def wake(self, crowd: Crowd) -> None:
        """Read on."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, AWAKE_BYTES)
        crowd.add(self)


def frozen(bench: Bench) -> list[Row]:
    """Memory of a frozen stream, and by how much the others' latency changes."""
    streams, seconds = bench.sizes.streams[0] // 2, bench.sizes.frozen_s
    with started(bench.new_store("frozen"), *FLAGS) as served:
        for group in range(GROUPS):
            part = len(range(streams)[group::GROUPS])
            follow(served.port, f"market:{group}", part, group, GROUPS)
        with afar(CLIENT, _watch, served, streams) as client:
            client.ask((seconds / 4, False))  # caches and buffers grow to what they need
            base = client.ask((seconds, False))
            cold = client.ask((seconds, True))
    before, after = quantiles(base.times_ms), quantiles(cold.times_ms)
    # What the server grows by with nobody frozen is the cache of the events that it is sent.
    each = max(cold.grown_kib - base.grown_kib, 0) / len(range(0, streams, FROZEN))
    name = f"1 in {FROZEN} of {streams:,} streams frozen"
    return [
        Row(name=f"{name}: memory each", value=each, unit="KiB", gate=64, goal=16),
        Row(
            name=f"{name}: p99 of the others",
            value=after["p99"] / before["p99"],
            unit=TIMES,
            gate=1.5,
            goal=1.1,
        ),
    ]


def _watch(served: Served, streams: int) -> Generator[Watched, tuple[float, bool]]:
    """Asked for so many seconds, with some frozen or none, publish and listen; then the frozen catch up."""
    crowd = Crowd()
    witnesses = crowd.open(served.port, range(streams), ALL, _Sleeper)
    poster = Poster(served.port)
    crowd.add(poster)
    sent: list[list[int]] = [[] for _ in range(GROUPS)]
    seconds, freeze = yield Watched([], 0)
    while True:
        kib = memory(served.process).rss
        sleepers = witnesses[::FROZEN] if freeze else []
        for sleeper in sleepers:
            sleeper.sleep(crowd)
        _publish(crowd, poster, sent, streams, seconds)
        grown = memory(served.process).rss - kib
        _hear_rest(crowd, [witness for witness in witnesses if witness not in sleepers], sent)
        times = latencies_ms(witnesses)
        for sleeper in sleepers:
            sleeper.wake(crowd)
        _hear_rest(crowd, witnesses, sent)
        latencies_ms(sleepers)
        seconds, freeze = yield Watched(times, grown)


def _publish(crowd: Crowd, poster: Poster, sent: list[list[int]], streams: int, seconds: float) -> None:
    """Send to one group after the other, when each is due."""
    began = monotonic_ns()
    step = streams / GROUPS / PER_S * NS
    number = 0
    while (due := began + int(number * step)) < began + seconds * NS:
        while monotonic_ns() < due or not poster.idle:
            crowd.pump(max(0, due - monotonic_ns()) / NS if poster.idle else LONGEST_S)
        poster.send(_event(number % GROUPS, due))
        sent[number % GROUPS].append(due)
        number += 1


def _event(group: int, at: int) -> bytes:
    event = {"actor_id": "ann", "verb": "resolve", "object_type": "market", "object_id": str(group)}
    return post("/v1/events", msgspec.json.encode(event | {"metadata": {"text": TEXT, "at": at}}))


def _hear_rest(crowd: Crowd, witnesses: list[_Sleeper], sent: list[list[int]]) -> None:
    """Wait until these have heard all. Raises RuntimeError when one missed, or heard twice, or out of order."""
    lacking = sum(len(sent[witness.number % GROUPS]) - len(witness.stamps) for witness in witnesses)
    crowd.wait(lacking)
    if any(witness.stamps != sent[witness.number % GROUPS] for witness in witnesses):
        raise RuntimeError("a stream has a gap")
