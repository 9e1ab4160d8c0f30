"""Who should have what, recomputed from the log by brute force (I3). Masks play no part: use it where there
are none."""

from collections.abc import Iterable
from typing import NamedTuple

from tidings.model import LogEntry
from tidings.notify_mode import NotifyMode
from tidings.rules import Rule, Rules

NO_TYPES = Rules()
"""Every verb by the defaults."""


class Followed(NamedTuple):
    """A topic followed when the log ended at ``since_position``, with no backfill."""

    topic: str
    since_position: int


def notified(
    user: str, log: Iterable[LogEntry], rules: Rules = NO_TYPES, follows: Iterable[Followed] = ()
) -> list[int]:
    """The positions of the events that this user is notified of, oldest first, under these rules."""
    follows = list(follows)
    return [
        entry.position
        for entry in log
        if user != entry.actor_id and _tells(user, entry, rules.rule(rules.type_of(entry.verb)), follows)
    ]


def fed(user: str, log: Iterable[LogEntry], follows: Iterable[Followed]) -> list[int]:
    """The keys of the events in this user's feed, newest first."""
    follows = list(follows)
    return sorted((e.key for e in log if user != e.actor_id and _reaches(user, e, follows)), reverse=True)


def _reaches(user: str, entry: LogEntry, follows: list[Followed]) -> bool:
    followed = any(f.topic in entry.topics and entry.position > f.since_position for f in follows)
    return user in entry.targets or followed


def _tells(user: str, entry: LogEntry, rule: Rule, follows: list[Followed]) -> bool:
    about = f"{entry.object_type}:{entry.object_id}"
    topics = rule.follower_topics(f"user:{entry.actor_id}", about, entry.topics)
    followed = any(f.topic in topics and entry.position > f.since_position for f in follows)
    if entry.notify is NotifyMode.NONE:
        return False
    return (rule.to_targets and user in entry.targets) or followed
