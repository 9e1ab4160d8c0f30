"""How many feed pages can be read, with nothing cached but what SQLite and the system keep?"""

from collections.abc import Sequence
from random import Random

from bench.client import Flow, LoadResult, get, run_load
from bench.report import Row
from bench.run import Bench, http_row, share_row
from bench.server import ask, serving
from bench.world import World, feeds

DIFFERENT = 5_000
"""Random users whose pages are asked for."""
BUSIEST = 1_000


def pages(bench: Bench) -> list[Row]:
    """First pages of twenty items, beside a handler that returns bytes made beforehand."""
    file, world = bench.world
    with serving(file) as port:
        random = _load(bench, port, random_users(world, DIFFERENT))
        busy = _load(bench, port, busiest_users(world, BUSIEST))
        path = feeds(busiest_users(world, 1))[0]
        page = ask(port, "GET", path).body
    ceiling = bench.empty_gets(get(path), page, bench.sizes.page_connections)
    row = http_row("feed pages, random users", random, ceiling, gate=6_000, goal=12_000)
    return [
        row,
        share_row("feed pages, random users: share of an empty handler", row, 0.2, 0.4),
        http_row("feed pages, 1,000 busiest users", busy, ceiling, gate=15_000, goal=30_000),
    ]


def random_users(world: World, number: int) -> list[str]:
    """Users drawn alike from all."""
    return [world.user(rank) for rank in Random(3).choices(range(world.users), k=number)]


def busiest_users(world: World, number: int) -> list[str]:
    """Those with the most in their feeds, in random order."""
    users = [world.user(rank) for rank in range(min(number, world.users))]
    Random(3).shuffle(users)
    return users


def _load(bench: Bench, port: int, users: Sequence[str]) -> LoadResult:
    requests = [get(path) for path in feeds(users)]
    return run_load(port, bench.sizes.seconds, Flow(requests, bench.sizes.page_connections))[0]
