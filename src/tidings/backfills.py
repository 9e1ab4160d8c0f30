"""Backfills: feeds, and inboxes if asked for, that are built from stored events for follows that exist."""

from typing import Literal, NamedTuple

import msgspec

JobState = Literal["running", "done", "failed"]


class Backfill(msgspec.Struct, frozen=True):
    """Have the follows of a user, or (None) of all users, cover the events from a time ``since`` (milliseconds) on.

    ``notify``: the events of the feeds from then on of which a rule notifies the user arrive in the inbox too, read and
    without a delivery, unless they are in it. ``dry_run``: only count.
    """

    user: str | None
    since: int
    dry_run: bool = False
    notify: bool = False


class BackfillJob(NamedTuple):
    """The progress of a backfill. ``user`` is None for all users; ``since`` and ``until`` are the times between which its
    events were created (milliseconds). ``created``: items that feeds gained, ``notified``: items that inboxes gained, or
    with ``dry_run`` would have; ``users``: those whose follows, or whose feeds with ``notify``, were read."""

    id: int
    user: str | None
    since: int
    until: int
    dry_run: bool
    notify: bool
    state: JobState
    created: int = 0
    notified: int = 0
    users: int = 0
