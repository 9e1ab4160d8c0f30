"""What is said of what does not fit: all of it, in words, and only after the decoder has refused."""

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

from tidings import field_errors
from tidings.config import Settings
from tidings.errors import FieldError, InvalidFields, Malformed
from tidings.events import EventInput
from tidings.field_errors import (
    MAX_FIELD_ERRORS,
    MAX_POINTER,
    WORDS,
    FieldCheck,
    FieldFindings,
    check_own,
    find,
    find_parameters,
    shown,
)
from tidings.http.params import PATH_TYPES
from tidings.http.routes import ROUTES
from tidings.rules import Rule
from tidings.validation import BOM, decode


def seven_errors(n: int, kind: str) -> Iterator[FieldError]:
    """A check that looks at two fields."""
    if n == 7:
        yield FieldError("/n", "expected another number than 7")
        yield FieldError("/kind", f"expected no kind beside 7, got {kind}")


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    """A part."""

    n: Annotated[int, Meta(ge=1, le=9)]
    kind: Literal["a", "b"] = "a"

    CHECKS: ClassVar[tuple[FieldCheck, ...]] = (FieldCheck(("n", "kind"), seven_errors),)

    def __post_init__(self) -> None:
        check_own(self)


class Outer(msgspec.Struct, forbid_unknown_fields=True):
    """A whole."""

    name: Annotated[str, Meta(min_length=1, max_length=3)]
    parts: Annotated[tuple[Inner, ...], Meta(max_length=3)] = ()
    table: dict[Annotated[str, Meta(max_length=2)], bool] = {}
    note: str | None = None


def found(raw: bytes) -> FieldFindings:
    """What is wrong with a whole."""
    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(raw, type=Outer)
    return find(Outer, raw)


CASES: tuple[tuple[str, dict[str, str]], ...] = (
    ("{}", {"/name": "missing; expected a text of 1 to 3 characters"}),
    (
        '{"nmae": "x"}',
        {"/nmae": "no such field, did you mean name; the fields are name, parts, table, note", "/name": ""},
    ),
    ("7", {"": "expected an object, got the number 7"}),
    ('{"name": ""}', {"/name": "expected a text of 1 to 3 characters, got an empty text"}),
    (
        '{"name": "%s"}' % ("x" * 50),
        {"/name": "expected a text of 1 to 3 characters, got a text of 50 characters"},
    ),
    (
        '{"name": [1, 2], "nmae": 1, "note": 1e999}',
        {
            "/name": "expected a text of 1 to 3 characters, got a list of 2 items",
            "/nmae": "no such field; the fields are name, parts, table, note",
            "/note": "expected a text or null, got the number 1e999",
        },
    ),
    (
        '{"parts": [{"n": 0}, {"n": 1}, {"n": 2, "kind": "c"}], "name": "x"}',
        {
            "/parts/0/n": "expected a whole number 1 to 9, got the number 0",
            "/parts/2/kind": 'expected one of "a", "b", got "c"',
        },
    ),
    (
        '{"parts": [1, 2, 3, 4], "name": "x"}',
        {"/parts": "expected a list of up to 3 items, got a list of 4 items"},
    ),
    (
        '{"parts": [{"n": 7}], "name": true}',
        {
            "/parts/0/n": "expected another number than 7",
            "/parts/0/kind": "expected no kind beside 7, got a",
            "/name": "expected a text of 1 to 3 characters, got true",
        },
    ),
    (
        '{"table": {"abc": 1, "a/": null}, "name": "x"}',
        {
            "/table/abc": "",
            "/table/a~1": "expected true or false, got null",
        },
    ),
)


@pytest.mark.parametrize(("text", "said"), CASES, ids=[text[:40] for text, _ in CASES])
def test_every_field_error_is_in_words(text: str, said: dict[str, str]) -> None:
    """With its pointer, what is expected, and what is there."""
    errors = found(text.encode()).errors
    assert list(dict.fromkeys(error.pointer for error in errors)) == list(said)
    for error in errors:
        assert said[error.pointer] in ("", error.detail)


@pytest.mark.parametrize("letter", ["n", "~", "/"])
@pytest.mark.parametrize(
    "at", ['{"name": "x", "table": {%s}}', '{"name": "x", %s}', '{"name": "x", "parts": [{%s}]}']
)
def test_errors_are_not_many_times_what_they_are_about(letter: str, at: str) -> None:
    """Each of twenty errors had the whole of a name as long as the body in its pointer, twice as long where it is
    escaped."""
    names = ", ".join(f'"{letter * 3_000}{n}": {{"a": 1, "b": 2}}' for n in range(30))
    errors = found((at % names).encode()).errors
    assert errors
    assert all(len(error.pointer) <= MAX_POINTER for error in errors)


class Flags(msgspec.Struct):
    """A whole of tables by name."""

    types: dict[Annotated[str, Meta(max_length=2)], dict[str, bool]] = {}


def test_nothing_is_said_below_a_refused_name() -> None:
    """It would be told what to write in a member that may not be there."""
    errors = find(Flags, b'{"types": {"abc": {"a": 1, "b": 2}}}').errors
    assert [error.pointer for error in errors] == ["/types/abc"]


def test_no_more_are_said_than_anybody_reads() -> None:
    """Errors end at MAX_FIELD_ERRORS, however many fields are wrong."""
    raw = msgspec.json.encode({f"x{i}": i for i in range(100)})
    assert len(found(raw).errors) == MAX_FIELD_ERRORS


def test_what_fits_is_handed_on() -> None:
    """So that what is wrong with it beside its types can be said at once."""
    whole = found(b'{"name": "x", "note": 7, "table": {}}')
    assert msgspec.json.decode(whole.fitting) == {"name": "x", "table": {}}


def test_parameters_are_named() -> None:
    """Unknown, malformed and missing ones; what is expected of a text is no null."""
    errors = find_parameters(Inner, {"m": "1", "kind": "c"})
    assert [error.pointer for error in errors] == ["m", "n", "kind"]


ROUTE = msgspec.json.Decoder(Outer)
anything = st.recursive(
    st.none() | st.booleans() | st.integers(-10, 10) | st.text("abn7é", max_size=4),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["name", "parts", "table", "note", "n", "kind", "x"]), inner, max_size=5
        )
    ),
    max_leaves=12,
)


@given(anything)
def test_what_is_refused_has_an_error_and_what_is_taken_has_none(value: Any) -> None:
    """Whatever is sent: the decoder and what is said of its refusal agree, and each pointer leads to a member that is there
    or is missing from an object that is there."""
    raw = msgspec.json.encode(value)
    try:
        msgspec.json.decode(raw, type=Outer)
    except msgspec.ValidationError:
        with pytest.raises(InvalidFields) as refused:
            decode(ROUTE, raw)
        assert refused.value.errors
        for error in refused.value.errors:
            assert _leads_somewhere(value, error.pointer)


def _leads_somewhere(value: Any, pointer: str) -> bool:
    steps = pointer.split("/")[1:]
    for step in steps[:-1]:
        value = value[int(step)] if isinstance(value, list) else value[step]
    return not steps or isinstance(value, dict) or int(steps[-1]) < len(value)


@pytest.mark.parametrize(
    "raw", [b"{", b"", b'{"name": 1,', b'{"name": "\xff"}', b'{"name": 1} {}', b"\xef\xbb"]
)
def test_what_is_no_json_is_malformed(raw: bytes) -> None:
    """Also where a value that does not fit comes before the place at which it ceases to be JSON."""
    with pytest.raises(Malformed):
        decode(ROUTE, raw)


def test_a_byte_order_mark_is_passed_over() -> None:
    """One, at the beginning; what does not fit behind it is said as if it were not there."""
    assert decode(ROUTE, BOM + b'{"name": "x"}').name == "x"
    with pytest.raises(InvalidFields) as refused:
        decode(ROUTE, BOM + b"{}")
    assert [error.pointer for error in refused.value.errors] == ["/name"]
    with pytest.raises(Malformed):
        decode(ROUTE, BOM * 2 + b'{"name": "x"}')


def test_a_huge_part_is_not_taken_apart() -> None:
    """It would take the event loop for as long as building all of it does."""
    (error,) = found(b'{"name": "x", "table": [' + b"1," * 100_000 + b"1]}").errors
    assert error.detail == "does not fit, and is too large to say where"


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"null", "null"),
        (b"[]", "an empty list"),
        (b"1" * 50, "a number of 50 characters"),
        ('"\u202e\x85x"'.encode(), r'"\u202e\u0085x"'),
    ],
)
def test_values_are_shown_short_and_harmless(raw: bytes, words: str) -> None:
    """An error repeats a short value with its control characters escaped, and gives the size of a long one."""
    assert shown(raw) == words


def _patterns(type: Any, seen: set[int]) -> Iterator[Meta]:
    """All constraints with a pattern within a type."""
    if id(type) in seen:
        return
    seen.add(id(type))
    if isinstance(type, Meta):
        if type.pattern is not None:
            yield type
    elif hasattr(type, "__struct_fields__"):
        for field in msgspec.structs.fields(type):
            yield from _patterns(field.type, seen)
    for part in get_args(type):
        yield from _patterns(part, seen)


def test_every_pattern_has_words() -> None:
    """No answer shows a regular expression, whatever it was that did not match."""
    seen: set[int] = set()
    taken = [*(route.body for route in ROUTES), *(route.query for route in ROUTES), *PATH_TYPES.values()]
    bodies = [one for body in taken for one in (body if isinstance(body, tuple) else (body,))]
    metas = [meta for one in (*bodies, Settings) for meta in _patterns(one, seen)]
    assert len(metas) > 5
    assert [meta for meta in metas if WORDS not in (meta.extra or {})] == []


def test_each_item_of_a_long_list_is_checked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The list was decoded as a whole and then item by item: ten thousand recipients of which the last is invalid took a
    third longer."""
    made, decoded = field_errors._decoder, 0

    class Counting(NamedTuple):
        decoder: Any

        def decode(self, raw: bytes) -> Any:
            """The value; counts the bytes."""
            nonlocal decoded
            decoded += len(bytes(raw))
            return self.decoder.decode(raw)

    monkeypatch.setattr(field_errors, "_decoder", lambda type, strict: Counting(made(type, strict)))
    raw = msgspec.json.encode({"target_user_ids": ["u" * 20] * 9_999 + [""]})
    errors = find(EventInput, raw).errors
    assert "/target_user_ids/9999" in [error.pointer for error in errors]
    assert decoded < len(raw)


@pytest.mark.parametrize("wrong", ["none", "both", "target"])
def test_a_wrong_entry_of_a_list_beside_words_is_named(wrong: str) -> None:
    """The fault: the whole list was reported, and not the entry, nor what entries are accepted."""
    raw = msgspec.json.encode({"notify": ["targets", wrong]})
    with pytest.raises(InvalidFields) as error:
        decode(msgspec.json.Decoder(Rule), raw)
    expected = 'expected one of "targets", "followers", "actor_followers", "topic_followers"'
    assert error.value.errors == (FieldError("/notify/1", f'{expected}, got "{wrong}"'),)
    with pytest.raises(InvalidFields) as error:
        decode(msgspec.json.Decoder(Rule), b'{"notify": ["targets","targets","targets","targets","targets"]}')
    assert [one.pointer for one in error.value.errors] == ["/notify"]
