"""Who of the connected hears of new events: the law of a feed, asked the other way round.

Feeds are read for one viewer at a time; ten thousand streams would read ten thousand of them for one event. Here the
followers of its topics are read once, and those who listen are kept. A topic with more followers than there are
listeners is asked about the listeners instead, so nothing costs more than the smaller of the two.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from typing import NamedTuple

from tidings.model import Heard
from tidings.storage.sqlite.graph import MUTE
from tidings.storage.sqlite.names import unpack
from tidings.storage.sqlite.reading import EventRow, Reading
from tidings.storage.sqlite.writer import WIDE, sql

MOST_ROWS = 50_000
"""Follows that one call looks at, if it need not look at more for a single event: some 30 ms of the event loop. What
comes after is left to the next call."""

_Ears = dict[int, str]
"""Listeners: number → name."""


class _Part(NamedTuple):
    """A follow that does not cover every event looked at. ``since_key``: see ports.py; None where it began before."""

    user: int
    since: int | None
    since_key: int | None
    until: int | None

    def covers(self, event: EventRow) -> bool:
        """Whether it shows this event of its topic."""
        began = self.since is None or event.position > self.since
        backfilled = self.since_key is not None and event.key >= self.since_key
        return (began or backfilled) and (self.until is None or event.position <= self.until)


class _Crowd(NamedTuple):
    """Everyone who listens, as far as they have to do with the events: by topic those whose follow covers all of them
    and those whose follow is held against each; the masks (viewer, topic, kind) among all of these."""

    ears: _Ears
    whole: dict[int, _Ears]
    parts: dict[int, list[_Part]]
    masks: list[tuple[int, int, int]]


def heard(r: Reading, after: int, users: Collection[str], limit: int) -> tuple[list[Heard], int]:
    """Events after a position and who hears them; see FeedViews.heard. ``users`` are looked up in, one by one, and so
    are best given as a set or by a dictionary's keys."""
    query = "SELECT position, key FROM log WHERE position>? ORDER BY position LIMIT ?"
    log = r.db.all(query, (after, limit))
    if not log or not users:
        return [], log[-1][0] if log else after
    events = r.events([key for _, key in log])
    some = _affordable(r, events, len(users))
    last = some[-1].position if len(some) < len(events) else log[-1][0]
    names = users if isinstance(users, Set | Mapping) else frozenset(users)
    crowd = _crowd(r, after, some, names)
    found = (Heard(event.position, event.body, _listeners(r, event, crowd)) for event in some)
    return [one for one in found if one.listeners], last


def _affordable(r: Reading, events: Sequence[EventRow], listeners: int) -> Sequence[EventRow]:
    """The first events, as many as can be looked at in MOST_ROWS, one at least. A topic costs once."""
    seen: set[int] = set()
    rows = 0
    for at, event in enumerate(events):
        fresh = set(event.all_topics()) - seen
        rows += sum(min(max(r.writer.wide.get(topic, 0), WIDE), listeners) for topic in fresh)
        if rows > MOST_ROWS and at:
            return events[:at]
        seen |= fresh
    return events


def _crowd(r: Reading, after: int, events: Sequence[EventRow], names: Collection[str]) -> _Crowd:
    topics = dict.fromkeys(topic for event in events for topic in event.all_topics())
    rows = _followers(r, after, topics, names)
    targets = {number for event in events for number in unpack(event.targets)}
    people = r.names.people(targets.union([row[1] for row in rows]))
    ears = {number: people[number] for number in targets if people[number] in names}
    crowd = _Crowd(ears, {}, {}, [])
    for topic, number, since, since_key, until in rows:
        name = people[number]
        if name not in names:
            continue
        ears[number] = name
        if since is None and until is None:
            crowd.whole.setdefault(topic, {})[number] = name
        else:
            crowd.parts.setdefault(topic, []).append(_Part(number, since, since_key, until))
    return crowd._replace(masks=_masks(r, ears, topics))


_FollowRow = tuple[int, int, int | None, int | None, int | None]
"""(topic, follower, since, since_key, until)"""


def _followers(r: Reading, after: int, topics: Iterable[int], names: Collection[str]) -> list[_FollowRow]:
    few: list[int] = []
    many: list[int] = []
    for topic in topics:
        (many if r.writer.wide.get(topic, 0) > len(names) else few).append(topic)
    rows: list[_FollowRow] = []
    if few:
        rows += r.db.all(sql("followers_of"), {"topics": r.writer.carray(few), "after": after})
    if many and (numbers := _numbers(r, names)):
        values = {"topics": r.writer.carray(many), "users": r.writer.carray(numbers), "after": after}
        rows += r.db.all(sql("followers_among"), values)
    return rows


def _numbers(r: Reading, names: Collection[str]) -> list[int]:
    """Those who are known, in the order of the index that they are looked up in."""
    r.names.find_users(names)
    return sorted(filter(None, map(r.names.users.get, names)))


def _masks(r: Reading, ears: _Ears, topics: Iterable[int]) -> list[tuple[int, int, int]]:
    if not ears or not r.writer.masked:
        return []
    values = {"users": r.writer.carray(ears), "topics": r.writer.carray(topics)}
    return r.db.all(sql("masks_among"), values)


def _listeners(r: Reading, event: EventRow, crowd: _Crowd) -> list[tuple[str, str, list[str]]]:
    """(reason, topic, names): each listener once, the event's own actor and who has masked it left out."""
    topics = event.all_topics()
    out = {event.actor}
    out.update(
        viewer
        for viewer, topic, kind in crowd.masks
        if (topic in topics if kind == MUTE else topic == event.actor)
    )
    targets = {number: crowd.ears[number] for number in unpack(event.targets) if number in crowd.ears}
    found = []
    for reason, topic, ears in (("target", "", targets), *_following(r, event, topics, crowd)):
        left = ears if out.isdisjoint(ears) else {n: name for n, name in ears.items() if n not in out}
        if left:
            out.update(left)
            found.append((reason, topic, list(left.values())))
    return found


def _following(
    r: Reading, event: EventRow, topics: Iterable[int], crowd: _Crowd
) -> Iterable[tuple[str, str, _Ears]]:
    for topic in topics:
        ears = crowd.whole.get(topic, {})
        if topic in crowd.parts:
            ears = ears | {p.user: crowd.ears[p.user] for p in crowd.parts[topic] if p.covers(event)}
        if ears:
            yield "follow", r.names.text(topic), ears
