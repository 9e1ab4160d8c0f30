"""The two stores side by side, where the comparison itself could be wrong."""

import asyncio
from pathlib import Path

import pytest

from tests.backends import SETTINGS, opened
from tests.harness import Harness
from tests.property.comparison import alike
from tests.property.worlds import World
from tidings.endpoint_commands import AddEndpoint
from tidings.model import Command, Publish, Published, RecordDeliveryResults, Retract
from tidings.personal_data import DeliveryResult, Endpoint
from tidings.rules import Rule
from tidings.testing import START_MS, FakeClock, MemoryStore, event

TYPES = {"ping": Rule(group="sliding", gap_s=100, max_age_s=500, channels=("email",))}
MAIL = Endpoint("e1", "bob", "email", "bob@mail.test", "s", START_MS, confirmed=True)


@pytest.mark.parametrize("backend", SETTINGS)
def test_a_result_is_of_the_same_delivery_in_both(backend: str, tmp_path: Path) -> None:
    """The fault: of deliveries about retracted events, which look alike, each store took another one, and now and then a
    history failed for that."""
    clock = FakeClock()
    with asyncio.Runner() as runner:
        law = World(Harness(MemoryStore(clock, types=TYPES), clock, runner))
        other = World(Harness(runner.run(opened(backend, tmp_path, clock, TYPES)), clock, runner))
        ids: list[str] = []

        def apply(*commands: Command) -> None:
            outcomes = [world.apply(commands) for world in (law, other)]
            assert outcomes[0] == outcomes[1]
            ids.extend(r.event_id for one in outcomes[0] if isinstance(one, Published) for r in one.receipts)

        older, newer = (event("alice", "ping", thing, targets=("bob",)) for thing in ("item:1", "item:2"))
        apply(Publish((older,)), AddEndpoint(MAIL))
        apply(Publish((newer, older)))
        apply(*(Retract(id) for id in ids))
        apply(RecordDeliveryResults((DeliveryResult(0, "dead", error="no"),)))
        alike(law, other, World.export, "bob")
        for world in (law, other):
            runner.run(world.store.close())
