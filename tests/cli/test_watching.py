"""``tail``, ``top``, ``bench`` and the sample, against a real server."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run
from tests.serving import environ, serving, within
from tidings.cli.client import Client, Frame, Refused, Unreachable, frames
from tidings.cli.tail import news, stream, told

LINE_S = 60
STOP_S = 60
"""After so many seconds a command hangs, however slow the machine."""


def publish(url: str, actor: str, *targets: str, **more: str) -> None:
    """One act that these people are told of."""
    event = {
        "actor_id": actor,
        "verb": "nod",
        "object_type": "hat",
        "object_id": "1",
        "target_user_ids": targets,
        **more,
    }
    with Client(url, None) as client:
        client.post("/v1/events", json.dumps(event).encode())


@contextmanager
def tailing(*arguments: str) -> Iterator[Callable[[], str]]:
    """A function that waits for the next line of ``tidings tail``."""
    command = [sys.executable, "-m", "tidings", "tail", *arguments]
    with subprocess.Popen(command, env=environ(), stdout=subprocess.PIPE, text=True) as process:
        output = process.stdout
        assert output is not None
        try:
            yield lambda: within(LINE_S, process, output.readline)
        finally:
            process.terminate()
            process.wait(timeout=STOP_S)


def test_tail_prints_what_is_there_and_what_comes(server: str) -> None:
    """The last events of a topic come first, then new ones, each as one line."""
    publish(server, "ann")
    with tailing("--url", server, "--topic", "hat:1") as line:
        assert line().split()[1:] == ["ann", "nod", "hat:1"]
        publish(server, "bob")
        assert line().split()[1:] == ["bob", "nod", "hat:1"]


def test_tail_of_a_user_is_their_stream(server: str) -> None:
    """Where every event is everybody's news, the user's stream has only what concerns them."""
    with tailing("--url", server, "--user", "dora") as line:
        assert line() == "-- connected as dora, 0 unread\n"
        publish(server, "cy", "somebody-else")
        publish(server, "ann", "dora")
        assert "ann" in line()


def test_tail_of_a_user_begins_with_the_last_they_were_told(server: str) -> None:
    """-n counts what the user got, feed and notifications together, oldest first; what comes then is told once."""
    for actor in ("ann", "bob", "cy"):
        publish(server, actor, "erin")
    with tailing("--url", server, "--user", "erin", "-n", "2") as line:
        assert line().startswith("-- connected as erin, ")
        assert [["cy" in line() for _ in range(2)]] == [[True, True]]
        publish(server, "dan", "erin")
        assert ["dan" in line() for _ in range(2)] == [True, True]
    with tailing("--url", server, "--user", "erin", "-n", "0") as line:
        line()
        publish(server, "eve", "erin")
        assert "eve" in line()


def test_tail_of_everyone_goes_on_when_the_server_is_back(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A server that restarts is told once on standard error, and what came meanwhile is printed."""
    pages: list[Any] = [page(1), Unreachable("gone"), page(2)]
    client = Pages(pages)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    told = news(client, "/v1/activity", 1)
    assert [next(told)["position"], next(told)["position"]] == [1, 2]
    assert capsys.readouterr().err == "gone; trying again\n"


def test_a_busy_server_is_waited_for_by_a_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that drains sends streams away for a while; the tail comes back when it is asked to."""
    waits: list[float] = []
    hello = Frame("e.1.1", "reset", {"reason": "too old"})
    head = {"items": [], "unread_count": 0, "epoch": "e", "seq": 1}
    client = Pages([head, {"items": [], "position": 1}], [Refused(503, {}, retry_after_s=7.0), [hello]])
    monkeypatch.setattr("time.sleep", waits.append)
    lines = stream(client, "ann", 10)
    assert [next(lines), next(lines)] == [
        "-- connected as ann, 0 unread",
        "-- too old: something may be missing here",
    ]
    assert waits == [7.0]
    assert client.asked == ["e.1.1", "e.1.1"]


def page(position: int) -> dict[str, Any]:
    """A page of everyone's activity with one event."""
    return {"items": [{"position": position}], "position": position, "next_cursor": None}


class Pages(Client):
    """A client that was answered already."""

    def __init__(self, pages: list[Any], streams: list[Any] | None = None) -> None:
        self.pages = pages
        self.streams = streams or []
        self.asked: list[object] = []

    def get(self, path: str, **query: object) -> Any:
        """The next page, or the failure in its place."""
        return self.answer(self.pages.pop(0))

    def stream(self, path: str, **query: object) -> Iterator[Frame]:
        """The frames of the next stream, or the failure in its place."""
        self.asked.append(query["last_event_id"])
        yield from self.answer(self.streams.pop(0))

    def answer(self, one: Any) -> Any:
        """It, unless it is a failure."""
        if isinstance(one, Exception):
            raise one
        return one


def test_top_prints_a_table(run: Run, server: str) -> None:
    """The count of the window stands over the most frequent keys."""
    publish(server, "zoe")
    result = run("top", "--url", server, "--by", "actor", "--window", "1h")
    assert "by actor (exact)" in result.output
    assert "  zoe" in result.output


def test_bench_prints_a_row_for_each_kind_of_request(run: Run, server: str) -> None:
    """Each row ends with a rate and three percentiles in ascending order."""
    result = run("bench", "--url", server, "--seconds", "0.1", "--connections", "2")
    assert result.exit_code == 0, result.output
    rows = [line.split()[-4:] for line in result.output.splitlines()[1:]]
    assert len(rows) == 4
    for rate, *percentiles in rows:
        assert float(rate.replace(",", "")) > 0
        assert sorted(percentiles, key=float) == percentiles


def test_the_sample_is_loaded_once(tmp_path: Path) -> None:
    """A first start has the sample's 3,000 events; a second one, with the store full, adds none."""
    for _ in range(2):
        loaded = serving(tmp_path, "--sample", until="Try, in another terminal")
        with loaded as url, Client(url, None) as client:
            assert client.get("/v1/activity", limit=1)["position"] == 3000
            assert client.get("/v1/feed", user_id="lunar-wren-942")["items"] != []


def test_only_news_become_lines() -> None:
    """Heartbeats, a resumed hello and what was withdrawn are not printed; a reset is."""
    quiet = [
        Frame("1", "heartbeat", {"seq": 1, "position": 1}),
        Frame("1", "hello", {"user_id": "ann", "unread_count": 1, "resumed": True}),
        Frame("1", "notification", {"id": "n1-1", "seq": 1, "deleted": True, "unread_count": 0}),
    ]
    assert [told(frame) for frame in quiet] == [None, None, None]
    assert told(Frame("1", "reset", {"reason": "too old"})) == "-- too old: something may be missing here"
    marked: dict[str, Any] = {"event_ids": ["a", "b"], "read_at": None, "position": 3}
    assert told(Frame("1", "feed_read", marked)) == "-- 2 items of the feed marked unread"
    marked = {"up_to": 2, "read_at": "2026-01-31T09:30:00.123Z", "position": 3}
    assert told(Frame("1", "feed_read", marked)) == "-- everything of the feed marked read"
    assert told(Frame("1", "retracted", {"event_id": "a", "position": 3})) == "-- a was retracted"
    item = {"message": "Ann nodded", "created_at": "2026-01-31T09:30:00.123Z", "updated_at": None}
    assert told(Frame("1", "notification", item)) == "09:30:00  * Ann nodded"


def test_frames_are_parsed_as_browsers_do() -> None:
    """Ids stick, comments are passed over, several data lines are one text, and an empty frame is none."""
    lines = [
        b": hi\n",
        b"\n",
        b"id: 1\n",
        b"event: hello\n",
        b'data: {"a":\n',
        b"data: 1}\n",
        b"\n",
        b"data:{}\r\n",
        b"\r\n",
    ]
    assert list(frames(lines)) == [Frame("1", "hello", {"a": 1}), Frame("1", "message", {})]


def test_tail_writes_nothing_that_a_terminal_obeys(server: str) -> None:
    """Names and titles are whatever somebody sent."""
    publish(server, "mallory", object_title="\u202eA\x1b[2J\u009bB")
    with tailing("--url", server, "-n", "1") as line:
        assert line().endswith("hat:1  A [2J B\n")


def test_what_cannot_be_read_does_not_end_a_stream() -> None:
    """Numbers of any length are read; a frame that is no JSON is told in a line, and the next one follows."""
    huge = '{"n": %s, "x": 1e999}' % ("9" * 5_000)
    lines = [f"event: activity\nid: 1\ndata: {data}\n\n" for data in (huge, "{", "[" * 10_000, '{"n": 1}')]
    found = list(frames(line for part in lines for line in part.encode().splitlines(keepends=True)))
    assert [frame.event for frame in found] == ["activity", "unreadable", "unreadable", "activity"]
    assert str(told(found[1])).startswith("-- one activity could not be read: ")
