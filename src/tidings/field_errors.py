"""The field errors of a JSON text, or of a set of parameters, of a known type: in words and with exact pointers.

It runs only after a decoder has refused: the decoder itself checks each part again, from the whole down to the smallest
invalid part, so that a part is invalid here only if the decoder refuses it.
"""

import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from functools import lru_cache
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

import msgspec
from msgspec import NODEFAULT, Meta, Raw, UnsetType
from msgspec.structs import FieldInfo, fields

from tidings.errors import FieldError
from tidings.plain_text import escaped

MAX_FIELD_ERRORS = 20
"""Field errors of one problem: as many as a developer corrects before the next attempt."""
MAX_POINTER = 800
"""Characters of a pointer into a body, which has names as long as itself: several times the longest valid one."""
MAX_PARTS = 50_000
"""Commas in a part that is split: 10 ms of work. A larger part gets one error for the whole."""
SHOWN = 40
"""Characters of an invalid value that are shown."""
WORDS = "words"
"""The key under which a type's ``Meta(extra=…)`` describes its pattern in words."""

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""The errors of a decoder for an unreadable text; ``msgspec.ValidationError`` is a DecodeError."""

_LISTS = (list, tuple)
_object = msgspec.json.Decoder(dict[str, Raw]).decode
_list = msgspec.json.Decoder(list[Raw]).decode
_text = msgspec.json.Decoder(str).decode
_encode = msgspec.json.Encoder().encode


def in_words(pattern: str, words: str, **more: Any) -> Meta:
    """The constraint of a pattern, with its description in words: an error shows these and no pattern."""
    return Meta(pattern=pattern, extra={WORDS: words}, **more)


def visible(most: int, **more: Any) -> Meta:
    """The constraint of a name of 1 to ``most`` characters. Control characters could forge frames, log lines and headers
    later, so no name may have one."""
    return in_words(r"\A[^\x00-\x1f\x7f]+\Z", "no control characters", min_length=1, max_length=most, **more)


class FieldCheck(NamedTuple):
    """A check of fields beyond their types. A type lists its checks in ``CHECKS``; in ``ALSO_KNOWN`` it lists names that its
    fields have elsewhere, for the hint at an unknown name.

    ``fields`` names the attributes that the check reads; ``errors`` takes their values, and returns the errors of the first
    of them, considering the others. Its pointers lead from the object; of parameters they are names, and a missing one has
    no error. If one of the fields has an error already, the check is skipped: it could only repeat that one.
    """

    fields: tuple[str, ...]
    errors: Callable[..., Iterable[FieldError]]


class FieldFindings(NamedTuple):
    """``errors``: up to MAX_FIELD_ERRORS of them, in the order of the text; ``fitting``: the JSON of the outermost object
    with only its valid members, "{}" if it is no object."""

    errors: tuple[FieldError, ...]
    fitting: bytes


def find(type: Any, raw: bytes, *, strict: bool = True) -> FieldFindings:
    """The field errors of a JSON text that a decoder of its type has refused. ``strict=False`` accepts texts for numbers and
    booleans."""
    finder = _Finder(strict)
    finder.add_errors(type, raw.strip(), "")
    errors = [FieldError(_short(pointer), detail) for pointer, detail in finder.errors[:MAX_FIELD_ERRORS]]
    return FieldFindings(tuple(errors), _encode(finder.fitting))


def find_parameters(
    type: Any, given: Mapping[str, str], unreadable: Iterable[FieldError] = ()
) -> tuple[FieldError, ...]:
    """The field errors of parameters that are all texts; the pointer is the name of each. ``unreadable``: the errors of
    repeated or undecodable ones."""
    known, failed = _known(type), {error.pointer: error for error in unreadable}
    names = (*given, *(name for name in failed if name not in given))
    unknown = [name for name in names if name not in known]
    found = [
        FieldError(name, _unknown(name, known, guess=name == unknown[0], what="parameter"))
        for name in unknown
    ]
    values: dict[str, Any] = {}
    for name, field in known.items():
        if name in failed:
            found.append(failed[name])
        elif name in given:
            try:
                values[name] = msgspec.convert(given[name], field.type, strict=False)
            except msgspec.ValidationError:
                found.append(FieldError(name, mismatch(field.type, _encode(given[name]), null=False)))
        elif field.required:
            found.append(FieldError(name, _missing(field.type, null=False)))
    found += _own_errors(type, names, values)
    return tuple(found[:MAX_FIELD_ERRORS])


def check_own(whole: msgspec.Struct) -> None:
    """Raises ValueError if the checks of its type find an error; for ``__post_init__``."""
    errors = [error for check in _checks(type(whole)) for error in _found_by(check, whole)]
    if errors:
        raise ValueError("\n".join(f"{pointer}: {detail}" for pointer, detail in errors))


def parameters_fit(found: msgspec.Struct, given: Mapping[str, str]) -> bool:
    """Whether the checks of their type find no error in parameters with valid types."""
    checks = _parameter_checks(type(found))
    return (
        not checks
        or checks.keys().isdisjoint(given)
        or not any(True for name in given for check in checks.get(name, ()) for _ in _found_by(check, found))
    )


def _found_by(check: FieldCheck, whole: msgspec.Struct) -> Iterable[FieldError]:
    return check.errors(*[getattr(whole, name) for name in check.fields])


@lru_cache(maxsize=256)
def _parameter_checks(type: Any) -> Mapping[str, list[FieldCheck]]:
    """The checks of a type by the name of the parameter to which each assigns its errors."""
    names = {field.name: name for name, field in _known(type).items()}
    found: dict[str, list[FieldCheck]] = {}
    for check in _checks(type):
        found.setdefault(names[check.fields[0]], []).append(check)
    return found


@lru_cache(maxsize=256)
def _checked_fields(type: Any) -> frozenset[str]:
    """The names of the fields that the checks of a type read."""
    names = {field.name: name for name, field in _known(type).items()}
    return frozenset(names[name] for check in _checks(type) for name in check.fields)


def escape(step: str) -> str:
    """One reference token of a JSON Pointer (RFC 6901)."""
    return step.replace("~", "~0").replace("/", "~1")


def _short(pointer: str) -> str:
    """The pointer, or if it is too long that of its parent."""
    return pointer if len(pointer) <= MAX_POINTER else pointer[: MAX_POINTER + 1].rpartition("/")[0]


def mismatch(type: Any, raw: bytes, *, null: bool = True) -> str:
    """The detail of the error of a value that does not match its type: the expected and the actual value. ``null``: whether
    null can be named."""
    return f"expected {expected(type, null=null)}, got {shown(raw)}"


def expected(type: Any, *, null: bool = True) -> str:
    """What a type accepts, in words."""
    form = _form(type)
    words = _accepted(form)
    return f"{words} or null" if null and form.nullable else words


def shown(raw: bytes) -> str:
    """A JSON value in words, shortened if it is long."""
    raw = raw.strip()
    match raw[:1]:
        case b"{":
            return "an object"
        case b"[":
            return _counted_items(raw)
        case b'"':
            return _shown_text(raw)
        case b"n" | b"t" | b"f":
            return raw.decode()
    return f"the number {raw.decode()}" if len(raw) <= SHOWN else f"a number of {len(raw)} characters"


class _Form(NamedTuple):
    """A type without its annotations: ``base`` and its arguments, its constraints, whether null fits."""

    base: Any
    args: tuple[Any, ...]
    metas: tuple[Meta, ...]
    nullable: bool


class _Finder:
    """Walks a type and a text together. ``errors`` is filled; ``fitting`` has the valid members of the outermost object."""

    def __init__(self, strict: bool) -> None:
        self.errors: list[FieldError] = []
        self.fitting: dict[str, Raw] = {}
        self._strict = strict

    def fits(self, type: Any, raw: bytes, at: str) -> bool:
        """Whether the text is valid; if not, its errors are added."""
        # Before all of its parts are checked, each of which may have a pattern.
        form = _form(type)
        if _is_long(form, raw):
            self.errors.append(FieldError(at, mismatch(type, raw)))
            return False
        if _has_long_members(form, raw):
            self._entries(form, _object(raw), at)
            return False
        if form.base in _LISTS and raw[:1] == b"[" and raw.count(b",") <= MAX_PARTS:
            # A list whose items and length are valid is valid. To decode it as a whole first would take as long again.
            items, before = _list(raw), len(self.errors)
            if not _wrong_length(form, len(items)):
                self._items(form.args[0], items, at)
                return len(self.errors) == before
        try:
            _decoder(type, self._strict).decode(raw)
        except UNREADABLE:
            self.add_errors(type, raw, at)
            return False
        return True

    def add_errors(self, type: Any, raw: bytes, at: str) -> None:
        """Add the errors of a text that a decoder has refused."""
        before, form = len(self.errors), _form_of(type, raw)
        if raw.count(b",") > MAX_PARTS:
            self.errors.append(FieldError(at, "does not fit, and is too large to say where"))
        else:
            self._descend(form, raw, at)
        if len(self.errors) == before:
            self.errors.append(FieldError(at, mismatch(type, raw)))

    def _descend(self, form: _Form, raw: bytes, at: str) -> None:
        first = raw[:1]
        if first == b"{" and _is_struct(form.base):
            self._members(form.base, raw, at)
        elif first == b"{" and form.base is dict:
            self._entries(form, _object(raw), at)
        elif first == b"[" and form.base in _LISTS and not _wrong_length(form, len(items := _list(raw))):
            self._items(form.args[0], items, at)

    def _items(self, type: Any, items: list[Raw], at: str) -> None:
        # Most of ten thousand items are valid: facts that are equal for all are looked up once, and nothing is built of a
        # valid one.
        decode, may_be_long = _decoder(type, self._strict).decode, _form(type).base in _LISTS
        for index, item in enumerate(items):
            if self._full:
                return
            if may_be_long:
                self.fits(type, bytes(item), f"{at}/{index}")
                continue
            try:
                decode(item)
            except UNREADABLE:
                self.add_errors(type, bytes(item), f"{at}/{index}")

    @property
    def _full(self) -> bool:
        return len(self.errors) >= MAX_FIELD_ERRORS

    def _members(self, type: Any, raw: bytes, at: str) -> None:
        known = _known(type)
        given = _object(raw)
        fitting: dict[str, Raw] = {}
        for name, value in given.items():
            if self._full:
                break
            if name not in known:
                detail = _unknown(name, known, guess=not self.errors, meant=_also_known(type).get(name))
                self.errors.append(FieldError(f"{at}/{escape(name)}", detail))
            elif self.fits(known[name].type, bytes(value), f"{at}/{escape(name)}"):
                fitting[name] = value
        missing = [field for name, field in known.items() if field.required and name not in given]
        for field in missing:
            self.errors.append(FieldError(f"{at}/{field.encode_name}", _missing(field.type)))
        own = list(_own_errors(type, given, self._values(type, fitting)))
        self.errors += [FieldError(at + pointer, detail) for pointer, detail in own]
        if not at:
            failed = {pointer.split("/")[1] for pointer, _ in own if pointer}
            self.fitting = {name: raw for name, raw in fitting.items() if escape(name) not in failed}

    def _values(self, type: Any, fitting: Mapping[str, Raw]) -> dict[str, Any]:
        """The decoded values of the valid members that the checks of the type read."""
        known, looked_at = _known(type), _checked_fields(type)
        return {
            name: _decoder(known[name].type, self._strict).decode(raw)
            for name, raw in fitting.items()
            if name in looked_at
        }

    def _entries(self, form: _Form, given: dict[str, Raw], at: str) -> None:
        if _wrong_length(form, len(given)):
            return
        key_type, value_type = form.args
        for name, value in given.items():
            if self._full:
                return
            here = f"{at}/{escape(name)}"
            if not _fits(key_type, name):
                self.errors.append(FieldError(here, f"no such name: {mismatch(key_type, _encode(name))}"))
                # A name may be as long as the body, and would be in the pointer of each error below it.
                continue
            self.fits(value_type, bytes(value), here)


class _Loose(NamedTuple):
    """A decoder that accepts texts for numbers and booleans."""

    type: Any

    def decode(self, raw: bytes | Raw) -> Any:
        return msgspec.json.decode(raw, type=self.type, strict=False)


@lru_cache(maxsize=1_024)  # several times as many as the types of all routes together
def _decoder(type: Any, strict: bool) -> msgspec.json.Decoder[Any] | _Loose:
    return msgspec.json.Decoder(type) if strict else _Loose(type)


@lru_cache(maxsize=256)
def _known(type: Any) -> Mapping[str, FieldInfo]:
    """The fields of a struct by name."""
    return {field.encode_name: field for field in fields(type)}


def _checks(type: Any) -> tuple[FieldCheck, ...]:
    checks: tuple[FieldCheck, ...] = getattr(type, "CHECKS", ())
    return checks


def _also_known(type: Any) -> Mapping[str, str]:
    names: Mapping[str, str] = getattr(type, "ALSO_KNOWN", {})
    return names


def _own_errors(type: Any, given: Iterable[str], values: Mapping[str, Any]) -> Iterator[FieldError]:
    """The errors that the checks of a type find in the fields with a value, and in missing ones, by their defaults."""
    looked_at = _checked_fields(type)
    usable = {
        field.name: values[name] if name in values else _default(field)
        for name, field in _known(type).items()
        if name in looked_at and (name in values or (name not in given and not field.required))
    }
    for check in _checks(type):
        if usable.keys() >= set(check.fields):
            yield from check.errors(*[usable[name] for name in check.fields])


def _default(field: FieldInfo) -> Any:
    return field.default if field.default is not NODEFAULT else field.default_factory()


def _fits(type: Any, value: str) -> bool:
    try:
        msgspec.convert(value, type)
    except msgspec.ValidationError:
        return False
    return True


def _form_of(type: Any, raw: bytes) -> _Form:
    """The form of a type; for a list, of its alternative that is a list, if it has one."""
    form = _form(type)
    return (_listed(type) or form) if raw[:1] == b"[" and form.base not in _LISTS else form


@lru_cache(maxsize=256)
def _listed(type: Any) -> _Form | None:
    origin, args = get_origin(type), get_args(type)
    if origin is Annotated:
        return _listed(args[0])
    if origin not in (Union, types.UnionType):
        return None
    return next((form for form in map(_form, args) if form.base in _LISTS), None)


@lru_cache(maxsize=1_024)
def _form(type: Any) -> _Form:
    origin, args = get_origin(type), get_args(type)
    if origin is Annotated:
        inner = _form(args[0])
        metas = tuple(meta for meta in args[1:] if isinstance(meta, Meta))
        return inner._replace(metas=(*inner.metas, *metas))
    if origin in (Union, types.UnionType):
        some = [one for one in args if one not in (types.NoneType, UnsetType)]
        return _form(some[0])._replace(nullable=types.NoneType in args)
    return _Form(origin or type, args, (), False)


def _is_struct(base: Any) -> bool:
    return isinstance(base, type) and issubclass(base, msgspec.Struct)


def _constraint(form: _Form, name: str) -> Any:
    """The constraint of this name that is stated last, None without one."""
    stated = [value for meta in form.metas if (value := getattr(meta, name)) is not None]
    return stated[-1] if stated else None


def has_long_parts(type: Any, raw: bytes) -> bool:
    """Whether a member of an object, or one of a member that maps names, has more items or members than its type takes. A
    decoder counts them only when all of them are built, and members take several times as long to build as to count."""
    outline = _outline(type)
    if outline is None:
        return False
    decoder, forms = outline
    try:
        given = decoder.decode(raw)
        texts = ((form, bytes(getattr(given, name))) for name, form in forms.items())
        return any(_is_long(form, text) or _has_long_members(form, text) for form, text in texts)
    except UNREADABLE:
        return False  # whoever decodes it finds out


@lru_cache(maxsize=256)
def _outline(type: Any) -> tuple[msgspec.json.Decoder[Any], Mapping[str, _Form]] | None:
    """A decoder that leaves the members of a struct that have a greatest length as they are written, and the forms of these;
    None when there are none."""
    if not _is_struct(type):
        return None
    forms = {field.encode_name: _form(field.type) for field in fields(type)}
    bounded = {name: form for name, form in forms.items() if _most_parts(form) is not None}
    if not bounded:
        return None
    members = [(name, Raw, Raw(b"")) for name in bounded]
    return msgspec.json.Decoder(msgspec.defstruct("Outline", members)), bounded


def _most_parts(form: _Form) -> int | None:
    """The greatest number of items or members of a list or an object; None if it has no bound, or is no such type."""
    most: int | None = _constraint(form, "max_length") if form.base in (*_LISTS, dict) else None
    return most


def _is_long(form: _Form, raw: bytes) -> bool:
    most = _most_parts(form)
    if most is None or raw.count(b",") < most:
        return False
    if form.base is dict:
        return raw[:1] == b"{" and len(_object(raw)) > most
    return raw[:1] == b"[" and len(_list(raw)) > most


def _has_long_members(form: _Form, raw: bytes) -> bool:
    """The same of the members of an object whose names are free."""
    if form.base is not dict or raw[:1] != b"{":
        return False
    each = _form(form.args[1])
    most = _most_parts(each)
    if most is None or raw.count(b",") < most or raw.count(b",") > MAX_PARTS:
        return False
    return any(_is_long(each, bytes(value)) for value in _object(raw).values())


def _wrong_length(form: _Form, length: int) -> bool:
    least, most = _constraint(form, "min_length"), _constraint(form, "max_length")
    return (least is not None and length < least) or (most is not None and length > most)


def _accepted(form: _Form) -> str:
    base = form.base
    if base is Literal:
        return _with_words(form, "one of " + ", ".join(f'"{arg}"' for arg in form.args))
    if base is str:
        return _with_words(form, "a text" + _span(form, "min_length", "max_length", " of ", " characters"))
    if base is bool:
        return "true or false"
    if base is int:
        return "a whole number" + _span(form, "ge", "le", " ", "")
    if base in _LISTS:
        return "a list" + _span(form, "min_length", "max_length", " of ", " items")
    if base is dict:
        return "an object" + _span(form, "min_length", "max_length", " of ", " members")
    return _SAID.get(getattr(base, "__name__", ""), "an object")


_SAID = {
    "datetime": "a time with a time zone, such as 2026-01-31T09:30:00Z",
    "float": "a number",
}


def _with_words(form: _Form, text: str) -> str:
    words = [meta.extra[WORDS] for meta in form.metas if meta.extra and WORDS in meta.extra]
    return ", ".join([text, *words])


def _span(form: _Form, least_name: str, most_name: str, before: str, after: str) -> str:
    least, most = _constraint(form, least_name), _constraint(form, most_name)
    if least is None and most is None:
        return ""
    if most is None:
        return f"{before}at least {least:,}{after}"
    return f"{before}up to {most:,}{after}" if least is None else f"{before}{least:,} to {most:,}{after}"


def _unknown(
    name: str, known: Mapping[str, FieldInfo], *, guess: bool, what: str = "field", meant: str | None = None
) -> str:
    """``guess``: whether to suggest a similar name, which takes 0.1 ms, unless the one that is ``meant`` is certain."""
    if not known:
        return f"no such {what}; there is none"
    if meant is None and guess:
        meant = next(iter(get_close_matches(name[:SHOWN], known, n=1)), None)
    return f"no such {what}{f', did you mean {meant}' if meant else ''}; the {what}s are {', '.join(known)}"


def _missing(type: Any, *, null: bool = True) -> str:
    return f"missing; expected {expected(type, null=null)}"


def _shown_text(raw: bytes) -> str:
    try:
        text = _text(raw)
    except UNREADABLE:
        return "a text that is not Unicode"
    if not text:
        return "an empty text"
    return f'"{escaped(text)}"' if len(text) <= SHOWN else f"a text of {len(text):,} characters"


def _counted_items(raw: bytes) -> str:
    if raw.count(b",") > MAX_PARTS:
        return "a long list"
    count = len(_list(raw))
    return "an empty list" if not count else f"a list of {count:,} item{'s' if count > 1 else ''}"
