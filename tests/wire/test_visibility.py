"""Who sees an event of each visibility, over the wire: with tokens of users and with the key of the application."""

import json
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

import httpx
import pytest

from tests.serving import serving
from tests.wire.people import bearer, event, moment, token
from tests.wire.streams import streaming
from tidings.http.routes import ROUTES
from tidings.http.routing import Access

TIMEOUT_S = 30
VISIBILITIES = ("public", "followers", "recipients")
PEOPLE = ("ann", "ben", "cid", "dot", "eve")
EVENTS = 60
READING = [
    route.path
    for route in ROUTES
    if route.method == "GET"
    and route.access in (Access.ANYONE, Access.VISITOR, Access.SELF, Access.SELF_OR_ADMIN)
]
"""The routes by which users read."""
COUNTING = [
    "/v1/feed/new",
    "/v1/activity/new",
    "/v1/topics/{topic}/new",
    "/v1/notifications/stream",
    "/v1/activity/stream",
    "/v1/notifications/ws",
    "/v1/web-push/key",
    "/v1/top/series",
]
"""Those whose replies are numbers or frames, which have their own tests here; and a key of the server."""


class Event(NamedTuple):
    """A published event: its marker stands in its metadata and is its verb, so that trends and summaries have it too."""

    id: str
    marker: str
    visibility: str
    actor: str
    targets: frozenset[str]
    topics: frozenset[str]


class Town:
    """Some users who follow some topics, and events of every visibility among them."""

    def __init__(self, app: httpx.Client, name: str) -> None:
        self.app = app
        self._chance = random.Random(name)
        self.users = [f"{name}-{person}" for person in PEOPLE]
        self.topics = [f"room:{name}-{n}" for n in range(4)]
        self.follows: dict[str, set[str]] = {
            user: set(self._chance.sample([*self.topics, *(f"user:{one}" for one in self.users)], 3))
            for user in self.users
        }
        for user, topics in self.follows.items():
            for topic in topics:
                app.put(f"/v1/users/{user}/follows/{quote(topic)}").raise_for_status()
        self.begins: int = app.get("/v1/activity", params={"limit": 1}).json()["position"]
        self.events = [self._publish(f"marker-{name}-{n}-") for n in range(EVENTS)]

    def _publish(self, marker: str) -> Event:
        actor, visibility = self._chance.choice(self.users), self._chance.choice(VISIBILITIES)
        targets = self._chance.sample(self.users, self._chance.randint(0, 2))
        kind, _, name = self._chance.choice(self.topics).partition(":")
        extra = self._chance.sample(self.topics, self._chance.randint(0, 2))
        given = event(
            actor, verb=marker, object_type=kind, object_id=name, target_user_ids=targets, topics=extra
        )
        reply = self.app.post(
            "/v1/events", json=given | {"visibility": visibility, "metadata": {"m": marker}}
        )
        assert reply.status_code == 201, reply.text
        topics = {f"user:{actor}", f"{kind}:{name}", *extra}
        id = reply.json()["event_id"]
        return Event(id, marker, visibility, actor, frozenset(targets), frozenset(topics))

    def may_see(self, user: str, one: Event) -> bool:
        """Whether any reply to this user may have the event."""
        follows = bool(self.follows[user] & one.topics)
        addressed = user == one.actor or user in one.targets
        return one.visibility == "public" or addressed or (follows and one.visibility == "followers")


@pytest.fixture(scope="module")
def town(app: httpx.Client) -> Town:
    """A town of its own."""
    return Town(app, "town")


@pytest.fixture(params=PEOPLE)
def viewer(request: pytest.FixtureRequest, town: Town, url: str) -> Iterator[tuple[str, httpx.Client]]:
    """A user of the town, with a token."""
    user = f"town-{request.param}"
    headers = bearer(token(user))
    with httpx.Client(base_url=url, timeout=TIMEOUT_S, headers=headers) as client:
        yield user, client


def paths_of(client: httpx.Client) -> list[str]:
    """A list to which every path is added that the client asks for from now on."""
    paths: list[str] = []
    client.event_hooks = {"request": [lambda request: paths.append(unquote(request.url.path))]}
    return paths


def pages(client: httpx.Client, path: str, **query: Any) -> str:
    """All pages of a list, one after the other."""
    text, cursor = "", None
    while True:
        given = {"limit": 7} | query | ({"cursor": cursor} if cursor else {})
        reply = client.get(path, params=given)
        assert reply.status_code == 200, reply.text
        text += reply.text
        cursor = reply.json()["next_cursor"]
        if cursor is None:
            return text


def everything(town: Town, user: str, client: httpx.Client) -> Iterator[tuple[str, str]]:
    """What each route for reading replies to a user, by what was asked."""
    for path in ("/v1/feed", "/v1/activity", "/v1/notifications"):
        yield path, pages(client, path)
    yield "/v1/feed?include_own", pages(client, "/v1/feed", include_own=True)
    for topic in (*town.topics, *(f"user:{one}" for one in town.users)):
        yield f"the page of {topic}", pages(client, f"/v1/topics/{quote(topic)}/activity")
        yield f"the topic {topic}", client.get(f"/v1/topics/{quote(topic)}").text
    for item in client.get("/v1/notifications", params={"limit": 100}).json()["items"]:
        yield "a notification", client.get(f"/v1/notifications/{item['id']}").text
    for window in ("1m", "1h"):
        for by in ("verb", "actor", "object", "object_type"):
            query = {"window": window, "by": by, "compare": "previous"}
            yield f"/v1/top by {by}", client.get("/v1/top", params=query).text
            for topic in town.topics:
                yield f"/v1/top of {topic}", client.get("/v1/top", params=query | {"topic": topic}).text
    for path in (
        "/v1/feed/summary",
        "/v1/feed/summary?include_own=true",
        "/v1/notifications?since=0",
        "/v1/notifications/poll?last_event_id=0.0&include=notifications,activity",
        f"/v1/users/{user}/export",
        f"/v1/users/{user}/name",
        f"/v1/users/{user}/follows",
        f"/v1/users/{user}/mutes",
        f"/v1/users/{user}/blocks",
        "/v1/notifications/unread-count",
        "/v1/preferences",
        "/v1/endpoints",
    ):
        reply = client.get(path)
        assert reply.status_code == 200, reply.text
        yield path, reply.text
    for one in town.events:
        for path in (f"/v1/events/{one.id}", f"/v1/notifications/explain?event_id={one.id}"):
            reply = client.get(path)
            if reply.status_code == 200:
                yield f"{path}, of {one.visibility}", reply.text + one.marker
            else:
                assert reply.status_code == 404
                assert not town.may_see(user, one), f"{user} cannot look up {one} by {path}"


@pytest.mark.need("IN13")
def test_no_route_shows_an_event_to_others(town: Town, viewer: tuple[str, httpx.Client]) -> None:
    """Random visibilities, every viewer, every route."""
    user, client = viewer
    hidden = [one for one in town.events if not town.may_see(user, one)]
    assert hidden, "the town hides nothing from this user: it is no test"
    paths = paths_of(client)
    for asked, reply in everything(town, user, client):
        shown = [one for one in hidden if one.marker in reply or (one.id in reply and one.id not in asked)]
        assert not shown, f"{asked} shows {user} {shown[0]}"
    unasked = [path for path in READING if not any(re.fullmatch(pattern(path), asked) for asked in paths)]
    assert unasked == COUNTING


def pattern(path: str) -> str:
    """The paths of a route."""
    return re.sub(r"\{\w+\}", "[^/]+", path)


@pytest.mark.need("IN13")
def test_counts_are_of_what_is_listed(town: Town, viewer: tuple[str, httpx.Client]) -> None:
    """A count of new items, and the points of a series, have no more than the pages show."""
    _, client = viewer
    listed = pages(client, "/v1/activity")
    shown = [one for one in town.events if one.marker in listed]
    assert shown == [one for one in town.events if one.visibility == "public"]
    for one in town.events:
        series = client.get("/v1/top/series", params={"window": "1h", "by": "verb", "key": one.marker}).json()
        assert series["total"] == (one.visibility == "public")
    for topic in town.topics:
        listed = pages(client, f"/v1/topics/{quote(topic)}/activity")
        count = client.get(f"/v1/topics/{quote(topic)}/new", params={"since": 0}).json()["count"]
        assert count == sum(one.marker in listed for one in town.events)
    verbs = ",".join(one.marker for one in town.events[:30])
    found = client.get("/v1/activity/new", params={"since": 0, "verb": verbs}).json()["count"]
    assert found == sum(one.visibility == "public" for one in town.events[:30])
    feed = pages(client, "/v1/feed")
    new = client.get("/v1/feed/new", params={"since": 0, "verb": verbs}).json()["count"]
    assert new == sum(one.marker in feed for one in town.events[:30])


@pytest.mark.need("IN13")
@pytest.mark.parametrize("followers", [False, True])
def test_trends_count_what_everybody_sees(tmp_path: Path, followers: bool) -> None:
    """And what followers see only if a setting says so: from memory and from the store, after a restart and a retraction."""
    settings = {"TIDINGS_TRENDS_COUNT_FOLLOWERS": "true"} if followers else {}
    expected = {"public", "followers"} if followers else {"public"}
    for start in range(2):
        with serving(tmp_path, "--dev", **settings) as address, httpx.Client(base_url=address) as app:
            if not start:
                for name in VISIBILITIES:
                    made = app.post("/v1/events", json=event(verb=name, topics=["room:1"], visibility=name))
                    assert made.status_code == 201, made.text
            assert trending(app) == expected
            if start:
                for item in app.get("/v1/activity").json()["items"]:
                    app.delete(f"/v1/events/{item['event_id']}").raise_for_status()
                assert trending(app) == expected - {"public"}


def trending(app: httpx.Client) -> set[str]:
    """The verbs that trends count, which is the same in every way of asking."""
    found = []
    for query in ({}, {"object_type": "market"}, {"topic": "room:1"}, {"compare": "previous"}):
        top = app.get("/v1/top", params={"window": "1h", "by": "verb"} | query).json()
        assert top["total"] == len(top["items"])
        found.append({item["key"] for item in top["items"]})
    for query in ({}, {"topic": "room:1"}, {"object_type": "market"}):
        series = app.get("/v1/top/series", params={"window": "1h", "by": "verb"} | query).json()
        assert series["total"] == len(found[0])
    assert all(one == found[0] for one in found)
    return found[0]


def test_a_feed_has_all_that_it_should(town: Town, viewer: tuple[str, httpx.Client]) -> None:
    """What is hidden from others is there for those whom it is for."""
    user, client = viewer
    feed = pages(client, "/v1/feed")
    for one in town.events:
        followed = bool(town.follows[user] & one.topics) and one.visibility != "recipients"
        expected = user != one.actor and (user in one.targets or followed)
        assert (one.marker in feed) == expected, f"{user}, {one}"


@pytest.mark.need("IN13")
def test_a_stream_shows_no_event_to_others(
    town: Town, viewer: tuple[str, httpx.Client], app: httpx.Client
) -> None:
    """From the beginning of the town, until an event that comes last. An earlier cursor would be reset if another test has
    erased somebody."""
    user, client = viewer
    last = app.post("/v1/events", json=event("x", target_user_ids=[user])).json()["event_id"]
    query = {"include": "notifications,activity", "last_event_id": f"0.{town.begins}"}
    seen, ended = "", set[str]()
    with streaming(client, user, **query) as stream:
        for message in stream.messages:
            text = json.dumps(message.data)
            seen += text
            if last in text:
                ended.add(message.name)
            if ended == {"notification", "activity"}:
                break
    shown = {one for one in town.events if one.marker in seen}
    assert {one.visibility for one in shown} == set(VISIBILITIES)
    assert all(town.may_see(user, one) for one in shown)


def test_the_application_sees_every_event_by_its_id(town: Town, app: httpx.Client) -> None:
    """And with a user what that user sees; pages without a user have what is public."""
    for one in town.events[:10]:
        assert app.get(f"/v1/events/{one.id}").json()["target_user_ids"] is not None
        for user in town.users:
            status = app.get(f"/v1/events/{one.id}", params={"user_id": user}).status_code
            assert status == (200 if town.may_see(user, one) else 404)
    for topic in town.topics:
        page = pages(app, f"/v1/topics/{quote(topic)}/activity")
        shown = {one for one in town.events if one.marker in page}
        assert shown == {one for one in town.events if topic in one.topics and one.visibility == "public"}


def test_an_item_states_what_is_narrower(town: Town, app: httpx.Client) -> None:
    """A public event has no member ``visibility``."""
    for one in town.events:
        stated = app.get(f"/v1/events/{one.id}").json().get("visibility", "public")
        assert stated == one.visibility


def test_a_type_has_a_default(app: httpx.Client, user: str) -> None:
    """For its events without a visibility of their own."""
    app.put(f"/v1/admin/types/{user}", json={"visibility": "recipients"}).raise_for_status()
    cases: list[tuple[dict[str, str], str | None]] = [({}, "recipients"), ({"visibility": "public"}, None)]
    for given, expected in cases:
        id = app.post("/v1/events", json=event(verb=user, **given)).json()["event_id"]
        assert app.get(f"/v1/events/{id}").json().get("visibility") == expected


def test_a_visibility_is_one_of_three(app: httpx.Client) -> None:
    """The refusal names the field and what is accepted."""
    reply = app.post("/v1/events", json=event(visibility="friends"))
    assert reply.status_code == 422
    (error,) = reply.json()["errors"]
    assert error["pointer"] == "/visibility"
    assert all(name in error["detail"] for name in VISIBILITIES)


def test_reminders_and_broadcasts_to_a_topic_are_for_their_recipients(app: httpx.Client, user: str) -> None:
    """Unless they say otherwise; a broadcast to all has the visibility of its type."""
    topic, thing = f"club:{user}", {"object_type": "plan", "object_id": user}
    reminder: dict[str, Any] = {"type": "renewal", "deliver_at": moment(seconds=-1), **thing}
    recipients: list[dict[str, Any]] = [
        {"user_ids": [user]},
        {"topic": topic},
        {"topic": topic, "visibility": "public"},
    ]
    for n, given in enumerate(recipients):
        assert app.put(f"/v1/reminders/{user}-{n}", json=reminder | given).json()["fired"]
    for given in ({"audience": topic}, {"audience": topic, "visibility": "followers"}, {"audience": "*"}):
        reply = app.post("/v1/broadcasts", json=event(verb="news", **thing, **given))
        assert reply.status_code == 201, reply.text
        if given["audience"] == "*":  # no test beside this one is to be notified
            app.delete(f"/v1/events/{reply.json()['event_id']}").raise_for_status()
    page = app.get(f"/v1/topics/plan:{user}/activity").json()["items"]
    assert [item["verb"] for item in page] == ["renewal"]
    app.put(f"/v1/users/{user}/follows/plan:{user}", json={"backfill": 0}).raise_for_status()
    page = app.get(f"/v1/topics/plan:{user}/activity", params={"user_id": user}).json()["items"]
    assert [item.get("visibility") for item in page] == ["followers", None]
