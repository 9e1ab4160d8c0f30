"""Every route does what it promises; replies are decoded strictly into the types that the OpenAPI document shows."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import httpx
import msgspec
import pytest

from tests.wire.people import event
from tests.wire.replies import done, inbox, of, publish
from tidings.http import schemas, schemas_trends
from tidings.http.routes import ROUTES

Names = TypeVar("Names", schemas.FollowsPage, schemas.MutesPage, schemas.BlocksPage)
NDJSON = {"content-type": "application/x-ndjson"}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\Z")


def feed(app: httpx.Client, user: str, **parameters: Any) -> schemas.FeedPage:
    """A page of the user's feed."""
    return of(app.get("/v1/feed", params={"user_id": user} | parameters), schemas.FeedPage)


@pytest.mark.need("IN1")
def test_event_is_published_and_shown(app: httpx.Client, user: str) -> None:
    """An event is durable under its id and position, and shown as it was sent."""
    sent = event(
        user, created_at="2026-01-31T09:30:00.123456Z", topics=["category:politics"], metadata={"a": [1]}
    )
    receipt = of(app.post("/v1/events", json=sent), schemas.Receipt, 201)
    assert receipt.created_at == "2026-01-31T09:30:00.123Z"
    shown = of(app.get(f"/v1/events/{receipt.event_id}"), schemas.FullEvent)
    assert (shown.event_id, shown.position) == (receipt.event_id, receipt.position)
    assert (shown.actor_id, shown.topics, shown.metadata) == (user, ["category:politics"], {"a": [1]})


@pytest.mark.need("IN3")
def test_array_is_atomic_and_ordered(app: httpx.Client, user: str) -> None:
    """An array gets a receipt per event, in its order, with neighbouring positions."""
    reply = app.post("/v1/events", json=[event(user, object_id=str(i)) for i in range(3)])
    receipts = of(reply, schemas.Receipts, 201).events
    positions = [receipt.position for receipt in receipts]
    assert positions == list(range(positions[0], positions[0] + 3))


@pytest.mark.need("IN3")
def test_import_answers_line_by_line(app: httpx.Client, user: str) -> None:
    """Each line of an import has its result; bad lines do not stop good ones."""
    lines = [json.dumps(event(user)), "nonsense", json.dumps(event(verb="")), json.dumps(event(user))]
    reply = app.post("/v1/events", content="\n".join(lines), headers=NDJSON)
    assert (reply.status_code, reply.headers["content-type"]) == (200, "application/x-ndjson")
    results = [json.loads(line) for line in reply.text.splitlines()]
    assert [result["line"] for result in results] == [1, 2, 3, 4]
    assert [result.get("error", {}).get("status") for result in results] == [None, 400, 422, None]
    assert results[3]["position"] == results[0]["position"] + 1


def test_import_streams(app: httpx.Client, user: str) -> None:
    """An import without a length, in chunks that cut lines anywhere, loses and doubles none."""
    text = "".join(json.dumps(event(user, object_id=str(i))) + "\n" for i in range(1_200)).encode()

    def chunks() -> Iterator[bytes]:
        for start in range(0, len(text), 999):
            yield text[start : start + 999]

    reply = app.post("/v1/events", content=chunks(), headers=NDJSON)
    results = [json.loads(line) for line in reply.text.splitlines()]
    assert [result["line"] for result in results] == list(range(1, 1_201))
    assert all("event_id" in result for result in results)


@pytest.mark.need("IN4")
def test_same_key_same_reply(app: httpx.Client, user: str) -> None:
    """A repeat under the same key, quoted or not, gets the first reply; another body under it is refused."""
    first = app.post("/v1/events", json=event(user), headers={"idempotency-key": user})
    again = app.post("/v1/events", json=event(user), headers={"idempotency-key": f'"{user}"'})
    assert first.content == again.content
    assert again.status_code == 201
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    other = app.post("/v1/events", json=event(user, verb="like"), headers={"idempotency-key": user})
    assert (other.status_code, other.json()["type"]) == (422, "urn:tidings:problem:idempotency-key-reused")


@pytest.mark.parametrize(
    ("prefer", "applied"),
    [
        ("wait=projected", "wait=projected"),
        ('wait="projected"', "wait=projected"),
        ("respond-async, wait=10", "respond-async"),
        ("return=minimal", None),
    ],
)
def test_preference(app: httpx.Client, user: str, prefer: str, applied: str | None) -> None:
    """A preference that is known is applied, and said so; others are passed over."""
    reply = app.post("/v1/events", json=event(user), headers={"prefer": prefer})
    assert reply.status_code == 201
    assert reply.headers.get("preference-applied") == applied


@pytest.mark.need("IN11")
def test_retracted_event_is_gone(app: httpx.Client, user: str) -> None:
    """A retracted event is nowhere any more; its notification leaves a tombstone among the changes."""
    receipt = publish(app, target_user_ids=[user])
    (item,) = inbox(app, user).items
    done(app.delete(f"/v1/events/{receipt.event_id}"))
    assert app.get(f"/v1/events/{receipt.event_id}").status_code == 404
    assert feed(app, user).items == []
    assert inbox(app, user).unread_count == 0
    changes = of(app.get("/v1/notifications", params={"user_id": user, "since": 1}), schemas.InboxChanges)
    (left,) = (msgspec.convert(change, schemas.Tombstone) for change in changes.items)
    assert (left.id, left.seq) == (item.id, 2)


@pytest.mark.need("FE12", "FE14")
def test_follow_brings_history_and_unfollow_hides_it(app: httpx.Client, user: str) -> None:
    """A new follow shows past events; unfollowing hides them, or keeps them."""
    topic = f"repository:{user}/name"
    path = f"/v1/users/{user}/follows/{topic.replace(':', '%3A').replace('/', '%2F')}"
    publish(app, topics=[topic])
    now = of(app.put(path), schemas.Following, 201)
    assert (now.user_id, now.topic, now.following) == (user, topic, True)
    of(app.put(path, json={"backfill": 5}), schemas.Following, 200)
    (item,) = feed(app, user).items
    assert (item.reason.kind, item.reason.topic) == ("follow", topic)
    done(app.delete(path, params={"history": "keep"}))
    assert len(feed(app, user).items) == 1
    of(app.put(path), schemas.Following, 201)
    done(app.delete(path))
    assert feed(app, user).items == []


def test_follows_are_listed_by_page(app: httpx.Client, user: str) -> None:
    """A bulk follow counts what is new; the list has all of it, page by page."""
    topics = sorted(f"tag:{user}-{i}" for i in range(5))
    pairs = [{"user_id": user, "topic": topic} for topic in topics]
    assert of(app.post("/v1/follows", json=pairs), schemas.Updated).updated == 5
    assert of(app.post("/v1/follows", json=pairs), schemas.Updated).updated == 0
    assert listed(app, f"/v1/users/{user}/follows?limit=2", schemas.FollowsPage, "topic") == topics


def listed(app: httpx.Client, at: str, kind: type[Names], name: str) -> list[str]:
    """The names of a whole list, read along its Links."""
    seen: list[str] = []
    while at:
        reply = app.get(at)
        page = of(reply, kind)
        seen += [getattr(item, name) for item in page.items]
        assert (page.next_cursor is None) == (not page.has_more) == ("next" not in reply.links)
        at = reply.links["next"]["url"] if page.has_more else ""
    return seen


def test_a_larger_backfill_of_an_existing_follow_fetches_the_rest(app: httpx.Client, user: str) -> None:
    """The fault: the status was 200, and nothing came. Without a backfill a repetition brings nothing."""
    path, topics = f"/v1/users/{user}/follows/tag%3A{user}", [f"tag:{user}"]
    ids = [publish(app, topics=topics).event_id for _ in range(4)][::-1]

    def followed(backfill: int | None, status: int) -> list[str]:
        body = None if backfill is None else {"backfill": backfill}
        of(app.put(path, json=body), schemas.Following, status)
        return [item.event_id for item in feed(app, user).items]

    assert followed(1, 201) == ids[:1]
    assert followed(None, 200) == ids[:1]
    assert followed(3, 200) == ids[:3]
    assert followed(2, 200) == ids[:3]
    assert followed(1_000, 200) == ids


@pytest.mark.need("FE12")
@pytest.mark.parametrize("history", ["keep", "hide", None])
def test_a_bulk_unfollow_ends_what_there_is(app: httpx.Client, user: str, history: str | None) -> None:
    """It counts the follows that it ended, and hides what they brought unless it keeps the history."""
    topics = [f"tag:{user}-{i}" for i in range(1_200)]
    pairs = [{"user_id": user, "topic": topic} for topic in topics]
    assert of(app.post("/v1/follows", json=pairs[:-1]), schemas.Updated).updated == 1_199
    publish(app, topics=topics[:1])
    query = {} if history is None else {"history": history}
    reply = app.request("DELETE", "/v1/follows", params=query, json=pairs)
    assert of(reply, schemas.Updated).updated == 1_199
    assert len(feed(app, user).items) == (history == "keep")
    assert app.get(f"/v1/users/{user}/follows").json()["items"] == []
    again = app.request("DELETE", "/v1/follows", params={"history": "keep"}, json=pairs)
    assert of(again, schemas.Updated).updated == 0


def test_mutes_and_blocks_are_listed_by_page(app: httpx.Client, user: str) -> None:
    """The fault: both could be set and ended, but not listed. By name, of the user's own making, with cursors of their
    own."""
    topics = sorted(f"tag:{user}-{i}" for i in range(5))
    others = sorted(f"{user}/{i}" for i in range(5))
    for topic, other in zip(topics, others, strict=True):
        done(app.put(f"/v1/users/{user}/mutes/{quote(topic, safe='')}"))
        done(app.put(f"/v1/users/{user}/blocks/{quote(other, safe='')}"))
    assert listed(app, f"/v1/users/{user}/mutes?limit=2", schemas.MutesPage, "topic") == topics
    assert listed(app, f"/v1/users/{user}/blocks?limit=2", schemas.BlocksPage, "user_id") == others
    blocked = app.get(f"/v1/users/{quote(others[0], safe='')}/blocks")
    assert of(blocked, schemas.BlocksPage).items == []
    cursor = app.get(f"/v1/users/{user}/mutes?limit=2").json()["next_cursor"]
    for path in ("blocks", "follows"):
        assert app.get(f"/v1/users/{user}/{path}", params={"cursor": cursor}).status_code == 400


def test_topic_tells_followers_and_viewer(app: httpx.Client, user: str) -> None:
    """A topic says how many follow it, how its events travel and how they reach the viewer."""
    path = f"/v1/topics/tag%3A{user}"
    assert of(app.get(path), schemas.Topic).followers == 0
    app.put(f"/v1/users/{user}/follows/tag%3A{user}")
    told = of(app.get(path, params={"user_id": user}), schemas.Topic)
    assert told.followers == 1
    assert told.viewer == schemas.ViewerRelation(user_id=user, follows=True, fan_out="write")


@pytest.mark.need("FE12")
@pytest.mark.parametrize("mask", ["mutes/market%3A42", "blocks/alice"])
def test_mask_hides_and_shows_again(app: httpx.Client, user: str, mask: str) -> None:
    """A muted topic and a blocked person are out of sight at once, and back when that is taken back."""
    publish(app, target_user_ids=[user])
    done(app.put(f"/v1/users/{user}/{mask}"))
    assert feed(app, user).items == []
    done(app.delete(f"/v1/users/{user}/{mask}"))
    assert len(feed(app, user).items) == 1


@pytest.mark.need("FE1")
def test_feed_pages_join_without_a_hole(app: httpx.Client, user: str) -> None:
    """Following the Links walks the whole filtered feed, newest first, each item once."""
    events = [event(object_id=str(i), verb="ab"[i % 2], target_user_ids=[user]) for i in range(9)]
    app.post("/v1/events", json=events)
    at, seen = f"/v1/feed?user_id={user}&limit=2&verb=a&fields=object_id", []
    while at:
        reply = app.get(at)
        seen += [item["object_id"] for item in reply.json()["items"]]
        at = reply.links["next"]["url"] if "next" in reply.links else ""
    assert seen == ["8", "6", "4", "2", "0"]


def test_cursor_belongs_to_its_question(app: httpx.Client, user: str) -> None:
    """A cursor used with other filters, or for another user, is refused."""
    app.post("/v1/events", json=[event(target_user_ids=[user])] * 3)
    cursor = feed(app, user, limit=1).next_cursor
    assert feed(app, user, limit=2, cursor=cursor).has_more is False
    for other in ({"user_id": user, "verb": "like"}, {"user_id": "somebody"}):
        assert app.get("/v1/feed", params=other | {"cursor": cursor}).status_code == 400


@pytest.mark.need("FE5")
def test_filters_by_time_are_half_open(app: httpx.Client, user: str) -> None:
    """``from`` is inclusive and ``to`` exclusive, in any time zone and far beyond what events can have."""
    first, second = "2020-01-01T00:00:00.000Z", "2020-01-01T00:00:00.001Z"
    app.post("/v1/events", json=[event(target_user_ids=[user], created_at=at) for at in (first, second)])
    wanted = {"from": "2020-01-01T01:00:00+01:00", "to": second}
    assert [item.created_at for item in feed(app, user, **wanted).items] == [first]
    wanted = {"from": "0001-01-01T00:00:00Z", "to": "9999-12-31T23:59:59.999Z"}
    assert len(feed(app, user, **wanted).items) == 2


@pytest.mark.need("FE7", "FE8")
def test_read_state_of_a_feed(app: httpx.Client, user: str) -> None:
    """Items are marked read by id and up to a position; the feed can be filtered by it and summed up."""
    events = [event(object_id=str(i), verb=f"v{i}", target_user_ids=[user]) for i in range(3)]
    receipts = of(app.post("/v1/events", json=events), schemas.Receipts, 201).events
    who = {"user_id": user}

    def mark(body: dict[str, Any]) -> int:
        return of(app.post("/v1/feed/read", params=who, json=body), schemas.FeedReadResult).updated

    assert mark({"event_ids": [receipts[2].event_id, "unknown"]}) == 1
    assert mark({"all": True, "up_to": receipts[0].position}) == 1
    summary = of(app.get("/v1/feed/summary", params=who), schemas.Summary)
    assert (summary.total, summary.unread_count, summary.read_count) == (3, 1, 2)
    assert summary.verbs == {"v0": 1, "v1": 1, "v2": 1}
    assert [item.object_id for item in summary.recent] == ["2", "1", "0"]
    assert [item.object_id for item in feed(app, user, read="false").items] == ["1"]
    assert mark({"all": True}) == 1
    assert all(TIME.match(item.read_at or "") for item in feed(app, user).items)
    count = of(app.get("/v1/feed/new", params=who | {"since": receipts[0].position}), schemas.NewCount)
    assert (count.count, count.capped) == (2, False)


@pytest.mark.need("FE7")
def test_feed_items_can_be_unread_again(app: httpx.Client, user: str) -> None:
    """Own acts too, under the watermark too; a read-all has a token that takes it back, once."""
    own = publish(app, actor_id=user)
    other = publish(app, target_user_ids=[user])
    who = {"user_id": user}
    read = of(app.post("/v1/feed/read", params=who, json={"all": True}), schemas.FeedReadResult)
    assert read.updated == 2
    again = of(app.post("/v1/feed/read", params=who, json={"all": True}), schemas.FeedReadResult)
    assert (again.updated, again.undo) == (0, None)
    for updated in (1, 0):
        body = {"event_ids": [own.event_id]}
        assert of(app.post("/v1/feed/unread", params=who, json=body), schemas.UpdateResult).updated == updated
    for include_own, expected in (("true", (2, 1, 1)), ("false", (1, 0, 1))):
        asked = app.get("/v1/feed/summary", params=who | {"include_own": include_own})
        summary = of(asked, schemas.Summary)
        assert (summary.total, summary.unread_count, summary.read_count) == expected
    unread = feed(app, user, include_own="true", read="false").items
    assert [item.event_id for item in unread] == [own.event_id]
    for updated in (1, 0):
        undone = of(app.post("/v1/feed/undo", params=who, json={"undo": read.undo}), schemas.UpdateResult)
        assert undone.updated == updated
    unread = feed(app, user, include_own="true", read="false").items
    assert [item.event_id for item in unread] == [other.event_id, own.event_id]
    new = app.get("/v1/feed/new", params=who | {"since": own.position - 1, "include_own": "true"})
    assert of(new, schemas.NewCount).count == 2


def test_the_token_of_a_feed_is_its_own(app: httpx.Client, user: str) -> None:
    """Neither another user's nor one of an inbox is taken."""
    publish(app, target_user_ids=[user])
    feed_token = app.post("/v1/feed/read", params={"user_id": user}, json={"all": True}).json()["undo"]
    inbox_token = app.post("/v1/notifications/read-all", params={"user_id": user}, json={}).json()["undo"]
    for path, token, name in (
        ("/v1/feed/undo", inbox_token, user),
        ("/v1/feed/undo", feed_token, f"{user}-2"),
        ("/v1/notifications/undo", feed_token, user),
    ):
        assert app.post(path, params={"user_id": name}, json={"undo": token}).status_code == 400


@pytest.mark.need("FE6")
def test_own_acts_are_in_the_feed_when_asked(app: httpx.Client, user: str) -> None:
    """``include_own`` adds what the user did."""
    publish(app, actor=user)
    assert feed(app, user).items == []
    (item,) = feed(app, user, include_own="true").items
    assert item.reason.kind == "own"


@pytest.mark.need("FE3", "FE4")
def test_activity_of_a_topic_and_of_everyone(app: httpx.Client, user: str) -> None:
    """The pages of an actor, of an object, of a category and of everyone hold the event."""
    receipt = publish(app, actor=user, object_id=f"{user}/1", topics=[f"tag:{user}"])
    paths = [f"/v1/topics/{t}/activity" for t in (f"user%3A{user}", f"market%3A{user}%2F1", f"tag%3A{user}")]
    for path in [*paths, "/v1/activity"]:
        page = of(app.get(path, params={"limit": 1}), schemas.ActivityPage)
        assert [item.event_id for item in page.items] == [receipt.event_id]


@pytest.mark.need("NO1", "NO2")
def test_marks_count_exactly(app: httpx.Client, user: str) -> None:
    """Read, unread, seen, archive, some and all: the count and the seq of each reply are exact."""
    app.post("/v1/events", json=[event(target_user_ids=[user], object_id=str(i)) for i in range(4)])
    page = inbox(app, user)
    ids = [item.id for item in page.items]
    assert (page.unread_count, page.seq, len(ids)) == (4, 4, 4)
    who = {"user_id": user}

    def mark(path: str, body: dict[str, Any] | None = None) -> tuple[int, int, int]:
        shape = schemas.ReadAllResult if path == "read-all" else schemas.InboxUpdateResult
        told = of(app.post(f"/v1/notifications/{path}", params=who, json=body), shape)
        return told.updated, told.unread_count, told.seq

    assert mark(f"{ids[0]}/read") == (1, 3, 5)
    assert mark(f"{ids[0]}/read") == (0, 3, 5)
    assert mark(f"{ids[0]}/unread") == (1, 4, 6)
    assert mark(f"{ids[1]}/seen") == (1, 4, 7)
    assert mark(f"{ids[2]}/archive") == (1, 3, 8)
    assert mark("read", {"ids": [ids[0], ids[1], "n999-1"]}) == (2, 1, 10)
    assert mark("read-all") == (1, 0, 11)
    assert of(app.get("/v1/notifications/unread-count", params=who), schemas.Unread).unread_count == 0
    assert [item.id for item in inbox(app, user).items] == [ids[0], ids[1], ids[3]]


@pytest.mark.need("NO1")
def test_inbox_filters(app: httpx.Client, user: str) -> None:
    """The list can be limited to unread ones and to a type, and items to some fields."""
    verbs = enumerate(("like", "comment", "like"))
    app.post("/v1/events", json=[event(target_user_ids=[user], verb=v, object_id=str(i)) for i, v in verbs])
    likes = inbox(app, user, type="like").items
    assert [item.type for item in likes] == ["like", "like"]
    app.post(f"/v1/notifications/{likes[0].id}/read", params={"user_id": user})
    assert len(inbox(app, user, unread_only="true").items) == 2
    reply = app.get("/v1/notifications", params={"user_id": user, "fields": "type,id", "limit": 1})
    assert [sorted(item) for item in reply.json()["items"]] == [["id", "type"]]


@pytest.mark.need("NO4")
def test_changes_after_a_seq(app: httpx.Client, user: str) -> None:
    """Changes come oldest first; a seq that never was is answered with ``reset``."""
    app.post("/v1/events", json=[event(target_user_ids=[user], object_id=str(i)) for i in range(3)])

    def since(seq: int, **more: Any) -> schemas.InboxChanges:
        parameters: dict[str, Any] = {"user_id": user, "since": seq} | more
        return of(app.get("/v1/notifications", params=parameters), schemas.InboxChanges)

    first = since(0, limit=2)
    assert ([item["seq"] for item in first.items], first.has_more) == ([1, 2], True)
    assert [item["seq"] for item in since(2).items] == [3]
    assert since(99).reset
    assert since(2, wait=30).items
    assert since(3, wait=1).items == []


@pytest.mark.need("TR1")
def test_top_counts_the_window(app: httpx.Client, user: str) -> None:
    """What just happened, more often than anything else here, is counted exactly in each way to count."""
    app.post("/v1/events", json=[event(user, object_type="fruit", object_id=user, verb="eat")] * 500)
    for by, key in (("object", f"fruit:{user}"), ("verb", "eat"), ("object_type", "fruit"), ("actor", user)):
        top = of(app.get("/v1/top", params={"window": "5m", "by": by, "limit": 100}), schemas_trends.Top)
        assert {item.key: item.count for item in top.items}[key] == 500
        assert top.exact


@pytest.mark.need("IN11")
def test_person_is_exported_and_erased(app: httpx.Client, user: str) -> None:
    """An export has a kind on each line; after the erasure nothing of the person is left in any reply."""
    receipt = publish(app, actor=user, actor_name="The Person")
    publish(app, target_user_ids=[user])
    app.put(f"/v1/users/{user}/follows/market%3A1")
    reply = app.get(f"/v1/users/{user}/export")
    assert (reply.status_code, reply.headers["content-type"]) == (200, "application/x-ndjson")
    kinds = {json.loads(line)["kind"] for line in reply.text.splitlines()}
    assert {"follow", "notification", "event"} <= kinds
    done(app.delete(f"/v1/users/{user}"))
    assert user not in app.get(f"/v1/events/{receipt.event_id}").text
    assert "The Person" not in app.get(f"/v1/events/{receipt.event_id}").text
    assert inbox(app, user).items == []


def test_health_and_status(anybody: httpx.Client, app: httpx.Client) -> None:
    """A running server is alive, ready, and tells its sizes."""
    assert of(anybody.get("/livez"), schemas.HealthReport).status == "alive"
    assert of(anybody.get("/readyz"), schemas.HealthReport).status == "ready"
    before = of(app.get("/v1/admin/status"), schemas.Status)
    publish(app)
    assert of(app.get("/v1/admin/status"), schemas.Status).position == before.position + 1


@pytest.mark.need("IN8")
def test_fan_out_can_be_repaired(app: httpx.Client, user: str) -> None:
    """An operator can have every feed completed from the log; nothing is doubled, and nothing was set aside."""
    publish(app, target_user_ids=[user])
    before = feed(app, user).items
    repaired = app.post("/v1/admin/reconcile")
    assert (repaired.status_code, of(repaired, schemas.UpdateResult, 202).updated) == (202, 1)
    assert of(app.get("/v1/admin/dead-letters"), schemas.DeadLetters).items == []
    assert of(app.post("/v1/admin/dead-letters/replay"), schemas.UpdateResult, 202).updated == 0
    assert feed(app, user).items == before


def test_every_route_is_exercised() -> None:
    """These files name each route of the table below /v1, so that a new one is not left without a test."""
    source = "".join(file.read_text() for file in Path(__file__).parent.glob("test_*.py"))
    parts = {part for route in ROUTES for part in route.path.split("/") if part and "{" not in part}
    elsewhere = {
        "static",
        "docs",
        "openapi.json",
        "metrics",
        "stream",
        "site.css",
        "icon.svg",
        "demo",
        "sample.ndjson",
        "docs.js",
    }
    assert {part for part in parts - elsewhere if part not in source} == set()
