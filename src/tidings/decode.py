"""JSON in: typed decoding whose failures name the field by JSON Pointer (RFC 6901)."""

import re
from typing import TypeVar

import msgspec

from tidings.errors import FieldError, InvalidFields, Malformed

T = TypeVar("T")
_anything = msgspec.json.Decoder()
_PATH = re.compile(r" - at (?:`key` in )?`\$(.*)`\Z", re.S)
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]")
_NAMED = re.compile(r"(?:unknown|required) field `([^`]*)`")
_OWN = re.compile(r"([a-z_]+(?:\.[\w-]+)*): (.*)\Z", re.S)
"""What a type's own check says: dotted names of the field within it, then what is wrong."""


def decode(decoder: msgspec.json.Decoder[T], raw: bytes) -> T:
    """The decoded value. Raises Malformed when ``raw`` is not JSON, InvalidFields when it does not fit the type."""
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as error:
        misfit = field_error(str(error))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Malformed(str(error)) from None
    except RecursionError:
        raise InvalidFields(errors=(FieldError("", "nested too deeply"),)) from None
    # The type is checked while reading: what follows the misfit has not been looked at, and may not be JSON.
    decode(_anything, raw)
    raise InvalidFields(errors=(misfit,))


def field_error(message: str) -> FieldError:
    """What msgspec says of a field, as pointer and detail: ``… - at `$[3].verb``` becomes ``/3/verb``; so does what a
    type's own check says: ``messages.en: …`` becomes ``/messages/en``."""
    path = _PATH.search(message)
    detail = _PATH.sub("", message)
    steps = [name or index for name, index in _STEP.findall(path[1])] if path else []
    if named := _NAMED.search(detail):
        steps.append(named[1])
    elif own := _OWN.match(detail):
        steps, detail = [*steps, *own[1].split(".")], own[2]
    return FieldError("".join("/" + escape(step) for step in steps), detail)


def escape(step: str) -> str:
    """One reference token of a JSON Pointer."""
    return step.replace("~", "~0").replace("/", "~1")
