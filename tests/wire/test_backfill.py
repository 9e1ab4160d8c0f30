"""``POST /v1/admin/backfill`` and ``GET /v1/admin/jobs/{id}``: feeds that are built from stored events."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.wire.applications import application
from tests.wire.people import KEY, event
from tidings.client import Client

PATIENCE_S = 60
"""Seconds after which a job that does not end fails its test."""
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """The application, with its API key; a backfill of more than two events is a job."""
    folder = tmp_path_factory.mktemp("backfill")
    with application(folder, TIDINGS_FANOUT_SYNC_MAX_FOLLOWERS="10") as client:
        yield client


def published(app: httpx.Client, topic: str, days: int) -> list[str]:
    """One event for each day until today, newest first."""
    now = datetime.now(UTC)
    body = [
        event(topics=[topic], created_at=(now - day * DAY).isoformat(), target_user_ids=[])
        for day in range(days)
    ]
    reply = app.post("/v1/events", json=body)
    return [one["event_id"] for one in reply.json()["events"]]


def feed(app: httpx.Client, user: str) -> list[str]:
    items = app.get("/v1/feed", params={"user_id": user, "limit": 100}).json()["items"]
    return [item["event_id"] for item in items]


def patience() -> Callable[[object], None]:
    """A check that fails PATIENCE_S from now, to be made while a job runs."""
    limit = time.monotonic() + PATIENCE_S

    def check(job: object) -> None:
        assert time.monotonic() < limit, f"after {PATIENCE_S} s still {job}"

    return check


def ended(app: httpx.Client, began: httpx.Response) -> dict[str, Any]:
    """The job of this response at its end."""
    job: dict[str, Any] = began.json()
    running = patience()
    while job["state"] == "running":
        running(job)
        job = app.get(f"/v1/admin/jobs/{job['job_id']}").json()
    assert job["state"] == "done"
    return job


@pytest.mark.need("IN10")
def test_a_feed_is_built_from_history(app: httpx.Client) -> None:
    """A dry run tells what it would add; a job does it, and tells how far it is; a repetition adds nothing."""
    ids = published(app, "club:a", 40)
    app.put("/v1/users/ulla/follows/club:a", json={"backfill": 0})
    body = {"user_id": "ulla", "days_back": 30}
    dry = app.post("/v1/admin/backfill", json=body | {"dry_run": True})
    assert dry.status_code == 202

    would = ended(app, dry)
    assert (would["created_count"], would["users"], would["user_id"]) == (30, 1, "ulla")
    assert feed(app, "ulla") == []
    did = ended(app, app.post("/v1/admin/backfill", json=body))
    assert did["created_count"] == 30
    assert (did["dry_run"], did["notify"], did["notified_count"]) == (False, False, 0)
    start, end = (datetime.fromisoformat(str(did["date_range"][one])) for one in ("start", "end"))
    assert end - start >= 30 * DAY
    assert feed(app, "ulla") == ids[:30]
    again = app.post("/v1/admin/backfill", json=body)
    assert (again.status_code, again.json()["created_count"]) == (200, 0)
    assert feed(app, "ulla") == ids[:30]


@pytest.mark.need("IN10")
def test_the_python_client_backfills_all_users(app: httpx.Client) -> None:
    """And reads the job; with ``notify`` inboxes get the events read."""
    published(app, "club:b", 2)
    app.put("/v1/admin/types/back", json={"verbs": ["comment"], "notify": "topic_followers"})
    app.put("/v1/users/vera/follows/club:b", json={"backfill": 0})
    with Client(str(app.base_url), api_key=KEY) as client:
        job = client.backfill(5, all_users=True, notify=True)
        running = patience()
        while job.state == "running":
            running(job)
            job = client.job(job.job_id)
        assert (job.user_id, job.state) == (None, "done")
        assert job.created_count >= 2
        assert job.notified_count >= 2
    inbox = app.get("/v1/notifications", params={"user_id": "vera"}).json()
    assert [item["read_at"] is None for item in inbox["items"]] == [False, False]
    assert inbox["unread_count"] == 0


def test_there_is_no_other_job(app: httpx.Client) -> None:
    """Whatever its id looks like."""
    for id in (
        "backfill-0",
        "backfill-999999",
        "backfill-9999999999999999999",
        "backfill-x",
        "1",
        "backfill-01",
    ):
        assert app.get(f"/v1/admin/jobs/{id}").status_code == 404
