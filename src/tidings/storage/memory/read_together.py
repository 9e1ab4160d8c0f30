"""Inboxes and feeds that share a read state, in memory: what a change of one of them changes of the other."""

from collections.abc import Collection, Iterable, Mapping

from tidings import read_together as bounds
from tidings.feed_changes import FeedMark
from tidings.inbox_commands import (
    MarkAllNotificationsRead,
    MarkAllNotificationsSeen,
    NotificationCommand,
    NotificationState,
    UndoMarkAllRead,
)
from tidings.model import (
    CommandResult,
    InboxFilter,
    InboxUpdateResult,
    MarkFeedRead,
    MarkFeedUnread,
    UndoMarkFeedRead,
)
from tidings.storage.memory.feed_read_state import FeedReadAll, ReadStateChange
from tidings.storage.memory.feeds import MemoryFeeds
from tidings.storage.memory.inbox import Group, Inbox
from tidings.storage.memory.inboxes import own_numbers

_ASIDE: tuple[InboxFilter, ...] = ("archived", "snoozed")
"""The states of notifications that are not counted."""
Times = Mapping[int, int | None]
"""When each group was read, by number."""


class MemoryReadTogether(MemoryFeeds):
    """The commands that mark notifications or events read or unread."""

    # --- notifications --------------------------------------------------------------------------------------

    def _mark(self, mark: NotificationCommand) -> InboxUpdateResult:
        before = self._read_times_of_groups(mark.user)
        outcome = super()._mark(mark)
        named = dict.fromkeys(own_numbers(self._peek(mark.user), mark.ids))
        return outcome._replace(feed=self._follow_groups(mark.user, before, named))

    def _read_inbox(self, read: MarkAllNotificationsRead) -> InboxUpdateResult:
        inbox = self._peek(read.user).inbox
        before, undone, seq = self._read_times_of_groups(read.user), inbox.undone, inbox.seq
        last = seq if read.up_to is None else min(read.up_to, seq)
        low = inbox.counts().read_up_to
        outcome = super()._read_inbox(read)
        merged = self._reset_with_inbox(read.user, undone)
        few = outcome.updated <= bounds.CHECKED_GROUPS and last - low <= bounds.CHECKED_SEQS
        aside = [
            group
            for group in inbox.groups.values()
            if any(map(group.is_in, _ASIDE)) and group.own.read_at is None and low < group.unread_seq <= last
            if read.type in (None, group.type)
        ]
        if (few and len(aside) <= bounds.CHECKED_GROUPS) or not outcome.updated:
            shown = [*(group for group in inbox.groups.values() if group.listed), *aside]
            newest = sorted(shown, key=lambda group: -group.unread_seq)
            changed = self._follow_groups(read.user, before, [group.number for group in newest])
        elif changed := bool(inbox.shared):
            self._reset_feed(read.user)
        return outcome._replace(feed=merged or changed)

    def _see_inbox(self, seen: MarkAllNotificationsSeen) -> InboxUpdateResult:
        undone = self._peek(seen.user).inbox.undone
        outcome = super()._see_inbox(seen)
        return outcome._replace(feed=self._reset_with_inbox(seen.user, undone))

    def _undo_read(self, undo: UndoMarkAllRead) -> InboxUpdateResult:
        undone = self._peek(undo.user).inbox.undone
        outcome = super()._undo_read(undo)
        return outcome._replace(feed=self._reset_with_inbox(undo.user, undone))

    def _read_times_of_groups(self, user: str) -> Times:
        inbox = self._peek(user).inbox
        return {number: inbox.state(group).read_at for number, group in inbox.groups.items()}

    def _follow_groups(self, user: str, before: Times, numbers: Iterable[int]) -> bool:
        """Announce the events of those of these groups that became read or unread; returns whether there are any."""
        now = self._read_times_of_groups(user)
        changed = [n for n in numbers if n in now and (before[n] is None) != (now[n] is None)]
        if not changed:
            return False
        keys, whole = self._events_of(user, changed)
        at = now[changed[0]]
        if at is not None:
            keys = [key for key in keys if self._own_read_at(user, self._log[key]) is None]
        if not keys and (whole or not self._peek(user).inbox.shared):
            return False
        marks = self._person(user).feed
        self._position += 1
        if at is None:
            for key in keys:
                entry = self._log[key]
                if self._own_read_at(user, entry) is not None:
                    marks.marked[key] = ReadStateChange(self._position, None, entry.position)
        if whole:
            marks.changes.append(FeedMark(self._position, at, tuple(map(self._ids.text, sorted(keys)))))
        else:
            marks.reset(self._position)
        marks.forget(self._feed_history)
        return True

    def _events_of(self, user: str, numbers: Iterable[int]) -> tuple[list[int], bool]:
        """The shared events of these groups, of each the newest first, as many as are listed; and whether that is all."""
        inbox, left = self._peek(user).inbox, bounds.LISTED_EVENTS
        keys: list[int] = []
        for number in numbers:
            items = inbox.groups[number].items
            for key in (items[seq] for seq in sorted(items, reverse=True)):
                if not left:
                    return keys, False
                left -= 1
                keys += [key] if key in inbox.shared else []
        return keys, True

    def _reset_with_inbox(self, user: str, undone: int) -> bool:
        """Have streams of the feed start again if an inbox with shared events did since its ``undone`` was this."""
        inbox = self._peek(user).inbox
        if not inbox.shared or inbox.undone == undone:
            return False
        self._reset_feed(user)
        return True

    # --- feeds and activity ---------------------------------------------------------------------------------

    def _mark_feed(self, command: MarkFeedRead | MarkFeedUnread | UndoMarkFeedRead) -> CommandResult:
        inbox = self._person(command.user).inbox
        seq, undone, logged = inbox.seq, inbox.undone, self._logged
        named = self._named_keys(command)
        outcome = super()._mark_feed(command)
        if outcome.limit:
            return outcome
        match command:
            case MarkFeedRead(event_ids=None) if not command.activity or self._has_events(command.activity):
                changes = self._read_all_of_inbox(command, logged)
                self._reset_with_inbox(command.user, undone)
                if outcome.marked and changes:
                    self._person(command.user).feed.with_inbox[outcome.marked] = changes
            case MarkFeedRead():
                groups = dict.fromkeys(inbox.shared[key] for key in named if key in inbox.shared)
                self._complete(command.user, [inbox.groups[number] for number in groups])
            case MarkFeedUnread() if outcome.marked:
                self._unread_groups(command.user, named, outcome.marked)
        return outcome._replace(position=self._position, inbox=inbox.seq != seq)

    def _named_keys(self, command: MarkFeedRead | MarkFeedUnread | UndoMarkFeedRead) -> list[int]:
        """The events that a mark by ids may be about, the oldest first: those that it changes if it marks them unread."""
        if isinstance(command, UndoMarkFeedRead) or command.event_ids is None:
            return []
        if isinstance(command, MarkFeedUnread):
            return sorted(self._markable(command))
        entries = filter(None, map(self._entry, set(command.event_ids)))
        return sorted(e.key for e in entries if self._named(command.user, e, command.activity))

    def _complete(self, user: str, groups: Iterable[Group]) -> list[tuple[int, int]]:
        """Mark those of these groups read whose shared events are all read; returns the seqs and the numbers."""
        inbox, left = self._peek(user).inbox, bounds.CHECKED_EVENTS
        found: list[tuple[int, int]] = []
        for group in groups:
            if inbox.state(group).read_at is not None:
                continue
            left -= len(group.items)
            if left < 0:
                break
            if self._all_read(inbox, user, group):
                self._set_state(user, group.number, NotificationState.READ)
                found.append((group.seq, group.number))
        return found

    def _all_read(self, inbox: Inbox, user: str, group: Group) -> bool:
        shared = [key for key in group.items.values() if key in inbox.shared]
        return bool(shared) and all(self._own_read_at(user, self._log[key]) is not None for key in shared)

    def _read_all_of_inbox(self, command: MarkFeedRead, logged: int) -> list[tuple[int, int]]:
        """What a read-all of a feed, or of activity, reads of the inbox: with a whole feed all of each type that is read
        together with it, otherwise the groups whose events are all read."""
        inbox, user = self._peek(command.user).inbox, command.user
        low = inbox.counts().read_up_to
        whole = command.activity is None and (command.up_to is None or command.up_to >= logged)
        if whole and inbox.shared and inbox.seq - low <= bounds.COUNTED_SEQS:
            types = {group.type for group in inbox.groups.values() if inbox.unread(group)}
            now, head, kept = self._clock.now(), inbox.seq, self._read_all_history
            return [
                (inbox.seq, 0)
                for type in sorted(type for type in types if self._rules.rule(type).read_together)
                if inbox.read_all(type, head, now, kept)
            ]
        unread = [group for group in inbox.groups.values() if inbox.unread(group)]
        unread = [group for group in unread if group.unread_seq > inbox.seq - bounds.CHECKED_SEQS]
        unread.sort(key=lambda group: -group.unread_seq)
        return self._complete(user, unread[: bounds.CHECKED_GROUPS])

    def _unread_groups(self, user: str, keys: Collection[int], made: int) -> None:
        """Mark those groups unread that had read these events; their other events stay read."""
        inbox, marks = self._peek(user).inbox, self._peek(user).feed
        numbers = dict.fromkeys(inbox.shared[key] for key in keys if key in inbox.shared)
        times = {number: inbox.state(inbox.groups[number]).read_at for number in numbers}
        read = [number for number, at in times.items() if at is not None]
        for key in self._events_of(user, read)[0]:
            entry, at = self._log[key], times[inbox.shared[key]]
            if key not in keys and self._own_read_at(user, entry) is None:
                marks.marked[key] = ReadStateChange(made, at, entry.position)
        for number in read:
            self._set_state(user, number, NotificationState.UNREAD)

    def _undo_read_feed(self, user: str, one: FeedReadAll) -> int:
        position = super()._undo_read_feed(user, one)
        inbox = self._peek(user).inbox
        for seq, number in self._peek(user).feed.with_inbox.pop(one.made, ()):
            if not number:
                inbox.undo(seq)
            elif inbox.groups[number].seq == seq:
                self._set_state(user, number, NotificationState.UNREAD)
        return position
