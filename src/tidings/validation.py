"""Validation of JSON: typed decoding that reports each field which does not fit, with its JSON Pointer (RFC 6901)."""

from typing import TypeVar

import msgspec

from tidings.errors import FieldError, InvalidFields, Malformed
from tidings.field_errors import UNREADABLE, find, has_long_parts

T = TypeVar("T")
BOM = b"\xef\xbb\xbf"
"""A byte order mark. RFC 8259 permits a parser to ignore it: one at the beginning of a JSON text is skipped everywhere."""
COUNTED_BYTES = 8 * 1024
"""Bytes of a text of which the parts are counted before they are built; those of a shorter one take 2 ms at most."""
_skim = msgspec.json.Decoder(msgspec.Raw).decode
"""Reads a text to its end without building objects."""


def decode(decoder: msgspec.json.Decoder[T], raw: bytes) -> T:
    """The decoded value. Raises Malformed if ``raw`` is not JSON, InvalidFields if it does not match the type."""
    text = raw.removeprefix(BOM)
    if len(text) <= COUNTED_BYTES or not has_long_parts(decoder.type, text):
        try:
            return decoder.decode(text)
        except UNREADABLE:
            pass  # it is read again below, which finds all errors
    check_json(text)
    errors, fitting = find(decoder.type, text)
    raise InvalidFields(errors=errors, fitting=fitting)


def check_json(raw: bytes) -> None:
    """Raises Malformed for input that is not JSON in UTF-8, InvalidFields for input that is nested too deeply.

    A decoder checks the type while reading: it has not read the input after an invalid value, which may not be JSON.
    """
    if not raw.strip():
        raise Malformed("The body is empty.")
    try:
        raw.decode()
        _skim(raw)
    except RecursionError:
        raise InvalidFields(errors=(FieldError("", "nested too deeply"),)) from None
    except UnicodeDecodeError as error:
        raise Malformed(f"The body is not UTF-8: {error.reason} at byte {error.start}.") from None
    except msgspec.DecodeError as error:
        raise Malformed(f"The body is not JSON: {error}.") from None
