"""Groups of similar events, over HTTP and by the Python client."""

from datetime import datetime
from typing import Any, TypeVar

import httpx
import pytest

from tests.checkers import groups
from tests.wire.people import KEY, event
from tests.wire.replies import of, refused
from tidings.client import Client
from tidings.grouping import MAX_ITEMS
from tidings.http import schemas

T = TypeVar("T", schemas.FeedGroupPage, schemas.ActivityGroupPage)
PEOPLE = ("ann", "bea", "cal", "dan", "eve")
DAYS = (30, 31)


def acts(user: str, count: int = 24) -> list[dict[str, Any]]:
    """Events of five people on three markets, for a user, on two days."""
    return [
        event(
            f"{user}-{PEOPLE[n % 5]}",
            verb=("forecast", "comment")[n // 5 % 2],
            object_id=f"{user}-{n // 2 % 3}",
            object_title=f"Market {n // 2 % 3}",
            target_user_ids=[user],
            topics=[f"tag:{user}"],
            created_at=f"2026-01-{DAYS[n % 2]}T09:30:{n:02}.000Z",
        )
        for n in range(count)
    ]


@pytest.fixture
def published(app: httpx.Client, user: str) -> str:
    """A user with events in the feed."""
    of(app.post("/v1/events", json=acts(user)), schemas.Receipts, 201)
    return user


def walked(app: httpx.Client, path: str, kind: type[T], arriving: list[Any], **asked: Any) -> list[Any]:
    """The groups of all pages; after each page some of the events arrive."""
    found: list[Any] = []
    position: int | None = None
    cursor: str | None = None
    while True:
        parameters = {"group": "true"} | asked | ({} if cursor is None else {"cursor": cursor})
        page = of(app.get(path, params=parameters), kind)
        assert position in (None, page.position), "all pages show one snapshot"
        position, cursor = page.position, page.next_cursor
        found += page.items
        assert page.has_more == (cursor is not None)
        if cursor is None:
            return found
        some, arriving[:] = arriving[:3], arriving[3:]
        if some:
            app.post("/v1/events", json=some).raise_for_status()


def ms(time: str) -> int:
    """Milliseconds since 1970."""
    return round(datetime.fromisoformat(time).timestamp() * 1000)


def key(event_id: str) -> int:
    """The order of an event: that of its id."""
    return int(event_id.replace("-", ""), 16)


def plain(item: schemas.Event) -> groups.Plain:
    read = isinstance(getattr(item, "read_at", None), str)
    thing = f"{item.object_type}:{item.object_id}"
    return groups.Plain(key(item.event_id), item.verb, thing, item.actor_id, read)


def shown(group: schemas.ActivityGroup) -> groups.Shown:
    read = group.count - group.unread_count if isinstance(group.unread_count, int) else 0
    end, top = (ms(time) << 80 for time in (group.window.from_, group.window.to))
    thing, keys = f"{group.object_type}:{group.object_id}", [key(item.event_id) for item in group.items]
    assert (group.created_at, group.object_title) == (
        group.items[0].created_at,
        group.items[0].object_title,
    )
    return groups.Shown(
        group.group_id,
        group.verb,
        thing,
        end,
        top,
        group.count,
        read,
        group.actors,
        group.actor_count,
        keys,
    )


@pytest.mark.need("FE9")
@pytest.mark.parametrize("limit", [1, 3, 100])
def test_pages_of_groups_partition_the_feed_while_events_arrive(
    app: httpx.Client, published: str, limit: int
) -> None:
    """Each item of the first page's snapshot is in one group of one page; what arrives is new after its position."""
    user = published
    marked = of(app.get("/v1/feed", params={"user_id": user, "limit": 30}), schemas.FeedPage)
    body = {"event_ids": [item.event_id for item in marked.items[::3]]}
    app.post("/v1/feed/read", params={"user_id": user}, json=body).raise_for_status()
    items = of(app.get("/v1/feed", params={"user_id": user, "limit": 30}), schemas.FeedPage).items
    arriving = acts(user)[::-1]
    found = walked(app, "/v1/feed", schemas.FeedGroupPage, arriving, user_id=user, limit=limit)
    groups.partition(list(map(plain, items)), list(map(shown, found)), MAX_ITEMS)
    assert sum(group.count for group in found) == 24
    new = app.get("/v1/feed/new", params={"user_id": user, "since": marked.position}).json()
    assert new["count"] == 24 - len(arriving)


@pytest.mark.parametrize(
    "query", [{}, {"verb": "comment"}, {"actor_id": "-nobody", "to": "2026-01-31T00:00:00Z"}]
)
def test_pages_of_groups_partition_activity(app: httpx.Client, published: str, query: dict[str, str]) -> None:
    """Of a topic, with filters; without a user, groups of activity have no read state."""
    path = f"/v1/topics/tag%3A{published}/activity"
    items = of(app.get(path, params=query | {"limit": "100"}), schemas.ActivityPage).items
    found = walked(app, path, schemas.ActivityGroupPage, acts(published), limit=2, **query)
    groups.partition(list(map(plain, items)), list(map(shown, found)), MAX_ITEMS)


def test_a_group_is_what_the_filters_of_its_members_find(app: httpx.Client, published: str) -> None:
    """Verb, object and window of a group select its items."""
    for group in walked(app, "/v1/feed", schemas.FeedGroupPage, [], user_id=published):
        query = {
            "user_id": published,
            "verb": group.verb,
            "object_type": group.object_type,
            "object_id": group.object_id,
            "from": group.window.from_,
            "to": group.window.to,
        }
        items = of(app.get("/v1/feed", params=query), schemas.FeedPage).items
        assert len(items) == group.count
        assert items[: len(group.items)] == group.items


@pytest.mark.need("FE11")
def test_groups_take_fields_and_since(app: httpx.Client, published: str) -> None:
    """``fields`` are those of the items in the groups; ``since`` counts items."""
    query: dict[str, Any] = {
        "user_id": published,
        "group": "true",
        "limit": 2,
        "fields": "verb,read_at",
        "since": 0,
    }
    page = app.get("/v1/feed", params=query).json()
    assert page["new_count"] == 24
    assert [set(item) for group in page["items"] for item in group["items"]][:2] == [{"verb", "read_at"}] * 2
    assert f"cursor={page['next_cursor']}" in app.get("/v1/feed", params=query).headers["link"]


def test_a_cursor_of_groups_belongs_to_groups(app: httpx.Client, published: str) -> None:
    """Neither continues the other, nor another user's or filter's."""
    query: dict[str, Any] = {"user_id": published, "limit": 1}
    cursors = [
        app.get("/v1/feed", params=query | more).json()["next_cursor"] for more in ({}, {"group": True})
    ]
    refused(app.get("/v1/feed", params=query | {"cursor": cursors[1]}), 400, "cursor")
    for more in ({"cursor": cursors[0]}, {"cursor": cursors[1], "verb": "comment"}):
        refused(app.get("/v1/feed", params=query | {"group": True} | more), 400, "cursor")
    elsewhere = {"user_id": published, "group": True, "cursor": cursors[1]}
    refused(app.get("/v1/activity", params=elsewhere), 400, "cursor")
    refused(app.get("/v1/feed", params=elsewhere | {"user_id": "other"}), 400, "cursor")
    refused(app.get("/v1/feed", params={"user_id": published, "group": "yes"}), 400, "group")


def test_the_client_reads_groups(app: httpx.Client, url: str, published: str) -> None:
    """Page by page, and all of them."""
    expected = [
        group.group_id for group in walked(app, "/v1/feed", schemas.FeedGroupPage, [], user_id=published)
    ]
    with Client(url, api_key=KEY, user_id=published) as client:
        assert [group.group_id for group in client.feed_groups()] == expected
        page = client.feed_groups_page(limit=2, since=0)
        assert ([group.group_id for group in page.items], page.new_count) == (expected[:2], 24)
        newest = page.items[0]
        assert (
            newest.unread_count
            == newest.count
            == len(
                list(
                    client.feed(
                        verb=newest.verb,
                        object_id=newest.object_id,
                        from_=newest.window.from_,
                        to=newest.window.to,
                    )
                )
            )
        )
        assert newest.items[0].actor_id == newest.actors[0]
        public = client.activity_groups_page(f"tag:{published}", limit=2)
        assert [group.group_id for group in public.items] == expected[:2]
        assert len(list(client.activity_groups(f"tag:{published}"))) == len(expected)
