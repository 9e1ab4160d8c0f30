"""An array of events that is short is read at once, with the outcome of reading it event by event."""

import json

import pytest

from tidings.batches import split
from tidings.config import Settings
from tidings.events import AT_ONCE_BYTES, EventInput, read_at_once, read_event
from tidings.testing import START_MS

EVENT = {"actor_id": "ann", "verb": "push", "object_type": "repo", "object_id": "1"}
FULL = EVENT | {
    "topics": ["repo:1"],
    "target_user_ids": ["bob"],
    "created_at": "2020-01-31T09:30:00Z",
    "metadata": {"size": 1.50},
    "idempotency_key": "k1",
}


def array(*events: object) -> bytes:
    """A JSON array of these."""
    return json.dumps(events).encode()


def at_once(raw: bytes) -> list[EventInput] | None:
    """What the array gives when it is read at once."""
    return read_at_once(raw, split(raw, 10), Settings())


def test_a_short_array_gives_what_each_of_its_events_gives_alone() -> None:
    events = [EVENT, FULL, EVENT | {"title": "new"}]
    alone = [read_event(json.dumps(one).encode(), START_MS, Settings()) for one in events]
    assert at_once(array(*events)) == alone


@pytest.mark.parametrize(
    "raw",
    [
        array(EVENT, EVENT | {"verb": 1}),
        array(EVENT, EVENT | {"unknown": 1}),
        array(EVENT, EVENT | {"title": "x" * 70_000}),  # over max_event_bytes
        array(EVENT, EVENT) + b" " * AT_ONCE_BYTES,
        array(EVENT).replace(b"ann", b"\xff"),
    ],
)
def test_what_is_long_or_has_an_error_is_left_to_the_reading_by_event(raw: bytes) -> None:
    assert at_once(raw) is None
