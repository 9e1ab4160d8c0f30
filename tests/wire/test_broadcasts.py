"""Broadcasts over the wire: one event for everybody, or for all who follow a topic, counted exactly in every inbox."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from tests.serving import serving
from tests.wire.people import event, moment
from tidings.commands import MAX_LIVE_BROADCASTS
from tidings.http import schemas

LIMIT_S = 30
"""How long a test waits for what must come before it fails."""


def broadcast(app: httpx.Client, key: str = "", **changed: Any) -> schemas.Receipt:
    """A broadcast that must be accepted."""
    headers = {"idempotency-key": key} if key else {}
    reply = app.post("/v1/broadcasts", json=event(**changed), headers=headers)
    assert reply.status_code == 201, reply.text
    return msgspec.json.decode(reply.content, type=schemas.Receipt)


def inbox(app: httpx.Client, user: str) -> dict[str, Any]:
    """The first page of a user's inbox."""
    reply = app.get("/v1/notifications", params={"user_id": user})
    assert reply.status_code == 200, reply.text
    page: dict[str, Any] = reply.json()
    return page


def objects(app: httpx.Client, user: str) -> list[str]:
    """What the notifications of a user's first page are about."""
    return [item["object_id"] for item in inbox(app, user)["items"]]


def unread(app: httpx.Client, user: str) -> int:
    """How many notifications a user has not read, asked for alone."""
    count: int = app.get("/v1/notifications/unread-count", params={"user_id": user}).json()["unread_count"]
    return count


@pytest.fixture
def topic(user: str) -> str:
    """A topic of this test's own, so that its broadcasts reach nobody else's users."""
    return f"club:{user}"


def follow(app: httpx.Client, user: str, topic: str) -> None:
    """Have a user follow a topic."""
    assert app.put(f"/v1/users/{user}/follows/{topic}", json={"backfill": 0}).status_code == 201


@pytest.mark.need("NO9")
def test_a_broadcast_reaches_everybody(tmp_path: Path) -> None:
    """Those who were there, those who never were, whoever asks first and however; not its actor. It is a server of its
    own, for everybody else would hear of it too."""
    with serving(tmp_path) as url, httpx.Client(base_url=url, timeout=LIMIT_S) as app:
        app.post("/v1/events", json=event(target_user_ids=["known"]))
        receipt = broadcast(app, actor="admin", object_id="news", audience="*", title="News")
        assert [unread(app, user) for user in ("known", "stranger", "admin")] == [2, 1, 0]
        assert (objects(app, "known"), objects(app, "newcomer")) == (["news", "42"], ["news"])
        assert objects(app, "admin") == []
        (item,) = inbox(app, "newcomer")["items"]
        assert item["event_ids"] == [receipt.event_id]
        since = app.get("/v1/notifications", params={"user_id": "late", "since": 0}).json()
        assert ([item["object_id"] for item in since["items"]], since["unread_count"]) == (["news"], 1)


def test_a_topic_is_an_audience(app: httpx.Client, user: str, topic: str) -> None:
    """It reaches those who followed before it, and nobody else."""
    follow(app, user, topic)
    broadcast(app, object_id="first", audience=topic)
    follow(app, f"{user}-late", topic)
    broadcast(app, object_id="second", audience=topic)
    assert unread(app, user) == 2
    assert objects(app, user) == ["second", "first"]
    assert objects(app, f"{user}-late") == ["second"]
    assert objects(app, f"{user}-stranger") == []


def test_it_is_an_event_like_any_other(app: httpx.Client, user: str, topic: str) -> None:
    """It has its place in the log, and if it is public on the pages of its topics."""
    receipt = broadcast(app, object_id=user, audience=topic, visibility="public")
    shown = app.get(f"/v1/events/{receipt.event_id}").json()
    assert (shown["object_id"], shown["position"], shown["target_user_ids"]) == (user, receipt.position, [])
    page = app.get(f"/v1/topics/market%3A{user}/activity").json()
    assert [item["event_id"] for item in page["items"]] == [receipt.event_id]


def test_read_is_read(app: httpx.Client, user: str, topic: str) -> None:
    """What came and was read does not come back."""
    follow(app, user, topic)
    broadcast(app, audience=topic)
    assert unread(app, user) == 1
    assert app.post("/v1/notifications/read-all", params={"user_id": user}).json()["unread_count"] == 0
    assert unread(app, user) == 0
    broadcast(app, audience=topic)
    assert unread(app, user) == 1


def test_a_retracted_broadcast_is_taken_back(app: httpx.Client, user: str, topic: str) -> None:
    """From those who have it, and before it comes to the others."""
    for name in (user, f"{user}-late"):
        follow(app, name, topic)
    receipt = broadcast(app, audience=topic)
    assert unread(app, user) == 1
    assert app.delete(f"/v1/events/{receipt.event_id}").status_code == 204
    assert [unread(app, name) for name in (user, f"{user}-late")] == [0, 0]
    assert objects(app, f"{user}-late") == []


def test_same_key_same_broadcast(app: httpx.Client, user: str, topic: str) -> None:
    """A repeat gets the first reply and stores nothing; another body under the key is refused."""
    follow(app, user, topic)
    body, headers = event(audience=topic), {"idempotency-key": user}
    first = app.post("/v1/broadcasts", json=body, headers=headers)
    again = app.post("/v1/broadcasts", json=body, headers=headers)
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["idempotency-replayed"] == "true"
    other = app.post("/v1/broadcasts", json=body | {"verb": "other"}, headers=headers)
    assert (other.status_code, other.json()["type"]) == (422, "urn:tidings:problem:idempotency-key-reused")
    assert unread(app, user) == 1


def test_who_waits_hears_of_it(app: httpx.Client, user: str, topic: str) -> None:
    """A request that waits for news of an inbox is answered when a broadcast is meant for it."""
    follow(app, user, topic)

    async def hear() -> list[str]:
        async with httpx.AsyncClient(
            base_url=app.base_url, headers=dict(app.headers), timeout=LIMIT_S
        ) as client:
            waiting = asyncio.create_task(_news(client, user))
            await asyncio.to_thread(broadcast, app, object_id="heard", audience=topic)
            return await waiting

    assert asyncio.run(hear()) == ["heard"]


async def _news(client: httpx.AsyncClient, user: str) -> list[str]:
    async with asyncio.timeout(LIMIT_S):
        while True:
            question: dict[str, str | int] = {"user_id": user, "since": 0, "wait": 10}
            items = (await client.get("/v1/notifications", params=question)).json()["items"]
            if items:
                return [item["object_id"] for item in items]


@pytest.mark.parametrize(
    ("pointer", "changed"),
    [
        ("/audience", {}),
        ("/audience", {"audience": ""}),
        ("/audience", {"audience": "**"}),
        ("/audience", {"audience": "chess"}),
        ("/audience", {"audience": f"club:{'x' * 129}"}),
        ("/expires_at", {"audience": "*", "expires_at": "2020-01-01T00:00:00Z"}),
        ("/expires_at", {"audience": "*", "expires_at": moment(days=366)}),
        ("/expires_at", {"audience": "*", "expires_at": "2126-01-01T00:00:00"}),
        ("/target_user_ids", {"audience": "*", "target_user_ids": ["bob"]}),
        ("/created_at", {"audience": "*", "created_at": moment(hours=1)}),
        ("/verb", {"audience": "*", "verb": ""}),
        ("/nonsense", {"audience": "*", "nonsense": 1}),
    ],
)
def test_what_does_not_fit_is_named(app: httpx.Client, pointer: str, changed: dict[str, Any]) -> None:
    before = app.get("/v1/admin/status").json()["position"]
    reply = app.post("/v1/broadcasts", json=event(**changed))
    assert (reply.status_code, reply.json()["type"]) == (422, "urn:tidings:problem:invalid-fields")
    assert [error["pointer"] for error in reply.json()["errors"]] == [pointer]
    assert app.get("/v1/admin/status").json()["position"] == before


def test_an_array_is_no_broadcast(app: httpx.Client) -> None:
    assert app.post("/v1/broadcasts", json=[event(audience="*")]).status_code == 422
    lines = {"content-type": "application/x-ndjson"}
    assert app.post("/v1/broadcasts", content=b"{}", headers=lines).status_code == 415


def test_only_so_many_live_at_once(tmp_path: Path) -> None:
    """One more is refused, until one of them is taken back."""
    with serving(tmp_path) as url, httpx.Client(base_url=url, timeout=LIMIT_S) as app:
        first = broadcast(app, audience="club:full")
        for _ in range(MAX_LIVE_BROADCASTS - 1):
            broadcast(app, audience="club:full")
        refused = app.post("/v1/broadcasts", json=event(audience="*"))
        assert (refused.status_code, refused.json()["type"]) == (429, "urn:tidings:problem:too-many-requests")
        assert int(refused.headers["retry-after"]) > 0
        assert app.delete(f"/v1/events/{first.event_id}").status_code == 204
        broadcast(app, audience="club:full")


def test_a_broadcast_lives_for_a_year_at_most(app: httpx.Client, user: str, topic: str) -> None:
    follow(app, user, topic)
    broadcast(app, audience=topic, expires_at=moment(days=364))
    assert unread(app, user) == 1
