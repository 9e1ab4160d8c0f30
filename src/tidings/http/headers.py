"""Headers of requests and responses, as they are sent."""

from collections.abc import Iterable, Sequence

Header = tuple[bytes, bytes]
_CONTROLS = bytes({*range(0x20), 0x7F} - {0x09})
"""The bytes that no header contains."""


def header_lines(headers: Iterable[Header]) -> bytes:
    """The headers as they are sent."""
    return b"".join([b"%b: %b\r\n" % header for header in headers])


def checked_lines(headers: Sequence[Header]) -> bytes | None:
    """The headers as they are sent; None if one of them contains a control character."""
    lines = header_lines(headers)
    controls = len(lines) - len(lines.translate(None, _CONTROLS))
    return lines if controls == len(b"\r\n") * len(headers) else None


class SharedHeaders:
    """Headers that many responses have alike. ``lines``: as they are sent; None if they cannot be."""

    __slots__ = ("headers", "lines")

    def __init__(self, headers: tuple[Header, ...]) -> None:
        self.headers = headers
        self.lines = checked_lines(headers)


class DateHeader:
    """The headers that uvicorn gives all responses: the date, replaced every second."""

    __slots__ = ("_headers", "_lines")

    def __init__(self) -> None:
        self._headers: Sequence[Header] = ()
        self._lines = b""

    def lines(self, headers: Sequence[Header]) -> bytes:
        """These headers as they are sent; made once of one list, which uvicorn does not change."""
        if headers is not self._headers:
            self._headers, self._lines = headers, header_lines(headers)
        return self._lines
