"""Ranges without any public event, so that a page of what everybody sees jumps over any number of others.

A range is a hint: without it the same events are read one after the other. It states of a timeline that no public entry has
a key within it. Only events that are not public extend one, so a public event costs nothing, unless it is out of order and
splits the range around its key. Topics have ranges by key; all events together have them by key and by position.
"""

from collections.abc import Iterable, Sequence
from itertools import groupby

from tidings.model import NewEvent
from tidings.storage.sqlite.read_snapshot import ReadSnapshot
from tidings.storage.sqlite.recipients import EventBatch
from tidings.storage.sqlite.statements import sql
from tidings.storage.sqlite.timeline_numbers import ALL_BY_KEY, ALL_BY_POSITION, topic_timeline
from tidings.storage.sqlite.write_session import WriteSession
from tidings.visibility import Visibility

_Range = tuple[int, int | None, int, int]
"""(timeline, before, bottom, top): a range of the entries from bottom to top, which continues one that ends at the entry
``before``; None: the entry before is still to be found."""
_NONE = -1
"""No entry, or no known one."""


def extend(w: WriteSession, events: Sequence[NewEvent], rows: EventBatch, high: int, logged: int) -> None:
    """Record the ranges of a batch that was written. ``high``: the greatest key before it, ``logged``: the last event's
    position."""
    public = Visibility.PUBLIC
    hidden = [event.visibility is not public for event in events]
    if rows.late and w.has_hidden_ranges:
        for i, key in enumerate(rows.keys):
            if not hidden[i]:
                split(w, rows.topics[i], key)
    if not any(hidden):
        return
    w.has_hidden_ranges = True
    positions = range(rows.base, rows.base + len(events))
    found = _runs(ALL_BY_POSITION, positions, hidden, logged)
    if rows.late:
        _record(w, found)
        _record_late(w, events, rows)
    else:
        found += _runs(ALL_BY_KEY, rows.keys, hidden, high)
        _record(w, found + _topic_runs(events, rows, hidden))


def _topic_runs(events: Sequence[NewEvent], rows: EventBatch, hidden: Sequence[bool]) -> list[_Range]:
    """The ranges of the topics that events for followers have, by their entries in the batch."""
    followed = [i for i, event in enumerate(events) if event.visibility.reaches_followers]
    if len(followed) == 1 and hidden[followed[0]]:
        key = rows.keys[followed[0]]
        return [(topic_timeline(topic), None, key, key) for topic in rows.topics[followed[0]]]
    entries: dict[int, list[int]] = {topic: [] for i in followed if hidden[i] for topic in rows.topics[i]}
    for i in followed:
        for topic in rows.topics[i]:
            if topic in entries:
                entries[topic].append(i)
    found = []
    for topic, some in entries.items():
        keys, theirs = [rows.keys[i] for i in some], [hidden[i] for i in some]
        found += _runs(topic_timeline(topic), keys, theirs, None)
    return found


def _runs(timeline: int, at: Sequence[int], hidden: Sequence[bool], before: int | None) -> list[_Range]:
    """The ranges of a timeline's new entries, which have these keys or positions."""
    found = []
    for is_hidden, some in groupby(range(len(at)), hidden.__getitem__):
        if is_hidden:
            first, *others = some
            top = at[others[-1] if others else first]
            found.append((timeline, _NONE if first else before, at[first], top))
    return found


def _record_late(w: WriteSession, events: Sequence[NewEvent], rows: EventBatch) -> None:
    """The same by key of a batch that is out of order: each event is a range, or extends the one below it."""
    order = sorted(range(len(events)), key=rows.keys.__getitem__)
    for i in order:
        key, visibility = rows.keys[i], events[i].visibility
        if visibility is Visibility.PUBLIC:
            continue
        span = w.events.span(key)
        (before,) = w.db.one(sql("greatest_event_key", span.parts[-1]), (span.low, key))
        found: list[_Range] = [(ALL_BY_KEY, _NONE if before is None else before, key, key)]
        if visibility.reaches_followers:
            found += [(topic_timeline(topic), None, key, key) for topic in rows.topics[i]]
        _record(w, found)


def _record(w: WriteSession, found: Sequence[_Range]) -> None:
    """Record these ranges. The entry before one is looked up in the partition of timelines that has the range."""
    parts = {w.timelines.span(bottom).parts if before is None else () for _, before, bottom, _ in found}
    parts.discard(())
    if len(parts) > 1:
        for one in found:
            _record(w, [one])
        return
    ((n, *others),) = parts or [(0,)]
    if others:  # while rows are being merged one partition alone does not show the entry before
        found = [one if one[1] is not None else (one[0], _NONE, one[2], one[3]) for one in found]
    w.insert("record_hidden_ranges", found, n or w.timelines.newest())


def split(w: WriteSession, topics: Iterable[int], key: int) -> None:
    """A public event of these topics has this key: no range may go over it. What is left of one may be empty."""
    timelines = w.carray((ALL_BY_KEY, *map(topic_timeline, topics)))
    values = {"timelines": timelines, "key": key}
    w.db.execute(sql("split_hidden_ranges"), values)
    w.db.execute(sql("end_hidden_ranges"), values)


def below(r: ReadSnapshot, timeline: int, key: int) -> int:
    """The key from which a reading of public entries down to a key may go on: no others are between."""
    row = r.db.one(sql("hidden_range_at"), (timeline, key))
    return key if row is None or row[1] < key else row[0]


def above(r: ReadSnapshot, position: int) -> int:
    """The position from which a reading of public events up to a position may go on."""
    row = r.db.one(sql("hidden_range_at"), (ALL_BY_POSITION, position))
    return position if row is None else max(position, row[1])
