"""How many requests begin in one pass of the event loop."""

import asyncio
from collections import Counter

import pytest

from tidings.http.scheduler import MAX_BATCH, SHARE_S, STARVED, RequestScheduler
from tidings.testing import FakeClock

COUNT = 200
LONGEST = 2
"""Shares of a pass: one for what arrives in it, and one for what has waited."""
PATIENCE_S = 30


def passes(took_ms: dict[str, list[int]], processor: float = 1.0) -> list[list[str]]:
    """Have requests of these clients, which take so many milliseconds each, arrive at once; returns whose requests began in
    each pass of the loop. ``processor``: the part of the time in which the thread has it."""
    clock = FakeClock()
    scheduler = RequestScheduler(clock.monotonic, lambda: clock.monotonic() * processor)
    began: list[list[str]] = [[]]

    async def request(client: str, ms: int) -> None:
        if not scheduler.may_begin():
            await scheduler.wait(client)
        began[-1].append(client)
        clock.advance(ms)

    def next_pass() -> None:
        began.append([])
        asyncio.get_running_loop().call_soon(next_pass)

    async def play() -> None:
        next_pass()
        async with asyncio.timeout(PATIENCE_S), asyncio.TaskGroup() as group:
            for client, each in took_ms.items():
                for ms in each:
                    group.create_task(request(client, ms))

    asyncio.run(play())
    return [one for one in began if one]


@pytest.mark.parametrize("ms", [1, 3, 9, 30, 75])
def test_a_pass_is_bounded_in_time(ms: int) -> None:
    """Eight hundred requests at once were answered in one pass of most of a second, in which nobody else was heard; and four
    began in each pass, however long they took."""
    found = passes({"ann": [ms] * COUNT})
    assert sum(map(len, found)) == COUNT
    assert max(len(one) * ms for one in found) <= LONGEST * 1_000 * SHARE_S + ms
    assert len(found) > 1


@pytest.mark.parametrize("processor", [0.75, 0.5, 0.1])
def test_a_pass_without_the_processor_lasts_longer(processor: float) -> None:
    """Other threads and programs took half of it, and each pass had half of the requests: a tenth more work for all. But it
    is bounded in time too."""
    found = passes({"ann": [1] * COUNT}, processor)
    allowed = SHARE_S * min(1 / processor, STARVED)
    assert SHARE_S < len(found[0]) / 1_000 <= allowed + 0.001
    assert max(map(len, found)) / 1_000 <= LONGEST * (allowed + 0.001)


def test_short_requests_begin_by_the_batch() -> None:
    """Those that take no time at all need few passes, and none of more than the largest batch after the first."""
    found = passes({"ann": [int(SHARE_S * 1_000), *[0] * COUNT]})
    assert max(map(len, found)) <= MAX_BATCH
    assert len(found) < COUNT / 4


def test_a_batch_ends_when_requests_become_long() -> None:
    """The batch has grown by short ones: as many long ones took most of a second."""
    took = [int(SHARE_S * 1_000), *[0] * COUNT, *[5] * COUNT]
    found = passes({"ann": took})
    each = iter(took)
    assert max(sum(next(each) for _ in one) for one in found) <= LONGEST * 1_000 * SHARE_S + 5
    assert next(each, None) is None


def test_clients_take_turns() -> None:
    """One request of another client is not behind all those that came before it."""
    found = passes({"ann": [5] * COUNT, "bob": [5]})
    before = [client for one in found for client in one]
    assert before.index("bob") < COUNT / 4
    assert Counter(before) == {"ann": COUNT, "bob": 1}


def test_what_takes_little_waits_for_nothing() -> None:
    """Requests that fit into a pass begin in it."""
    assert len(passes({"ann": [0] * COUNT})) == 1


def test_who_leaves_while_waiting_is_passed_over() -> None:
    """And costs the others nothing."""

    async def play() -> None:
        clock = FakeClock()
        scheduler = RequestScheduler(clock.monotonic)
        assert scheduler.may_begin()
        clock.advance(int(SHARE_S * 1_000))
        assert not scheduler.may_begin()
        gone, here = (asyncio.create_task(scheduler.wait(client)) for client in ("gone", "here"))
        await asyncio.wait((gone, here), timeout=0)
        gone.cancel()
        async with asyncio.timeout(PATIENCE_S):
            await here
        assert scheduler.may_begin()

    asyncio.run(play())
