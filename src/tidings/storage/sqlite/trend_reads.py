"""The part of the SQLite back-end that counts selected events for trends."""

from collections.abc import Callable, Hashable, Sequence
from typing import Protocol, TypeVar

from tidings.event_counts import Dimension, EventSelection, KeyCounts, PointCounts, Points
from tidings.storage.sqlite import event_counts, readers
from tidings.storage.sqlite.read_snapshot import ReadSnapshot
from tidings.storage.sqlite.readers import APPLICATION, Asker

T = TypeVar("T")


class _LongReads(Protocol):
    """What the store has for these reads."""

    async def _later(self, asker: Asker, question: Hashable, read: Callable[[ReadSnapshot], T]) -> T: ...


class TrendReads:
    """The port EventCounts."""

    async def ranked_keys(
        self: _LongReads, selected: EventSelection, by: Dimension, first: int, most: int, viewer: str = ""
    ) -> KeyCounts | None:
        """The most frequent keys of the selected events."""
        return await _counts(self, viewer, event_counts.first_keys, selected, by, first, most)

    async def ranks_of_keys(
        self: _LongReads,
        selected: EventSelection,
        by: Dimension,
        keys: Sequence[str],
        most: int,
        viewer: str = "",
    ) -> KeyCounts | None:
        """These keys among those of the selected events."""
        return await _counts(self, viewer, event_counts.these_keys, selected, by, tuple(keys), most)

    async def point_counts(
        self: _LongReads,
        selected: EventSelection,
        points: Points,
        by: Dimension,
        key: str | None,
        most: int,
        viewer: str = "",
    ) -> PointCounts | None:
        """The number of selected events in each point."""
        return await _counts(self, viewer, event_counts.by_point, selected, points, by, key, most)


async def _counts(store: _LongReads, viewer: str, count: Callable[..., T], *asked: object) -> T:
    asker = readers.user(viewer) if viewer else APPLICATION
    return await store._later(asker, (count.__name__, *asked), lambda r: count(r, *asked))
