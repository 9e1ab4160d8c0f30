"""The part of the SQLite back-end that reads the progress of merges of users."""

from tidings.storage.sqlite import user_merges
from tidings.storage.sqlite.readers import OPERATORS, ReadingStore
from tidings.user_merges import UserMerge


class UserMergeReads:
    """The port UserMerges."""

    async def user_merge(self: ReadingStore, id: int) -> UserMerge | None:
        """A merge and its progress."""
        return await self._now(OPERATORS, ("user_merge", id), lambda r: user_merges.one(r, id))
