"""The hub and its streams as they are served, over a store that has every answer ready: what pushing costs by itself."""

import asyncio
import gc
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from random import Random
from time import monotonic_ns, perf_counter
from typing import NamedTuple

import uvicorn
import uvloop

from tidings.config import Settings
from tidings.http.app import Services, build
from tidings.http.protocol import timed
from tidings.live import Live
from tidings.model import Counts, InboxChanges, InboxRow
from tidings.projections.inbox import Wording
from tidings.server import BACKLOG, GC_THRESHOLDS, running
from tidings.testing import MemoryStore
from tidings.times import SystemClock

BODY = (
    b'{"event_id":"0000000000000","position":1,"actor_id":"ann","verb":"comment","object_type":"market",'
    b'"object_id":"42","created_at":"2026-01-01T00:00:00.000Z","metadata":{"at":%d}}'
)
PAUSE_S = 0.0005
"""Rest of a paced pusher between two looks whether more is due."""
OPENS_PER_S = 20_000
"""How fast streams are let in is no question here."""


class Push(NamedTuple):
    """Tell random users for some seconds: at a rate, or as fast as at most ``window`` hints at a time are taken up."""

    seconds: float
    users: int
    window: int
    per_s: float | None = None


class Pushed(NamedTuple):
    """What came of it."""

    hints: int
    took_s: float


class Prepared(MemoryStore):
    """Its inboxes have one row each, that of the newest hint."""

    def __init__(self, clock: SystemClock) -> None:
        super().__init__(clock, epoch="bench", salt=1)
        self._rows: dict[str, InboxRow] = {}
        self.waiting: set[str] = set()

    def touch(self, user: str) -> None:
        """Something came to an inbox, now."""
        known = self._rows.get(user)
        seq = 1 if known is None else known.seq + 1
        self._rows[user] = InboxRow(user, seq, seq, seq, "comment", BODY % monotonic_ns())
        self.waiting.add(user)

    async def inbox_since(self, user: str, since: int, limit: int) -> InboxChanges:
        """The row, if it is newer."""
        self.waiting.discard(user)
        row = self._rows.get(user)
        rows = [] if row is None or row.seq <= since else [row]
        return InboxChanges(rows, self._counts(user))

    async def counts(self, users: Sequence[str]) -> list[Counts]:
        """As many unread as there ever were."""
        return [self._counts(user) for user in users]

    def _counts(self, user: str) -> Counts:
        row = self._rows.get(user)
        return Counts(0, 0) if row is None else Counts(row.seq, row.seq)


def hub(pipe: Connection) -> None:
    """Serve until ended. Through ``pipe`` goes the port; then each Push that comes is answered with a Pushed."""
    gc.set_threshold(*GC_THRESHOLDS)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(pipe))


async def _serve(pipe: Connection) -> None:
    clock = SystemClock()
    settings = Settings(dev=True, store="memory://", stream_opens_per_s=OPENS_PER_S)
    async with running(settings, clock) as services:
        store = Prepared(clock)
        live = Live(store, Wording(store, settings.locale), _nothing, settings, clock, "bench", 0)
        live.start()
        tasks = set[asyncio.Task[None]]()
        loop = asyncio.get_running_loop()
        await serve_streams(
            services._replace(live=live),
            pipe,
            lambda: tasks.add(loop.create_task(_answer(pipe, live, store))),
        )


async def serve_streams(services: Services, pipe: Connection, asked: Callable[[], None]) -> None:
    """Serve these services as the product does. ``pipe`` is told the port; ``asked`` is called when it has a question."""
    settings = services.settings
    config = uvicorn.Config(
        build(services),
        host=settings.host,
        port=0,
        http=timed(settings.head_timeout_s, settings.body_timeout_s),
        access_log=False,
        log_level="warning",
        backlog=BACKLOG,
    )
    server = uvicorn.Server(config)
    asyncio.get_running_loop().add_reader(pipe.fileno(), asked)
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(PAUSE_S)
    gc.freeze()
    pipe.send(server.servers[0].sockets[0].getsockname()[1])
    await serving


async def _nothing(users: Sequence[str]) -> None:
    """There are no broadcasts to be taken up."""


async def _answer(pipe: Connection, live: Live, store: Prepared) -> None:
    push: Push = pipe.recv()
    pipe.send(await _push(push, live, store))


async def _push(push: Push, live: Live, store: Prepared) -> Pushed:
    draw, began, hints = Random(1), perf_counter(), 0
    while (now := perf_counter() - began) < push.seconds:
        room = push.window - len(store.waiting)
        if push.per_s is not None:
            room = min(room, int(now * push.per_s) - hints)
        users = _idle_users(draw, push.users, max(room, 0), store.waiting)
        for user in users:
            store.touch(user)
        live.hint(users, False)
        hints += len(users)
        await asyncio.sleep(0 if users else PAUSE_S)
    while store.waiting:
        await asyncio.sleep(0)
    return Pushed(hints, perf_counter() - began)


def _idle_users(draw: Random, users: int, number: int, busy: set[str]) -> set[str]:
    found: set[str] = set()
    for _ in range(number):
        user = f"user{draw.randrange(users)}"
        if user not in busy:
            found.add(user)
    return found
