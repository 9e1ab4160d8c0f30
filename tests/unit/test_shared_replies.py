"""Long replies about trends: made once for all who ask, for a while that grows with their cost."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tests.awaiting import awaited
from tests.loops import turns
from tidings.errors import BadParameter, TooManyRequests
from tidings.shared_replies import (
    EVENTS_PER_MS,
    MOST_MAKERS,
    MOST_REPLIES,
    SHARED_EVENTS,
    MadeReply,
    SharedReplies,
)
from tidings.testing import FakeClock

LONG = SHARED_EVENTS + 1


class Maker:
    """Makes replies of a size, when it may; ``made`` has the viewers for whom it did."""

    def __init__(self, examined: int = LONG) -> None:
        self.examined = examined
        self.made: list[str] = []
        self.may = asyncio.Event()
        self.may.set()
        self.cancelled = 0

    async def __call__(self, viewer: str) -> MadeReply:
        """A reply with its number."""
        self.made.append(viewer)
        number = len(self.made)
        try:
            await self.may.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return MadeReply(b"%d" % number, self.examined)


def asking(replies: SharedReplies, make: Maker) -> Callable[[str], Awaitable[bytes]]:
    """How a viewer asks."""
    return lambda viewer: replies.get("question", viewer, make)


def test_a_refusal_that_is_kept_holds_no_requests() -> None:
    """It was raised itself, and kept the frames of every request that it answered: 9 KB each."""
    refusal = BadParameter("too many events")
    made = MadeReply(refusal, LONG)
    for _ in range(3):
        with pytest.raises(BadParameter, match="too many events"):
            made.body()
    assert refusal.__traceback__ is None


@awaited
async def test_a_short_reply_is_made_for_everyone_who_asks() -> None:
    """So that it has every write before the request."""
    make = Maker(SHARED_EVENTS)
    ask = asking(SharedReplies(FakeClock()), make)
    assert [await ask("ann"), await ask("bob")] == [b"1", b"2"]
    assert make.made == ["ann", "bob"]


@awaited
async def test_a_long_reply_is_used_for_a_while_that_grows_with_its_cost() -> None:
    """And made anew for all after it; also if the clock was set back. A short one ends the sharing."""
    clock, make = FakeClock(), Maker(50_000)
    ask = asking(SharedReplies(clock), make)
    assert [await ask("ann"), await ask("bob")] == [b"1", b"1"]
    clock.advance(50_000 // EVENTS_PER_MS - 1)
    assert await ask("bob") == b"1"
    clock.advance(1)
    assert [await ask("bob"), await ask("ann")] == [b"2", b"2"]
    clock.ms -= 10_000
    make.examined = 1
    assert [await ask("bob"), await ask("ann"), await ask("bob")] == [b"3", b"4", b"5"]
    assert make.made == ["ann", "bob", "bob", "ann", "bob"]


@awaited
async def test_all_who_ask_meanwhile_get_the_first_reply_that_is_made() -> None:
    """Each in their own turn, in which they may come first. The other attempts end then."""
    clock, make = FakeClock(), Maker()
    ask = asking(SharedReplies(clock), make)
    await ask("ann")
    clock.advance(10_000)
    make.may.clear()
    waiting = [asyncio.ensure_future(ask(name)) for name in ("ann", "bob", "ann", "carol")]
    await turns(5)
    assert make.made == ["ann", "ann", "bob", "carol"]
    make.may.set()
    assert await asyncio.gather(*waiting) == [b"2"] * 4


@awaited
async def test_a_viewer_with_many_questions_delays_nobody_who_shares_one() -> None:
    """The fault: all shared questions had one turn, so one viewer's hundred came before another's."""
    clock, slow = FakeClock(), Maker()
    replies = SharedReplies(clock)
    await replies.get("question", "ann", slow)
    clock.advance(10_000)
    slow.may.clear()
    first = asyncio.ensure_future(replies.get("question", "ann", slow))
    await turns(5)
    assert await replies.get("question", "bob", Maker()) == b"1"
    assert await first == b"1"
    assert slow.cancelled == 1


@awaited
async def test_few_make_what_many_ask_for() -> None:
    """With an attempt of each, a page that everybody opens would fill the queue of long reads."""
    clock, make = FakeClock(), Maker()
    ask = asking(SharedReplies(clock), make)
    await ask("ann")
    clock.advance(10_000)
    make.may.clear()
    waiting = [asyncio.ensure_future(ask(f"user{number}")) for number in range(100)]
    await turns(5)
    assert len(make.made) == 1 + MOST_MAKERS
    make.may.set()
    assert await asyncio.gather(*waiting) == [b"2"] * 100


@awaited
async def test_an_attempt_that_fails_fails_for_its_viewer_alone() -> None:
    """Such as one of a viewer who has too many long reads. Those who wait without an attempt of their own take its place."""
    clock, make = FakeClock(), Maker()
    replies = SharedReplies(clock)
    ask = asking(replies, make)
    await ask("ann")
    clock.advance(10_000)
    make.may.clear()

    async def refused(viewer: str) -> MadeReply:
        await make.may.wait()
        raise TooManyRequests("too many", 1)

    failing = [
        asyncio.ensure_future(replies.get("question", f"user{number}", refused))
        for number in range(MOST_MAKERS)
    ]
    await turns(5)
    waiting = asyncio.ensure_future(ask("bob"))
    await turns(5)
    assert make.made == ["ann"]
    make.may.set()
    found = await asyncio.gather(*failing, return_exceptions=True)
    assert [type(one) for one in found] == [TooManyRequests] * MOST_MAKERS
    assert await waiting == b"2"


@awaited
async def test_an_attempt_ends_when_all_have_left() -> None:
    """One who leaves takes it from nobody."""
    clock, make = FakeClock(), Maker()
    ask = asking(SharedReplies(clock), make)
    await ask("ann")
    clock.advance(10_000)
    make.may.clear()
    waiting = [asyncio.ensure_future(ask("ann")) for _ in range(2)]
    await turns(5)
    waiting[0].cancel()
    await turns(5)
    assert (make.made, make.cancelled) == (["ann", "ann"], 0)
    waiting[1].cancel()
    await turns(5)
    assert make.cancelled == 1
    make.may.set()
    assert await ask("bob") == b"3"


@awaited
async def test_a_reply_from_before_a_retraction_is_given_to_nobody_who_asks_after_it() -> None:
    """Whether it was made already, or is being made."""
    clock, make = FakeClock(), Maker()
    replies = SharedReplies(clock)
    ask = asking(replies, make)
    assert await ask("ann") == b"1"
    replies.clear()
    make.may.clear()
    before = asyncio.ensure_future(ask("ann"))
    await turns(5)
    replies.clear()
    make.may.set()
    assert await before == b"2"
    assert [await ask("ann"), await ask("ann")] == [b"3", b"3"]


@awaited
async def test_a_refusal_is_shared_and_a_failure_is_not() -> None:
    """Whoever asks after a failure has the reply made anew."""
    clock = FakeClock()
    replies, made = SharedReplies(clock), list[str]()
    answers: list[MadeReply | Exception] = [
        MadeReply(BadParameter("too many"), LONG),
        ZeroDivisionError(),
        MadeReply(b"well", LONG),
    ]

    async def make(viewer: str) -> MadeReply:
        made.append(viewer)
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    for _ in range(2):
        with pytest.raises(BadParameter):
            await replies.get("question", "ann", make)
    clock.advance(10_000)
    with pytest.raises(ZeroDivisionError):
        await replies.get("question", "ann", make)
    assert await replies.get("question", "ann", make) == b"well"
    assert made == ["ann"] * 3


@awaited
async def test_replies_have_a_bound() -> None:
    """I12: the least recently used is dropped."""
    make = Maker()
    replies = SharedReplies(FakeClock())
    for number in range(MOST_REPLIES + 1):
        await replies.get(number, "ann", make)
        await replies.get(0, "ann", make)
    assert len(make.made) == MOST_REPLIES + 1
    await replies.get(1, "ann", make)
    assert len(make.made) == MOST_REPLIES + 2
