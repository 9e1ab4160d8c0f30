"""A request as ASGI gives it, and the request headers that the server reads."""

import re
from collections.abc import Awaitable, Callable, Collection, Iterable, MutableMapping, Sequence
from typing import Any, Protocol

import msgspec

from tidings.errors import BadParameter, FieldError, TidingsError, UnsupportedMedia
from tidings.field_errors import shown
from tidings.http.headers import Header, SharedHeaders
from tidings.http.stream_connection import StreamConnection
from tidings.live import Encoder
from tidings.turns import next_pass

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

CONNECTION = "tidings.connection"
"""The ASGI extension that holds the connection of a request, a :class:`ClientConnection`."""

STREAM_COOKIE = "__Host-tidings"
"""The cookie that holds a user's token for their streams; because of the prefix browsers refuse it from any other host."""

_VISIBLE = re.compile(rb"[\x21-\x7e]{1,255}\Z")
_WEAK = b"W/"


class ClientConnection(Protocol):
    """The part of a connection that its request uses. ``disconnected``: the client has left; a request that changes nothing
    is cancelled then."""

    disconnected: bool

    def take_over(self, head: bytes, encoder: Encoder) -> StreamConnection:
        """Hand over the connection, after this head of a response. Raises ClientGone if the client has left."""
        ...

    def respond(self, status: int, headers: Sequence[Header], shared: SharedHeaders, body: bytes) -> bool:
        """Send a whole response with headers of its own and others; returns False if it cannot be written now."""
        ...

    def unread(self) -> bool:
        """Whether the body is still arriving."""
        ...

    def refusal(self, size: int) -> TidingsError | None:
        """The reason why a response of this size is refused; None if it is not."""
        ...

    def abort(self) -> None:
        """Reset the connection, in the middle of a response."""
        ...


class Request:
    """The head of a request. ``path`` and ``query`` are as they were sent, still percent-encoded; ``client`` is the network
    address of the peer, which may be a proxy, "" if unknown; ``upgrade``: it is the handshake of a WebSocket. ``wait_turn``
    waits until the request has its turn among others, given the request and whether it has had one; ``hold`` counts how much
    of its body is held."""

    __slots__ = (
        "_connection",
        "_headers",
        "_hold",
        "_single",
        "_wait_turn",
        "client",
        "held",
        "method",
        "path",
        "query",
        "receive",
        "upgrade",
    )

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        *,
        upgrade: bool = False,
        wait_turn: "Callable[[Request, bool], Awaitable[None]] | None" = None,
        hold: "Callable[[Request, int], None] | None" = None,
    ) -> None:
        self.upgrade = upgrade
        self.held = 0
        """Bytes of the body that count as held."""
        self._hold = hold
        self._wait_turn = wait_turn
        self.method: str = scope["method"]
        self.path: bytes = scope["raw_path"]
        self.query: bytes = scope["query_string"]
        self.receive = receive
        self.client: str = (scope.get("client") or ("", 0))[0]
        self._connection: ClientConnection | None = (scope.get("extensions") or {}).get(CONNECTION)
        self._headers: list[tuple[bytes, bytes]] = scope["headers"]
        single: dict[bytes, bytes] = dict(self._headers)
        self._single = single if len(single) == len(self._headers) else None
        """The headers by name, if none is repeated."""

    def take_over(self, head: bytes, encoder: Encoder) -> StreamConnection:
        """The connection itself, after this head of a response. Raises ClientGone if the client has left."""
        assert self._connection is not None, "the server gives no connection away"
        return self._connection.take_over(head, encoder)

    def respond(self, status: int, headers: Sequence[Header], shared: SharedHeaders, body: bytes) -> bool:
        """Send a whole response; returns False if it has to be sent through ASGI, in parts."""
        return self._connection is not None and self._connection.respond(status, headers, shared, body)

    def unread(self) -> bool:
        """Whether the body is still arriving. The response to such a request says that the connection closes: the rest of
        the body would otherwise have to be read to find the next request after it."""
        return self._connection is not None and self._connection.unread()

    async def turn(self) -> None:
        """Wait for a turn before work on bytes that came after the head: one pass of the loop may bring those of many
        requests."""
        if self._wait_turn is not None:
            await self._wait_turn(self, False)

    async def next_turn(self) -> None:
        """Wait for a turn to continue long work. Other requests have the loop in between, whether they wait or not."""
        await (next_pass() if self._wait_turn is None else self._wait_turn(self, True))

    def hold(self, size: int) -> None:
        """Set the number of bytes of the body that count as held until the response is sent. Raises TooManyRequests and
        Unavailable if too much is held, or waits for clients that do not read: a response that reports a change may be as
        large as the body, and is never refused."""
        refusal = self.refusal(size)
        if refusal is not None:
            raise refusal
        if self._hold is not None:
            self._hold(self, size)
            self.held = size

    def refusal(self, size: int) -> TidingsError | None:
        """The reason why a response of this size is refused: too much waits already for clients that do not read."""
        return None if self._connection is None else self._connection.refusal(size)

    def abort(self) -> None:
        """End the connection in the middle of the response, so that the client sees that it is incomplete."""
        if self._connection is not None:
            self._connection.abort()

    def disconnected(self) -> bool:
        """Whether the client has left, as far as the server can tell."""
        return self._connection is not None and self._connection.disconnected

    def header(self, name: bytes) -> bytes | None:
        """The value of a header, by its name in lower case; None without one.

        Raises BadParameter if it is repeated: a proxy may have checked the other one.
        """
        if self._single is not None:
            return self._single.get(name)
        found = self.headers(name)
        if len(found) > 1:
            error = FieldError(name.decode(), "expected once, got twice")
            raise BadParameter(f"The header {name.decode()} is there twice.", (error,))
        return found[0] if found else None

    def listed(self, name: bytes) -> bytes:
        """The elements of a header that is a list, in one line or several (RFC 9110, 5.3); empty without one."""
        if self._single is not None:
            return self._single.get(name, b"")
        return b", ".join(self.headers(name))

    def has_body(self) -> bool:
        """Whether a body follows."""
        single = self._single
        if single is not None and b"content-length" not in single and b"transfer-encoding" not in single:
            return False
        return has_body(self._headers)

    def header_names(self) -> Collection[bytes]:
        """The names of all headers, in lower case."""
        return [name for name, _ in self._headers] if self._single is None else self._single.keys()

    def headers(self, name: bytes) -> list[bytes]:
        """The values of a header that may be repeated, by its name in lower case."""
        return [value for key, value in self._headers if key == name]


def has_body(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether a body follows a head with these headers, whose names are in lower case."""
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value != b"0")
        for name, value in headers
    )


def bearer_token(request: Request) -> str:
    """The token of an Authorization header that has already been accepted."""
    return (request.header(b"authorization") or b"").partition(b" ")[2].strip().decode()


def cookie_credential(request: Request) -> bytes | None:
    """The token in the server's cookie, in the form of an Authorization header; None without one."""
    for part in (request.header(b"cookie") or b"").split(b";"):
        name, _, value = part.strip().partition(b"=")
        if name == STREAM_COOKIE.encode() and value:
            return b"Bearer " + value
    return None


def idempotency_key(request: Request) -> str | None:
    """The Idempotency-Key, quoted (a string of RFC 9651) or bare, None without one. Raises BadParameter."""
    value = request.header(b"idempotency-key")
    if value is None:
        return None
    bare = re.sub(rb"\\([\\\"])", rb"\1", value[1:-1]) if value[:1] == value[-1:] == b'"' != value else value
    if not _VISIBLE.match(bare):
        got = shown(msgspec.json.encode(value.decode("latin-1")))
        detail = f"expected 1 to 255 visible ASCII characters, quoted or not, got {got}"
        raise BadParameter("The header Idempotency-Key is invalid.", (FieldError("Idempotency-Key", detail),))
    return bare.decode()


def preference(request: Request) -> bytes:
    """The known preference: ``wait=projected``, ``respond-async``, or empty (RFC 7240)."""
    for part in request.listed(b"prefer").split(b","):
        value = part.partition(b";")[0].strip().lower().replace(b'"', b"").replace(b" ", b"")
        if value in (b"wait=projected", b"respond-async"):
            return value
    return b""


def media_type(request: Request) -> str:
    """The media type of the body in lower case, without parameters; empty if none is given.

    Raises UnsupportedMedia for a charset that is not UTF-8, or a content coding: the server decodes neither.
    """
    value = (request.header(b"content-type") or b"").decode("latin-1").lower()
    media, _, parameters = value.partition(";")
    for parameter in parameters.split(";"):
        name, _, charset = parameter.partition("=")
        if name.strip() == "charset" and charset.strip().strip('"') not in ("utf-8", "utf8"):
            raise UnsupportedMedia("The charset of the body must be UTF-8.")
    if (request.header(b"content-encoding") or b"identity").lower() != b"identity":
        raise UnsupportedMedia("The body must not be compressed.")
    return media.strip()


def has_tag(request: Request, tag: bytes) -> bool:
    """Whether If-None-Match names this entity tag, compared weakly (RFC 9110, 13.1.2)."""
    given = {one.strip().removeprefix(_WEAK) for one in request.listed(b"if-none-match").split(b",")}
    return b"*" in given or tag.removeprefix(_WEAK) in given
