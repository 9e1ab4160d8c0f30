"""Streams of activity, of visitors and of users: what they carry, where they continue, and how many there may be."""

import contextlib
import itertools
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.serving import serving
from tests.wire.people import SETTINGS, bearer, event, token
from tests.wire.streams import Message, Stream
from tests.wire.test_visibility import Town
from tidings.client import Activity, Client, Reset, cursor_of
from tidings.client.shapes import FeedPage

TIMEOUT_S = 30
STREAM, OWN = "/v1/activity/stream", "/v1/notifications/stream"
PUBLIC = {
    "TIDINGS_PUBLIC_READS": "activity",
    "TIDINGS_MAX_PUBLIC_STREAMS_PER_ADDRESS": "2",
    "TIDINGS_ACTIVITY_HISTORY": "200",
}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server that answers visitors."""
    with serving(tmp_path_factory.mktemp("streams"), **SETTINGS, **PUBLIC) as address:
        yield address


@pytest.fixture(scope="module")
def town(app: httpx.Client) -> Town:
    """Some users, and events of every visibility among them."""
    return Town(app, "streamed")


@contextlib.contextmanager
def opened(
    client: httpx.Client, path: str = STREAM, user: str | None = None, last: str | None = None, **query: Any
) -> Iterator[Stream]:
    """A stream of a visitor, or of a user with a token."""
    headers = {"accept": "text/event-stream"} | ({"last-event-id": last} if last else {})
    headers |= bearer(token(user)) if user else {}
    with client.stream("GET", path, params=query, headers=headers) as reply:
        assert reply.status_code == 200, reply.read()
        stream = Stream(reply)
        yield stream


def until(stream: Stream, event_id: str) -> list[Message]:
    """The frames of activity up to the one of this event."""
    found = []
    for message in stream.messages:
        if message.name in ("activity", "retracted"):
            found.append(message)
            if message.name == "activity" and message.data["event_id"] == event_id:
                return found
        assert message.name in ("hello", "heartbeat", "activity", "retracted"), message
    raise AssertionError("the stream ended")


def publish(app: httpx.Client, **changed: Any) -> str:
    """The id of a new event."""
    reply = app.post("/v1/events", json=event(**changed))
    assert reply.status_code == 201, reply.text
    id: str = reply.json()["event_id"]
    return id


@pytest.mark.need("FE16")
def test_a_visitor_hears_public_events_as_they_come(app: httpx.Client, anybody: httpx.Client) -> None:
    """Those of all users, or of some topics; each is the item of a page of activity, and its retraction follows."""
    with opened(anybody) as every, opened(anybody, topic=["room:a", "user:zoe"]) as some:
        hello = every.next("hello").data
        assert (hello["user_id"], hello["resumed"]) == (None, False)
        assert "unread_count" not in hello
        some.next("hello")
        hidden = [publish(app, visibility=name, topics=["room:a"]) for name in ("followers", "recipients")]
        first = publish(app, topics=["room:a"])
        second = publish(app, actor="zoe")
        app.delete(f"/v1/events/{first}").raise_for_status()
        third = publish(app, topics=["room:b"])
        last = publish(app, actor="zoe", topics=["room:a", "room:b"])
        everything = [one.data["event_id"] for one in until(every, last)]
        assert everything == [first, second, first, third, last]
        assert [one.data["event_id"] for one in until(some, last)] == [first, second, first, last]
        assert not set(hidden) & set(everything)
    page = anybody.get("/v1/activity", params={"limit": 1}).json()["items"]
    with opened(anybody, last_event_id=str(page[0]["position"] - 1)) as stream:
        (message,) = until(stream, last)
        assert message.data == page[0]


def test_a_visitor_continues_where_the_stream_ended(app: httpx.Client, anybody: httpx.Client) -> None:
    """By Last-Event-ID, by the query, and by the position of a page: everything that was missed, in order."""
    position = anybody.get("/v1/activity").json()["position"]
    ids = []
    for n in range(60):
        ids.append(publish(app, object_id=f"c{n}"))
        publish(app, object_id=f"c{n}", visibility="recipients")
    with opened(anybody, last_event_id=str(position)) as stream:
        assert stream.next("hello").data["resumed"] is True
        found = until(stream, ids[-1])
    assert [one.data["event_id"] for one in found] == ids
    for query in ({"last": found[9].id}, {"lastEventId": found[9].id}, {"last_event_id": found[9].id}):
        with opened(anybody, **query) as stream:
            assert [one.data["event_id"] for one in until(stream, ids[-1])] == ids[10:]
    with opened(anybody, topic="market:c7", last_event_id=str(position)) as stream:
        assert [one.data["event_id"] for one in until(stream, ids[7])] == [ids[7]]


@pytest.mark.parametrize("last", ["0.1", "elsewhere..1", "1", "..99999999", "nonsense"])
def test_a_cursor_that_cannot_continue_is_reset(app: httpx.Client, anybody: httpx.Client, last: str) -> None:
    """Also one that is older than the kept history: a visitor must not have the log read from its beginning."""
    for _ in range(3):
        app.post("/v1/events", json=[event() for _ in range(100)]).raise_for_status()
    with opened(anybody, last=last) as stream:
        stream.next("hello")
        stream.next("reset")
        id = publish(app)
        assert [one.data["event_id"] for one in until(stream, id)] == [id]


def test_nothing_shows_what_is_not_public(app: httpx.Client, anybody: httpx.Client) -> None:
    """Neither the position in hello, nor that of a heartbeat, changes with events that the visitor may not see."""
    publish(app)
    with opened(anybody) as stream:
        before = stream.next("hello")
        publish(app, visibility="recipients")
        publish(app, visibility="followers")
        beat = stream.next("heartbeat")
        assert beat.data["position"] == before.data["position"]
    with opened(anybody) as stream:
        after = stream.next("hello")
    assert (after.id, after.data) == (before.id, before.data)


def test_no_cursor_shows_where_the_log_ends(app: httpx.Client, anybody: httpx.Client) -> None:
    """The fault: a cursor was compared with the last position of the log, so that a visitor who tried one after the other
    saw each private commit: as ahead of the log or not, and as too old or not."""
    publish(app)

    def answers() -> list[Any]:
        found: list[Any] = []
        position = int(anybody.get("/v1/activity").json()["position"])
        for cursor in (position - 151, position - 150, position, position + 1, position + 30):
            with opened(anybody, last_event_id=str(cursor)) as stream:
                hello = stream.next("hello")
                found.append((hello.name, hello.id, hello.data))
        return found

    for _ in range(2):
        app.post("/v1/events", json=[event() for _ in range(100)]).raise_for_status()
    before = answers()
    assert [data["resumed"] for *_, data in before] == [False, True, True, False, False]
    app.post("/v1/events", json=[event(visibility="recipients") for _ in range(20)]).raise_for_status()
    publish(app, visibility="recipients", target_user_ids=["uli"])
    read = app.post("/v1/feed/read", params={"user_id": "uli"}, json={"all": True})
    assert read.json()["updated"] == 1
    assert answers() == before


def test_a_visitor_continues_after_a_retraction(app: httpx.Client, anybody: httpx.Client) -> None:
    """The frame of a retraction has a position of its own, and so has the cursor after it."""
    id = publish(app)
    with opened(anybody) as stream:
        stream.next("hello")
        app.delete(f"/v1/events/{id}").raise_for_status()
        last = stream.next("retracted").id
    with opened(anybody, last=last) as stream:
        assert stream.next("hello").data["resumed"] is True


def test_visitors_have_a_bounded_number_of_streams(url: str, anybody: httpx.Client) -> None:
    """By the address that a trusted proxy names; users at that address open theirs."""
    headers = {"x-forwarded-for": "203.0.113.9"}
    with httpx.Client(base_url=url, timeout=TIMEOUT_S, headers=headers) as there:
        with opened(there) as one, opened(there) as two:
            one.next("hello")
            two.next("hello")
            refused = there.get(STREAM)
            assert refused.status_code == 429
            assert refused.headers["ratelimit-policy"] == '"streams";q=2'
            assert int(refused.headers["retry-after"]) > 0
            event_source = {"accept": "text/event-stream", "cache-control": "no-cache"}
            told = there.get(STREAM, headers=event_source)
            assert (told.status_code, "event: drain" in told.text) == (200, True)
            with opened(there, OWN, "uma") as own:
                own.next("hello")
        with opened(anybody) as three:
            three.next("hello")


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"user_id": "zoe"}, 401),
        ({"include": "notifications"}, 400),
        ({"topic": "nonsense"}, 400),
        ({"topic": "-room:1"}, 400),
        ({"topic": ",".join(f"room:{n}" for n in range(33))}, 400),
    ],
)
def test_what_a_visitor_may_not_ask_for(anybody: httpx.Client, query: dict[str, str], status: int) -> None:
    """Another user's stream, and what is no topic."""
    assert anybody.get(STREAM, params=query).status_code == status


@pytest.mark.parametrize("path", [OWN, "/v1/notifications/ws", "/v1/notifications/poll"])
def test_the_streams_of_users_stay_closed(anybody: httpx.Client, path: str) -> None:
    assert anybody.get(path, params={"include": "activity:all"}).status_code == 401


@pytest.mark.need("FE15")
def test_a_user_has_activity_beside_the_feed(app: httpx.Client, anybody: httpx.Client) -> None:
    """One frame for each event: an item of the feed says why it is there. Notifications come on the same stream."""
    app.put("/v1/users/ute/follows/room:ute").raise_for_status()
    query = {"include": "notifications,activity,activity:all"}
    with opened(anybody, OWN, "ute", **query) as stream:
        assert stream.next("hello").data["user_id"] == "ute"
        followed = publish(app, topics=["room:ute"])
        other = publish(app)
        target = publish(app, target_user_ids=["ute"])
        last = publish(app)
        seen = []
        for message in stream.messages:
            if message.name == "activity":
                seen.append((message.data["event_id"], message.data.get("reason", {}).get("kind")))
            if seen and seen[-1][0] == last:
                break
    assert seen == [(followed, "follow"), (other, None), (target, "target"), (last, None)]
    with opened(anybody, OWN, "ute", last_event_id=f"0.{message.data['position'] - 4}", **query) as stream:
        resumed = []
        for message in stream.messages:
            if message.name == "activity":
                resumed.append((message.data["event_id"], message.data.get("reason", {}).get("kind")))
            if resumed and resumed[-1][0] == last:
                break
    assert resumed == seen


@pytest.mark.parametrize("path", [STREAM, OWN])
def test_blocks_hold_on_streams_of_users(app: httpx.Client, anybody: httpx.Client, path: str) -> None:
    """Live and resumed, in both directions, with a retraction too; others hear the event."""
    user = f"udo-{len(path)}"
    app.put(f"/v1/users/{user}/blocks/troll").raise_for_status()
    app.put(f"/v1/users/prude/blocks/{user}").raise_for_status()
    query = {"topic": "market:42"} if path == STREAM else {"include": "activity:all"}
    with opened(anybody, path, user, **query) as stream, opened(anybody, path, "vic", **query) as other:
        start = stream.next("hello").data["position"]
        other.next("hello")
        hidden = [publish(app, actor=name) for name in ("troll", "prude")]
        app.delete(f"/v1/events/{hidden[1]}").raise_for_status()
        last = publish(app)
        assert [one.data["event_id"] for one in until(stream, last)] == [last]
        assert [one.data["event_id"] for one in until(other, last)] == [*hidden, hidden[1], last]
    with opened(anybody, path, user, last_event_id=str(start), **query) as stream:
        assert [one.data["event_id"] for one in until(stream, last)] == [last]


def test_no_stream_shows_an_event_to_others(town: Town, app: httpx.Client, anybody: httpx.Client) -> None:
    """Random visibilities, from the beginning on, for visitors and each user, on every stream of activity."""
    start = anybody.get("/v1/activity", params={"limit": 1}).json()["position"] - 90
    last = publish(app, actor="the-last")
    scopes: list[tuple[str, dict[str, Any]]] = [
        (STREAM, {}),
        (STREAM, {"topic": [*town.topics, *(f"user:{user}" for user in town.users)]}),
        *((STREAM, {"topic": topic}) for topic in town.topics),
        (OWN, {"include": "activity,activity:all", "topic": town.topics}),
    ]
    for user in (None, *town.users):
        for path, query in scopes:
            if path == OWN and user is None:
                continue
            topics = query.get("topic", [])
            topics = [topics] if isinstance(topics, str) else topics
            query = {**query, "topic": [*topics, "user:the-last"]} if topics else query
            with opened(anybody, path, user, last_event_id=str(start), **query) as stream:
                seen = json.dumps([one.data for one in until(stream, last)])
            for one in town.events:
                listed = not topics or bool(one.topics & set(topics))
                own = user is not None and (
                    one.actor == user or bool(town.follows[user] & one.topics & set(topics))
                )
                feed = path == OWN and user is not None and user != one.actor and town.may_see(user, one)
                expected = (one.visibility == "public" and listed) or (
                    path == OWN and one.visibility == "public"
                )
                expected |= listed and bool(topics) and own and one.visibility == "followers"
                assert (one.marker in seen) == (expected or (feed and in_feed(town, user, one))), (
                    user,
                    path,
                    query,
                    one,
                )


def in_feed(town: Town, user: str | None, one: Any) -> bool:
    """Whether the event is in the feed of a user."""
    assert user is not None
    followed = bool(town.follows[user] & one.topics) and one.visibility != "recipients"
    return bool(user != one.actor and (user in one.targets or followed))


def test_the_application_streams_activity(app: httpx.Client) -> None:
    """Of nobody in particular what is public; for a user what that user sees."""
    for query in ({}, {"user_id": "wim"}):
        with opened(app, **query) as stream:
            assert stream.next("hello").data["user_id"] == query.get("user_id")
            id = publish(app)
            assert until(stream, id)


def test_the_client_subscribes_to_activity(app: httpx.Client, url: str) -> None:
    """Of all users or of topics, followed or not, resumed at a cursor; a snapshot has the same activity."""
    with Client(url, token=token("xia")) as client:
        position = app.get("/v1/activity").json()["position"]
        ids = [publish(app, topics=["room:x,y"]), publish(app)]
        begin = cursor_of(feed=FeedPage(items=(), position=position))
        for include, topics, expected in (
            (["activity:all"], (), ids),
            (["activity:all", "notifications"], (), ids),
            (["notifications"], ["room:x,y"], ids[:1]),
        ):
            with client.subscribe(include=include, topics=topics, cursor=begin) as items:
                seen = list(itertools.islice(activities(items), len(expected)))
            assert [item.event_id for item in seen] == expected
        with client.subscribe(include=["activity:all"], fresh=True) as items:
            snapshot = next(iter(items))
            assert isinstance(snapshot, Reset)
            assert snapshot.feed[0].event_id == ids[1]
        with pytest.raises(ValueError, match="activity:all"):
            client.subscribe(include=["activity:none"])


def activities(items: Any) -> Iterator[Any]:
    """The events among the items of a subscription."""
    return (item.item for item in items if isinstance(item, Activity))


def test_topics_are_quoted(app: httpx.Client, anybody: httpx.Client) -> None:
    """A comma in a topic has a backslash before it, as in filters."""
    with opened(anybody, topic="room:a\\,b") as stream:
        stream.next("hello")
        publish(app, topics=["room:a"])
        id = publish(app, topics=["room:a,b"])
        assert [one.data["event_id"] for one in until(stream, id)] == [id]


def test_an_erasure_resets_streams_of_activity(app: httpx.Client, anybody: httpx.Client) -> None:
    """Those of visitors and of users, live and when they return; afterwards none shows the user, and each continues."""
    app.put("/v1/users/nick/follows/user:mona").raise_for_status()
    with opened(anybody) as visitor, opened(app, OWN, user="nick", include="activity") as feed:
        before = visitor.next("hello").id
        feed.next("hello")
        last = publish(app, actor="mona")
        for stream in (visitor, feed):
            assert until(stream, last)
        app.delete("/v1/users/mona").raise_for_status()
        resets = [stream.next("reset") for stream in (visitor, feed)]
        assert ["erased" in reset.data["reason"] for reset in resets] == [True, True]
        last = publish(app, actor="olaf", target_user_ids=["nick"])
        for stream in (visitor, feed):
            assert until(stream, last)
    for after, names in ((before, ["hello", "reset"]), (resets[0].id, ["hello", "activity"])):
        with opened(anybody, last=after) as stream:
            assert [stream.next(name).name for name in names] == names
    items = anybody.get("/v1/activity", params={"limit": 100}).json()["items"]
    assert "mona" not in {item["actor_id"] for item in items}


@pytest.mark.need("FE15")
@pytest.mark.parametrize(("path", "query"), [(STREAM, {}), (OWN, {"topic": "market:42"})])
def test_streams_without_the_feed_have_the_read_state(
    app: httpx.Client, anybody: httpx.Client, path: str, query: dict[str, str]
) -> None:
    """Of the user who reads, live and when they return; a stream of a visitor has none."""
    who = {"user_id": f"wes-{len(path)}"}
    with opened(anybody, path, who["user_id"], **query) as stream, opened(anybody) as visitor:
        before = stream.next("hello").id
        visitor.next("hello")
        id = publish(app)
        assert until(stream, id)
        app.post("/v1/activity/read", params=who, json={"event_ids": [id]}).raise_for_status()
        live = stream.next("feed_read").data
        assert live["event_ids"] == [id]
        assert until(visitor, id)
        assert until(visitor, publish(app))
    with opened(anybody, path, who["user_id"], before, **query) as stream:
        assert stream.next("hello").data["resumed"]
        assert [one.data["event_id"] for one in until(stream, id)] == [id]
        assert stream.next("feed_read").data == live
