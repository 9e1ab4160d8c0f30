"""How fast does one event reach everybody who follows its topic, each with a stream?

The same work is done by a loop that only writes (the ceiling) and, where it is installed, by nginx with nchan. All are
up at the same time and measured in turn, so that what else the machine does falls on all alike.
"""

from collections.abc import Generator, Sequence
from contextlib import ExitStack
from statistics import median
from time import perf_counter
from typing import NamedTuple

import msgspec

from bench.client import post
from bench.cores import CLIENT
from bench.nchan import NCHAN, nchan
from bench.poster import Poster
from bench.process import cpu_s
from bench.raw_socket_baseline import BARE, bare
from bench.remote_client import afar
from bench.report import CPU_S, SHARE, TIMES_PEER, Row
from bench.run import Bench
from bench.scenarios.streams import ACTIVITY, ALL, CPU_PER, EVERYONE, FLAGS, follow, quantiles, sample
from bench.server import Served, spawned, started
from bench.stream_clients import Crowd, Dialect, Listener

TOPIC = "market:42"
EVENT = msgspec.json.encode(
    {"actor_id": "ann", "verb": "resolve", "object_type": "market", "object_id": "42", "metadata": {"yes": 1}}
)
LIMITS = ((70_000, 140_000), (60_000, 130_000))
"""(gate, goal) in deliveries per second, to few streams and to many."""
WARM_UP = 2
"""Rounds before those that are measured."""


class Side(NamedTuple):
    """One that is measured: where, how its streams sound, what makes it tell everybody."""

    name: str
    port: int
    process: int
    dialect: Dialect
    request: bytes


class Rounds(NamedTuple):
    """What some rounds took: seconds to the last stream for each, processor seconds of the server for all."""

    times_s: list[float]
    cpu_s: float


def broadcast(bench: Bench) -> list[Row]:
    """Deliveries per second, each event sent when the one before has reached the last stream."""
    few, many = zip(bench.sizes.streams, LIMITS, strict=True)
    return _broadcast(bench, *few) + _broadcast(bench, *many)


def _broadcast(bench: Bench, streams: int, limits: tuple[int, int]) -> list[Row]:
    with ExitStack() as stack:
        sides = _sides(bench, streams, stack)
        clients = [stack.enter_context(afar(CLIENT, _listen, side, streams)) for side in sides]
        took: list[list[Rounds]] = [[] for _ in sides]
        for _ in range(bench.sizes.repeats):
            for client, rounds in zip(clients, took, strict=True):
                rounds.append(client.ask(bench.sizes.rounds))
    return _rows(streams, limits, dict(zip((side.name for side in sides), took, strict=True)))


def _sides(bench: Bench, streams: int, stack: ExitStack) -> list[Side]:
    publish = post("/v1/events", EVENT)
    store = bench.new_store(f"broadcast-{streams}")
    alike = stack.enter_context(started(store, *FLAGS))
    own = stack.enter_context(started(bench.new_store(f"broadcast-{streams}-own"), *FLAGS))
    everyone = stack.enter_context(started(bench.new_store(f"broadcast-{streams}-everyone"), *FLAGS))
    for served in (alike, own):
        follow(served.port, TOPIC, streams)
    frame = sample(alike.port, ACTIVITY, publish)
    sides = [
        Side("activity", *alike[:2], ACTIVITY, publish),
        Side("own ids", *own[:2], ALL, publish),
        Side("all activity", *everyone[:2], EVERYONE, publish),
        Side("bare", *stack.enter_context(spawned(bare))[:2], BARE, post("/", frame)),
    ]
    peer: Served | None = stack.enter_context(nchan(bench.folder / f"nchan-{streams}", wanted=bench.peers))
    if peer is not None:
        data = frame.partition(b"data: ")[2].partition(b"\n")[0]
        sides.append(Side("nchan", *peer[:2], NCHAN._replace(request="/sub/all"), post("/pub/all", data)))
    return sides


def _listen(side: Side, streams: int) -> Generator[Rounds, int]:
    """Asked for so many rounds, do them: publish, wait for the last stream."""
    crowd = Crowd()
    listeners = crowd.open(side.port, range(streams), side.dialect, Listener)
    _rounds(crowd, side, streams, WARM_UP)
    done = WARM_UP
    rounds = yield Rounds([], 0)
    while True:
        done += rounds
        result = _rounds(crowd, side, streams, rounds)
        if any(listener.heard != done for listener in listeners):
            raise RuntimeError(f"{side.name}: not everybody heard everything once")
        rounds = yield result


def _rounds(crowd: Crowd, side: Side, streams: int, rounds: int) -> Rounds:
    poster = Poster(side.port)
    times, cpu = [], cpu_s(side.process)
    for _ in range(rounds):
        began = perf_counter()
        poster.send(side.request)
        crowd.wait(streams)
        times.append(perf_counter() - began)
        poster.receipt()
    poster.socket.close()
    return Rounds(times, cpu_s(side.process) - cpu)


def _rows(streams: int, limits: tuple[int, int], took: dict[str, list[Rounds]]) -> list[Row]:
    what, (gate, goal) = f"one event to {streams:,} streams", limits
    top = _rate(streams, took["bare"])
    row = _row(what, streams, took["activity"], ceiling=top, gate=gate, goal=goal)
    rows = [
        row,
        Row(name=f"{what}: share of a bare loop", value=row.value / top, unit=SHARE, gate=0.4, goal=0.85),
        _row(f"{what}, ids of their own", streams, took["own ids"], ceiling=top),
        _row(f"{what} of all activity", streams, took["all activity"], ceiling=top),
    ]
    if "nchan" in took:
        peer = _row(f"nchan: {what}", streams, took["nchan"])
        ratio = Row(name=f"{what}: beside nchan", value=row.value / peer.value, unit=TIMES_PEER, goal=1)
        rows += [peer, ratio]
    return rows + [_cpu(f"{name}: {what}", streams, rounds) for name, rounds in took.items()]


def _row(name: str, streams: int, took: Sequence[Rounds], **limits: float | None) -> Row:
    times_ms = [time * 1_000 for rounds in took for time in rounds.times_s]
    return Row(name=name, value=_rate(streams, took), unit="deliveries/s", **limits, **quantiles(times_ms))


def _rate(streams: int, took: Sequence[Rounds]) -> float:
    return median(streams * len(rounds.times_s) / sum(rounds.times_s) for rounds in took)


def _cpu(name: str, streams: int, took: Sequence[Rounds]) -> Row:
    used = median(rounds.cpu_s / len(rounds.times_s) for rounds in took)
    return Row(name=name, value=used / streams * CPU_PER, unit=CPU_S)
