"""The part of the SQLite back-end that reads the progress of backfills."""

from tidings.backfills import BackfillJob
from tidings.storage.sqlite import backfills
from tidings.storage.sqlite.readers import OPERATORS, ReadingStore


class BackfillReads:
    """The port Backfills."""

    async def backfill(self: ReadingStore, id: int) -> BackfillJob | None:
        """A backfill and its progress."""
        return await self._now(OPERATORS, ("backfill", id), lambda r: backfills.one(r, id))
