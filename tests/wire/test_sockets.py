"""The stream as a WebSocket, with a client of another hand."""

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.serving import serving
from tests.wire.people import KEY, bearer, event, token

PATIENCE_S = 20
OURS = "http://app.example"


def opened(url: str, user: str, last: str | None = None, **options: Any) -> ClientConnection:
    """A socket of this user, beyond ``last`` if given."""
    beyond = f"&last_event_id={last}" if last else ""
    address = url.replace("http", "ws", 1) + f"/v1/notifications/ws?user_id={user}{beyond}"
    headers = options.pop("headers", bearer(KEY))
    socket: ClientConnection = connect(
        address, additional_headers=headers, open_timeout=PATIENCE_S, **options
    )
    return socket


def frames(socket: ClientConnection, name: str, number: int) -> list[Any]:
    """The next frames of this name; heartbeats between them are passed over, and nothing else."""
    found: list[Any] = []
    while len(found) < number:
        frame = json.loads(socket.recv(PATIENCE_S))
        assert frame["event"] in (name, "heartbeat")
        found += [frame] if frame["event"] == name else []
    return found


def publish(app: httpx.Client, user: str, number: int = 1, **fields: Any) -> None:
    """Notify the user of so many things, in one request."""
    events = [event(object_id=f"ws-{i}", target_user_ids=[user], **fields) for i in range(number)]
    assert app.post("/v1/events", json=events).status_code == 201


def refused(url: str, user: str, **options: Any) -> tuple[int, Any]:
    """The status and the problem of a handshake that fails."""
    with pytest.raises(InvalidStatus) as raised, opened(url, user, **options):
        pass
    response = raised.value.response
    assert response.headers["content-type"] == "application/problem+json"
    return response.status_code, json.loads(response.body or b"")


@pytest.mark.need("LI2")
def test_frames_are_those_of_the_stream(url: str, app: httpx.Client) -> None:
    """Name, id and data, in the same order; the id of either resumes the other."""
    publish(app, "wes", 3)
    with opened(url, "wes", "0") as socket:
        spoken = [json.loads(socket.recv(PATIENCE_S)) for _ in range(4)]
    assert [frame["event"] for frame in spoken] == ["hello", *["notification"] * 3]
    headers = {"last-event-id": spoken[1]["id"]}
    with app.stream("GET", "/v1/notifications/stream?user_id=wes", headers=headers) as reply:
        told = []
        for line in reply.iter_lines():
            name, _, value = line.partition(": ")
            if name == "data":
                told.append(json.loads(value))
            if len(told) == 3:
                break
    assert told[1:] == [frame["data"] for frame in spoken[2:]]


def test_resume_brings_all_that_was_missed(url: str, app: httpx.Client) -> None:
    with opened(url, "willa") as socket:
        frames(socket, "hello", 1)
        publish(app, "willa", 2)
        last = frames(socket, "notification", 2)[-1]["id"]
    publish(app, "willa", 150)
    with opened(url, "willa", last) as socket:
        assert frames(socket, "hello", 1)[0]["data"]["resumed"] is True
        assert [frame["data"]["seq"] for frame in frames(socket, "notification", 150)] == list(range(3, 153))


def test_user_is_the_one_of_the_token(url: str, app: httpx.Client) -> None:
    """Another's inbox is refused before anything is opened; without a credential nothing is."""
    assert refused(url, "walt", headers=bearer(token("wanda")))[0] == 403
    assert refused(url, "walt", headers={})[0] == 401
    with opened(url, "walt", headers=bearer(token("walt"))) as socket:
        assert frames(socket, "hello", 1)[0]["data"]["user_id"] == "walt"


@pytest.mark.parametrize("query", ["&x=1", "&include=everything", "&user_id=two"])
def test_parameters_are_checked(url: str, query: str) -> None:
    status, problem = refused(url, "will" + query)
    assert (status, problem["type"]) == (400, "urn:tidings:problem:bad-parameter")
    assert problem["errors"]


def test_cursor_of_elsewhere_is_reset(url: str) -> None:
    with opened(url, "wim", "other.1.1") as socket:
        assert frames(socket, "hello", 1)[0]["data"]["resumed"] is False
        assert frames(socket, "reset", 1)[0]["data"]["reason"]


def test_plain_request_is_told_to_upgrade(app: httpx.Client) -> None:
    reply = app.get("/v1/notifications/ws?user_id=wolf")
    assert (reply.status_code, reply.json()["type"]) == (426, "urn:tidings:problem:upgrade-required")


def test_other_routes_speak_no_websocket(url: str) -> None:
    address = url.replace("http", "ws", 1) + "/v1/feed?user_id=wolf"
    with pytest.raises(InvalidStatus) as raised, connect(address, additional_headers=bearer(KEY)):
        pass
    assert raised.value.response.status_code == 404


@pytest.mark.parametrize("message", ["x" * 5_000, b"\0" * 5_000])
def test_oversized_message_ends_the_connection(url: str, message: str | bytes) -> None:
    """A client has nothing to say; a long message is a mistake, or worse."""
    with opened(url, "wout") as socket:
        frames(socket, "hello", 1)
        socket.send(message)
        with pytest.raises(ConnectionClosedError) as closed:
            socket.recv(PATIENCE_S)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009


def test_what_a_client_says_is_not_listened_to(url: str, app: httpx.Client) -> None:
    """Short messages and pings do no harm: pings are answered, and the stream goes on."""
    with opened(url, "wren") as socket:
        frames(socket, "hello", 1)
        socket.send('{"event":"drain"}')
        socket.send(b"\xff\x00")
        assert socket.ping().wait(PATIENCE_S)
        publish(app, "wren")
        assert frames(socket, "notification", 1)


def test_bytes_that_are_no_frame_end_the_connection(url: str) -> None:
    with opened(url, "wyn") as socket:
        frames(socket, "hello", 1)
        socket.socket.sendall(b"GET / HTTP/1.1\r\n\r\n")
        with pytest.raises(ConnectionClosedError):
            socket.recv(PATIENCE_S)


def test_caps_hold_for_both_kinds_together(url: str, app: httpx.Client) -> None:
    """A user's eight streams may be of either kind."""
    with contextlib.ExitStack() as sockets:
        for _ in range(8):
            frames(sockets.enter_context(opened(url, "wade")), "hello", 1)
        assert refused(url, "wade")[0] == 429
        assert app.get("/v1/notifications/stream?user_id=wade").status_code == 429


def test_hostile_text_cannot_forge_a_frame(url: str, app: httpx.Client) -> None:
    """Quotes, line ends, NUL and JSON inside an event stay inside its data."""
    evil = 'x"}\r\n\0{"event":"drain","data":{},"id":"9"}\u2028'
    with opened(url, "wanja") as socket:
        frames(socket, "hello", 1)
        publish(app, "wanja", object_title=evil, metadata={evil: evil})
        (frame,) = frames(socket, "notification", 1)
        assert set(frame) == {"event", "data", "id"}
        assert frame["data"]["metadata"] == {evil: evil}
        assert frame["data"]["parts"]["object"]["title"] == evil


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server that another site's pages may listen to."""
    folder: Path = tmp_path_factory.mktemp("origins")
    with serving(folder, TIDINGS_API_KEYS=KEY, TIDINGS_ALLOWED_ORIGINS=f"{OURS}, https://b.example") as url:
        yield url


def test_page_of_another_origin_may_not_listen(ours: str) -> None:
    """A browser sends its handshake across sites without asking, with whatever cookies it has."""
    for origin in ("https://evil.example", "http://app.example:81", "null", OURS + ".evil.example"):
        assert refused(ours, "otto", origin=origin)[0] == 403
    for allowed in (OURS, OURS.upper(), "https://b.example", ours, None):
        with opened(ours, "otto", origin=allowed) as socket:
            frames(socket, "hello", 1)


def test_socket_ends_with_its_token(url: str) -> None:
    """It lives no longer than the token it was opened with, and says so before."""
    with opened(url, "wilma", headers=bearer(token("wilma", lifetime_s=2))) as socket:
        names = [json.loads(message)["event"] for message in socket]
        assert (names[0], names.count("reauth"), socket.close_code) == ("hello", 1, 1001)
        assert set(names[1:]) <= {"heartbeat", "reauth"}


@pytest.mark.need("LI5")
def test_slow_reader_misses_nothing_and_delays_nobody(url: str, app: httpx.Client) -> None:
    """Megabytes for a socket that does not read: it has them when it does, and another of the same user at once."""
    events = [
        event(object_id=f"slow-{i}", target_user_ids=["wick"], metadata={"pad": "x" * 15_000})
        for i in range(200)
    ]
    with opened(url, "wick") as slow, opened(url, "wick") as quick:
        frames(slow, "hello", 1)
        frames(quick, "hello", 1)
        assert app.post("/v1/events", json=events).status_code == 201
        for socket in (quick, slow):
            assert [frame["data"]["seq"] for frame in frames(socket, "notification", 200)] == list(
                range(1, 201)
            )
