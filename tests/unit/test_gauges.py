"""The gauges that operators are told to alert on."""

import asyncio

from tidings.endpoint_commands import AddEndpoint
from tidings.model import Publish, RecordDeliveryResults
from tidings.personal_data import DeliveryResult, Endpoint
from tidings.rules import Rule
from tidings.server import Measuring
from tidings.telemetry import REGISTRY
from tidings.testing import START_MS, FakeClock, MemoryStore, event


def test_what_was_given_up_is_in_a_gauge() -> None:
    """And what is pending is, from one look at the store to the next."""

    async def play() -> None:
        store = MemoryStore(FakeClock(), types={"ping": Rule(channels=("email",))})
        await store.write(
            [
                AddEndpoint(Endpoint("e1", "bob", "email", "bob@mail.test")),
                Publish((event("alice", "ping", targets=("bob",)),)),
            ]
        )
        measuring = Measuring(store)
        await measuring._round()
        assert gauges() == (0, 0)
        (delivery,) = await store.deliveries(START_MS, 9)
        await store.write([RecordDeliveryResults((DeliveryResult(delivery.id, "dead"),))])
        await measuring._round()
        assert gauges() == (0, 1)

    asyncio.run(play())


def gauges() -> tuple[float | None, float | None]:
    """What the metrics say is pending, and was set aside."""
    names = ("tidings_fanout_jobs", "tidings_dead_letters")
    pending, dead = map(REGISTRY.get_sample_value, names)
    return pending, dead
