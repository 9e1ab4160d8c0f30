"""The explanation why an event notified a user, or did not."""

from typing import Annotated

from msgspec import Meta

from tidings.http import schemas
from tidings.http.params import ForUser
from tidings.http.routing import Access, RequestContext, Response, Route


class ExplainQuery(ForUser, kw_only=True):
    """The event to explain."""

    event_id: Annotated[str, Meta(min_length=1, max_length=64)]


async def explain(call: RequestContext[ExplainQuery, None]) -> Response:
    """Every condition of a notification, and the decision on each channel. Users do not learn which users block them."""
    full = call.principal.may_administer
    return Response((await call.services.inboxes.explain(call.user, call.query.event_id, full)).body)


ROUTES = (
    Route(
        method="GET",
        path="/v1/notifications/explain",
        handler=explain,
        access=Access.SELF,
        summary="Why a user was notified of an event, or was not",
        tag="Notifications",
        query=ExplainQuery,
        reply=schemas.Explanation,
        fails=(404,),
    ),
)
