"""What this machine can do at best: HTTP replies that nothing was done for, and rows that nothing was asked
about.
"""

import asyncio
import random
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import apsw
import uvicorn

from bench.cores import SERVER, run_on
from bench.server import spawned
from tidings.config import KIB, Settings
from tidings.storage.sqlite.connection import CHECKPOINT_PAGES

App = Callable[[Any, Callable[[], Awaitable[Any]], Callable[[Any], Awaitable[None]]], Awaitable[None]]

ROWS_PER_STATEMENT = 500
"""Measured: more rows in one INSERT gain nothing."""
FEED = "CREATE TABLE {} (user INTEGER, key INTEGER, flags INTEGER, PRIMARY KEY (user, key)) WITHOUT ROWID"
FEED_ROWS = Settings().sqlite_partition_rows
CACHE_KIB = Settings().sqlite_cache_mib * KIB
"""As much page cache, and (CHECKPOINT_PAGES) as long a WAL, as the product gives its writing connection."""


def empty_app(page: bytes, receipt: bytes) -> App:
    """An ASGI application that answers every GET with the page, every POST with 201 and the receipt."""
    headers = {len(body): [(b"content-length", b"%d" % len(body))] for body in (page, receipt)}

    async def app(
        scope: Any, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
    ) -> None:
        post = scope["method"] == "POST"
        while post and (await receive()).get("more_body"):
            pass
        status, body = (201, receipt) if post else (200, page)
        await send({"type": "http.response.start", "status": status, "headers": headers[len(body)]})
        await send({"type": "http.response.body", "body": body})

    return app


@contextmanager
def empty_server(page: bytes, receipt: bytes = b'{"event_id":"","position":1}') -> Iterator[int]:
    """The empty application under uvicorn as the product runs it, on a core of its own; gives its port on
    loopback.
    """
    with spawned(_serve, page, receipt) as served:
        yield served.port


def _serve(parent: Connection, page: bytes, receipt: bytes) -> None:
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    config = uvicorn.Config(
        empty_app(page, receipt),
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
        lifespan="off",
    )
    parent.send(listener.getsockname()[1])
    server = uvicorn.Server(config)
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(server.serve(sockets=[listener]))


class Shape(NamedTuple):
    """What is written: events of ``body_bytes``, ``per_transaction`` at once, each with ``rows`` feed rows of
    different users out of ``users``, all equally likely.

    Transactions are as large as the product's largest. With smaller ones the fsync is measured, and a product that
    commits in groups would be faster than its ceiling. ``parted``: into tables that begin anew as often as the
    product's; into one table that only grows, the product is faster.
    """

    rows: int = 10
    per_transaction: int = 1_000
    body_bytes: int = 700
    users: int = 10_000
    parted: bool = True


def raw_inserts(file: Path, events: int, shape: Shape) -> float:
    """Events per second that SQLite takes durably on the server's core, with rows in clustered tables.

    synchronous=FULL, multi-row VALUES, rows sorted by key; the making of the rows is not timed. The file begins
    empty, and the rate falls as the table grows: compare it with a product that took as many ``events``.
    """
    return run_on(SERVER, _raw_inserts, file, events, shape)


def _raw_inserts(file: Path, events: int, shape: Shape) -> float:
    connection = apsw.Connection(str(file))
    connection.pragma("journal_mode", "wal")
    connection.pragma("synchronous", "full")
    connection.pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
    connection.pragma("cache_size", -CACHE_KIB)
    connection.execute("CREATE TABLE event (key INTEGER PRIMARY KEY, body BLOB)")
    body = random.Random(1).randbytes(shape.body_bytes)
    draw = random.Random(2)
    busy, written, feed = 0.0, 0, ""
    for first in range(0, events, shape.per_transaction):
        keys = range(first, min(first + shape.per_transaction, events))
        rows = sorted((user, key, 1) for key in keys for user in draw.sample(range(shape.users), shape.rows))
        began = perf_counter()
        if not feed or (shape.parted and written % FEED_ROWS < len(rows)):
            feed = f"feed_{written // FEED_ROWS}"
            connection.execute(FEED.format(feed))
        written += len(rows)
        with connection:
            _insert(connection, "event", [(key, body) for key in keys])
            _insert(connection, feed, rows)
        busy += perf_counter() - began
    connection.close()
    return events / busy


def _insert(connection: apsw.Connection, table: str, rows: list[tuple[Any, ...]]) -> None:
    for first in range(0, len(rows), ROWS_PER_STATEMENT):
        some = rows[first : first + ROWS_PER_STATEMENT]
        places = ",".join(["(" + ",".join("?" * len(some[0])) + ")"] * len(some))
        connection.execute(f"INSERT INTO {table} VALUES {places}", [value for row in some for value in row])
