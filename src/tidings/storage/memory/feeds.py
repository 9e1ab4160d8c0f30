"""Feeds of the reference back-end, each computed from the visibility rules in ``tidings.ports``, and the views of them."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial

from tidings.activity_scope import EVERYBODY, MAX_COUNTED, topics_limit
from tidings.feed_changes import FeedMark, Retraction
from tidings.filters import EVERYTHING, ActivityOf, EventFilter, FeedFilter, FeedOf
from tidings.ids import key_at, ms_of
from tidings.model import (
    CommandResult,
    FeedItem,
    LogEntry,
    MarkFeedRead,
    MarkFeedUnread,
    UndoMarkFeedRead,
    UnseenCount,
)
from tidings.storage.memory.feed_read_state import FeedReadAll, FeedReadState
from tidings.storage.memory.user_export import MemoryExports
from tidings.visibility import Visibility, is_listed


class MemoryFeeds(MemoryExports):
    """The items of a feed, their reasons, and their read state."""

    def _reasons(self, viewer: str, entry: LogEntry) -> Iterator[tuple[str, str]]:
        """The reasons and topics for which the event is in the viewer's feed; none if it is not in it."""
        if entry.actor_id == viewer:
            yield "own", ""
        else:
            found = list(self._addressed_by(viewer, entry))
            if found and not self._masked(viewer, entry):
                yield from found

    def _addressed_by(self, viewer: str, entry: LogEntry) -> Iterator[tuple[str, str]]:
        """The reasons and topics for which the event of another is in the viewer's feed, unless it is masked."""
        if viewer in entry.targets:
            yield "target", ""
        person = self._people.get(viewer)
        follows = person.follows if person is not None else {}
        for topic in entry.topics if entry.visibility.reaches_followers else ():
            if any(span.covers(entry) for span in follows.get(topic, ())):
                yield "follow", topic

    def _feed(
        self, user: str, after: int = 0, before: int | None = None
    ) -> Iterator[tuple[LogEntry, FeedItem]]:
        """The feed after a position and below a key, the user's own events included, newest first."""
        for entry in self._newest(after, before):
            why = next(self._reasons(user, entry), None)
            if why is not None:
                read_at = self._read_at(user, entry)
                yield entry, FeedItem(entry.key, entry.position, entry.body, read_at, *why)

    def _items(self, user: str, own: bool = False, after: int = 0) -> list[FeedItem]:
        return [item for _, item in self._feed(user, after) if own or item.reason != "own"]

    async def new_count(
        self,
        what: FeedOf | ActivityOf,
        since: int,
        cap: int,
        want: FeedFilter = EVERYTHING,
        up_to: int | None = None,
    ) -> UnseenCount:
        """The number of new items of a feed or of activity, up to the cap."""
        if isinstance(what, FeedOf):
            items = [item for entry, item in self._feed(what.user, since) if fits(entry, item, want)]
        else:
            items = list(self._activity(*what, want, after=since))
        keys = [item.key for item in items if up_to is None or item.position <= up_to]
        if len(keys) > cap:
            return UnseenCount(cap, True, self._position)
        return UnseenCount(len(keys), False, self._position, ms_of(min(keys)) if keys else None)

    def _activity(
        self,
        topic: str | None,
        viewer: str | None,
        want: FeedFilter,
        narrowest: Visibility = Visibility.PUBLIC,
        after: int = 0,
        before: int | None = None,
    ) -> Iterator[FeedItem]:
        for e in self._newest(after, before):
            hidden = viewer is not None and self._blocks(viewer, e.actor_id)
            if not hidden and self._lists(topic or EVERYBODY, viewer, e, narrowest) and matches(e, want):
                read_at = None if viewer is None else self._read_at(viewer, e)
                if want.read in (None, read_at is not None):
                    yield FeedItem(e.key, e.position, e.body, read_at)

    def _lists(
        self,
        watched: str,
        viewer: str | None,
        entry: LogEntry,
        narrowest: Visibility = Visibility.PUBLIC,
    ) -> bool:
        """Whether the activity of a topic, or of EVERYBODY, has an event for a viewer, if no block hides it."""
        of_topic = watched != EVERYBODY
        if of_topic and watched not in entry.topics:
            return False
        follows = viewer is not None and self._peek(viewer).follow_of(watched) is not None
        own = entry.actor_id == viewer
        return is_listed(entry.visibility, of_topic=of_topic, follows=follows, own=own, narrowest=narrowest)

    def _has(self, user: str, entry: LogEntry, activity: str | None) -> bool:
        """Whether a list, as MarkFeedRead names it, has an event for a user, if no block hides it."""
        if activity is None:
            return next(self._reasons(user, entry), None) is not None
        return self._lists(activity, user, entry)

    def _read_at(self, user: str, entry: LogEntry) -> int | None:
        own = self._own_read_at(user, entry)
        return self._read_by_notification(user, entry.key) if own is None else own

    def _own_read_at(self, user: str, entry: LogEntry) -> int | None:
        """When a mark or a read-all of a feed, or of activity, read an event."""
        return self._peek(user).feed.read_at(entry, partial(self._has, user, entry))

    def _read_by_notification(self, user: str, key: int) -> int | None:
        """When the notification was read that an event is read together with."""
        inbox = self._peek(user).inbox
        return inbox.state(inbox.groups[inbox.shared[key]]).read_at if key in inbox.shared else None

    def _unshown(self, user: str, after: int) -> Iterator[Retraction]:
        """The retractions after a position of events that would be in the feed, the user's own included, without the
        retraction."""
        for position, entry in self._retracted:
            if position > after and next(self._reasons(user, entry), None) is not None:
                yield Retraction(position, self._ids.text(entry.key))

    def _mark_feed(self, command: MarkFeedRead | MarkFeedUnread | UndoMarkFeedRead) -> CommandResult:
        marks = self._person(command.user).feed
        if limit := self._limit_of(marks, command):
            return CommandResult(0, self._position, limit=limit)
        match command:
            case UndoMarkFeedRead() | MarkFeedRead(event_ids=None):
                updated, marked = self._mark_list(marks, command)
            case _:
                updated, marked = self._mark_items(marks, command)
        marks.forget(self._feed_history)
        return CommandResult(updated, self._position, marked=marked)

    def _mark_list(self, marks: FeedReadState, command: MarkFeedRead | UndoMarkFeedRead) -> tuple[int, int]:
        """Read all of a list, or undo that; returns the number of changed items, and the position that this took."""
        if isinstance(command, MarkFeedRead):
            activity, change = command.activity, partial(self._read_all_of_feed, command)
        elif (undone := marks.undoable(command.position)) is not None:
            activity, change = undone.activity, partial(self._undo_read_feed, command.user, undone)
        else:
            return 0, 0
        before = self._unread(command.user, activity)
        marked = change()
        updated = len(before ^ self._unread(command.user, activity))
        return updated if activity is None else min(updated, MAX_COUNTED), marked

    def _limit_of(
        self, marks: FeedReadState, command: MarkFeedRead | MarkFeedUnread | UndoMarkFeedRead
    ) -> int:
        """The maximum number of topics with a read-all, if this one would exceed it."""
        if not isinstance(command, MarkFeedRead) or command.event_ids is not None or not command.activity:
            return 0
        new = self._has_events(command.activity) and not marks.reach(command.activity)
        return topics_limit(len(marks.topics())) if new else 0

    def _has_events(self, topic: str) -> bool:
        """Whether a page of a topic could list an event."""
        return any(topic in e.topics and e.visibility.reaches_followers for e in self._newest())

    def _unread(self, user: str, activity: str | None) -> set[int]:
        if activity is None:
            items: Iterable[FeedItem] = self._items(user, own=True)
        else:
            items = self._activity(activity or None, user, EVERYTHING)
        return {item.key for item in items if item.read_at is None}

    def _markable(self, command: MarkFeedRead | MarkFeedUnread) -> dict[int, int]:
        """The items that a mark by ids changes: key to position, the oldest first."""
        reading, user = isinstance(command, MarkFeedRead), command.user
        wanted = {self._ids.key(event_id) for event_id in command.event_ids or ()}
        return {
            entry.key: entry.position
            for entry in reversed(list(self._newest()))
            if entry.key in wanted
            and self._named(user, entry, command.activity)
            and (self._read_at(user, entry) is None) == reading
        }

    def _named(self, user: str, entry: LogEntry, activity: str | None) -> bool:
        """Whether a mark by id of a list may change an event: without a topic, one of any page of activity."""
        if activity is None:
            return self._has(user, entry, None)
        pages = entry.topics if activity == EVERYBODY else (activity,)
        return not self._blocks(user, entry.actor_id) and any(self._lists(p, user, entry) for p in pages)

    def _mark_items(self, marks: FeedReadState, command: MarkFeedRead | MarkFeedUnread) -> tuple[int, int]:
        """The same of a mark by ids."""
        found = self._markable(command)
        if not found:
            return 0, 0
        self._position += 1
        ids = tuple(map(self._ids.text, found))
        at = self._clock.now() if isinstance(command, MarkFeedRead) else None
        marks.mark(FeedMark(self._position, at, ids), found)
        return len(found), self._position

    def _read_all_of_feed(self, command: MarkFeedRead) -> int:
        user, activity, marks = command.user, command.activity, self._peek(command.user).feed
        if activity and not self._has_events(activity):
            return 0
        # Not beyond the last event: it would cover its own position, so a repetition would be a change.
        up_to = self._logged if command.up_to is None else min(command.up_to, self._logged)
        again = [
            key
            for key in marks.unread_up_to(up_to)
            if key in self._log
            and self._has(user, self._log[key], activity)
            and self._read_by_notification(user, key) is None
        ]
        if up_to <= marks.reach(activity) and not again:
            return 0
        if marks.must_merge(self._read_all_history):
            self._position += 1
            marks.merge(self._read_all_history, self._position)
        self._position += 1
        marks.read_all(FeedReadAll(self._position, up_to, self._clock.now(), activity), again)
        return self._position

    def _undo_read_feed(self, user: str, one: FeedReadAll) -> int:
        self._position += 1
        self._peek(user).feed.undo(one, partial(self._lists_of, user), self._position)
        return self._position

    def _reset_feed(self, user: str) -> None:
        """Have streams of a user's feed start again: read times changed in a way that is not listed."""
        marks = self._person(user).feed
        self._position += 1
        marks.reset(self._position)
        marks.forget(self._feed_history)

    def _lists_of(self, user: str, key: int) -> Callable[[str | None], bool]:
        """Which lists have an event now: none a retracted one."""
        entry = self._log.get(key)
        return partial(self._has, user, entry) if entry is not None else lambda _: False


def fits(entry: LogEntry, item: FeedItem, want: FeedFilter) -> bool:
    """Whether an item of a feed matches a filter."""
    read = want.read is None or want.read == (item.read_at is not None)
    return read and (want.include_own or item.reason != "own") and matches(entry, want)


def matches(entry: LogEntry, want: FeedFilter) -> bool:
    """Whether the event matches the fields of a filter that concern the event itself."""
    rule = EventFilter(want.verb, want.actor_id, want.topic, want.object_type, want.object_id)
    thing = (entry.object_type, entry.object_id)
    return (
        rule.admits(entry.verb, entry.actor_id, lambda: entry.topics, lambda: thing)
        and (want.since is None or entry.key >= key_at(want.since))
        and (want.until is None or entry.key < key_at(want.until))
    )
