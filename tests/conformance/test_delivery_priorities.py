"""The order in which deliveries are due: ``tidings.ports.DeliveryQueue.deliveries``."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from tests.harness import Harness
from tidings.config import Settings
from tidings.endpoint_commands import AddEndpoint, BoundDeliveries
from tidings.model import EVERYONE, Follow, Publish, RecordDeliveryResults, SetNotificationType
from tidings.personal_data import DeliveryResult, Endpoint
from tidings.rules import Rule
from tidings.storage.sqlite import SqliteStore
from tidings.testing import START_MS, FakeClock, event

LATER = START_MS + 3_600_000
USERS = tuple(f"u{number}" for number in range(30))


def due(store: Harness, limit: int = 99, by: int = LATER) -> list[str]:
    """The types of the deliveries that are due, in their order."""
    return [one.type for one in store.run(store.store.deliveries(by, limit))]


@pytest.fixture
def types(store: Harness) -> Harness:
    """Users with a mailbox each, and a type of each kind."""
    store.write(
        SetNotificationType("ping", Rule(group="none", channels=("email",))),
        SetNotificationType("alarm", Rule(group="none", channels=("email",), critical=True)),
        SetNotificationType("news", Rule(channels=("email",))),
        SetNotificationType("outage", Rule(channels=("email",), critical=True)),
        *(AddEndpoint(Endpoint(f"e-{user}", user, "email", f"{user}@mail.test")) for user in USERS),
    )
    return store


def broadcast(store: Harness, verb: str) -> None:
    """Publish a broadcast to all."""
    all = msgspec.structs.replace(event("admin", verb, "release:2"), audience=EVERYONE, expires_at=LATER)
    store.publish(all)


def ping(store: Harness, verb: str = "ping", *users: str) -> None:
    """Notify these users, or the first."""
    store.publish(event("alice", verb, "item:1", targets=users or USERS[:1]))


@pytest.mark.need("NO10")
def test_deliveries_come_by_priority(types: Harness) -> None:
    """The fault: a critical mail waited for all mails of an announcement before it. Of one priority, those due for the
    longest come first."""
    for verb in ("news", "ping", "outage", "alarm"):
        if verb in ("news", "outage"):
            broadcast(types, verb)
        else:
            ping(types, verb)
        types.clock.advance(1)
    some = due(types)
    assert some == ["alarm", *["outage"] * len(USERS), "ping", *["news"] * len(USERS)]


def test_each_priority_has_a_share_of_a_page(types: Harness) -> None:
    """A tenth for each lower one that has some due, so that none waits for the end of another."""
    broadcast(types, "news")
    types.clock.advance(1)
    ping(types, "ping", *USERS)
    types.clock.advance(1)
    ping(types, "alarm", *USERS)
    assert due(types, 20) == [*["alarm"] * 16, *["ping"] * 2, *["news"] * 2]
    assert due(types, 50) == [*["alarm"] * 30, *["ping"] * 15, *["news"] * 5]
    assert due(types, 1) == ["alarm"]


def test_what_a_lower_priority_has_due_is_not_passed_over(types: Harness) -> None:
    """The next due time is that of any priority, and a page has what is due of all."""
    broadcast(types, "news")
    assert types.run(types.store.next_due()) == START_MS
    assert due(types, 99, START_MS) == ["news"] * len(USERS)
    assert due(types, 99, START_MS - 1) == []


def test_a_retry_keeps_its_priority(types: Harness) -> None:
    ping(types, "alarm")
    (one,) = types.run(types.store.deliveries(LATER, 1))
    types.write(RecordDeliveryResults((DeliveryResult(one.id, "failed", START_MS + 5, "HTTP 500"),)))
    ping(types)
    assert due(types) == ["alarm", "ping"]


def test_what_followers_get_in_chunks_is_bulk(tmp_path: Path) -> None:
    """A fan-out job writes it, to more followers than one transaction may have."""
    clock = FakeClock()
    settings = Settings(smtp_url="smtp://127.0.0.1", mail_from="a@b.example", fanout_sync_max_followers=2)

    async def scene() -> list[str]:
        store = await SqliteStore.open(tmp_path / "store.db", clock, settings=settings)
        try:
            many = Rule(notify="topic_followers", channels=("email",))
            await store.write([SetNotificationType("chapter", many)])
            await store.write([SetNotificationType("ping", Rule(channels=("email",)))])
            for user in USERS[:5]:
                address = Endpoint(f"e-{user}", user, "email", f"{user}@mail.test")
                await store.write([AddEndpoint(address), Follow(user, "book:1")])
            await store.write([Publish((event("bob", "chapter", "page:1", topics=("book:1",)),))])
            while await store.work(10):
                pass
            clock.advance(1)
            await store.write([Publish((event("bob", "ping", "item:1", targets=USERS[:1]),))])
            return [one.type for one in await store.deliveries(LATER, 99)]
        finally:
            await store.close()

    assert asyncio.run(scene()) == ["ping", *["chapter"] * 5]


def test_deliveries_that_are_due_too_late_are_due_now(types: Harness) -> None:
    """Those that failed or were held while the clock was ahead; not those due by then, nor dead letters."""
    ping(types, "ping", *USERS[:4])
    found = types.run(types.store.deliveries(LATER, 9))
    results = (
        DeliveryResult(found[0].id, "failed", LATER + 1, "HTTP 500"),
        DeliveryResult(found[1].id, "held", LATER + 1),
        DeliveryResult(found[2].id, "failed", LATER, "HTTP 500"),
        DeliveryResult(found[3].id, "dead", LATER + 1, "HTTP 500"),
    )
    types.write(RecordDeliveryResults(results))
    assert types.changed(BoundDeliveries(LATER)) == 2
    now = types.run(types.store.deliveries(types.clock.ms, 9))
    assert [one.id for one in now] == [found[0].id, found[1].id]
    assert types.changed(BoundDeliveries(LATER)) == 0
