"""The service of backfills: feeds and inboxes that are built from stored events."""

from typing import cast

import msgspec

from tidings.backfills import Backfill, BackfillJob
from tidings.commit_queue import GroupCommitQueue
from tidings.job_replies import JobReply, no_such_job, number_of
from tidings.model import CommandResult
from tidings.ports import Backfills
from tidings.timeutil import DAY_MS, Clock, rfc3339

MAX_DAYS_BACK = 36_500
"""Days of the longest backfill: a hundred years reach before the first event."""
_PREFIX = "backfill-"
"""The beginning of the id of a backfill."""


class BackfillService:
    """Begins backfills, and reads their progress."""

    def __init__(self, store: Backfills, log: GroupCommitQueue, clock: Clock) -> None:
        self._store = store
        self._log = log
        self._clock = clock

    async def begin(self, user: str | None, days_back: int, *, dry_run: bool, notify: bool) -> JobReply:
        """Begin a backfill of a user, or (None) of all users, from so many days ago on. What is little is done when this
        returns, and the runner continues the rest."""
        since = max(0, self._clock.now() - days_back * DAY_MS)
        began = cast(CommandResult, await self._log.submit(Backfill(user, since, dry_run, notify)))
        return await self._read(began.updated)

    async def job(self, id: str) -> JobReply:
        """A backfill by the id of its job. Raises NotFound."""
        return await self._read(number_of(_PREFIX, id))

    async def _read(self, number: int) -> JobReply:
        found = await self._store.backfill(number)
        if found is None:
            raise no_such_job()
        return JobReply(_shown(found), found.state == "done")


def _shown(job: BackfillJob) -> bytes:
    """The JSON of a backfill."""
    return msgspec.json.encode(
        {
            "job_id": f"{_PREFIX}{job.id}",
            "state": job.state,
            "user_id": job.user,
            "created_count": job.created,
            "notified_count": job.notified,
            "users": job.users,
            "date_range": {"start": rfc3339(job.since), "end": rfc3339(job.until)},
            "dry_run": job.dry_run,
            "notify": job.notify,
        }
    )
