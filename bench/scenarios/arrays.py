"""How many events can be published in arrays, each reaching ten feeds?

The gate is for ten followers of the actor, which costs ten feed entries. Ten targets cost ten notifications as
well, and are shown beside it.
"""

from random import Random

import msgspec

from bench.ceiling import Shape
from bench.client import WARM_UP_S, Flow, LoadResult, post, run_load
from bench.report import TIMES_RAW, Row
from bench.run import Bench, checked
from bench.scenarios.posts import TEXT, USERS, event
from bench.server import ask, serving

FAN_OUT = 10
SIZE = 100
"""Events in one array."""
DIFFERENT = 100
"""Arrays made beforehand."""
CONNECTIONS = 16
ACTORS = 1_000


def arrays(bench: Bench) -> list[Row]:
    """Events per second, beside SQLite taking as many events with ten rows each."""
    draw = Random(1)
    followed = [[_followed(draw) for _ in range(SIZE)] for _ in range(DIFFERENT)]
    targeted = [[event(draw) for _ in range(SIZE)] for _ in range(DIFFERENT)]
    row = _row(
        bench, "arrays of 100, 10 followers", _load(bench, followed, "followers"), gate=15_000, goal=30_000
    )
    return [
        row,
        _beside_one_table(bench, row.value),
        _row(bench, "arrays of 100, 10 targets", _load(bench, targeted, "targets")),
    ]


def _followed(draw: Random) -> dict[str, object]:
    return {
        "actor_id": f"actor{draw.randrange(ACTORS)}",
        "verb": "comment",
        "object_type": "market",
        "object_id": str(draw.randrange(USERS)),
        "metadata": {"text": TEXT},
    }


def _load(bench: Bench, events: list[list[dict[str, object]]], kind: str) -> LoadResult:
    requests = [post("/v1/events", msgspec.json.encode(array)) for array in events]
    with serving(bench.new_store(f"arrays-{kind}")) as port:
        if kind == "followers":
            ask(port, "POST", "/v1/follows", _follows())
        return run_load(port, bench.sizes.seconds, Flow(requests, CONNECTIONS, 201))[0]


def _follows() -> bytes:
    draw = Random(2)
    return msgspec.json.encode(
        [
            {"user_id": f"user{user}", "topic": f"user:actor{actor}"}
            for actor in range(ACTORS)
            for user in draw.sample(range(USERS), FAN_OUT)
        ]
    )


def _beside_one_table(bench: Bench, rate: float) -> Row:
    """The gate was set by this yardstick: raw inserts into one clustered table. Small partitions pass it."""
    one_table = bench.raw_inserts(_taken(bench, rate), Shape(rows=FAN_OUT, parted=False))
    return Row(
        name="arrays of 100: share of raw inserts", value=rate / one_table, unit=TIMES_RAW, gate=0.4, goal=0.7
    )


def _taken(bench: Bench, rate: float) -> int:
    return int(rate * (bench.sizes.seconds + WARM_UP_S))


def _row(bench: Bench, name: str, result: LoadResult, **limits: float) -> Row:
    rate = checked(name, result).rate * SIZE
    ceiling = bench.raw_inserts(_taken(bench, rate), Shape(rows=FAN_OUT))
    latencies = {"p50": result.p50_ms, "p95": result.p95_ms, "p99": result.p99_ms}
    return Row(name=name, value=rate, unit="events/s", ceiling=ceiling, **limits, **latencies)
