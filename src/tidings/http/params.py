"""Query strings and path segments: decoded strictly, then typed; an invalid one is a 400 that names it."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, ClassVar, TypeVar
from urllib.parse import unquote_to_bytes, urlencode

import msgspec
from msgspec import Meta

from tidings.config import KIB
from tidings.cursors import is_cursor
from tidings.errors import BadParameter, FieldError
from tidings.events import Id, ObjectType, Topic, Verb
from tidings.field_errors import (
    MAX_FIELD_ERRORS,
    FieldCheck,
    find_parameters,
    mismatch,
    parameters_fit,
    shown,
)
from tidings.ids import LAST_MS
from tidings.model import FeedFilter
from tidings.timeutil import to_ms

MAX_PAGE = 100
DEFAULT_PAGE = 20
MAX_INTEGER = 2**53 - 1
"""The largest integer that JSON carries safely between languages; positions and seqs never reach it."""
_PLAIN_QUERY = re.compile(rb"[\w.~:,-]+=[\w.~:,-]*(&[\w.~:,-]+=[\w.~:,-]*)*\Z", re.ASCII)
"""Queries without percent-encoding, as nearly all are: they are split, and copied into links, unchanged."""
MAX_QUERY_BYTES = 16 * KIB
"""Bytes of a query string: a page with all filters at their longest, each character percent-encoded, has 11 KiB."""
MAX_QUERY_PARAMETERS = 64
"""Parameters of a query string: several times as many as any route has, and few enough to name each invalid one."""
_NO_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)\Z")

Limit = Annotated[int, Meta(ge=1, le=MAX_PAGE, description="Items on a page.")]
MAX_CURSOR = 1_100
"""Characters of a cursor: one that continues a list by name holds a topic of 193 characters, of up to four bytes each."""
Cursor = Annotated[
    str, Meta(min_length=1, max_length=MAX_CURSOR, description="next_cursor of the page before.")
]
Place = Annotated[int, Meta(ge=0, le=MAX_INTEGER)]
Fields = Annotated[
    str, Meta(min_length=1, max_length=512, description="Names of the item's members to keep, by comma.")
]
Time = Annotated[
    str,
    Meta(
        max_length=40,
        description="RFC 3339, with time zone.",
        extra_json_schema={"format": "date-time"},
    ),
]

PATH_TYPES: dict[str, Any] = {
    "user_id": Id,
    "other_id": Id,
    "topic": Topic,
    "event_id": Annotated[str, Meta(min_length=1, max_length=64)],
    "id": Annotated[str, Meta(min_length=1, max_length=64)],
    "key": Id,
    "type": Verb,
}
"""The types of path segments by the name that they have in templates."""


class Params(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, gc=False):
    """Query parameters; this base has none. ``CHECKS`` return no error for missing ones."""

    CHECKS: ClassVar[tuple[FieldCheck, ...]] = ()


class ForUser(Params):
    """The user on whose behalf the request is; a user's own token implies it."""

    user_id: Id | None = None


def _cursor_errors(cursor: str | None) -> Iterator[FieldError]:
    """The error of a text without the form of a cursor. Whether it belongs to this list is checked when the page is read."""
    if cursor is not None and not is_cursor(cursor):
        yield FieldError("cursor", "expected the next_cursor of a page, got another text or a damaged one")


CURSOR = FieldCheck(("cursor",), _cursor_errors)


class Paged(ForUser):
    """A page of a list."""

    CHECKS: ClassVar[tuple[FieldCheck, ...]] = (CURSOR,)

    cursor: Cursor | None = None
    limit: Limit = DEFAULT_PAGE


class Filtered(Paged):
    """A page of events, filtered. ``from`` is inclusive, ``to`` exclusive."""

    CHECKS: ClassVar[tuple[FieldCheck, ...]] = (
        *Paged.CHECKS,
        FieldCheck(("from_",), lambda text: _time_errors("from", text)),
        FieldCheck(("to",), lambda text: _time_errors("to", text)),
    )

    verb: Verb | None = None
    object_type: ObjectType | None = None
    object_id: Id | None = None
    actor_id: Id | None = None
    topic: Topic | None = None
    from_: Time | None = msgspec.field(default=None, name="from")
    to: Time | None = None
    fields: Fields | None = None


P = TypeVar("P", bound=Params)
_encode = msgspec.json.Encoder().encode


def given(query: bytes) -> dict[str, str]:
    """The parameters of a query string by name, valid or not."""
    return _read(query)[0]


def _read(query: bytes) -> tuple[dict[str, str], list[FieldError]]:
    """The parameters of a query string by name, and the errors of repeated or undecodable ones. Raises BadParameter for a
    query that is too long before it is split: a head has room for 30,000 parameters, and 100 ms of work."""
    if len(query) > MAX_QUERY_BYTES:
        raise BadParameter(
            f"The query string has {len(query):,} bytes; at most {MAX_QUERY_BYTES:,} are accepted."
        )
    if (count := query.count(b"&") + 1) > MAX_QUERY_PARAMETERS:
        raise BadParameter(
            f"The query string has {count:,} parameters; at most {MAX_QUERY_PARAMETERS} are accepted."
        )
    found: dict[str, str] = {}
    unreadable: list[FieldError] = []
    plain = _PLAIN_QUERY.match(query) is not None
    for pair in query.split(b"&") if query else ():
        name, value = pair.decode().split("=") if plain else _pair(pair, unreadable)
        if name in found:
            unreadable.append(FieldError(name, "expected once, got twice"))
        if pair:
            found[name] = value
    return found, unreadable


def _pair(pair: bytes, unreadable: list[FieldError]) -> tuple[str, str]:
    raw, _, value = pair.partition(b"=")
    name = _text(raw)
    try:
        return name, _text(value)
    except BadParameter:
        unreadable.append(FieldError(name, "expected percent-encoded UTF-8, got other bytes"))
        return name, ""


def parse(query: bytes, type: type[P]) -> P:
    """Typed query parameters. Raises BadParameter that names each unknown, missing or malformed one."""
    texts, unreadable = _read(query)
    try:
        found = msgspec.convert(texts, type, strict=False)
    except msgspec.ValidationError:
        raise all_bad(find_parameters(type, texts, unreadable)) from None
    if unreadable or not parameters_fit(found, texts):
        raise all_bad(find_parameters(type, texts, unreadable))
    return found


def segments(raw: Mapping[str, bytes]) -> dict[str, str]:
    """The parameters in a path, typed, by the names that they have in its template. Raises BadParameter for all invalid
    ones."""
    if not raw:
        return {}
    found = {name: _text(value, plus=False) for name, value in raw.items()}
    errors: list[FieldError] = []
    for name, text in found.items():
        try:
            msgspec.convert(text, PATH_TYPES[name])
        except msgspec.ValidationError:
            errors.append(FieldError(name, mismatch(PATH_TYPES[name], _encode(text))))
    if errors:
        raise all_bad(errors)
    return found


def all_bad(errors: Sequence[FieldError]) -> BadParameter:
    """The error that names these parameters."""
    shown = tuple(errors[:MAX_FIELD_ERRORS])
    return BadParameter("; ".join(f"{name}: {detail}" for name, detail in shown), shown)


def feed_filter(query: Filtered, read: bool | None = None, include_own: bool = False) -> FeedFilter:
    """The filter of a page."""
    return FeedFilter(
        query.verb,
        query.object_type,
        query.object_id,
        query.actor_id,
        query.topic,
        None if query.from_ is None else _ms(query.from_),
        None if query.to is None else _ms(query.to),
        read,
        include_own,
    )


def _ms(text: str) -> int:
    """Milliseconds since 1970 of an RFC 3339 time, clamped to the range of event times: a later one means the same. Raises
    ValueError, OverflowError."""
    if not _MOMENT.match(text):
        raise ValueError
    return min(max(to_ms(datetime.fromisoformat(text.upper())), 0), LAST_MS)


def _time_errors(name: str, text: str | None) -> Iterator[FieldError]:
    try:
        if text is not None:
            _ms(text)
    except (ValueError, OverflowError):
        detail = f"expected a time with a time zone, such as 2026-01-31T09:30:00Z, got {shown(_encode(text))}"
        yield FieldError(name, detail)


def names(text: str | None) -> tuple[str, ...]:
    """The names in a comma-separated list such as ``fields``; none if it is missing."""
    return tuple(text.split(",")) if text else ()


def some_of(name: str, known: Collection[str]) -> FieldCheck:
    """The check that a parameter is a comma-separated list of known names."""

    def errors(text: str | None) -> Iterator[FieldError]:
        if unknown := [one for one in names(text) if one not in known]:
            got = ", ".join(shown(_encode(one)) for one in unknown[:MAX_FIELD_ERRORS])
            yield FieldError(name, f"expected some of {', '.join(sorted(known))}, by comma, got {got}")

    return FieldCheck((name,), errors)


def next_link(path: bytes, query: bytes, cursor: str) -> bytes:
    """The Link header's value for the next page: this request, with another cursor (RFC 8288)."""
    if _PLAIN_QUERY.match(query):
        kept = b"".join(pair + b"&" for pair in query.split(b"&") if not pair.startswith(b"cursor="))
        following = kept + b"cursor=" + cursor.encode()
    else:
        following = urlencode(given(query) | {"cursor": cursor}).encode()
    return b"<" + path + b"?" + following + b'>; rel="next"'


def check_escapes(path: bytes) -> None:
    """Raises BadParameter unless a raw path is percent-encoded UTF-8; the route does not matter."""
    if b"%" in path:
        _text(path, plus=False)


def _text(raw: bytes, plus: bool = True) -> str:
    if plus:
        raw = raw.replace(b"+", b" ")
    try:
        if b"%" not in raw:
            return raw.decode()
        if _NO_ESCAPE.search(raw):
            raise BadParameter("The address has a % that is not followed by two hexadecimal digits.")
        return unquote_to_bytes(raw).decode()
    except UnicodeDecodeError:
        raise BadParameter("The address is not percent-encoded UTF-8.") from None
