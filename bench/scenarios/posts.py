"""How many single events can be published durably, each told to ten people?"""

from random import Random

import msgspec

from bench.client import Flow, post, run_load
from bench.report import Row
from bench.run import Bench, http_row
from bench.server import serving

TARGETS = 10
USERS = 10_000
DIFFERENT = 60_000
"""Requests made beforehand, more than a run sends: one that comes again is about the same object and people, and joins the
groups of the first."""
REPEATED = 2_000
"""The same for items that nearly all join a group."""
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
    draw = Random(1)
    requests = [post("/v1/events", msgspec.json.encode(event(draw))) for _ in range(DIFFERENT)]
    return [
        *_row(bench, "posts", "", requests, gate=5_000, goal=10_000),
        *_row(bench, "joining", ", nearly all joining a group", requests[:REPEATED]),
    ]


def _row(bench: Bench, store: str, what: str, requests: list[bytes], **limits: float) -> list[Row]:
    name = f"single POSTs, 10 targets{what}"
    with serving(bench.new_store(store)) as port:
        (result,) = run_load(port, bench.sizes.seconds, Flow(requests, bench.sizes.connections, 201))
    row = http_row(name, result, bench.empty_posts(requests[0]), **limits)
    return [row, Row(name=f"{name}: p99", value=result.p99_ms, unit="ms", gate=50, goal=25)]
