"""Long reads: askers take turns, what is asked twice is read once, and what nobody waits for ends."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Hashable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from tests.awaiting import awaited
from tests.backends import SMALL
from tests.loops import turns
from tidings.config import Settings
from tidings.errors import TooManyRequests, Unavailable
from tidings.model import Follow
from tidings.storage.sqlite import SqliteStore
from tidings.storage.sqlite.read_snapshot import ReadSnapshot
from tidings.storage.sqlite.readers import APPLICATION, Asker, Readers, user
from tidings.testing import FakeClock

BOUNDED = msgspec.structs.replace(SMALL, reader_threads=2, max_reads_per_user=3, max_reads=6)
ANN, BOB, CY = user("ann"), user("bob"), user("cy")
FOREVER = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT count(*) FROM n"


class Gate:
    """A read that a test holds back: ``begun`` when a thread has it, ended by ``open``."""

    def __init__(self) -> None:
        self.begun, self._open = threading.Event(), threading.Event()

    def __call__(self, r: ReadSnapshot) -> str:
        self.begun.set()
        assert self._open.wait(20)
        return "held"

    def open(self) -> None:
        self._open.set()

    async def wait(self) -> None:
        """Until a thread has it."""
        assert await asyncio.to_thread(self.begun.wait, 20)


class Asked:
    """What was read, in the order in which it began."""

    def __init__(self, readers: Readers) -> None:
        self.readers = readers
        self.order: list[Hashable] = []

    def ask(
        self, asker: Asker, question: Hashable, read: Callable[[ReadSnapshot], object] | None = None
    ) -> "asyncio.Task[object]":
        """Ask, and go on."""

        def noted(r: ReadSnapshot) -> object:
            self.order.append(question)
            return None if read is None else read(r)

        return asyncio.create_task(self.readers.read(asker, question, noted))


@asynccontextmanager
async def asked(folder: Path, settings: Settings = BOUNDED) -> AsyncIterator[tuple[Asked, SqliteStore]]:
    """The readers of a store with two threads, or as the settings say."""
    store = await SqliteStore.open(folder / "store.db", FakeClock(), settings)
    try:
        yield Asked(store._readers), store
    finally:
        await store.close()


@awaited
async def test_askers_take_turns_and_none_has_all_threads(tmp_path: Path) -> None:
    """One user's second read waits although a thread is idle; another's first does not."""
    async with asked(tmp_path) as (asks, _):
        held, other = Gate(), Gate()
        first = asks.ask(ANN, "ann 0", held)
        await held.wait()
        tasks = [asks.ask(ANN, f"ann {n}") for n in (1, 2)]
        bob = asks.ask(BOB, "bob 0", other)
        await other.wait()
        tasks += [asks.ask(BOB, "bob 1"), asks.ask(CY, "cy 0")]
        await turns(3)
        held.open()
        await asyncio.gather(first, *tasks[:2], tasks[-1])
        assert asks.order == ["ann 0", "bob 0", "ann 1", "cy 0", "ann 2"]
        other.open()
        await asyncio.gather(bob, *tasks)


@awaited
async def test_the_same_question_is_read_once(tmp_path: Path) -> None:
    """A hundred summaries asked for at once are one read, as long as nothing is committed."""
    async with asked(tmp_path) as (asks, _):
        held = Gate()
        first = asks.ask(ANN, "summary", held)
        await held.wait()
        others = [asks.ask(ANN, "summary") for _ in range(100)]
        await turns(3)
        held.open()
        assert await asyncio.gather(first, *others) == ["held"] * 101
        assert asks.order == ["summary"]


@awaited
async def test_an_answer_that_began_before_a_commit_is_not_given_to_who_asked_after_it(
    tmp_path: Path,
) -> None:
    """Whoever was told of a write must see it."""
    async with asked(tmp_path) as (asks, store):
        held = Gate()
        before = asks.ask(ANN, "summary", held)
        await held.wait()
        await store.write([Follow("ann", "user:bob")])
        after = asks.ask(ANN, "summary", lambda r: "fresh")
        await turns(3)
        held.open()
        assert [await before, await after] == ["held", "fresh"]


@awaited
async def test_nobody_is_given_what_another_asked(tmp_path: Path) -> None:
    """I9: the same question by two users is two questions."""
    async with asked(tmp_path) as (asks, _):
        ann, bob = asks.ask(ANN, "summary", lambda r: "ann's"), asks.ask(BOB, "summary", lambda r: "bob's")
        assert [await ann, await bob] == ["ann's", "bob's"]


@awaited
async def test_a_user_over_the_bound_is_refused_and_others_are_not(tmp_path: Path) -> None:
    """429 for who has much under way, 503 once all together have; both say when to come back."""
    async with asked(tmp_path) as (asks, _):
        gates = [Gate(), Gate()]
        tasks = [asks.ask(ANN, 0, gates[0]), asks.ask(BOB, 0, gates[1])]
        for gate in gates:
            await gate.wait()
        tasks += [asks.ask(ANN, n) for n in (1, 2)]
        await turns(3)
        with pytest.raises(TooManyRequests) as refused:
            await asks.ask(ANN, 3)
        assert refused.value.retry_after >= 1
        tasks += [asks.ask(CY, n) for n in (0, 1)]
        await turns(3)
        with pytest.raises(Unavailable) as full:
            await asks.ask(APPLICATION, 0)
        assert full.value.retry_after >= 1
        for gate in gates:
            gate.open()
        await asyncio.gather(*tasks)
        assert asks.readers.depth == 0
        await asks.ask(ANN, 3)


@awaited
async def test_a_read_ends_when_nobody_waits_for_it(tmp_path: Path) -> None:
    """A statement that would never end is stopped when the last one leaves, and the thread serves the next."""
    async with asked(tmp_path) as (asks, _):
        begun = threading.Event()

        def forever(r: ReadSnapshot) -> object:
            begun.set()
            return r.db.one(FOREVER)

        tasks = [asks.ask(ANN, "forever", forever) for _ in range(2)]
        assert await asyncio.to_thread(begun.wait, 20)
        queued = asks.ask(ANN, "queued")
        await turns(3)
        tasks[0].cancel()
        await turns(3)
        assert asks.readers.depth == 2  # another one still waits for it
        queued.cancel()
        tasks[1].cancel()
        assert await asks.ask(ANN, "next", lambda r: r.db.one("SELECT 1")) == (1,)
        assert asks.readers.depth == 0
        assert asks.order == ["forever", "next"]


@awaited
async def test_only_that_one_read_is_stopped(tmp_path: Path) -> None:
    """Another user's read, under way on another thread, is whole."""
    async with asked(tmp_path) as (asks, _):
        held, gone = Gate(), Gate()
        kept = asks.ask(BOB, "kept", lambda r: (held(r), r.db.one("SELECT 1")))
        left = asks.ask(ANN, "left", lambda r: (gone(r), r.db.one(FOREVER)))
        await held.wait()
        await gone.wait()
        left.cancel()
        await turns(3)
        gone.open()
        held.open()
        assert await kept == ("held", (1,))
        assert await asks.ask(ANN, "next", lambda r: r.db.one("SELECT 1")) == (1,)


@awaited
async def test_a_failure_is_told_to_everybody_who_waits(tmp_path: Path) -> None:
    """A shared read that fails raises for each of its callers, and leaves the queue."""
    async with asked(tmp_path) as (asks, _):
        both = [asks.ask(ANN, "broken", lambda r: r.db.one("SELECT nothing")) for _ in range(2)]
        found = await asyncio.gather(*both, return_exceptions=True)
        assert all(isinstance(each, Exception) for each in found)
        assert asks.readers.depth == 0
