"""Metadata: which numbers every reader can take, and when two texts mean the same."""

import json
import math
import random
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.config import Settings
from tidings.events import EventInput, fingerprint, meaning, read_event
from tidings.metadata import MAX_INTEGER_DIGITS, are_plain, canonical, deeper_than, metadata_errors
from tidings.testing import START_MS

BOUNDS = {"max_bytes": 16_384, "max_depth": 16}


def errors(raw: bytes) -> list[str]:
    """The pointers to what is wrong with these metadata."""
    return [error.pointer for error in metadata_errors(raw, "", **BOUNDS)]


numbers = st.one_of(
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(0, 700).map(lambda digits: "9" * (digits + 1)),
    st.tuples(st.integers(1, 9), st.integers(-500, 500)).map(lambda t: f"{t[0]}e{t[1]}"),
    st.tuples(st.integers(0, 700), st.integers(1, 400)).map(
        lambda t: "-" + "9" * (t[0] + 1) + "." + "1" * t[1]
    ),
).map(str)


@given(numbers, st.sampled_from(['{"a/b":%s}', '{"x":1,"a/b":%s,"y":"%%"}']))
def test_a_number_is_taken_when_every_reader_can_take_it(number: str, around: str) -> None:
    """It is finite as a double, and if it is whole has at most 308 digits; then our own readers take it too."""
    raw = (around % number).encode()
    whole = number.lstrip("-").isdigit()
    good = len(number.lstrip("-")) <= MAX_INTEGER_DIGITS if whole else math.isfinite(float(number))
    assert errors(raw) == ([] if good else ["/a~1b"])
    if good:
        assert math.isfinite(float(msgspec.json.decode(raw)["a/b"]))
        assert math.isfinite(float(json.loads(raw)["a/b"]))


raw_object = msgspec.json.Decoder(msgspec.Raw).decode
PIECES = r'''"a" "\u00e9" "\ud800" "\x" "ä" 1 -0 01 1. 1e5 1e99 e308 .5 - [ ] { } , : null tru "'''
pieces = st.sampled_from([*PIECES.split(), "\\", " ", "\0", "\n", "9" * 200, "9" * 309]).map(
    str.encode
) | st.sampled_from([b"\xff", b"\xc3", b"\xa9", b"\xed\xa0\x80"])


@given(st.lists(st.lists(pieces, max_size=6).map(b"".join), min_size=1, max_size=3))
def test_texts_without_errors_are_decoded_by_every_reader(bodies: list[bytes]) -> None:
    """A raw value was only passed over. One look at several finds no less than one at each."""
    raws = []
    for body in bodies:
        for raw in (b'{"a":' + body + b"}", body):
            with suppress(msgspec.DecodeError):
                raws.append(msgspec.Raw(bytes(raw_object(raw)).strip()))
    right = [raw for raw in raws if not metadata_errors(bytes(raw), "", **BOUNDS)]
    for raw in right:
        assert isinstance(msgspec.json.decode(raw), dict)
        assert isinstance(json.loads(bytes(raw)), dict)
    if are_plain(raws, **BOUNDS):
        assert right == raws


def test_all_numbers_are_pointed_to() -> None:
    """Each number that not every reader can take has its own pointer; a text that looks like one has none."""
    raw = b'{"a": [1, 1e999, {"b": -1e999}], "c": 1' + b"0" * 308 + b', "d": 1e308, "e": "1e999"}'
    assert errors(raw) == ["/a/1", "/a/2/b", "/c"]


@pytest.mark.parametrize("text", ["\\u0e300", "\\ud8e3\\udce1", "1e300", "\\\\u1e999", "\\u00e5123"])
def test_what_only_looks_like_an_exponent_is_left_alone(text: str) -> None:
    """Escapes within a text stay what they are."""
    raw = f'{{"{text}": ["{text}", 1e300]}}'.encode()
    assert errors(raw) == []
    assert json.loads(canonical(raw)) == json.loads(raw)


@pytest.mark.parametrize(
    ("raw", "levels"),
    [(b"{}", 1), (b'{"a":[]}', 2), (b'{"a":[[],{},[{}]],"b":[]}', 4), (b'{"a":"[[[[{{{\\"[["}', 1)],
)
def test_depth_is_that_of_brackets_outside_strings(raw: bytes, levels: int) -> None:
    """The deepest branch counts, and brackets within strings do not."""
    assert not deeper_than(raw, levels)
    assert deeper_than(raw, levels - 1)


values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(-1e30, 1e30) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)
objects = st.dictionaries(st.text(max_size=4), values, max_size=4)


def respelled(value: Any, rng: random.Random) -> str:
    """Another JSON text of the same meaning."""
    blank = rng.choice(["", " ", "\n\t"])
    match value:
        case dict():
            members = [f"{respelled(name, rng)}{blank}:{respelled(one, rng)}" for name, one in value.items()]
            rng.shuffle(members)
            return "{" + blank + f",{blank}".join(members) + "}"
        case list():
            return "[" + f",{blank}".join(respelled(one, rng) for one in value) + blank + "]"
        case str():
            return json.dumps(value, ensure_ascii=rng.random() < 0.5)
        case bool() | None:
            return json.dumps(value)
        case int():
            return rng.choice(
                [str(value), f"{value}.0", f"{value}0e-1"] if abs(value) < 2**53 else [str(value)]
            )
    return rng.choice([repr(value), f"{value!r}0" if "e" not in repr(value) else repr(value).upper()])


@given(objects, st.randoms(use_true_random=False))
def test_texts_of_one_meaning_have_one_spelling(value: dict[str, Any], rng: random.Random) -> None:
    """Whatever the order of members, the blanks, the escapes and the spelling of numbers."""
    one, other = (canonical(respelled(value, rng).encode()) for _ in range(2))
    assert one == other


def exact(value: Any) -> Any:
    """A value by which two that mean another are told apart: Python takes True for 1."""
    match value:
        case dict():
            return {name: exact(one) for name, one in value.items()}
        case list():
            return [exact(one) for one in value]
        case bool() | None | str():
            return (type(value).__name__, value)
    return Fraction(value)


@given(objects, objects)
def test_texts_of_two_meanings_have_two_spellings(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Numbers too large for a double are not confused either."""
    spelled = [canonical(json.dumps(value).encode()) for value in (one, other)]
    assert (spelled[0] == spelled[1]) == (exact(one) == exact(other))


SENT = {"actor_id": "a", "verb": "v", "object_type": "o", "object_id": "1"}


def told(**changed: Any) -> bytes:
    """The fingerprint of an event."""
    return fingerprint(meaning(read_event(json.dumps(SENT | changed).encode(), START_MS, Settings())))


def alike() -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Pairs of fields that mean the same."""
    yield {}, {"target_user_ids": [], "topics": [], "created_at": None, "actor_name": None, "metadata": {}}
    yield {"created_at": "2020-01-01T00:00:00Z"}, {"created_at": "2020-01-01T01:00:00.000+01:00"}
    yield {"metadata": {"a": 1, "b": [1.0]}}, {"metadata": {"b": [1], "a": 1.0}}


def different() -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Pairs of fields that do not."""
    yield {}, {"actor_name": ""}
    yield {}, {"title": ""}
    yield {"target_user_ids": ["a", "b"]}, {"target_user_ids": ["b", "a"]}
    yield {"created_at": "2020-01-01T00:00:00Z"}, {"created_at": "2020-01-01T00:00:00.001Z"}
    yield {"metadata": {"a": 1}}, {"metadata": {"a": "1"}}
    yield {"metadata": {"a": 2**60}}, {"metadata": {"a": 2**60 + 1}}


@pytest.mark.parametrize(("one", "other"), list(alike()))
def test_events_of_one_meaning_have_one_fingerprint(one: dict[str, Any], other: dict[str, Any]) -> None:
    """A default that is written out is one that is left out; a moment is one in whatever zone it is written."""
    assert told(**one) == told(**other)


@pytest.mark.parametrize(("one", "other"), list(different()))
def test_events_of_two_meanings_have_two(one: dict[str, Any], other: dict[str, Any]) -> None:
    """The order of a list belongs to what it means."""
    assert told(**one) != told(**other)


def test_an_event_keeps_its_metadata_as_they_were_sent() -> None:
    """The canonical spelling serves the fingerprint alone: readers get the bytes that were sent."""
    raw = b'{"actor_id":"a","verb":"v","object_type":"o","object_id":"1","metadata":{"b":1.0, "a":1}}'
    event: EventInput = read_event(raw, START_MS, Settings())
    assert bytes(event.metadata) == b'{"b":1.0, "a":1}'
