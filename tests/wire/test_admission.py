"""Streams that are not let in now, and streams that the server ends: each says when to come back, and nothing is lost."""

import json
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.clients.scenario import serving as mortal
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
MANY = 500
"""Streams that take two seconds to be sent away."""


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


@pytest.mark.need("LI6")
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
    with connect(address, proxy=None) as spoken, pytest.raises(ConnectionClosed) as closed:
        spoken.recv(LIMIT_S)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.reason
    return int(closed.value.rcvd.code)


def test_one_stream_too_many_of_a_user_comes_back_late(full: httpx.Client) -> None:
    """A tab that an EventSource opens survives; whoever reads a status gets one."""
    with streaming(full, "tabs") as stream:
        stream.next("hello")
        assert sent_away(full, "tabs", EVENT_SOURCE).data["retry_ms"] // 1_000 in FULL_LATER_S
        assert full.get(STREAM, params={"user_id": "tabs"}).status_code == 429


@pytest.mark.need("LI6")
def test_a_stopping_server_asks_everybody_to_come_back(tmp_path: Path) -> None:
    """Streams and sockets, each at a time of its own, with all that they were told before."""
    users = [f"user-{n}" for n in range(20)]
    with mortal(tmp_path) as server, ExitStack() as opened:
        client = opened.enter_context(
            httpx.Client(base_url=server.url, timeout=LIMIT_S, limits=httpx.Limits(max_connections=None))
        )
        streams = [opened.enter_context(streaming(client, user)) for user in users]
        address = f"{server.url}/v1/notifications/ws?user_id=socket".replace("http", "ws", 1)
        spoken = opened.enter_context(connect(address, proxy=None))
        assert json.loads(spoken.recv(LIMIT_S))["event"] == "hello"
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
        assert [json.loads(message)["event"] for message in spoken] == ["drain"]
        assert spoken.close_code == 1001


def test_who_comes_back_to_a_stopping_server_is_sent_on(tmp_path: Path) -> None:
    """A server that has many streams takes a while to leave. Those it sent away first come back to it: a status would
    end their EventSource for good."""
    with mortal(tmp_path) as server, ExitStack() as opened:
        client = opened.enter_context(httpx.Client(base_url=server.url, timeout=LIMIT_S))
        streams = [opened.enter_context(raw_stream(server.url, f"user-{n}")) for n in range(MANY)]
        for stream in streams:
            received(stream, b"event: hello")
        ending = opened.enter_context(ThreadPoolExecutor()).submit(server.end, signal.SIGTERM)
        received(streams[0], b"event: drain")
        assert sent_away(client, "user-0", EVENT_SOURCE).data["retry_ms"] // 1_000 in LATER_S
        assert client.get(STREAM, params={"user_id": "user-0"}).status_code == 503
        received(streams[-1], b"event: drain")
        ending.result()


@contextmanager
def raw_stream(url: str, user: str) -> Iterator[socket.socket]:
    """A connection on which a stream was asked for; of thousands of these none costs anything."""
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), LIMIT_S) as connection:
        connection.sendall(f"GET {STREAM}?user_id={user} HTTP/1.1\r\nhost: {host}\r\n\r\n".encode())
        yield connection


def received(connection: socket.socket, words: bytes) -> None:
    """Wait for these bytes."""
    so_far = b""
    while words not in so_far:
        more = connection.recv(65_536)
        assert more, f"the connection ended before {words!r}, after {so_far!r}"
        so_far += more


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
