"""Work that many connections cause at once takes a bounded part of each pass of the event loop."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import cast

from tidings.http.sweep import CHECKS, Sweep
from tidings.http.unparsed import UnparsedInput
from tidings.turns import TURN_S

MANY = 1_000
EACH_S = TURN_S / 10


class Loop:
    """An event loop whose passes and time the test makes."""

    def __init__(self) -> None:
        self.now = 0.0
        self._due: deque[Callable[[], object]] = deque()

    def time(self) -> float:
        """Seconds."""
        return self.now

    def call_soon(self, call: Callable[..., object], *arguments: object) -> None:
        """Call it in the next pass."""
        self._due.append(lambda: call(*arguments))

    def call_later(self, after_s: float, call: Callable[..., object], *arguments: object) -> None:
        """The same: time passes when somebody works."""
        self.call_soon(call, *arguments)

    def next_pass(self) -> bool:
        """Make the calls that are due; returns whether there were any."""
        due, self._due = self._due, deque()
        for call in due:
            call()
        return bool(due)

    @property
    def real(self) -> asyncio.AbstractEventLoop:
        """As what it is passed."""
        return cast(asyncio.AbstractEventLoop, self)


def test_the_unparsed_input_of_many_is_parsed_in_turns() -> None:
    """The fault: a pass parsed a portion of each, so 1,900 incomplete heads made passes of 70 ms."""
    loop, parsed = Loop(), list[int]()
    unparsed = UnparsedInput(loop.time)

    def connection(number: int, portions: int) -> Callable[[], None]:
        def parse() -> None:
            loop.now += EACH_S
            parsed.append(number)
            if parsed.count(number) < portions:
                unparsed.add(parse, loop.real)

        return parse

    for number in range(MANY):
        unparsed.add(connection(number, 2), loop.real)
    assert unparsed.is_waiting
    longest = began = 0.0
    while loop.next_pass():
        longest, began = max(longest, loop.now - began), loop.now
    assert longest <= TURN_S + EACH_S
    assert parsed == [*range(MANY), *range(MANY)]
    assert not unparsed.is_waiting


def test_a_connection_parses_one_portion_in_a_pass() -> None:
    """However short it is: the others of the loop come in between."""
    loop, parsed = Loop(), list[int]()
    unparsed = UnparsedInput(loop.time)

    def parse() -> None:
        parsed.append(1)
        if len(parsed) < 3:
            unparsed.add(parse, loop.real)

    unparsed.add(parse, loop.real)
    for passes in (1, 2, 3):
        loop.next_pass()
        assert len(parsed) == passes
    assert not loop.next_pass()


def test_a_sweep_ends_many_in_turns() -> None:
    """The fault: the deadline of 6,000 connections ended them all in one turn of 100 ms. One that is watched meanwhile, and
    one that is forgotten, are looked at when they should be."""
    loop, ended = Loop(), list[int]()

    def look(key: int, state: int, now: float) -> int | None:
        loop.now += EACH_S
        ended.append(key)
        if key == 0:
            sweep.forget(MANY - 1)
            sweep.watch(MANY, 0, loop.real)
        return None

    sweep: Sweep[int, int] = Sweep(1, look)
    for key in range(MANY):
        sweep.watch(key, 0, loop.real)
    longest = began = 0.0
    while loop.next_pass():
        longest, began = max(longest, loop.now - began), loop.now
    assert longest <= TURN_S + CHECKS * EACH_S
    assert ended == [*range(MANY - 1), MANY]
    assert len(sweep) == 0
