"""Publishing, looking up and retracting events."""

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from tidings.config import Settings
from tidings.errors import BadParameter, FieldError, TidingsError
from tidings.events import EventInput
from tidings.http.auth import Principal
from tidings.http.body import check_length, check_media, chunks, read_body
from tidings.http.params import ForUser, Params
from tidings.http.problems import problem
from tidings.http.request import idempotency_key, preference
from tidings.http.shapes import FullEvent, Receipt, Receipts
from tidings.http.table import JSON, NDJSON, Access, Answer, Call, Header, Route, batch_body
from tidings.ingest import Posted

NO_WAIT = b"respond-async"
APPLICATION = "app"
"""The scope of idempotency keys for all API keys: a request may be repeated with the next one."""


async def publish(call: Call[Params, Any]) -> Answer:
    """One event, an array of them, or a stream of lines, by the content type and the first byte."""
    media = check_media(call.request, (JSON, NDJSON))
    key, wish, scope = idempotency_key(call.request), preference(call.request), _scope(call.principal)
    wait = _waits(call.services.settings, wish)
    if media == NDJSON:
        return _import(call, key, wait, wish, scope)
    raw = await read_body(call.request, call.services.settings.max_batch_bytes)
    ingest = call.services.ingest
    if raw.lstrip()[:1] == b"[":
        posted = await ingest.publish_array(raw, scope=scope, key=key, wait=wait)
    else:
        posted = await ingest.publish(raw, scope=scope, key=key, wait=wait)
    return Answer(posted.body, 201, (*_replayed(posted), *_applied(wish)))


async def show(call: Call[ForUser, None]) -> Answer:
    """One event; its targets are for servers only."""
    full = call.principal.may_administer
    return Answer((await call.services.reader.event(call.path["event_id"], full)).body)


async def retract(call: Call[Params, None]) -> Answer:
    """Take an event out of the log, every feed and every inbox."""
    await call.services.ingest.retract(call.path["event_id"])
    return Answer(status=204)


def _import(call: Call[Params, Any], key: str | None, wait: bool, wish: bytes, scope: str) -> Answer:
    if key is not None:
        detail = "an import has a key per line: idempotency_key"
        raise BadParameter(detail, (FieldError("Idempotency-Key", detail),))
    cap = call.services.settings.max_import_bytes
    check_length(call.request, cap)
    sent = chunks(call.request, cap)
    results = call.services.ingest.import_lines(sent, scope=scope, wait=wait)
    return Answer(headers=_applied(wish), media=NDJSON.encode(), chunks=_told(results))


async def _told(results: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    """The result lines; what ends an import early is told in a last line, since its status is long sent."""
    begun = False
    try:
        async for lines in results:
            begun = True
            yield lines
    except TidingsError as error:
        if not begun:
            raise
        yield b'{"line":null,"error":' + problem(error).body + b"}\n"


def _waits(settings: Settings, wish: bytes) -> bool:
    """Whether the publisher waits for feeds and inboxes: as it prefers, or else as the server is set."""
    return bool(wish != NO_WAIT) if wish else settings.fan_out == "inline"


def _scope(principal: Principal) -> str:
    return APPLICATION if principal.is_server else f"user:{principal.user_id}"


def _replayed(posted: Posted) -> tuple[Header, ...]:
    return ((b"idempotency-replayed", b"true"),) if posted.replayed else ()


def _applied(wish: bytes) -> tuple[Header, ...]:
    return ((b"preference-applied", wish),) if wish else ()


ROUTES = (
    Route(
        method="POST",
        path="/v1/events",
        handler=publish,
        access=Access.SERVER,
        summary="Publish one event, an array of them (all or none), or NDJSON (a result line per line)",
        tag="Events",
        body=(EventInput, list[EventInput]),
        body_cap=batch_body,
        raw_body=True,
        consumes=(JSON, NDJSON),
        reply=(Receipt, Receipts),
        status=201,
    ),
    Route(
        method="GET",
        path="/v1/events/{event_id}",
        handler=show,
        access=Access.ANYONE,
        summary="Look up an event",
        tag="Events",
        query=ForUser,
        reply=FullEvent,
    ),
    Route(
        method="DELETE",
        path="/v1/events/{event_id}",
        handler=retract,
        access=Access.SERVER,
        summary="Retract an event everywhere",
        tag="Events",
        status=204,
    ),
)
