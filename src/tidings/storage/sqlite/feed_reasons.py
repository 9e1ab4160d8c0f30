"""The reasons for which events are in a feed, by the visibility rules of ports.py."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from tidings.storage.sqlite.read_snapshot import EventRow, ReadSnapshot
from tidings.storage.sqlite.relations import MUTE
from tidings.storage.sqlite.statements import sql

Interval = tuple[int, int, int | None]
"""A follow: (since, since_key, until)."""
Reason = tuple[str, int]
"""The reason of an item: the word, and the topic that is followed, or 0."""

FOLLOWS_OF = sql("follows_of_topics")
"""The follows of a user of some topics, past ones too."""


def by_topic(rows: Iterable[tuple[int, int, int, int | None]]) -> dict[int, list[Interval]]:
    """The follows of these rows (topic, since, since_key, until)."""
    follows: dict[int, list[Interval]] = {}
    for topic, since, since_key, until in rows:
        follows.setdefault(topic, []).append((since, since_key, until))
    return follows


def explain(r: ReadSnapshot, user: int, events: Sequence[EventRow]) -> dict[int, Reason | None]:
    """By the visibility rules: the reason of each of these events, not the viewer's own, in their feed, by key; None if it
    is not in it.

    The mutes, blocks and follows of all their topics are read at once, so the cost depends on the events, not on how many of
    these the viewer has.
    """
    if not events:
        return {}
    masked = hidden(r, user, events)
    shown = [event for event in events if event.key not in masked]
    return dict.fromkeys(masked) | explain_shown(r, user, shown)


def explain_shown(r: ReadSnapshot, user: int, events: Sequence[EventRow]) -> dict[int, Reason | None]:
    """The same of events that no mute or block hides."""
    if not events:
        return {}
    topics = {event.key: event.all_topics() for event in events}
    asked = {topic for some in topics.values() for topic in some}
    follows = by_topic(r.db.execute(FOLLOWS_OF, (r.writer.carray(asked), user)))
    return {event.key: _by_law(user, event, topics[event.key], follows) for event in events}


def followed(r: ReadSnapshot, user: int | None, topics: Collection[int]) -> set[int]:
    """Those of these topics that a user follows now."""
    if not topics:
        return set()
    query = sql("followed_topics_among")
    return {topic for (topic,) in r.db.execute(query, (r.writer.carray(topics), user))}


def hidden(r: ReadSnapshot, user: int, events: Sequence[EventRow]) -> set[int]:
    """The keys of those of these events, at least one, that a mute or a block hides from a user."""
    topics = {event.key: event.all_topics() for event in events}
    asked = r.writer.carray({topic for some in topics.values() for topic in some})
    query = sql("relations_with_topics")
    muted, blocked = set[int](), set[int]()
    for topic, kind in r.db.execute(query, (asked, user)):
        (muted if kind == MUTE else blocked).add(topic)
    return {
        event.key for event in events if event.actor in blocked or not muted.isdisjoint(topics[event.key])
    }


def explain_own(r: ReadSnapshot, user: int, events: Sequence[EventRow]) -> dict[int, Reason | None]:
    """The same of any events, the user's own among them."""
    found = explain(r, user, [event for event in events if event.actor != user])
    return found | {event.key: ("own", 0) for event in events if event.actor == user}


def _by_law(
    user: int, event: EventRow, topics: Iterable[int], follows: Mapping[int, Sequence[Interval]]
) -> Reason | None:
    if event.has_target(user):
        return "target", 0
    for topic in topics if event.is_followed else ():
        intervals = follows.get(topic)
        if intervals and any(covers(interval, event) for interval in intervals):
            return "follow", topic
    return None


def covers(interval: Interval, event: EventRow) -> bool:
    """Whether a follow (since, since_key, until) shows this event of its topic."""
    since, since_key, until = interval
    return (event.key >= since_key or event.position > since) and (until is None or event.position <= until)


def follows_of(r: ReadSnapshot, user: int, event: EventRow) -> tuple[bool, bool]:
    """Whether a user follows one of the topics of an event now, and whether a follow of one covers it."""
    rows = r.db.all(FOLLOWS_OF, (r.writer.carray(event.all_topics()), user))
    follows: list[Interval] = [(since, since_key, until) for _, since, since_key, until in rows]
    return any(until is None for *_, until in follows), any(covers(one, event) for one in follows)
