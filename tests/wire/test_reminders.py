"""Reminders over the wire: set, shown, cancelled, and fired once, by a real server and through a kill."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from tests.crash.server_process import serving
from tests.wire.people import moment
from tidings.feeds import PAGE_BYTES
from tidings.http import schemas_delivery as shapes

PROBLEM = "urn:tidings:problem:"
MANY = 120
"""Reminders that are due while the server is killed."""
LIMIT_S = 30
"""How long a test waits for what must come before it fails."""
SPREAD_MS = 10
"""Milliseconds between two of them: so that some fire before the kill, and others after it."""


def body(user: str, **changed: Any) -> dict[str, Any]:
    """A reminder as the application sends it, due tomorrow."""
    given: dict[str, Any] = {"type": "renewal", "object_type": "plan", "object_id": "7", "user_ids": [user]}
    if not {"deliver_at", "after_s", "every"} & changed.keys():
        given["deliver_at"] = moment(days=1)
    return {name: value for name, value in (given | changed).items() if value is not None}


def put(app: httpx.Client, key: str, given: dict[str, Any]) -> shapes.ReminderResult:
    """Set a reminder that must be accepted."""
    reply = app.put(f"/v1/reminders/{key}", json=given)
    assert reply.status_code == 200, reply.text
    return msgspec.json.decode(reply.content, type=shapes.ReminderResult)


def inbox(app: httpx.Client, user: str) -> list[dict[str, Any]]:
    """The first page of a user's inbox."""
    reply = app.get("/v1/notifications", params={"user_id": user, "limit": 100})
    assert reply.status_code == 200, reply.text
    items: list[dict[str, Any]] = reply.json()["items"]
    return items


def test_a_reminder_is_shown_as_it_was_set(app: httpx.Client, user: str) -> None:
    given = body(
        user,
        deliver_at="2126-01-31T09:00:00+01:00",
        every="P1M",
        time_zone="Europe/Berlin",
        actor_id="billing",
        actor_name="Billing",
        object_title="Plan 7",
        title="Renew",
        description="It ends soon.",
        metadata={"price": 1.10, "large": 12345678901234567890},
    )
    put(app, user, given)
    reply = app.get(f"/v1/reminders/{user}")
    shown = msgspec.json.decode(reply.content, type=shapes.Reminder)
    assert (shown.due_at, shown.every, shown.time_zone) == (
        "2126-01-31T08:00:00.000Z",
        "P1M",
        "Europe/Berlin",
    )
    assert (shown.user_ids, shown.topic, shown.type) == ([user], None, "renewal")
    same = ("object_type", "object_id", "actor_id", "actor_name", "object_title", "title", "description")
    assert {name: getattr(shown, name) for name in same} == {name: given[name] for name in same}
    assert '"metadata":{"price":1.1,"large":12345678901234567890}' in reply.text.replace(" ", "")


@pytest.mark.need("IN9")
def test_past_means_now(app: httpx.Client, user: str) -> None:
    shown = put(app, user, body(user, deliver_at=moment(days=-3), title="Too late"))
    assert (shown.fired, shown.due_at) == (True, None)
    (item,) = inbox(app, user)
    assert (item["type"], item["actors"]) == ("renewal", ["tidings"])
    assert app.get(f"/v1/reminders/{user}").status_code == 404


def test_what_fires_is_an_event_like_any_other(app: httpx.Client, user: str) -> None:
    """It has its place in the log, and trends count it if it is public."""
    put(app, user, body(user, type="trend-of-reminders", after_s=0, visibility="public"))
    (item,) = inbox(app, user)
    shown = app.get(f"/v1/events/{item['event_ids'][0]}").json()
    assert (shown["verb"], shown["target_user_ids"]) == ("trend-of-reminders", [user])
    top = app.get("/v1/top", params={"by": "verb", "limit": 100}).json()["items"]
    assert {"key": "trend-of-reminders", "count": 1} in top


def test_it_comes_by_itself(app: httpx.Client, user: str) -> None:
    """Nobody asks the server for anything but the news, and there they are."""
    shown = put(app, user, body(user, deliver_at=moment(milliseconds=300)))
    assert not shown.fired
    assert reminded(app, user, at_least=1) == ["7"]
    assert [item["type"] for item in inbox(app, user)] == ["renewal"]


@pytest.mark.need("NO8")
def test_a_recurrence_fires_and_waits_for_its_next_time(app: httpx.Client, user: str) -> None:
    """Missed for days, it comes once, and then tomorrow at its hour."""
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    shown = put(app, user, body(user, deliver_at=(hour - timedelta(days=3)).isoformat(), every="P1D"))
    following = (hour + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    assert (shown.fired, shown.due_at) == (True, following)
    assert len(inbox(app, user)) == 1
    again = put(app, user, body(user, deliver_at=(hour - timedelta(days=3)).isoformat(), every="P1D"))
    assert (again.fired, again.due_at) == (False, following)
    assert len(inbox(app, user)) == 1


def test_the_next_ones_are_listed(app: httpx.Client, user: str) -> None:
    """Soonest first, and it is said when there are more."""
    for days in (3, 1, 2):
        put(
            app,
            f"{user}-{days}",
            body(user, deliver_at=moment(hours=-days), every="P1D", object_id=str(days)),
        )
    page = msgspec.json.decode(app.get("/v1/reminders?limit=100").content, type=shapes.RemindersPage)
    due = [reminder.due_at or "" for reminder in page.items]
    assert due == sorted(due)
    mine = [reminder.key for reminder in page.items if reminder.key.startswith(user)]
    assert mine == [f"{user}-{days}" for days in (3, 2, 1)]
    first = msgspec.json.decode(app.get("/v1/reminders?limit=1").content, type=shapes.RemindersPage)
    assert (first.has_more, len(first.items)) == (True, 1)


def listed(app: httpx.Client, prefix: str, limit: int) -> list[str]:
    """The keys with this prefix on all pages of reminders, which name the next one in two ways."""
    keys: list[str] = []
    path = f"/v1/reminders?limit={limit}"
    while path:
        reply = app.get(path)
        page = msgspec.json.decode(reply.content, type=shapes.RemindersPage)
        assert len(page.items) <= limit
        assert page.has_more == (page.next_cursor is not None) == ("next" in reply.links)
        keys += [reminder.key for reminder in page.items if reminder.key.startswith(prefix)]
        path = reply.links["next"]["url"] if page.has_more else ""
    return keys


def test_all_reminders_can_be_listed(app: httpx.Client, user: str) -> None:
    """The fault: the list had no cursor, and nobody could see more than the next hundred. Some are due at one time, and a
    key may be as long as a text of it can be."""
    keys = sorted([f"{user}-{n}" for n in range(5)] + [f"{user}-{'😀' * (127 - len(user))}"])
    for key in keys:
        put(app, key, body(user, deliver_at="2126-05-01T00:00:00Z"))
    assert listed(app, user, 2) == keys
    assert listed(app, user, 100) == keys
    other = app.get(f"/v1/users/{user}/follows", params={"cursor": "AAAAAAAAAAAAAAAA"})
    mine = app.get("/v1/reminders", params={"cursor": "AAAAAAAAAAAAAAAA"})
    assert [(reply.status_code, reply.json()["errors"][0]["pointer"]) for reply in (other, mine)] == [
        (400, "cursor")
    ] * 2


def test_a_page_of_large_reminders_is_bounded(app: httpx.Client, user: str) -> None:
    """In bytes, as every page is."""
    keys = [f"{user}-{n:02}" for n in range(40)]
    for key in keys:
        put(app, key, body(user, deliver_at="2126-06-01T00:00:00Z", description="😀" * 5_000))
    assert listed(app, user, 100) == keys
    assert len(app.get("/v1/reminders?limit=100").content) <= PAGE_BYTES + 1_100


def test_follows_of_the_longest_topics_can_be_listed(app: httpx.Client, user: str) -> None:
    """The fault: the cursor after a topic of many long characters was longer than a cursor could be."""
    topics = [f"{'😀' * 64}:{'😀' * 127}{n}" for n in range(3)]
    followed = app.post("/v1/follows", json=[{"user_id": user, "topic": topic} for topic in topics])
    assert followed.status_code == 200, followed.text
    path, found = f"/v1/users/{user}/follows?limit=1", []
    while path:
        reply = app.get(path)
        found += [item["topic"] for item in reply.json()["items"]]
        path = reply.links["next"]["url"] if reply.json()["has_more"] else ""
    assert found == topics


@pytest.mark.need("NO8")
def test_what_was_cancelled_is_gone(app: httpx.Client, user: str) -> None:
    put(app, user, body(user))
    assert app.delete(f"/v1/reminders/{user}").status_code == 204
    assert app.delete(f"/v1/reminders/{user}").status_code == 404
    assert app.get(f"/v1/reminders/{user}").status_code == 404


def test_followers_of_a_topic_are_reminded(app: httpx.Client, user: str) -> None:
    """Those who follow it when it fires, and nobody else."""
    topic = f"club:{user}"
    assert app.put(f"/v1/users/{user}/follows/{topic}").status_code == 201
    put(app, user, body(user, user_ids=None, topic=topic, after_s=0))
    assert [item["type"] for item in inbox(app, user)] == ["renewal"]
    assert inbox(app, f"{user}-stranger") == []


def test_an_erased_person_is_reminded_of_nothing(app: httpx.Client, user: str) -> None:
    """What was for them alone is gone; what was for others too no longer names them."""
    other = f"{user}-other"
    put(app, user, body(user))
    put(app, other, body(user, user_ids=[user, other]))
    assert user in app.get(f"/v1/reminders/{other}").text
    assert app.delete(f"/v1/users/{user}").status_code == 204
    assert app.get(f"/v1/reminders/{user}").status_code == 404
    assert app.get(f"/v1/reminders/{other}").json()["user_ids"] == [other]


def test_a_person_is_told_what_they_will_be_reminded_of(app: httpx.Client, user: str) -> None:
    put(app, user, body(user, title="Renew"))
    lines = [msgspec.json.decode(line) for line in app.get(f"/v1/users/{user}/export").text.splitlines()]
    (reminder,) = [line for line in lines if line["kind"] == "reminder"]
    assert reminder["key"] == user


@pytest.mark.parametrize(
    ("pointer", "changed"),
    [
        ("/type", {"type": ""}),
        ("/type", {"type": None}),
        ("/object_type", {"object_type": "a:b"}),
        ("/object_id", {"object_id": None}),
        ("/user_ids", {"user_ids": None}),
        ("/user_ids", {"topic": "club:chess"}),
        ("/user_ids/0", {"user_ids": [""]}),
        ("/topic", {"user_ids": None, "topic": "chess"}),
        ("/deliver_at", {"deliver_at": None, "title": "never"}),
        ("/deliver_at", {"deliver_at": "tomorrow"}),
        ("/deliver_at", {"deliver_at": "2026-01-31T09:00:00"}),
        ("/deliver_at", {"deliver_at": "2249-01-01T00:00:00Z"}),
        ("/after_s", {"after_s": -1}),
        ("/after_s", {"deliver_at": "2126-01-01T00:00:00Z", "after_s": 1}),
        ("/every", {"every": "daily"}),
        ("/every", {"every": "PT1S"}),
        ("/time_zone", {"time_zone": "Mars/Olympus"}),
        ("/actor_id", {"actor_id": ""}),
        ("/metadata", {"metadata": [1]}),
        ("/nonsense", {"nonsense": 1}),
    ],
)
def test_what_does_not_fit_is_named(
    app: httpx.Client, pointer: str, changed: dict[str, Any], user: str
) -> None:
    given = body("u") | changed
    sent = {name: value for name, value in given.items() if value is not None}
    if "after_s" in changed and "deliver_at" not in changed:
        del sent["deliver_at"]
    reply = app.put(f"/v1/reminders/{user}", json=sent)
    assert (reply.status_code, reply.json()["type"]) == (422, f"{PROBLEM}invalid-fields")
    assert [error["pointer"] for error in reply.json()["errors"]] == [pointer]
    assert app.get(f"/v1/reminders/{user}").status_code == 404


def test_a_key_has_its_length(app: httpx.Client) -> None:
    assert app.put(f"/v1/reminders/{'k' * 129}", json=body("u")).status_code == 400
    assert app.put(f"/v1/reminders/{'k' * 128}", json=body("u")).status_code == 200
    assert app.delete(f"/v1/reminders/{'k' * 128}").status_code == 204


@pytest.mark.need("NO8")
def test_each_fires_once_through_a_kill(tmp_path: Path) -> None:
    """Killed in the middle of firing: what was due comes when the server is back, and nothing comes twice."""
    path, user = tmp_path / "killed.db", "kim"
    with serving(path) as (url, process), httpx.Client(base_url=url) as app:
        start = datetime.now(UTC) + timedelta(seconds=1)
        for i in range(MANY):
            due = start + timedelta(milliseconds=i * SPREAD_MS)
            put(app, f"r{i}", body(user, deliver_at=due.isoformat(), object_id=str(i)))
        weekly = (start - timedelta(days=20)).isoformat()
        assert put(app, "weekly", body(user, deliver_at=weekly, every="P1W", object_id="weekly")).fired
        fired = reminded(app, user, at_least=MANY // 4)
        process.kill()
        process.wait()
    assert MANY // 4 <= len(fired) < MANY + 1
    with serving(path) as (url, _), httpx.Client(base_url=url) as app:
        assert sorted(reminded(app, user, at_least=MANY + 1)) == sorted([*map(str, range(MANY)), "weekly"])
        (left,) = app.get("/v1/reminders").json()["items"]
        assert left["key"] == "weekly"


def reminded(app: httpx.Client, user: str, at_least: int) -> list[str]:
    """The objects of all events that came to a user, once there are so many; the server tells when there is news."""
    seq, until = 0, time.monotonic() + LIMIT_S
    while len(objects := [item["object_id"] for item in pages(app, user)]) < at_least:
        assert time.monotonic() < until, f"only {len(objects)} came"
        question: dict[str, str | int] = {"user_id": user, "since": seq, "wait": 5}
        seq = app.get("/v1/notifications", params=question, timeout=LIMIT_S).json()["seq"]
    return objects


def pages(app: httpx.Client, user: str) -> list[dict[str, Any]]:
    """All events of a user's feed, page by page: one for each that was published, whatever the inbox groups."""
    items: list[dict[str, Any]] = []
    question: dict[str, str | int] = {"user_id": user, "limit": 100}
    while True:
        page = app.get("/v1/feed", params=question).json()
        items += page["items"]
        if not page["has_more"]:
            return items
        question["cursor"] = page["next_cursor"]
