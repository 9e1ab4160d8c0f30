"""The loop behind background work, in virtual time: when it works, how it rests, and that nothing ends it but its end."""

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, ParamSpec

import pytest

from tests.simulation.loop import VirtualLoop, pause
from tidings.background import LONGEST_PAUSE_S, NextRun, Worker
from tidings.errors import Unavailable

LONG_S = 1_000.0
"""A rest that only a nudge ends within a test."""
LIMIT_S = 100_000
"""Virtual seconds after which a test that waits for what never comes fails."""
P = ParamSpec("P")


def in_virtual_time(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run an asynchronous test whose seconds pass at once."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        with asyncio.Runner(loop_factory=VirtualLoop) as runner:
            runner.run(asyncio.wait_for(test(*args, **kwargs), LIMIT_S))

    return run


class Diary(Worker):
    """Notes when its rounds begin; each takes ``takes_s``, and fails while there are ``failures``."""

    def __init__(
        self, gap_s: float = 0, rest: NextRun | None = None, longest_pause_s: float = LONGEST_PAUSE_S
    ) -> None:
        super().__init__("diary", gap_s, longest_pause_s)
        self.began: list[float] = []
        self.takes_s = 0.0
        self.failures = 0
        self.rest = rest or NextRun(LONG_S)

    async def _round(self) -> NextRun:
        self.began.append(asyncio.get_running_loop().time())
        await pause(self.takes_s)
        if self.failures:
            self.failures -= 1
            raise OSError("the disk is away")
        return self.rest


@asynccontextmanager
async def going(diary: Diary) -> AsyncIterator[Diary]:
    """Begins now, at second 0, and is closed at the end."""
    diary.start()
    try:
        yield diary
    finally:
        await diary.close()


@in_virtual_time
async def test_a_rest_ends_with_its_time() -> None:
    async with going(Diary(rest=NextRun(5))) as diary:
        await pause(12)
        assert diary.began == [0, 5, 10]


@in_virtual_time
async def test_a_nudge_ends_a_rest() -> None:
    async with going(Diary()) as diary:
        await pause(3)
        diary.nudge()
        await pause(3)
        assert diary.began == [0, 3]


@in_virtual_time
async def test_a_rest_without_a_time_ends_with_a_nudge_alone() -> None:
    async with going(Diary(rest=NextRun(None))) as diary:
        await pause(LONG_S)
        diary.nudge()
        await pause(1)
        assert diary.began == [0, LONG_S]


@in_virtual_time
async def test_a_worker_may_be_tried_again_sooner_than_others() -> None:
    """A stream must not be silent for half a minute after a trouble of the store."""
    diary = Diary(longest_pause_s=0.3)
    diary.failures = 4
    async with going(diary):
        await pause(5)
        assert diary.began == pytest.approx([0, 0.1, 0.3, 0.6, 0.9])


@in_virtual_time
async def test_a_nudge_during_a_round_is_not_lost() -> None:
    """The round may have looked already at what the nudge is about."""
    diary = Diary()
    diary.takes_s = 2
    async with going(diary):
        await pause(1)
        diary.nudge()
        await pause(4)
        assert diary.began == [0, 2]


@in_virtual_time
async def test_many_nudges_bring_rounds_no_closer_than_the_gap() -> None:
    async with going(Diary(gap_s=2)) as diary:
        for _ in range(7):
            diary.nudge()
            await pause(1)
        assert diary.began == [0, 2, 4, 6]


@in_virtual_time
async def test_pauses_grow_while_it_fails_and_begin_anew_after_it_worked() -> None:
    diary = Diary()
    async with going(diary):
        for _ in range(2):
            diary.began.clear()
            diary.failures = 4
            diary.nudge()
            await pause(10)
            first = diary.began[0]
            assert [began - first for began in diary.began] == pytest.approx([0, 0.1, 0.3, 0.7, 1.5])


@in_virtual_time
async def test_nudges_do_not_cut_pauses_short() -> None:
    """One comes with every commit: the pauses would be none."""
    diary = Diary()
    diary.failures = 4
    async with going(diary):
        for _ in range(100):
            diary.nudge()
            await pause(0.01)
        assert diary.began == pytest.approx([0, 0.1, 0.3, 0.7])


@in_virtual_time
async def test_what_fails_for_long_is_tried_for_ever() -> None:
    """2 to the power of 1,024 fits no float: the loop ended there, after eight hours, and said nothing."""
    diary = Diary()
    diary.failures = 1_100
    async with going(diary):
        await diary.settled()
        assert diary.failures == 0
        assert diary.began[-1] - diary.began[-2] == LONGEST_PAUSE_S


@in_virtual_time
async def test_settled_awaits_a_round_that_began_after_it() -> None:
    """The one under way may have looked already."""
    diary = Diary()
    diary.takes_s = 2
    async with going(diary):
        await pause(1)
        await diary.settled()
        assert asyncio.get_running_loop().time() == 4


@in_virtual_time
async def test_settled_awaits_what_fails_and_what_leaves_something_undone() -> None:
    diary = Diary(rest=NextRun(5, settled=False))
    diary.failures = 1
    async with going(diary):
        waiting = asyncio.ensure_future(diary.settled())
        await pause(3)
        diary.rest = NextRun(LONG_S)
        assert not waiting.done()
        await waiting
        assert diary.began == pytest.approx([0, 0.1, 5.1])


@in_virtual_time
async def test_who_no_longer_waits_to_be_settled_stops_nobody() -> None:
    diary = Diary()
    diary.takes_s = 2
    async with going(diary):
        gone, waiting = (asyncio.ensure_future(diary.settled()) for _ in range(2))
        await pause(1)
        gone.cancel()
        await waiting
        assert diary.began == [0, 2]


@pytest.mark.parametrize(("takes_s", "failures"), [(0, 0), (10, 0), (0, 5)], ids=["rest", "round", "pause"])
@in_virtual_time
async def test_it_is_closed_at_once_wherever_it_waits(takes_s: float, failures: int) -> None:
    diary = Diary()
    diary.takes_s, diary.failures = takes_s, failures
    async with going(diary):
        await pause(1)
        begun = len(diary.began)
        await diary.close()
        assert asyncio.get_running_loop().time() == 1
        diary.nudge()
        await pause(LONG_S)
        assert len(diary.began) == begun


@in_virtual_time
async def test_what_never_began_can_be_closed() -> None:
    await Diary().close()


@in_virtual_time
async def test_an_outage_after_another_failure_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """The fault: only a first failure was logged as an outage, and one that followed another failure never. The next outage
    is another line."""
    failures: list[Exception | None] = [
        OSError("x"),
        *[Unavailable("full")] * 3,
        None,
        Unavailable("full again"),
        None,
    ]

    class Failing(Worker):
        async def _round(self) -> NextRun:
            if failure := failures.pop(0):
                raise failure
            return NextRun(LONG_S, settled=True)

    worker = Failing("this")
    worker.start()
    await worker.settled()
    await worker.settled()
    await worker.close()
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("ERROR", "this failed and is retried"),
        ("WARNING", "this failed and is retried: full"),
        ("WARNING", "this failed and is retried: full again"),
    ]
