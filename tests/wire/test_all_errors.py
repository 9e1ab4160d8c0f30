"""All that is wrong with a request is named in one answer: every parameter, or every field of the body, of every route."""

import re
from collections.abc import Iterator
from typing import Any, get_args
from urllib.parse import quote

import httpx
import msgspec
import pytest

from tests.attack.probe import attacked_server
from tests.wire.people import KEY, SETTINGS, bearer, event
from tidings.field_errors import MAX_FIELD_ERRORS
from tidings.http import schemas
from tidings.http.params import PATH_TYPES
from tidings.http.routes import ROUTES
from tidings.http.routing import Access, Route

GROWTH_MIB = 32
UNKNOWN = "nonsense"
LONG = "\0" * 340
"""Too long for every parameter, and no number, name, time or truth."""
OF_ANOTHER_TYPE = 1.5
"""A value that no field takes: it is no text, no whole number, no list and no object."""
JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of their own under the probe: no bad input is dear."""
    with attacked_server(tmp_path_factory.mktemp("all-errors"), **SETTINGS) as server:
        yield server.url
        server.assert_bounds(memory_mib=GROWTH_MIB)


def cases(routes: Iterator[Route] | list[Route]) -> list[Any]:
    """The routes as parameters of a test."""
    return [pytest.param(route, id=f"{route.method} {route.path}") for route in routes]


def filled(route: Route, values: dict[str, str]) -> str:
    """The path of a route with these parameters."""
    return re.sub(r"\{(\w+)\}", lambda found: quote(values[found[1]], safe=""), route.path)


GOOD_PATH = {
    "user_id": "u",
    "other_id": "v",
    "topic": "market:1",
    "event_id": "e",
    "id": "n0-0",
    "action_id": "a",
    "key": "k",
    "type": "t",
    "file": "f",
}
REFUSED_BY_CHECKS = {"cursor": "zz", "from": "x", "to": "x", "fields": "zz", "include": "zz", "limit": "0"}
REFUSED_BY_CHECKS |= {"verb": "\0,", "object_type": "a:,", "actor_id": "\0,", "topic": "a,"}
"""Values that fit the type of their parameter, and are refused by more than that."""


def parameters(route: Route) -> list[str]:
    """The names of a route's query parameters."""
    return [field.encode_name for field in msgspec.structs.fields(route.query)]


def refused(reply: httpx.Response, status: int, code: str) -> list[str]:
    """The pointers of an answer with this problem, each with what is accepted and what was got."""
    assert reply.status_code == status, reply.text
    problem = msgspec.json.decode(reply.content, type=schemas.Problem)
    assert problem.type == f"urn:tidings:problem:{code}"
    assert isinstance(problem.errors, list)
    for error in problem.errors:
        assert re.match("expected .*, got |missing; expected |no such ", error.detail, re.S), error
    return [error.pointer for error in problem.errors]


@pytest.mark.need("IN6")
@pytest.mark.parametrize("own", [False, True], ids=["types", "own checks"])
@pytest.mark.parametrize("route", cases(list(ROUTES)))
def test_every_bad_parameter_is_named(app: httpx.Client, route: Route, own: bool) -> None:
    """Those of the path and of the query together, whether a type refuses them or a check beside it. A check that raised on
    its own hid the others."""
    in_path = re.findall(r"\{(\w+)\}", route.path)
    query = {name: REFUSED_BY_CHECKS.get(name, LONG) if own else LONG for name in parameters(route)}
    path = filled(route, dict.fromkeys(in_path, LONG))
    reply = app.request(route.method, path, params=query | {UNKNOWN: "1"})
    expected = [*in_path, *query, *([] if route.query.OTHERS_ACCEPTED else [UNKNOWN])]
    assert len(expected) <= MAX_FIELD_ERRORS
    assert sorted(refused(reply, 400, "bad-parameter")) == sorted(expected)


@pytest.mark.parametrize(
    "route",
    cases(
        [
            route
            for route in ROUTES
            if route.access in (Access.SELF, Access.SELF_OR_ADMIN) and "{user_id}" not in route.path
        ]
    ),
)
def test_a_missing_user_is_named_among_the_others(app: httpx.Client, route: Route) -> None:
    """A key has to say for whom it asks; that it does not hid what else is wrong, and was hidden by it."""
    reply = app.request(route.method, filled(route, GOOD_PATH), params={UNKNOWN: "1"})
    assert {UNKNOWN, "user_id"} <= set(refused(reply, 400, "bad-parameter"))


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("user_id=z&state=foo&limit=0&fields=zz&unread_only=x", ["limit", "unread_only", "state", "fields"]),
        ("wait=5&limit=0&fields=zz", ["limit", "fields", "wait"]),
        (
            "user_id=z&since=0&cursor=c29tZXdoZXJlc29tZXdoZXJlc29tZXdoZXJl&type=t&state=all&fields=id&unread_only=true&limit=0",
            ["limit", "cursor", "unread_only", "type", "state", "fields"],
        ),
        ("user_id=z&since=&wait=5&state=all", ["since"]),
        ("user_id=z&since=x&wait=5&state=all", ["since", "state"]),
        ("user_id=z&limit=0&limit=1&fields=zz&type=%FF", ["limit", "type", "fields"]),
    ],
)
def test_parameters_that_do_not_go_together(app: httpx.Client, query: str, expected: list[str]) -> None:
    """Are named beside those that fit nowhere; one that depends on a bad one is not judged by it."""
    pointers = refused(app.get(f"/v1/notifications?{query}"), 400, "bad-parameter")
    assert pointers == expected if "user_id" in query else [*expected, "user_id"]


def test_a_bad_key_is_named_beside_a_bad_parameter(app: httpx.Client) -> None:
    """A header is a parameter too."""
    reply = app.post("/v1/events?x=1", content=b"{}", headers=JSON | {"idempotency-key": "a b"})
    assert refused(reply, 400, "bad-parameter") == ["x", "Idempotency-Key"]


def body_type(route: Route) -> type[msgspec.Struct]:
    """The type of a body; of a list, that of its items."""
    first = route.body[0] if isinstance(route.body, tuple) else route.body
    found: type[msgspec.Struct] = (get_args(first) or (first,))[0]
    return found


def is_list(route: Route) -> bool:
    """Whether a route takes nothing but a list."""
    return not isinstance(route.body, tuple) and bool(get_args(route.body))


def asked(app: httpx.Client, route: Route, body: Any, **headers: str) -> list[str]:
    """The pointers of the errors that a body gets there."""
    query = {"user_id": "u"} if "user_id" in parameters(route) else {}
    text = msgspec.json.encode([body] if is_list(route) else body)
    path = filled(route, GOOD_PATH)
    reply = app.request(route.method, path, params=query, content=text, headers=JSON | headers)
    return refused(reply, 422, "invalid-fields")


WITH_BODY = [route for route in ROUTES if route.body is not None]


@pytest.mark.parametrize("route", cases(WITH_BODY))
def test_every_field_of_another_type_is_named(app: httpx.Client, route: Route) -> None:
    """All fields of the body at once, and one that there is not."""
    names = [field.encode_name for field in msgspec.structs.fields(body_type(route))]
    expected = [("/0/" if is_list(route) else "/") + name for name in (*names, UNKNOWN)]
    found = asked(app, route, dict.fromkeys((*names, UNKNOWN), OF_ANOTHER_TYPE))
    assert len(found) == len(set(found)) == min(len(expected), MAX_FIELD_ERRORS)
    assert set(found) <= set(expected)


FUTURE = "2200-01-01T00:00:00Z"
MANY = [f"t:{i}" for i in range(33)]
PUSH_KEYS = {"p256dh": "A" * 87, "auth": "A" * 22}
BAD_BODIES: dict[str, tuple[dict[str, Any], set[str]]] = {
    "/v1/events": (
        event(topics=MANY, created_at=FUTURE, metadata=[], idempotency_key="other"),
        {"/topics", "/created_at", "/metadata", "/idempotency_key"},
    ),
    "/v1/broadcasts": (
        event(audience="*", topics=MANY, expires_at="1980-01-01T00:00:00Z", target_user_ids=["u"]),
        {"/topics", "/expires_at", "/target_user_ids"},
    ),
    "/v1/activity/read": ({"all": True, "up_to": -1, "topic": "market"}, {"/up_to", "/topic"}),
    "/v1/feed/read": ({"event_ids": ["a"], "all": True, "up_to": -1}, {"", "/up_to"}),
    "/v1/preferences": (
        {
            "types": {"like": {"fax": True}},
            "quiet_hours": {"time_zone": "Mars/Base", "start": "25:00", "end": "x", "days": [0]},
            "locale": "xx",
        },
        {
            "/types/like/fax",
            "/quiet_hours/time_zone",
            "/quiet_hours/start",
            "/quiet_hours/end",
            "/quiet_hours/days/0",
            "/locale",
        },
    ),
    "/v1/admin/types/{type}": (
        {"verbs": ["taken"], "messages": {"en": {"one": "{x}"}}, "gap_s": 0},
        {"/verbs/0", "/messages/en", "/messages/en/one", "/gap_s"},
    ),
    "/v1/reminders/{key}": (
        {
            "type": "t",
            "user_ids": [],
            "deliver_at": "1960-01-01T00:00:00Z",
            "after_s": 1,
            "every": "PT1S",
            "time_zone": "Mars/Base",
            "metadata": [],
        },
        {
            "/object_type",
            "/object_id",
            "/user_ids",
            "/deliver_at",
            "/after_s",
            "/every",
            "/time_zone",
            "/metadata",
        },
    ),
    "/v1/endpoints": (
        {"channel": "webhook", "address": "ftp://example.org", "keys": PUSH_KEYS},
        {"/address", "/keys", "/keys/p256dh"},
    ),
    "/v1/users/{user_id}/follows/{topic}": ({"backfill": 1_001}, {"/backfill"}),
    "/v1/users/{user_id}/name": ({"name": "\u200b"}, {"/name"}),
    "/v1/admin/users/{user_id}/merge": ({"into": GOOD_PATH["user_id"]}, {"/into"}),
    "/v1/admin/backfill": ({"user_id": "u", "all": True, "days_back": 1}, {""}),
}
"""Of each route whose fields are judged by more than their types: a body in which all of that fails, and its errors."""


def judged_further(route: Route) -> bool:
    """Whether more than types decide about the body of a route."""
    if route.path == "/v1/follows":  # its handler reads the body, in turns, by the types alone
        return False
    return route.raw_body or route.fitting_errors is not None or hasattr(body_type(route), "CHECKS")


@pytest.mark.parametrize("another", [False, True], ids=["alone", "beside another error"])
@pytest.mark.parametrize("route", cases([route for route in WITH_BODY if judged_further(route)]))
def test_fields_that_fail_other_checks_are_named(app: httpx.Client, route: Route, another: bool) -> None:
    """All of them at once, beside those that do not fit their types: it took two answers to see both."""
    app.put("/v1/admin/types/owner", json={"verbs": ["taken"]}).raise_for_status()
    body, expected = BAD_BODIES[route.path]
    headers = {"idempotency-key": "k"} if route.path == "/v1/events" else {}
    pointers = asked(app, route, body | ({UNKNOWN: 1} if another else {}), **headers)
    assert sorted(pointers) == sorted(expected | ({f"/{UNKNOWN}"} if another else set()))


def test_a_critical_type_is_named_beside_another_error(app: httpx.Client) -> None:
    """What only the server's own rules refuse is named with the rest."""
    app.put("/v1/admin/types/alarm", json={"critical": True}).raise_for_status()
    wanted = {"types": {"alarm": {"email": False}}, "digest_s": -1, "locale": "xx"}
    reply = app.put("/v1/preferences?user_id=u", json=wanted)
    assert refused(reply, 422, "invalid-fields") == ["/digest_s", "/locale", "/types/alarm/email"]


WITHOUT_BODY = [route for route in ROUTES if route.body is None and not route.raw_body]


def sent(app: httpx.Client, route: Route, body: bytes | Iterator[bytes]) -> httpx.Response:
    """The reply to a request with this body; of a stream its head."""
    query = {"user_id": "u"} if "user_id" in parameters(route) else {}
    query |= {name: "1" for name in ("since", "event_id", "token") if name in parameters(route)}
    path = filled(route, GOOD_PATH)
    with app.stream(route.method, path, params=query, content=body, headers=JSON) as reply:
        if reply.status_code == 422:
            reply.read()
        return reply


@pytest.mark.parametrize("route", cases(WITHOUT_BODY))
def test_a_body_where_none_is_taken_is_refused(app: httpx.Client, route: Route) -> None:
    """It was passed over, whatever it asked for, on every route that takes no body."""
    for body in (b'{"foo": 1}', b"[]", b"null", b"foo=1", b" " * 100, iter([b'{"foo"', b": 1}"])):
        reply = sent(app, route, body)
        assert refused(reply, 422, "invalid-fields") == [""]
        assert reply.json()["detail"] == "This route takes no body."


@pytest.mark.parametrize("route", cases(WITHOUT_BODY))
@pytest.mark.parametrize("body", [b"", b"{}", b" { }\n"])
def test_a_body_that_says_nothing_is_passed_over(app: httpx.Client, route: Route, body: bytes) -> None:
    """Many clients send an empty object wherever they POST."""
    status = sent(app, route, body).status_code
    assert status < 500
    assert status not in (400, 413, 415, 422)


def test_every_path_parameter_has_a_good_value() -> None:
    """So that a new one is tried too."""
    assert GOOD_PATH.keys() == PATH_TYPES.keys()


def test_credentials_come_first(anybody: httpx.Client) -> None:
    """A stranger learns nothing of parameters, in the path or in the query."""
    assert anybody.get("/v1/topics/x?y=1").status_code == 401
    assert anybody.get("/v1/topics/x", headers=bearer(KEY)).status_code == 400
