"""A client that takes too little of its answer is ended, and one on a slow line is not."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest

from tidings.config import KIB
from tidings.http.deadlines import Deadlines, Phase
from tidings.http.transport import MAX_PERIODS, MIN_PROGRESS_BYTES, Stalls

STALLED_S = 30.0
LARGE = 512 * KIB
ENOUGH_S = STALLED_S * MAX_PERIODS * 2
"""Twice as long as any answer may take."""


class Loop:
    """An event loop whose time a test moves, as far as it is used here."""

    def __init__(self) -> None:
        self._now = 0.0
        self._due: list[tuple[float, Callable[..., object], tuple[Any, ...]]] = []

    def time(self) -> float:
        """Seconds."""
        return self._now

    def call_later(self, delay: float, call: Callable[..., object], *args: Any) -> None:
        """Call this later."""
        self._due.append((self._now + delay, call, args))

    def advance(self, seconds: float) -> None:
        """Let so much time pass, and call what is due."""
        end = self._now + seconds
        while due := [one for one in self._due if one[0] <= end]:
            first = min(due, key=lambda one: one[0])
            self._due.remove(first)
            self._now = first[0]
            first[1](*first[2])
        self._now = end

    @property
    def timers(self) -> int:
        """How many timers run."""
        return len(self._due)


class Line:
    """A connection with an answer of which the client takes some; ``loop`` and ``reading_paused`` are for deadlines."""

    def __init__(self, waiting: int = 0, loop: Any = None) -> None:
        self.waiting, self.taken = waiting, 0
        self.ended = self.reading_paused = False
        self.loop = loop

    def take(self, size: float) -> None:
        """The client takes so many bytes."""
        size = min(int(size), self.waiting)
        self.waiting -= size
        self.taken += size

    def recounted(self) -> int:
        """Bytes that wait."""
        return self.waiting

    def arrived(self) -> int:
        """Bytes that were taken."""
        return self.taken

    def abort(self) -> None:
        """End."""
        self.ended = True

    expire = abort


def watched(line: Line) -> Loop:
    """The loop in which the answer on this line is watched."""
    loop = Loop()
    Stalls(STALLED_S).watch(line, cast(asyncio.AbstractEventLoop, loop))
    return loop


def read(line: Line, each_s: float, size: float) -> float:
    """Take so many bytes every so many seconds, until nothing waits, the connection is ended or no answer may take that
    long; returns the seconds that passed."""
    loop = watched(line)
    while line.waiting and not line.ended and loop.time() < ENOUGH_S:
        loop.advance(each_s)
        line.take(size)
    loop.advance(STALLED_S)
    assert not loop.timers
    return loop.time()


def test_who_takes_nothing_is_ended() -> None:
    """After the time that is allowed, one look at the clock more or less."""
    line = Line(LARGE)
    loop = watched(line)
    loop.advance(STALLED_S - 1)
    assert not line.ended
    loop.advance(3)
    assert line.ended


@pytest.mark.parametrize("each_s", [1.0, 13.0, STALLED_S - 2])
def test_a_large_answer_cannot_be_kept_by_taking_a_little(each_s: float) -> None:
    """Whoever took 4 KiB in each time that is allowed kept half a megabyte for an hour, and a thousand such answers."""
    line = Line(LARGE)
    took_s = read(line, each_s, MIN_PROGRESS_BYTES * each_s / STALLED_S + KIB)
    assert line.ended
    assert took_s <= 3 * STALLED_S


@pytest.mark.parametrize("size", [5 * KIB, 64 * KIB, LARGE])
def test_a_slow_line_is_served(size: int) -> None:
    """At a rate that takes most of the time that there is for any answer."""
    line = Line(size)
    rate = max(size / (MAX_PERIODS * STALLED_S), MIN_PROGRESS_BYTES / STALLED_S) * 1.2
    read(line, 1.0, rate + 1)
    assert not line.ended
    assert not line.waiting


def test_the_end_of_an_answer_needs_no_more_than_there_is() -> None:
    """A share of the whole is asked for until the last byte, not of what is left; a client that keeps the pace has it."""
    line = Line(LARGE)
    read(line, STALLED_S / 2, LARGE / MAX_PERIODS)
    assert (line.ended, line.waiting) == (False, 0)


def test_what_is_watched_otherwise_is_let_be() -> None:
    """A stream takes its connection over, and its slow readers have a bound of their own."""
    loop, line = Loop(), Line(LARGE)
    stalls = Stalls(STALLED_S)
    stalls.watch(line, cast(asyncio.AbstractEventLoop, loop))
    stalls.forget(line)
    loop.advance(ENOUGH_S)
    assert not line.ended
    assert not loop.timers


def test_deadlines_run_while_the_client_is_the_slow_side() -> None:
    """Not while we do not read; and the timer ends with the last of them."""
    loop = Loop()
    deadlines = Deadlines(10, 20)
    slow, paused, idle = (Line(loop=loop) for _ in range(3))
    for connection, phase in ((slow, Phase.HEAD), (paused, Phase.BODY), (idle, Phase.HEAD)):
        deadlines.watch(connection, phase)
    paused.reading_paused = True
    deadlines.watch(idle, Phase.IDLE)
    loop.advance(40)
    assert (slow.ended, paused.ended, idle.ended) == (True, False, False)
    paused.reading_paused = False
    loop.advance(25)
    assert paused.ended
    assert not loop.timers
