"""How many single events can be published durably, each told to ten people?"""

from random import Random

import msgspec

from bench.client import Flow, post, run_load
from bench.report import Row
from bench.run import Bench, http_row
from bench.server import serving

TARGETS = 10
USERS = 10_000
DIFFERENT = 2_000
"""Requests made beforehand."""
TEXT = "x" * 500
"""With it a request has about 1,000 bytes."""


def event(draw: Random) -> dict[str, object]:
    """One event for ten random people."""
    return {
        "actor_id": f"user{draw.randrange(USERS)}",
        "verb": "comment",
        "object_type": "market",
        "object_id": str(draw.randrange(USERS)),
        "target_user_ids": [f"user{number}" for number in draw.sample(range(USERS), TARGETS)],
        "metadata": {"text": TEXT},
    }


def posts(bench: Bench) -> list[Row]:
    """Rate and latency of single POSTs, beside a handler that reads the same request and answers at once."""
    draw, sizes = Random(1), bench.sizes
    requests = [post("/v1/events", msgspec.json.encode(event(draw))) for _ in range(DIFFERENT)]
    with serving(bench.new_store("posts")) as port:
        (result,) = run_load(port, sizes.seconds, Flow(requests, sizes.connections, 201))
    row = http_row(
        "single POSTs, 10 targets", result, bench.empty_posts(requests[0]), gate=5_000, goal=10_000
    )
    return [
        row,
        Row(name="single POSTs, 10 targets: p99", value=result.p99_ms, unit="ms", gate=50, goal=25),
    ]
