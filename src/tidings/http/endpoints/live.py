"""The live stream of one user."""

from typing import Annotated

from msgspec import Meta

from tidings.errors import TooManyRequests
from tidings.http.params import ForUser, bad
from tidings.http.problems import problem, stream_limit
from tidings.http.streams import Ended, server_sent_events
from tidings.http.table import Access, Answer, Call, Route
from tidings.live import INCLUDE

EVENT_STREAM = "text/event-stream"
_HEADERS = (
    # Proxies must neither keep, change nor gather what is sent.
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),
)

EventId = Annotated[str, Meta(max_length=256)]


class StreamQuery(ForUser):
    """``include``: notifications, activity or both, by comma. ``last_event_id`` (or ``lastEventId``, as some
    clients call it): where to go on, when the header Last-Event-ID does not say it."""

    include: Annotated[str, Meta(min_length=1, max_length=64)] = "notifications"
    last_event_id: EventId | None = None
    lastEventId: EventId | None = None


async def stream(call: Call[StreamQuery, None]) -> Answer:
    """Open a stream; it ends when the server leaves, or when the credential does."""
    include = frozenset(call.query.include.split(","))
    if not include <= INCLUDE:
        raise bad("include", f"any of {', '.join(sorted(INCLUDE))}")
    try:
        opened = call.services.live.open(call.user, include, _last_event_id(call))
    except TooManyRequests as error:
        return problem(error, stream_limit(call.services.settings, error))
    chunks = server_sent_events(opened, _credential_end(call))
    return Answer(headers=_HEADERS, media=EVENT_STREAM.encode(), chunks=chunks)


def _last_event_id(call: Call[StreamQuery, None]) -> str | None:
    """The header wins: a client that reconnects sends the address it began with, and a newer header."""
    header = call.request.header(b"last-event-id")
    if header:
        return header.decode("latin-1")
    return call.query.last_event_id or call.query.lastEventId


def _credential_end(call: Call[StreamQuery, None]) -> Ended | None:
    expires_at = call.principal.expires_at
    if expires_at is None:
        return None
    end_ms = (expires_at + call.services.settings.jwt_leeway_s) * 1000
    clock = call.services.clock
    return lambda: clock.now() >= end_ms


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
)
