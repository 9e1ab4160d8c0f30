"""A tolerant reader of a server's responses: one broken item must not make all others unreadable.

A number that no double holds, or half of a character, makes a whole response unreadable for a strict reader. In that case
half characters are replaced by U+FFFD, and the types that have a field ``unreadable`` are read member by member: unreadable
members keep their defaults, and ``unreadable`` names each with its error.
"""

import re
import types
from functools import lru_cache
from typing import Any, Generic, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Raw
from msgspec.structs import fields

T = TypeVar("T")
_FAILURES = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
UNREADABLE = "unreadable"
"""The field of a type that may be read in part."""
_LONE_HALF = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\.", re.S
)
"""An escape; the group is half of a character without the other half."""
_object = msgspec.json.Decoder(dict[str, Raw]).decode
_list = msgspec.json.Decoder(list[Raw]).decode


class Reader(Generic[T]):
    """Decodes a ``type``, in part if need be."""

    def __init__(self, type: type[T]) -> None:
        self.type = type
        self._strict = msgspec.json.Decoder(type).decode

    def read(self, data: bytes) -> T:
        """The value. Raises msgspec.DecodeError."""
        try:
            return self._strict(data)
        except _FAILURES:
            text = _LONE_HALF.sub(_whole, data.decode(errors="replace").encode())
        try:
            result: T = _read(self.type, text)
        except RecursionError as error:
            raise msgspec.DecodeError(str(error)) from None
        return result


def _whole(escape: re.Match[bytes]) -> bytes:
    return rb"\ufffd" if escape[1] else escape[0]


def _read(shape: Any, raw: bytes) -> Any:
    """The value of this type, without unreadable members that may be missing. Raises msgspec.DecodeError."""
    try:
        return msgspec.json.decode(raw, type=shape)
    except _FAILURES:
        if (item := _item_of(shape)) is not None:
            return tuple(_read(item, bytes(one)) for one in _list(raw))
        if not _is_struct(shape):
            raise
    return _struct(shape, raw)


def _struct(shape: Any, raw: bytes) -> Any:
    """A struct member by member. Raises msgspec.DecodeError for a member that may not be missing."""
    given, values, wrong = _object(raw), {}, []
    hints = _hints(shape)
    for field in fields(shape):
        if field.encode_name not in given:
            if field.required:
                raise msgspec.ValidationError(f"{field.encode_name} is missing")
            continue
        try:
            values[field.name] = _read(hints[field.name], bytes(given[field.encode_name]))
        except _FAILURES as error:
            if field.required or UNREADABLE not in hints:
                raise
            wrong.append(f"{field.encode_name}: {error}")
    if wrong:
        values[UNREADABLE] = "; ".join(wrong)
    return shape(**values)


def _item_of(shape: Any) -> Any:
    """The type of the items of a tuple of any length, None for any other type."""
    args = get_args(shape)
    return args[0] if get_origin(shape) is tuple and len(args) == 2 and args[1] is Ellipsis else None


def _is_struct(shape: Any) -> bool:
    return isinstance(shape, type) and issubclass(shape, msgspec.Struct)


@lru_cache(maxsize=256)
def _hints(shape: Any) -> dict[str, Any]:
    """The types of a struct's fields, those of optional ones without None."""
    return {name: _without_none(hint) for name, hint in get_type_hints(shape).items()}


def _without_none(hint: Any) -> Any:
    if get_origin(hint) not in (Union, types.UnionType):
        return hint
    rest = [one for one in get_args(hint) if one is not types.NoneType]
    return rest[0] if len(rest) == 1 and _is_struct(rest[0]) else hint
