"""Broadcasts: one event for all users, or for all followers of a topic."""

from typing import Any

from tidings.events import BroadcastInput
from tidings.http.body import check_media, read_body
from tidings.http.params import Params
from tidings.http.publish_options import publish_options
from tidings.http.routing import JSON, Access, RequestContext, Response, Route, batch_body
from tidings.http.schemas import Receipt


async def publish(call: RequestContext[Params, Any]) -> Response:
    """Publish an event to an audience; each user gets it on the next request."""
    check_media(call.request, (JSON,))
    how = publish_options(call)
    raw = await read_body(call.request, call.services.settings.max_batch_bytes)
    ingest = call.services.ingest
    return how.answer(await ingest.broadcast(raw, scope=how.scope, key=how.key, wait=how.wait))


ROUTES = (
    Route(
        method="POST",
        path="/v1/broadcasts",
        handler=publish,
        access=Access.SERVER,
        summary="Publish one event to everybody, or to all who follow a topic",
        tag="Reminders and broadcasts",
        body=BroadcastInput,
        body_cap=batch_body,
        raw_body=True,
        reply=Receipt,
        status=201,
        fails=(429,),
    ),
)
