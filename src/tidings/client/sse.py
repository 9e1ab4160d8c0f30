"""A parser of server-sent events (WHATWG HTML, section 9.2), fed with bytes as they arrive."""

import re
from typing import NamedTuple

MAX_EVENT_BYTES = 8 * 1024 * 1024
"""Bytes of one event, or of a line without end: a hundred times the largest frame of a server with default caps."""

_LINE_END = re.compile(rb"\r\n|\r|\n")
_BOM = b"\xef\xbb\xbf"


class EventTooLong(ValueError):
    """An event has more than MAX_EVENT_BYTES."""


class ServerSentEvent(NamedTuple):
    """One event. ``id`` is the last one that the stream has set so far, "" before the first."""

    name: str
    data: str
    id: str


class Parser:
    """The state between two chunks. ``retry_ms`` is the last value that the stream sent, None before the first."""

    def __init__(self, limit: int = MAX_EVENT_BYTES) -> None:
        self.retry_ms: int | None = None
        self._limit = limit
        self._rest = bytearray()
        self._scanned = 0
        self._begun = False
        self._name = ""
        self._data: list[str] = []
        self._size = 0
        self._id = ""

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """The events that are complete now. Raises EventTooLong; the parser is unusable afterwards."""
        self._rest += chunk
        events: list[ServerSentEvent] = []
        for line in self._lines():
            event = self._line(line)
            if event is not None:
                events.append(event)
            if self._size > self._limit:
                raise EventTooLong(f"an event has more than {self._limit} bytes")
        if len(self._rest) > self._limit:
            raise EventTooLong(f"a line has more than {self._limit} bytes")
        return events

    def _lines(self) -> list[bytes]:
        """The complete lines so far. A CR at the very end waits for the next byte: it may be half of a CR LF."""
        rest, lines, start = self._rest, [], 0
        if not self._begun:
            if len(rest) < len(_BOM) and _BOM.startswith(rest):
                return []
            self._begun = True
            start = len(_BOM) if rest.startswith(_BOM) else 0
        at = max(start, self._scanned)
        while (found := _LINE_END.search(rest, at)) and not (found[0] == b"\r" and found.end() == len(rest)):
            lines.append(bytes(rest[start : found.start()]))
            start = at = found.end()
        del rest[:start]
        # The last byte is searched again, since it may be that CR.
        self._scanned = max(0, len(rest) - 1)
        return lines

    def _line(self, raw: bytes) -> ServerSentEvent | None:
        if not raw:
            return self._dispatch()
        field, _, value = raw.decode("utf-8", "replace").partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            self._data.append(value)
            self._size += len(raw)
        elif field == "event":
            self._name = value
        elif field == "id" and "\0" not in value:
            self._id = value
        elif field == "retry" and value.isascii() and value.isdigit():
            # More digits than any time has would make a number that is slow to parse.
            self.retry_ms = int(value[:12])
        return None

    def _dispatch(self) -> ServerSentEvent | None:
        name, data = self._name or "message", self._data
        self._name, self._data, self._size = "", [], 0
        return ServerSentEvent(name, "\n".join(data), self._id) if data else None
