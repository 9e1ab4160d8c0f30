"""Real clients, none of them ours, on a server that is killed and asked to leave while it is published to: whatever they
use to come back, they have everything once."""

import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any, NamedTuple

import httpx
import pytest

from tests.checkers.streams import Frame, continuous
from tests.clients.listeners import CLIENTS, Event, Listener, command, listening, named
from tests.clients.scenario import PATIENCE_S, Publisher, Server, serving

USER = "lena"
ENDS = (signal.SIGKILL, signal.SIGTERM, signal.SIGKILL, signal.SIGKILL)
"""How the server ends, one time after the other, each in the middle of a burst."""
BURST = 60
"""Events acknowledged before each end, and after the last."""
PUBLISHERS = 3
STREAM = f"/v1/notifications/stream?user_id={USER}"


class Story(NamedTuple):
    """What was acknowledged, what every client told, and the rows of the inbox at the end, with its seq."""

    acked: list[str]
    heard: dict[str, list[Event]]
    rows: list[dict[str, Any]]
    seq: int


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """All clients listen to one user of one server, through all its ends."""
    folder = tmp_path_factory.mktemp("resume")
    with serving(folder) as server, ExitStack() as opened:
        listeners = {
            name: opened.enter_context(listening(command(name, server.url + STREAM, folder / "profile")))
            for name in CLIENTS
        }
        acked = publish_through(server, list(listeners.values()))
        rows, seq = whole_inbox(server)
        for listener in listeners.values():
            listener.knows(seq)
        yield Story(acked, {name: listener.events for name, listener in listeners.items()}, rows, seq)


def publish_through(server: Server, listeners: list[Listener]) -> list[str]:
    """Publish without a pause while the server ends and comes back; the ids of all events that were acknowledged."""
    acked = threading.Semaphore(0)
    publishers = [Publisher(server, USER, f"publisher-{n}", acked.release) for n in range(PUBLISHERS)]
    greeted(listeners, 1)
    for publisher in publishers:
        publisher.start()
    try:
        for times, how in enumerate(ENDS, 1):
            burst(acked)
            if how is signal.SIGTERM:
                caught_up(server, publishers, listeners)
            server.end(how)
            server.start()
            greeted(listeners, times + 1)
        burst(acked)
    finally:
        for publisher in publishers:
            publisher.enough()
    return [id for publisher in publishers for id in publisher.told]


def caught_up(server: Server, publishers: list[Publisher], listeners: list[Listener]) -> None:
    """Wait until every listener knows all that was published: a stream whose client is behind by more than the buffers hold
    is aborted when the server leaves, and says nothing."""
    with ExitStack() as paused:
        for publisher in publishers:
            paused.enter_context(publisher.paused())
        _, seq = whole_inbox(server)
        for listener in listeners:
            listener.knows(seq)


def greeted(listeners: list[Listener], times: int) -> None:
    """Wait until each has been greeted so often; one that is not is found when it is judged."""
    for listener in listeners:
        listener.heard_times("hello", times)


def burst(acked: threading.Semaphore) -> None:
    """Wait for so many acknowledgements."""
    assert all(acked.acquire(timeout=PATIENCE_S) for _ in range(BURST)), "publishing takes too long"


def whole_inbox(server: Server) -> tuple[list[dict[str, Any]], int]:
    """Every row as it is now, and the seq."""
    rows: list[dict[str, Any]] = []
    changes: dict[str, Any] = {"has_more": True, "next_since": 0}
    while changes["has_more"]:
        query = {"user_id": USER, "since": changes["next_since"], "limit": 100}
        changes = httpx.get(f"{server.url}/v1/notifications", params=query, trust_env=False).json()
        rows += changes["items"]
    return rows, changes["seq"]


def frames(events: list[Event]) -> Iterator[Frame]:
    """What was told of the inbox, for the judge."""
    for told in events:
        data = told["data"]
        if told["event"] == "reset":
            yield Frame(0, reset=True)
        elif told["event"] == "notification":
            yield Frame(data["seq"], data["id"])
        elif told["event"] == "read":
            yield Frame(data["seq"], data["ids"][0])


def acquainted(events: list[Event]) -> dict[str, list[str]]:
    """The events of every notification that was told. One that was read before it could be told may come as ``read``."""
    items = [told["data"] for told in named(events, "notification")]
    items += [item for told in named(events, "read") for item in told["data"]["items"]]
    return {item["id"]: item["event_ids"] for item in items}


def missed(events: list[Event]) -> int:
    """How many seqs it was behind when it came back, all times together."""
    seqs = [told["data"].get("seq") for told in events]
    behind = [
        seqs[at] - next((seq for seq in seqs[at - 1 :: -1] if seq is not None), 0)
        for at, told in enumerate(events)
        if told["event"] == "hello" and at
    ]
    return sum(behind)


@pytest.mark.need("LI1")
@pytest.mark.parametrize("name", CLIENTS)
def test_nothing_is_lost_and_nothing_comes_twice(story: Story, name: str) -> None:
    events = story.heard[name]
    assert len(named(events, "hello")) > len(ENDS), "it did not come back each time"
    assert not named(events, "reset") + named(events, "closed")
    assert missed(events), "none of the ends kept anything from it: they are no test"
    continuous(frames(events), {row["id"]: row["seq"] for row in story.rows})
    news = [told["data"]["id"] for told in named(events, "notification")]
    assert len(news) == len(set(news)), "it was told twice of the same news"
    assert sorted(id for ids in acquainted(events).values() for id in ids) == sorted(story.acked)


@pytest.mark.need("LI4")
def test_every_acknowledged_event_is_in_the_inbox_once(story: Story) -> None:
    """What the clients were measured by holds too."""
    assert sorted(id for row in story.rows for id in row["event_ids"]) == sorted(story.acked)
    assert len(story.acked) >= BURST * (len(ENDS) + 1)


@pytest.mark.parametrize("name", CLIENTS)
def test_a_server_that_is_asked_to_leave_says_so(story: Story, name: str) -> None:
    assert len(named(story.heard[name], "drain")) == ENDS.count(signal.SIGTERM)
