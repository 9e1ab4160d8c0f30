"""How many topics a user may mute, and how many others they may block: ``SetMute``, ``SetBlock`` and ``SetPreferences``."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.backends import BACKENDS, opened
from tests.harness import Harness
from tidings.model import CommandResult, EraseUser, SetBlock, SetMute, SetPreferences
from tidings.personal_data import Preferences
from tidings.testing import FakeClock, event

MUTES, BLOCKS = 3, 2


@pytest.fixture(params=BACKENDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Harness]:
    """An empty store with small limits."""
    clock = FakeClock()
    limits = {"max_mutes_per_user": MUTES, "max_blocks_per_user": BLOCKS}
    with asyncio.Runner() as runner:
        harness = Harness(runner.run(opened(request.param, tmp_path, clock, None, **limits)), clock, runner)
        yield harness
        harness.run(harness.store.close())


def muted(store: Harness, user: str = "bob") -> list[str]:
    return store.run(store.store.muted(user))


def block(other: str, user: str = "bob", on: bool = True) -> SetMute | SetBlock:
    return SetBlock(user, f"user:{other}", on=on)


def test_one_mute_too_many_is_refused(store: Harness) -> None:
    """The fault: 30,000 mutes of 120 characters made preferences of 4 MB. A repeat, another user's and one in the place of
    another are no more than before."""
    store.write(*(SetMute("bob", f"m:{n}") for n in range(MUTES)))
    assert store.write(SetMute("bob", "m:9")) == [CommandResult(0, 0, limit=MUTES)]
    assert muted(store) == ["m:0", "m:1", "m:2"]
    assert store.write(SetMute("bob", "m:2"), SetMute("cy", "m:9")) == [CommandResult(0), CommandResult(1)]
    assert store.write(SetMute("bob", "m:0", on=False), SetMute("bob", "m:9")) == [
        CommandResult(1),
        CommandResult(1),
    ]
    assert muted(store) == ["m:1", "m:2", "m:9"]


def test_preferences_with_too_many_mutes_are_refused_whole(store: Harness) -> None:
    """Neither their mutes nor anything else of them is kept; as many as may be are."""
    store.write(SetPreferences("bob", Preferences(locale="de"), ("m:1",)))
    many = tuple(f"m:{n}" for n in range(MUTES + 1))
    assert store.write(SetPreferences("bob", Preferences(locale="fr"), many)) == [
        CommandResult(0, 0, limit=MUTES)
    ]
    assert store.run(store.store.preferences("bob")) == Preferences(locale="de")
    assert muted(store) == ["m:1"]
    assert store.write(SetPreferences("bob", Preferences(locale="fr"), many[1:] * 2)) == [CommandResult(1)]
    assert muted(store) == ["m:1", "m:2", "m:3"]


def test_one_block_too_many_is_refused(store: Harness) -> None:
    """And hides nothing. Being blocked is no block of one's own, and a mute is none either."""
    store.publish(event("eve", targets=("bob",)))
    store.write(*(block("bob", user=f"u{n}") for n in range(BLOCKS + 1)), SetMute("bob", "m:1"))
    store.write(*(block(f"u{n}") for n in range(BLOCKS)))
    assert store.write(block("eve")) == [CommandResult(0, 1, limit=BLOCKS)]
    assert len(store.feed("bob")) == len(store.rows("bob")) == 1
    assert store.write(block("u0"), block("u0", on=False), block("eve")) == [
        CommandResult(n, 1) for n in (0, 1, 1)
    ]
    assert store.rows("bob") == []


def test_who_returns_after_an_erasure_begins_with_none(store: Harness) -> None:
    """The limit is of a person, not of a name."""
    store.write(*(SetMute("bob", f"m:{n}") for n in range(MUTES)), EraseUser("bob"))
    assert store.changed(SetMute("bob", "m:9")) == 1
    assert muted(store) == ["m:9"]
