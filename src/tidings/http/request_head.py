"""The refusal of a request by its head, in addition to the refusals of the parser (RFC 9112)."""

import re
from collections.abc import Iterable

from tidings.http.headers import Header, header_lines
from tidings.http.refusals import BAD_CODING, BAD_HOST, BAD_TARGET, BAD_VERSION, NOT_IMPLEMENTED, Refusal

_FRAGMENT = ord("#")
_HOST = rb"(?:\[[0-9A-Fa-f:.]+\]|[0-9A-Za-z_.~!$&'()*+,;=%-]*)(?::[0-9]*)?"
_HOST_HEADER = re.compile(_HOST)
"""The value of a Host header: a name, an address or nothing, and a port (RFC 3986, 3.2.2)."""
_URL = re.compile(rb"(?i:https?)://((?=[^/?:])%b)((?:[/?].*)?)" % _HOST, re.DOTALL)
"""A target in absolute form: the host, and the path with the query."""


def head_refusal(method: bytes, target: bytes, version: str, headers: Iterable[Header]) -> Refusal | None:
    """The reason why a request with this head is refused; None if it is not. The names of the headers are in lower case."""
    if version not in ("1.1", "1.0"):
        return BAD_VERSION  # the parser accepts HTTP/2.0 and HTTP/0.9 too
    # The parser takes every CONNECT for an upgrade, so a declined one would be parsed again without end.
    if method == b"CONNECT":
        return NOT_IMPLEMENTED
    if _FRAGMENT in target or not (target.startswith(b"/") or _is_other_form(method, target)):
        return BAD_TARGET
    hosts = 0
    for name, value in headers:
        if name == b"host":
            hosts += 1
            if hosts > 1 or not _HOST_HEADER.fullmatch(value):
                return BAD_HOST
        elif name == b"transfer-encoding":
            if version == "1.0":
                return BAD_CODING
            if value.lower() != b"chunked":
                # The parser decodes no other coding: the coded bytes would become the body.
                return NOT_IMPLEMENTED
    return None if hosts or version == "1.0" else BAD_HOST


def _is_other_form(method: bytes, target: bytes) -> bool:
    """Whether this is a target that does not begin with a slash (RFC 9112, 3.2)."""
    return (target == b"*" and method == b"OPTIONS") or _URL.fullmatch(target) is not None


def origin_form(target: bytes, headers: list[Header]) -> bytes:
    """The path and query of a target that is not refused. The host of one in absolute form replaces the Host header, which
    must be ignored then (RFC 9112, 3.2.2): later checks of the host read that header."""
    url = _URL.fullmatch(target)
    if url is None:
        return target
    host, path = url.groups()
    headers[:] = [(b"host", host), *(header for header in headers if header[0] != b"host")]
    return path if path.startswith(b"/") else b"/" + path


def head_without_upgrade(method: bytes, target: bytes, version: str, headers: Iterable[Header]) -> bytes:
    """The head of a request without its offer to change the protocol."""
    lines = header_lines(header for header in headers if header[0] != b"upgrade")
    return b"%b %b HTTP/%b\r\n%b\r\n" % (method, target, version.encode(), lines)
