"""The ASGI application: one path from a request to a response, the same for every route of the table."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from functools import lru_cache
from typing import Any, ParamSpec

import msgspec

from tidings.config import KIB
from tidings.errors import (
    BadParameter,
    FieldError,
    Forbidden,
    InvalidFields,
    MethodNotAllowed,
    NotFound,
    TidingsError,
    Unauthenticated,
    Unavailable,
)
from tidings.field_errors import MAX_FIELD_ERRORS
from tidings.http.auth import ANONYMOUS, NOBODY, USER_NEEDED, Authenticator, Principal, acting_for
from tidings.http.body import ClientGone, check_media, check_no_body, read_body
from tidings.http.compress import MIN_BYTES, Compressor, choose
from tidings.http.dev_mode import check_development
from tidings.http.headers import Header, SharedHeaders, header_lines
from tidings.http.held_bodies import held_bodies_of
from tidings.http.origins import Cors
from tidings.http.params import Params, all_bad, given, parse, segments
from tidings.http.problems import problem
from tidings.http.proxies import client_key
from tidings.http.request import Receive, Request, Scope, Send, cookie_credential, idempotency_key
from tidings.http.router import PathRoutes, Router
from tidings.http.routes import ROUTES
from tidings.http.routing import (
    SMALL_BODY,
    Access,
    RequestContext,
    Response,
    Route,
    Services,
)
from tidings.http.scheduler import RequestScheduler
from tidings.http.visitors import Visitors
from tidings.http.websocket import SWITCHING
from tidings.telemetry import HTTP_METRICS
from tidings.validation import decode

__all__ = ["App", "Services", "build"]

_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE", "PATCH"})
# Tuples: Python computes the hash of a member of an Enum by a function.
_FOR_A_USER = (Access.SELF, Access.SELF_OR_ADMIN)
_FOR_ANYBODY = (Access.ANYONE, Access.VISITOR)
_UNMATCHED = "unmatched"
_PRIVATE: Header = (b"cache-control", b"private, no-cache")
"""A response is private to its user: shared caches may not store it, and a browser must revalidate it."""
_ALWAYS: tuple[Header, ...] = ((b"x-content-type-options", b"nosniff"), (b"vary", b"accept-encoding"))
_A_CHUNK = 64 * KIB
"""The assumed size in bytes of a response whose length is unknown before it begins."""
_BODILESS = frozenset({204, 304})
_log = logging.getLogger("tidings.http")
P = ParamSpec("P")


def build(services: Services, authenticator: Authenticator) -> "App":
    """The application of one server."""
    return App(services, authenticator)


class App:
    """The ASGI callable."""

    def __init__(self, services: Services, authenticator: Authenticator) -> None:
        self._services = services
        self._naive_utc = services.settings.naive_times == "utc"
        self._authenticator = authenticator
        self._monotonic = services.clock.monotonic
        self._scheduler = RequestScheduler(self._monotonic, time.thread_time)
        self._bodies = held_bodies_of(services.settings)
        self._compressor = Compressor()
        self._cors = Cors(services.settings)
        self._visitors = Visitors(services.settings, self._monotonic)
        self._router = Router(ROUTES, services.settings.prefix)
        self._decoders = {
            route: msgspec.json.Decoder(route.body)
            for route in ROUTES
            if route.body is not None and not route.raw_body
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the lifespan of the server."""
        if scope["type"] == "http":
            request = Request(scope, receive, wait_turn=self._turn, hold=self._hold)
            try:
                await self._serve(request, send)
            except asyncio.CancelledError:
                if not request.disconnected():  # else the connection ended it: the client has left
                    raise
            finally:
                if request.held:
                    self._bodies.change(self._client(request), -request.held)
        elif scope["type"] == "lifespan":
            await self._lifespan(receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        await self._authenticator.start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._authenticator.close()
        self._compressor.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _serve(self, request: Request, send: Send) -> None:
        begun = self._monotonic()
        if not self._scheduler.may_begin():
            await self._scheduler.wait(self._client(request))
        try:
            answer, route = await self._answer(request)
        except ClientGone:
            return
        cors = self._cors.headers(request)
        if answer.attach is not None:
            with contextlib.suppress(ClientGone):
                answer.attach.open(request.take_over(_stream_head(answer, cors), answer.attach.encoder))
            return
        await self._send(answer, cors, request, send)
        if answer.chunks is not None:
            await _send_rest(answer.chunks, request, send)
        elif route is not None:
            HTTP_METRICS.observe(route.method, route.path, self._monotonic() - begun)

    async def _turn(self, request: Request, goes_on: bool = False) -> None:
        if goes_on or not self._scheduler.may_begin():
            await self._scheduler.wait(self._client(request))

    def _client(self, request: Request) -> str:
        return client_key(request, self._services.settings)

    def _hold(self, request: Request, size: int) -> None:
        self._bodies.hold(self._client(request), request.held, size)

    async def upgrade(self, request: Request) -> Response:
        """The response to the handshake of a WebSocket: the stream to attach, or the refusal."""
        await self._turn(request)
        answer, _ = await self._answer(request)
        return answer

    async def _answer(self, request: Request) -> tuple[Response, Route | None]:
        """The response to a request, which may be a failure, and its route; counts the request. Raises ClientGone."""
        found: PathRoutes | None = None
        route: Route | None = None
        try:
            if self._services.settings.dev:
                check_development(request, self._services.settings)
            found, in_path = self._router.find(request.path)
            if request.method == "OPTIONS":
                allow = found.allow
                answer = Response(
                    status=204, headers=((b"allow", allow), *self._cors.preflight(request, allow))
                )
            else:
                route = _route(found, request)
                call = await self._call(route, request, in_path)
                answer = await route.handler(call)
                if call.principal is ANONYMOUS and not route.live:
                    answer = self._visitors.shared(request, answer, self._client(request))
            if answer.chunks is not None and request.method != "HEAD":
                # A failure before the first bytes can still be reported by a status.
                answer = answer._replace(body=await anext(answer.chunks, b""))
        except ClientGone:
            raise
        except asyncio.CancelledError:
            if request.disconnected():
                raise
            # The time of a stop is over: uvicorn ends what still waits, and would log a traceback for each.
            answer = _failed(Unavailable("The server stops, and ended this request."), found)
        except Exception as error:
            answer = _failed(error, found)
        refusal = _refusal(answer, request)
        if refusal is not None:
            if answer.chunks is not None:
                await answer.chunks.aclose()
            answer = problem(refusal)
        status = SWITCHING if request.upgrade and answer.attach is not None else answer.status
        method = request.method if request.method in _METHODS else "other"
        HTTP_METRICS.count(method, found.template if found else _UNMATCHED, status)
        return answer, route

    async def _call(
        self, route: Route, request: Request, in_path: Mapping[str, bytes]
    ) -> RequestContext[Any, Any]:
        """The request, typed. It is authenticated first, so that an unauthenticated client learns nothing."""
        principal = NOBODY
        if route.access is not Access.PUBLIC:
            principal = await self._principal(route, request)
        if route.access is Access.SERVER and not principal.may_administer:
            raise Forbidden("The route needs an API key, or a token with the scope admin.")
        try:
            path = segments(in_path)
            query = parse(request.query, route.query, self._naive_utc)
            user = _acting(route.access, principal, path, query)
        except BadParameter as error:
            raise _all_of_head(error, route, principal, request, in_path, self._naive_utc) from None
        call = RequestContext(self._services, request, principal, user, path, query, None)
        call.body = await self._body(route, call)
        return call

    async def _principal(self, route: Route, request: Request) -> Principal:
        """The principal of a request. Raises Unauthenticated, also for a cookie that holds anything but a user's token, and
        RateLimited for a visitor."""
        credential = request.header(b"authorization")
        if credential is not None or not route.live:
            if credential is None and self._visitors.may_call(route):
                self._visitors.count(self._client(request))
                return ANONYMOUS
            return await self._authenticator.principal(credential)
        # A browser cannot send headers with a stream, so it sends a cookie. Routes that accept the cookie change nothing, so
        # a page of another site has no request to forge.
        cookie = cookie_credential(request)
        if cookie is None and self._visitors.may_call(route):
            return ANONYMOUS
        principal = await self._authenticator.principal(cookie)
        if cookie is not None and principal.kind == "key":
            raise Unauthenticated("The cookie holds no user's token.")
        return principal

    async def _body(self, route: Route, call: RequestContext[Any, None]) -> Any:
        """The body, typed. Raises InvalidFields with the errors of all invalid fields."""
        request, decoder = call.request, self._decoders.get(route)
        if decoder is None:
            if not route.raw_body and request.has_body():
                await check_no_body(request)
            return None
        raw = await read_body(request, route.body_cap(self._services.settings))
        if raw:
            check_media(request, route.consumes)
        elif route.body_optional:
            raw = b"{}"
        if route.body_check is not None and len(raw) > SMALL_BODY:
            route.body_check(raw, self._services.settings)
        try:
            return decode(decoder, raw)
        except InvalidFields as error:
            if route.fitting_errors is None:
                raise
            errors = (*error.errors, *route.fitting_errors(call, error.fitting))
            raise InvalidFields(errors=errors[:MAX_FIELD_ERRORS]) from None

    async def _send(self, answer: Response, cors: tuple[Header, ...], request: Request, send: Send) -> None:
        body, coding = answer.body, None
        if answer.chunks is None and len(body) >= MIN_BYTES:
            body, coding = await self._compressed(answer, request)
        more = answer.chunks is not None
        headers = _own_headers(answer, len(body))
        shared = _shared_headers(
            b"cache-control" in dict(answer.headers),
            b"" if answer.status in _BODILESS else answer.media,
            coding,
            cors,
        )
        if not more and request.method != "HEAD" and request.respond(answer.status, headers, shared, body):
            return
        headers += shared.headers
        if request.unread():
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": more})

    async def _compressed(self, answer: Response, request: Request) -> tuple[bytes, str | None]:
        """The body as it is sent, and its coding."""
        coding = choose(request.listed(b"accept-encoding"))
        if coding is not None:
            encoded = await self._compressor.encoded(answer.cached or answer.body, coding)
            if encoded is not None:
                return encoded, coding
        return answer.body, None


def _route(found: PathRoutes, request: Request) -> Route:
    """The route of this path for the request. Raises MethodNotAllowed, and NotFound for a WebSocket on another path."""
    route = found.route(request.method)
    if request.upgrade and not route.socket:
        raise NotFound("this path accepts no WebSocket")
    return route


def _acting(access: Access, principal: Principal, path: Mapping[str, str], query: Params) -> str:
    """The user on whose behalf the request is; "" on a route where the user is optional and was not given."""
    asked = path.get("user_id") or getattr(query, "user_id", None)
    if access in _FOR_A_USER:
        return acting_for(principal, asked, admin_for_all=access is Access.SELF_OR_ADMIN)
    if access in _FOR_ANYBODY and (asked or not principal.is_server):
        return acting_for(principal, asked)
    return ""


def _all_of_head(
    first: BadParameter,
    route: Route,
    principal: Principal,
    request: Request,
    in_path: Mapping[str, bytes],
    naive_utc: bool,
) -> BadParameter:
    """The error that names every invalid parameter in the path, the query and the headers, for a request of which one was
    refused."""
    if not first.errors:
        return first  # an undecodable query has no names
    errors = [*_errors(segments, in_path), *_errors(parse, request.query, route.query, naive_utc)]
    named = in_path.keys() | given(request.query).keys()
    if route.access in _FOR_A_USER and principal.is_server and "user_id" not in named:
        errors.append(FieldError("user_id", USER_NEEDED))
    if route.raw_body:
        errors += _errors(idempotency_key, request)
    return all_bad(errors)


def _errors(check: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> tuple[FieldError, ...]:
    try:
        check(*args, **kwargs)
    except BadParameter as error:
        return error.errors
    return ()


def _failed(error: Exception, found: PathRoutes | None) -> Response:
    if isinstance(error, MethodNotAllowed) and found is not None:
        return problem(error, ((b"allow", found.allow),))
    if isinstance(error, TidingsError):
        return problem(error)
    _log.error("a request failed", exc_info=error)
    return problem(TidingsError())


def _refusal(answer: Response, request: Request) -> TidingsError | None:
    """The reason why the response to a read, or an error, is refused while many others wait to be received; None if it is
    not."""
    size = len(answer.body) if answer.chunks is None else max(len(answer.body), _A_CHUNK)
    counted = request.method == "GET" or answer.status >= 400  # other responses report a change
    return request.refusal(size) if counted else None


def _own_headers(answer: Response, length: int) -> list[Header]:
    """The headers that few other responses have."""
    headers = list(answer.headers)
    if answer.chunks is None and answer.status not in _BODILESS:
        headers.append((b"content-length", b"%d" % length))
    return headers


@lru_cache(maxsize=256)
def _shared_headers(
    for_caches: bool, media: bytes, coding: str | None, cors: tuple[Header, ...]
) -> SharedHeaders:
    """The other headers. ``for_caches``: the response has its own rule for caches; ``media``: empty without a body."""
    headers = _ALWAYS if for_caches else (*_ALWAYS, _PRIVATE)
    if media:
        headers = (*headers, (b"content-type", media))
    if coding is not None:
        headers = (*headers, (b"content-encoding", coding.encode()))
    return SharedHeaders((*headers, *cors))


async def _send_rest(chunks: AsyncGenerator[bytes], request: Request, send: Send) -> None:
    try:
        if request.method == "HEAD":
            await send({"type": "http.response.body", "body": b""})
        else:
            await _send_chunks(chunks, send)
    except ClientGone:
        return
    except TidingsError as error:  # the status is sent already: a partial response must not look complete
        _log.info("a response in parts ended early: %s", error)
        request.abort()
    finally:
        await chunks.aclose()


async def _send_chunks(chunks: AsyncGenerator[bytes], send: Send) -> None:
    async for chunk in chunks:
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


def _stream_head(answer: Response, cors: tuple[Header, ...]) -> bytes:
    """The head of a response that ends with its connection."""
    headers = (*answer.headers, *cors, *_ALWAYS, (b"content-type", answer.media), (b"connection", b"close"))
    return b"HTTP/1.1 200 OK\r\n" + header_lines(headers) + b"\r\n"
