"""An array of events that is short is read and checked at once, with the outcome of doing so event by event."""

import json
from typing import Any

import pytest

from tidings.config import Settings
from tidings.events import AT_ONCE_BYTES, EventInput, are_within_bounds, read_at_once, read_event
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
    return read_at_once(raw, Settings(max_batch_events=10))


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
        array(*[EVENT] * 10)[:-1] + b",]",
        array(),
    ],
)
def test_what_is_long_or_has_an_error_is_left_to_the_reading_by_event(raw: bytes) -> None:
    assert at_once(raw) is None


def test_an_array_over_the_bytes_of_an_event_is_read_at_once_if_no_event_is() -> None:
    large = EVENT | {"metadata": {"text": "x" * 16_000}}
    given = at_once(array(*[large] * 5))
    assert given is not None
    assert len(given) == 5


def test_usual_events_are_checked_in_one_look() -> None:
    usual = [
        EVENT,
        EVENT | {"metadata": {"text": "ä é \\ [1e9]", "n": [1, 2.5e-30]}},
        EVENT | {"topics": ["a:1"]},
    ]
    given = at_once(array(*usual))
    assert given is not None
    assert are_within_bounds(given, Settings())


@pytest.mark.parametrize(
    "changed",
    [
        {"created_at": "2990-01-01T00:00:00Z"},
        {"target_user_ids": ["a", "b", "c"]},
        {"topics": ["a:1", "a:2", "a:3"]},
        {"idempotency_key": "mine"},
        {"actions": [{"id": "a", "label": "A"}, {"id": "a", "label": "A"}]},
        {"metadata": 1},
        {"metadata": -1},
        {"metadata": None},
        {"metadata": True},
        {"metadata": ["{"]},
        {"metadata": "\n{"},
        {"metadata": {"text": "x" * 400}},
        {"metadata": {"a": {"b": [{}]}}},
        {"metadata": {"n": 10**308}},
        {"metadata": {"n": int("1" * 309)}},
    ],
)
def test_a_look_at_many_events_leaves_what_exceeds_a_bound_to_the_check_of_each(
    changed: dict[str, Any],
) -> None:
    """Alone, and beside events that exceed none."""
    settings = Settings(max_targets=2, max_topics=2, max_metadata_bytes=350, max_metadata_depth=3)
    usual = EVENT | {"metadata": {"a": {}}, "idempotency_key": "k"}
    for events in ([EVENT | changed], [usual, EVENT | changed, usual]):
        given = read_at_once(array(*events), settings)
        assert given is None or not are_within_bounds(given, settings, "k")
    given = read_at_once(array(usual, EVENT), settings)
    assert given is not None
    assert are_within_bounds(given, settings, "k")
    assert are_within_bounds([read_event(json.dumps(EVENT).encode(), START_MS, settings)], settings, "k")
