"""The reads of streams of the reference back-end: what is new after a position, for one stream or for many users."""

from collections.abc import Collection

from tidings.activity_scope import FEED_ALONE, NOTHING_WATCHED, ActivityScope, Watched
from tidings.feed_changes import FeedChange, FeedReset, Retraction
from tidings.filters import EVERYTHING
from tidings.model import ActivityReach, EventAudience, FeedItem, LogEntry, Page
from tidings.storage.memory.read_together import MemoryReadTogether
from tidings.visibility import VISITOR


class MemoryStreams(MemoryReadTogether):
    """The items and changes of feeds and activity after a position."""

    async def feed_since(self, user: str, after: int, limit: int, scope: ActivityScope = FEED_ALONE) -> Page:
        """Feed items after a position and what changed older ones, oldest first."""
        if after < self._continues_from(user, scope):
            return Page([], None, self._position, reset=True)
        found: dict[int, FeedItem | FeedChange] = {}
        for watched in scope.watched:
            found |= {item.position: item for item in self._activity(watched or None, user, EVERYTHING)}
            found |= {one.position: one for one in self._unlisted(watched, user)}
        found |= {one.position: one for one in self._peek(user).feed.since(after)}
        if scope.feed:
            found |= {item.position: item for item in self._items(user, after=after)}
            found |= {one.position: one for one in self._unshown(user, after)}
        some = [found[at] for at in sorted(found) if at > after]
        more = some[limit - 1].position if len(some) > limit else None
        return Page(
            [one for one in some[:limit] if isinstance(one, FeedItem)],
            more,
            self._position,
            changes=tuple(one for one in some[:limit] if not isinstance(one, FeedItem)),
        )

    def _continues_from(self, user: str, scope: ActivityScope) -> int:
        marks = self._peek(user).feed
        begins = max(self._retractions_forgotten, marks.forgotten, marks.undone)
        if scope.watched:
            begins = max(begins, self._position - self._activity_history)
        return begins

    def _unlisted(self, watched: str, viewer: str) -> list[Retraction]:
        """The retractions of events that an activity would list for this viewer without the retraction."""
        return [
            Retraction(position, self._ids.text(entry.key))
            for position, entry in self._retracted
            if self._shows(watched, viewer, entry)
        ]

    def _shows(self, watched: str, viewer: str, entry: LogEntry) -> bool:
        return not self._blocks(viewer, entry.actor_id) and self._lists(watched, viewer, entry)

    async def audience_since(
        self,
        after: int,
        users: Collection[str],
        limit: int,
        watched: Watched = NOTHING_WATCHED,
        readers: Collection[str] = (),
    ) -> tuple[list[EventAudience], int]:
        """The events after a position with their audience among these users, and the changes of older events, oldest
        first."""
        last = max(after, min(after + limit, self._position))
        entries = [entry for entry in self._log.values() if after < entry.position <= last]
        audiences = [
            EventAudience(
                entry.position, entry.body, self._listeners(entry, users), reach=self._reach(entry, watched)
            )
            for entry in entries
        ]
        others = [user for user in readers if user not in users]
        lost: list[str] = []
        unlisted: tuple[ActivityReach, ...] = ()
        if len(entries) < last - after:  # where each position is an event's, no change was there to be lost
            lost = [user for user in users if self._lost(user, after)]
            lost += [user for user in others if self._peek(user).feed.forgotten > after]
            unlisted = tuple(map(ActivityReach, watched)) if self._retractions_forgotten > after else ()
        if lost or unlisted:
            listeners = [("", "", lost)] if lost else []
            audiences.append(EventAudience(last, b"", listeners, FeedReset(last), unlisted))
        audiences += self._changes_for(after, last, users, watched, others)
        some = (one for one in audiences if one.listeners or one.reach)
        return sorted(some, key=lambda one: (one.change != FeedReset(last), one.position)), last

    def _changes_for(
        self, after: int, last: int, users: Collection[str], watched: Watched, others: Collection[str]
    ) -> Collection[EventAudience]:
        changed: dict[int, EventAudience] = {}
        for position, entry in self._retracted:
            if after < position <= last and (reach := self._reach(entry, watched)):
                retraction = Retraction(position, self._ids.text(entry.key))
                changed[position] = EventAudience(position, b"", [], retraction, reach)
        for user in (*users, *others):
            unshown = self._unshown(user, after) if user in users else ()
            for change in (*self._peek(user).feed.since(after), *unshown):
                at = change.position
                if at <= last:
                    one = changed.setdefault(at, EventAudience(at, b"", [], change))
                    if not one.listeners:
                        one.listeners.append(("", "", []))
                    one.listeners[0][2].append(user)
        return changed.values()

    def _reach(self, entry: LogEntry, watched: Watched) -> tuple[ActivityReach, ...]:
        found = []
        for name, users in watched.items():
            if self._shows(name, VISITOR, entry):
                hidden = frozenset(user for user in users if not self._shows(name, user, entry))
                found.append(ActivityReach(name, None, hidden))
            elif only := frozenset(user for user in users if self._shows(name, user, entry)):
                found.append(ActivityReach(name, only))
        return tuple(found)

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
