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
from tidings.filters import Choice, FeedFilter, Since, SinceTime
from tidings.ids import LAST_MS, is_uuid7
from tidings.timeutil import to_ms

MAX_PAGE = 100
DEFAULT_PAGE = 20
MAX_INTEGER = 2**53 - 1
"""The largest integer that JSON carries safely between languages; positions and seqs never reach it."""
_PLAIN_QUERY = re.compile(rb"[\w.~:,-]+=[\w.~:,-]*(&[\w.~:,-]+=[\w.~:,-]*)*\Z", re.ASCII)
"""Queries without percent-encoding, as nearly all are: they are split, and copied into links, unchanged."""
MAX_QUERY_BYTES = 16 * KIB
"""Bytes of a query string: a page with one value of each filter at its longest, each character percent-encoded, has 11 KiB;
one with 32 values of 100 characters in each filter 13 KiB."""
MAX_QUERY_PARAMETERS = 64
"""Parameters of a query string: several times as many as any route has, and few enough to name each invalid one."""
MAX_FILTER_VALUES = 32
"""Values of one filter: a list that people choose from, and few enough to look up each of them before a page is read."""
_ESCAPED = re.compile(r"\\([,\\-])")
_VALUE = re.compile(r"(?:\\[,\\-]|[^,])*")
_PERCENT = ord("%")
"""Bytes are searched for a number at once; for bytes of length 1 "in" raises and catches an error first."""
_NO_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)\Z")

_NAIVE = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?\Z")
TIMES = frozenset({"from", "to", "since"})
"""The parameters that may be times."""

Limit = Annotated[int, Meta(ge=1, le=MAX_PAGE, description="Items on a page.")]
MAX_CURSOR = 1_100
"""Characters of a cursor: one that continues a list by name holds a topic of 193 characters, of up to four bytes each."""
Cursor = Annotated[
    str, Meta(min_length=1, max_length=MAX_CURSOR, description="next_cursor of the page before.")
]
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

Values = Annotated[
    str,
    Meta(
        min_length=1,
        description="One value or several, by comma or repeated: any of them matches. -value excludes one. A backslash "
        "before a comma, a hyphen or a backslash takes that as it is.",
    ),
]
TopicList = Annotated[
    str,
    Meta(
        min_length=1,
        description="Topics to carry without following them, by comma or repeated. A backslash before a comma, a hyphen or "
        "a backslash takes that as it is.",
    ),
]
ONE_VALUE = Meta(description="One value, taken as it is: a comma or a hyphen belongs to it.")
"""Of a parameter that looks like a filter with several values and is none."""
SinceText = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=64,
        description="A position (of an inbox: a seq), the id of an event, or an RFC 3339 time.",
    ),
]

Group = Annotated[
    bool,
    Meta(
        description="Items are groups of similar events: of one verb and one object, within a window of time."
    ),
]

PATH_TYPES: dict[str, Any] = {
    "user_id": Id,
    "other_id": Id,
    "topic": Topic,
    "event_id": Annotated[str, Meta(min_length=1, max_length=64)],
    "id": Annotated[str, Meta(min_length=1, max_length=64)],
    "action_id": Annotated[str, Meta(min_length=1, max_length=64)],
    "key": Id,
    "type": Verb,
    "file": Annotated[str, Meta(min_length=1, max_length=128)],
}
"""The types of path segments by the name that they have in templates."""


class Params(msgspec.Struct, kw_only=True, forbid_unknown_fields=True, gc=False):
    """Query parameters; this base has none. ``CHECKS`` return no error for missing ones. ``REPEATABLE`` ones may be given
    several times, each with one value or several. ``OTHERS_ACCEPTED``: unknown ones have no effect, and are no error."""

    CHECKS: ClassVar[tuple[FieldCheck, ...]] = ()
    REPEATABLE: ClassVar[frozenset[str]] = frozenset()
    OTHERS_ACCEPTED: ClassVar[bool] = False


class LinkParams(Params):
    """The parameters of a link in a mail, to which mail services that count clicks append others."""

    OTHERS_ACCEPTED: ClassVar[bool] = True


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


FILTERS: Mapping[str, Any] = {"verb": Verb, "object_type": ObjectType, "actor_id": Id, "topic": Topic}
"""The filters that take several values, and the type of one value."""


def _choice_errors(name: str, kind: Any, text: str | None) -> Iterator[FieldError]:
    """The errors of the values of a filter, and that of too many."""
    values = [] if text is None else _values(text)
    if len(values) > MAX_FILTER_VALUES:
        yield FieldError(name, f"expected up to {MAX_FILTER_VALUES} values, got more")
        return
    for value, _ in values:
        try:
            msgspec.convert(value, kind)
        except msgspec.ValidationError:
            yield FieldError(name, mismatch(kind, _encode(value)))
            return


def choice_check(name: str, kind: Any) -> FieldCheck:
    """The check of a parameter that takes several values of a type."""
    return FieldCheck((name,), lambda text: _choice_errors(name, kind, text))


class FilteredEvents(ForUser):
    """Events, filtered. ``from`` is inclusive, ``to`` exclusive."""

    CHECKS: ClassVar[tuple[FieldCheck, ...]] = (
        *(choice_check(name, kind) for name, kind in FILTERS.items()),
        FieldCheck(("from_",), lambda text: _time_errors("from", text)),
        FieldCheck(("to",), lambda text: _time_errors("to", text)),
    )
    REPEATABLE: ClassVar[frozenset[str]] = frozenset(FILTERS)

    verb: Values | None = None
    object_type: Values | None = None
    object_id: Annotated[Id, ONE_VALUE] | None = None
    actor_id: Values | None = None
    topic: Values | None = None
    from_: Time | None = msgspec.field(default=None, name="from")
    to: Time | None = None


def _since_errors(text: str | None) -> Iterator[FieldError]:
    try:
        if text is not None:
            since_of(text)
    except (ValueError, OverflowError):
        detail = (
            f"expected a number, the id of an event, or a time with a time zone, got {shown(_encode(text))}"
        )
        yield FieldError("since", detail + _plus_hint(text))


SINCE = FieldCheck(("since",), _since_errors)


class Filtered(FilteredEvents):
    """A page of such events. With ``since`` it has the number of those that are new."""

    CHECKS: ClassVar[tuple[FieldCheck, ...]] = (CURSOR, *FilteredEvents.CHECKS, SINCE)

    cursor: Cursor | None = None
    limit: Limit = DEFAULT_PAGE
    since: SinceText | None = None
    fields: Fields | None = None
    group: Group = False


P = TypeVar("P", bound=Params)
_encode = msgspec.json.Encoder().encode


def given(query: bytes) -> dict[str, str]:
    """The parameters of a query string by name, valid or not."""
    return _read(query)[0]


def _read(query: bytes, repeatable: Collection[str] = ()) -> tuple[dict[str, str], list[FieldError]]:
    """The parameters of a query string by name, repeated values by comma, and the errors of undecodable ones and of others
    that are repeated. Raises BadParameter for a query that is too long before it is split: a head has room for 30,000
    parameters, and 100 ms of work."""
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
            if name in repeatable:
                value = f"{found[name]},{value}"
            else:
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


def parse(query: bytes, type: type[P], naive_utc: bool = False) -> P:
    """Typed query parameters; with ``naive_utc`` a time without a zone is in UTC. Raises BadParameter that names each
    unknown, missing or malformed one."""
    texts, unreadable = _read(query, type.REPEATABLE)
    if type.OTHERS_ACCEPTED:
        texts = {name: text for name, text in texts.items() if name in type.__struct_fields__}
        unreadable = [error for error in unreadable if error.pointer in type.__struct_fields__]
    if naive_utc:
        texts |= {name: f"{texts[name]}Z" for name in TIMES & texts.keys() if _NAIVE.match(texts[name])}
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


def _values(text: str) -> list[tuple[str, bool]]:
    """The values of a filter in their order, and whether each is excluded; one more than are accepted if there are more."""
    found, at = list[tuple[str, bool]](), -1
    while at < len(text) and len(found) <= MAX_FILTER_VALUES:
        match = _VALUE.match(text, at + 1)
        assert match is not None, "it matches nothing too"
        at, raw = match.end(), match[0]
        excluded = raw.startswith("-")
        found.append((_ESCAPED.sub(r"\1", raw[excluded:]), excluded))
    return found


def choice(text: str | None) -> Choice[str] | None:
    """The choice that a filter means, None without one; the order and repetitions of values do not matter."""
    if text is None:
        return None
    values = _values(text)
    include, exclude = ({value for value, out in values if out == excluded} for excluded in (False, True))
    return Choice(tuple(sorted(include)), tuple(sorted(exclude)))


def topic_list(text: str | None) -> frozenset[str]:
    """The topics that a parameter names, which has the form of a filter without exclusions."""
    return frozenset(value for value, _ in _values(text)) if text else frozenset()


def _topic_errors(text: str | None) -> Iterator[FieldError]:
    yield from _choice_errors("topic", FILTERS["topic"], text)
    if text is not None and any(excluded for _, excluded in _values(text)):
        yield FieldError(
            "topic", "expected topics to carry, got one to exclude; a backslash goes before a hyphen"
        )


TOPICS = FieldCheck(("topic",), _topic_errors)
"""The check of a parameter that names topics."""


def feed_filter(query: FilteredEvents, read: bool | None = None, include_own: bool = False) -> FeedFilter:
    """The filter of a page."""
    return FeedFilter(
        choice(query.verb),
        choice(query.object_type),
        query.object_id,
        choice(query.actor_id),
        choice(query.topic),
        None if query.from_ is None else _ms(query.from_),
        None if query.to is None else _ms(query.to),
        read,
        include_own,
    )


def since_of(text: str) -> Since:
    """What a ``since`` means. Raises ValueError, OverflowError."""
    if text.isascii() and text.isdigit():
        if (position := int(text)) > MAX_INTEGER:
            raise OverflowError
        return position
    return text if is_uuid7(text) else SinceTime(_ms(text))


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
        yield FieldError(name, detail + _plus_hint(text))


def _plus_hint(text: str | None) -> str:
    """How the + before a zone is written, if it arrived as a blank; else empty."""
    is_blank = text is not None and " " in text and _MOMENT.match(text.replace(" ", "+"))
    return "; a + is written %2B in a query" if is_blank else ""


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
        pairs = (_pair(pair, []) for pair in query.split(b"&"))
        kept_pairs = [(name, value) for name, value in pairs if name != "cursor"]
        following = urlencode([*kept_pairs, ("cursor", cursor)]).encode()
    return b"<" + path + b"?" + following + b'>; rel="next"'


def check_escapes(path: bytes) -> None:
    """Raises BadParameter unless a raw path is percent-encoded UTF-8; the route does not matter."""
    if _PERCENT in path:
        _text(path, plus=False)


def _text(raw: bytes, plus: bool = True) -> str:
    if plus:
        raw = raw.replace(b"+", b" ")
    try:
        if _PERCENT not in raw:
            return raw.decode()
        if _NO_ESCAPE.search(raw):
            raise BadParameter("The address has a % that is not followed by two hexadecimal digits.")
        return unquote_to_bytes(raw).decode()
    except UnicodeDecodeError:
        raise BadParameter("The address is not percent-encoded UTF-8.") from None
