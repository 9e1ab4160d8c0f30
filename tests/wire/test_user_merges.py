"""``POST /v1/admin/users/{user_id}/merge``: a visitor signs in, and what the visitor had is the account's."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.wire.applications import application
from tests.wire.people import KEY, event
from tests.wire.streams import streaming
from tidings.client import Client
from tidings.personal_data import MAX_ENDPOINTS

ALL = {"limit": 100}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """The application, with its API key; a merge of more than a few things is a job."""
    folder = tmp_path_factory.mktemp("merges")
    with application(folder, TIDINGS_FANOUT_SYNC_MAX_FOLLOWERS="100") as client:
        yield client


def notified(app: httpx.Client, user: str, times: int = 1) -> list[str]:
    """Notify a user so often, each time of another thing, newest first."""
    body = [event(object_id=f"{user}-{n}", target_user_ids=[user]) for n in range(times)]
    return [one["event_id"] for one in app.post("/v1/events", json=body).json()["events"]][::-1]


def inbox(app: httpx.Client, user: str) -> dict[str, Any]:
    page: dict[str, Any] = app.get("/v1/notifications", params=ALL | {"user_id": user}).json()
    return page


def events(page: dict[str, Any]) -> list[str]:
    return [item["event_ids"][0] for item in page["items"]]


def merge(app: httpx.Client, user: str, into: str) -> httpx.Response:
    return app.post(f"/v1/admin/users/{user}/merge", json={"into": into})


def test_a_visitor_signs_in(app: httpx.Client) -> None:
    """The follows and the notifications are the account's at once, and a repetition answers the same."""
    app.put("/v1/users/visitor-1/follows/club:1")
    (own,), (theirs,) = notified(app, "wanda"), notified(app, "visitor-1")
    (followed,) = [
        app.post("/v1/events", json=event(topics=["club:1"], target_user_ids=[])).json()["event_id"]
    ]
    reply = merge(app, "visitor-1", "wanda")
    assert reply.status_code == 200
    job = reply.json()
    assert (job["state"], job["user_id"], job["into"]) == ("done", "visitor-1", "wanda")
    counts = {name: n for name, n in job["counts"].items() if n}
    assert counts == {"follows": 1, "targeted": 1, "notifications": 1}
    page = inbox(app, "wanda")
    assert (events(page), page["unread_count"]) == ([theirs, own], 2)
    feed = app.get("/v1/feed", params={"user_id": "wanda"}).json()["items"]
    assert [item["event_id"] for item in feed] == [followed, theirs, own]
    assert (inbox(app, "visitor-1")["items"], inbox(app, "visitor-1")["unread_count"]) == ([], 0)
    again = merge(app, "visitor-1", "wanda")
    assert (again.status_code, again.json()) == (200, job)
    assert app.get(f"/v1/admin/jobs/{job['job_id']}").json() == job


def test_a_large_merge_is_a_job(app: httpx.Client) -> None:
    """Each notification is in exactly one of the two inboxes at any time, and in the end in the destination's."""
    ids = notified(app, "visitor-2", 90)
    with Client(str(app.base_url), api_key=KEY) as client:
        job = client.merge_user("visitor-2", "wendy")
        assert job.state == "running"
        assert job.job_id is not None
        while job.state == "running":
            job = client.merge_job(job.job_id)
        assert (job.state, job.counts.notifications, job.counts.targeted) == ("done", 90, 90)
    page = inbox(app, "wendy")
    assert (events(page), page["unread_count"], page["seq"]) == (ids, 90, 90)
    assert inbox(app, "visitor-2")["items"] == []


def test_the_clients_of_both_get_the_changes(app: httpx.Client) -> None:
    """The account's get the notifications, and those of the visitor a reset."""
    notified(app, "wim")
    notified(app, "visitor-3", 2)
    merge(app, "visitor-3", "wim")
    changes = app.get("/v1/notifications", params={"user_id": "wim", "since": "1"}).json()
    assert (changes["reset"], len(changes["items"])) == (False, 2)
    gone = app.get("/v1/notifications", params={"user_id": "visitor-3", "since": "2"}).json()
    assert gone["reset"]


def test_an_unknown_visitor_has_nothing(app: httpx.Client) -> None:
    """An application need not know whether a visitor did anything."""
    reply = merge(app, "nobody-yet", "wanda")
    assert (reply.status_code, reply.json()["job_id"], reply.json()["state"]) == (200, None, "done")
    assert set(reply.json()["counts"].values()) == {0}


def test_a_stream_of_a_merged_inbox_is_reset(app: httpx.Client) -> None:
    """After a hello with ``resumed``, since the cursor is one of this store; its id is that cursor, so a client that loses
    the connection before the reset gets it again."""
    notified(app, "visitor-7")
    with streaming(app, "visitor-7", last_event_id="0") as stream:
        stream.next("hello")
        last = stream.next("notification").id
    merge(app, "visitor-7", "wolf")
    for _ in range(2):
        with streaming(app, "visitor-7", last) as stream:
            hello = stream.next("hello")
            assert (hello.data["resumed"], hello.id) == (True, last)
            assert "was erased or merged" in stream.next("reset").data["reason"]


def test_merges_do_not_lift_the_limit_of_endpoints(app: httpx.Client) -> None:
    """The fault: ten merges gave a user 200 endpoints, which receive each of the user's notifications."""
    for user in ("visitor-5", "visitor-6"):
        for n in range(MAX_ENDPOINTS):
            body = {"channel": "webhook", "address": f"https://example.com/{user}/{n}"}
            assert app.post("/v1/endpoints", params={"user_id": user}, json=body).status_code == 201
    counts = merge(app, "visitor-5", "wilma").json()["counts"]
    assert (counts["endpoints"], counts["over_limit"]) == (MAX_ENDPOINTS, 0)
    counts = merge(app, "visitor-6", "wilma").json()["counts"]
    assert (counts["endpoints"], counts["over_limit"]) == (0, MAX_ENDPOINTS)
    for user, many in (("wilma", MAX_ENDPOINTS), ("visitor-6", 0)):
        assert len(app.get("/v1/endpoints", params={"user_id": user}).json()["items"]) == many


def test_what_is_wrong_is_named(app: httpx.Client) -> None:
    """The user itself, a missing field, an unknown job."""
    same = merge(app, "wanda", "wanda")
    assert same.status_code == 422
    assert same.json()["errors"] == [
        {"pointer": "/into", "detail": "expected another user than that of the path, got the same"}
    ]
    missing = app.post("/v1/admin/users/visitor-1/merge", json={})
    assert (missing.status_code, missing.json()["errors"][0]["pointer"]) == (422, "/into")
    for job in ("merge-0", "merge-99999", "merge-x", "merge-"):
        assert app.get(f"/v1/admin/jobs/{job}").status_code == 404
