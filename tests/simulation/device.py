"""A person's device: the real client session over the simulated network, with what the subscriber keeps of it."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

import msgspec

from tests.checkers.history import History
from tests.checkers.streams import Frame
from tests.simulation.faults import Trouble
from tests.simulation.loop import Life, pause
from tests.simulation.network import SOCKET, Connection, Kind
from tests.simulation.server import Server
from tests.simulation.sockets import Socket
from tests.simulation.stats import Tally
from tidings.activity_scope import ActivityScope
from tidings.client import polling
from tidings.client.cursor import cursor_of, parse
from tidings.client.effects import (
    Action,
    Answer,
    ClientRequest,
    Close,
    Emit,
    Open,
    Outcome,
    Receive,
    RefreshToken,
    SendRequest,
    Sleep,
    StateChanged,
    TransportError,
)
from tidings.client.errors import ProblemError
from tidings.client.inbox_state import FeedState, InboxState
from tidings.client.items import Activity, Changed, Counts, FeedRead, Item, Read, Reset, Retracted, Seen
from tidings.client.shapes import FeedPage, InboxPage
from tidings.client.subscription import SubscriptionMachine
from tidings.client.timeouts import SubscriptionTimeouts

T = TypeVar("T")
NOTIFICATIONS, ACTIVITY, EVERYTHING = "notifications", "activity", "activity:all"
ALL_ACTIVITY = ActivityScope(feed=False, everybody=True)
"""The page that a device shows whose streams carry no feed."""
AGAIN_S = 1.0
"""Between two attempts of an application to fetch its lists."""


class Around(Protocol):
    """What a device needs of the world."""

    rng: random.Random
    trouble: Trouble
    pace: SubscriptionTimeouts
    token_s: float | None
    people: Life
    failures: list[BaseException]
    tally: Tally

    @property
    def history(self) -> History:
        """All that was written."""
        ...

    def now(self) -> float:
        """Virtual seconds."""
        ...

    def note(self, *words: object) -> None:
        """Add a line to the trace."""
        ...

    async def call(self, work: Callable[[Server], Awaitable[T]], timeout_s: float) -> T | TransportError:
        """What the server that is there answers, if it does."""
        ...


class Heard:
    """What a subscriber was told, and its law: never back, nothing twice. ``since`` are the places from which on it
    must have been told everything, None while there is none."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.begin(None, None)

    def begin(self, seq: int | None, position: int | None) -> None:
        """A fresh state was fetched; it holds everything up to here."""
        self.since = seq
        self.feed_since = position
        self.seq = seq or 0
        self.position = position or 0
        self.frames: list[Frame] = []
        self.activities: list[int] = []
        self.feed_frames: list[Frame] = []

    def take(self, item: Item) -> None:
        """The next item. Raises AssertionError when it breaks the law."""
        match item:
            case Changed():
                self._take_change(item.seq, item.item.id)
                assert item.item.seq == item.seq, f"{self._name}: {item}"
            case Read():
                self._take_change(item.seq, item.items[0].id if item.items else f"mark {item.seq}")
            case Seen():
                self._take_change(item.seq, f"mark {item.seq}")
            case Activity():
                self._take_position(item.position)
                self.activities.append(item.position)
            case FeedRead() | Retracted():
                self._take_position(item.position)
            case Reset():
                there = parse(item.cursor)
                assert (there.seq or 0) >= self.seq, f"{self._name}: {item} after seq {self.seq}"
                assert (there.position or 0) >= self.position, f"{self._name}: {item} after {self.position}"
                self.begin(there.seq, there.position)

    def _take_position(self, position: int) -> None:
        assert position > self.position, f"{self._name}: position {position} after {self.position}"
        self.position = position
        self.feed_frames.append(Frame(position, str(position)))

    def _take_change(self, seq: int, key: str) -> None:
        assert seq > self.seq, f"{self._name}: seq {seq} after {self.seq}"
        self.seq = seq
        self.frames.append(Frame(seq, key))


class Device:
    """One of a user's devices, on its kind of wire, with the activity of some topics too. It may be put away, and taken out
    again with what it keeps or without."""

    def __init__(
        self,
        around: Around,
        user: str,
        name: str,
        include: tuple[str, ...],
        wire: Kind,
        topics: tuple[str, ...] = (),
    ) -> None:
        self.user = user
        self.name = name
        self.include = include
        self.topics = topics
        self.scope = ActivityScope(ACTIVITY in include, EVERYTHING in include, frozenset(topics))
        self.wire = wire
        self.fold = InboxState()
        self.feed = FeedState()
        self.heard = Heard(name)
        self.connection: Connection | None = None
        self.dawdle_s = 0.0
        self.state = "off"
        self._around = around
        self._cursor = ""
        self._expires_at: float | None = None
        self._session: SubscriptionMachine | None = None
        self._socket: Socket | None = None
        self._listened = False
        self._running: asyncio.Task[None] | None = None
        self._renew()

    # --- being used -----------------------------------------------------------------------------------------

    @property
    def on(self) -> bool:
        """Whether it is in use."""
        return self._running is not None

    @property
    def carries(self) -> bool:
        """Whether it is told of activity."""
        return self.scope.feed or bool(self.scope.watched)

    def start(self) -> None:
        """Take it out."""
        self._running = self._around.people.spawn(self._run())

    def stop(self) -> None:
        """Put it away, without a word to the server but that of its network."""
        if self._running is not None:
            self._running.cancel()
            self._running = None
            self._keep()
            self._close()

    def forget(self) -> None:
        """Lose what was kept."""
        self.fold = InboxState()
        self.feed = FeedState()
        self.heard = Heard(self.name)
        self._cursor = ""

    def _keep(self) -> None:
        """What an application keeps is the cursor of the last item, or that of the session, which may be further."""
        if self._session is not None and self._around.rng.random() < 0.5:
            self._cursor = self._session.cursor
        self._session = None

    async def _run(self) -> None:
        rng = self._around.rng
        while True:
            fresh = not self._cursor and rng.random() < 0.5
            if not self._cursor and not fresh:
                await self._list()
            self._session = SubscriptionMachine(
                self.user,
                self.include,
                self._cursor or None,
                topics=self.topics,
                fresh=fresh,
                pace=self._around.pace,
                clock=self._around.now,
                rng=rng,
            )
            await self._subscribe(self._session)

    async def _subscribe(self, session: SubscriptionMachine) -> None:
        """Listen until the server refuses for good, as it does when no new token was to be had in time."""
        outcome: Outcome = None
        try:
            while True:
                outcome = await self._perform(session.step(outcome))
        except ProblemError as error:
            if error.status != 401:
                raise
            self._around.note(self.name, "is refused")
        self._close()
        await pause(AGAIN_S)
        self._renew()

    async def _list(self) -> None:
        """Begin with lists, as an application does that shows them at once."""
        inbox: list[InboxPage] = []
        feed = FeedPage(items=())
        if NOTIFICATIONS in self.include:
            inbox = [await self._page("/v1/notifications", InboxPage)]
            while inbox[-1].next_cursor and self._around.rng.random() < 0.5:
                inbox.append(await self._page("/v1/notifications", InboxPage, inbox[-1].next_cursor))
            self.fold.replace(inbox)
        if self.carries:
            feed = await self._page("/v1/feed" if self.scope.feed else "/v1/activity", FeedPage)
            self.feed.replace(feed)
        self._cursor = cursor_of(inbox[0] if inbox else None, feed if self.carries else None)
        there = parse(self._cursor)
        self.heard.begin(there.seq, there.position)

    async def _page(self, path: str, shape: type[T], cursor: str | None = None) -> T:
        query = [("user_id", self.user), ("limit", str(polling.PAGE))]
        query += [("cursor", cursor)] if cursor else []
        while True:
            answer = await self._ask(ClientRequest("GET", path, tuple(query)), self._around.pace.ask_s)
            if isinstance(answer, Answer) and answer.status == 200:
                return msgspec.json.decode(answer.body, type=shape)
            self._renew()
            await pause(AGAIN_S)

    # --- doing what the session says ------------------------------------------------------------------------

    async def _perform(self, action: Action) -> Outcome:
        match action:
            case Open():
                return await self._open(action)
            case Receive():
                return await self._receive(action.timeout_s)
            case SendRequest():
                return await self._ask(action.request, action.timeout_s)
            case Sleep():
                await pause(action.seconds)
            case RefreshToken():
                return await self._fetch_token()
            case Emit():
                await self._take(action.item)
            case StateChanged():
                self.state = action.connection.state
                self._around.note(self.name, self.state, action.connection.why)
            case Close():
                self._close()
        return None

    async def _open(self, action: Open) -> Answer | TransportError:
        self._close()
        around, expires_at = self._around, self._expires_at
        connection = self.connection = Connection(self.wire, around.trouble, around.rng, around.tally)
        self._socket = Socket() if self.wire is SOCKET else None
        answer = await around.call(
            lambda server: server.open(action.request, expires_at, connection), action.timeout_s
        )
        if isinstance(answer, TransportError) or answer.status != 200:
            self._close()
        if connection.streamed and self._listened:
            around.tally.add("reconnect")
        self._listened = self._listened or connection.streamed
        return answer

    async def _receive(self, timeout_s: float) -> bytes | TransportError:
        """What arrives next; of a socket, the next whole messages."""
        assert self.connection is not None, f"{self.name} listens to nothing"
        until = self._around.now() + timeout_s
        while True:
            received = await self.connection.receive(until - self._around.now())
            if self._socket is None or isinstance(received, TransportError) or not received:
                return received
            if events := self._socket.feed(received):
                return events

    async def _ask(self, request: ClientRequest, timeout_s: float) -> Answer | TransportError:
        around, expires_at, gone = self._around, self._expires_at, asyncio.Event()
        try:
            return await around.call(lambda server: server.answer(request, expires_at, gone), timeout_s)
        finally:
            if around.rng.random() >= around.trouble.packet_lost:
                asyncio.get_running_loop().call_later(around.trouble.latency(around.rng), gone.set)

    async def _take(self, item: Item) -> None:
        self._around.note(self.name, "hears", _short(item))
        self._around.tally.add("item", type(item).__name__)
        self.heard.take(item)
        self._check(item)
        self.fold.apply(item)
        self.feed.apply(item)
        self._cursor = item.cursor
        if self.dawdle_s:
            await pause(self.dawdle_s)

    def _check(self, item: Item) -> None:
        """I9: of activity it is told only what it may see, and it is shown nothing else after a reset."""
        history, scope = self._around.history, self.scope
        match item:
            case Activity():
                history.carries(self.user, scope, item.item.event_id, item.position)
            case Retracted():
                history.retracts(self.user, scope, item.event_id, item.position)
            case Reset(feed=feed):
                page = scope if scope.feed else ALL_ACTIVITY
                for one in feed:
                    history.carries(self.user, page, one.event_id, one.position)
            case _:
                pass

    async def _fetch_token(self) -> bool:
        await pause(self._around.trouble.latency(self._around.rng))
        if self._around.rng.random() < self._around.trouble.packet_lost:
            return False
        self._renew()
        return True

    def _renew(self) -> None:
        token_s = self._around.token_s
        self._expires_at = None if token_s is None else self._around.now() + token_s

    def _close(self) -> None:
        if self.connection is not None:
            if self.connection.wrong:
                self._around.failures.append(AssertionError(f"{self.name}: {self.connection.wrong}"))
            self.connection.hang_up()
            self.connection = None


def _short(item: Item) -> str:
    match item:
        case Changed():
            gone = " deleted" if item.item.deleted else ""
            return f"{item.item.id} at {item.seq}{gone}, {item.unread_count} unread"
        case Read():
            what = item.items[0].id if item.items else f"all of {item.type} up to {item.up_to}"
            return f"{what} read at {item.seq}, {item.unread_count} unread"
        case Seen():
            return f"all up to {item.up_to} seen at {item.seq}, {item.unseen_count} unseen"
        case Activity():
            return f"activity {item.position}"
        case FeedRead():
            what = f"all up to {item.up_to}" if item.up_to is not None else " ".join(item.event_ids)
            return f"{what} {'read' if item.read_at else 'unread'} at position {item.position}"
        case Retracted():
            return f"{item.event_id} retracted at position {item.position}"
        case Counts():
            return f"{item.unread_count} unread"
        case Reset():
            return f"reset ({item.reason}) at {item.cursor}, {item.unread_count} unread"
