"""Trends, and the routes of operators and their tools."""

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import Meta

from tidings.errors import FieldError, Unavailable
from tidings.event_counts import Dimension
from tidings.events import MAX_TOPIC, Id, ObjectType, Topic, Verb
from tidings.field_errors import FieldCheck, mismatch
from tidings.http import schemas, schemas_trends
from tidings.http.params import MAX_PAGE, ONE_VALUE, ForUser, Limit, Params
from tidings.http.routing import Access, RequestContext, Response, Route, cached_answer
from tidings.model import CommandResult
from tidings.telemetry import CONTENT_TYPE


class TopQuery(ForUser):
    """The window, and the keys that it counts; of the events of an object type and of a topic, if given.
    ``compare``: with the window directly before."""

    window: Literal["1m", "5m", "1h"] = "1h"
    by: Dimension = "object"
    limit: Limit = MAX_PAGE
    object_type: Annotated[ObjectType, ONE_VALUE] | None = None
    topic: Annotated[Topic, ONE_VALUE] | None = None
    compare: Literal["previous"] | None = None


_KEYS: dict[str, Any] = {"object": Topic, "verb": Verb, "object_type": ObjectType, "actor": Id}


def _key_errors(key: str | None, by: str) -> Iterator[FieldError]:
    if key is not None:
        try:
            msgspec.convert(key, _KEYS[by])
        except msgspec.ValidationError:
            yield FieldError("key", mismatch(_KEYS[by], msgspec.json.encode(key)))


class SeriesQuery(ForUser):
    """The window, and what is counted: the events with a ``key`` of the dimension ``by``, or without it all; of an object
    type and of a topic, if given."""

    CHECKS: ClassVar[tuple[FieldCheck, ...]] = (FieldCheck(("key", "by"), _key_errors),)

    window: Literal["1m", "5m", "1h"] = "1h"
    by: Dimension = "object"
    key: Annotated[str, Meta(min_length=1, max_length=MAX_TOPIC)] | None = None
    object_type: Annotated[ObjectType, ONE_VALUE] | None = None
    topic: Annotated[Topic, ONE_VALUE] | None = None


async def top(call: RequestContext[TopQuery, None]) -> Response:
    """The most frequent keys of a window."""
    query = call.query
    top = call.services.trends.top(
        query.window,
        query.by,
        query.limit,
        query.object_type,
        query.topic,
        query.compare is not None,
        call.user,
    )
    return Response(await top)


async def series(call: RequestContext[SeriesQuery, None]) -> Response:
    """The events of a window over its time."""
    query = call.query
    series = call.services.trends.series(
        query.window, query.by, query.key, query.object_type, query.topic, call.user
    )
    return Response(await series)


async def status(call: RequestContext[Params, None]) -> Response:
    """Sizes, pending fan-out jobs, dead letters."""
    return Response((await call.services.reader.status()).body)


async def dead_letters(call: RequestContext[Params, None]) -> Response:
    """Fan-out jobs and deliveries that failed too often."""
    return Response((await call.services.reader.dead_letters(MAX_PAGE)).body)


async def replay(call: RequestContext[Params, None]) -> Response:
    """Retry all dead letters."""
    return _changed(await call.services.ingest.replay_dead_letters())


async def reconcile(call: RequestContext[Params, None]) -> Response:
    """Complete every feed from the log, in the background."""
    return _changed(await call.services.ingest.reconcile())


def _changed(changed: CommandResult) -> Response:
    shown = schemas.UpdateResult(updated=changed.updated, position=changed.position)
    return Response(msgspec.json.encode(shown), 202)


async def livez(call: RequestContext[Params, None]) -> Response:
    """The process is alive; no other failure would be cured by a restart."""
    return Response(msgspec.json.encode(schemas.HealthReport(status="alive")))


async def readyz(call: RequestContext[Params, None]) -> Response:
    """Whether the server can take requests. Raises Unavailable with the reason if not."""
    why_not = call.services.ready()
    if why_not is not None:
        raise Unavailable(why_not)
    return Response(msgspec.json.encode(schemas.HealthReport(status="ready")))


async def metrics(call: RequestContext[Params, None]) -> Response:
    """All metrics, in the Prometheus text format, at most a second old."""
    return cached_answer(call.services.metrics.body(), CONTENT_TYPE)


_TAG = "Operation"

ROUTES = (
    Route(
        method="GET",
        path="/v1/top",
        handler=top,
        access=Access.VISITOR,
        summary="The most frequent objects, verbs, object types or actors of a sliding window",
        tag="Trends",
        query=TopQuery,
        reply=schemas_trends.Top,
    ),
    Route(
        method="GET",
        path="/v1/top/series",
        handler=series,
        access=Access.ANYONE,
        summary="The events of a sliding window over its time, in 60 points: of one key, or of all",
        tag="Trends",
        query=SeriesQuery,
        reply=schemas_trends.TopSeries,
    ),
    Route(
        method="GET",
        path="/v1/admin/status",
        handler=status,
        access=Access.SERVER,
        summary="Sizes, pending fan-out jobs and dead letters",
        tag=_TAG,
        reply=schemas.Status,
    ),
    Route(
        method="GET",
        path="/v1/admin/dead-letters",
        handler=dead_letters,
        access=Access.SERVER,
        summary="Dead letters: fan-out jobs and deliveries that failed too often",
        tag=_TAG,
        reply=schemas.DeadLetters,
    ),
    Route(
        method="POST",
        path="/v1/admin/dead-letters/replay",
        handler=replay,
        access=Access.SERVER,
        summary="Retry dead letters",
        tag=_TAG,
        reply=schemas.UpdateResult,
        status=202,
    ),
    Route(
        method="POST",
        path="/v1/admin/reconcile",
        handler=reconcile,
        access=Access.SERVER,
        summary="Complete every feed from the log, in the background",
        tag=_TAG,
        reply=schemas.UpdateResult,
        status=202,
    ),
    Route(
        method="GET",
        path="/livez",
        handler=livez,
        access=Access.PUBLIC,
        summary="Whether the process is alive",
        tag=_TAG,
        reply=schemas.HealthReport,
    ),
    Route(
        method="GET",
        path="/readyz",
        handler=readyz,
        access=Access.PUBLIC,
        summary="Whether the server accepts requests",
        tag=_TAG,
        reply=schemas.HealthReport,
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
