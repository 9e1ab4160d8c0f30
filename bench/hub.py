"""The hub and its streams as they are served, over a store that has every answer ready: what pushing costs by itself."""

import asyncio
import gc
import socket
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from time import monotonic_ns

import uvicorn
import uvloop

from bench.push import push
from tidings.config import Settings
from tidings.filters import Choice
from tidings.http.app import Services, build
from tidings.http.auth import Authenticator
from tidings.live import Hub
from tidings.model import InboxChanges, InboxCounters, InboxRow
from tidings.process import BACKLOG, GC_THRESHOLDS, protocol_of
from tidings.projections.notification_rendering import NotificationRenderer
from tidings.server import running
from tidings.testing import MemoryStore
from tidings.timeutil import SystemClock

BODY = (
    b'{"event_id":"0000000000000","position":1,"actor_id":"ann","verb":"comment","object_type":"market",'
    b'"object_id":"42","created_at":"2026-01-01T00:00:00.000Z","metadata":{"at":%d}}'
)
OPENS_PER_S = 20_000
"""How fast streams are let in is no question here."""


class Prepared(MemoryStore):
    """Its inboxes have one row each, that of the newest hint."""

    def __init__(self, clock: SystemClock) -> None:
        super().__init__(clock, epoch="bench", salt=1)
        self._rows: dict[str, InboxRow] = {}
        self.waiting: set[str] = set()
        self.rest = asyncio.Event()
        self.rest.set()

    def touch(self, users: set[str]) -> None:
        """Something came to these inboxes, now."""
        for user in users:
            known = self._rows.get(user)
            seq = 1 if known is None else known.seq + 1
            self._rows[user] = InboxRow(user, seq, seq, seq, "comment", BODY % monotonic_ns())
        self.waiting |= users
        if users:
            self.rest.clear()

    async def inbox_since(self, user: str, since: int, limit: int) -> InboxChanges:
        """The row, if it is newer."""
        self.waiting.discard(user)
        if not self.waiting:
            self.rest.set()
        row = self._rows.get(user)
        rows = [] if row is None or row.seq <= since else [row]
        return InboxChanges(rows, self._counts(user))

    async def counts(self, users: Sequence[str], type: Choice[str] | None = None) -> list[InboxCounters]:
        """As many unread as there ever were."""
        return [self._counts(user) for user in users]

    def _counts(self, user: str, type: Choice[str] | None = None) -> InboxCounters:
        row = self._rows.get(user)
        return InboxCounters(0, 0) if row is None else InboxCounters(row.seq, row.seq)


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
        live = Hub(store, NotificationRenderer(store, settings.locale), _nothing, settings, clock, "bench", 0)
        live.start()
        tasks = set[asyncio.Task[None]]()
        loop = asyncio.get_running_loop()
        await serve_streams(
            services._replace(live=live),
            pipe,
            lambda: tasks.add(loop.create_task(_answer(pipe, live, store))),
        )


class _Server(uvicorn.Server):
    """Says its port when it listens."""

    def __init__(self, config: uvicorn.Config, pipe: Connection) -> None:
        super().__init__(config)
        self._pipe = pipe

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._pipe.send(self.servers[0].sockets[0].getsockname()[1])


async def serve_streams(services: Services, pipe: Connection, asked: Callable[[], None]) -> None:
    """Serve these services as the product does. ``pipe`` is told the port; ``asked`` is called when it has a question."""
    settings = services.settings
    config = uvicorn.Config(
        build(services, Authenticator(settings, services.clock)),
        host=settings.host,
        port=0,
        http=protocol_of(settings),
        access_log=False,
        log_level="warning",
        backlog=BACKLOG,
    )
    asyncio.get_running_loop().add_reader(pipe.fileno(), asked)
    gc.freeze()
    await _Server(config, pipe).serve()


async def _nothing(users: Sequence[str], erasures: int) -> None:
    """There are no broadcasts to be taken up."""


async def _answer(pipe: Connection, live: Hub, store: Prepared) -> None:
    def tell(users: set[str]) -> None:
        store.touch(users)
        live.notify(users, False)

    pipe.send(await push(pipe.recv(), store.waiting, store.rest, tell))
