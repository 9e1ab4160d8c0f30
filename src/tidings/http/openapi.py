"""The OpenAPI 3.1 document, generated from the route table and its types."""

import re
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from inspect import cleandoc
from typing import Any

import msgspec

from tidings.http.params import PATH_TYPES
from tidings.http.routing import JSON, NDJSON, Access, Route
from tidings.http.schemas import Problem
from tidings.http.schemas_frames import FRAMES

Json = dict[str, Any]

_REF = "#/components/schemas/{name}"
_PARAMETER = re.compile(r"\{(\w+)\}")
_PROBLEM = {"application/problem+json": {"schema": {"$ref": _REF.format(name="Problem")}}}
_LINES = {"type": "string", "description": "A JSON object per line."}
_MEANINGS = {
    400: "A parameter or a header is not accepted, or the body could not be read",
    401: "No credential, or an invalid one",
    403: "This request is not allowed",
    404: "The resource does not exist, or belongs to another user",
    409: "The state does not allow it: the first request with this idempotency key is in progress, another action was taken "
    "before, or the endpoint gets no deliveries",
    410: "The time for the request is over",
    413: "The request exceeds a limit of this server",
    415: "The content type is not supported",
    422: "A field of the request is not accepted, or there is a body and the route takes none",
    429: "Too many at once: streams that are open, active broadcasts, bodies that are received",
    503: "The server is temporarily unavailable",
}


def document(routes: Sequence[Route], prefix: str) -> bytes:
    """The description of these routes, served under ``prefix``, as JSON."""
    schemas = _schemas(routes)
    paths: dict[str, Json] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return msgspec.json.encode(
        {
            "openapi": "3.1.0",
            "info": {
                "title": "Tidings",
                "version": version("tidings"),
                "summary": "Activity feeds, notification inboxes, live delivery and trends.",
            },
            "servers": [{"url": prefix or "/"}],
            "security": [{"bearer": []}],
            "paths": paths,
            "components": {
                "schemas": schemas,
                "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
            },
        }
    )


def _operation(route: Route) -> Json:
    operation: Json = {
        "operationId": operation_id(route),
        "summary": route.summary,
        "description": route.access.value,
        "tags": [route.tag],
        "parameters": [*_path_parameters(route), *_query_parameters(route)],
        "responses": {str(status): answer for status, answer in _responses(route)},
    }
    if route.body is not None:
        content = {media: {"schema": _body_schema(route, media)} for media in route.consumes}
        operation["requestBody"] = {"required": not route.body_optional, "content": content}
    if route.access is Access.PUBLIC:
        operation["security"] = []
    if route.access is Access.VISITOR:
        operation["security"] = [{"bearer": []}, {}]
    return operation


def operation_id(route: Route) -> str:
    """A name for the route that generated clients can use: ``get_v1_feed_new``."""
    words = re.findall(r"\w+", route.path.replace("-", "_")) or ["index"]
    return "_".join([route.method.lower(), *words])


def _path_parameters(route: Route) -> Iterable[Json]:
    for name in _PARAMETER.findall(route.path):
        (schema,), _ = msgspec.json.schema_components([PATH_TYPES[name]], ref_template=_REF)
        yield {"name": name, "in": "path", "required": True, "schema": _portable(schema)}


def _query_parameters(route: Route) -> Iterable[Json]:
    schema = _portable(msgspec.json.schema(route.query))
    (whole,) = schema["$defs"].values()
    for name, described in whole["properties"].items():
        yield {
            "name": name,
            "in": "query",
            "required": name in whole["required"],
            "schema": _without_null(described),
        }


def _responses(route: Route) -> Iterable[tuple[int, Json]]:
    yield route.status, _success(route)
    for status in route.also:
        yield status, _success(route)
    if NDJSON in route.consumes:
        yield 200, {"description": "A result line per line", "content": {NDJSON: {"schema": _LINES}}}
    for status in _failures(route):
        yield status, {"description": _MEANINGS[status], "content": _PROBLEM | _failure_page(route, status)}


def _failure_page(route: Route, status: int) -> Json:
    """The HTML page that a route for browsers sends for its own failures, instead of a problem."""
    page = route.produces.startswith("text/html") and status in route.fails
    return {route.produces: {"schema": {"type": "string"}}} if page else {}


def _success(route: Route) -> Json:
    if route.status == 204:
        return {"description": "Done"}
    schema: Json = {"type": "string"}
    if route.reply is not None:
        schema = _any_of(route.reply)
    elif route.produces == JSON:
        schema = {"type": "object"}
    return {"description": route.summary, "content": {route.produces: {"schema": schema}}}


def _failures(route: Route) -> Iterable[int]:
    yield 400
    if route.access is not Access.PUBLIC:
        yield from (401, 403)
    if "{" in route.path:
        yield 404
    if route.body is not None:
        yield from (409, 413, 415, 422) if route.raw_body else (413, 415, 422)
    elif route.method != "GET":
        yield 422  # for a body
    yield from route.fails
    if (route.live or route.body is not None) and 429 not in route.fails:
        yield 429
    yield 503


def _body_schema(route: Route, media: str) -> Json:
    return _LINES if media == NDJSON else _any_of(route.body)


def _types(named: Any) -> tuple[Any, ...]:
    return named if isinstance(named, tuple) else (named,)


def _any_of(named: Any) -> Json:
    found, _ = msgspec.json.schema_components(_types(named), ref_template=_REF)
    return found[0] if len(found) == 1 else {"anyOf": list(found)}


def _schemas(routes: Sequence[Route]) -> Json:
    named = [
        Problem,
        *(one for route in routes for part in (route.body, route.reply) for one in _types(part)),
        *(one for data in FRAMES.values() for one in data),
    ]
    types = list(dict.fromkeys(one for one in named if one is not None))
    _, components = msgspec.json.schema_components(types, ref_template=_REF)
    return dict(_portable(components))


def _portable(schema: Any, key: str = "") -> Any:
    r"""The schema for readers other than Python: patterns as ECMA-262 writes them, ``^…$`` for ``\A…\Z``, and
    descriptions without the indentation of docstrings."""
    if isinstance(schema, dict):
        return {name: _portable(value, name) for name, value in schema.items()}
    if isinstance(schema, list | tuple):
        return [_portable(one) for one in schema]
    return _text(key, schema) if isinstance(schema, str) else schema


def _text(key: str, text: str) -> str:
    if key == "pattern":
        return text.replace(r"\A", "^").replace(r"\Z", "$")
    return cleandoc(text).replace("``", "`") if key == "description" else text


def _without_null(schema: Json) -> Json:
    """A parameter is left out, never null."""
    kept = {key: value for key, value in schema.items() if not (key == "default" and value is None)}
    if "anyOf" not in kept:
        return kept
    (only,) = [one for one in kept.pop("anyOf") if one.get("type") != "null"]
    return {**only, **kept}
