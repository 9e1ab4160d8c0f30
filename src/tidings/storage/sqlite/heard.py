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

MOST_MASKS = 5_000
"""Mutes and blocks of some topics that are read whoever made them, some 5 ms; of more, those of listeners are looked up."""
KEPT_NAMES = 100_000
"""Followers of wide topics that are kept for the next event, some 10 MB."""

_Ears = dict[int, str]
"""People who may hear: number → name."""


class _Part(NamedTuple):
    """A follow that does not cover every event looked at. ``since_key``: see ports.py; None where it began before."""

    user: int
    name: str
    since: int | None
    since_key: int | None
    until: int | None

    def covers(self, event: EventRow) -> bool:
        """Whether it shows this event of its topic."""
        began = self.since is None or event.position > self.since
        backfilled = self.since_key is not None and event.key >= self.since_key
        return (began or backfilled) and (self.until is None or event.position <= self.until)


class _Crowd(NamedTuple):
    """Everyone who has to do with the events: those to whom they are addressed; by topic those whose follow covers all
    of them, and those whose follow is held against each; and by topic those who muted it, and who are kept apart from it
    by a block."""

    addressed: _Ears
    whole: dict[int, _Ears]
    parts: dict[int, list[_Part]]
    muted: dict[int, set[int]]
    blocked: dict[int, set[int]]


class Crowds:
    """Everyone who follows a wide topic, kept until somebody follows or unfollows such a topic: events of one topic come
    in bursts, and the names of ten thousand followers cost a tenth of what it costs to send to them."""

    def __init__(self) -> None:
        self._version = -1
        self._kept: dict[int, tuple[int, _Ears]] = {}

    def at(self, version: int) -> "Crowds":
        """What is still true at this version of the follows (see Writer), which must be taken before the snapshot that
        is read from."""
        if version != self._version:
            self._version, self._kept = version, {}
        return self

    def get(self, topic: int, after: int) -> _Ears | None:
        """Those whose follow of a topic covers every event over a position, None where that is not known."""
        since, ears = self._kept.get(topic, (after + 1, None))
        return ears if since <= after else None

    def keep(self, topic: int, after: int, ears: _Ears) -> None:
        """Remember these."""
        if sum(len(kept) for _, kept in self._kept.values()) + len(ears) > KEPT_NAMES:
            self._kept = {}
        self._kept[topic] = after, ears


def heard(
    r: Reading, crowds: Crowds, after: int, users: Collection[str], limit: int
) -> tuple[list[Heard], int]:
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
    crowd = _crowd(r, crowds, after, some, names)
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


def _crowd(
    r: Reading, crowds: Crowds, after: int, events: Sequence[EventRow], names: Collection[str]
) -> _Crowd:
    topics = dict.fromkeys(topic for event in events for topic in event.all_topics())
    known = {topic: ears for topic in topics if (ears := crowds.get(topic, after)) is not None}
    asked = topics.keys() - known.keys()
    many = {topic for topic in asked if r.writer.wide.get(topic, 0) > len(names)}
    rows = _followers(r, after, asked - many, many, names)
    targets = {number for event in events for number in unpack(event.targets)}
    people = r.names.people(targets.union([row[1] for row in rows]))
    whole: dict[int, _Ears] = {}
    parts: dict[int, list[_Part]] = {}
    for topic, number, since, since_key, until in rows:
        name = people[number]
        if since is None and until is None:
            whole.setdefault(topic, {})[number] = name
        else:
            parts.setdefault(topic, []).append(_Part(number, name, since, since_key, until))
    for topic in whole.keys() - parts.keys() - many:  # all who follow these were read
        if topic in r.writer.wide:
            crowds.keep(topic, after, whole[topic])
    whole = {topic: _present(ears, names) for topic, ears in (known | whole).items()}
    parts = {topic: [part for part in some if part.name in names] for topic, some in parts.items()}
    return _Crowd(_present({n: people[n] for n in targets}, names), whole, parts, *_masks(r, topics, names))


def _present(ears: _Ears, names: Collection[str]) -> _Ears:
    """Those of them who listen; where a crowd is large, that is often all of them."""
    if all(map(names.__contains__, ears.values())):
        return ears
    return {number: name for number, name in ears.items() if name in names}


_FollowRow = tuple[int, int, int | None, int | None, int | None]
"""(topic, follower, since, since_key, until)"""


def _followers(
    r: Reading, after: int, few: Collection[int], many: Collection[int], names: Collection[str]
) -> list[_FollowRow]:
    """Everyone who follows a topic of ``few``, and those of these names who follow one of ``many``."""
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


def _masks(
    r: Reading, topics: Collection[int], names: Collection[str]
) -> tuple[dict[int, set[int]], dict[int, set[int]]]:
    """(who muted, who is blocked), by topic. Where more people than listen masked these topics, only listeners are
    looked at."""
    muted: dict[int, set[int]] = {}
    blocked: dict[int, set[int]] = {}
    if topics and r.writer.masked:
        values: dict[str, object] = {"topics": r.writer.carray(topics), "limit": MOST_MASKS + 1}
        rows = r.db.all(sql("masks_of"), values)
        if len(rows) > MOST_MASKS:
            numbers = _numbers(r, names)
            rows = (
                r.db.all(sql("masks_among"), values | {"users": r.writer.carray(numbers)}) if numbers else []
            )
        for viewer, topic, kind in rows:
            (muted if kind == MUTE else blocked).setdefault(topic, set()).add(viewer)
    return muted, blocked


def _listeners(r: Reading, event: EventRow, crowd: _Crowd) -> list[tuple[str, str, list[str]]]:
    """(reason, topic, names): each listener once, the event's own actor and who has masked it left out."""
    topics = event.all_topics()
    out = {event.actor}.union(crowd.blocked.get(event.actor, ()), *(crowd.muted.get(t, ()) for t in topics))
    targets = {n: crowd.addressed[n] for n in unpack(event.targets) if n in crowd.addressed}
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
            ears = ears | {p.user: p.name for p in crowd.parts[topic] if p.covers(event)}
        if ears:
            yield "follow", r.names.text(topic), ears
