"""One life of a server: the real log, hub, runner and doors over the store, and the few lines of HTTP between."""

import asyncio
import random
from collections.abc import Iterable, Sequence
from typing import cast

from tests.simulation.loop import Clock, Life
from tests.simulation.network import Connection
from tests.simulation.store import ShakenStore, at_once
from tests.simulation.trouble import Trouble
from tidings.client.actions import Answer, Request
from tidings.config import Settings
from tidings.cursors import Cursors
from tidings.errors import Deferred, TidingsError, Unauthenticated
from tidings.http.streams import EVENT_STREAM, farewell
from tidings.inboxes import Inboxes
from tidings.ingest import Ingest
from tidings.live import Live
from tidings.log import Log
from tidings.model import FeedFilter, TakeUp
from tidings.outbound.courier import Courier
from tidings.projections.inbox import Wording
from tidings.projections.runner import Runner
from tidings.projections.windows import Windows
from tidings.read import Reader, Reply
from tidings.server import Committed

EVERYTHING = FeedFilter()
STREAM = "/v1/notifications/stream"


class Bus:
    """Carries hints from the log to the hub, as badly as it may: it loses, delays, doubles and so reorders them."""

    def __init__(self, live: Live, trouble: Trouble, rng: random.Random) -> None:
        self._live = live
        self._trouble = trouble
        self._rng = rng
        self._loop = asyncio.get_running_loop()

    @property
    def busy(self) -> bool:
        """Whether anybody listens."""
        return self._live.busy

    def hint(self, users: Iterable[str], published: bool) -> None:
        """These inboxes changed."""
        ordered = sorted(users)  # those of a set come in another order in every process
        for _ in range(self._copies()):
            self._loop.call_later(self._delay_s(), self._live.hint, ordered, published)

    def look(self) -> None:
        """Any inbox may have changed."""
        for _ in range(self._copies()):
            self._loop.call_later(self._delay_s(), self._live.look)

    def _copies(self) -> int:
        if self._rng.random() < self._trouble.hint_lost:
            return 0
        return 2 if self._rng.random() < self._trouble.hint_twice else 1

    def _delay_s(self) -> float:
        return self._rng.random() * self._trouble.hint_late_s


class Unaided(Live):
    """A hub that does not look every second whether a hint was lost: where none is, it must not need to."""

    _ticking = False

    def tick(self) -> None:
        """A second has passed."""
        self._ticking = True
        super().tick()
        self._ticking = False

    def look(self) -> None:
        """Compare all heads, if something says that there is need."""
        if not self._ticking:
            super().look()


class _Nobody:
    """In place of a courier and of windows: nothing leaves the application here, and nobody asks for trends."""

    def nudge(self) -> None:
        """There is nobody to nudge."""

    def add_many(self, occurrences: Iterable[object]) -> None:
        """Nobody counts."""

    def remove(self, *occurrence: object) -> None:
        """Nobody did."""


class Server:
    """Everything that a crash takes with it. Make it inside its ``life``."""

    def __init__(
        self,
        life: Life,
        store: ShakenStore,
        settings: Settings,
        clock: Clock,
        trouble: Trouble,
        rng: random.Random,
        unaided: bool,
    ) -> None:
        self.life = life
        self.connections: list[Connection] = []
        self._settings = settings
        self._clock = clock
        with store.still():
            position, epoch = at_once(store.head())
        wording = Wording(store, settings.locale)
        windows = cast(Windows, _Nobody())
        hub = Unaided if unaided else Live
        self.live = hub(store, wording, self._take_up, settings, clock, epoch, position, rng=rng)
        self.runner = Runner(store)
        bus = cast(Live, Bus(self.live, trouble, rng))
        self.log = Log(
            store,
            batch_events=settings.group_commit_events,
            queue=settings.write_queue,
            on_commit=Committed(store, windows, bus, self.runner, cast(Courier, _Nobody())),
        )
        cursors = Cursors(b"secret")
        self.ingest = Ingest(self.log, self.runner, settings, clock, cursors, store)
        self.reader = Reader(store, windows, cursors, settings)
        self.inboxes = Inboxes(store, cursors, clock, epoch, wording, self.live.news, self._take_up)

    async def begin(self) -> None:
        """Start the loops."""
        self.log.start()
        self.runner.start()
        self.live.start()

    async def leave(self) -> None:
        """Leave in good order."""
        await self.live.close()
        await self.log.close()
        await self.runner.close()

    def crash(self, rng: random.Random) -> None:
        """End at once, in the middle of whatever is being done."""
        self.life.end()
        for connection in self.connections:
            if connection.over:
                continue
            if rng.random() < 0.7:
                connection.reset(server_lives=False)
            else:
                connection.vanish(server_lives=False)

    async def _take_up(self, users: Sequence[str]) -> None:
        await self.log.submit(TakeUp(tuple(users)))

    # --- HTTP -----------------------------------------------------------------------------------------------

    async def answer(self, request: Request, expires_at: float | None) -> Answer:
        """The answer to a GET."""
        try:
            self._check(expires_at)
            reply = await self._read(request.path, dict(request.query))
        except TidingsError as error:
            return refusal(error)
        except OSError:
            return Answer(500)
        return Answer(200, reply.body, media="application/json")

    async def _read(self, path: str, query: dict[str, str]) -> Reply:
        user, limit, cursor = query["user_id"], int(query.get("limit", 20)), query.get("cursor")
        if path == "/v1/feed/new":
            return await self.reader.new_count(user, int(query["since"]))
        if path == "/v1/feed":
            return await self.reader.feed(user, EVERYTHING, limit, cursor)
        if "since" not in query:
            return await self.inboxes.page(user, limit, cursor)
        wait_s = min(int(query.get("wait", 0)), self._settings.max_wait_s)
        return await self.inboxes.since(user, int(query["since"]), limit, wait_s)

    async def open(self, request: Request, expires_at: float | None, connection: Connection) -> Answer:
        """Open a stream on this connection."""
        query, headers = dict(request.query), dict(request.headers)
        user = query["user_id"]
        try:
            self._check(expires_at)
            self.live.admit(user, "")
        except Deferred as error:
            self.connections.append(connection)
            connection.write(farewell(error.retry_after * 1_000))
            connection.close()
            return Answer(200, media=EVENT_STREAM)
        except TidingsError as error:
            return refusal(error)
        include, last = frozenset(query["include"].split(",")), headers.get("Last-Event-ID")
        left_s = None if expires_at is None else expires_at - self._clock.monotonic()
        stream = self.live.open(user, include, last, connection, expires_in_s=left_s)
        connection.became = lambda writable: (
            self.live.writable(stream) if writable else self.live.lost(stream)
        )
        self.connections.append(connection)
        return Answer(200, media=EVENT_STREAM)

    def _check(self, expires_at: float | None) -> None:
        if expires_at is not None and expires_at <= self._clock.monotonic():
            raise Unauthenticated("expired")


def refusal(error: TidingsError) -> Answer:
    """A failure as the client hears of it."""
    return Answer(error.status, retry_after=str(getattr(error, "retry_after", "")))
