"""``tidings bench``: a quick measurement of a running server on this machine."""

import secrets
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import click

from tidings.cli.client import DEFAULT_URL, CommandClient, connect, key_env_option

ARRAY = 100
"""Events in one array: from this number on the cost of a request is negligible."""

PAGE = 20
READERS = 50
"""Different feeds that are written to and read."""

Request = Callable[[CommandClient, int], object]


class Result(NamedTuple):
    """The result of one kind of request: requests a second, and the duration of each in milliseconds."""

    name: str
    rate: float
    p50_ms: float
    p95_ms: float
    p99_ms: float


@click.command("bench", short_help="Measure a running server for a few seconds.")
@click.option("--url", default=DEFAULT_URL, show_default=True, help="The running server.")
@key_env_option
@click.option(
    "--seconds", type=click.FloatRange(0.1, 60), default=3.0, show_default=True, help="For each row."
)
@click.option(
    "--connections",
    type=click.IntRange(1, 64),
    default=8,
    show_default=True,
    help="Requests under way at once.",
)
def command(url: str, key_env: str, seconds: float, connections: int) -> None:
    """Post events, read feeds, and print rates and percentiles.

    The events stay: use a server whose data does not matter. This client is itself written in Python and
    shares the machine, so a fast server is faster than these figures; compare them with each other, not with
    other tools'.

    \b
    Examples:
      tidings bench
      tidings bench --seconds 10 --connections 32
    """
    click.echo(f"{'requests':<24}{'per s':>10}{'p50 ms':>10}{'p95 ms':>10}{'p99 ms':>10}")
    for name, request in requests(f"bench-{secrets.token_hex(4)}").items():
        got = measure(name, request, lambda: connect(url, key_env), seconds, connections)
        click.echo(f"{name:<24}{got.rate:>10,.0f}{got.p50_ms:>10.2f}{got.p95_ms:>10.2f}{got.p99_ms:>10.2f}")


def requests(run: str) -> dict[str, Request]:
    """The kinds of requests by name; ``run`` separates the users of one run from all others."""

    def reader(i: int) -> str:
        return f"{run}-reader-{i % READERS}"

    def event(i: int) -> dict[str, Any]:
        target = {"target_user_ids": [reader(i)], "metadata": {"price": "42.00"}}
        return {
            "actor_id": f"{run}-actor",
            "verb": "bench",
            "object_type": "bench",
            "object_id": run,
        } | target

    return {
        "post one event": lambda client, i: client.publish(event(i)),
        f"post {ARRAY} events": lambda client, i: client.publish_many([event(i + n) for n in range(ARRAY)]),
        f"feed, {PAGE} items": lambda client, i: client.feed_page(user=reader(i), limit=PAGE),
        "unread count": lambda client, i: client.unread_count(user=reader(i)),
    }


def measure(
    name: str, request: Request, connected: Callable[[], CommandClient], seconds: float, connections: int
) -> Result:
    """Repeat a request over several connections for some seconds. Raises ClickException when one fails."""

    def work(worker: int) -> list[float]:
        with connected() as client:
            return _repeat(lambda n: request(client, worker + n * connections), seconds)

    began = time.perf_counter()
    with ThreadPoolExecutor(connections) as pool:
        took = sorted(one for times in pool.map(work, range(connections)) for one in times)
    rate = len(took) / (time.perf_counter() - began)
    return Result(name, rate, *(took[int(len(took) * part)] * 1000 for part in (0.50, 0.95, 0.99)))


def _repeat(request: Callable[[int], object], seconds: float) -> list[float]:
    took: list[float] = []
    end = time.perf_counter() + seconds
    while (now := time.perf_counter()) < end or not took:
        request(len(took))
        took.append(time.perf_counter() - now)
    return took
