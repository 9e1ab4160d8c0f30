"""Free JSON that passes through the server unchanged: the part of it that every reader can take, and its meaning."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from tidings.errors import FieldError
from tidings.field_errors import MAX_FIELD_ERRORS, escape, shown

MAX_INTEGER_DIGITS = 308
"""Digits of an integer. Each number of so many is finite as a double, which is all that many readers have; Python's own
reader stops at 4,300."""

STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.S)
"""A string of a JSON text, with its quotes."""

_LONG = b"0" * (MAX_INTEGER_DIGITS + 1)
_MANY_DIGITS = b"0" * 200
"""Without so many digits in a row and an exponent of three digits, a number is below 1e300 and no integer is long."""
_SPELLED = bytes.maketrans(b"123456789E", b"000000000e")
_NO_MARK = bytes(set(range(256)) - set(b'\n\\0123456789eE.,:"[]{}'))
"""The bytes that decide nothing about brackets and the length of numbers. A sign is one: 1e+300 and 1e300 are as long.
No number has a backslash, which keeps the digits of one escape from those of the next."""
_LONG_EXPONENT = b"0e000"
_SQUARE = bytes.maketrans(b"{}", b"[]")
_NO_BRACKET = bytes(set(range(256)) - set(b"[]{}"))
_FRACTION = re.compile(rb"\d[.eE]|\d{19}")
"""Numbers with several spellings, or that only a few decoders accept. Matches within texts do no harm."""
_EXTREME = re.compile(rb"(\d[eE][+-]?)(\d{3,})")
"""An exponent of three digits or more. The decoder takes 10 to 20 µs for each such number, a hundred times as long as for
others, so a text of 16 KiB would take 50 ms. Within texts it finds more, to no harm."""
_value = msgspec.json.Decoder().decode
_sorted = msgspec.json.Encoder(order="sorted").encode
_INT64, _UINT64 = 1 << 63, 1 << 64


def are_plain(raws: Sequence[msgspec.Raw], *, max_bytes: int, max_depth: int) -> bool:
    """Whether one look at these JSON texts shows that all are metadata without errors: they have few brackets, and no number
    that could be too large. If not, :func:`metadata_errors` decides."""
    if not raws:
        return True
    if max(map(len, raws)) > max_bytes:
        return False
    joined = b"\n".join(raws)
    try:
        joined.decode()
    except UnicodeDecodeError:
        return False
    marks = b"\n" + joined.translate(_SPELLED, _NO_MARK)
    count = len(raws)
    return (
        # No text has a line feed of its own, and each begins with a bracket: a letter and a sign are no marks.
        marks.count(b"\n") == marks.count(b"\n{") == count
        and marks.count(b"{") + marks.count(b"[") < count + max_depth
        and not _has_extreme(marks)
    )


def _has_extreme(marks: bytes) -> bool:
    """Whether a number may be too large for a reader, by the marks of its text."""
    # Not "in": for bytes that raises and catches an error first, which takes longer than the search.
    return marks.find(_LONG_EXPONENT) >= 0 or marks.find(_MANY_DIGITS) >= 0


def metadata_errors(raw: bytes, at: str, *, max_bytes: int, max_depth: int) -> list[FieldError]:
    """The errors of a JSON text as metadata, with pointers below ``at``. ``raw`` was read as a raw value: its syntax is
    right, but not its numbers, nor its encoding."""
    if len(raw) > max_bytes:
        return [FieldError(at, f"expected up to {max_bytes:,} bytes, got {len(raw):,}")]
    if raw[:1] != b"{":
        return [FieldError(at, f"expected an object, got {shown(raw)}")]
    # Mostly text: what is left to search has a few bytes. It shows too much rather than too little.
    marks = raw.translate(_SPELLED, _NO_MARK)
    if marks.count(b"{") + marks.count(b"[") > max_depth and deeper_than(raw, max_depth):
        return [FieldError(at, f"expected up to {max_depth} levels of nesting, got more")]
    try:
        raw.decode()
    except UnicodeDecodeError:
        return [FieldError(at, "expected UTF-8, got other bytes")]
    if not _has_extreme(marks):
        return []
    readable, extremes = _EXTREME.subn(_zeros, raw)
    try:
        _value(readable)
    except msgspec.DecodeError as error:
        return _numbers(raw, at) or [FieldError(at, f"expected JSON that every reader takes: {error}")]
    return _numbers(raw, at) if extremes or marks.find(_LONG) >= 0 else []


def _zeros(exponent: re.Match[bytes]) -> bytes:
    """The same with an exponent of zeros, of the same length, which an escape in a text stays one with."""
    return exponent[1] + b"0" * len(exponent[2])


def deeper_than(raw: bytes, levels: int) -> bool:
    """Whether the brackets of a JSON text nest deeper; those inside strings do not count."""
    brackets = STRING.sub(b"", raw).translate(_SQUARE, _NO_BRACKET)
    for _ in range(levels):
        brackets = brackets.replace(b"[]", b"")  # removes the innermost level of each branch
    return brackets != b""


def canonical(raw: bytes) -> bytes:
    """The canonical form of all texts with this meaning, in the spirit of RFC 8785: members in order, no blanks, numbers by
    their value, of two members of one name the last. ``raw`` is metadata without errors."""
    value = json.loads(raw) if _EXTREME.search(raw) else _value(raw)
    return _sorted(_plain(value) if _FRACTION.search(raw) else value)


def _plain(value: Any) -> Any:
    """The value with integers for fractions that are whole: 1.0 and 10e-1 are 1."""
    match value:
        case dict():
            return {name: _plain(member) for name, member in value.items()}
        case list():
            return [_plain(item) for item in value]
        case float() if value.is_integer() and abs(value) < _UINT64:
            return _plain(int(value))
        case int() if abs(value) >= _UINT64 and int(near := float(value)) == value:
            return near  # with all its digits 1e307 would be fifty times as long as it was sent
        case int() if abs(value) >= _INT64:
            return msgspec.Raw(str(value).encode())  # more than an encoder accepts
    return value


class _Number(str):
    """A number as it is written."""


class _Members(list[tuple[str, Any]]):
    """An object, with all of its members, also those of one name."""


_spelled = json.JSONDecoder(object_pairs_hook=_Members, parse_int=_Number, parse_float=_Number).decode


def _numbers(raw: bytes, at: str) -> list[FieldError]:
    """The errors of numbers that not every reader accepts."""
    found = []
    for pointer, number in _walk(_spelled(raw.decode()), at):
        if detail := _number_error(number):
            found.append(FieldError(pointer, detail))
            if len(found) == MAX_FIELD_ERRORS:
                break
    return found


def _walk(value: Any, at: str) -> Iterator[tuple[str, _Number]]:
    if isinstance(value, _Number):
        yield at, value
    elif isinstance(value, _Members):
        for name, member in value:
            yield from _walk(member, f"{at}/{escape(name)}")
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _walk(item, f"{at}/{index}")


def _number_error(number: str) -> str:
    got = shown(number.encode())
    if number.lstrip("-").isdigit():
        long = len(number.lstrip("-")) > MAX_INTEGER_DIGITS
        return f"expected a whole number of up to {MAX_INTEGER_DIGITS} digits, got {got}" if long else ""
    if abs(float(number)) == float("inf"):
        return f"expected a number below 1.8e308 (a double), got {got}"
    return ""
