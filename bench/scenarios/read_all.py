"""How long does it take to read a million notifications at once, and to take that back?"""

import asyncio
import http.client
import itertools
import os
from contextlib import closing
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

import msgspec

from bench.cores import CLIENT, run_on
from bench.report import Row
from bench.run import Bench
from bench.server import serving
from bench.world import progress
from tidings.config import Settings
from tidings.model import Publish
from tidings.storage.sqlite import SqliteStore
from tidings.testing import event
from tidings.timeutil import HOUR_MS, SystemClock

USER = "ada"
BATCH = 1_000
"""Events in one transaction."""
WORK_ROWS = 20_000
"""Rows of owed work done at a time when nobody waits."""
VERBS = ("comment", "like")
"""Every second notification is of the one type, and every other of the other."""
ROUNDS = 10


class _Marked(msgspec.Struct):
    updated: int
    unread_count: int
    seq: int
    undo: str | None = None


class _Took(NamedTuple):
    """Milliseconds of every request of a kind, sorted."""

    all: list[float]
    all_undone: list[float]
    typed: list[float]
    typed_undone: list[float]


def read_all(bench: Bench) -> list[Row]:
    """Read-alls of everything and of one type, each undone, of one person who has read nothing; something new comes
    before each and must be among what it reads, something comes after each and must not."""
    file, unread = bench.new_store("unread"), bench.sizes.unread
    asyncio.run(_fill(file, unread))
    os.sync()
    with serving(file) as port:
        took = run_on(CLIENT, _rounds, port, unread)
    return [
        _row(f"read-all of {unread:,}", took.all, gate=50),
        _row(f"read-all of {unread:,}, undone", took.all_undone),
        _row(f"read-all of one type, half of {unread:,}", took.typed),
        _row(f"read-all of one type, half of {unread:,}, undone", took.typed_undone),
    ]


async def _fill(file: Path, unread: int) -> None:
    clock = SystemClock()
    store = await SqliteStore.open(file, clock, Settings())
    first_ms = clock.now() - HOUR_MS - unread
    for at in range(0, unread, BATCH):
        some = range(at, min(at + BATCH, unread))
        await store.write(
            [
                Publish(
                    tuple(
                        event("bob", VERBS[i % 2], f"thing:{i}", targets=(USER,), at=first_ms + i)
                        for i in some
                    )
                )
            ]
        )
        progress(file.stem, at + len(some), unread)
    while await store.work(WORK_ROWS):
        pass
    await store.close()


def _rounds(port: int, unread: int) -> _Took:
    """Raises RuntimeError where what is counted is not what should be."""
    took = _Took([], [], [], [])
    things = itertools.count()
    with closing(http.client.HTTPConnection("127.0.0.1", port)) as connection:

        def ask(path: str, body: Any) -> tuple[float, bytes]:
            began = perf_counter()
            connection.request("POST", path, msgspec.json.encode(body), {"content-type": "application/json"})
            answer = connection.getresponse().read()
            return (perf_counter() - began) * 1_000, answer

        def tell() -> None:
            thing = {"object_type": "new", "object_id": str(next(things)), "target_user_ids": [USER]}
            ask("/v1/events", {"actor_id": "bob", "verb": VERBS[0]} | thing)

        def mark(times: list[float], path: str, body: Any, updated: int, left: int) -> str | None:
            ms, answer = ask(f"/v1/notifications/{path}?user_id={USER}", body)
            marked = msgspec.json.decode(answer, type=_Marked)
            if (marked.updated, marked.unread_count) != (updated, left):
                raise RuntimeError(f"{path} {body}: {marked}, but {updated} and {left} were expected")
            times.append(ms)
            return marked.undo

        for number in range(1, ROUNDS + 1):
            tell()
            mine = unread + 2 * number - 1
            undo = mark(took.all, "read-all", {}, mine, 0)
            tell()
            mark(took.all_undone, "undo", {"undo": undo}, mine, mine + 1)
            typed = mine + 1 - unread // 2
            undo = mark(took.typed, "read-all", {"type": VERBS[0]}, typed, unread // 2)
            mark(took.typed_undone, "undo", {"undo": undo}, typed, mine + 1)
    return _Took(*map(sorted, took))


def _row(name: str, took: list[float], gate: float | None = None) -> Row:
    """The slowest counts: whoever has a million is one person, who asks once."""
    return Row(name=name, value=took[-1], unit="ms", gate=gate, p50=took[len(took) // 2])
