"""The log: which submission is written when, whatever else waits."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import cast

import pytest

from tidings.commit_queue import GroupCommitQueue
from tidings.errors import KeyReused, TooManyRequests, Unavailable
from tidings.model import (
    Command,
    Follow,
    MarkFeedRead,
    Outcome,
    Publish,
    Published,
    Retract,
    SetMute,
    UndoMarkFeedRead,
)
from tidings.testing import FakeClock, MemoryStore, event

BATCH = 100
PER_USER = 60
PATIENCE_S = 60
FAILING = MarkFeedRead("ann", None, 13)


class Slow(MemoryStore):
    """A store that waits before each transaction until it is let, and takes in ``fitting`` commands besides what is
    published, if it may end there."""

    def __init__(self) -> None:
        super().__init__(FakeClock())
        self.let = asyncio.Semaphore(0)
        self.fitting = 1_000
        self.written: list[Sequence[Command]] = []
        self.prepared = asyncio.Semaphore(0)
        self.preparing: list[tuple[Command, int]] = []

    async def prepare(self, command: Command) -> Command:
        """Takes until it is let; fails for nobody in particular."""
        self.preparing.append((command, len(self.written)))
        await self.prepared.acquire()
        if command == FAILING:
            raise Unavailable("no thread is free")
        return command

    async def write(
        self, commands: Sequence[Command], ends: Collection[int] = ()
    ) -> list[Outcome | KeyReused]:
        """Apply them, or as many as fit."""
        await self.let.acquire()
        published = sum(isinstance(command, Publish) for command in commands)
        fitting = min((end for end in ends if end >= published + self.fitting), default=len(commands))
        self.written.append(commands[:fitting])
        return await super().write(commands[:fitting])

    @property
    def topics(self) -> list[list[str]]:
        """The topics of what was written, by transaction."""
        return [[c.topic for c in commands if isinstance(c, Follow)] for commands in self.written]


class Place:
    """A log over a slow store, and what was submitted to it."""

    def __init__(self, store: Slow) -> None:
        self.store = store
        self.log = GroupCommitQueue(
            store,
            batch_events=BATCH,
            queue=1_000,
            per_user=PER_USER,
            on_commit=lambda commands, outcomes: None,
        )
        self.tasks: list[asyncio.Task[list[Outcome | KeyReused]]] = []

    async def submit(self, *commands: Command) -> asyncio.Task[list[Outcome | KeyReused]]:
        """Begin to wait for these commands."""
        task = asyncio.create_task(self.log.submit_all(commands))
        self.tasks.append(task)
        await asyncio.wait([task], timeout=0)
        return task

    async def all(self) -> None:
        """Let everything be written."""
        for _ in range(1_000):
            self.store.let.release()
            self.store.prepared.release()
        await asyncio.gather(*self.tasks)


def played(script: Callable[[Place], Awaitable[None]]) -> None:
    """Play a script with a log; all is written in the end."""

    async def play() -> None:
        place = Place(Slow())
        place.log.start()
        async with asyncio.timeout(PATIENCE_S):
            await script(place)
            await place.all()
        await place.log.close()
        assert place.log.depth == 0

    asyncio.run(play())


def publish(n: int = 1) -> Publish:
    """A command that publishes so many events."""
    return Publish(tuple(event("zoe") for _ in range(n)))


def test_publishing_does_not_wait_behind_what_a_user_asked_for() -> None:
    """Everything waited in one queue, so a user's marks stood before all that was published after them."""

    async def script(place: Place) -> None:
        place.store.fitting = 1
        for n in range(PER_USER):
            await place.submit(Follow("ann", f"room:{n}"))
        published = await place.submit(publish())
        place.store.let.release()
        place.store.let.release()
        await published
        assert len(place.store.written) == 2
        assert isinstance(place.store.written[1][0], Publish)

    played(script)


def test_users_take_turns() -> None:
    """Who asked for one thing waits for one thing of whoever asked for many."""

    async def script(place: Place) -> None:
        place.store.fitting = 2
        await place.submit(Follow("first", "room:1"))
        for n in range(10):
            await place.submit(Follow("ann", f"ann:{n}"))
        await place.submit(Follow("bob", "bob:0"))
        await place.submit(SetMute("cy", "thing:1"))
        await place.submit(Retract("none"))
        await place.all()
        assert place.store.topics[:2] == [["room:1"], ["ann:0", "bob:0"]]
        assert place.store.written[2] == [SetMute("cy", "thing:1"), Retract("none")]
        assert [topic for topics in place.store.topics for topic in topics if topic.startswith("ann")] == [
            f"ann:{n}" for n in range(10)
        ]

    played(script)


def test_a_submission_stays_whole_and_those_of_one_asker_in_order() -> None:
    """A transaction that ends early ends between two submissions, and what is left comes first in the next."""

    async def script(place: Place) -> None:
        place.store.fitting = 2
        await place.submit(Follow("first", "room:1"))
        for n in range(4):
            await place.submit(*(Follow("ann", f"ann:{n}.{part}") for part in range(3)))
        await place.submit(Follow("bob", "bob:0"))
        await place.all()
        assert place.store.topics[1] == ["ann:0.0", "ann:0.1", "ann:0.2"]
        assert place.store.topics[2][0] == "bob:0"
        ann = [topic for topics in place.store.topics for topic in topics if topic.startswith("ann")]
        assert ann == sorted(ann)
        for topics in place.store.topics:
            assert len([topic for topic in topics if topic.startswith("ann")]) in (0, 3)

    played(script)


def test_a_user_has_a_bound_and_others_do_not_feel_it() -> None:
    """One user could fill the whole queue, so that everybody was answered 503."""

    async def script(place: Place) -> None:
        for n in range(PER_USER):
            await place.submit(Follow("ann", f"room:{n}"))
        with pytest.raises(TooManyRequests) as refused:
            await place.log.submit(Follow("ann", "one:more"))
        assert refused.value.retry_after == 1
        await place.submit(Follow("bob", "room:1"))
        await place.submit(Retract("none"))
        await place.all()
        place.tasks.clear()
        await place.submit(Follow("ann", "one:more"))

    played(script)


def test_what_is_published_shares_a_transaction_whatever_stands_between() -> None:
    """Group commit: a hundred publishers pay for one commit, though users write as much in between."""

    async def script(place: Place) -> None:
        place.store.fitting = 1
        await place.submit(Follow("first", "room:1"))
        for n in range(BATCH):
            await place.submit(Follow(f"u{n}", "room:1"))
            await place.submit(publish())
        place.store.let.release()
        place.store.let.release()
        outcomes = await asyncio.gather(*place.tasks[2::2])
        assert [cast(Published, one).receipts[0].position for (one,) in outcomes] == [*range(1, BATCH + 1)]
        assert len(place.store.written) == 2

    played(script)


def position(published: asyncio.Task[list[Outcome | KeyReused]]) -> int:
    """The first position of what was published."""
    (outcome,) = published.result()
    return cast(Published, outcome).receipts[0].position


def test_a_small_publication_does_not_wait_for_the_arrays_of_other_requests() -> None:
    """Publications were one queue, so a single event waited for all large arrays that the application had sent before."""

    async def script(place: Place) -> None:
        arrays = [await place.submit(publish(BATCH)) for _ in range(8)]
        small = [await place.submit(publish()) for _ in range(3)]
        await place.all()
        assert [position(one) for one in small] == [BATCH + n for n in (1, 2, 3)]
        assert [position(one) for one in arrays] == sorted(map(position, arrays))
        assert len(place.store.written) == len(arrays)

    played(script)


def test_large_arrays_do_not_wait_for_all_small_publications() -> None:
    """Each transaction has one of them at least, however much else is published."""

    async def script(place: Place) -> None:
        await place.submit(publish())
        for _ in range(5 * BATCH):
            await place.submit(publish())
        arrays = [await place.submit(publish(BATCH)) for _ in range(3)]
        await place.all()
        assert [position(one) for one in arrays] == [
            2 + BATCH // 2 + n * (BATCH + BATCH // 2) for n in range(3)
        ]

    played(script)


# --- what is prepared ---------------------------------------------------------------------------------------------


async def begun(place: Place, number: int) -> None:
    """Wait until so many commands are being prepared, or were."""
    while len(place.store.preparing) < number:
        await asyncio.wait(place.tasks, timeout=0)


def test_what_is_prepared_holds_up_its_user_alone() -> None:
    """A read-all of a large feed was counted in its transaction, and everybody waited; and what its user writes meanwhile
    could make the count another."""

    async def script(place: Place) -> None:
        place.store.let = asyncio.Semaphore(1_000)
        held = await place.submit(MarkFeedRead("ann"))
        after = await place.submit(Follow("ann", "room:1"))
        await begun(place, 1)
        for command in (Follow("bob", "room:1"), publish(), Retract("none")):
            await (await place.submit(command))
        assert not held.done()
        assert not after.done()
        place.store.prepared.release()
        await asyncio.gather(held, after)
        assert place.store.written[-1] == [MarkFeedRead("ann"), Follow("ann", "room:1")]
        assert place.store.preparing == [(MarkFeedRead("ann"), 0)]

    played(script)


def test_nothing_is_prepared_before_what_its_user_wrote_earlier() -> None:
    """It may count on that; and two of one user are prepared one after the other."""

    async def script(place: Place) -> None:
        await place.submit(Follow("first", "room:1"))
        commands: list[Command] = [
            Follow("ann", "room:1"),
            MarkFeedRead("ann"),
            UndoMarkFeedRead("ann", 1),
            MarkFeedRead("ann", ("id",)),
        ]
        for each in commands:
            await place.submit(each)
        await place.all()
        assert [command for some in place.store.written[1:] for command in some] == commands
        assert place.store.preparing == [(commands[1], 2), (commands[2], 3)]

    played(script)


def test_what_cannot_be_prepared_fails_alone() -> None:
    """Its user is told, and what they asked for after it is written."""

    async def script(place: Place) -> None:
        place.store.let = asyncio.Semaphore(1_000)
        failing, after = await place.submit(FAILING), await place.submit(Follow("ann", "room:1"))
        await begun(place, 1)
        place.store.prepared.release()
        with pytest.raises(Unavailable):
            await failing
        await after
        place.tasks.remove(failing)
        for n in range(PER_USER):
            await place.submit(Follow("ann", f"room:{n}"))

    played(script)


def test_a_log_that_closes_writes_what_is_prepared() -> None:
    """What was accepted is written."""

    async def script(place: Place) -> None:
        held = await place.submit(MarkFeedRead("ann"))
        await begun(place, 1)
        closing = asyncio.create_task(place.log.close())
        await asyncio.wait([closing], timeout=0)
        place.store.let.release()
        place.store.prepared.release()
        await held
        await closing

    played(script)
