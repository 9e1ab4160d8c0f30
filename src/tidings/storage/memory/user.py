"""The data of one user in memory: follows, mutes and blocks, read state, inbox, preferences."""

from dataclasses import dataclass, field, replace

from tidings.model import LogEntry
from tidings.personal_data import Endpoint, Preferences
from tidings.storage.memory.feed_read_state import FeedReadState
from tidings.storage.memory.inbox import Inbox


@dataclass(slots=True)
class FollowInterval:
    """A follow of a topic. ``since_key`` is None if the backfill added nothing, ``ended_at`` (a position) while it lasts."""

    since_key: int | None
    since_position: int
    created_at: int
    ended_at: int | None = None

    def extend(self, since_key: int | None) -> None:
        """Cover the events from a key on too."""
        if since_key is not None and (self.since_key is None or since_key < self.since_key):
            self.since_key = since_key

    def covers(self, entry: LogEntry) -> bool:
        """Whether the follow shows this event, which belongs to its topic."""
        backfilled = self.since_key is not None and entry.key >= self.since_key
        began = backfilled or entry.position > self.since_position
        return began and (self.ended_at is None or entry.position <= self.ended_at)


@dataclass(slots=True)
class UserState:
    """The data of one user. ``broadcast_cursor`` is the number of the last broadcast that was materialised."""

    number: int
    follows: dict[str, list[FollowInterval]] = field(default_factory=dict)
    muted: set[str] = field(default_factory=set)
    blocked: set[str] = field(default_factory=set)
    inbox: Inbox = field(default_factory=Inbox)
    feed: FeedReadState = field(default_factory=FeedReadState)
    preferences: Preferences = field(default_factory=Preferences)
    endpoints: dict[str, Endpoint] = field(default_factory=dict)
    broadcast_cursor: int = 0

    def follow_of(self, topic: str) -> FollowInterval | None:
        """The current follow, if there is one."""
        return next((span for span in self.follows.get(topic, ()) if span.ended_at is None), None)

    def begin_follow(self, topic: str, begun: FollowInterval) -> None:
        """Follow a topic. One that ended with its history kept, and began at the same position, goes on instead."""
        spans = self.follows.setdefault(topic, [])
        if spans and spans[-1].since_position == begun.since_position:
            begun.extend(spans.pop().since_key)
        spans.append(begun)

    def adopt_follow(self, topic: str, other: FollowInterval) -> bool:
        """Follow a topic as another user does or did; returns whether the follow is new. Of two that stand, one is left,
        which covers what both did."""
        own = self.follow_of(topic)
        spans = self.follows.setdefault(topic, [])
        if other.ended_at is not None or own is None:
            spans.append(replace(other))
            return other.ended_at is None
        own.extend(other.since_key)
        own.since_position = min(own.since_position, other.since_position)
        own.created_at = min(own.created_at, other.created_at)
        return False

    def followed_before(self, topic: str, position: int) -> bool:
        """Whether a current follow was made before the event at this position."""
        span = self.follow_of(topic)
        return span is not None and span.since_position < position
