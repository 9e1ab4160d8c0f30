"""Publishing without alarm, over the wire: what is old, imported or asked to be silent raises no count."""

import json
from typing import Any

import httpx
import pytest

from tests.wire.people import event, moment
from tests.wire.replies import inbox, publish, refused


@pytest.mark.need("IN14")
def test_an_old_event_arrives_read(app: httpx.Client, user: str) -> None:
    """The notification is listed, read and seen; the feed has the item unread, as ever."""
    publish(app, target_user_ids=[user], created_at=moment(hours=-25))
    page = inbox(app, user)
    (item,) = page.items
    assert (page.unread_count, page.unread_items, page.seq) == (0, 0, 1)
    assert item.read_at
    assert item.seen_at
    (shown,) = app.get("/v1/feed", params={"user_id": user}).json()["items"]
    assert shown["read_at"] is None
    assert "notify" not in shown


@pytest.mark.need("IN14")
@pytest.mark.parametrize(
    ("notify", "hours", "unread"),
    [(True, -25, 1), (False, 0, 0), (True, 0, 1), (False, -25, 0)],
    ids=["old and alarming", "new and silent", "new and alarming", "old and silent"],
)
def test_a_publisher_decides(app: httpx.Client, user: str, notify: bool, hours: int, unread: int) -> None:
    """``notify`` overrides the age; false makes no notification at all."""
    publish(app, target_user_ids=[user], created_at=moment(hours=hours), notify=notify)
    page = inbox(app, user)
    assert page.unread_count == len(page.items) == unread


@pytest.mark.need("IN14")
def test_an_import_is_silent(app: httpx.Client, user: str) -> None:
    """Its notifications arrive read, except those of lines that ask for an alarm."""
    lines = [event(target_user_ids=[user]), event(target_user_ids=[user], notify=True)]
    body = "\n".join(json.dumps(line) for line in [*lines, event(target_user_ids=[user], notify=False)])
    done = app.post("/v1/events", content=body, headers={"content-type": "application/x-ndjson"})
    assert [json.loads(line)["line"] for line in done.text.splitlines()] == [1, 2, 3]
    page = inbox(app, user)
    assert [bool(item.read_at) for item in page.items] == [False, True]
    assert page.unread_count == 1


def test_a_type_has_its_own_age_and_may_be_silent(app: httpx.Client, user: str) -> None:
    """Ten seconds, and nobody."""
    types: dict[str, Any] = {f"{user}-hasty": {"notify_max_age_s": 10}, f"{user}-mute": {"notify": "none"}}
    for name, rule in types.items():
        app.put(f"/v1/admin/types/{name}", json=rule).raise_for_status()
    for verb in types:
        publish(app, verb=verb, target_user_ids=[user], created_at=moment(seconds=-20), object_id=verb)
    page = inbox(app, user)
    assert [(item.type, bool(item.read_at)) for item in page.items] == [(f"{user}-hasty", True)]


def test_the_explanation_says_so(app: httpx.Client, user: str) -> None:
    """It names the mode of the event."""
    ids = [
        publish(app, target_user_ids=[user], **given).event_id
        for given in ({"notify": False}, {"created_at": moment(hours=-25)})
    ]
    said = []
    for event_id in ids:
        reply = app.get("/v1/notifications/explain", params={"user_id": user, "event_id": event_id}).json()
        said += [(reply["notified"], one["detail"]) for one in reply["checks"] if one["check"] == "notify"]
    assert said == [
        (False, "published with notify: false, which notifies nobody"),
        (
            True,
            "published as an old or an imported event, so it arrives read and no channel delivers it",
        ),
    ]


def test_a_repetition_may_notify_otherwise(app: httpx.Client, user: str) -> None:
    """The first request decides: the relay of an outbox and an import may have the same event."""
    for given in ({"notify": False}, {"notify": True}, {}):
        publish(app, target_user_ids=[user], idempotency_key=user, **given)
    assert inbox(app, user).items == []


def test_a_broadcast_cannot_be_silent(app: httpx.Client) -> None:
    """It is for those it notifies: the field is named."""
    reply = app.post("/v1/broadcasts", json=event(audience="*", notify=False))
    assert reply.status_code == 422
    assert [error["pointer"] for error in reply.json()["errors"]] == ["/notify"]


@pytest.mark.need("NO14")
def test_a_type_notifies_followers_of_the_topics_it_names(app: httpx.Client, user: str) -> None:
    """A new market in a category that the user follows: over the wire, as a list, and the explanation says which
    followers."""
    rule = {"notify": ["targets", "topic_followers"]}
    app.put(f"/v1/admin/types/{user}", json=rule).raise_for_status()
    app.put(f"/v1/users/{user}/follows/category%3A{user}").raise_for_status()
    receipt = publish(app, verb=user, topics=[f"category:{user}"], title="New market")
    assert [item.message for item in inbox(app, user).items] == ["New market"]
    asked = {"user_id": user, "event_id": receipt.event_id}
    first, second, *_ = app.get("/v1/notifications/explain", params=asked).json()["checks"]
    assert first["detail"].endswith("as declared notifies its targets and followers of its other topics")
    assert second == {"check": "addressed", "passed": True, "detail": "followed one of its topics before"}


def test_an_unknown_source_is_refused(app: httpx.Client, user: str) -> None:
    """The field is named, and what it takes."""
    reply = app.put(f"/v1/admin/types/{user}", json={"notify": ["targets", "x"]})
    errors = refused(reply, 422, "/notify/1").errors
    assert errors
    assert '"topic_followers", got "x"' in errors[0].detail
