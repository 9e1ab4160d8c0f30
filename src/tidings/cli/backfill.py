"""``tidings backfill``: builds feeds of a running server from its stored events."""

import time

import click

from tidings.backfill_jobs import MAX_DAYS_BACK
from tidings.cli.client import connect, key_env_option, url_option
from tidings.cli.progress import Progress
from tidings.client.replies import BackfillJob
from tidings.plain_text import neutral

POLL_S = 0.2
"""Seconds between two looks at the progress."""


@click.command("backfill", short_help="Build feeds from stored events.")
@url_option
@key_env_option
@click.option("--user-id", help="Only the feed of this user; without it those of all users.")
@click.option(
    "--days-back",
    type=click.IntRange(1, MAX_DAYS_BACK),
    default=30,
    show_default=True,
    help="The days up to now whose events are added.",
)
@click.option("--dry-run", is_flag=True, help="Count what would be added, and change nothing.")
@click.option(
    "--notify", is_flag=True, help="Also add to inboxes, as read, the events that the rules notify of."
)
def command(url: str, key_env: str, user_id: str | None, days_back: int, dry_run: bool, notify: bool) -> None:
    """Build feeds of a running server from its stored events: each follow that exists covers the events of the last days,
    as if it had been made before them.

    Blocks, mutes and visibility apply, and nothing is added twice: a repetition adds nothing. The server does the
    work in small steps between other requests, and continues after a crash; an interrupt of this command does not stop it.
    With --notify, inboxes get the events of which the current rules notify their users. They arrive read, so no unread
    count changes and no delivery is sent.

    \b
    Examples:
      tidings backfill --days-back 7 --dry-run     how many items all feeds would gain
      tidings backfill --days-back 7               add them
      tidings backfill --user-id bob               the last 30 days for one user
      tidings backfill --notify                    after a type began to notify followers
    """
    with connect(url, key_env) as client:
        job = client.backfill(
            days_back, user=user_id, all_users=user_id is None, dry_run=dry_run, notify=notify
        )
        progress = Progress("items")
        try:
            while job.state == "running":
                progress.update(job.created_count + job.notified_count, None)
                time.sleep(POLL_S)
                job = client.job(job.job_id)
        finally:
            progress.end()
    if job.state != "done":
        raise click.ClickException(
            f"{job.job_id} failed after {job.created_count:,} items; GET /v1/admin/dead-letters has the error, and a replay "
            "continues it"
        )
    click.echo(line(job))


def line(job: BackfillJob) -> str:
    """The result of a backfill."""
    users = f"{job.users:,} user{'' if job.users == 1 else 's'}"
    whose = users if job.user_id is None else neutral(job.user_id)
    would = "would gain" if job.dry_run else "gained"
    inboxes = f", inboxes {job.notified_count:,}" if job.notify else ""
    between = f"{job.date_range.start:%Y-%m-%d %H:%M} to {job.date_range.end:%Y-%m-%d %H:%M} UTC"
    return f"{whose}, {between}: feeds {would} {job.created_count:,} items{inboxes}"
