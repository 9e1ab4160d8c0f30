"""The activity that streams carry, beside the feeds of users."""

from collections.abc import Collection, Mapping
from typing import NamedTuple

EVERYBODY = ""
"""The activity of all users, among the names of topics."""


class ActivityScope(NamedTuple):
    """The activity that a stream carries: the ``feed`` of its user, the public events of ``everybody``, and those of
    ``topics``, which need not be followed."""

    feed: bool = True
    everybody: bool = False
    topics: frozenset[str] = frozenset()

    @property
    def watched(self) -> tuple[str, ...]:
        """The activity beside the feed: EVERYBODY, and topics."""
        return (*((EVERYBODY,) if self.everybody else ()), *self.topics)


FEED_ALONE = ActivityScope()
Watched = Mapping[str, Collection[str]]
"""The users with a stream of some activity, by topic or EVERYBODY."""
NOTHING_WATCHED: Watched = {}
