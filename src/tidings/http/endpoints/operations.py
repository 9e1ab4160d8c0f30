"""Trends, and what operators and their tools ask."""

from typing import Literal

import msgspec

from tidings.errors import Unavailable
from tidings.http import shapes
from tidings.http.params import DEFAULT_PAGE, MAX_PAGE, ForUser, Limit, Params
from tidings.http.table import Access, Answer, Call, Route, cached_answer
from tidings.model import Changed
from tidings.telemetry import CONTENT_TYPE


class TopQuery(ForUser):
    """Which window, and what is counted in it."""

    window: Literal["1m", "5m", "1h"] = "1h"
    by: Literal["object", "verb", "object_type", "actor"] = "object"
    limit: Limit = DEFAULT_PAGE


async def top(call: Call[TopQuery, None]) -> Answer:
    """The most frequent of a window."""
    query = call.query
    return Answer((await call.services.reader.top(query.window, query.by, query.limit)).body)


async def status(call: Call[Params, None]) -> Answer:
    """Sizes, pending fan-out jobs, dead letters."""
    return Answer((await call.services.reader.status()).body)


async def dead_letters(call: Call[Params, None]) -> Answer:
    """Fan-out that was set aside because it kept failing."""
    return Answer((await call.services.reader.dead_letters(MAX_PAGE)).body)


async def replay(call: Call[Params, None]) -> Answer:
    """Try all of it again."""
    return _changed(await call.services.ingest.replay_dead_letters())


async def reconcile(call: Call[Params, None]) -> Answer:
    """Have every feed completed from the log, in the background."""
    return _changed(await call.services.ingest.reconcile())


def _changed(changed: Changed) -> Answer:
    shown = shapes.Changed(updated=changed.updated, position=changed.position)
    return Answer(msgspec.json.encode(shown), 202)


async def livez(call: Call[Params, None]) -> Answer:
    """The process answers; whatever else fails, restarting it would not help."""
    return Answer(msgspec.json.encode(shapes.Health(status="alive")))


async def readyz(call: Call[Params, None]) -> Answer:
    """Whether requests should be sent here. Raises Unavailable with the reason why not."""
    why_not = call.services.ready()
    if why_not is not None:
        raise Unavailable(why_not)
    return Answer(msgspec.json.encode(shapes.Health(status="ready")))


async def metrics(call: Call[Params, None]) -> Answer:
    """All metrics, in the Prometheus text format, at most a second old."""
    return cached_answer(call.services.metrics.body(), CONTENT_TYPE)


_TAG = "Operation"

ROUTES = (
    Route(
        method="GET",
        path="/v1/top",
        handler=top,
        access=Access.ANYONE,
        summary="The most frequent objects, verbs, object types or actors of a sliding window",
        tag="Trends",
        query=TopQuery,
        reply=shapes.Top,
    ),
    Route(
        method="GET",
        path="/v1/admin/status",
        handler=status,
        access=Access.SERVER,
        summary="Sizes, pending fan-out jobs and dead letters",
        tag=_TAG,
        reply=shapes.Status,
    ),
    Route(
        method="GET",
        path="/v1/admin/dead-letters",
        handler=dead_letters,
        access=Access.SERVER,
        summary="Fan-out that was set aside because it kept failing",
        tag=_TAG,
        reply=shapes.DeadLetters,
    ),
    Route(
        method="POST",
        path="/v1/admin/dead-letters/replay",
        handler=replay,
        access=Access.SERVER,
        summary="Try set-aside fan-out again",
        tag=_TAG,
        reply=shapes.Changed,
        status=202,
    ),
    Route(
        method="POST",
        path="/v1/admin/reconcile",
        handler=reconcile,
        access=Access.SERVER,
        summary="Complete every feed from the log, in the background",
        tag=_TAG,
        reply=shapes.Changed,
        status=202,
    ),
    Route(
        method="GET",
        path="/livez",
        handler=livez,
        access=Access.PUBLIC,
        summary="Whether the process is alive",
        tag=_TAG,
        reply=shapes.Health,
    ),
    Route(
        method="GET",
        path="/readyz",
        handler=readyz,
        access=Access.PUBLIC,
        summary="Whether requests should be sent here",
        tag=_TAG,
        reply=shapes.Health,
    ),
    Route(
        method="GET",
        path="/metrics",
        handler=metrics,
        access=Access.PUBLIC,
        summary="Metrics, at most a second old, in the Prometheus text format",
        tag=_TAG,
        produces=CONTENT_TYPE.decode(),
    ),
)
