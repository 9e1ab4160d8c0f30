"""The long poll of frames over the wire: what a stream says, answer by answer."""

import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.clients.scenario import serving as mortal
from tests.serving import serving
from tests.wire.people import bearer, event, token
from tests.wire.replies import metric, of, refused
from tests.wire.streams import described, streaming
from tidings.http.schemas_frames import Frame, Polled

LIMIT_S = 30
WAIT_S = 20
"""Long enough that an answer before half of it was not the end of the waiting."""
SOON_S = WAIT_S / 2
POLL = "/v1/notifications/poll"
PER_USER = 8
MANY = 300
"""Changes for which an answer is too small, and a stream's turn too."""


def polled(client: httpx.Client, user: str, last: str | None = None, **query: Any) -> Polled:
    """The answer to a poll."""
    asked = {"user_id": user} | ({"last_event_id": last} if last else {}) | query
    answer = of(client.get(POLL, params=asked), Polled)
    for frame in answer.frames:
        described(frame.event, frame.data)
    return answer


def polled_until(client: httpx.Client, user: str, last: str, number: int, **query: Any) -> list[Frame]:
    """So many frames of polls that go on from one another, without their hellos."""
    frames: list[Frame] = []
    while len(frames) < number:
        answer = polled(client, user, last, wait=WAIT_S, **query)
        assert answer.frames[0].event == "hello"
        assert answer.frames[0].data["resumed"]
        frames += answer.frames[1:]
        last = answer.last_event_id
    return frames


def tell(client: httpx.Client, user: str, number: int = 1) -> None:
    """Notify the user of so many things."""
    events = [event(object_id=f"poll-{n}", target_user_ids=[user]) for n in range(number)]
    assert client.post("/v1/events", json=events).is_success


def mark_some(client: httpx.Client, user: str) -> None:
    """Read the newest two."""
    answer = client.get("/v1/notifications", params={"user_id": user, "limit": 2})
    ids = [item["id"] for item in answer.json()["items"]]
    assert client.post("/v1/notifications/read", params={"user_id": user}, json={"ids": ids}).is_success


def mark_all(client: httpx.Client, user: str) -> None:
    """Read everything."""
    assert client.post("/v1/notifications/read-all", params={"user_id": user}).is_success


class Asking:
    """A poll in a thread of its own; ``asked`` once it has been sent."""

    def __init__(
        self, pool: ThreadPoolExecutor, url: str, user: str, last: str, wait_s: int = WAIT_S
    ) -> None:
        self._sent = threading.Event()
        self._answer: Future[tuple[Polled, float]] = pool.submit(self._ask, url, user, last, wait_s)
        assert self._sent.wait(LIMIT_S)

    def answer(self) -> tuple[Polled, float]:
        """The answer, and the seconds until it came."""
        return self._answer.result(LIMIT_S)

    def _ask(self, url: str, user: str, last: str, wait_s: int) -> tuple[Polled, float]:
        def trace(name: str, info: object) -> None:
            if name == "http11.receive_response_headers.started":
                self._sent.set()

        asked: dict[str, Any] = {"user_id": user, "last_event_id": last, "wait": wait_s}
        begun = time.monotonic()
        with httpx.Client(timeout=LIMIT_S, trust_env=False) as client:
            reply = client.get(url + POLL, params=asked, extensions={"trace": trace})
        return of(reply, Polled), time.monotonic() - begun


@pytest.fixture(scope="module")
def pool() -> Iterator[ThreadPoolExecutor]:
    """Room for as many as a test needs at once."""
    with ThreadPoolExecutor(max_workers=8) as threads:
        yield threads


def base(app: httpx.Client) -> str:
    """The address of the server that is asked."""
    return str(app.base_url).rstrip("/")


@pytest.mark.need("LI2")
@pytest.mark.parametrize("include", ["notifications", "activity"])
def test_polls_tell_what_a_stream_tells(dev: httpx.Client, include: str) -> None:
    """Names, ids and data, in the same order."""
    user = f"polled-{include}"
    tell(dev, user, 3)
    begun = polled(dev, user, include=include).last_event_id
    mark_some(dev, user)
    tell(dev, user, MANY)
    mark_all(dev, user)
    with streaming(dev, user, begun, include=include) as stream:
        stream.next("hello")
        told = [next(stream.messages) for _ in range(MANY)]
    frames = polled_until(dev, user, begun, MANY, include=include)[:MANY]
    assert [(frame.event, frame.id, frame.data) for frame in frames] == told


def test_a_stream_goes_on_where_a_poll_ended_and_the_other_way_round(dev: httpx.Client, user: str) -> None:
    tell(dev, user, 3)
    first = polled(dev, user, "0").last_event_id
    tell(dev, user, 2)
    with streaming(dev, user, first) as stream:
        assert stream.next("hello").data["resumed"]
        told = stream.next("notification")
    again = polled(dev, user, told.id)
    assert again.frames[1].data["seq"] == told.data["seq"] + 1


@pytest.mark.parametrize("way", ["header", "last_event_id", "lastEventId"])
def test_the_place_may_be_sent_in_each_way(dev: httpx.Client, way: str) -> None:
    user = f"poll-{way}"
    tell(dev, user, 3)
    seq = str(dev.get("/v1/notifications", params={"user_id": user}).json()["seq"] - 1)
    headers = {"last-event-id": seq} if way == "header" else {}
    query = {"user_id": user} | ({} if way == "header" else {way: seq})
    answer = of(dev.get(POLL, params=query, headers=headers), Polled)
    assert [frame.event for frame in answer.frames] == ["hello", "notification"]


def test_who_has_no_place_does_not_wait(dev: httpx.Client, user: str) -> None:
    begun = time.monotonic()
    (hello,) = polled(dev, user, wait=WAIT_S).frames
    assert hello.event == "hello"
    assert time.monotonic() - begun < SOON_S


def test_frames_come_when_something_happens(dev: httpx.Client, pool: ThreadPoolExecutor, user: str) -> None:
    """On each of a user's devices."""
    last = polled(dev, user).last_event_id
    waiting = [Asking(pool, base(dev), user, last) for _ in range(3)]
    tell(dev, user)
    for poll in waiting:
        answer, took_s = poll.answer()
        assert answer.frames[1].event == "notification"
        assert took_s < SOON_S


def test_frames_are_waited_for_as_long_as_asked(
    dev: httpx.Client, pool: ThreadPoolExecutor, user: str
) -> None:
    """What happens to others does not end it."""
    last = polled(dev, user).last_event_id
    poll = Asking(pool, base(dev), user, last, wait_s=1)
    tell(dev, f"not-{user}")
    answer, took_s = poll.answer()
    assert ([frame.event for frame in answer.frames], answer.last_event_id) == (["hello"], last)
    assert 1 <= took_s < SOON_S


@pytest.mark.parametrize("last", ["nonsense", "other.1.1", "99", "é", "1.2.3.4", "-1"])
def test_a_place_of_elsewhere_is_reset(dev: httpx.Client, last: str) -> None:
    """At once, and with a place to go on from."""
    answer = polled(dev, "polled-elsewhere", last, wait=WAIT_S)
    assert [frame.event for frame in answer.frames] == ["hello", "reset"]
    assert not answer.frames[0].data["resumed"]
    assert polled(dev, "polled-elsewhere", answer.last_event_id).frames[0].data["resumed"]


def test_a_stopping_server_drains_who_waits(tmp_path: Path, pool: ThreadPoolExecutor) -> None:
    """With what it told before, and when to come back."""
    with mortal(tmp_path) as server:
        with httpx.Client(base_url=server.url, timeout=LIMIT_S) as client:
            places = {user: polled(client, user).last_event_id for user in ("ada", "bob", "cid")}
            waiting = [Asking(pool, server.url, user, last) for user, last in places.items()]
            until_open(client, len(waiting))
            polled(client, "dot")  # the others were greeted before
        server.end(signal.SIGTERM)
        for poll in waiting:
            answer, took_s = poll.answer()
            assert answer.frames[-1].event == "drain"
            assert 1_000 <= answer.frames[-1].data["retry_ms"] <= 3_000
            assert took_s < SOON_S


def until_open(client: httpx.Client, number: int) -> None:
    """Look again and again, until so many streams are open."""
    limit = time.monotonic() + LIMIT_S
    while metric(client, "tidings_streams_open") != number:
        assert time.monotonic() < limit


def test_a_poll_waits_in_the_place_of_a_stream(app: httpx.Client) -> None:
    """Without one it is answered at once, and brings what there is all the same."""
    with ExitStack() as opened:
        for _ in range(PER_USER):
            opened.enter_context(streaming(app, "polly")).next("hello")
        last = polled(app, "polly").last_event_id
        began = time.monotonic()
        assert [frame.event for frame in polled(app, "polly", last, wait=WAIT_S).frames] == ["hello"]
        assert time.monotonic() - began < SOON_S
        tell(app, "polly")
        told = polled(app, "polly", last, wait=WAIT_S)
        assert [frame.event for frame in told.frames] == ["hello", "notification"]


def test_a_full_server_says_when_to_come_back(tmp_path: Path) -> None:
    with (
        serving(tmp_path, "--max-streams=1") as url,
        httpx.Client(base_url=url, timeout=LIMIT_S) as client,
        streaming(client, "first") as stream,
    ):
        stream.next("hello")
        refusal = client.get(POLL, params={"user_id": "later"}, headers={"accept": "text/event-stream"})
        assert refused(refusal, 503).type == "urn:tidings:problem:unavailable"
        assert 2 <= int(refusal.headers["retry-after"]) <= 15


def test_who_goes_away_leaves_a_place(tmp_path: Path) -> None:
    """Noticed at once, and not at the end of the waiting."""
    with (
        serving(tmp_path, "--max-streams-per-user=1") as url,
        httpx.Client(base_url=url, timeout=LIMIT_S) as client,
    ):
        last = polled(client, "ada").last_event_id
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), LIMIT_S) as connection:
            ask = f"GET {POLL}?user_id=ada&last_event_id={last}&wait=60 HTTP/1.1\r\nhost: {host}\r\n\r\n"
            connection.sendall(ask.encode())
            until_open(client, 1)
            with client.stream("GET", "/v1/notifications/stream", params={"user_id": "ada"}) as refusal:
                assert refusal.status_code == 429
        until_open(client, 0)
        assert polled(client, "ada").frames


def test_a_poll_ends_with_its_token(anybody: httpx.Client) -> None:
    """And the next one needs another."""
    headers = bearer(token("pia", lifetime_s=2))
    last = of(anybody.get(POLL, headers=headers), Polled).last_event_id
    query: dict[str, Any] = {"last_event_id": last, "wait": WAIT_S}
    answer = of(anybody.get(POLL, params=query, headers=headers), Polled)
    assert {frame.event for frame in answer.frames} <= {"hello", "heartbeat", "reauth"}
    assert anybody.get(POLL, params=query, headers=headers).status_code == 401


def test_a_page_polls_with_its_cookie(anybody: httpx.Client) -> None:
    """As it would listen: where no stream gets through, it has nothing else."""
    given = anybody.put("/v1/session", headers=bearer(token("pam"))).headers["set-cookie"].split(";")[0]
    answer = of(anybody.get(POLL, headers={"cookie": given}), Polled)
    assert answer.frames[0].data["user_id"] == "pam"


def test_hostile_text_stays_in_its_frame(dev: httpx.Client, user: str) -> None:
    evil = 'x","id":null},{"event":"drain","data":{},"id":null}\r\n\0\u2028'
    last = polled(dev, user).last_event_id
    happened = event(target_user_ids=[user], object_title=evil, metadata={evil: evil})
    assert dev.post("/v1/events", json=happened).is_success
    _, told = polled(dev, user, last).frames
    assert (told.data["metadata"], told.data["parts"]["object"]["title"]) == ({evil: evil}, evil)
