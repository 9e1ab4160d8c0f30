"""The part of the SQLite back-end that reads the progress of backfills."""

from collections.abc import Callable, Hashable
from typing import Protocol, TypeVar

from tidings.backfills import BackfillJob
from tidings.storage.sqlite import backfills
from tidings.storage.sqlite.read_snapshot import ReadSnapshot
from tidings.storage.sqlite.readers import OPERATORS, Asker

T = TypeVar("T")


class _SnapshotStore(Protocol):
    """What the store has for these reads."""

    async def _now(self, asker: Asker, question: Hashable, read: Callable[[ReadSnapshot], T]) -> T: ...


class BackfillReads:
    """The port Backfills."""

    async def backfill(self: _SnapshotStore, id: int) -> BackfillJob | None:
        """A backfill and its progress."""
        return await self._now(OPERATORS, ("backfill", id), lambda r: backfills.one(r, id))
