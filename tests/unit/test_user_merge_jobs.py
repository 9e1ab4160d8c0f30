"""The service of merges of users."""

import asyncio
from typing import cast

import pytest

from tidings.commit_queue import GroupCommitQueue
from tidings.errors import MergeUnderWay
from tidings.model import Command, CommandResult
from tidings.testing import FakeClock, MemoryStore
from tidings.user_merge_jobs import UserMergeService


class RefusingQueue:
    """A commit queue whose store refuses each merge."""

    async def submit(self, command: Command) -> CommandResult:
        return CommandResult(0, limit=1)


def test_a_merge_beside_another_is_refused_with_409() -> None:
    """The client sends the request again when the other has ended."""
    service = UserMergeService(MemoryStore(FakeClock()), cast(GroupCommitQueue, RefusingQueue()))
    with pytest.raises(MergeUnderWay) as refused:
        asyncio.run(service.begin("anon", "bob"))
    assert (refused.value.status, refused.value.code) == (409, "merge-under-way")
