"""What is refused of a request's head, beside what the parser refuses by itself (RFC 9112)."""

import re
from collections.abc import Iterable

from tidings.http.refusals import BAD_HOST, NOT_IMPLEMENTED, Refusal
from tidings.http.routing import Header

_HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[\w.~!$&'()*+,;=%-]*)(?::[0-9]*)?", re.ASCII)
"""The value of a Host header: a name, an address or nothing, and a port (RFC 3986, 3.2.2)."""


def head_refusal(method: bytes, version: str, headers: Iterable[Header]) -> Refusal | None:
    """Why a request with this head is refused; None when it is not. The names of the headers are in lower case."""
    # The parser takes every CONNECT for an upgrade, so one that is declined would be parsed again without end.
    if method == b"CONNECT":
        return NOT_IMPLEMENTED
    hosts = 0
    for name, value in headers:
        if name == b"host":
            hosts += 1
            if hosts > 1 or not _HOST.fullmatch(value):
                return BAD_HOST
        elif name == b"transfer-encoding" and value.lower() != b"chunked":
            return NOT_IMPLEMENTED  # the parser undoes no other coding, and would give the coded bytes for the body
    return None if hosts or version == "1.0" else BAD_HOST


def has_body(headers: Iterable[Header]) -> bool:
    """Whether a body follows a head with these headers."""
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value != b"0")
        for name, value in headers
    )
