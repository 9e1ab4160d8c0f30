"""Feeds of the reference back-end, each computed from the visibility rules in ``tidings.ports``, and the views of them."""

from collections.abc import Iterator

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
from tidings.storage.memory.feed_read_state import FeedReadState
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
        person = self._peek(user)
        for entry in self._newest(after, before):
            why = next(self._reasons(user, entry), None)
            if why is not None:
                read_at = person.feed.read_at(entry)
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
        person = None if viewer is None else self._peek(viewer)
        follows = person is not None and person.follow_of(topic or "") is not None
        of_topic = topic is not None
        for e in self._newest(after, before):
            own = e.actor_id == viewer
            hidden = viewer is not None and self._blocks(viewer, e.actor_id)
            listed = is_listed(e.visibility, of_topic=of_topic, follows=follows, own=own, narrowest=narrowest)
            if listed and not hidden and (topic is None or topic in e.topics) and matches(e, want):
                yield FeedItem(e.key, e.position, e.body)

    def _unshown(self, user: str, after: int) -> Iterator[Retraction]:
        """The retractions after a position of events that would be in the feed, the user's own included, without the
        retraction."""
        for position, entry in self._retracted:
            if position > after and next(self._reasons(user, entry), None) is not None:
                yield Retraction(position, self._ids.text(entry.key))

    def _mark_feed(self, command: MarkFeedRead | MarkFeedUnread | UndoMarkFeedRead) -> CommandResult:
        person, before = self._person(command.user), self._unread(command.user)
        match command:
            case UndoMarkFeedRead():
                marked = self._undo_read_feed(person.feed, command.position)
            case MarkFeedRead(event_ids=None):
                marked = self._read_all_of_feed(person.feed, command.up_to)
            case _:
                marked = self._mark_items(person.feed, command)
        person.feed.forget(self._feed_history)
        return CommandResult(len(before ^ self._unread(command.user)), self._position, marked=marked)

    def _unread(self, user: str) -> set[int]:
        return {item.key for item in self._items(user, own=True) if item.read_at is None}

    def _mark_items(self, marks: FeedReadState, command: MarkFeedRead | MarkFeedUnread) -> int:
        reading = isinstance(command, MarkFeedRead)
        wanted = {self._ids.key(event_id) for event_id in command.event_ids or ()}
        found = {
            item.key: item.position
            for item in reversed(self._items(command.user, own=True))
            if item.key in wanted and (item.read_at is None) == reading
        }
        if not found:
            return 0
        self._position += 1
        ids = tuple(map(self._ids.text, found))
        marks.mark(FeedMark(self._position, self._clock.now() if reading else None, ids), found)
        return self._position

    def _read_all_of_feed(self, marks: FeedReadState, up_to: int | None) -> int:
        # Not beyond the last event: it would cover its own position, so a repetition would be a change.
        up_to = self._logged if up_to is None else min(up_to, self._logged)
        if not marks.would_read(up_to):
            return 0
        if marks.must_merge(self._read_all_history):
            self._position += 1
            marks.merge(self._read_all_history, self._position)
        self._position += 1
        marks.mark(FeedMark(self._position, self._clock.now(), up_to=up_to), {})
        return self._position

    def _undo_read_feed(self, marks: FeedReadState, made: int) -> int:
        if not marks.can_undo(made):
            return 0
        self._position += 1
        marks.undo(made, self._position)
        return self._position


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
