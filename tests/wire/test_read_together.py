"""Types that are read together with the feed, over HTTP, by the Python client and on streams."""

from collections.abc import Iterator
from itertools import islice
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.wire.people import KEY, event
from tests.wire.replies import of, refused
from tests.wire.streams import Stream, streaming
from tidings.client import Client
from tidings.http import schemas


@pytest.fixture
def verb(app: httpx.Client) -> Iterator[str]:
    """A verb whose notifications are read together with their events."""
    name = f"together-{uuid4().hex[:8]}"
    path = f"/v1/admin/types/{name}"
    declared = app.put(path, json={"read_together": True, "duplicate_window_s": 0}).json()
    assert declared["rule"]["read_together"] is True
    yield name
    assert app.delete(path).status_code == 204


def publish(app: httpx.Client, user: str, verb: str, count: int) -> list[str]:
    events = [event(f"{user}-a", verb=verb, object_id=user, target_user_ids=[user]) for _ in range(count)]
    return [r.event_id for r in of(app.post("/v1/events", json=events), schemas.Receipts, 201).events]


def two(stream: Stream) -> dict[str, Any]:
    """The data of the next two frames that are no heartbeats, by name."""
    frames = (message for message in stream.messages if message.name != "heartbeat")
    return {message.name: message.data for message in islice(frames, 2)}


@pytest.mark.need("LI8")
def test_both_are_announced_to_every_stream(app: httpx.Client, user: str, verb: str) -> None:
    """A mark of one of them is a frame of each, in whichever direction."""
    ids = publish(app, user, verb, 2)
    who = {"user_id": user}
    with streaming(app, user, include="notifications,activity") as stream:
        assert stream.next("hello").data["unread_count"] == 1
        (item,) = app.get("/v1/notifications", params=who).json()["items"]
        app.post(f"/v1/notifications/{item['id']}/read", params=who).raise_for_status()
        both = two(stream)
        assert (both["read"]["ids"], both["read"]["unread_count"]) == ([item["id"]], 0)
        assert both["feed_read"]["event_ids"] == ids
        marked = app.post("/v1/feed/unread", params=who, json={"event_ids": ids[:1]}).json()
        assert marked["updated"] == 1
        both = two(stream)
        assert both["notification"]["unread_count"] == 1
        assert (both["feed_read"]["event_ids"], both["feed_read"]["read_at"]) == (ids[:1], None)
        app.post("/v1/feed/read", params=who, json={"all": True}).raise_for_status()
        both = two(stream)
        assert (both["read"]["type"], both["read"]["unread_count"]) == (verb, 0)
        assert both["feed_read"]["up_to"] > 0


def test_the_client_reads_both(app: httpx.Client, url: str, user: str, verb: str) -> None:
    """By its calls, the undo of a read-all included."""
    publish(app, user, verb, 2)
    with Client(url, api_key=KEY) as client:
        marked = client.mark_feed_read(user=user)
        assert client.unread_count(user=user).unread_count == 0
        assert marked.undo
        client.undo_feed_read(marked.undo, user=user)
        assert client.unread_count(user=user).unread_count == 1
        client.read_all(user=user)
        assert client.feed_summary(user=user).unread_count == 0


def test_the_rule_is_true_or_false(app: httpx.Client, verb: str) -> None:
    """Anything else is refused with its name."""
    refused(app.put(f"/v1/admin/types/{verb}", json={"read_together": "yes"}), 422, "/read_together")
