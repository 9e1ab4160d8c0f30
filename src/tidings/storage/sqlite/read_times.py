"""The times at which a user read events: by marks of single events, and by read-alls of lists.

A read-all covers the events that its list (the feed, the activity of all users, or that of a topic) has now.
"""

from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from tidings.storage.sqlite import shared_items
from tidings.storage.sqlite.feed_reasons import Reason, explain_own, followed
from tidings.storage.sqlite.read_snapshot import EventRow, ReadSnapshot
from tidings.storage.sqlite.statements import sql
from tidings.visibility import Visibility, is_listed

FEED, EVERYONES = 0, -1
"""The lists of read-alls: the feed, and the activity of all users. That of a topic is its number."""
MARKED, READ_ALL_ACTIVITY = 1, 2
"""The read state of a user: there is some; there are read-alls of activity too."""


class Reading(Protocol):
    """A user whose read state is read."""

    @property
    def user(self) -> int | None:
        """The number of the user."""

    @property
    def reads(self) -> int:
        """0 without any read state, MARKED, or READ_ALL_ACTIVITY."""


def read_times(
    r: ReadSnapshot, v: Reading, items: Sequence[tuple[int, int]], in_feed: bool = True
) -> dict[int, int]:
    """When each of these (key, position) was read, of those that are: by its own row, or else by the first read-all that
    covers it, or else with its notification. ``in_feed``: they are all in the user's feed."""
    if not v.reads or not items:
        return {}
    keys = [key for key, _ in items]
    query = sql("item_read_times")
    marked: dict[int, int | None] = dict(r.db.execute(query, (v.user, min(keys), max(keys))))
    read = _read(r, v, items, marked, in_feed)
    return read | shared_items.read_times(r, v.user, [key for key in keys if key not in read])


def own_read_times(r: ReadSnapshot, v: Reading, items: Sequence[tuple[int, int]]) -> dict[int, int]:
    """The same of any items, without regard to their notifications."""
    if not v.reads or not items:
        return {}
    query = sql("own_read_times")
    keys = r.writer.carray(key for key, _ in items)
    marked: dict[int, int | None] = dict(r.db.execute(query, (keys, v.user)))
    return _read(r, v, items, marked, False)


def _read(
    r: ReadSnapshot,
    v: Reading,
    items: Sequence[tuple[int, int]],
    marked: Mapping[int, int | None],
    in_feed: bool,
) -> dict[int, int]:
    read = {key: at for key, at in marked.items() if at is not None}
    others = [item for item in items if item[0] not in marked]
    return read | {key: at for key, (_, at) in covered(r, v, others, in_feed).items()}


class ReadAlls(NamedTuple):
    """How far the read-alls of one list went, ascending; and for each the first of them that went at least so far: (made,
    at)."""

    floors: list[int]
    firsts: list[tuple[int, int]]

    @classmethod
    def of(cls, rows: Iterable[tuple[int, int, int]]) -> "ReadAlls":
        """Those of these rows (up to, made, at), in descending order."""
        floors: list[int] = []
        firsts: list[tuple[int, int]] = []
        for up_to, made, at in rows:
            firsts.append(min((made, at), firsts[-1]) if firsts else (made, at))
            floors.append(up_to)
        return cls(floors[::-1], firsts[::-1])

    def first(self, position: int) -> tuple[int, int] | None:
        """The first read-all that covers a position."""
        n = bisect_left(self.floors, position)
        return self.firsts[n] if n < len(self.floors) else None


def covered(
    r: ReadSnapshot,
    v: Reading,
    items: Sequence[tuple[int, int]],
    in_feed: bool,
    after: int = 0,
    but: int = 0,
) -> dict[int, tuple[int, int]]:
    """The first read-all (made, at) that covers each of these (key, position), of those that one covers: of those made
    after a position, except one. A read-all covers what its list has now."""
    if not items:
        return {}
    low = min(position for _, position in items)
    rows = r.db.execute(sql("feed_read_alls"), (v.user, FEED, low, after))
    feed = ReadAlls.of(row for row in rows if row[1] != but)
    if in_feed and v.reads < READ_ALL_ACTIVITY:
        return {key: first for key, position in items if (first := feed.first(position)) is not None}
    if not feed.floors and v.reads < READ_ALL_ACTIVITY:
        return {}
    events = r.events([key for key, _ in items], "events_without_body")
    lists = _read_alls_of_activity(r, v, events, low, after, but)
    if feed.floors:
        lists[FEED] = feed
    having = lists_with(r, v.user, events, lists, in_feed)
    return {
        event.key: min(firsts)
        for event in events
        if (firsts := [first for one in having[event.key] if (first := lists[one].first(event.position))])
    }


def _read_alls_of_activity(
    r: ReadSnapshot, v: Reading, events: Sequence[EventRow], low: int, after: int, but: int
) -> dict[int, ReadAlls]:
    if v.reads < READ_ALL_ACTIVITY:
        return {}
    lists = r.writer.carray({EVERYONES, *(topic for event in events for topic in event.all_topics())})
    rows: dict[int, list[tuple[int, int, int]]] = {}
    for one, up_to, made, at in r.db.execute(sql("activity_read_alls"), (lists, v.user, low, after)):
        if made != but:
            rows.setdefault(one, []).append((up_to, made, at))
    return {one: ReadAlls.of(some) for one, some in rows.items()}


def lists_with(
    r: ReadSnapshot,
    user: int | None,
    events: Sequence[EventRow],
    lists: Collection[int],
    in_feed: bool = False,
) -> dict[int, list[int]]:
    """Which of these lists have each of these events for a user, if no block hides it. ``in_feed``: their feed has them
    all."""
    reasons: Mapping[int, Reason | None] = {}
    if FEED in lists and not in_feed and user is not None:
        reasons = explain_own(r, user, events)
    narrow = {
        topic for event in events if not event.is_public for topic in event.all_topics() if topic in lists
    }
    follows = followed(r, user, narrow)

    def has(one: int, event: EventRow) -> bool:
        if one == FEED:
            return in_feed or reasons.get(event.key) is not None
        return is_listed(
            Visibility(event.visibility),
            of_topic=one != EVERYONES,
            follows=one in follows,
            own=event.actor == user,
        )

    return {
        event.key: [one for one in (FEED, EVERYONES, *event.all_topics()) if one in lists and has(one, event)]
        for event in events
    }
