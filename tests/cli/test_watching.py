"""``tail``, ``top``, ``bench`` and the sample, against a real server."""

import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.cli.conftest import Run
from tests.serving import environ, serving, stop, within
from tidings.cli.client import CommandClient, ServerUnreachable
from tidings.cli.tail import line as line_of
from tidings.cli.tail import news, shown
from tidings.client import (
    Activity,
    ActivityItem,
    Changed,
    Client,
    Counts,
    FeedItem,
    FeedRead,
    Item,
    Notification,
    Reset,
    Retracted,
)
from tidings.client.replies import ActivityPage

AT = datetime(2026, 1, 31, 9, 30, 0, 123_000, UTC)
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
    with Client(url) as client:
        client.publish(event)


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
            stop(process, STOP_S)


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
    client = Pages([page(1), ServerUnreachable("gone"), page(2)])
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    told = news(client, None, 1)
    assert [next(told).position, next(told).position] == [1, 2]
    assert capsys.readouterr().err == "gone; trying again\n"


def test_tail_of_a_user_goes_on_when_the_server_is_back(tmp_path: Path) -> None:
    """It says on standard error that the server is lost, and prints what came after it was back, once."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    with serving(tmp_path, "--port", port) as url:
        publish(url, "ann", "dora")
        tail = subprocess.Popen(
            [sys.executable, "-m", "tidings", "tail", "--url", url, "--user", "dora"],
            env=environ(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        out, err = tail.stdout, tail.stderr
        assert out is not None
        assert err is not None
        assert within(LINE_S, tail, out.readline) == "-- connected as dora, 1 unread\n"
        assert ["ann" in within(LINE_S, tail, out.readline) for _ in range(2)] == [True, True]
    try:
        said = within(LINE_S, tail, err.readline)
        assert said.startswith(f"{url} cannot be reached: ")
        assert said.endswith("; trying again\n")
        with serving(tmp_path, "--port", port):
            publish(url, "bob", "dora")
            assert ["bob" in within(LINE_S, tail, out.readline) for _ in range(2)] == [True, True]
    finally:
        stop(tail, STOP_S)


def page(position: int) -> ActivityPage:
    """A page of everyone's activity with one event."""
    return ActivityPage((nod(position),), position=position)


def nod(position: int, **more: Any) -> ActivityItem:
    """An event as it is read."""
    return ActivityItem(
        event_id=str(position),
        position=position,
        actor_id="ann",
        verb="nod",
        object_type="hat",
        object_id="1",
        created_at=AT,
        **more,
    )


class Pages(CommandClient):
    """A client that was answered already."""

    def __init__(self, pages: list[Any]) -> None:
        super().__init__("http://127.0.0.1:9", None)
        self.pages = pages

    def carry_out(self, call: object) -> Any:
        """The next page, or the failure in its place."""
        one = self.pages.pop(0)
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
        with loaded as url, Client(url) as client:
            assert client.activity_page(limit=1).position == 3000
            assert client.feed_page(user="lunar-wren-942").items


def changed(**members: Any) -> Item:
    """A change of an inbox."""
    item = Notification(id="n1-1", seq=1, **members)
    return Changed(item=item, unread_count=0, unread_items=0, seq=1, cursor="")


def test_only_news_become_lines() -> None:
    """Counts and what was withdrawn are not printed; a reset is, and what could not be read is named."""
    quiet = [Counts(unread_count=1, unread_items=1, cursor=""), changed(deleted=True)]
    assert [shown(item) for item in quiet] == [None, None]
    assert shown(Reset(reason="too old", cursor="")) == "-- too old: something may be missing here"
    unread = FeedRead(read_at=None, position=3, cursor="", event_ids=("a", "b"))
    assert shown(unread) == "-- 2 items of the feed marked unread"
    assert (
        shown(FeedRead(read_at=AT, position=3, cursor="", up_to=2)) == "-- everything of the feed marked read"
    )
    assert shown(Retracted(event_id="a", position=3, cursor="")) == "-- a was retracted"
    assert shown(changed(message="Ann nodded", created_at=AT)) == "09:30:00  * Ann nodded"
    assert (
        shown(changed(unreadable="metadata: too deep"))
        == "-- one notification could not be read: metadata: too deep"
    )
    feed_item = FeedItem(**msgspec.structs.asdict(nod(1, object_title="Hats")))
    assert shown(Activity(item=feed_item, position=1, cursor="")) == "09:30:00  ann  nod  hat:1  Hats"
    assert line_of(nod(1)) == "09:30:00  ann  nod  hat:1"


def test_tail_writes_nothing_that_a_terminal_obeys(server: str) -> None:
    """Names and titles are whatever somebody sent."""
    publish(server, "mallory", object_title="\u202eA\x1b[2J\u009bB")
    with tailing("--url", server, "-n", "1") as line:
        assert line().endswith("hat:1  A [2J B\n")
