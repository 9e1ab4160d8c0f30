"""Who should have what, recomputed from the log by brute force (I3). Masks play no part: use it where there
are none."""

from collections.abc import Iterable
from typing import NamedTuple

from tidings.model import LogEntry


class Followed(NamedTuple):
    """A topic followed when the log ended at ``since_position``, with no backfill."""

    topic: str
    since_position: int


def notified(user: str, log: Iterable[LogEntry]) -> list[int]:
    """The positions of the events that this user is notified of, oldest first."""
    return [entry.position for entry in log if user in entry.targets and user != entry.actor_id]


def fed(user: str, log: Iterable[LogEntry], follows: Iterable[Followed]) -> list[int]:
    """The keys of the events in this user's feed, newest first."""
    follows = list(follows)
    return sorted((e.key for e in log if user != e.actor_id and _reaches(user, e, follows)), reverse=True)


def _reaches(user: str, entry: LogEntry, follows: list[Followed]) -> bool:
    followed = any(f.topic in entry.topics and entry.position > f.since_position for f in follows)
    return user in entry.targets or followed
