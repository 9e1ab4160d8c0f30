"""The audience of new events among the connected users: the visibility rules of a feed, evaluated by event.

Feeds are read for one viewer at a time; ten thousand streams would read ten thousand of them for one event. Here the
followers of its topics are read once, and the connected ones among them are kept. For a topic with more followers than there
are connected users, these are looked up instead, so nothing costs more than the smaller of the two.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from operator import attrgetter, itemgetter
from typing import NamedTuple

from tidings.activity_scope import NOTHING_WATCHED, Watched
from tidings.feed_changes import FeedReset
from tidings.model import ActivityReach, EventAudience
from tidings.storage.sqlite import activity_reach, feed_history
from tidings.storage.sqlite.read_snapshot import EventRow, ReadSnapshot
from tidings.storage.sqlite.relations import MUTE
from tidings.storage.sqlite.statements import sql
from tidings.storage.sqlite.symbols import unpack
from tidings.storage.sqlite.write_session import WIDE

MOST_ROWS = 50_000
"""Follows that one call reads, unless a single event needs more: some 30 ms of the event loop. Later events are left to the
next call."""

MOST_MASKS = 5_000
"""Mutes and blocks of some topics that are read for all users, some 5 ms; if there are more, those of connected users are
looked up."""
KEPT_NAMES = 100_000
"""Followers of wide topics that are cached for the next event, some 10 MB."""

_NamesById = dict[int, str]
"""Users who may be in the audience: number → name."""


class _Part(NamedTuple):
    """A follow that may not cover every event of the batch. ``since_key``: see ports.py; None if it began before."""

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


class _BatchAudience(NamedTuple):
    """All users with a relation to the events: their targets; by topic the users whose follow covers all of them, and those
    whose follow is compared with each; and by topic the users who muted it, and those whom a block separates from it."""

    addressed: _NamesById
    whole: dict[int, _NamesById]
    parts: dict[int, list[_Part]]
    muted: dict[int, set[int]]
    blocked: dict[int, set[int]]


class FollowerCache:
    """A cache of the followers of wide topics, valid until a user follows or unfollows such a topic: events of one topic
    come in bursts, and the names of ten thousand followers cost a tenth of what it costs to send to them."""

    def __init__(self) -> None:
        self._version = -1
        self._kept: dict[int, tuple[int, _NamesById]] = {}

    def at(self, version: int) -> "FollowerCache":
        """The cache if it is valid for this version of the follows (see WriteSession), or a new one. The version must be
        read before the snapshot is taken."""
        if version != self._version:
            self._version, self._kept = version, {}
        return self

    def get(self, topic: int, after: int) -> _NamesById | None:
        """The users whose follow of a topic covers every event over a position; None if unknown."""
        since, users = self._kept.get(topic, (after + 1, None))
        return users if since <= after else None

    def keep(self, topic: int, after: int, users: _NamesById) -> None:
        """Cache these followers."""
        if sum(len(kept) for _, kept in self._kept.values()) + len(users) > KEPT_NAMES:
            self._kept = {}
        self._kept[topic] = after, users


def audience(
    r: ReadSnapshot,
    cache: FollowerCache,
    after: int,
    users: Collection[str],
    limit: int,
    watched: Watched = NOTHING_WATCHED,
    readers: Collection[str] = (),
) -> tuple[list[EventAudience], int]:
    """Events after a position and their audience, and the changes of older ones; see ``FeedViews``. ``users`` and
    ``readers`` are looked up one by one, so a set or a dictionary's keys are best."""
    last = max(after, min(after + limit, r.head()))
    if last == after or not (users or watched):
        return [], last
    keys = r.db.all(sql("keys_between_positions"), (after, last))
    events = r.events([key for (key,) in keys])
    # If each position is an event's there are no changes, which is the case in a burst.
    mixed = len(events) < last - after
    gone = dict(feed_history.retractions(r, after, last, limit)) if mixed else {}
    some, taken, last = _affordable(r, events, gone, len(users), last)
    names = users if isinstance(users, Set | Mapping) else frozenset(users)
    batch = _batch_audience(r, cache, after, some, names)
    reach = activity_reach.of(r, [*some, *taken.values()], watched) if watched else {}
    found = [
        EventAudience(event.position, event.body, _listeners(r, event, batch), reach=reach.get(event.key, ()))
        for event in some
    ]
    found += _unshown(r, taken, names, reach)
    if mixed:
        found += _marks(r, after, last, names, readers)
    audience = sorted((one for one in found if one.listeners or one.reach), key=attrgetter("position"))
    return (_lost(r, after, last, names, watched, readers) if mixed else []) + audience, last


def _lost(
    r: ReadSnapshot,
    after: int,
    last: int,
    names: Collection[str],
    watched: Watched,
    readers: Collection[str],
) -> list[EventAudience]:
    """The users whose streams cannot continue, since the changes of their feeds were deleted before they were read."""
    numbers = feed_history.lost(r, after)
    unlisted: tuple[ActivityReach, ...] = ()
    if numbers is None:
        users = list(names)
        unlisted = tuple(map(ActivityReach, watched))
    else:
        people = r.names.people(set(numbers))
        users = [user for number in numbers if (user := people[number]) in names or user in readers]
    listeners = [("", "", users)] if users else []
    return [EventAudience(last, b"", listeners, FeedReset(last), unlisted)] if users or unlisted else []


def _unshown(
    r: ReadSnapshot,
    gone: Mapping[int, EventRow],
    names: Collection[str],
    reach: Mapping[int, tuple[ActivityReach, ...]],
) -> list[EventAudience]:
    """Retractions, by position, and the users who would have the events in their feeds, their own included, without the
    retraction."""
    if not gone:
        return []
    # Read from before the first of them, so that later follows are compared with each; nothing is cached.
    batch = _batch_audience(
        r, FollowerCache(), min(event.position for event in gone.values()) - 1, list(gone.values()), names
    )
    actors = r.names.people({event.actor for event in gone.values()})
    found = []
    for position, event in gone.items():
        users = [user for *_, users in _listeners(r, event, batch) for user in users]
        if actors[event.actor] in names:
            users.append(actors[event.actor])
        listeners = [("", "", users)] if users else []
        change = feed_history.retraction(r, position, event)
        found.append(EventAudience(position, b"", listeners, change, reach.get(event.key, ())))
    return found


def _marks(
    r: ReadSnapshot, after: int, last: int, names: Collection[str], readers: Collection[str]
) -> list[EventAudience]:
    """The changes of these users' read state."""
    marks = feed_history.marks(r, after, last)
    if not marks:
        return []
    people = r.names.people({mark.user for mark in marks})
    return [
        EventAudience(mark.position, b"", [("", "", [user])], feed_history.change(r, mark))
        for mark in marks
        if (user := people[mark.user]) in names or user in readers
    ]


def _affordable(
    r: ReadSnapshot, events: Sequence[EventRow], gone: Mapping[int, EventRow], listeners: int, last: int
) -> tuple[list[EventRow], dict[int, EventRow], int]:
    """The first events and retractions, at least one, that need at most MOST_ROWS follows; and the last position that they
    cover. A topic costs once."""
    seen: set[int] = set()
    rows, before = 0, 0
    both = sorted([(event.position, event) for event in events] + list(gone.items()), key=itemgetter(0))
    for position, event in both:
        fresh = set(event.all_topics()) - seen
        rows += sum(min(max(r.writer.wide.get(topic, 0), WIDE), listeners) for topic in fresh)
        if rows > MOST_ROWS and before:
            last = before
            break
        seen |= fresh
        before = position
    some = [event for event in events if event.position <= last]
    return some, {position: event for position, event in gone.items() if position <= last}, last


def _batch_audience(
    r: ReadSnapshot, cache: FollowerCache, after: int, events: Sequence[EventRow], names: Collection[str]
) -> _BatchAudience:
    topics = dict.fromkeys(topic for event in events for topic in event.all_topics())
    known = {topic: users for topic in topics if (users := cache.get(topic, after)) is not None}
    asked = topics.keys() - known.keys()
    many = {topic for topic in asked if r.writer.wide.get(topic, 0) > len(names)}
    rows = _followers(r, after, asked - many, many, names)
    targets = {number for event in events for number in unpack(event.targets)}
    people = r.names.people(targets.union([row[1] for row in rows]))
    whole: dict[int, _NamesById] = {}
    parts: dict[int, list[_Part]] = {}
    for topic, number, since, since_key, until in rows:
        name = people[number]
        if since is None and until is None:
            whole.setdefault(topic, {})[number] = name
        else:
            parts.setdefault(topic, []).append(_Part(number, name, since, since_key, until))
    for topic in whole.keys() - parts.keys() - many:  # all followers of these were read
        if topic in r.writer.wide:
            cache.keep(topic, after, whole[topic])
    whole = {topic: _present(users, names) for topic, users in (known | whole).items()}
    parts = {topic: [part for part in some if part.name in names] for topic, some in parts.items()}
    return _BatchAudience(
        _present({n: people[n] for n in targets}, names), whole, parts, *_masks(r, topics, names)
    )


def _present(users: _NamesById, names: Collection[str]) -> _NamesById:
    """The connected ones among these users; in a large audience, that is often all of them."""
    if all(map(names.__contains__, users.values())):
        return users
    return {number: name for number, name in users.items() if name in names}


_FollowRow = tuple[int, int, int | None, int | None, int | None]
"""(topic, follower, since, since_key, until)"""


def _followers(
    r: ReadSnapshot, after: int, few: Collection[int], many: Collection[int], names: Collection[str]
) -> list[_FollowRow]:
    """All followers of a topic of ``few``, and those of these names who follow one of ``many``."""
    rows: list[_FollowRow] = []
    if few:
        rows += r.db.all(sql("followers_of_topics"), {"topics": r.writer.carray(few), "after": after})
    if many and (numbers := _numbers(r, names)):
        values = {"topics": r.writer.carray(many), "users": r.writer.carray(numbers), "after": after}
        rows += r.db.all(sql("followers_of_topics_among"), values)
    return rows


def _numbers(r: ReadSnapshot, names: Collection[str]) -> list[int]:
    """The numbers of the known users, in the order of the index that is searched."""
    r.names.find_users(names)
    return sorted(filter(None, map(r.names.users.get, names)))


def _masks(
    r: ReadSnapshot, topics: Collection[int], names: Collection[str]
) -> tuple[dict[int, set[int]], dict[int, set[int]]]:
    """(users who muted, users separated by a block), by topic. If more users than are connected muted or blocked these
    topics, only connected ones are looked up."""
    muted: dict[int, set[int]] = {}
    blocked: dict[int, set[int]] = {}
    if topics and r.writer.masked:
        values: dict[str, object] = {"topics": r.writer.carray(topics), "limit": MOST_MASKS + 1}
        rows = r.db.all(sql("relations_of_topics"), values)
        if len(rows) > MOST_MASKS:
            numbers = _numbers(r, names)
            rows = (
                r.db.all(sql("relations_of_topics_and_users"), values | {"users": r.writer.carray(numbers)})
                if numbers
                else []
            )
        for viewer, topic, kind in rows:
            (muted if kind == MUTE else blocked).setdefault(topic, set()).add(viewer)
    return muted, blocked


def _listeners(r: ReadSnapshot, event: EventRow, batch: _BatchAudience) -> list[tuple[str, str, list[str]]]:
    """(reason, topic, names): each user of the audience once, without the event's own actor and users from whom it is
    hidden."""
    topics = event.all_topics()
    out = {event.actor}.union(batch.blocked.get(event.actor, ()), *(batch.muted.get(t, ()) for t in topics))
    targets = {n: batch.addressed[n] for n in unpack(event.targets) if n in batch.addressed}
    found = []
    for reason, topic, users in (("target", "", targets), *_following(r, event, topics, batch)):
        left = users if out.isdisjoint(users) else {n: name for n, name in users.items() if n not in out}
        if left:
            out.update(left)
            found.append((reason, topic, list(left.values())))
    return found


def _following(
    r: ReadSnapshot, event: EventRow, topics: Iterable[int], batch: _BatchAudience
) -> Iterable[tuple[str, str, _NamesById]]:
    for topic in topics if event.is_followed else ():
        users = batch.whole.get(topic, {})
        if topic in batch.parts:
            users = users | {p.user: p.name for p in batch.parts[topic] if p.covers(event)}
        if users:
            yield "follow", r.names.text(topic), users
