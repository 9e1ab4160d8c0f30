"""What has more parts than its type takes is refused before they are built."""

from collections.abc import Iterator
from typing import Annotated, Any, get_args, get_origin

import msgspec
import pytest
from msgspec import Meta

from tidings.errors import InvalidFields
from tidings.http.routes import ROUTES
from tidings.validation import BOM, decode

MOST = 200
TOO_MANY = 5_000


class Part(msgspec.Struct):
    """A part that counts how many of its kind have been built."""

    built = 0

    def __post_init__(self) -> None:
        Part.built += 1


class Whole(msgspec.Struct, forbid_unknown_fields=True):
    """An object with bounded parts."""

    table: Annotated[dict[str, Part], Meta(max_length=MOST)] | None = None
    parts: Annotated[list[Part], Meta(max_length=MOST)] = []
    tables: Annotated[
        dict[str, Annotated[dict[str, Part], Meta(max_length=MOST)]], Meta(max_length=MOST)
    ] = {}
    name: Annotated[str, Meta(max_length=3)] = ""


decoder = msgspec.json.Decoder(Whole)


def built(raw: bytes) -> tuple[int, dict[str, str]]:
    """How many parts are built of a text, and its field errors."""
    Part.built = 0
    try:
        decode(decoder, raw)
    except InvalidFields as refused:
        return Part.built, dict(refused.errors)
    return Part.built, {}


def table(count: int) -> bytes:
    """An object with so many members."""
    return b"{" + b",".join(b'"member-with-a-name-%d":{}' % i for i in range(count)) + b"}"


@pytest.mark.parametrize("before", [b"", b" ", BOM])
def test_members_are_counted_before_they_are_built(before: bytes) -> None:
    """All were built, and three times over: preferences with 29,000 types took the event loop for 70 ms."""
    count, errors = built(before + b'{"name": "abcd", "table": ' + table(TOO_MANY) + b"}")
    assert count == 0
    assert errors == {
        "/name": 'expected a text of up to 3 characters, got "abcd"',
        "/table": "expected an object of up to 200 members or null, got an object",
    }


def test_items_are_counted_before_they_are_built() -> None:
    """As members are."""
    count, errors = built(b'{"parts": [' + b"{}," * TOO_MANY + b"{}]}")
    assert count == 0
    assert errors == {"/parts": "expected a list of up to 200 items, got a list of 5,001 items"}


def test_members_of_members_are_counted_before_they_are_built() -> None:
    """A type with 20,000 labels of one language took the event loop for 140 ms; also beside
    other errors."""
    count, errors = built(b'{"x": 1, "tables": {"one": {}, "two": ' + table(TOO_MANY) + b"}}")
    assert count == 0
    assert errors == {
        "/x": "no such field; the fields are table, parts, tables, name",
        "/tables/two": "expected an object of up to 200 members, got an object",
    }
    assert built(b'{"tables": {"one": ' + table(MOST) + b', "two": {}}}') == (MOST, {})


def test_as_many_as_the_type_takes_are_built() -> None:
    """And once: whether their number fits is no reason to build them."""
    assert built(b'{"table": ' + table(MOST) + b', "parts": []}' + b" " * 20_000) == (MOST, {})


def _dicts(type: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Each dict with a greatest length within a type, as the way to it."""
    metas = [one for one in getattr(type, "__metadata__", ()) if isinstance(one, Meta)]
    if get_origin(getattr(type, "__origin__", None)) is dict and any(one.max_length for one in metas):
        yield at
    if hasattr(type, "__struct_fields__") and type not in at:
        for field in msgspec.structs.fields(type):
            yield from _dicts(field.type, (*at, type))
    for part in get_args(type):
        yield from _dicts(part, at)


def test_every_bounded_object_is_a_member_of_a_body() -> None:
    """Or a member of such a member. Deeper ones are not counted before they are built."""
    found = [way for route in ROUTES if route.body is not None for way in _dicts(route.body)]
    assert len(found) >= 2
    assert all(len(way) == 1 for way in found)
