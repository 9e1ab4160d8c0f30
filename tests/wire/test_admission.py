"""Streams that are not let in now, and streams that the server ends: each says when to come back, and nothing is lost."""

import json
import signal
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.clients.story import serving as mortal
from tests.serving import serving
from tests.wire.people import event
from tests.wire.streams import Message, Stream, streaming

LIMIT_S = 30
STREAM = "/v1/notifications/stream"
EVENT_SOURCE = {"accept": "text/event-stream", "cache-control": "no-cache"}
"""What the standard's own client sends; it cannot read a status."""
LATER_S = range(2, 16)
FULL_LATER_S = range(30, 61)
ROTATED_MS = range(1_000, 2_001)
DRAINED_MS = range(1_000, 3_001)


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of a server that has room for one stream, and whose streams do not grow old."""
    folder = tmp_path_factory.mktemp("full")
    with (
        serving(folder, "--max-streams=1", "--max-streams-per-user=1") as url,
        httpx.Client(base_url=url, timeout=LIMIT_S) as client,
    ):
        yield client


def sent_away(client: httpx.Client, user: str, headers: dict[str, str]) -> Message:
    """The one message of a stream that is not let in, which ends in order, and has no id that would be a place."""
    with client.stream("GET", STREAM, params={"user_id": user}, headers=headers) as reply:
        stream = Stream(reply)
        (message,) = stream.rest()
        assert (reply.status_code, reply.headers["content-type"]) == (200, "text/event-stream")
    assert (message.name, message.id) == ("drain", "")
    assert message.data == {"retry_ms": stream.retry_ms}
    return message


def test_a_full_server_sends_streams_away(full: httpx.Client) -> None:
    """Each in the way that it understands; when there is room again, they are let in."""
    with streaming(full, "first") as stream:
        stream.next("hello")
        # No two together: those who were sent away must not return as one.
        retries = {
            sent_away(full, f"later-{n}", {"accept": "text/event-stream"}).data["retry_ms"] for n in range(20)
        }
        assert len(retries) > 1
        assert retries <= {s * 1_000 for s in LATER_S}
        refused = full.get(STREAM, params={"user_id": "later"})
        assert (refused.status_code, refused.headers["content-type"]) == (503, "application/problem+json")
        assert int(refused.headers["retry-after"]) in LATER_S
        assert socket_end(full, "later") == 1013
    with streaming(full, "later") as stream:
        stream.next("hello")


def socket_end(client: httpx.Client, user: str) -> int:
    """The code that a socket is closed with before anything is said: a page cannot see why a handshake fails."""
    address = f"{client.base_url}/v1/notifications/ws?user_id={user}".replace("http", "ws", 1)
    with connect(address, proxy=None) as socket, pytest.raises(ConnectionClosed) as closed:
        socket.recv(LIMIT_S)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.reason
    return int(closed.value.rcvd.code)


def test_one_stream_too_many_of_a_user_comes_back_late(full: httpx.Client) -> None:
    """A tab that an EventSource opens survives; whoever reads a status gets one."""
    with streaming(full, "tabs") as stream:
        stream.next("hello")
        assert sent_away(full, "tabs", EVENT_SOURCE).data["retry_ms"] // 1_000 in FULL_LATER_S
        assert full.get(STREAM, params={"user_id": "tabs"}).status_code == 429


def test_a_stopping_server_asks_everybody_to_come_back(tmp_path: Path) -> None:
    """Streams and sockets, each at a time of its own, with all that they were told before."""
    users = [f"user-{n}" for n in range(20)]
    with mortal(tmp_path) as server, ExitStack() as opened:
        client = opened.enter_context(
            httpx.Client(base_url=server.url, timeout=LIMIT_S, limits=httpx.Limits(max_connections=None))
        )
        streams = [opened.enter_context(streaming(client, user)) for user in users]
        address = f"{server.url}/v1/notifications/ws?user_id=socket".replace("http", "ws", 1)
        socket = opened.enter_context(connect(address, proxy=None))
        assert json.loads(socket.recv(LIMIT_S))["event"] == "hello"
        for stream in streams:
            stream.next("hello")
        client.post("/v1/events", json=event(target_user_ids=users))
        server.end(signal.SIGTERM)
        ends = [[(message.name, message.data) for message in stream.rest()] for stream in streams]
        assert {name for told in ends for name, _ in told} == {"notification", "drain"}
        retries = {told[-1][1]["retry_ms"] for told in ends}
        assert len(retries) > 1
        assert retries <= set(DRAINED_MS)
        assert [stream.retry_ms for stream in streams] == [told[-1][1]["retry_ms"] for told in ends]
        assert [json.loads(message)["event"] for message in socket] == ["drain"]
        assert socket.close_code == 1001


def test_a_stream_that_is_old_is_ended_and_goes_on_elsewhere(tmp_path: Path) -> None:
    """It is asked to come back soon, and its next one begins where it ended."""
    with (
        serving(tmp_path, "--max-stream-s=1") as url,
        httpx.Client(base_url=url, timeout=LIMIT_S) as client,
    ):
        client.post("/v1/events", json=event(target_user_ids=["ada"]))
        with streaming(client, "ada", last_event_id="0") as stream:
            *told, end = stream.rest()
        assert [message.name for message in told] == ["hello", "notification"]
        assert (end.name, end.data) == ("drain", {"retry_ms": stream.retry_ms})
        assert stream.retry_ms in ROTATED_MS
        client.post("/v1/events", json=event(object_id="43", target_user_ids=["ada"]))
        with streaming(client, "ada", end.id) as stream:
            names = [(message.name, message.data.get("seq")) for message in stream.rest()]
        assert names == [("hello", 2), ("notification", 2), ("drain", None)]
