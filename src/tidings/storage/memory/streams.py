"""The reads of streams of the reference back-end: what is new after a position, for one feed or for many users."""

from collections.abc import Collection

from tidings.feed_changes import FeedReset
from tidings.model import EventAudience, FeedItem, LogEntry, Page
from tidings.storage.memory.feeds import MemoryFeeds


class MemoryStreams(MemoryFeeds):
    """The items and changes of feeds after a position."""

    async def feed_since(self, user: str, after: int, limit: int) -> Page:
        """Feed items after a position and what changed older ones, oldest first."""
        marks = self._peek(user).feed
        if after < max(marks.forgotten, marks.undone, self._retractions_forgotten):
            return Page([], None, self._position, reset=True)
        items = self._items(user, after=after)
        some = sorted(
            [*items, *marks.since(after), *self._unshown(user, after)], key=lambda one: one.position
        )
        more = some[limit - 1].position if len(some) > limit else None
        return Page(
            [one for one in some[:limit] if isinstance(one, FeedItem)],
            more,
            self._position,
            changes=tuple(one for one in some[:limit] if not isinstance(one, FeedItem)),
        )

    async def audience_since(
        self, after: int, users: Collection[str], limit: int
    ) -> tuple[list[EventAudience], int]:
        """The events after a position with their audience among these users, and the changes of older events, oldest
        first."""
        last = max(after, min(after + limit, self._position))
        entries = [entry for entry in self._log.values() if after < entry.position <= last]
        audiences = [
            EventAudience(entry.position, entry.body, self._listeners(entry, users)) for entry in entries
        ]
        lost = [user for user in users if self._lost(user, after)]
        audiences += [EventAudience(last, b"", [("", "", lost)], FeedReset(last))] if lost else []
        changed: dict[int, EventAudience] = {}
        for user in users:
            for change in (*self._peek(user).feed.since(after), *self._unshown(user, after)):
                at = change.position
                if at <= last:
                    one = changed.setdefault(at, EventAudience(at, b"", [("", "", [])], change))
                    one.listeners[0][2].append(user)
        audiences += changed.values()
        some = (one for one in audiences if one.listeners)
        return sorted(some, key=lambda one: (one.change != FeedReset(last), one.position)), last

    def _lost(self, user: str, after: int) -> bool:
        """Whether changes of a feed after a position are no longer kept."""
        return max(self._retractions_forgotten, self._peek(user).feed.forgotten) > after

    def _listeners(self, entry: LogEntry, users: Collection[str]) -> list[tuple[str, str, list[str]]]:
        found: dict[tuple[str, str], list[str]] = {}
        for user in users:
            why = next(self._reasons(user, entry), None)
            if why is not None and why[0] != "own":
                found.setdefault(why, []).append(user)
        return [(reason, topic, listeners) for (reason, topic), listeners in found.items()]
