"""Changes of older items of a feed: read states, and retractions. Each takes a position of its own, in the one order of the
log, so that a cursor covers these too."""

from typing import NamedTuple


class FeedMark(NamedTuple):
    """A change of a user's read state, at a position of its own. These events, or (without any) all up to position
    ``up_to``, were marked read at ``at`` (milliseconds), or unread (None). ``activity``: of which list the ``up_to`` is, as
    in MarkFeedRead."""

    position: int
    at: int | None
    event_ids: tuple[str, ...] = ()
    up_to: int | None = None
    activity: str | None = None


class Retraction(NamedTuple):
    """An event that was retracted, at a position of its own."""

    position: int
    event_id: str


class FeedReset(NamedTuple):
    """A read-all was undone, or some were merged, at a position of its own: the items whose read time changed by
    that are not listed."""

    position: int


FeedChange = FeedMark | Retraction | FeedReset

ACTIVITY_HISTORY = 10_000
"""The default number of positions within which a stream of activity continues."""
FEED_HISTORY = 1_000
"""The default number of changes of the read state of one feed that are kept for clients that resume."""
RETRACTION_HISTORY = 10_000
"""The default number of retractions that are kept for the same."""
