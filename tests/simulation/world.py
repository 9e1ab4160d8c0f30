"""Everything there is in one simulation: the store and the server on it, the network, people with their devices."""

import random
from asyncio import Future
from collections import deque
from collections.abc import Awaitable, Callable
from hashlib import blake2b
from pathlib import Path
from typing import TypeVar

from tests.checkers.history import History
from tests.checkers.ledger import Place, Reply
from tests.simulation.device import ACTIVITY, EVERYTHING, NOTIFICATIONS, Device
from tests.simulation.faults import Trouble
from tests.simulation.loop import Clock, Life, VirtualLoop, pause, settle
from tests.simulation.network import EVENTS, SOCKET
from tests.simulation.plan import Plan, plan
from tests.simulation.server import Server
from tests.simulation.stats import Tally
from tests.simulation.store import ShakenStore, at_once, open_sqlite
from tests.simulation.visitor import Visitor
from tidings.activity_scope import EVERYBODY
from tidings.client.effects import TransportError
from tidings.errors import (
    ActedOtherwise,
    Expired,
    KeyInFlight,
    MergeUnderWay,
    NotFound,
    TooManyRequests,
    Unavailable,
)
from tidings.model import Follow
from tidings.ports import Store
from tidings.testing import MemoryStore

T = TypeVar("T")
EXPECTED = (
    OSError,
    Unavailable,
    KeyInFlight,
    NotFound,
    Expired,
    TooManyRequests,
    ActedOtherwise,
    MergeUnderWay,
)
"""What an act may be refused with; anything else is a failure of what is simulated, or of the simulation."""
TRACE_LINES = 60
"""The last lines of a trace, which a failure shows."""
INCLUDES = ((NOTIFICATIONS,), (ACTIVITY,), (NOTIFICATIONS, ACTIVITY))
MORE_INCLUDES = (
    (EVERYTHING,),
    (ACTIVITY, EVERYTHING),
    (NOTIFICATIONS, EVERYTHING),
    (NOTIFICATIONS,),
    *INCLUDES,
)
"""What devices include where some listen to more than feeds; half of them to topics too."""
TOPICS = ("thing:1", "thing:2", "thing:3", "tag:a", "tag:b")


class World:
    """One seed's world, and what was seen of it from outside: acknowledgements, and the trace."""

    def __init__(self, seed: int, loop: VirtualLoop, folder: Path) -> None:
        self.loop = loop
        self.rng = random.Random(seed)
        self.plan: Plan = plan(seed, self.rng)
        self.pace, self.token_s = self.plan.pace, self.plan.token_s
        self.clock = Clock(loop)
        self.trouble = Trouble()
        self.tally = Tally()
        self._epoch, self._folder = f"e{seed}", folder
        self.shaken = ShakenStore(self._open(), self.trouble, self.rng)
        self.server: Server | None = None
        self.failures: list[BaseException] = []
        self.people = Life(self.failures)
        self.users = [f"u{number}" for number in range(self.plan.users)]
        self.devices: list[Device] = []
        self.visitors: list[Visitor] = []
        self.starts: list[int] = []
        self.keys: list[str] = []
        self.acked: list[Place] = []
        self.replies: list[Reply] = []
        self.retracting: dict[str, None] = {}
        self.undoable: list[tuple[str, str]] = []
        self.feed_undoable: list[tuple[str, str]] = []
        self.put_away: dict[str, list[str]] = {}
        self.lines: deque[str] = deque(maxlen=TRACE_LINES)
        self._hash = blake2b(digest_size=16)

    @property
    def store(self) -> Store:
        """What lasts, as it is at this moment."""
        return self.shaken.real

    @property
    def history(self) -> History:
        """All that was written to it."""
        return self.shaken.history

    # --- looking --------------------------------------------------------------------------------------------

    def now(self) -> float:
        """Virtual seconds since the beginning."""
        return self.loop.now

    def note(self, *words: object) -> None:
        """Add a line to the trace."""
        line = f"{self.loop.now:9.3f}  {' '.join(map(str, words))}"
        self.lines.append(line)
        self._hash.update(line.encode())

    @property
    def fingerprint(self) -> str:
        """Equal for runs in which the same happened."""
        return self._hash.hexdigest()

    # --- choosing -------------------------------------------------------------------------------------------

    def anybody(self) -> str:
        """A user."""
        return self.rng.choice(self.users)

    def topic(self) -> str:
        """A topic: a thing, a tag or a person."""
        return self.rng.choice((*TOPICS, f"user:{self.anybody()}"))

    def activity(self) -> str:
        """The activity of everybody, or of a topic."""
        return EVERYBODY if self.rng.random() < 0.5 else self.topic()

    @property
    def readers(self) -> list[Device | Visitor]:
        """Everybody who has a connection at times."""
        return [*self.devices, *self.visitors]

    def some_reader(self) -> Device | Visitor:
        """One of them."""
        return self.rng.choice(self.readers)

    def some_inbox(self) -> Device:
        """A device, rather one that shows something."""
        return self.rng.choice([device for device in self.devices if device.fold.items] or self.devices)

    def some_feed(self) -> Device:
        """A device, rather one that shows something of a feed."""
        return self.rng.choice([device for device in self.devices if device.feed.items] or self.devices)

    # --- the server -----------------------------------------------------------------------------------------

    async def call(self, work: Callable[[Server], Awaitable[T]], timeout_s: float) -> T | TransportError:
        """What the server answers that is there when the request arrives, if both get through in time; a refusal of an
        act counts as lost too, for it is the same to whoever tries again."""
        reply: Future[T | TransportError] = self.loop.create_future()

        def travel(step: Callable[[], object]) -> None:
            if not self.trouble.packet_lost or self.rng.random() >= self.trouble.packet_lost:
                self.loop.call_later(self.trouble.latency(self.rng), step)

        async def serve(server: Server) -> None:
            answer: T | TransportError = TransportError("reset")
            try:
                answer = await work(server)
            except EXPECTED as error:
                answer = TransportError(f"{type(error).__name__}: {error}")
            finally:
                travel(lambda: settle(reply, answer))

        def arrive() -> None:
            if self.server is None:
                settle(reply, TransportError("refused"))
            else:
                self.server.life.spawn(serve(self.server))

        timer = self.loop.call_later(timeout_s, settle, reply, TransportError("no answer"))
        try:
            travel(arrive)
            return await reply
        finally:
            timer.cancel()

    def _open(self) -> Store:
        """The store as the next server finds it."""
        settings = self.plan.settings
        if self.plan.sqlite:
            return open_sqlite(self._folder, self.clock, settings, self._epoch)
        return MemoryStore(
            self.clock,
            epoch=self._epoch,
            types=settings.types,
            feed_history=settings.feed_history,
            max_mutes_per_user=settings.max_mutes_per_user,
            max_blocks_per_user=settings.max_blocks_per_user,
            retraction_history=settings.retraction_history,
            activity_history=settings.activity_history,
            read_all_history=settings.read_all_history,
        )

    def begin(self) -> None:
        """A server comes up. What it knows of the store is what is in the file, where there is one."""
        if self.plan.sqlite and self.shaken.version:
            at_once(self.store.close())
            self.shaken.real = self._open()
            self.shaken.version += 1
        life = Life(self.failures)
        plan = self.plan
        server = Server(
            life, self.shaken, plan.settings, self.clock, self.trouble, self.rng, plan.unaided, self.tally
        )
        self.starts.append(at_once(self.store.head()).position)
        life.spawn(server.begin())
        self.server = server
        self.note("a server begins")

    def crash(self, down_s: float) -> None:
        """The server dies; another begins after a while."""
        if self.server is not None:
            self.note("the server dies")
            server, self.server = self.server, None
            server.crash(self.rng)
            self.loop.call_later(down_s, self._begin_again)

    def drain(self, down_s: float) -> None:
        """The server is asked to leave; another begins after a while."""
        server = self.server
        if server is not None and not server.live.closing:
            self.note("the server leaves")
            leaving = server.life.spawn(server.leave())
            leaving.add_done_callback(lambda _: self._left(server, down_s))

    def _left(self, server: Server, down_s: float) -> None:
        if self.server is server:  # and has not died on its way
            self.server = None
            server.life.end()
            self.loop.call_later(down_s, self._begin_again)

    def _begin_again(self) -> None:
        if self.server is None:
            self.begin()

    # --- people ---------------------------------------------------------------------------------------------

    async def settle_in(self) -> None:
        """Give everybody their devices, and some topics to follow."""
        for user in self.users:
            topics = self.rng.sample(TOPICS, self.plan.follows)
            follows = [Follow(user, topic, backfill=0) for topic in topics]
            self.history.write(follows, await self.store.write(follows))
            for number in range(self.rng.randint(1, self.plan.devices)):
                self.devices.append(self._device(user, f"{user}/{number}"))
        for number in range(self.plan.visitors):
            topics = self.rng.sample(TOPICS, self.rng.choice((0, 2)))
            self.visitors.append(Visitor(self, f"visitor/{number}", tuple(topics)))
        for reader in self.readers:
            reader.start()
        await self.pause(self.rng.random())

    def _device(self, user: str, name: str) -> Device:
        include, wire = self.rng.choice(INCLUDES), self.rng.choice((EVENTS, EVENTS, SOCKET))
        topics: list[str] = []
        if self.plan.scopes:
            include = self.rng.choice(MORE_INCLUDES)
            topics = self.rng.sample(TOPICS, self.rng.choice((0, 1, 2)))
        return Device(self, user, name, include, wire, tuple(topics))

    async def pause(self, seconds: float) -> None:
        """Let everybody do what they do. Raises what any of them could not live with."""
        await pause(seconds)
        if self.failures:
            raise self.failures[0]

    def end(self) -> None:
        """Stop everything."""
        for reader in self.readers:
            reader.stop()
        if self.server is not None:
            server, self.server = self.server, None
            server.life.end()
        at_once(self.store.close())

    def count(self) -> None:
        """Add what is known only now to the tally."""
        sizes = at_once(self.store.status()).sizes
        merging = "merging" if sizes.get("hot_topics") else "sqlite"
        self.tally.add("store", merging if self.plan.sqlite else "memory")
        self.tally["snooze", "returned"] = self.shaken.returned
        self.tally["inbox", "removed"] = self.history.removed
        for kind, number in self.history.merges.items():
            self.tally["merge", kind] = number
        for event in self.history.events.values():
            self.tally.add("visibility", event.visibility.name)
        for scope in {device.scope for device in self.devices}:
            names = ["feed"] * scope.feed + ["all"] * scope.everybody + ["topic"] * bool(scope.topics)
            self.tally.add("scope", names[0] if len(names) == 1 else "mixed")
        self.tally["user", ""] = len(self.users)
        self.tally["second", ""] = int(self.loop.now)
