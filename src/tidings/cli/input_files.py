"""Files of events, read line by line as publications: the input of ``replay``."""

import gzip
import sys
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from io import BufferedReader
from pathlib import Path
from typing import Any

import click
import msgspec

from tidings.contrib.gharchive import Publication, publication
from tidings.timeutil import rfc3339, to_ms
from tidings.validation import BOM

STDIN = Path("-")
GZIP_MAGIC = b"\x1f\x8b"
SNIFFED = 4096
"""Bytes at the beginning of a file that are checked: none of them is 0 in text."""

Parse = Callable[[bytes], Publication]


def ndjson(line: bytes) -> Publication:
    """A line that is a body of ``POST /v1/events``. Raises ValueError when it is not a JSON object."""
    try:
        body = msgspec.json.decode(line, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise ValueError(str(error)) from None
    return Publication(body)


FORMATS: dict[str, Parse] = {"gharchive": publication, "ndjson": ndjson}


class NotText(Exception):
    """A file has no lines that could be events."""


class InputLines:
    """The lines of several files in order, gzip or plain; ``-`` is standard input."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths
        self._total = 0 if STDIN in paths else sum(path.stat().st_size for path in paths)
        self._before = 0
        self._open: BufferedReader | None = None
        self._path, self._number = STDIN, 0

    def __iter__(self) -> Iterator[bytes]:
        """The lines that are not empty. Raises click.ClickException where a file is cut off or damaged."""
        self._before = 0
        for path in self._paths:
            self._path, self._number = path, 0
            try:
                yield from self._lines(path)
            except (OSError, EOFError, zlib.error, NotText) as error:
                why = error.strerror if isinstance(error, OSError) and error.strerror else error
                raise click.ClickException(f"{self.place}: {why}") from None

    @property
    def place(self) -> str:
        """The place of the last line that was returned, as FILE:LINE."""
        name = "stdin" if self._path == STDIN else str(self._path)
        return f"{name}:{self._number}" if self._number else name

    def _lines(self, path: Path) -> Iterator[bytes]:
        with _opened(path) as raw:
            self._open = raw
            for line in _unpacked(raw):
                self._number += 1
                if line.strip():
                    yield line
            self._open = None
        self._before += path.stat().st_size if self._total else 0

    @property
    def fraction(self) -> float | None:
        """The fraction of all bytes that has been read, 0 to 1; None if the total is unknown."""
        if not self._total:
            return None
        return (self._before + (self._open.tell() if self._open else 0)) / self._total


def _opened(path: Path) -> BufferedReader:
    return open(sys.stdin.fileno() if path == STDIN else path, "rb", closefd=path != STDIN)


def _unpacked(raw: BufferedReader) -> Iterator[bytes]:
    """The lines of a file, unpacked if its first bytes are those of gzip: standard input has no name. A byte order mark is
    skipped. Raises NotText."""
    packed = raw.peek(len(GZIP_MAGIC))[: len(GZIP_MAGIC)] == GZIP_MAGIC
    text: gzip.GzipFile | BufferedReader = gzip.GzipFile(fileobj=raw) if packed else raw
    head = text.peek(SNIFFED)[:SNIFFED]
    if b"\0" in head:
        raise NotText("neither UTF-8 text nor such text compressed by gzip")
    if head.startswith(BOM):
        text.read(len(BOM))
    return iter(text)


def created_ms(body: dict[str, Any]) -> int | None:
    """The event's ``created_at`` in milliseconds since 1970; None for a missing or invalid one."""
    try:
        return to_ms(datetime.fromisoformat(body["created_at"]))
    except (KeyError, TypeError, ValueError):
        return None


def newest_ms(lines: Iterable[bytes], parse: Parse) -> int | None:
    """The latest ``created_at`` of all lines in milliseconds; None when no line has one."""
    newest = None
    for line in lines:
        try:
            at = created_ms(parse(line).body)
        except ValueError:
            continue
        newest = at if newest is None or (at is not None and at > newest) else newest
    return newest


def shifted(one: Publication, by_ms: int) -> Publication:
    """The same publication ``by_ms`` milliseconds later. One without a time is unchanged."""
    at = created_ms(one.body)
    return one if at is None else one._replace(body=one.body | {"created_at": rfc3339(at + by_ms)})


def paced(
    publications: Iterable[Publication],
    speed: float,
    wait: Callable[[float], None] = time.sleep,
    monotonic: Callable[[], float] = time.monotonic,
) -> Iterator[Publication | None]:
    """The publications at ``speed`` times their original pace.

    Yields None before each wait, so that the events so far can be sent first. A publication that is not later than the ones
    before it, or has no time, is yielded at once.
    """
    began = monotonic()
    first: int | None = None
    for one in publications:
        at = created_ms(one.body)
        if at is not None:
            first = at if first is None else first
            early = (at - first) / 1000 / speed - (monotonic() - began)
            if early > 0:
                yield None
                wait(early)
        yield one
