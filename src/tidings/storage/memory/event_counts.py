"""Counts of events in the reference back-end: each event of the log is looked at."""

from collections import Counter
from collections.abc import Sequence

from tidings.event_counts import (
    DIMENSIONS,
    Dimension,
    EventSelection,
    KeyCounts,
    PointCounts,
    Points,
    RankedKey,
    occurrence,
)
from tidings.ids import ms_of
from tidings.model import LogEntry
from tidings.storage.memory.state import MemoryState


class MemoryEventCounts(MemoryState):
    """The counts of events by their keys."""

    async def ranked_keys(
        self, selected: EventSelection, by: Dimension, first: int, most: int, viewer: str = ""
    ) -> KeyCounts | None:
        """The most frequent keys of the selected events."""
        ranked = self._ranked(selected, by, most)
        return None if ranked is None else ranked._replace(items=ranked.items[:first])

    async def ranks_of_keys(
        self, selected: EventSelection, by: Dimension, keys: Sequence[str], most: int, viewer: str = ""
    ) -> KeyCounts | None:
        """These keys among those of the selected events."""
        ranked = self._ranked(selected, by, most)
        if ranked is None:
            return None
        return ranked._replace(items=[item for item in ranked.items if item.key in keys])

    def _ranked(self, selected: EventSelection, by: Dimension, most: int) -> KeyCounts | None:
        examined = self._examined(selected)
        if len(examined) > most:
            return None
        events = _of_type(examined, selected)
        counts = Counter(_key(event, by) for event in events)
        del counts[""]
        ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        items = [RankedKey(key, count, rank) for rank, (key, count) in enumerate(ranked, 1)]
        return KeyCounts(items, len(events), len(examined))

    async def point_counts(
        self,
        selected: EventSelection,
        points: Points,
        by: Dimension,
        key: str | None,
        most: int,
        viewer: str = "",
    ) -> PointCounts | None:
        """The number of selected events in each point."""
        having = selected if key is None else selected.with_key(by, key)
        examined = [] if having is None else self._examined(having)
        if len(examined) > most:
            return None
        counts = [0] * points.number
        for event in _of_type(examined, selected):
            if key in (None, _key(event, by)):
                counts[(ms_of(event.key) - points.since) // points.step] += 1
        return PointCounts(counts, len(examined))

    def _examined(self, selected: EventSelection) -> list[LogEntry]:
        """The events of the period, and of the topic."""
        return [
            entry
            for entry in self._log.values()
            if selected.since <= ms_of(entry.key) < selected.until
            and (selected.topic is None or selected.topic in entry.topics)
            and (selected.topic is None or entry.visibility.reaches_followers)
        ]


def _of_type(entries: list[LogEntry], selected: EventSelection) -> list[LogEntry]:
    return [
        entry
        for entry in entries
        if selected.object_type in (None, entry.object_type) and entry.visibility <= selected.narrowest
    ]


def _key(event: LogEntry, by: Dimension) -> str:
    return occurrence(ms_of(event.key), event)[1:][DIMENSIONS.index(by)]
