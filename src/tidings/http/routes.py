"""The route table: every address of the server, once."""

import asyncio
import threading
from functools import cache

from tidings.http import openapi
from tidings.http.compress import CachedBody
from tidings.http.endpoints import (
    broadcasts,
    confirmation,
    endpoints,
    events,
    explain,
    feeds,
    live,
    notifications,
    operations,
    people,
    preferences,
    reminders,
    session,
    site,
    types,
)
from tidings.http.params import Params
from tidings.http.routing import Access, RequestContext, Response, Route, cached_answer

_DESCRIBING = threading.Lock()


async def describe(call: RequestContext[Params, None]) -> Response:
    """This table as an OpenAPI document."""
    return cached_answer(await asyncio.to_thread(_described, call.services.settings.prefix))


def _described(prefix: str) -> CachedBody:
    """The document, which takes tens of milliseconds the first time: beside the event loop, and once."""
    with _DESCRIBING:
        return _document(prefix)


@cache
def _document(prefix: str) -> CachedBody:
    return CachedBody(openapi.document(ROUTES, prefix))


ROUTES: tuple[Route, ...] = (
    *events.ROUTES,
    *people.ROUTES,
    *feeds.ROUTES,
    *notifications.ROUTES,
    *explain.ROUTES,
    *preferences.ROUTES,
    *types.ROUTES,
    *live.ROUTES,
    *session.ROUTES,
    *reminders.ROUTES,
    *broadcasts.ROUTES,
    *endpoints.ROUTES,
    *confirmation.ROUTES,
    *operations.ROUTES,
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
