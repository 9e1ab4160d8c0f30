"""The route table: every path of the server, once."""

import asyncio
import threading

from tidings.http import openapi
from tidings.http.compress import CachedBody
from tidings.http.endpoints import (
    confirmation,
    deliveries,
    endpoints,
    events,
    feeds,
    jobs,
    live,
    notifications,
    operations,
    people,
    preferences,
    reminders,
    session,
    site,
    types,
    unsubscription,
)
from tidings.http.params import Params
from tidings.http.routing import Access, RequestContext, Response, Route, cached_answer

_documents: dict[str, CachedBody] = {}
_DESCRIBING = threading.Lock()


async def describe(call: RequestContext[Params, None]) -> Response:
    """This table as an OpenAPI document. It takes tens of milliseconds, so a thread makes it, once."""
    prefix = call.services.settings.prefix
    if prefix not in _documents:
        await asyncio.to_thread(_describe, prefix)
    return cached_answer(_documents[prefix])


def _describe(prefix: str) -> None:
    with _DESCRIBING:
        if prefix not in _documents:
            _documents[prefix] = CachedBody(openapi.document(ROUTES, prefix))


ROUTES: tuple[Route, ...] = (
    *events.ROUTES,
    *people.ROUTES,
    *feeds.ROUTES,
    *notifications.ROUTES,
    *preferences.ROUTES,
    *types.ROUTES,
    *live.ROUTES,
    *session.ROUTES,
    *reminders.ROUTES,
    *endpoints.ROUTES,
    *confirmation.ROUTES,
    *unsubscription.ROUTES,
    *deliveries.ROUTES,
    *operations.ROUTES,
    *jobs.ROUTES,
    *site.ROUTES,
    Route(
        method="GET",
        path="/openapi.json",
        handler=describe,
        access=Access.PUBLIC,
        summary="This description",
        tag="Pages",
    ),
)
