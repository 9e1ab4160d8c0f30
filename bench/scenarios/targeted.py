"""How many different things can be told to different people, and how soon, each with a stream? Nothing is stored.

Ours is told inside its process that an inbox changed, and reads it from a store that has the answer ready; nchan, where
it is installed, gets each message by a request. The ceiling is a loop that only writes.
"""

from collections.abc import Generator
from random import Random
from statistics import median
from time import monotonic, monotonic_ns
from typing import NamedTuple

from bench.client import post
from bench.cores import CLIENT
from bench.hub import hub
from bench.nchan import NCHAN, nchan
from bench.poster import Poster
from bench.process import cpu_s
from bench.push import Push, Pushed
from bench.raw_socket_baseline import BARE, bare
from bench.remote_client import Afar, afar
from bench.report import CPU_S, Row
from bench.run import Bench
from bench.scenarios.streams import CPU_PER, INBOX, quantiles
from bench.server import Served, spawned
from bench.stream_clients import QUIET_S, Crowd, Dialect, Witness, latencies_ms

WINDOW = 64
"""Hints under way at most: so many wait while one is served, which is most of the latency at full speed."""
GATE_PER_S, GOAL_PER_S = 20_000, 48_000
PUBLISHERS = 16
MESSAGE = b'{"at":%020d}' + b"x" * 600
"""With it nchan's messages have as many bytes as ours."""
REQUEST = post("/pub/CHANNEL", MESSAGE % 0).replace(MESSAGE % 0, MESSAGE).replace(b"CHANNEL", b"%d")
"""To be filled in with channel and time: to make each anew would take the client longer than nchan takes to serve it."""


class Heard(NamedTuple):
    """What all streams heard together: how many messages, how long each took, the server's processor seconds."""

    messages: int
    times_ms: list[float]
    cpu_s: float

    @property
    def cpu_row(self) -> float:
        """Processor seconds for CPU_PER messages."""
        return self.cpu_s / self.messages * CPU_PER


def targeted(bench: Bench) -> list[Row]:
    """Messages per second to random streams as fast as they are taken, and how long each takes at the gate's rate."""
    streams = bench.sizes.streams[1]
    rows = _ours(bench, streams)
    with nchan(bench.folder / "nchan-targeted", wanted=bench.peers) as peer:
        if peer is not None:
            rows += _peers(bench, peer, streams)
    return rows


def _ours(bench: Bench, streams: int) -> list[Row]:
    full = Push(bench.sizes.seconds, streams, WINDOW)
    runs, tops = [], []
    with (
        spawned(hub) as served,
        spawned(bare) as least,
        afar(CLIENT, _listen, served, INBOX, streams) as client,
        afar(CLIENT, _listen, least, BARE, streams) as least_client,
    ):
        for _ in range(bench.sizes.repeats):
            runs.append(_push(served, client, full))
            tops.append(_push(least, least_client, full))
        _, paced = _push(served, client, full._replace(per_s=GATE_PER_S))
    times = [time for _, heard in runs for time in heard.times_ms]
    name = f"targeted to {streams:,} streams, nothing stored"
    at_gate = quantiles(paced.times_ms)
    cpu = median(heard.cpu_row for _, heard in runs)
    return [
        Row(
            name=name,
            value=_rate(runs),
            unit="messages/s",
            gate=GATE_PER_S,
            goal=GOAL_PER_S,
            ceiling=_rate(tops),
            **quantiles(times),
        ),
        Row(
            name=f"{name}: p99 at {GATE_PER_S:,}/s",
            value=at_gate["p99"],
            unit="ms",
            gate=10,
            goal=2,
            **at_gate,
        ),
        Row(name=f"{name}: CPU", value=cpu, unit=CPU_S),
    ]


def _rate(runs: list[tuple[Pushed, Heard]]) -> float:
    return median(pushed.told / pushed.took_s for pushed, _ in runs)


def _push(served: Served, client: Afar[float, Heard], push: Push) -> tuple[Pushed, Heard]:
    assert served.pipe is not None
    served.pipe.send(push)
    heard = client.ask(push.seconds)
    pushed: Pushed = served.pipe.recv()
    if heard.messages != pushed.told:
        raise RuntimeError(f"{pushed.told} were told, {heard.messages} heard")
    return pushed, heard


def _listen(served: Served, dialect: Dialect, streams: int) -> Generator[Heard, float]:
    """Asked for so many seconds, listen."""
    crowd = Crowd()
    witnesses = crowd.open(served.port, range(streams), dialect, Witness)
    seconds = yield Heard(0, [], 0)
    while True:
        cpu = cpu_s(served.process)
        messages = crowd.listen(seconds)
        seconds = yield Heard(messages, latencies_ms(witnesses), cpu_s(served.process) - cpu)


def _peers(bench: Bench, peer: Served, streams: int) -> list[Row]:
    with afar(CLIENT, _publish, peer, streams) as client:
        runs = [client.ask(bench.sizes.seconds) for _ in range(bench.sizes.repeats)]
    times = [time for heard in runs for time in heard.times_ms]
    rate = median(heard.messages for heard in runs) / bench.sizes.seconds
    name, cpu = f"nchan: targeted to {streams:,} streams", median(heard.cpu_row for heard in runs)
    return [
        Row(name=name, value=rate, unit="messages/s", **quantiles(times)),
        Row(name=f"{name}: CPU", value=cpu, unit=CPU_S),
    ]


def _publish(peer: Served, streams: int) -> Generator[Heard, float]:
    """Asked for so many seconds, publish to random channels, each publisher as fast as it is answered."""
    crowd, draw = Crowd(), Random(1)
    witnesses = crowd.open(peer.port, range(streams), NCHAN, Witness)
    posters = [Poster(peer.port) for _ in range(PUBLISHERS)]
    for poster in posters:
        crowd.add(poster)
    seconds = yield Heard(0, [], 0)
    while True:
        cpu, answered, messages = cpu_s(peer.process), _answered(posters), 0
        until = monotonic() + seconds
        while monotonic() < until:
            for poster in posters:
                if poster.idle:
                    poster.send(REQUEST % (int(draw.random() * streams), monotonic_ns()))
            messages += crowd.pump(QUIET_S)
        cpu = cpu_s(peer.process) - cpu
        messages += crowd.listen(QUIET_S)
        if messages != _answered(posters) - answered:
            raise RuntimeError(f"nchan: {messages} were heard")
        seconds = yield Heard(messages, latencies_ms(witnesses), cpu)


def _answered(posters: list[Poster]) -> int:
    return sum(poster.answered for poster in posters)
