"""The part of the SQLite back-end that counts selected events for trends."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from tidings.event_counts import Dimension, EventSelection, KeyCounts, PointCounts, Points
from tidings.storage.sqlite import event_counts, readers
from tidings.storage.sqlite.readers import APPLICATION, ReadingStore

T = TypeVar("T")


class TrendReads:
    """The port EventCounts."""

    async def ranked_keys(
        self: ReadingStore, selected: EventSelection, by: Dimension, first: int, most: int, viewer: str = ""
    ) -> KeyCounts | None:
        """The most frequent keys of the selected events."""
        return await _counts(self, viewer, event_counts.first_keys, selected, by, first, most)

    async def ranks_of_keys(
        self: ReadingStore,
        selected: EventSelection,
        by: Dimension,
        keys: Sequence[str],
        most: int,
        viewer: str = "",
    ) -> KeyCounts | None:
        """These keys among those of the selected events."""
        return await _counts(self, viewer, event_counts.these_keys, selected, by, tuple(keys), most)

    async def point_counts(
        self: ReadingStore,
        selected: EventSelection,
        points: Points,
        by: Dimension,
        key: str | None,
        most: int,
        viewer: str = "",
    ) -> PointCounts | None:
        """The number of selected events in each point."""
        return await _counts(self, viewer, event_counts.by_point, selected, points, by, key, most)


async def _counts(store: ReadingStore, viewer: str, count: Callable[..., T], *asked: object) -> T:
    asker = readers.user(viewer) if viewer else APPLICATION
    return await store._later(asker, (count.__name__, *asked), lambda r: count(r, *asked))
