"""Line ends, NUL and the syntax of frames in whatever a client can send: refused where it names something, kept as it
is where it is text, and never a frame of its own, however it is told."""

import contextlib
import json
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

import httpx
import pytest
from httpx_sse import EventSource
from websockets.sync.client import connect

from tests.wire.people import event
from tests.wire.replies import inbox, publish

LIMIT_S = 20
CONTROLS = ("\r", "\n", "\r\n", "\0", "\x7f", "\x1b", "\n\n")
EVIL = 'x"}\r\n\r\nevent: drain\rdata: {}\nid: 9\n\n: \u2028id: 9\u2029\u0085\0\ufeff'
NAMING = ("actor_id", "verb", "object_type", "object_id")
TEXTS: dict[str, Any] = {
    "actor_name": EVIL,
    "object_title": EVIL,
    "title": EVIL,
    "description": EVIL,
    "metadata": {EVIL: EVIL, "in": [{EVIL: [EVIL]}]},
}
PLACES = (
    ("GET", "/v1/feed?user_id={}"),
    ("GET", "/v1/notifications?user_id={}"),
    ("GET", "/v1/notifications/stream?user_id={}"),
    ("GET", "/v1/notifications?user_id=u&cursor={}"),
    ("GET", "/v1/notifications?user_id=u&since={}"),
    ("GET", "/v1/notifications?user_id=u&type={}"),
    ("GET", "/v1/notifications/stream?user_id=u&include={}"),
    ("POST", "/v1/notifications/{}/read?user_id=u"),
    ("PUT", "/v1/users/{}/follows/a:b"),
    ("PUT", "/v1/users/u/follows/{}:b"),
    ("PUT", "/v1/users/u/mutes/a:{}"),
    ("PUT", "/v1/users/u/blocks/{}"),
    ("GET", "/v1/topics/a:{}"),
    ("GET", "/v1/events/{}"),
    ("PUT", "/v1/reminders/{}"),
    ("PUT", "/v1/admin/types/{}"),
    ("DELETE", "/v1/users/{}"),
)


@pytest.mark.parametrize("control", CONTROLS)
def test_a_name_has_no_control_characters(dev: httpx.Client, control: str) -> None:
    """Nor in any list of names; each is named in the answer."""
    wrong = f"a{control}b"
    for name in NAMING:
        reply = dev.post("/v1/events", json=event() | {name: wrong})
        assert (reply.status_code, reply.json()["errors"][0]["pointer"]) == (422, f"/{name}")
    for name, value in (("topics", f"a:{wrong}"), ("target_user_ids", wrong)):
        reply = dev.post("/v1/events", json=event() | {name: ["a:b", value]})
        assert (reply.status_code, reply.json()["errors"][0]["pointer"]) == (422, f"/{name}/1")


@pytest.mark.parametrize(("method", "path"), PLACES)
def test_nor_in_an_address(dev: httpx.Client, method: str, path: str) -> None:
    for control in ("%0D", "%0A", "%0D%0A", "%00"):
        reply = dev.request(method, path.format(f"a{control}b"), json={} if method == "PUT" else None)
        assert reply.status_code in (400, 404, 422)
        assert reply.headers["content-type"] == "application/problem+json"


@contextlib.contextmanager
def listening(dev: httpx.Client, user: str) -> Iterator[Iterator[tuple[str, str, Any]]]:
    """The events of a stream as another's parser, which ends lines wherever the standard does, finds them."""
    path = f"/v1/notifications/stream?user_id={user}&include=notifications,activity&last_event_id=0.0"
    with dev.stream("GET", path, headers={"accept": "text/event-stream"}) as reply:
        yield ((one.event, one.id, json.loads(one.data)) for one in EventSource(reply).iter_sse() if one.data)


def told(dev: httpx.Client, user: str) -> list[dict[str, Any]]:
    """What a stream, a socket and a poll tell of the one notification; nothing else is told, but a greeting before."""
    with listening(dev, user) as events:
        greeting, streamed, fed = (next(events) for _ in range(3))
    socket_url = f"{dev.base_url}/v1/notifications/ws?user_id={user}&last_event_id=0".replace("http", "ws", 1)
    with connect(socket_url, proxy=None) as socket:
        spoken = [json.loads(socket.recv(LIMIT_S)) for _ in range(2)]
    (polled,) = dev.get("/v1/notifications", params={"user_id": user, "since": 0}).json()["items"]
    assert [greeting[0], streamed[0], fed[0]] == ["hello", "notification", "activity"]
    assert all(re.fullmatch(r"\w+\.\d+\.\d+", id) for _, id, _ in (greeting, streamed, fed))
    assert [frame["event"] for frame in spoken] == ["hello", "notification"]
    return [streamed[2], fed[2], spoken[1]["data"], polled]


@pytest.mark.parametrize("name", TEXTS)
def test_text_is_told_as_it_was_sent(dev: httpx.Client, user: str, name: str) -> None:
    publish(dev, target_user_ids=[user], **{name: TEXTS[name]})
    streamed, fed, spoken, polled = told(dev, user)
    assert fed[name] == TEXTS[name]
    (listed,) = inbox(dev, user).items
    assert streamed["message"] == spoken["message"] == polled["message"] == listed.message
    assert (
        streamed["metadata"] == spoken["metadata"] == polled["metadata"] == listed.metadata == fed["metadata"]
    )
    assert streamed["parts"] == spoken["parts"] == polled["parts"]


@pytest.mark.parametrize("space", ["\n", "\r\n", "\r", "\n\n", "\r\r"])
def test_spacing_of_metadata_is_no_end_of_a_frame(dev: httpx.Client, user: str, space: str) -> None:
    """Metadata is kept in the words in which it was sent; JSON may have line ends between them."""
    body = json.dumps(event(target_user_ids=[user], metadata={"a": [1, {"id": "9"}]}), indent=1)
    headers = {"content-type": "application/json"}
    reply = dev.post("/v1/events", content=body.replace("\n", space), headers=headers)
    assert reply.status_code == 201
    assert [one["metadata"] for one in told(dev, user)] == [{"a": [1, {"id": "9"}]}] * 4


@pytest.mark.parametrize(
    "cursor",
    ["9\r\nevent: drain\r\ndata: {}\r\n\r\n", "\0", "1.\n2", "e.1.1\r", "\u2028", "-1.-1", "9" * 256],
)
def test_a_cursor_is_not_repeated_to_its_sender(dev: httpx.Client, cursor: str) -> None:
    """Whatever it holds: the answer is a greeting and a reset, with an id of this server."""
    parameters = {"user_id": "cursor", "last_event_id": cursor}
    with dev.stream("GET", "/v1/notifications/stream", params=parameters) as reply:
        events = EventSource(reply).iter_sse()
        hello, reset = islice((one for one in events if one.data), 2)
    assert (hello.event, reset.event, json.loads(hello.data)["resumed"]) == ("hello", "reset", False)
    assert hello.id == ""
    assert re.fullmatch(r"\w+\.0\.", reset.id)


def test_a_cursor_belongs_to_one_question(dev: httpx.Client, app: httpx.Client) -> None:
    """That of another user, list, filter or server is refused, and so is one that was changed anywhere."""
    for client, user in ((dev, "page-one"), (dev, "page-two"), (app, "page-one")):
        for thing in ("1", "2", "3"):
            publish(client, target_user_ids=[user], object_id=thing)
    mine, theirs = (inbox(dev, user, limit=1).next_cursor for user in ("page-one", "page-two"))
    elsewhere = inbox(app, "page-one", limit=1).next_cursor
    fed = dev.get("/v1/feed", params={"user_id": "page-one", "limit": 1}).json()["next_cursor"]
    filtered = inbox(dev, "page-one", limit=1, unread_only=True).next_cursor
    assert mine is not None
    changed = [mine[:at] + ("A" if mine[at] != "A" else "B") + mine[at + 1 :] for at in range(len(mine) - 1)]
    assert inbox(dev, "page-one", cursor=mine).items[0].object_id == "2"
    for cursor in (theirs, elsewhere, fed, filtered, mine[:-2], mine * 2, *changed):
        reply = dev.get("/v1/notifications", params={"user_id": "page-one", "cursor": cursor})
        assert (reply.status_code, reply.json()["errors"][0]["pointer"]) == (400, "cursor"), cursor
