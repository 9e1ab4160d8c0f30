"""The client for browsers on a real server: it shows what the server has, through marks, a crash and a restart."""

import json
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from tests.clients.scenario import Server, serving
from tests.serving import STOP_S
from tests.wire.people import event
from tidings.http.routes import ROUTES
from tidings.http.routing import Access

USER = "nora"
SCRIPT = Path(__file__).with_name("web.mjs")
LIMIT_S = 180
"""How long anything may take: the client waits up to 30 s between attempts, and up to 60 s for the best transport."""
AGAIN_S = 0.1
"""How soon a condition is evaluated again: it may depend on the server, which can change after the client."""
CLIENT = Path(__file__).parents[2] / "web/packages/client/src"

Shown = dict[str, Any]
"""What the client shows: its connection, counts, notifications and feed."""


class WebClient:
    """The client in a process of its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._shown: Shown = {}
        self._more = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def shows(self, expected: Callable[[Shown], bool]) -> Shown:
        """What it shows, when that is as expected."""
        limit = time.monotonic() + LIMIT_S
        with self._more:
            while not (self._shown and expected(self._shown)):
                assert time.monotonic() < limit, self._shown
                self._more.wait(AGAIN_S)
            return self._shown

    def do(self, **what: Any) -> None:
        """Let the user do something."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(what) + "\n")
        self._process.stdin.flush()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                with self._more:
                    self._shown = json.loads(line)
                    self._more.notify_all()


@contextmanager
def web_client(url: str) -> Iterator[WebClient]:
    """A client of the user, for as long as the block lasts."""
    command = ["node", str(SCRIPT), url, USER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield WebClient(process)
        finally:
            process.kill()
            process.wait(STOP_S)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serving(tmp_path) as started:
        yield started


def publish(server: Server, *objects: str) -> None:
    """An event about each object, for the user."""
    events = [event(object_id=one, target_user_ids=[USER]) for one in objects]
    assert httpx.post(f"{server.url}/v1/events", json=events, timeout=LIMIT_S).status_code == 201


def get(server: Server, path: str) -> Any:
    """The JSON of a route for the user."""
    return httpx.get(f"{server.url}{path}", params={"user_id": USER}, timeout=LIMIT_S).json()


def as_listed(server: Server) -> Shown:
    """What the client should show: the first pages of the server."""
    page, feed = get(server, "/v1/notifications"), get(server, "/v1/feed")
    return {
        "connection": "live",
        "status": "loaded",
        "seq": page["seq"],
        "counts": [page["unread_count"], page["unread_items"], page["unseen_count"]],
        "items": [[one["id"], one["message"], one["read_at"] is not None] for one in page["items"]],
        "feed": [[one["event_id"], one["read_at"] is not None] for one in feed["items"]],
    }


def test_marks_are_those_of_the_server(server: Server) -> None:
    """Marks of the user reach the server and are shown once; an undo of a read-all brings all back."""
    publish(server, "1", "2", "3")
    with web_client(server.url) as client:
        shown = client.shows(
            lambda now: now["connection"] == "live" and len(now["feed"]) == 3 == len(now["items"])
        )
        client.do(inbox="markRead", arguments=[shown["items"][0][0]])
        client.do(feed="markRead", arguments=[shown["feed"][1][0]])
        client.shows(lambda now: now["seq"] == 4 and now["feed"][1][1])
        assert client.shows(lambda now: now == as_listed(server))["counts"] == [2, 2, 2]
        client.do(inbox="readAll")
        assert client.shows(lambda now: now["seq"] == 5)["counts"] == [0, 0, 0]
        client.do(inbox="undo")
        client.shows(lambda now: now["counts"][0] == 2 and now == as_listed(server))
        client.do(inbox="archive", arguments=[shown["items"][2][0]])
        client.shows(lambda now: len(now["items"]) == 2 and now == as_listed(server))


def test_a_crash_of_the_server_loses_nothing(server: Server) -> None:
    """It comes back by itself, and shows what it missed."""
    publish(server, "1")
    with web_client(server.url) as client:
        client.shows(lambda now: now["connection"] == "live" and len(now["items"]) == 1)
        server.end(signal.SIGKILL)
        client.shows(lambda now: now["connection"] == "waiting")
        server.start()
        publish(server, "2", "3")
        client.shows(lambda now: len(now["items"]) == 3 and now == as_listed(server))
        publish(server, "4")
        client.shows(lambda now: len(now["feed"]) == 4 and now == as_listed(server))


def test_what_the_user_chooses_reaches_the_server(server: Server) -> None:
    """Follows, mutes, blocks and preferences of a client with the option ``user``, each of which may be ended again."""
    calls: list[tuple[str, Any]] = [
        ("follow", "post:1"),
        ("follow", "post:2"),
        ("unfollow", "post:1"),
        ("mute", "post:3"),
        ("mute", "post:4"),
        ("unmute", "post:3"),
        ("block", "max"),
        ("block", "mia"),
        ("unblock", "max"),
        ("setPreferences", {"types": {"comment": {"email": False}}}),
    ]
    with web_client(server.url) as client:
        for name, argument in calls:
            client.do(client=name, arguments=[argument])
        shown = client.shows(lambda now: len(now.get("ended", ())) == len(calls))
        assert shown["ended"] == [[name, None] for name, _ in calls]
        assert shown["follows"] == ["post:2"]
        assert shown["preferences"]["comment"] == {"email": False}
    chosen = {
        what: httpx.get(f"{server.url}/v1/users/{USER}/{what}").json()["items"]
        for what in ("follows", "mutes", "blocks")
    }
    assert {
        what: [one.get("topic") or one.get("user_id") for one in items] for what, items in chosen.items()
    } == {
        "follows": ["post:2"],
        "mutes": ["post:4"],
        "blocks": ["mia"],
    }


def test_user_is_named_where_the_route_takes_it() -> None:
    """The server refuses unknown parameters: the client knows the routes that take no ``user_id``."""
    source = (CLIENT / "requests.ts").read_text()
    (pattern,) = re.findall(r"WITHOUT_USER = /(.+)/;", source)
    without = re.compile(pattern.replace("\\/", "/"))
    for route in ROUTES:
        if not route.path.startswith("/v1/") or route.access is Access.PUBLIC:
            continue
        if (route.method, route.path) == ("DELETE", "/v1/events/{event_id}"):
            continue  # of servers alone, at a path that a browser reads
        takes = "user_id" in {one.encode_name for one in msgspec.structs.fields(route.query)}
        assert takes is (without.match(route.path) is None), f"{route.method} {route.path}"
