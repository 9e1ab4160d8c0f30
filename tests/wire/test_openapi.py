"""The OpenAPI document is true: it names every route, and no generated request makes the server fail."""

import json
import re
from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.attack.probe import attacked_server
from tests.wire.people import KEY, SETTINGS, bearer
from tidings.errors import PROBLEM_TYPE, TidingsError
from tidings.http.openapi import document, operation_id
from tidings.http.routes import ROUTES
from tidings.http.schemas import Problem

DOCUMENT: dict[str, Any] = json.loads(document(ROUTES, ""))
GROWTH_MIB = 64
EXAMPLES = 10
"""Generated requests per operation: bounded, so that the suite stays short."""
CHECKS = [not_a_server_error, content_type_conformance, status_code_conformance]
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
ENDING = SCHEMA.exclude(operation_id=[operation_id(route) for route in ROUTES if route.live])
"""The operations whose replies end by themselves."""


@schemathesis.serializer("application/x-ndjson")
def lines(context: schemathesis.SerializationContext, value: Any) -> bytes:
    """The body of an import: whatever text was generated."""
    return str(value).encode(errors="replace")


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of their own, under the probe: generated requests declare types and broadcast to everybody."""
    with attacked_server(tmp_path_factory.mktemp("fuzzed"), **SETTINGS) as server:
        yield server.url
        server.assert_bounds(memory_mib=GROWTH_MIB)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/v1/top", "object_type"),
        ("/v1/top", "topic"),
        ("/v1/top/series", "object_type"),
        ("/v1/top/series", "topic"),
        ("/v1/feed", "object_id"),
        ("/v1/activity", "object_id"),
    ],
)
def test_a_parameter_with_one_value_states_it(path: str, name: str) -> None:
    """The fault: others of this name take several values, and one such as "a,b" got an empty 200."""
    (parameter,) = (one for one in DOCUMENT["paths"][path]["get"]["parameters"] if one["name"] == name)
    assert "One value, taken as it is" in json.dumps(parameter)


@pytest.mark.parametrize(
    ("path", "cause"),
    [
        ("/v1/events", "the first request with this idempotency key"),
        ("/v1/notifications/{id}/actions/{action_id}", "another action"),
        ("/v1/admin/deliveries/{id}/resend", "the endpoint"),
    ],
)
def test_a_conflict_is_described_by_its_causes(path: str, cause: str) -> None:
    """The fault: an action and a resend, which take no idempotency key, had that cause alone."""
    assert cause in DOCUMENT["paths"][path]["post"]["responses"]["409"]["description"]


@ENDING.parametrize()
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_generated_request_fails(case: schemathesis.Case[Any], fuzzed: str) -> None:
    """Whatever fits the document, or breaks it, is answered as the document says and never with a 5xx."""
    whole = "fields" not in (case.query or {})
    case.call_and_validate(
        base_url=fuzzed,
        headers=bearer(KEY),
        checks=[*CHECKS, response_schema_conformance] if whole else CHECKS,
    )


def test_document_is_served(anybody: httpx.Client) -> None:
    """``/openapi.json`` is this document, to anybody."""
    assert anybody.get("/openapi.json").json() == DOCUMENT


def test_document_has_every_route_once() -> None:
    """Each row of the table is an operation with a name of its own, its parameters and its failures."""
    operations = {
        (method.upper(), path): operation
        for path, methods in DOCUMENT["paths"].items()
        for method, operation in methods.items()
    }
    assert set(operations) == {(route.method, route.path) for route in ROUTES}
    names = [operation["operationId"] for operation in operations.values()]
    assert len(set(names)) == len(names)
    for (_, path), operation in operations.items():
        named = {one["name"] for one in operation["parameters"] if one["in"] == "path"}
        assert named == set(re.findall(r"\{(\w+)\}", path))
        assert {"400", "503"} <= set(operation["responses"])


def test_patterns_are_portable() -> None:
    r"""No pattern uses ``\A`` or ``\Z``, which are Python's alone."""
    text = json.dumps(DOCUMENT)
    assert r"\\A" not in text
    assert r"\\Z" not in text


@pytest.mark.parametrize("path", ["/v1/feed", "/nothing", "/v1/topics/x"])
def test_problems_fit_their_shape(anybody: httpx.Client, path: str) -> None:
    """A problem document has the members that the schema says, and a type that is a class of failure."""
    problem = msgspec.json.decode(anybody.get(path).content, type=Problem)
    assert problem.type.removeprefix(PROBLEM_TYPE) in {error.code for error in TidingsError.__subclasses__()}
