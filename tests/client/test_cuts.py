"""Subscriptions over a network that breaks all the time: nothing is lost, nothing comes twice (I5)."""

import asyncio
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.checkers.streams import Frame, continuous
from tests.client.effort import CUTS
from tests.client.proxy import PASS, Fate, Proxy, between
from tests.wire.people import token
from tidings.client import (
    Activity,
    AsyncClient,
    Changed,
    Client,
    InboxState,
    Item,
    NewEvent,
    Read,
    Reset,
    Seen,
    SubscriptionTimeouts,
)

PACE = SubscriptionTimeouts(
    first_s=0.02,
    longest_s=0.05,
    open_s=2.5,
    silence_s=2.5,
    ask_s=2.5,
    climb_s=0.5,
    wait_s=1,
    idle_s=0.1,
)
"""Silence of two and a half heartbeats of a second; waits that make no test long."""
ENDS = ("cut",) * 25 + ("reset",) * 25 + ("stall",)
"""Stalls are rarer, since each costs the time until it is noticed."""
BYTES = 3_000
"""Of the server's, at most, before a connection ends: some frames, and rarely the whole of what was missed."""
BOTH = ("notifications", "activity")
LAST = "the last"
THINGS = 20
PATIENCE_S = 0.05
"""Until something more happens although the last was not heard of."""
LIMIT_S = 600
"""Until a test that hangs fails."""


class Network:
    """Ends connections until there were enough of them."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)
        self.proxy: Proxy | None = None

    def fate(self, asked: bytes) -> Fate:
        """What becomes of the next connection; some are refused."""
        if self.over:
            return PASS
        return Fate(self._chance.choice(ENDS), self._chance.randrange(BYTES))

    @property
    def over(self) -> bool:
        """Whether there were enough."""
        return self.proxy is not None and self.proxy.ends >= CUTS


class Publisher:
    """Tells the user one thing after the other, reads some of it, until the network is done; then a last thing."""

    def __init__(self, app: Client, user: str, network: Network) -> None:
        self.event_ids: list[str] = []
        self._app = app
        self._user = user
        self._network = network
        self._go_on = threading.Semaphore(0)
        self._left = False
        self._thread = threading.Thread(target=self._run)

    def heard(self, item: Item) -> None:
        """The subscriber has heard of something: the next may happen."""
        if isinstance(item, Activity | Reset):
            self._go_on.release()

    @contextmanager
    def running(self) -> Iterator[None]:
        """While the block lasts."""
        self._thread.start()
        try:
            yield
        finally:
            self._left = True  # also when the subscriber failed
            self._go_on.release()
            self._thread.join()

    def _run(self) -> None:
        self._go_on.acquire(timeout=LIMIT_S)
        while not (self._network.over or self._left):
            self._tell(str(len(self.event_ids) % THINGS))
            if len(self.event_ids) % 7 == 0:
                self._app.read_all(user=self._user)
            # Not faster than the subscriber hears of it, or all of it would be one long catching up.
            self._go_on.acquire(timeout=PATIENCE_S)
        self._tell(LAST)

    def _tell(self, thing: str) -> None:
        event = NewEvent(
            actor_id="alice", verb="like", object_type="m", object_id=thing, target_user_ids=(self._user,)
        )
        self.event_ids.append(self._app.publish(event).event_id)


class Heard(list[Item]):
    """What a subscriber was told, and whether the last thing has come, to the inbox and to the feed."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._last: set[type] = set()

    def take(self, item: Item) -> bool:
        """Keep an item; whether that was all."""
        self.append(item)
        if isinstance(item, Activity | Changed) and item.item.object_id == LAST:
            self._last.add(type(item))
        self._publisher.heard(item)
        return self._last == {Activity, Changed}


def heard(url: str, user: str, publisher: Publisher) -> list[Item]:
    """What a client that waits was told."""
    items = Heard(publisher)
    with (
        Client(url, token=token(user)) as client,
        client.subscribe(include=BOTH, fresh=True, pace=PACE) as told,
    ):
        limit = threading.Timer(LIMIT_S, told.close)
        limit.start()
        try:
            any(items.take(item) for item in told)
        finally:
            limit.cancel()
    return items


def heard_soon(url: str, user: str, publisher: Publisher) -> list[Item]:
    """What a client on an event loop was told."""

    async def listen() -> list[Item]:
        items = Heard(publisher)
        async with (
            asyncio.timeout(LIMIT_S),
            AsyncClient(url, token=token(user)) as client,
            client.subscribe(include=BOTH, fresh=True, pace=PACE) as told,
        ):
            async for item in told:
                if items.take(item):
                    break
        return items

    return asyncio.run(listen())


@pytest.mark.parametrize("listen", [heard, heard_soon])
def test_nothing_is_lost_and_nothing_comes_twice(
    url: str, app: Client, listen: Callable[[str, str, Publisher], list[Item]]
) -> None:
    """Over CUTS connections that are cut, reset and stalled at any byte, while things happen."""
    user = f"cut-{listen.__name__}"
    network = Network(seed=len(user))
    with between(url, network.fate) as network.proxy:
        publisher = Publisher(app, user, network)
        with publisher.running():
            items = listen(network.proxy.url, user, publisher)
        assert network.proxy.ends >= CUTS
    assert sum(isinstance(item, Reset) for item in items) == 1, "only the one it began with"
    assert [item.item.event_id for item in items if isinstance(item, Activity)] == publisher.event_ids
    check_inbox(app, user, items)


def check_inbox(app: Client, user: str, items: list[Item]) -> None:
    """The stream is continuous, and what it was folded to is the list."""
    fold, frames = InboxState(keep=len(items)), []
    for item in items:
        fold.apply(item)
        frames += list(frames_of(item))
    after = max(frame.at for frame in frames)
    continuous(frames, {key: seq for key, seq in last_changes(app, user).items() if seq <= after})
    assert fold.items == list(app.notifications(user=user))


def last_changes(app: Client, user: str) -> dict[str, int]:
    """When each notification and each read-all last changed."""
    last: dict[str, int] = {}
    since, more = 0, True
    while more:
        changes = app.changes(since, user=user)
        last |= {change.id: change.seq for change in changes.items}
        last |= {f"mark {mark.seq}": mark.seq for mark in changes.marks}
        since, more = changes.next_since, changes.has_more
    return last


def frames_of(item: Item) -> Iterator[Frame]:
    """An item as the checker of streams sees it."""
    match item:
        case Changed():
            yield Frame(item.seq, item.item.id)
        case Read(items=(read,)):
            yield Frame(item.seq, read.id)
        case Read() | Seen():
            yield Frame(item.seq, f"mark {item.seq}")
        case Reset():
            yield Frame(item.seq, reset=True)
