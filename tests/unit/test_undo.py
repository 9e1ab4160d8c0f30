"""A read-all can be undone for ten minutes: the write API over a real store, with a clock to turn."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tidings.commands import UNDO_MS, Commands
from tidings.commit_queue import GroupCommitQueue
from tidings.config import Settings
from tidings.cursors import Cursors
from tidings.errors import BadParameter, Expired, InvalidFields
from tidings.model import Publish
from tidings.projections.runner import Runner
from tidings.testing import FakeClock, MemoryStore, event


@asynccontextmanager
async def service(clock: FakeClock) -> AsyncIterator[Commands]:
    """The service that writes, over a store in which zoe has one unread notification."""
    store = MemoryStore(clock)
    await store.write([Publish((event("ann", targets=("zoe",)),))])
    log = GroupCommitQueue(store, batch_events=10, queue=10, on_commit=lambda commands, outcomes: None)
    log.start()
    try:
        yield Commands(log, Runner(store), Settings(), clock, Cursors(b"secret"), store)
    finally:
        await log.close()


@pytest.mark.parametrize("passed", [0, UNDO_MS])
def test_within_its_time_a_read_all_is_undone(passed: int) -> None:
    async def play() -> None:
        clock = FakeClock()
        async with service(clock) as ingest:
            marked, token = await ingest.read_all("zoe", None, None)
            clock.advance(passed)
            undone = await ingest.undo("zoe", token or "")
            assert (marked.updated, marked.unread_count) == (1, 0)
            assert (undone.updated, undone.unread_count, undone.unread_items) == (1, 1, 1)

    asyncio.run(play())


def test_after_its_time_it_stays() -> None:
    async def play() -> None:
        clock = FakeClock()
        async with service(clock) as ingest:
            _, token = await ingest.read_all("zoe", None, None)
            clock.advance(UNDO_MS + 1)
            with pytest.raises(Expired, match="10 minutes") as refused:
                await ingest.undo("zoe", token or "")
            assert (refused.value.status, refused.value.code) == (410, "expired")
            assert (await ingest.read_all("zoe", None, None))[0].unread_count == 0

    asyncio.run(play())


def test_another_user_cannot_undo_it() -> None:
    async def play() -> None:
        async with service(FakeClock()) as ingest:
            _, token = await ingest.read_all("zoe", None, None)
            with pytest.raises(BadParameter, match=r"undo: expected .* got a damaged one"):
                await ingest.undo("bob", token or "")

    asyncio.run(play())


def test_a_read_all_of_one_topic_too_many_names_the_topic(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing bounded the topics with a read-all of a user."""
    monkeypatch.setattr("tidings.activity_scope.MAX_TOPICS_READ", 1)

    async def play() -> None:
        async with service(FakeClock()) as ingest:
            await ingest.read_all_of_feed("zoe", None, "user:ann")
            with pytest.raises(InvalidFields) as refused:
                await ingest.read_all_of_feed("zoe", None, "item:1")
            (error,) = refused.value.errors
            assert error.pointer == "/topic"
            assert error.detail.startswith(
                "expected read-alls of up to 1 topics by one user, got one of another"
            )

    asyncio.run(play())
