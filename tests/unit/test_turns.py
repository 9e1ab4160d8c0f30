"""What takes long gives the event loop up, and goes on when it has a turn."""

import asyncio
import json
from typing import Any, cast

import msgspec
import pytest

from tests.wire.people import event
from tidings.batches import split
from tidings.commands import Commands
from tidings.config import Settings
from tidings.errors import InvalidFields, Unavailable
from tidings.http.endpoints.people import read_follows
from tidings.model import NewEvent, Publish
from tidings.testing import FakeClock, MemoryStore
from tidings.turns import TURN_S, Turn

COUNT = 20


class Slow(FakeClock):
    """A clock by which a turn is over whenever it is looked at."""

    def monotonic(self) -> float:
        """The time, which has passed."""
        self.advance(int(TURN_S * 1_000) + 1)
        return super().monotonic()


class Turns:
    """Gives turns, and counts them."""

    def __init__(self) -> None:
        self.taken = 0

    async def take(self) -> None:
        """One more."""
        self.taken += 1


def commands() -> Commands:
    """Commands that refuse what they get before they write."""
    unused: Any = None
    return Commands(unused, unused, Settings(), Slow(), unused, MemoryStore(FakeClock()))


def test_a_turn_ends_when_it_is_long() -> None:
    clock, turns = FakeClock(), Turns()
    turn = Turn(clock.monotonic, turns.take)
    assert not turn.is_long()
    clock.advance(int(TURN_S * 1_000) + 1)
    assert turn.is_long()
    asyncio.run(turn.next())
    assert (turn.is_long(), turns.taken) == (False, 1)


def test_an_array_is_read_in_turns() -> None:
    """It went on in the next pass of the loop, as all other arrays did."""
    turns = Turns()
    body = json.dumps([event() for _ in range(COUNT)] + [{}]).encode()
    with pytest.raises(InvalidFields):
        asyncio.run(commands().publish_array(body, scope="", take_turn=turns.take))
    assert turns.taken == COUNT + 1


def test_an_array_gets_its_time_after_its_last_turn() -> None:
    """With another array between its turns it was later in the log than its time says, which costs each follower a row."""
    clock, unused = Slow(), cast(Any, None)
    turns, submitted = list[int](), list[NewEvent]()

    async def take() -> None:
        turns.append(clock.now())

    class Log:
        async def submit(self, command: Publish) -> None:
            submitted.extend(command.events)
            raise Unavailable("no log")

    service = Commands(cast(Any, Log()), unused, Settings(), clock, unused, MemoryStore(clock))
    body = json.dumps([event() for _ in range(COUNT)]).encode()
    with pytest.raises(Unavailable):
        asyncio.run(service.publish_array(body, scope="", take_turn=take))
    assert len(submitted) == COUNT
    assert min(one.created_at for one in submitted) >= turns[-1]


def test_follows_are_read_in_turns() -> None:
    """Ten thousand pairs in megabytes of escapes, with a faulty last one, took the event loop for 81 ms."""
    turns = Turns()
    body = json.dumps([{"user_id": "u", "topic": "a:b"}] * COUNT + [{"user_id": "u"}]).encode()
    with pytest.raises(InvalidFields) as refused:
        asyncio.run(read_follows(body, COUNT + 1, Turn(Slow().monotonic, turns.take)))
    assert [error.pointer for error in refused.value.errors] == [f"/{COUNT}/topic"]
    assert turns.taken == COUNT + 1


def test_arrays_are_taken_apart_by_what_was_built_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first large request of follows built it on the event loop, for 33 ms."""
    unused: Any = None
    settings = Settings(max_follows_batch=77, max_batch_events=78)
    Commands(unused, unused, settings, FakeClock(), unused, unused)
    monkeypatch.delattr(msgspec, "defstruct")
    assert len(split(b"[1,2]", settings.max_follows_batch)) == 2
    assert len(split(b"[1,2]", settings.max_batch_events)) == 2


def test_an_import_is_read_in_turns() -> None:
    """Each chunk when it has come, what is long of it, and the results."""
    turns = Turns()

    async def chunks() -> Any:
        for _ in range(COUNT):
            yield b"{}\n"

    async def read() -> list[bytes]:
        return [lines async for lines in commands().import_lines(chunks(), scope="", take_turn=turns.take)]

    (results,) = asyncio.run(read())
    assert results.count(b"\n") == COUNT
    assert turns.taken == 2 * COUNT + 1
