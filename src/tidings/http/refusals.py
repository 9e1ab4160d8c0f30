"""Responses on a connection without a request: its refusal as a problem document, without the application."""

from typing import Any, NamedTuple

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from tidings.errors import problem_document
from tidings.http.headers import Header, header_lines
from tidings.http.problems import MEDIA
from tidings.http.request import Receive, Scope, Send


class Refusal(NamedTuple):
    """The status of a response, the code and title of its problem, and its detail if that differs from the title."""

    status: int
    code: str
    title: str
    detail: str = ""


NO_HTTP = Refusal(400, "malformed-request", "The request is not valid HTTP")
HANDSHAKE_WITH_BODY = NO_HTTP._replace(detail="The handshake of a WebSocket has no body")
BAD_TARGET = NO_HTTP._replace(detail="The target of a request is a path or an http URL, without a fragment")
BAD_CODING = NO_HTTP._replace(detail="HTTP/1.0 has no Transfer-Encoding")
BAD_HOST = NO_HTTP._replace(detail="Expected one Host header: a host and an optional port, or empty")
HANDSHAKE_BEHIND = NO_HTTP._replace(
    detail="The handshake of a WebSocket is sent when the requests before it are answered"
)
NO_HANDSHAKE = NO_HTTP._replace(
    detail="The handshake of a WebSocket has one Sec-WebSocket-Key, 16 bytes in base64, and Sec-WebSocket-Version: 13"
)
TOO_LARGE = Refusal(431, "head-too-large", "The request's head is too large")
TOO_SLOW = Refusal(408, "request-timeout", "The request did not arrive in time")
NOT_IMPLEMENTED = Refusal(501, "not-implemented", "The server does not implement this part of HTTP")
BAD_VERSION = Refusal(505, "version-not-supported", "The server supports HTTP/1.1 and HTTP/1.0")
REFUSALS = (NO_HTTP, TOO_LARGE, TOO_SLOW, NOT_IMPLEMENTED, BAD_VERSION)
"""The reasons for which a connection is refused before there is a request."""
TOO_MANY_CONNECTIONS = Refusal(503, "unavailable", "There are too many connections: retry later")
_RETRY_AFTER_S = 5
"""Seconds after which a client may retry if there was no room."""


def message(refusal: Refusal, *, with_body: bool = True) -> bytes:
    """The whole response, after which the connection ends. One to HEAD has no body."""
    status, headers, body = parts(refusal)
    return (
        STATUS_LINE[status]
        + header_lines(headers)
        + b"connection: close\r\n\r\n"
        + (body if with_body else b"")
    )


def parts(refusal: Refusal) -> tuple[int, list[Header], bytes]:
    """The status, headers and body."""
    status, code, title, detail = refusal
    body = problem_document(code, title, status, detail or title)
    headers = [(b"content-type", MEDIA), (b"content-length", b"%d" % len(body))]
    if refusal is TOO_MANY_CONNECTIONS:
        headers.append((b"retry-after", b"%d" % _RETRY_AFTER_S))
    if refusal is NO_HANDSHAKE:
        headers.append((b"sec-websocket-version", b"13"))  # RFC 6455, 4.4
    return status, headers, body


class HealthOnly:
    """The application on a connection above the cap: it serves only the health checks."""

    def __init__(self, app: Any, paths: frozenset[bytes]) -> None:
        self._app = app
        self._paths = paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["method"] in ("GET", "HEAD") and scope["raw_path"] in self._paths:
            await self._app(scope, receive, send)
            return
        status, headers, body = parts(TOO_MANY_CONNECTIONS)
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})
