"""``tidings backfill``, against a real server."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.cli.conftest import Run
from tidings.cli import backfill
from tidings.client import Client
from tidings.client.replies import BackfillJob, DateRange

AT = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)


def published(client: Client, topic: str, days: int) -> list[str]:
    """One event for each day until today, newest first."""
    now = datetime.now(UTC)
    body = {"verb": "nod", "object_type": "hat", "object_id": "1", "actor_id": "ann", "topics": [topic]}
    events = [body | {"created_at": now - timedelta(days=day)} for day in range(days)]
    return [one.event_id for one in client.publish_many(events).events]


@pytest.mark.need("IN10")
def test_a_dry_run_counts_and_a_run_adds(server: str, run: Run) -> None:
    """One line says what feeds gain; a repetition gains nothing."""
    with Client(server) as client:
        ids = published(client, "club:cli", 5)
        client.follow("club:cli", user="ulla", backfill=0)
        whose = ("backfill", "--url", server, "--user-id", "ulla", "--days-back", "3")
        dry = run(*whose, "--dry-run")
        assert (dry.exit_code, dry.output.partition("UTC: ")[2]) == (0, "feeds would gain 3 items\n")
        assert list(client.feed(user="ulla")) == []
        assert run(*whose).output.endswith("feeds gained 3 items\n")
        assert [item.event_id for item in client.feed(user="ulla")] == ids[:3]
        again = run("backfill", "--url", server, "--notify")
    assert "feeds gained 2 items, inboxes 0\n" in again.output
    assert again.output.startswith("1 user, ")


def test_the_help_states_what_happens(run: Run) -> None:
    """With examples, and what an interrupt does not do."""
    shown = run("backfill", "--help").output
    for told in ("a repetition adds nothing", "after a crash", "--dry-run", "tidings backfill --user-id bob"):
        assert told in " ".join(shown.split())


def test_a_failed_job_fails_the_command(run: Run, server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And names where its error is; the progress of a running one is asked for until it ends."""
    job = BackfillJob("backfill-7", "running", None, 1, 0, 1, DateRange(AT, AT))
    states = iter(("running", "failed"))

    def progress(client: Client, job_id: str) -> BackfillJob:
        return BackfillJob(job_id, next(states), None, 2, 0, 1, DateRange(AT, AT))

    monkeypatch.setattr("tidings.cli.client.CommandClient.backfill", lambda *_, **__: job)
    monkeypatch.setattr("tidings.cli.client.CommandClient.job", progress)
    monkeypatch.setattr(backfill, "POLL_S", 0)
    failed = run("backfill", "--url", server)
    assert failed.exit_code == 1
    assert "backfill-7 failed after 2 items; GET /v1/admin/dead-letters" in failed.output
