"""Two requests with one idempotency key at the same time: the write API over a store that commits after both arrived."""

import asyncio

import pytest

from tests.awaiting import awaited
from tidings.commands import Commands, PublishResponse
from tidings.commit_queue import GroupCommitQueue
from tidings.config import Settings
from tidings.cursors import Cursors
from tidings.errors import KeyInFlight
from tidings.projections.runner import Runner
from tidings.testing import FakeClock, MemoryStore

EVENT = b'{"actor_id": "ann", "verb": "post", "object_type": "item", "object_id": "1"}'


@pytest.mark.need("IN4")
@awaited
async def test_the_second_of_two_requests_with_one_key_is_refused_until_the_first_has_ended() -> None:
    """Both would be stored, or the second would get a reply about an event that is not on disk. It gets 409, and the
    reply of the first when it comes again."""
    clock = FakeClock()
    store = MemoryStore(clock)
    log = GroupCommitQueue(store, batch_events=10, queue=10, on_commit=lambda commands, outcomes: None)
    log.start()
    try:
        commands = Commands(log, Runner(store), Settings(), clock, Cursors(b"secret"), store)
        first, second = await asyncio.gather(
            commands.publish(EVENT, scope="app", key="k"),
            commands.publish(EVENT, scope="app", key="k"),
            return_exceptions=True,
        )
        assert isinstance(first, PublishResponse)
        assert (type(second), KeyInFlight.status) == (KeyInFlight, 409)
        again = await commands.publish(EVENT, scope="app", key="k")
        assert again == PublishResponse(first.body, replayed=True)
    finally:
        await log.close()
