"""Who sees an event of each visibility, over the wire: with tokens of users and with the key of the application."""

import json
import random
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import quote

import httpx
import pytest

from tests.wire.people import bearer, event, moment, token
from tests.wire.streams import streaming

TIMEOUT_S = 30
VISIBILITIES = ("public", "followers", "recipients")
PEOPLE = ("ann", "ben", "cid", "dot", "eve")
EVENTS = 60


class Event(NamedTuple):
    """A published event: its marker stands in its metadata, and nowhere else."""

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
        self.events = [self._publish(f"marker-{name}-{n}-") for n in range(EVENTS)]

    def _publish(self, marker: str) -> Event:
        actor, visibility = self._chance.choice(self.users), self._chance.choice(VISIBILITIES)
        targets = self._chance.sample(self.users, self._chance.randint(0, 2))
        kind, _, name = self._chance.choice(self.topics).partition(":")
        extra = self._chance.sample(self.topics, self._chance.randint(0, 2))
        given = event(actor, object_type=kind, object_id=name, target_user_ids=targets, topics=extra)
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
    for path in (
        "/v1/feed/summary",
        "/v1/feed/summary?include_own=true",
        "/v1/notifications?since=0",
        "/v1/notifications/poll?last_event_id=0.0&include=notifications,activity",
        f"/v1/users/{user}/export",
        "/v1/top?window=1h",
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


def test_no_route_shows_an_event_to_others(town: Town, viewer: tuple[str, httpx.Client]) -> None:
    """Random visibilities, every viewer, every route."""
    user, client = viewer
    hidden = [one for one in town.events if not town.may_see(user, one)]
    assert hidden, "the town hides nothing from this user: it is no test"
    for asked, reply in everything(town, user, client):
        shown = [one for one in hidden if one.marker in reply or (one.id in reply and one.id not in asked)]
        assert not shown, f"{asked} shows {user} {shown[0]}"


def test_a_feed_has_all_that_it_should(town: Town, viewer: tuple[str, httpx.Client]) -> None:
    """What is hidden from others is there for those whom it is for."""
    user, client = viewer
    feed = pages(client, "/v1/feed")
    for one in town.events:
        followed = bool(town.follows[user] & one.topics) and one.visibility != "recipients"
        expected = user != one.actor and (user in one.targets or followed)
        assert (one.marker in feed) == expected, f"{user}, {one}"


def test_a_stream_shows_no_event_to_others(
    town: Town, viewer: tuple[str, httpx.Client], app: httpx.Client
) -> None:
    """From the beginning of time, until an event that comes last."""
    user, client = viewer
    last = app.post("/v1/events", json=event("x", target_user_ids=[user])).json()["event_id"]
    query = {"include": "notifications,activity", "last_event_id": "0.0"}
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
