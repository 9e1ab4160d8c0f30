"""Does a page cost more in a large store, or far down a feed?"""

import http.client
from collections.abc import Iterator
from contextlib import closing
from time import perf_counter
from typing import NamedTuple

import msgspec

from bench.client import Flow, LoadResult, get, post, run_load
from bench.cores import CLIENT, run_on
from bench.report import Row
from bench.run import Bench, checked
from bench.scenarios.pages import busiest_users, random_users
from bench.server import serving
from bench.world import World, build, feeds

PER_USER = 500
"""Feed entries of an average user, in the small store as in the large one: both have full pages for everyone."""
PAGES_PER_S = 1_000
ARRAYS_PER_S = 20
ARRAY = 25
"""Events of one array: 500 events, 10,000 feed entries a second are written meanwhile."""
CONNECTIONS = 16
WRITERS = 4
DIFFERENT = 2_000
AROUND = 20
"""Pages before and after the deep one that are measured with it."""
ROUNDS = 25


class _Page(msgspec.Struct):
    next_cursor: str | None


class _Depths(NamedTuple):
    """Sorted seconds of first pages and of deep ones."""

    first: list[float]
    deep: list[float]


def depth(bench: Bench) -> list[Row]:
    """Pages while others write, in a large store and a small one; first pages and deep ones of one user."""
    sizes, file = bench.sizes, bench.new_store("large")
    world = build(file, sizes.large_entries, PER_USER)
    with serving(file) as port:
        depths = run_on(CLIENT, _walk, port, feeds(busiest_users(world, 1))[0], sizes.deep_page)
        large, large_writes = _while_writing(bench, port, world)
    file = bench.new_store("small")
    world = build(file, sizes.small_entries, PER_USER)
    with serving(file) as port:
        small, small_writes = _while_writing(bench, port, world)
    return [
        _size_row(f"pages while writing, {sizes.small_entries:,} entries: p99", small),
        _size_row(f"pages while writing, {sizes.large_entries:,} entries: p99", large),
        Row(
            name="pages: p99 large ÷ small",
            value=large.p99_ms / small.p99_ms,
            unit="times",
            gate=1.5,
            goal=1.2,
        ),
        _written("written meanwhile, small", small_writes),
        _written("written meanwhile, large", large_writes),
        *_depth_rows(depths, sizes.deep_page),
    ]


def _while_writing(bench: Bench, port: int, world: World) -> tuple[LoadResult, LoadResult]:
    users = random_users(world, DIFFERENT) + busiest_users(world, DIFFERENT // 10)
    reads = Flow([get(path) for path in feeds(users)], CONNECTIONS, per_s=PAGES_PER_S)
    arrays = [post("/v1/events", array) for array in world.posts(DIFFERENT // ARRAY, ARRAY)]
    writes = Flow(arrays, WRITERS, 201, ARRAYS_PER_S)
    read, written = run_load(port, bench.sizes.seconds, reads, writes)
    return checked("pages while writing", read), checked("writing beside pages", written)


def _walk(port: int, path: str, page: int) -> _Depths:
    """Go down to just before a page, then read the pages around it again and again, each after a page at the top: the
    second, since the first may be remembered from one time to the next."""
    with closing(http.client.HTTPConnection("127.0.0.1", port)) as connection:
        (_, second), *_, (_, cursor) = _pages(connection, path, "", max(page - AROUND, 2))
        first, deep = [], []
        for _ in range(ROUNDS):
            for took, _ in _pages(connection, path, cursor, 2 * AROUND):
                deep.append(took)
                first += [took for took, _ in _pages(connection, path, second, 1)]
    return _Depths(sorted(first), sorted(deep))


def _pages(
    connection: http.client.HTTPConnection, path: str, cursor: str, number: int
) -> Iterator[tuple[float, str]]:
    """So many pages from a cursor on ("" for the first): the seconds that each took, and where the next begins.

    Raises RuntimeError when the feed ends.
    """
    for _ in range(number):
        began = perf_counter()
        connection.request("GET", f"{path}&cursor={cursor}" if cursor else path)
        body = connection.getresponse().read()
        took = perf_counter() - began
        following = msgspec.json.decode(body, type=_Page).next_cursor
        if following is None:
            raise RuntimeError("the feed ends before the page that was to be measured")
        cursor = following
        yield took, cursor


def _size_row(name: str, result: LoadResult) -> Row:
    latencies = {"p50": result.p50_ms, "p95": result.p95_ms, "p99": result.p99_ms}
    return Row(name=name, value=result.p99_ms, unit="ms", **latencies)


def _written(name: str, result: LoadResult) -> Row:
    return Row(name=name, value=result.rate * ARRAY, unit="events/s", gate=0.95 * ARRAYS_PER_S * ARRAY)


def _depth_rows(depths: _Depths, page: int) -> Iterator[Row]:
    for share in (0.5, 0.99):
        first, deep = (times[int(len(times) * share)] for times in depths)
        name = f"page {page:,} ÷ page 2: p{share * 100:.0f}"
        yield Row(name=name, value=deep / first, unit="times", gate=1.5, goal=1.1)
