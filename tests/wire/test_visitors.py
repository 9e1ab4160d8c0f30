"""Reading without a credential, which the setting ``public_reads`` permits."""

import itertools
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from tests.attack.probe import attacked_server
from tests.serving import serving
from tests.wire.people import SETTINGS, bearer, event, token
from tests.wire.test_access import BODIES, GROWTH_MIB, NEEDED, PLACES, STRANGERS
from tests.wire.test_access import CREDENTIALS as KNOWN
from tests.wire.test_visibility import Town, pages
from tidings.client import Client, ProblemError
from tidings.http.routes import ROUTES
from tidings.http.routing import Access, Route
from tidings.visibility import VISITOR

TIMEOUT_S = 30
PUBLIC = {"TIDINGS_PUBLIC_READS": "activity", "TIDINGS_TRENDS_COUNT_FOLLOWERS": "true"}
VISITED = {"/v1/activity", "/v1/activity/stream", "/v1/topics/{topic}/activity", "/v1/top"}
"""The routes that visitors may call."""


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that answers visitors, under the probe."""
    quota = {"TIDINGS_PUBLIC_READS_PER_MIN": "100000"}
    with attacked_server(tmp_path_factory.mktemp("visitors"), **SETTINGS, **PUBLIC, **quota) as server:
        yield server.url
        server.assert_bounds(memory_mib=GROWTH_MIB)


@pytest.fixture(scope="module")
def town(app: httpx.Client) -> Town:
    """Some users, and events of every visibility among them."""
    return Town(app, "visited")


def test_the_routes_for_visitors_are_these() -> None:
    """A new one is a decision: it must be safe without a credential."""
    assert {route.path for route in ROUTES if route.access is Access.VISITOR} == VISITED
    assert {route.method for route in ROUTES if route.access is Access.VISITOR} == {"GET"}


@pytest.mark.parametrize(
    ("route", "who"),
    [
        pytest.param(route, who, id=f"{route.method} {route.path} {who}")
        for route, who in itertools.product(ROUTES, sorted(STRANGERS))
        if route.access is not Access.PUBLIC
    ],
)
def test_nothing_else_is_open(anybody: httpx.Client, route: Route, who: str) -> None:
    """An invalid credential is none of a visitor: a client with an expired token must notice."""
    credential = KNOWN[who]
    headers = {} if credential is None else bearer(credential)
    path = route.path.format(**PLACES)
    body: Any = None if route.body is None else BODIES.get(route.path)
    query = NEEDED.get(route.path, {})
    with anybody.stream(route.method, path, params=query, json=body, headers=headers) as reply:
        assert reply.status_code == (200 if who == "none" and route.path in VISITED else 401)


@pytest.mark.parametrize("path", sorted(VISITED))
def test_a_visitor_is_nobody(anybody: httpx.Client, path: str) -> None:
    """A user_id needs a credential, also that of an unknown user."""
    place = path.format(**PLACES)
    for user in ("olga", "nobody-ever", "visitor"):
        assert anybody.get(place, params={"user_id": user}).status_code == 401
    assert anybody.get(place, params={"user_id": VISITOR}).status_code == 400


def test_no_route_is_open_by_default(tmp_path: Any) -> None:
    """Off is the default."""
    with serving(tmp_path, **SETTINGS) as address, httpx.Client(base_url=address) as client:
        for path in sorted(VISITED):
            assert client.get(path.format(**PLACES)).status_code == 401


@pytest.mark.need("FE16")
def test_visitors_see_what_is_public_and_nothing_else(town: Town, anybody: httpx.Client) -> None:
    """Random visibilities on every route: pages, their counts of new events, and trends, which may count more for users."""
    public = [one for one in town.events if one.visibility == "public"]
    hidden = [one for one in town.events if one.visibility != "public"]
    listed = pages(anybody, "/v1/activity")
    assert [one.marker for one in town.events if one.marker in listed] == [one.marker for one in public]
    for topic in (*town.topics, *(f"user:{one}" for one in town.users)):
        page = pages(anybody, f"/v1/topics/{quote(topic)}/activity")
        expected = [one.marker for one in public if topic in one.topics]
        assert [one.marker for one in town.events if one.marker in page] == expected
        new = anybody.get(f"/v1/topics/{quote(topic)}/activity", params={"since": 0}).json()["new_count"]
        assert new == len(expected)
    for query in (
        {"by": "verb"},
        {"by": "actor"},
        {"by": "verb", "compare": "previous"},
        {"by": "verb", "object_type": "room"},
        {"by": "verb", "topic": town.topics[0]},
    ):
        top = anybody.get("/v1/top", params=query)
        assert not [one for one in hidden if one.marker in top.text], query
    assert anybody.get("/v1/top", params={"by": "verb"}).json()["total"] == len(public)
    counted = anybody.get("/v1/top", params={"by": "verb"}, headers=bearer(token("ulf"))).json()["total"]
    assert counted == sum(one.visibility != "recipients" for one in town.events)


def test_no_filter_and_no_position_shows_what_is_hidden(town: Town, anybody: httpx.Client) -> None:
    """The reply about a hidden event is that about one that never was: by its verb, and as the beginning of what is new."""
    for one in town.events:
        for query in ({"verb": one.marker}, {"verb": one.marker, "group": "true"}):
            page = anybody.get("/v1/activity", params=query).json()
            assert len(page["items"]) == (one.visibility == "public")
    before = anybody.get("/v1/activity")
    grouped = anybody.get("/v1/activity?group=true")
    for visibility in ("followers", "recipients"):
        hidden = town.app.post(
            "/v1/events", json=event(visibility=visibility, target_user_ids=["ulf"])
        ).json()
        after = anybody.get("/v1/activity")
        assert (after.content, after.headers["etag"]) == (before.content, before.headers["etag"])
        assert anybody.get("/v1/activity?group=true").content == grouped.content
        for path in ("/v1/activity", "/v1/topics/un:known/activity", "/v1/topics/market:42/activity"):
            for query in ({}, {"verb": "unknown"}, {"actor_id": "unknown"}):
                for grouping in ({}, {"group": "true"}):
                    page = anybody.get(path, params=query | grouping)
                    assert page.json()["position"] == before.json()["position"], (path, query, grouping)
        town.app.delete(f"/v1/events/{hidden['event_id']}").raise_for_status()
    town.app.post("/v1/events", json=event()).raise_for_status()
    assert anybody.get("/v1/activity").json()["position"] > before.json()["position"]


def test_since_an_id_says_nothing_about_the_event(app: httpx.Client, anybody: httpx.Client) -> None:
    """The fault: an id of a private event was accepted, and one that no event has was refused."""
    app.post("/v1/events", json=event()).raise_for_status()
    secret = app.post("/v1/events", json=event(visibility="recipients", target_user_ids=["ulf"])).json()
    id: str = secret["event_id"]
    other = id[:-1] + ("0" if id[-1] != "0" else "1")
    for path in ("/v1/activity?", "/v1/activity?group=true&", "/v1/topics/market:42/activity?"):
        replies = [anybody.get(f"{path}since={one}") for one in (id, other)]
        assert [reply.status_code for reply in replies] == [200, 200]
        assert replies[0].json() == replies[1].json()


def test_pages_of_visitors_are_for_caches(app: httpx.Client, anybody: httpx.Client) -> None:
    """For a second, never in place of one for a user; and not sent twice."""
    app.post("/v1/events", json=event()).raise_for_status()
    for path in ("/v1/activity", "/v1/topics/market:42/activity"):
        reply = anybody.get(path)
        assert reply.headers["cache-control"] == "public, max-age=1"
        assert "authorization" in reply.headers["vary"].lower()
        same = anybody.get(path, headers={"if-none-match": reply.headers["etag"]})
        assert (same.status_code, same.content) == (304, b"")
        assert same.headers["etag"] == reply.headers["etag"]
        other = anybody.get(path, headers={"if-none-match": '"other"'})
        assert (other.status_code, other.content) == (200, reply.content)
        own = anybody.get(path, headers=bearer(token("ulf")))
        assert own.headers["cache-control"] == "private, no-cache"
        assert "etag" not in own.headers
        head = anybody.head(path)
        assert (head.status_code, head.headers["etag"]) == (200, reply.headers["etag"])
    app.post("/v1/events", json=event()).raise_for_status()
    changed = anybody.get("/v1/activity", headers={"if-none-match": reply.headers["etag"]})
    assert changed.status_code == 200
    assert "public" in anybody.get("/v1/top").headers["cache-control"]


def test_the_client_needs_no_credential(town: Town, url: str) -> None:
    """The Python client without one reads what visitors may."""
    with Client(url) as client:
        seen = [item.verb for item in client.activity()]
        assert {one.marker for one in town.events if one.marker in seen} == {
            one.marker for one in town.events if one.visibility == "public"
        }
        assert client.top(by="verb").items
        with pytest.raises(ProblemError) as refused:
            client.feed_page(user="ulf")
        assert refused.value.status == 401


def test_cursors_are_not_exchanged(app: httpx.Client, anybody: httpx.Client) -> None:
    """A cursor of a user's page is another list's."""
    for _ in range(3):
        app.post("/v1/events", json=event()).raise_for_status()
    own = bearer(token("ulf"))
    theirs = anybody.get("/v1/activity", params={"limit": 1}, headers=own).json()["next_cursor"]
    ours = anybody.get("/v1/activity", params={"limit": 1}).json()["next_cursor"]
    assert anybody.get("/v1/activity", params={"cursor": ours}).status_code == 200
    assert anybody.get("/v1/activity", params={"cursor": theirs}).status_code == 400
    assert anybody.get("/v1/activity", params={"cursor": ours}, headers=own).status_code == 400


def test_requests_are_limited_by_address(tmp_path: Any) -> None:
    """Of the address that a trusted proxy names; those with a credential are not. A refusal says when to return."""
    quota = {"TIDINGS_PUBLIC_READS_PER_MIN": "5", "TIDINGS_PUBLIC_READS": "activity"}
    with serving(tmp_path, **SETTINGS, **quota) as address, httpx.Client(base_url=address) as client:
        for place in ("203.0.113.7", "2001:db8::1"):
            headers = {"x-forwarded-for": place}
            replies = [client.get("/v1/activity", headers=headers) for _ in range(6)]
            assert [reply.status_code for reply in replies[:5]] == [200] * 5
            assert replies[0].headers["ratelimit-policy"] == '"public-reads";q=5;w=60'
            assert replies[0].headers["ratelimit"].startswith('"public-reads";r=4;')
            refused = replies[5]
            assert refused.status_code == 429
            assert refused.json()["type"] == "urn:tidings:problem:too-many-requests"
            assert 1 <= int(refused.headers["retry-after"]) <= 12
            assert refused.headers["ratelimit"].startswith('"public-reads";r=0;')
            user = client.get("/v1/activity", headers=headers | bearer(token("ulf")))
            assert (user.status_code, user.headers.get("ratelimit")) == (200, None)
            assert client.get("/livez", headers=headers).status_code == 200
        same_customer = client.get("/v1/top", headers={"x-forwarded-for": "2001:db8::2"})
        assert same_customer.status_code == 429
