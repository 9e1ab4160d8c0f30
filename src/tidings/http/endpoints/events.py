"""Publishing events, to their audience or as broadcasts; looking them up and retracting them."""

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

from tidings.errors import BadParameter, FieldError, TidingsError
from tidings.events import BroadcastInput, EventInput
from tidings.http.body import check_length, check_media, chunks, read_body
from tidings.http.params import ForUser, Params
from tidings.http.problems import problem
from tidings.http.publish_options import PublishOptions, publish_options
from tidings.http.routing import JSON, NDJSON, Access, RequestContext, Response, Route, batch_body
from tidings.http.schemas import FullEvent, Receipt, Receipts
from tidings.validation import BOM


async def publish(call: RequestContext[Params, Any]) -> Response:
    """One event, an array of them, or a stream of lines, by the content type and the first byte."""
    media = check_media(call.request, (JSON, NDJSON))
    how = publish_options(call)
    if media == NDJSON:
        return _import(call, how)
    raw = await read_body(call.request, call.services.settings.max_batch_bytes)
    ingest = call.services.ingest
    if raw.removeprefix(BOM).lstrip()[:1] == b"[":
        posted = await ingest.publish_array(
            raw, scope=how.scope, key=how.key, wait=how.wait, take_turn=call.request.next_turn
        )
    else:
        posted = await ingest.publish(raw, scope=how.scope, key=how.key, wait=how.wait)
    return how.answer(posted)


async def broadcast(call: RequestContext[Params, Any]) -> Response:
    """Publish an event to an audience; each user gets it on the next request, on channels at once."""
    check_media(call.request, (JSON,))
    how = publish_options(call)
    raw = await read_body(call.request, call.services.settings.max_batch_bytes)
    ingest = call.services.ingest
    return how.answer(await ingest.broadcast(raw, scope=how.scope, key=how.key, wait=how.wait))


async def show(call: RequestContext[ForUser, None]) -> Response:
    """One event as its viewer sees it. Servers see every event with its targets, unless they ask for a user."""
    full = call.principal.may_administer and call.query.user_id is None
    viewer = None if full else call.user
    return Response((await call.services.reader.event(call.path["event_id"], viewer)).body)


async def retract(call: RequestContext[Params, None]) -> Response:
    """Remove an event from the log, every feed and every inbox."""
    await call.services.ingest.retract(call.path["event_id"])
    return Response(status=204)


def _import(call: RequestContext[Params, Any], how: PublishOptions) -> Response:
    if how.key is not None:
        detail = "expected none, since an import has a key per line (idempotency_key), got one"
        raise BadParameter(detail, (FieldError("Idempotency-Key", detail),))
    cap = call.services.settings.max_import_bytes
    size = check_length(call.request, cap)
    # Only a line that is incomplete and the lines that are being written are in memory.
    call.request.hold(min(size, call.services.settings.max_batch_bytes))
    sent = chunks(call.request, cap)
    results = call.services.ingest.import_lines(
        sent, scope=how.scope, wait=how.wait, take_turn=call.request.next_turn
    )
    return Response(headers=how.applied, media=NDJSON.encode(), chunks=_result_lines(results))


async def _result_lines(results: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    """The result lines; an error that ends an import early is its last line, since the status is already sent."""
    begun = False
    try:
        async for lines in results:
            begun = True
            yield lines
    except TidingsError as error:
        if not begun:
            raise
        yield b'{"line":null,"error":' + problem(error).body + b"}\n"


ROUTES = (
    Route(
        method="POST",
        path="/v1/events",
        handler=publish,
        access=Access.SERVER,
        summary="Publish one event, an array of them (all or none), or NDJSON (a result a line; notifications arrive read)",
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
    Route(
        method="POST",
        path="/v1/broadcasts",
        handler=broadcast,
        access=Access.SERVER,
        summary="Publish one event to all users, or to the followers of a topic",
        tag="Reminders and broadcasts",
        body=BroadcastInput,
        body_cap=batch_body,
        raw_body=True,
        reply=Receipt,
        status=201,
        fails=(429,),
    ),
)
