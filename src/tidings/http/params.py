"""Query strings and path segments: decoded strictly, then typed; what does not fit is a 400 that names it."""

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any, TypeVar
from urllib.parse import unquote_to_bytes, urlencode

import msgspec
from msgspec import Meta

from tidings.errors import BadParameter, FieldError
from tidings.events import Id, ObjectType, Topic, Verb
from tidings.faults import MAX_FAULTS, find_parameters, misfit, shown
from tidings.ids import LAST_MS
from tidings.model import FeedFilter
from tidings.times import to_ms

MAX_PAGE = 100
DEFAULT_PAGE = 20
MAX_INTEGER = 2**53 - 1
"""The largest integer that JSON carries safely between languages; positions and seqs never come near it."""
_PLAIN_QUERY = re.compile(rb"[\w.~:,-]+=[\w.~:,-]*(&[\w.~:,-]+=[\w.~:,-]*)*\Z", re.ASCII)
"""Queries in which nothing is encoded, as nearly all are: they are taken apart, and repeated, as they stand."""
_NO_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)\Z")

Limit = Annotated[int, Meta(ge=1, le=MAX_PAGE, description="Items on a page.")]
Cursor = Annotated[str, Meta(min_length=1, max_length=512, description="next_cursor of the page before.")]
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
    """Query parameters; this one knows none."""


class ForUser(Params):
    """The user on whose behalf the request is; a user's own token implies it."""

    user_id: Id | None = None


class Paged(ForUser):
    """A page of something."""

    cursor: Cursor | None = None
    limit: Limit = DEFAULT_PAGE


class Filtered(Paged):
    """A page of events, filtered. ``from`` is inclusive, ``to`` exclusive."""

    verb: Verb | None = None
    object_type: ObjectType | None = None
    object_id: Id | None = None
    actor_id: Id | None = None
    topic: Topic | None = None
    from_: Time | None = msgspec.field(default=None, name="from")
    to: Time | None = None
    fields: Fields | None = None


P = TypeVar("P", bound=Params)
V = TypeVar("V")
_encode = msgspec.json.Encoder().encode


def pairs(query: bytes) -> dict[str, str]:
    """The parameters of a query string by name.

    Raises BadParameter for those that are given twice, and for bytes that are not UTF-8.
    """
    found: dict[str, str] = {}
    twice: list[FieldError] = []
    plain = _PLAIN_QUERY.match(query) is not None
    for pair in query.split(b"&") if query else ():
        name, value = pair.decode().split("=") if plain else _pair(pair)
        if name in found:
            twice.append(FieldError(name, "expected once, given twice"))
        if pair:
            found[name] = value
    if twice:
        raise all_bad(twice)
    return found


def _pair(pair: bytes) -> tuple[str, str]:
    name, _, value = pair.partition(b"=")
    return _text(name), _text(value)


def parse(query: bytes, type: type[P]) -> P:
    """Typed query parameters. Raises BadParameter that names each unknown, missing or malformed one."""
    given = pairs(query)
    try:
        return msgspec.convert(given, type, strict=False)
    except msgspec.ValidationError:
        raise all_bad(find_parameters(type, given)) from None


def segment(name: str, raw: bytes) -> str:
    """A typed path segment. Raises BadParameter."""
    text = _text(raw, plus=False)
    try:
        return str(msgspec.convert(text, PATH_TYPES[name]))
    except msgspec.ValidationError:
        raise bad(name, misfit(PATH_TYPES[name], msgspec.json.encode(text))) from None


def bad(name: str, detail: str) -> BadParameter:
    """The failure of one parameter."""
    return all_bad([FieldError(name, detail)])


def all_bad(errors: Sequence[FieldError]) -> BadParameter:
    """The failure of several parameters."""
    shown = tuple(errors[:MAX_FAULTS])
    return BadParameter("; ".join(f"{name}: {detail}" for name, detail in shown), shown)


def moment_ms(name: str, text: str | None) -> int | None:
    """Milliseconds since 1970 of an RFC 3339 time, within what an event can have: a later one means the same.

    Raises BadParameter.
    """
    if text is None:
        return None
    try:
        if not _MOMENT.match(text):
            raise ValueError
        ms = to_ms(datetime.fromisoformat(text.upper()))
    except (ValueError, OverflowError):
        wrong = f"expected a time with a time zone, such as 2026-01-31T09:30:00Z, got {shown(_encode(text))}"
        raise bad(name, wrong) from None
    return min(max(ms, 0), LAST_MS)


def feed_filter(query: Filtered, read: bool | None = None, include_own: bool = False) -> FeedFilter:
    """What the filters of a page ask for. Raises BadParameter."""
    since, until = _collected(lambda: moment_ms("from", query.from_), lambda: moment_ms("to", query.to))
    return FeedFilter(
        query.verb,
        query.object_type,
        query.object_id,
        query.actor_id,
        query.topic,
        since,
        until,
        read,
        include_own,
    )


def _collected(*reads: Callable[[], V]) -> list[V]:
    """What each of these brings. Raises BadParameter for all that fail."""
    found: list[V] = []
    errors: list[FieldError] = []
    for read in reads:
        try:
            found.append(read())
        except BadParameter as error:
            errors += error.errors
    if errors:
        raise all_bad(errors)
    return found


def field_names(text: str | None, known: frozenset[str]) -> tuple[str, ...]:
    """The names in ``fields``, none when it is not given. Raises BadParameter for one that is unknown."""
    names = tuple(text.split(",")) if text else ()
    if unknown := [name for name in names if name not in known]:
        wrong = ", ".join(map(shown, map(_encode, unknown[:MAX_FAULTS])))
        raise bad("fields", f"expected some of {', '.join(sorted(known))}, by comma, got {wrong}")
    return names


def next_link(path: bytes, query: bytes, cursor: str) -> bytes:
    """The Link header's value for the next page: this question, with another cursor (RFC 8288)."""
    if _PLAIN_QUERY.match(query):
        kept = b"".join(pair + b"&" for pair in query.split(b"&") if not pair.startswith(b"cursor="))
        following = kept + b"cursor=" + cursor.encode()
    else:
        following = urlencode(pairs(query) | {"cursor": cursor}).encode()
    return b"<" + path + b"?" + following + b'>; rel="next"'


def check_escapes(path: bytes) -> None:
    """Raises BadParameter unless a raw path is percent-encoded UTF-8, whatever it leads to."""
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
