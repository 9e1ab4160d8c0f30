"""The schemas of replies about jobs: backfills, and merges of users."""

from typing import Literal

from tidings.http.schemas import Count, Schema, Time


class DateRange(Schema):
    """The times between which the events of a backfill were created."""

    start: Time
    end: Time


class BackfillJob(Schema):
    """A backfill of a user, or (null) of all users, and its progress. ``created_count``: items that feeds gained, and
    ``notified_count`` inboxes, so far, or with ``dry_run`` would have; ``users``: those who follow something, whose feeds
    were read. A failed one is a dead letter, which can be replayed."""

    job_id: str
    state: Literal["running", "done", "failed"]
    user_id: str | None
    created_count: Count
    notified_count: Count
    users: Count
    date_range: DateRange
    dry_run: bool
    notify: bool


class MergeCounts(Schema):
    """What the merges of two users have moved so far. ``follows``, ``mutes``, ``blocks``: those that the destination did not
    have; ``over_limit``: mutes, blocks and endpoints that were left out, because a user has as many as are allowed.
    ``followers``: users who follow the destination because they followed the source. ``targeted``: events that addressed the
    source. ``notifications``: those that arrived in the inbox; ``duplicates``: those of which it had all events."""

    follows: Count
    followers: Count
    mutes: Count
    blocks: Count
    over_limit: Count
    targeted: Count
    notifications: Count
    duplicates: Count
    endpoints: Count
    reminders: Count


class MergeJob(Schema):
    """A merge of a user into another one, and its progress. ``job_id``: null if the user is unknown. A failed one is a dead
    letter, which can be replayed."""

    job_id: str | None
    state: Literal["running", "done", "failed"]
    user_id: str
    into: str
    counts: MergeCounts
