"""Who may call what, for every row of the route table and every kind of credential."""

import itertools
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.attack.probe import attacked_server
from tests.wire.people import KEY, SETTINGS, bearer, event, token
from tidings.http.routes import ROUTES
from tidings.http.routing import Access, Route

GROWTH_MIB = 32
OWNER, OTHER = "olga", "otto"
CREDENTIALS = {
    "owner": token(OWNER),
    "other": token(OTHER),
    "owner with admin": token(OWNER, scope="admin"),
    "other with admin": token(OTHER, scope="admin"),
    "key": KEY,
    "expired": token(OWNER, lifetime_s=-1),
    "wrong": KEY[:-1],
    "none": None,
}
MAY: dict[Access, frozenset[str]] = {
    Access.PUBLIC: frozenset(CREDENTIALS),
    Access.ANYONE: frozenset({"owner", "owner with admin", "key"}),
    Access.VISITOR: frozenset({"owner", "owner with admin", "key"}),
    Access.SELF: frozenset({"owner", "owner with admin", "key"}),
    Access.SELF_OR_ADMIN: frozenset({"owner", "owner with admin", "other with admin", "key"}),
    Access.SERVER: frozenset({"owner with admin", "other with admin", "key"}),
}
"""Who is let in where; the request is about the owner, so also where any credential will do, another's is not."""
STRANGERS = frozenset({"expired", "wrong", "none"})
PLACES = {
    "user_id": OWNER,
    "topic": "market:42",
    "event_id": "none",
    "id": "n0-0",
    "action_id": "accept",
    "other_id": OTHER,
    "type": "access",
    "key": "access",
    "file": "none",
}
UNDO = "/v1/notifications/undo"
SESSION = "/v1/session"
REMINDER = {
    "type": "renewal",
    "object_type": "plan",
    "object_id": "7",
    "user_ids": [OWNER],
    "deliver_at": "2126-01-01T00:00:00Z",
}
FEED_UNDO, ACTIVITY_UNDO = "/v1/feed/undo", "/v1/activity/undo"
WORDS = ("read", "unread", "seen", "unseen", "archive", "unarchive", "unsnooze", "pin", "unpin")
BODIES: dict[str, Any] = {
    "/v1/events": event(),
    "/v1/follows": [{"user_id": OWNER, "topic": "market:42"}],
    "/v1/feed/read": {"all": True},
    "/v1/feed/unread": {"event_ids": ["none"]},
    FEED_UNDO: {"undo": "made up"},
    "/v1/activity/read": {"all": True},
    "/v1/activity/unread": {"event_ids": ["none"]},
    ACTIVITY_UNDO: {"undo": "made up"},
    **{f"/v1/notifications/{word}": {"ids": ["n0-0"]} for word in WORDS},
    "/v1/notifications/snooze": {"ids": ["n0-0"], "until": "2199-01-01T00:00:00Z"},
    "/v1/notifications/{id}/snooze": {"until": "2199-01-01T00:00:00Z"},
    "/v1/notifications/read-all": {},
    UNDO: {"undo": "made up"},
    "/v1/preferences": {},
    "/v1/users/{user_id}/name": {"name": "Olga"},
    "/v1/admin/types/{type}": {},
    "/v1/reminders/{key}": REMINDER,
    "/v1/broadcasts": event(audience="club:access"),
    "/v1/admin/backfill": {"all": True, "days_back": 1},
    "/v1/admin/users/{user_id}/merge": {"into": "omar"},
    "/v1/endpoints": {"channel": "webhook", "address": "https://hooks.example.org/olga"},
}
NEEDED = {
    "/v1/confirm": {"token": "none"},
    "/v1/unsubscribe": {"token": "none"},
    "/v1/feed/new": {"since": "0"},
    "/v1/activity/new": {"since": "0"},
    "/v1/topics/{topic}/new": {"since": "0"},
    "/v1/notifications/explain": {"event_id": "none"},
}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of their own under the probe: no credential is dear to check."""
    with attacked_server(tmp_path_factory.mktemp("access"), **SETTINGS) as server:
        yield server.url
        server.assert_bounds(memory_mib=GROWTH_MIB)


def ask(client: httpx.Client, route: Route, credential: str | None) -> int:
    """The status that a good request about the owner gets; its body is not waited for."""
    parameters = dict(NEEDED.get(route.path, {}))
    if "user_id" in route.query.__struct_fields__:
        parameters["user_id"] = OWNER
    headers = {} if credential is None else bearer(credential)
    path = route.path.format(**PLACES)
    body = None if route.body is None else BODIES.get(route.path)
    with client.stream(route.method, path, params=parameters, json=body, headers=headers) as reply:
        return reply.status_code


def expected(route: Route, who: str) -> set[int]:
    """The statuses that are right: 404 is what a permitted request about a made-up id gets, 400 one about a made-up
    token."""
    if who in MAY[route.access]:
        if route.socket:
            return {426}  # these are plain requests
        if route.path == SESSION and route.method == "PUT" and who == "key":
            return {403}  # a key may not go into a cookie
        return {400} if route.path in (UNDO, FEED_UNDO, ACTIVITY_UNDO) else {200, 201, 202, 204, 404}
    return {401} if who in STRANGERS else {403}


@pytest.mark.parametrize(
    ("route", "who"),
    [
        pytest.param(route, who, id=f"{route.method} {route.path} {who}")
        for route, who in itertools.product(ROUTES, CREDENTIALS)
    ],
)
def test_access(anybody: httpx.Client, route: Route, who: str) -> None:
    """Each credential is let in exactly where the table says, told 401 when it is none and 403 otherwise."""
    assert ask(anybody, route, CREDENTIALS[who]) in expected(route, who)


def test_every_body_has_an_example() -> None:
    """A new route with a required body must get an example here, or its access would not be tested."""
    needed = {route.path for route in ROUTES if route.body is not None and not route.body_optional}
    assert needed <= set(BODIES)


def test_server_must_say_for_whom(app: httpx.Client) -> None:
    """With an API key, a route about a user needs user_id, and says so."""
    for path in ("/v1/feed", "/v1/feed/summary", "/v1/notifications", "/v1/notifications/unread-count"):
        reply = app.get(path)
        assert reply.status_code == 400
        assert [error["pointer"] for error in reply.json()["errors"]] == ["user_id"]


def test_token_implies_its_user(anybody: httpx.Client) -> None:
    """With a token user_id may be left out, or be one's own."""
    own = bearer(token("olga"))
    assert anybody.get("/v1/feed", headers=own).status_code == 200
    assert anybody.get("/v1/feed", params={"user_id": "olga"}, headers=own).status_code == 200


def test_ids_of_others_are_not_told_from_unknown_ones(app: httpx.Client, anybody: httpx.Client) -> None:
    """Another user's notification answers exactly as one that never was."""
    app.post("/v1/events", json=event(target_user_ids=["nora"]))
    (item,) = app.get("/v1/notifications", params={"user_id": "nora"}).json()["items"]
    stranger = bearer(token("norbert"))
    replies = [
        anybody.post(f"/v1/notifications/{id}/read", headers=stranger) for id in (item["id"], "n999-1", "zzz")
    ]
    assert [reply.status_code for reply in replies] == [404, 404, 404]
    assert replies[0].json() == replies[1].json() == replies[2].json()


def test_targets_are_shown_to_servers_only(app: httpx.Client, anybody: httpx.Client) -> None:
    """Whom an event was addressed to is no user's business."""
    event_id = app.post("/v1/events", json=event(target_user_ids=["nina"])).json()["event_id"]
    assert app.get(f"/v1/events/{event_id}").json()["target_user_ids"] == ["nina"]
    shown = anybody.get(f"/v1/events/{event_id}", headers=bearer(token("nina"))).json()
    assert "target_user_ids" not in shown
    assert shown["event_id"] == event_id


def test_unauthenticated_says_how(anybody: httpx.Client) -> None:
    """A 401 names the scheme to use."""
    assert anybody.get("/v1/feed").headers["www-authenticate"].startswith("Bearer")
