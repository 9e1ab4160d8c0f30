"""The service of merges: a user id whose data becomes part of another's."""

from typing import cast

import msgspec

from tidings.commit_queue import GroupCommitQueue
from tidings.errors import MergeUnderWay
from tidings.job_replies import JobReply, no_such_job, number_of
from tidings.model import CommandResult
from tidings.ports import UserMerges
from tidings.user_merges import MergeCounts, MergeUsers, UserMerge

PREFIX = "merge-"
"""The beginning of the id of a job that merges two users."""


class UserMergeService:
    """Begins merges, and reads their progress."""

    def __init__(self, store: UserMerges, log: GroupCommitQueue) -> None:
        self._store = store
        self._log = log

    async def begin(self, user: str, into: str) -> JobReply:
        """Merge a user into another one. A small merge is done when this returns; the runner continues a large one. Raises
        MergeUnderWay."""
        began = cast(CommandResult, await self._log.submit(MergeUsers(user, into)))
        if began.limit:
            raise MergeUnderWay("one of the two users takes part in another merge, which must end first")
        if not began.updated:
            return _shown(UserMerge(0, user, into, "done", MergeCounts()))
        return await self._read(began.updated)

    async def job(self, id: str) -> JobReply:
        """A merge by the id of its job. Raises NotFound."""
        return await self._read(number_of(PREFIX, id))

    async def _read(self, number: int) -> JobReply:
        found = await self._store.user_merge(number)
        if found is None:
            raise no_such_job()
        return _shown(found)


def _shown(merge: UserMerge) -> JobReply:
    shown = {
        "job_id": f"{PREFIX}{merge.id}" if merge.id else None,
        "state": merge.state,
        "user_id": merge.user,
        "into": merge.into,
        "counts": merge.counts,
    }
    return JobReply(msgspec.json.encode(shown), merge.state == "done")
