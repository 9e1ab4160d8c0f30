"""How soon does somebody with a stream have what is published for them, stored on the way?

The ceiling of single POSTs is a handler that reads the same request and answers at once. A message carries the time at
which its request was due, so a server that stalls pays for every message it holds up.
"""

from collections import Counter
from collections.abc import Generator
from random import Random
from statistics import median
from time import monotonic_ns
from typing import NamedTuple

import msgspec

from bench.client import post
from bench.cores import CLIENT
from bench.poster import Poster
from bench.remote_client import afar
from bench.report import Row
from bench.run import Bench
from bench.scenarios.streams import FLAGS, INBOX, quantiles
from bench.server import started
from bench.stream_clients import QUIET_S, Crowd, Witness, latencies_ms

ARRAY = 100
"""Events in an array, each for one person."""
SINGLE_POSTERS, ARRAY_POSTERS = 16, 4
PER_S = 1_000
"""Deliveries a second at which the latency is taken."""
NS = 1e9


class Load(NamedTuple):
    """Events in requests of ``array``, for some seconds: so many requests a second, or as fast as they are answered."""

    seconds: float
    array: int
    posters: int
    per_s: float | None = None


class Delivered(NamedTuple):
    """Notifications per second until the last had come, and how long each took."""

    rate: float
    times_ms: list[float]


def delivered(bench: Bench) -> list[Row]:
    """Notifications per second from requests to streams; then their latency at a steady rate."""
    few, many = bench.sizes.streams
    seconds = bench.sizes.seconds
    full = Load(seconds, ARRAY, ARRAY_POSTERS), Load(seconds, 1, SINGLE_POSTERS)
    arrays, singles = _measured(bench, many, *full)
    (steady,) = _measured(bench, few, Load(seconds, 1, SINGLE_POSTERS, PER_S))
    times = quantiles([time for run in steady for time in run.times_ms])
    name = f"request → stored → stream, {few:,} streams, {PER_S:,}/s"
    top = bench.empty_posts(_Events(many).request(1, monotonic_ns())).rate
    return [
        _row(f"notifications to {many:,} streams, arrays of {ARRAY}", arrays),
        _row(f"notifications to {many:,} streams, single POSTs", singles, top),
        Row(name=f"{name}: p50", value=times["p50"], unit="ms", goal=3),
        Row(name=f"{name}: p99", value=times["p99"], unit="ms", gate=50, goal=10, **times),
    ]


def _row(name: str, runs: list[Delivered], ceiling: float | None = None) -> Row:
    times = [time for run in runs for time in run.times_ms]
    rate = median(run.rate for run in runs)
    return Row(
        name=name,
        value=rate,
        unit="notifications/s",
        gate=2_000,
        goal=6_000,
        ceiling=ceiling,
        **quantiles(times),
    )


def _measured(bench: Bench, streams: int, *loads: Load) -> list[list[Delivered]]:
    with (
        started(bench.new_store(f"delivered-{streams}"), *FLAGS) as served,
        afar(CLIENT, _drive, served.port, streams) as client,
    ):
        return [[client.ask(load) for _ in range(bench.sizes.repeats)] for load in loads]


def _drive(port: int, streams: int) -> Generator[Delivered, Load]:
    """Asked for a load, publish it, and hear it."""
    crowd, events = Crowd(), _Events(streams)
    witnesses = crowd.open(port, range(streams), INBOX, Witness)
    load = yield Delivered(0, [])
    while True:
        posters = [Poster(port) for _ in range(load.posters)]
        for poster in posters:
            crowd.add(poster)
        began, before = monotonic_ns(), events.made
        heard = _publish(crowd, posters, events, load)
        crowd.wait(events.made - before - heard)
        took = (monotonic_ns() - began) / NS
        crowd.listen(QUIET_S)
        for poster in posters:
            crowd.leave(poster)
        if {witness.number: witness.heard for witness in witnesses if witness.heard} != events.targets:
            raise RuntimeError("not everybody was told everything once")
        load = yield Delivered((events.made - before) / took, latencies_ms(witnesses))


class _Events:
    """Makes events; ``targets`` counts those for each user."""

    def __init__(self, users: int) -> None:
        self._users = users
        self._draw = Random(1)
        self.made = 0
        self.targets: Counter[int] = Counter()

    def request(self, array: int, at: int) -> bytes:
        """So many events in a request that was due at this time."""
        some = [self._event(at) for _ in range(array)]
        return post("/v1/events", msgspec.json.encode(some if array > 1 else some[0]))

    def _event(self, at: int) -> dict[str, object]:
        self.made += 1
        user = self._draw.randrange(self._users)
        self.targets[user] += 1
        return {
            "actor_id": "ann",
            "verb": "comment",
            "object_type": "market",
            "object_id": str(self.made),
            "target_user_ids": [f"user{user}"],
            "metadata": {"at": at},
        }


def _publish(crowd: Crowd, posters: list[Poster], events: _Events, load: Load) -> int:
    """Send what becomes due; how many messages were heard meanwhile."""
    began = now = monotonic_ns()
    until, heard, step = began + load.seconds * NS, 0, NS / load.per_s if load.per_s else 0
    due: float = began
    while (due if step else now) < until:
        for poster in posters:
            if poster.idle and due <= now:
                poster.send(events.request(load.array, int(due) if step else now))
                due += step
        heard += crowd.pump(min(QUIET_S, max(0, due - now) / NS) if step else QUIET_S)
        now = monotonic_ns()
    return heard
