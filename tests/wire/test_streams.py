"""The live stream over the wire, with a client that knows only what the standard says."""

import contextlib

import httpx
import pytest

from tests.wire.people import bearer, event, token
from tests.wire.replies import metric
from tests.wire.streams import Stream, streaming

PER_USER = 8


def publish(app: httpx.Client, user: str, number: int = 1) -> None:
    """Notify the user of so many things, in one request."""
    events = [event(object_id=str(i), target_user_ids=[user]) for i in range(number)]
    assert app.post("/v1/events", json=events).status_code == 201


def test_stream_begins_with_retry_and_hello(app: httpx.Client) -> None:
    """First comes when to return, then where the client is; proxies are told to keep their hands off."""
    publish(app, "hella", 2)
    with streaming(app, "hella") as stream:
        hello = stream.next("hello")
        assert stream.reply.headers["content-type"] == "text/event-stream"
        assert stream.reply.headers["cache-control"] == "no-cache, no-transform"
        assert stream.reply.headers["x-accel-buffering"] == "no"
        assert 1_000 <= stream.retry_ms <= 3_000
        assert hello.id
        assert (hello.data["user_id"], hello.data["unread_count"], hello.data["seq"]) == ("hella", 2, 2)


def test_news_arrive_in_order(app: httpx.Client) -> None:
    """What is published, and what is read elsewhere, arrives with its count and seq."""
    with streaming(app, "nils", include="notifications,activity") as stream:
        stream.next("hello")
        publish(app, "nils")
        notice = stream.next("notification")
        assert (notice.data["unread_count"], notice.data["seq"]) == (1, 1)
        assert stream.next("activity").data["reason"]["kind"] == "target"
        app.post(f"/v1/notifications/{notice.data['id']}/read", params={"user_id": "nils"})
        read = stream.next("read")
        assert (read.data["ids"], read.data["unread_count"], read.data["seq"]) == ([notice.data["id"]], 0, 2)


@pytest.mark.need("LI1", "LI4")
@pytest.mark.parametrize("way", ["header", "last_event_id", "lastEventId"])
def test_resume_brings_all_that_was_missed(app: httpx.Client, way: str) -> None:
    """After any interruption the stream goes on with the next seq, however the cursor is sent."""
    user = f"rita-{way}"
    with streaming(app, user) as stream:
        stream.next("hello")
        publish(app, user, 2)
        stream.next("notification")
        last = stream.next("notification").id
    publish(app, user, 150)
    how = streaming(app, user, last) if way == "header" else streaming(app, user, **{way: last})
    with how as stream:
        assert stream.next("hello").data["resumed"] is True
        assert [stream.next("notification").data["seq"] for _ in range(150)] == list(range(3, 153))


def test_header_wins_over_the_address(app: httpx.Client) -> None:
    """A client that reconnects by itself sends its first address and a newer header."""
    publish(app, "hana", 3)
    with streaming(app, "hana", last_event_id="0") as stream:
        stream.next("hello")
        ids = [stream.next("notification").id for _ in range(3)]
    with streaming(app, "hana", ids[1], last_event_id="0") as stream:
        stream.next("hello")
        assert stream.next("notification").id == ids[2]


def test_list_and_stream_join(app: httpx.Client) -> None:
    """The seq of a list is a cursor: what came between the two is not lost."""
    publish(app, "jana", 1)
    seq = app.get("/v1/notifications", params={"user_id": "jana"}).json()["seq"]
    publish(app, "jana", 2)
    with streaming(app, "jana", str(seq)) as stream:
        stream.next("hello")
        assert [stream.next("notification").data["seq"] for _ in range(2)] == [2, 3]


@pytest.mark.need("LI1")
@pytest.mark.parametrize("cursor", ["nonsense", "other.1.1", "99", "\u00e9", "1.2.3.4", "-1"])
def test_cursor_of_elsewhere_is_reset(app: httpx.Client, cursor: str) -> None:
    """A cursor that is not of this store is answered honestly, in the stream itself."""
    with streaming(app, "rosa", last_event_id=cursor) as stream:
        assert stream.next("hello").data["resumed"] is False
        assert stream.next("reset").data["reason"]


def test_streams_of_a_user_are_bounded(app: httpx.Client) -> None:
    """One more than the cap is refused with what the limit is; a closed stream makes room at once."""
    with contextlib.ExitStack() as opened:
        for _ in range(PER_USER):
            opened.enter_context(streaming(app, "bela")).next("hello")
        refused = app.get("/v1/notifications/stream?user_id=bela")
        assert (refused.status_code, refused.json()["type"]) == (429, "urn:tidings:problem:too-many-requests")
        assert int(refused.headers["retry-after"]) >= 1
        assert refused.headers["ratelimit-policy"] == f'"streams";q={PER_USER}'
        assert refused.headers["ratelimit"].startswith('"streams";r=0;t=')


def test_client_that_leaves_is_noticed(app: httpx.Client) -> None:
    """Streams that clients left are given up without waiting for something to send."""

    before = metric(app, "tidings_streams_open")
    for _ in range(3 * PER_USER):
        with streaming(app, "lea") as stream:
            stream.next("hello")
    assert metric(app, "tidings_streams_open") <= before + 1


def test_stream_ends_with_its_token(anybody: httpx.Client) -> None:
    """A stream lives no longer than the token it was opened with, and says so before."""
    headers = bearer(token("timo", lifetime_s=2))
    with anybody.stream("GET", "/v1/notifications/stream", headers=headers) as reply:
        names = [message.name for message in Stream(reply).rest()]
    assert names[0] == "hello"
    assert names.count("reauth") == 1
    assert set(names[1:]) <= {"heartbeat", "reauth"}


def test_hostile_text_cannot_forge_a_frame(app: httpx.Client) -> None:
    """Line ends, NUL and frame syntax inside an event stay inside its data."""
    evil = "x\nevent: drain\r\ndata: {}\r\r\n\n\u2028id: 9\u0000"
    with streaming(app, "eve", include="notifications,activity") as stream:
        stream.next("hello")
        app.post("/v1/events", json=event(object_title=evil, target_user_ids=["eve"], metadata={"a": evil}))
        assert stream.next("notification").data["metadata"] == {"a": evil}
        assert stream.next("activity").data["object_title"] == evil
