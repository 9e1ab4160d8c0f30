"""Many events in one body: split before objects are built of them, so that no part costs more than an event may."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import Raw

from tidings.errors import FieldError, InvalidFields, TooLarge
from tidings.field_errors import UNREADABLE, mismatch
from tidings.validation import BOM, check_json


def split(raw: bytes, most: int) -> tuple[Raw, ...]:
    """The items of a JSON array as they are written. Raises TooLarge for more than ``most`` as soon as it has read them,
    InvalidFields for a value that is no array, Malformed."""
    text = raw.removeprefix(BOM)
    try:
        items: tuple[Raw, ...] = msgspec.structs.astuple(_splitter(most).decode(text))
    except UNREADABLE:
        check_json(text)
        if text.lstrip()[:1] == b"[":
            raise TooLarge(f"the list has more than {most:,} items") from None
        raise InvalidFields(errors=(FieldError("", mismatch(list[Any], text)),)) from None
    return items[: items.index(_NONE)] if items[-1] is _NONE else items


def prepare(most: int) -> None:
    """Build what :func:`split` needs for so many items; ten thousand take 30 ms, so it is done at the start."""
    _splitter(most)


_NONE = Raw(b"")


@lru_cache(maxsize=4)
def _splitter(most: int) -> msgspec.json.Decoder[msgspec.Struct]:
    """A decoder that stops at the first item over the limit. A decoder of lists would only count at the end: a list of
    millions of small items takes a quarter of a second to build."""
    fields: list[tuple[str, type, Any]] = [(f"item{i}", Raw, _NONE) for i in range(most)]
    return msgspec.json.Decoder(
        msgspec.defstruct("Items", fields, array_like=True, forbid_unknown_fields=True)
    )


class LineSplitter:
    """The lines of a body that arrives in chunks of any size, at a cost that depends on its bytes alone.

    Of a line over ``cap`` bytes only the first ``cap`` + 1 are kept: enough to refuse it.
    """

    def __init__(self, cap: int) -> None:
        self._cap = cap
        self._rest = bytearray()

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """The lines that this chunk completes, without blank ones. They must be consumed before the next chunk."""
        first, *others = chunk.split(b"\n")
        self._keep(first)
        if others:
            yield from self.end()
            for line in others[:-1]:
                if _says_something(line):
                    yield line
            self._keep(others[-1])

    def end(self) -> Iterator[bytes]:
        """The last line, if the body ended without a line feed and it is not blank."""
        line = bytes(self._rest)
        self._rest.clear()
        if _says_something(line):
            yield line

    def _keep(self, part: bytes) -> None:
        self._rest += part[: self._cap + 1 - len(self._rest)]


def _says_something(line: bytes) -> bool:
    return line.removeprefix(BOM).strip() != b""
