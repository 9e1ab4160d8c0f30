"""The read state of activity, over HTTP, by the Python client and on streams."""

from collections.abc import Iterable, Iterator
from itertools import islice

import httpx
import pytest
from msgspec import UNSET

from tests.wire.people import KEY, event
from tests.wire.replies import of, refused
from tidings.client import Client, FeedRead, cursor_of
from tidings.client.shapes import FeedPage
from tidings.http import schemas


def published(app: httpx.Client, user: str) -> list[str]:
    """Three events in a topic of the user, on two objects, none of them in the feed."""
    events = [event(f"{user}-a", object_id=f"{user}-{n % 2}", topics=[f"tag:{user}"]) for n in range(3)]
    receipts = of(app.post("/v1/events", json=events), schemas.Receipts, 201).events
    return [receipt.event_id for receipt in receipts]


@pytest.mark.need("FE15")
def test_activity_has_the_read_state_of_its_viewer(app: httpx.Client, user: str) -> None:
    """On pages, in groups, and in new counts; without a user there is none, and no filter by it."""
    ids = published(app, user)
    path, who = f"/v1/topics/tag%3A{user}", {"user_id": user}
    body = {"event_ids": [ids[0], "unknown"]}
    marked = of(app.post("/v1/activity/read", params=who, json=body), schemas.FeedReadResult)
    assert (marked.updated, marked.undo) == (1, UNSET)

    def page(**asked: str) -> list[schemas.ActivityEvent]:
        return of(app.get(f"{path}/activity", params=who | asked), schemas.ActivityPage).items

    assert [item.event_id for item in page() if item.read_at] == [ids[0]]
    assert [item.event_id for item in page(read="false")] == [ids[2], ids[1]]
    (trimmed,) = app.get(
        f"{path}/activity", params=who | {"read": "true", "fields": "event_id,read_at"}
    ).json()["items"]
    assert trimmed == {"event_id": ids[0], "read_at": page()[-1].read_at}
    grouped = app.get(f"{path}/activity", params=who | {"group": "true"})
    groups = of(grouped, schemas.ActivityGroupPage).items
    assert [(group.count, group.unread_count, group.read_at) for group in groups] == [
        (2, 1, None),
        (1, 1, None),
    ]
    for read, count in (("true", 1), ("false", 2)):
        asked = who | {"since": "0", "read": read}
        assert of(app.get(f"{path}/new", params=asked), schemas.NewCount).count == count
    anybody = of(app.get(f"{path}/activity"), schemas.ActivityPage).items
    assert {item.read_at for item in anybody} == {UNSET}
    for unnamed in (f"{path}/activity?", f"{path}/new?since=0&", "/v1/activity?"):
        refused(app.get(f"{unnamed}read=false"), 400, "read")


def test_read_alls_of_activity_by_the_client(app: httpx.Client, url: str, user: str) -> None:
    """Of a topic and of all users, each undone by its token; told to the streams of the user with the list."""
    ids = published(app, user)
    topic = f"tag:{user}"
    with Client(url, api_key=KEY, user_id=user) as client:
        position = client.activity_page().position
        assert client.mark_activity_read(ids[:1]).updated == 1
        one = client.mark_activity_read(of_topic=topic)
        assert one.updated == 2
        everyone = client.mark_activity_read()
        begin = cursor_of(feed=FeedPage(items=(), position=position))
        with client.subscribe(include=["activity"], cursor=begin) as items:
            told = list(islice(frames(items), 3))
        assert [(item.event_ids, item.activity) for item in told] == [
            ((ids[0],), None),
            ((), topic),
            ((), "all"),
        ]
        assert all(item.read_at for item in client.activity(topic))
        assert client.mark_activity_unread(ids[1:2], of_topic=topic).updated == 1
        assert [item.event_id for item in client.activity(topic, read=False)] == [ids[1]]
        assert client.activity_new(0, topic, read=False).count == 1
        for token in (everyone.undo, one.undo):
            assert token is not None
            client.undo_activity_read(token)
        assert [item.event_id for item in client.activity(topic, read=False)] == [ids[2], ids[1]]


def frames(items: Iterable[object]) -> Iterator[FeedRead]:
    """The changes of read state on a stream."""
    return (item for item in items if isinstance(item, FeedRead))
