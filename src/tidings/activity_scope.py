"""The activity that streams carry, beside the feeds of users."""

from collections.abc import Collection, Mapping
from typing import NamedTuple

EVERYBODY = ""
"""The activity of all users, among the names of topics."""
MAX_COUNTED = 10_000
"""Events of activity that a read-all counts at most: of all users' events there may be hundreds of millions, and counting so
many takes a reader about a tenth of a second."""
MAX_TOPICS_READ = 5_000
"""Topics with a read-all of one user. The store keeps a row for each; a merge of read-alls compares them all, some 5 ms."""


def topics_limit(topics: int) -> int:
    """The maximum number of topics with a read-all if a user who has so many may add no other; otherwise 0."""
    return MAX_TOPICS_READ if topics >= MAX_TOPICS_READ else 0


ALL = "all"
"""The word for the activity of all users in frames and exports, where others name a topic, ``type:id``."""


def list_name(activity: str) -> str:
    """The word for the activity of EVERYBODY, or the topic."""
    return activity if activity != EVERYBODY else ALL


class ActivityScope(NamedTuple):
    """The activity that a stream carries: the ``feed`` of its user, the public events of ``everybody``, and those of
    ``topics``, which need not be followed."""

    feed: bool = True
    everybody: bool = False
    topics: frozenset[str] = frozenset()

    @property
    def watched(self) -> tuple[str, ...]:
        """The activity beside the feed: EVERYBODY, and topics. The same for equal scopes, so that these share frames."""
        everybody = (EVERYBODY,) if self.everybody else ()
        return (*everybody, *sorted(self.topics)) if self.topics else everybody


FEED_ALONE = ActivityScope()
Watched = Mapping[str, Collection[str]]
"""The users with a stream of some activity, by topic or EVERYBODY."""
NOTHING_WATCHED: Watched = {}
