"""How long does a ranking take, by itself and from a server that is counting ten thousand events a second?"""

from collections.abc import Callable
from itertools import accumulate
from random import Random
from time import perf_counter

import msgspec

from bench.client import Flow, get, post, run_load
from bench.report import Row
from bench.run import Bench, checked
from bench.server import serving
from tidings.event_counts import DIMENSIONS
from tidings.projections.windows import WINDOWS, Occurrence, Windows
from tidings.testing import FakeClock

NAMES = 1_000_000
ARRAY = 100
DIFFERENT = 300
"""Arrays made beforehand."""
WRITERS, READERS = 8, 4
ASKED_PER_S = 100

Draw = Callable[[int, int], list[Occurrence]]


def trends(bench: Bench) -> list[Row]:
    """Rankings of a hundred for every window and dimension, over HTTP and by call."""
    return [*_over_http(bench), *_by_call(120 if bench.sizes.seconds > 1 else 10)]


def _over_http(bench: Bench) -> list[Row]:
    draw, sizes = _crowd(), bench.sizes
    arrays = [post("/v1/events", _array(draw(0, ARRAY))) for _ in range(DIFFERENT)]
    tops = [get(f"/v1/top?window={window}&by={by}&limit=100") for window in WINDOWS for by in DIMENSIONS]
    with serving(bench.new_store("trends")) as port:
        asked, counted = run_load(
            port,
            sizes.seconds,
            Flow(tops, READERS, per_s=ASKED_PER_S),
            Flow(arrays, WRITERS, 201, sizes.events_per_s / ARRAY),
        )
    checked("rankings", asked)
    rate = checked("events beside rankings", counted).rate * ARRAY
    latencies = {"p50": asked.p50_ms, "p95": asked.p95_ms, "p99": asked.p99_ms}
    name = f"/v1/top under {sizes.events_per_s:,} events/s: p99"
    return [
        Row(name=name, value=asked.p99_ms, unit="ms", gate=20, goal=2, **latencies),
        Row(name="events counted meanwhile", value=rate, unit="events/s", gate=0.95 * sizes.events_per_s),
    ]


def _array(events: list[Occurrence]) -> bytes:
    made = [
        {"actor_id": actor, "verb": verb, "object_type": kind, "object_id": thing.partition(":")[2]}
        for _, thing, verb, kind, actor in events
    ]
    return msgspec.json.encode(made)


def _by_call(seconds: int) -> list[Row]:
    """A crowd counted at 10,000 events a second, as fast as it goes on a clock that is turned."""
    clock, draw = FakeClock(), _crowd()
    windows = Windows(clock, max_keys=NAMES)
    counted, adding, queries = 0, 0.0, []
    for _ in range(seconds):
        clock.advance(1000)
        batches = [draw(clock.now(), 500) for _ in range(20)]
        began = perf_counter()
        for batch in batches:
            windows.add_many(batch)
        adding += perf_counter() - began
        counted += sum(map(len, batches))
        queries += [_timed(windows, window, by) for window in WINDOWS for by in DIMENSIONS]
    queries.sort()
    p50, p95, p99 = (queries[int(len(queries) * share)] for share in (0.5, 0.95, 0.99))
    return [
        Row(name="windows by call: counted", value=counted / adding, unit="events/s"),
        Row(name="windows by call: p99", value=p99, unit="ms", gate=10, goal=1, p50=p50, p95=p95, p99=p99),
    ]


def _crowd() -> Draw:
    """Events whose objects and actors follow Zipf's law over a million names."""
    source, names = Random(1), range(NAMES)
    weights = list(accumulate(1 / (rank + 1) for rank in names))

    def draw(at: int, number: int) -> list[Occurrence]:
        picks = source.choices(names, cum_weights=weights, k=2 * number)
        pairs = zip(picks[:number], picks[number:], strict=True)
        return [(at, f"market:{obj}", f"verb{obj % 7}", "market", f"u{actor}") for obj, actor in pairs]

    return draw


def _timed(windows: Windows, window: str, by: str) -> float:
    began = perf_counter()
    windows.top(window, by, 100)
    return (perf_counter() - began) * 1000
