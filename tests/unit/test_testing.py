"""What ``tidings.testing`` gives to users."""

import msgspec
import pytest

from tidings.events import EventInput, accept
from tidings.testing import START_MS, FakeClock, event


def test_a_fake_clock_stands_until_it_is_moved() -> None:
    """Both times move together."""
    clock = FakeClock(5_000)
    assert (clock.now(), clock.monotonic()) == (5_000, 0.0)
    clock.advance(1_500)
    assert (clock.now(), clock.monotonic()) == (6_500, 1.5)


def test_monotonic_time_does_not_go_back() -> None:
    """Set back, the time of day is earlier; monotonic time waits."""
    clock = FakeClock(5_000)
    clock.ms = 1_000
    assert (clock.now(), clock.monotonic()) == (1_000, 0.0)
    clock.ms = 3_000
    assert (clock.now(), clock.monotonic()) == (3_000, 2.0)


def test_a_made_event_is_what_the_ingest_door_makes() -> None:
    """Field by field and byte by byte."""
    raw = {
        "actor_id": "alice",
        "verb": "like",
        "object_type": "market",
        "object_id": "4:2",
        "target_user_ids": ["bob"],
        "topics": ["category:x"],
        "created_at": "2023-11-14T22:13:20Z",
        "actor_name": "Al",
    }
    given = msgspec.json.decode(msgspec.json.encode(raw), type=EventInput)
    made = event("alice", "like", "market:4:2", targets=("bob",), topics=("category:x",), name="Al")
    assert made == accept(given, START_MS)


def test_an_object_is_written_with_its_type() -> None:
    """Without a colon it is refused."""
    with pytest.raises(ValueError, match="type:id"):
        event("alice", obj="42")
