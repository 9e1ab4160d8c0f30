"""How fast does a week of real activity reach the home timelines of those who follow?

The follow graph is loaded first, its time apart. Then the week is published as arrays of 1,000, in order, by the
same call as a POST of an array, waiting for each until all feeds have it; nothing is left to be merged at read.
"""

import asyncio
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

from bench.ceiling import Shape
from bench.cores import SERVER, run_on
from bench.higgs import Week, load
from bench.report import Row
from bench.run import Bench
from bench.scenarios.disk import home_entries
from bench.world import progress
from tidings.config import Settings
from tidings.server import running
from tidings.timeutil import SystemClock

ARRAY = 1_000
FOLLOWS = 10_000
"""Follows in one transaction, as many as one bulk request may hold."""
NEVER = 1_000_000_000
"""Followers, and rows a second, from which a topic would be merged at read."""
BODY_BYTES = 250
"""Of one of these events as stored."""


class _Took(NamedTuple):
    follows_s: float
    week_s: float


def week(bench: Bench) -> list[Row]:
    """Feed entries a second, beside SQLite taking as many events with as many rows on average.

    Raises RuntimeError unless every entry that follows from the data is there.
    """
    data, real = load(bench.data, bench.sizes.week_events)
    file = bench.new_store("week")
    took = run_on(SERVER, _replay, file, data)
    entries, expected = home_entries(file), data.entries()
    if entries != expected:
        raise RuntimeError(f"{entries:,} feed entries were written where {expected:,} belong")
    rows = max(1, round(entries / len(data.acts)))
    shape = Shape(rows=rows, body_bytes=BODY_BYTES, users=len(data.follows))
    name = f"{'Higgs' if real else 'likeness of the Higgs'} week, {entries:,} entries"
    ceiling = bench.raw_inserts(len(data.acts), shape) * rows
    return [
        Row(
            name=name,
            value=entries / took.week_s,
            unit="entries/s",
            ceiling=ceiling,
            gate=76_000,
            goal=250_000,
        ),
        Row(name="the same in events", value=len(data.acts) / took.week_s, unit="events/s"),
        Row(name="its follow graph", value=len(data.follows) / took.follows_s, unit="follows/s"),
    ]


def _replay(file: Path, data: Week) -> _Took:
    return asyncio.run(_publish(file, data))


async def _publish(file: Path, data: Week) -> _Took:
    settings = Settings(
        dev=True,
        store=f"sqlite:///{file}",
        fanout_read_threshold_followers=NEVER,
        fanout_read_threshold_rows_per_s=NEVER,
    )
    pairs = [(follower, f"user:{followed}") for follower, followed in data.follows]
    arrays = list(data.arrays(ARRAY))
    async with running(settings, SystemClock()) as services:
        began = perf_counter()
        for at in range(0, len(pairs), FOLLOWS):
            await services.ingest.follow_many(pairs[at : at + FOLLOWS], backfill=0)
        followed = perf_counter()
        for number, array in enumerate(arrays, 1):
            await services.ingest.publish_array(array, scope="bench")
            progress("week", number * ARRAY, len(data.acts))
        done = perf_counter()
    return _Took(followed - began, done - followed)
