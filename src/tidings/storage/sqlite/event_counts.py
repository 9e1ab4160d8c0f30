"""Counts of events for trends, made by SQLite in statements that may be long: by threads, and cancellable."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import apsw

from tidings.event_counts import Dimension, EventSelection, KeyCounts, PointCounts, Points, RankedKey
from tidings.ids import key_at
from tidings.model import user_topic
from tidings.personal_data import ALIAS_GLOB
from tidings.storage.sqlite.read_snapshot import ReadSnapshot
from tidings.storage.sqlite.statements import sql
from tidings.storage.sqlite.timeline_numbers import topic_timeline

_ALIASES = {"actor": ALIAS_GLOB, "object": user_topic(ALIAS_GLOB)}
"""The keys that are names of erased users, as patterns of SQLite."""


def first_keys(
    r: ReadSnapshot, selected: EventSelection, by: Dimension, first: int, most: int
) -> KeyCounts | None:
    """The most frequent keys; see EventCounts.ranked_keys."""
    examined = _examine(r, selected, most)
    if not 0 < examined.number <= most:
        return _uncounted(examined)
    keys = sql("first_keys", names=sql(f"names_of_{by}"))
    query = sql("top_keys", counts=_counts(by, examined.events), keys=keys)
    (_, total), *found = r.db.all(query, examined.values | {"alias": _ALIASES.get(by, ""), "first": first})
    items = [RankedKey(key, events, rank) for rank, (key, events) in enumerate(found, 1)]
    return KeyCounts(items, total, examined.number)


def these_keys(
    r: ReadSnapshot, selected: EventSelection, by: Dimension, wanted: Sequence[str], most: int
) -> KeyCounts | None:
    """These keys; see EventCounts.ranks_of_keys."""
    examined = _examine(r, selected, most)
    if not 0 < examined.number <= most:
        return _uncounted(examined)
    keys = sql("these_keys", names=sql(f"names_of_{by}"))
    query = sql("ranks_of_keys", counts=_counts(by, examined.events), keys=keys)
    values = examined.values | {"alias": _ALIASES.get(by, ""), "keys": apsw.carray(tuple(wanted))}
    (_, total, _), *found = r.db.all(query, values)
    return KeyCounts([RankedKey(*row) for row in found], total, examined.number)


def _uncounted(examined: "_Examined") -> KeyCounts | None:
    """The result of none or too many events."""
    return None if examined.number else KeyCounts([], 0, 0)


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
    examined = _examine(r, having, most)
    if examined.number > most:
        return None
    if not examined.number:
        return nothing
    events = examined.events if number is None else sql("of_key", events=examined.events, column=by)
    values = examined.values | {"key": number, "since": points.since, "step": points.step}
    found = dict(r.db.all(sql("counts_by_point", events=events), values))
    return PointCounts([found.get(point, 0) for point in range(points.number)], examined.number)


def _number(r: ReadSnapshot, by: Dimension, key: str) -> int | None:
    """The number of a key in its column; None if it is unknown, or the key of a dimension without one."""
    if by == "object":
        return r.names.topic(key)
    if by == "actor":
        return r.names.user(key)
    return r.names.verb(key) if by == "verb" else None


class _Examined(NamedTuple):
    """The selected events as a statement, whose parameters are ``values``. ``number``: how many events, or entries of the
    topic, it reads; more than permitted if there are more."""

    events: str
    values: dict[str, Any]
    number: int


def _examine(r: ReadSnapshot, selected: EventSelection, most: int) -> _Examined:
    topic = None if selected.topic is None else r.names.topic(selected.topic)
    above, before = key_at(selected.since) - 1, key_at(selected.until)
    values = {
        "above": above,
        "before": before,
        "type": selected.object_type,
        "timeline": None if topic is None else topic_timeline(topic),
        "limit": most + 1,
        "narrowest": int(selected.narrowest),
    }
    parts = [span.parts[-1] for span in r.event_spans if span.low < before and span.high > above]
    if not parts or (topic is None and selected.topic is not None):
        return _Examined("", values, 0)
    if topic is None:
        examined = [sql("examined_events", n) for n in parts]
        arms = [sql("counted_events", n, is_counted=sql("is_counted")) for n in parts]
    else:
        keys = r.page_query(before, False)
        examined = [sql("examined_entries", keys=keys)]
        arms = [sql("counted_topic_events", n, keys=keys, is_counted=sql("is_counted")) for n in parts]
    events = " UNION ALL ".join(arms)
    if selected.object_type is not None:
        events = sql("of_object_type", events=events)
    return _Examined(events, values, _number_of(r, examined, values, most))


def _number_of(r: ReadSnapshot, queries: Sequence[str], values: dict[str, Any], most: int) -> int:
    """The sum of these counts, or of as many as exceed ``most``."""
    found = 0
    for query in queries:
        r.check()
        found += r.db.one(query, values)[0]
        if found > most:
            break
    return found
