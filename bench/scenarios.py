"""What is measured: each scenario is a short function from a Bench to its rows."""

import random
from collections.abc import Callable
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from bench.ceiling import empty_server, raw_inserts
from bench.client import LoadResult, get, post, run_load
from bench.report import Row
from tidings.projections.windows import DIMENSIONS, WINDOWS, Occurrence, Windows
from tidings.testing import FakeClock

CONNECTIONS = 64
PAGE_BYTES = 6_000
"""About a feed page of twenty events."""
POST_BODY = (
    b'{"actor_id":"alice","verb":"comment","object_type":"market","object_id":"42","metadata":{"text":"%s"}}'
)
POST_BYTES = 1_000


class Bench:
    """One run: how much load, and the ceilings, each measured when first asked for."""

    def __init__(self, quick: bool) -> None:
        self.quick = quick
        self.seconds = 0.5 if quick else 5.0
        self.events = 2_000 if quick else 20_000
        self.connections = 8 if quick else CONNECTIONS

    @cached_property
    def get_ceiling(self) -> LoadResult:
        """GETs of a page from a handler that does nothing."""
        return self._load_empty([get("/v1/feed?user_id=alice")], 200)

    @cached_property
    def post_ceiling(self) -> LoadResult:
        """POSTs of an event to a handler that does nothing."""
        body = POST_BODY.replace(b"%s", b"x" * (POST_BYTES - len(POST_BODY) + 2))
        return self._load_empty([post("/v1/events", body)], 201)

    @cached_property
    def insert_ceiling(self) -> float:
        """Events per second, with ten rows each, into a new SQLite file."""
        with TemporaryDirectory() as directory:
            return raw_inserts(Path(directory) / "ceiling.db", self.events)

    def _load_empty(self, requests: list[bytes], status: int) -> LoadResult:
        with empty_server(b"x" * PAGE_BYTES) as port:
            return run_load("127.0.0.1", port, self.connections, self.seconds, requests, status)


def http_row(name: str, result: LoadResult, ceiling: LoadResult | None = None, **limits: float) -> Row:
    """A row for a load; ``limits`` are gate and goal in requests per second. Raises RuntimeError if any
    failed.
    """
    if result.errors or not result.rate:
        raise RuntimeError(f"{name}: {result.errors} errors at {result.rate:.0f} replies/s")
    latencies = {"p50": result.p50_ms, "p95": result.p95_ms, "p99": result.p99_ms}
    top = ceiling.rate if ceiling else None
    return Row(name=name, value=result.rate, unit="req/s", ceiling=top, **limits, **latencies)


def ceilings(bench: Bench) -> list[Row]:
    """The machine alone."""
    return [
        http_row("ceiling: GET, empty handler", bench.get_ceiling),
        http_row("ceiling: POST, empty handler", bench.post_ceiling),
        Row(name="ceiling: SQLite, event + 10 rows", value=bench.insert_ceiling, unit="events/s"),
    ]


def windows(bench: Bench) -> list[Row]:
    """Trends: a Zipf crowd of a million counted at 10,000 events a second, every top hundred asked for."""
    clock, draw = FakeClock(), _crowd()
    trends = Windows(clock, max_keys=1_000_000)
    counted, adding, queries = 0, 0.0, []
    for _ in range(10 if bench.quick else 120):
        clock.advance(1000)
        batches = [draw(clock.now(), 500) for _ in range(20)]
        began = perf_counter()
        for batch in batches:
            trends.add_many(batch)
        adding += perf_counter() - began
        counted += sum(map(len, batches))
        queries += [_timed(trends, window, by) for window in WINDOWS for by in DIMENSIONS]
    queries.sort()
    p50, p95, p99 = (queries[int(len(queries) * share)] for share in (0.5, 0.95, 0.99))
    return [
        Row(name="trends: counted", value=counted / adding, unit="events/s"),
        Row(name="trends: top 100", value=p99, unit="ms", gate=10.0, goal=1.0, p50=p50, p95=p95, p99=p99),
    ]


def _crowd() -> Callable[[int, int], list[Occurrence]]:
    """Events whose objects and actors follow Zipf's law over a million names."""
    source, names = random.Random(1), range(1_000_000)
    weights = list(accumulate(1 / (rank + 1) for rank in names))

    def draw(at: int, number: int) -> list[Occurrence]:
        picks = source.choices(names, cum_weights=weights, k=2 * number)
        pairs = zip(picks[:number], picks[number:], strict=True)
        return [(at, f"market:{obj}", f"verb{obj % 7}", "market", f"u{actor}") for obj, actor in pairs]

    return draw


def _timed(trends: Windows, window: str, by: str) -> float:
    began = perf_counter()
    trends.top(window, by, 100)
    return (perf_counter() - began) * 1000


SCENARIOS: dict[str, Callable[[Bench], list[Row]]] = {"ceilings": ceilings, "windows": windows}
"""By the name on the command line."""
