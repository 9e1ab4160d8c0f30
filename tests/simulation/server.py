"""One life of a server: the real log, hub, runner and services over the store, and the few lines of HTTP between."""

import asyncio
import random
from collections.abc import Collection, Iterable, Sequence
from typing import Any, cast

import msgspec

from tests.simulation.faults import Trouble
from tests.simulation.loop import Clock, Life
from tests.simulation.network import EVENTS, Connection
from tests.simulation.stats import Tally
from tests.simulation.store import ShakenStore, at_once
from tidings.client.effects import Answer, ClientRequest
from tidings.client.shapes import FeedPage
from tidings.commands import Commands
from tidings.commit_queue import GroupCommitQueue
from tidings.config import Settings
from tidings.cursors import Cursors
from tidings.errors import Deferred, TidingsError, Unauthenticated
from tidings.feeds import FeedReader, Reply
from tidings.filters import FeedFilter
from tidings.http.body import ClientGone
from tidings.http.endpoints.live import ActivityStreamQuery, StreamQuery, contents
from tidings.http.long_poll import polled
from tidings.http.params import choice
from tidings.http.request import Request as HttpRequest
from tidings.http.sse import EVENT_STREAM, farewell
from tidings.http.websocket import try_again_later
from tidings.live import Hub, Stream, Transport
from tidings.model import MaterializeBroadcasts
from tidings.notification_actions import ActionService
from tidings.notifications import NotificationReader
from tidings.outbound.dispatcher import DeliveryDispatcher
from tidings.ports import Store
from tidings.projections.notification_rendering import NotificationRenderer
from tidings.projections.runner import Runner
from tidings.public_head import PublicHead
from tidings.server import PostCommitHooks
from tidings.snoozes import SnoozeService
from tidings.trends import Trends
from tidings.user_merge_jobs import UserMergeService
from tidings.visibility import VISITOR

EVERYTHING = FeedFilter()
ADDRESS = "2001:db8::/64"
"""Where all visitors come from."""
_page = msgspec.json.Decoder(FeedPage).decode


class Bus:
    """Carries hints from the log to the hub, as badly as it may: it loses, delays, doubles and so reorders them."""

    def __init__(self, live: Hub, trouble: Trouble, rng: random.Random) -> None:
        self._live = live
        self._trouble = trouble
        self._rng = rng
        self._loop = asyncio.get_running_loop()

    @property
    def busy(self) -> bool:
        """Whether anybody listens."""
        return self._live.busy

    def notify(self, users: Iterable[str], published: bool) -> None:
        """These inboxes changed."""
        ordered = sorted(users)  # those of a set come in another order in every process
        for _ in range(self._copies()):
            self._loop.call_later(self._delay_s(), self._live.notify, ordered, published)

    def reconcile_all(self) -> None:
        """Any inbox may have changed."""
        for _ in range(self._copies()):
            self._loop.call_later(self._delay_s(), self._live.reconcile_all)

    def erased(self, users: Iterable[str]) -> None:
        """These users were erased. Said within the process, and so neither lost nor late."""
        self._live.erased(users)

    def merged(self, users: Iterable[str]) -> None:
        """These users were merged into others; said likewise."""
        self._live.merged(users)

    def _copies(self) -> int:
        if self._rng.random() < self._trouble.hint_lost:
            return 0
        return 2 if self._rng.random() < self._trouble.hint_twice else 1

    def _delay_s(self) -> float:
        return self._rng.random() * self._trouble.hint_late_s


class Told(Hub):
    """A hub whose connections are told why they end."""

    def _end(self, stream: Stream, why: str) -> None:
        if isinstance(stream.transport, Connection):
            stream.transport.ended(why)
        super()._end(stream, why)


class Unaided(Told):
    """A hub that does not look every second whether a hint was lost: where none is, it must not need to."""

    _ticking = False

    def tick(self) -> None:
        """A second has passed."""
        self._ticking = True
        super().tick()
        self._ticking = False

    def reconcile_all(self) -> None:
        """Compare all heads, if something says that there is need."""
        if not self._ticking:
            super().reconcile_all()


class _Nobody:
    """In place of a dispatcher and of trends: nothing leaves the application here, and nobody asks for trends."""

    def nudge(self) -> None:
        """There is nobody to nudge."""

    def committed(self, effects: object) -> None:
        """Nobody counts."""


class Server:
    """Everything that a crash takes with it. Make it inside its ``life``."""

    def __init__(
        self,
        life: Life,
        shaken: ShakenStore,
        settings: Settings,
        clock: Clock,
        trouble: Trouble,
        rng: random.Random,
        unaided: bool,
        tally: Tally,
    ) -> None:
        self.life = life
        self.connections: list[Connection] = []
        self._settings = settings
        self._clock = clock
        self._tally = tally
        position, epoch = at_once(shaken.real.head())
        store = cast(Store, shaken)
        wording = NotificationRenderer(store, settings.locale)
        trends = cast(Trends, _Nobody())
        public = PublicHead(position, min(settings.activity_history, settings.retraction_history))
        hub = Unaided if unaided else Told
        self.live = hub(
            store, wording, self._materialize, settings, clock, epoch, position, rng=rng, public=public
        )
        bus = cast(Hub, Bus(self.live, trouble, rng))
        self.runner = Runner(store, on_erased=bus.reconcile_all)
        self.log = GroupCommitQueue(
            store,
            batch_events=settings.group_commit_events,
            queue=settings.write_queue,
            per_user=settings.max_writes_per_user,
            on_commit=PostCommitHooks(
                store, trends, bus, self.runner, cast(DeliveryDispatcher, _Nobody()), public
            ),
        )
        cursors = Cursors(b"secret")
        self.ingest = Commands(self.log, self.runner, settings, clock, cursors, store)
        self.snoozes = SnoozeService(store, self.log, clock)
        self.merges = UserMergeService(store, self.log)
        self.actions = ActionService(store, self.log, settings, clock)
        self.reader = FeedReader(store, cursors, settings, public)
        self.inboxes = NotificationReader(
            store, cursors, clock, epoch, wording, self.live.waiter, self._materialize
        )

    async def begin(self) -> None:
        """Start the loops."""
        self.log.start()
        self.runner.start()
        self.snoozes.start()
        self.live.start()

    async def leave(self) -> None:
        """Leave in good order."""
        await self.live.close()
        await self.snoozes.close()
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

    async def _materialize(self, users: Sequence[str], erasures: int) -> None:
        await self.log.submit(MaterializeBroadcasts(tuple(users), erasures))

    # --- HTTP -----------------------------------------------------------------------------------------------

    async def answer(self, request: ClientRequest, expires_at: float | None, gone: asyncio.Event) -> Answer:
        """The answer to a GET; ``gone`` says that nobody waits for it any more."""
        try:
            self._check(expires_at)
            reply = await self._read(request.path, dict(request.query), expires_at, gone)
        except TidingsError as error:
            return refusal(error)
        except (OSError, ClientGone):
            return Answer(500)
        return Answer(200, reply.body, media="application/json")

    async def _read(
        self, path: str, query: dict[str, str], expires_at: float | None, gone: asyncio.Event
    ) -> Reply:
        user, limit, cursor = query["user_id"], int(query.get("limit", 20)), query.get("cursor")
        if path == "/v1/notifications/poll":
            return Reply(await self._poll(query, expires_at, gone))
        if path == "/v1/feed":
            return await self.reader.feed(user, EVERYTHING, limit, cursor)
        if path == "/v1/activity":
            want = FeedFilter(topic=choice(query.get("topic")))
            return await self.reader.activity(None, want, limit, cursor, viewer=user)
        return await self.inboxes.page(user, limit, cursor)

    async def _poll(self, query: dict[str, str], expires_at: float | None, gone: asyncio.Event) -> bytes:
        self.live.admit(query["user_id"], "")
        self._tally.add("stream", "poll")

        def open(wire: Transport) -> Stream:
            return self._open(query, query.get("last_event_id"), wire, expires_at)

        async def receive() -> dict[str, Any]:
            await gone.wait()
            return {"type": "http.disconnect"}

        scope = {"method": "GET", "raw_path": b"", "query_string": b"", "headers": []}
        return await polled(self.live, open, int(query["wait"]), HttpRequest(scope, receive))

    def _open(
        self, query: dict[str, str], last: str | None, wire: Transport, expires_at: float | None
    ) -> Stream:
        left_s = None if expires_at is None else expires_at - self._clock.monotonic()
        include, scope = contents(StreamQuery(include=query["include"], topic=query.get("topic")))
        return self.live.open(query["user_id"], include, last, wire, expires_in_s=left_s, scope=scope)

    async def open(self, request: ClientRequest, expires_at: float | None, connection: Connection) -> Answer:
        """Open a stream on this connection."""
        query, headers = dict(request.query), dict(request.headers)
        if connection.over:
            raise ConnectionResetError("it broke before there was a stream on it")
        try:
            self._check(expires_at)
            self.live.admit(query["user_id"], "")
        except Deferred as error:
            self._send_away(connection, error)
            return Answer(200, media=EVENT_STREAM)
        except TidingsError as error:
            return refusal(error)
        connection.opened()
        self._attach(connection, self._open(query, headers.get("Last-Event-ID"), connection, expires_at))
        return Answer(200, media=EVENT_STREAM)

    async def visit(self, topics: Collection[str], last: str | None, connection: Connection) -> Answer:
        """Open a stream of activity on this connection, for somebody without a credential."""
        if connection.over:
            raise ConnectionResetError("it broke before there was a stream on it")
        try:
            self.live.admit(VISITOR, ADDRESS)
        except Deferred as error:
            self._send_away(connection, error)
            return Answer(200, media=EVENT_STREAM)
        include, scope = contents(ActivityStreamQuery(topic=",".join(topics) or None))
        connection.opened()
        stream = self.live.open(VISITOR, include, last, connection, address=ADDRESS, scope=scope)
        self._attach(connection, stream)
        return Answer(200, media=EVENT_STREAM)

    async def front_page(self, topics: Collection[str]) -> FeedPage:
        """The page of activity that a visitor of these topics sees."""
        want = FeedFilter(topic=choice(",".join(topics) or None))
        return _page((await self.reader.activity(None, want, 100, None, viewer=VISITOR)).body)

    def _attach(self, connection: Connection, stream: Stream) -> None:
        connection.became = lambda writable: (
            self.live.writable(stream) if writable else self.live.lost(stream)
        )
        self.connections.append(connection)

    def _send_away(self, connection: Connection, error: Deferred) -> None:
        self.connections.append(connection)
        if connection.encoder is EVENTS.encoder:
            connection.write(farewell(error.retry_after * 1_000))
        else:
            connection.write(try_again_later("too many"))
        connection.close()

    def _check(self, expires_at: float | None) -> None:
        if expires_at is not None and expires_at <= self._clock.monotonic():
            raise Unauthenticated("expired")


def refusal(error: TidingsError) -> Answer:
    """A failure as the client hears of it."""
    return Answer(error.status, retry_after=str(getattr(error, "retry_after", "")))
