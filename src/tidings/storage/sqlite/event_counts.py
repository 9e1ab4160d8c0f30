"""Counts of events for trends, made by SQLite in statements that may be long: by threads, and cancellable."""

from collections.abc import Sequence
from typing import Any

import apsw

from tidings.event_counts import Dimension, EventSelection, KeyCounts, PointCounts, Points, RankedKey
from tidings.ids import key_at
from tidings.personal_data import ALIAS_GLOB
from tidings.storage.sqlite.read_snapshot import ReadSnapshot
from tidings.storage.sqlite.statements import sql
from tidings.storage.sqlite.timeline_numbers import topic_timeline

_ALIASES = {"actor": ALIAS_GLOB, "object": f"user:{ALIAS_GLOB}"}
"""The keys that are names of erased users, as patterns of SQLite."""


def ranked(
    r: ReadSnapshot, selected: EventSelection, by: Dimension, wanted: int | Sequence[str], most: int
) -> KeyCounts | None:
    """The most frequent keys, or these keys; see EventCounts.ranked_keys."""
    counting = _Counting(r, selected, most)
    if counting.examined > most:
        return None
    if not counting.examined:
        return KeyCounts([], 0, 0)
    counts, names = _counts(by, counting.events), sql(f"names_of_{by}")
    values = counting.values | {"alias": _ALIASES.get(by, "")}
    if isinstance(wanted, int):
        query = sql("top_keys", counts=counts, keys=sql("first_keys", names=names))
        (_, total), *found = r.db.all(query, values | {"first": wanted})
        rows = [(*row, rank) for rank, row in enumerate(found, 1)]
    else:
        query = sql("ranks_of_keys", counts=counts, keys=sql("these_keys", names=names))
        (_, total, _), *rows = r.db.all(query, values | {"keys": apsw.carray(tuple(wanted))})
    return KeyCounts([RankedKey(*row) for row in rows], total, counting.examined)


def _counts(by: Dimension, events: str) -> str:
    if by != "object_type":
        return sql("counts_by_column", events=events, column=by)
    objects = sql("counts_by_column", events=events, column="object")
    return sql("counts_by_object_type", objects=objects)


def by_point(
    r: ReadSnapshot, selected: EventSelection, points: Points, by: Dimension, key: str | None, most: int
) -> PointCounts | None:
    """The events of each point; see EventCounts.point_counts."""
    nothing = PointCounts([0] * points.number, 0)
    having = selected if key is None else selected.with_key(by, key)
    number = None if key is None else _number(r, by, key)
    if having is None or (key is not None and by != "object_type" and number is None):
        return nothing
    counting = _Counting(r, having, most)
    if counting.examined > most:
        return None
    if not counting.examined:
        return nothing
    events = counting.events if number is None else sql("of_key", events=counting.events, column=by)
    values = counting.values | {"key": number, "since": points.since, "step": points.step}
    found = dict(r.db.all(sql("counts_by_point", events=events), values))
    return PointCounts([found.get(point, 0) for point in range(points.number)], counting.examined)


def _number(r: ReadSnapshot, by: Dimension, key: str) -> int | None:
    """The number of a key in its column; None if it is unknown, or the key of a dimension without one."""
    if by == "object":
        return r.names.topic(key)
    if by == "actor":
        return r.names.user(key)
    return r.names.verb(key) if by == "verb" else None


class _Counting:
    """The selected events as a statement: ``events``, whose parameters are ``values``. ``examined``: how many events, or
    entries of the topic, it reads; one more than ``most`` if there are more."""

    def __init__(self, r: ReadSnapshot, selected: EventSelection, most: int) -> None:
        self._r = r
        topic = None if selected.topic is None else r.names.topic(selected.topic)
        above, before = key_at(selected.since) - 1, key_at(selected.until)
        self.values: dict[str, Any] = {
            "above": above,
            "before": before,
            "type": selected.object_type,
            "timeline": None if topic is None else topic_timeline(topic),
            "limit": most + 1,
            "narrowest": int(selected.narrowest),
        }
        self._parts = [span.parts[-1] for span in r.event_spans if span.low < before and span.high > above]
        nothing = not self._parts or (topic is None and selected.topic is not None)
        keys = None if topic is None else r.page_query(before, False)
        self.examined = 0 if nothing else self._examined(keys, most + 1)
        self.events = "" if nothing else self._events(keys, selected.object_type is not None)

    def _examined(self, keys: str | None, enough: int) -> int:
        if keys is not None:
            return self._count(sql("examined_entries", keys=keys))
        found = 0
        for part in self._parts:
            found += self._count(sql("examined_events", part))
            if found >= enough:
                break
        return found

    def _count(self, query: str) -> int:
        self._r.check()
        (found,) = self._r.db.one(query, self.values)
        return int(found)

    def _events(self, keys: str | None, typed: bool) -> str:
        counted = sql("is_counted")
        if keys is None:
            arms = [sql("counted_events", n, is_counted=counted) for n in self._parts]
        else:
            arms = [sql("counted_topic_events", n, keys=keys, is_counted=counted) for n in self._parts]
        events = " UNION ALL ".join(arms)
        return sql("of_object_type", events=events) if typed else events
