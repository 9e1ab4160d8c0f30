"""Deliveries that were not sent, for operators."""

from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import Meta

from tidings.field_errors import FieldCheck
from tidings.http import schemas_delivery as shapes
from tidings.http.conditional import listing
from tidings.http.params import CURSOR, DEFAULT_PAGE, Cursor, Limit, Params
from tidings.http.routing import Access, RequestContext, Response, Route
from tidings.ids import message_id
from tidings.status import QueuedDelivery
from tidings.timeutil import rfc3339

_encode = msgspec.json.Encoder().encode


class DeliveriesQuery(Params):
    """A page of the deliveries to an endpoint, or to all."""

    CHECKS: ClassVar[tuple[FieldCheck, ...]] = (CURSOR,)

    endpoint: (
        Annotated[str, Meta(min_length=1, max_length=64, description="The id of an endpoint.")] | None
    ) = None
    cursor: Cursor | None = None
    limit: Limit = DEFAULT_PAGE


async def listed(call: RequestContext[DeliveriesQuery, None]) -> Response:
    """A page of the deliveries that were not sent."""
    service, query = call.services.deliveries, call.query
    found, goes_on = await service.page(query.endpoint, query.limit, query.cursor)
    items = [_encode(_shown(one)) for one in found]
    return listing(call, items, goes_on, lambda last: service.cursor_after(query.endpoint, found[last]))


async def resend(call: RequestContext[Params, None]) -> Response:
    """Make a delivery due now."""
    return Response(_encode(_shown(await call.services.deliveries.resend(call.path["id"]))), 202)


def _shown(delivery: QueuedDelivery) -> dict[str, Any]:
    return {
        "id": str(delivery.id),
        "message_id": message_id(delivery.endpoint_id, delivery.id, delivery.created_at),
        "endpoint_id": delivery.endpoint_id,
        "user_id": delivery.user_id,
        "channel": delivery.channel,
        "type": delivery.type,
        "notification_id": delivery.notification_id,
        "state": delivery.state,
        "attempts": delivery.attempts,
        "error": delivery.error or None,
        "due_at": None if delivery.state == "dead" else rfc3339(delivery.due_at),
        "created_at": rfc3339(delivery.created_at),
    }


_TAG = "Operation"

ROUTES = (
    Route(
        method="GET",
        path="/v1/admin/deliveries",
        handler=listed,
        access=Access.SERVER,
        summary="Queued deliveries and dead letters of an endpoint, or of all, newest first",
        tag=_TAG,
        query=DeliveriesQuery,
        reply=shapes.UnsentDeliveriesPage,
        fails=(404,),
    ),
    Route(
        method="POST",
        path="/v1/admin/deliveries/{id}/resend",
        handler=resend,
        access=Access.SERVER,
        summary="Send a queued delivery or a dead letter now, with a new count of attempts",
        tag=_TAG,
        reply=shapes.UnsentDelivery,
        status=202,
        fails=(409,),
    ),
)
