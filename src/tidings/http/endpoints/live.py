"""The live stream of one user: as server-sent events, as a WebSocket and as a long poll; and streams of activity, also for
visitors."""

import random
from collections.abc import Callable
from typing import Annotated, ClassVar, TypeVar

from msgspec import Meta

from tidings.activity_scope import FEED_ALONE, ActivityScope
from tidings.errors import Deferred, Forbidden, TooManyRequests, UpgradeRequired
from tidings.field_errors import FieldCheck
from tidings.http import schemas_frames
from tidings.http.long_poll import polled
from tidings.http.origins import may_open_socket
from tidings.http.params import TOPICS, ForUser, TopicList, names, some_of, topic_list
from tidings.http.problems import problem, stream_limit
from tidings.http.proxies import client_key
from tidings.http.request import Request
from tidings.http.routing import Access, RequestContext, Response, Route, StreamResponse
from tidings.http.sse import EVENT_STREAM, SERVER_SENT_EVENTS, farewell
from tidings.http.stream_connection import StreamConnection
from tidings.http.websocket import TEXTS, try_again_later
from tidings.live import ACTIVITY, INCLUDE, Encoder, Stream, Transport
from tidings.visibility import VISITOR

_HEADERS = (
    # Proxies must neither cache, change nor buffer the stream.
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),
)
_MEDIA = EVENT_STREAM.encode()
FULL_RETRY_S = (30, 60)
"""Bounds of the seconds after which an EventSource over the caps reconnects: streams whose network failed have ended by then
(docs/adr/0010)."""

EventId = Annotated[str, Meta(max_length=256)]


ALL_ACTIVITY = "activity:all"
"""What ``include`` names the public events of all users."""


class ActivityStreamQuery(ForUser):
    """``topic``: topics whose events the stream carries, without them all public events. ``last_event_id`` (or
    ``lastEventId``): the cursor to continue from, without a header Last-Event-ID."""

    CHECKS: ClassVar[tuple[FieldCheck, ...]] = (TOPICS,)
    REPEATABLE: ClassVar[frozenset[str]] = frozenset({"topic"})

    topic: TopicList | None = None
    last_event_id: EventId | None = None
    lastEventId: EventId | None = None


class StreamQuery(ActivityStreamQuery):
    """``include``: notifications, activity (the feed) and activity:all (public events of all users), by comma; ``topic``:
    topics whose events the stream carries too, followed or not. ``last_event_id`` (or ``lastEventId``, as some clients call
    it): the cursor to continue from, without a header Last-Event-ID."""

    CHECKS: ClassVar[tuple[FieldCheck, ...]] = (some_of("include", INCLUDE | {ALL_ACTIVITY}), TOPICS)

    include: Annotated[str, Meta(min_length=1, max_length=64)] = "notifications"


class PollQuery(StreamQuery):
    """The same, and ``wait``: for how many seconds a client with a cursor waits for changes after it."""

    wait: Annotated[int, Meta(ge=0, le=60)] = 0


Asked = TypeVar("Asked", bound=ActivityStreamQuery)


async def stream(call: RequestContext[Asked, None]) -> Response:
    """Open a stream of server-sent events; it ends when the server stops, at its maximum age, or with the credential.

    An EventSource does not reconnect after any status but 200, so it gets the time to reconnect in the stream itself.
    """
    try:
        return _attached(call, SERVER_SENT_EVENTS)
    except Deferred as error:
        if not _reads_events(call.request):
            raise
        return _later(error.retry_after)
    except TooManyRequests as error:
        if not _is_event_source(call.request):
            return problem(error, stream_limit(_most_streams(call), error))
        return _later(random.randint(*FULL_RETRY_S))


async def socket(call: RequestContext[StreamQuery, None]) -> Response:
    """Open a WebSocket with the same frames. Raises UpgradeRequired for a plain request, Forbidden for a page of
    another site: a browser sends cookies along with its handshake, and no preflight goes before it."""
    if not call.request.upgrade:
        raise UpgradeRequired("Ask for a WebSocket here, or for /v1/notifications/stream.")
    _check_origin(call)
    try:
        return _attached(call, TEXTS)
    except Deferred as error:
        goodbye = try_again_later(f"retry after {error.retry_after} s")
        return Response(attach=StreamResponse(TEXTS, lambda connection: connection.close(goodbye)))
    except TooManyRequests as error:
        return problem(error, stream_limit(_most_streams(call), error))


async def poll(call: RequestContext[PollQuery, None]) -> Response:
    """Respond with the frames that a stream would send now, or, to a client with a cursor that waits, as soon as there is
    one.

    A client without a cursor gets one at once, that of the hello. Over the caps the request does not wait: the response is
    immediate, since a client that polls has no other transport left.
    """
    wait_s = min(call.query.wait, call.services.settings.max_wait_s) if _last_event_id(call) else 0
    try:
        open = _admitted(call, stays=wait_s > 0)
    except TooManyRequests:
        open, wait_s = _admitted(call, stays=False), 0
    return Response(await polled(call.services.live, open, wait_s, call.request))


def _most_streams(call: RequestContext[Asked, None]) -> int:
    settings = call.services.settings
    visitor = call.user in ("", VISITOR)
    return settings.max_public_streams_per_address if visitor else settings.max_streams_per_user


def _later(seconds: int) -> Response:
    return Response(farewell(seconds * 1_000), headers=_HEADERS, media=_MEDIA)


def _reads_events(request: Request) -> bool:
    return _MEDIA in request.listed(b"accept")


def _is_event_source(request: Request) -> bool:
    """Whether the client is an EventSource, which sends both of these headers and cannot read a status."""
    return _reads_events(request) and request.header(b"cache-control") == b"no-cache"


def _attached(call: RequestContext[Asked, None], encoder: Encoder) -> Response:
    live, open = call.services.live, _admitted(call)

    def attach(connection: StreamConnection) -> None:
        opened = open(connection)
        connection.became = lambda writable: live.writable(opened) if writable else live.lost(opened)

    return Response(headers=_HEADERS, media=_MEDIA, attach=StreamResponse(encoder, attach))


def _admitted(call: RequestContext[Asked, None], *, stays: bool = True) -> Callable[[Transport], Stream]:
    """The function that opens the requested and admitted stream on a transport. The caller must call it exactly once."""
    include, scope = contents(call.query)
    live, user = call.services.live, call.user or VISITOR
    address = client_key(call.request, call.services.settings)
    live.admit(user, address, stays=stays)
    last, expires_in_s = _last_event_id(call), _credential_s(call)

    def open(wire: Transport) -> Stream:
        return live.open(user, include, last, wire, address=address, expires_in_s=expires_in_s, scope=scope)

    return open


def contents(query: ActivityStreamQuery) -> tuple[frozenset[str], ActivityScope]:
    """(the kinds of frames of a stream, the activity that it carries)."""
    topics = topic_list(query.topic)
    if not isinstance(query, StreamQuery):
        return frozenset({ACTIVITY}), ActivityScope(False, not topics, topics)
    asked = frozenset(names(query.include))
    include = asked & INCLUDE
    if ALL_ACTIVITY not in asked and not topics:
        return include, FEED_ALONE
    return include | {ACTIVITY}, ActivityScope(ACTIVITY in asked, ALL_ACTIVITY in asked, topics)


def _check_origin(call: RequestContext[StreamQuery, None]) -> None:
    origin = call.request.header(b"origin")
    if origin is None:
        return  # not a browser
    host = (call.request.header(b"host") or b"").decode("latin-1")
    if not may_open_socket(call.services.settings, origin, host):
        raise Forbidden(
            "Pages of this origin may not open a WebSocket: the settings cors_origins and allowed_origins list those "
            "that may."
        )


def _last_event_id(call: RequestContext[Asked, None]) -> str | None:
    """The header takes precedence: a client that reconnects sends its first URL, and a newer header."""
    header = call.request.header(b"last-event-id")
    if header:
        return header.decode("latin-1")
    return call.query.last_event_id or call.query.lastEventId


def _credential_s(call: RequestContext[Asked, None]) -> float | None:
    """Seconds until the credential expires; None if it does not."""
    expires_at = call.principal.expires_at
    if expires_at is None:
        return None
    return expires_at + call.services.settings.jwt_leeway_s - call.services.clock.now() / 1_000


ROUTES = (
    Route(
        method="GET",
        path="/v1/notifications/stream",
        handler=stream,
        access=Access.SELF,
        summary="A user's notifications, marks and (if asked) feed items as they come, as server-sent events",
        tag="Live",
        query=StreamQuery,
        produces=EVENT_STREAM,
        live=True,
    ),
    Route(
        method="GET",
        path="/v1/activity/stream",
        handler=stream,
        access=Access.VISITOR,
        summary="The public events of all users, or the events of topics, as they come, as server-sent events",
        tag="Live",
        query=ActivityStreamQuery,
        produces=EVENT_STREAM,
        live=True,
    ),
    Route(
        method="GET",
        path="/v1/notifications/ws",
        handler=socket,
        access=Access.SELF,
        summary="The same as a WebSocket",
        tag="Live",
        query=StreamQuery,
        status=101,
        live=True,
        socket=True,
    ),
    Route(
        method="GET",
        path="/v1/notifications/poll",
        handler=poll,
        access=Access.SELF,
        summary="The same frames in one response, which waits until there is one",
        tag="Live",
        query=PollQuery,
        reply=schemas_frames.Polled,
        live=True,
    ),
)
