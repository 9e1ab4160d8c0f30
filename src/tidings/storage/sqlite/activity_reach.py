"""Which streams carry an event as activity: the rules of activity pages, evaluated by event for many viewers."""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from tidings.activity_scope import EVERYBODY, Watched
from tidings.model import ActivityReach
from tidings.storage.sqlite.read_snapshot import EventRow, ReadSnapshot
from tidings.storage.sqlite.relations import MUTE
from tidings.storage.sqlite.statements import sql

_Names = frozenset[str]
_NOBODY: _Names = frozenset()


class _TopicViewers(NamedTuple):
    """Users who watch the activity of a topic, by number, and those of them who follow it now."""

    users: Mapping[int, str]
    followers: _Names

    def admitted(self, event: EventRow) -> _Names:
        """Those who see an event for followers on the page of the topic: its followers, and the actor."""
        actor = self.users.get(event.actor)
        return self.followers if actor is None else self.followers | {actor}


def of(
    r: ReadSnapshot, events: Sequence[EventRow], watched: Watched
) -> Mapping[int, tuple[ActivityReach, ...]]:
    """By key of an event, the watched activities that list it, and for whom. Events of none are left out."""
    lists = {event.key: names for event in events if (names := _lists(r, event, watched))}
    listed = [event for event in events if event.key in lists]
    separated = _separated(r, listed, watched)
    restricted = {name for event in listed if not event.is_public for name in lists[event.key]}
    viewers = {name: _viewers(r, name, watched[name]) for name in restricted}
    return {
        event.key: tuple(
            ActivityReach(
                name,
                None if event.is_public else viewers[name].admitted(event),
                separated.get(event.actor, _NOBODY),
            )
            for name in lists[event.key]
        )
        for event in listed
    }


def _lists(r: ReadSnapshot, event: EventRow, watched: Watched) -> list[str]:
    """The watched activities that list an event for some viewer."""
    found = [EVERYBODY] if event.is_public and EVERYBODY in watched else []
    if event.is_followed and len(watched) > (EVERYBODY in watched):
        found += [name for name in map(r.names.text, event.all_topics()) if name in watched]
    return found


def _viewers(r: ReadSnapshot, topic: str, users: Collection[str]) -> _TopicViewers:
    numbers = _numbers(r, users)
    if not numbers:
        return _TopicViewers({}, _NOBODY)
    asked = (r.names.topic(topic), r.writer.carray(sorted(numbers)))
    found = r.db.execute(sql("current_followers_among"), asked)
    return _TopicViewers(numbers, frozenset(numbers[follower] for (follower,) in found))


def _separated(r: ReadSnapshot, events: Sequence[EventRow], watched: Watched) -> dict[int, _Names]:
    """By actor, the viewers with whom the actor has a block."""
    if not events or not r.writer.masked:
        return {}
    users = {user for names in watched.values() for user in names}
    numbers = _numbers(r, users)
    if not numbers:
        return {}
    actors = r.writer.carray({event.actor for event in events})
    rows = r.db.execute(
        sql("relations_of_topics_and_users"), {"topics": actors, "users": r.writer.carray(sorted(numbers))}
    )
    found: dict[int, set[str]] = {}
    for viewer, actor, kind in rows:
        if kind != MUTE:
            found.setdefault(actor, set()).add(numbers[viewer])
    return {actor: frozenset(names) for actor, names in found.items()}


def _numbers(r: ReadSnapshot, users: Collection[str]) -> dict[int, str]:
    """The known ones of these users by number."""
    r.names.find_users(users)
    return {number: user for user in users if (number := r.names.users.get(user)) is not None}
