"""One user's inbox in memory: the rules of ``tidings.ports.InboxViews`` about groups and their state, and nothing else."""

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from tidings.actions import Acted
from tidings.filters import Choice
from tidings.inbox_commands import (
    NotificationCommand,
    NotificationState,
    RecordAction,
    ReturnSnoozed,
    SnoozeNotifications,
)
from tidings.model import InboxCounters, InboxFilter, ReadWatermark
from tidings.rules import NO_GROUP, SET_BACK_MS, Grouping, last_to_merge


class ItemState(NamedTuple):
    """The state of a group: when it was seen, read, archived and pinned, until when it is snoozed (milliseconds), and the
    action that was taken; None if it was not or is not."""

    seen_at: int | None = None
    read_at: int | None = None
    archived_at: int | None = None
    snoozed_until: int | None = None
    pinned_at: int | None = None
    acted: Acted | None = None


NEW_ITEM_STATE = ItemState()
"""The state of a new group."""


@dataclass(slots=True)
class Group:
    """``number`` is the seq of its first item, ``order`` that of its newest, whether these are still in it or not.

    ``key`` is the grouping key and ``about`` the topic it groups by, if any; ``opened`` and ``joined`` are when it got its
    first and its last item (milliseconds). ``items`` maps seqs to keys of events, oldest first. ``own`` is the state that
    was set for this group alone; read-alls are in the marks. ``closed``: no item joins it any more.
    """

    number: int
    type: str
    about: str
    key: int
    opened_at: int
    opened: int
    joined: int
    order: int
    seq: int
    unread_seq: int
    items: dict[int, int]
    own: ItemState = NEW_ITEM_STATE
    closed: bool = False

    @property
    def deleted(self) -> bool:
        """Whether all its events were retracted."""
        return not self.items

    @property
    def listed(self) -> bool:
        """Whether an inbox shows it."""
        return self.own.archived_at is None and self.own.snoozed_until is None and not self.deleted

    def is_in(self, state: InboxFilter) -> bool:
        """Whether a list of this state has it; a tombstone is in none."""
        match state:
            case "archived":
                return self.own.archived_at is not None and not self.deleted
            case "snoozed":
                return self.own.snoozed_until is not None and not self.deleted
            case "pinned":
                return self.own.pinned_at is not None and self.listed
            case "inbox":
                return self.listed
        return not self.deleted

    def admits(self, grouping: Grouping, now: int) -> bool:
        """Whether an item that groups like this joins it now."""
        young = self.opened > grouping.opened_after and self.joined > grouping.last_after
        young = young and max(self.opened, self.joined) <= now + SET_BACK_MS
        return young and not (self.closed or self.deleted)


class ItemDraft(NamedTuple):
    """A new item: the key of its event, when that was created (milliseconds), its type, the topic it groups by ("" for
    none), its grouping, whether it arrives read, and whether it is read together with the feed."""

    event: int
    created_at: int
    type: str
    about: str
    grouping: Grouping
    read: bool = False
    shared: bool = False


@dataclass(slots=True)
class Inbox:
    """The groups by number, the last seq, the read-alls in force and the seen-alls, and the seq at which one was last
    undone, or some were merged. ``last_merged_read_all`` is the seq of the last read-all or seen-all that was among these.

    ``born`` is the seq at which it began, over 0 if one of the same name was erased. ``notified_at``: when the user was
    last notified of each object under each duplicate key (milliseconds), and of which event (its key). ``shared``: the
    group of each event that is read together with the feed.
    """

    seq: int = 0
    born: int = 0
    undone: int = 0
    last_merged_read_all: int = 0
    groups: dict[int, Group] = field(default_factory=dict)
    marks: list[ReadWatermark] = field(default_factory=list)
    notified_at: dict[tuple[str, int], tuple[int, int]] = field(default_factory=dict)
    shared: dict[int, int] = field(default_factory=dict)

    # --- reading --------------------------------------------------------------------------------------------

    def state(self, group: Group) -> ItemState:
        """The state that was set for a group alone or, without one, by the first read-all that covers it, and the first
        read-all or seen-all."""
        own = group.own
        if own.read_at is not None:
            return own
        marks = [mark for mark in self.marks if _covers(mark, group)]
        seen_at = next((mark.at for mark in marks), None)
        read_at = next((mark.at for mark in marks if not mark.seen_only), None)
        return own._replace(read_at=read_at, seen_at=seen_at if own.seen_at is None else own.seen_at)

    def unread(self, group: Group) -> bool:
        """Whether it is counted."""
        return group.listed and self.state(group).read_at is None

    def unseen(self, group: Group) -> bool:
        """Whether it is counted as unseen."""
        return group.listed and self.state(group).seen_at is None

    def counts(self, type: Choice[str] | None = None) -> InboxCounters:
        """The exact counts, of some types or of all, and the last seq."""
        unread = [group for group in self._unread() if type is None or type.admits((group.type,))]
        of_all = (mark for mark in reversed(self.marks) if not (mark.type or mark.seen_only))
        last = next(of_all, ReadWatermark(0, 0, "", 0))
        items = sum(len(group.items) for group in unread)
        unseen = sum(map(self.unseen, unread))
        return InboxCounters(len(unread), self.seq, last.up_to, last.seq, items, unseen)

    def newest(self, state: InboxFilter) -> Iterator[Group]:
        """The listed groups in a state, newest content first."""
        shown = (group for group in self.groups.values() if group.is_in(state))
        return iter(sorted(shown, key=lambda group: -group.order))

    def changed_after(self, since: int) -> list[Group]:
        """All groups whose last change has a seq over ``since``, in that order."""
        return sorted((g for g in self.groups.values() if g.seq > since), key=lambda g: g.seq)

    def holder(self, event: int) -> Group | None:
        """The group that holds the event of this key."""
        return next((g for g in self.groups.values() if event in g.items.values()), None)

    # --- writing --------------------------------------------------------------------------------------------

    def arrive(self, item: ItemDraft, now: int) -> int:
        """An item joins a group or opens one; returns the number of the group."""
        number = self._arrive(item, now)
        if item.shared and not item.read:
            self.shared[item.event] = number
        return number

    def _arrive(self, item: ItemDraft, now: int) -> int:
        seq = self._next_seq()
        group = self._newest_of(item.grouping.key)
        if group is not None and group.admits(item.grouping, now):
            group.items[seq] = item.event
            group.order = group.seq = group.unread_seq = seq
            group.joined = now
            group.own = group.own._replace(seen_at=None)
            return group.number
        items = {seq: item.event}
        own = ItemState(now, now) if item.read else NEW_ITEM_STATE
        self.groups[seq] = Group(
            seq,
            item.type,
            item.about,
            item.grouping.key,
            item.created_at,
            now,
            now,
            seq,
            seq,
            seq,
            items,
            own,
            item.read,
        )
        return seq

    def take_over(self, group: Group, state: ItemState, events: Sequence[int], opened_at: int) -> int:
        """A group of another inbox arrives with these events, oldest first, in this state, and closed; returns its
        number."""
        items = {self._next_seq(): event for event in events}
        number, order = min(items), self.seq
        self.groups[number] = replace(
            group,
            number=number,
            key=NO_GROUP,
            opened_at=opened_at,
            order=order,
            seq=order,
            unread_seq=order,
            items=items,
            own=state,
            closed=True,
        )
        return number

    def leave(self) -> None:
        """All groups, if there are any, are closed, and then move to another inbox; each takes a seq."""
        if self.groups:
            self._next_seq()
            self.undone = self._next_seq()
        self.groups.clear()
        self.marks.clear()
        self.shared.clear()

    def mark(self, number: int, command: NotificationCommand, now: int) -> int:
        """Set the state of one group; returns 1 if that changed anything, which took a seq."""
        group = self.groups.get(number)
        if group is None or group.deleted:
            return 0
        before = self.state(group)
        if _ends_snooze(before, command):
            group.order = group.seq = group.unread_seq = self._next_seq()
            group.own = ItemState(pinned_at=before.pinned_at, acted=before.acted)
            return 1
        after = _after(before, command, now)
        if after == before:
            return 0
        group.own = after
        group.seq = self._next_seq()
        again = _is_again(before, after)
        if again:
            group.unread_seq = group.seq
        group.closed = group.closed or again or after != ItemState(after.seen_at, pinned_at=after.pinned_at)
        return 1

    def seen_all(self, up_to: int, now: int, kept: int) -> int:
        """Mark seen the groups that became unread up to a seq; returns how many. Merges older ones as ``read_all``."""
        mark = ReadWatermark(self.seq + 1, up_to, "", now, seen_only=True)
        under = sum(self.unseen(group) and _covers(mark, group) for group in self.groups.values())
        if under:
            self._merge(kept)
            self.marks.append(mark._replace(seq=self._next_seq()))
        return under

    def read_all(self, type: str, up_to: int, now: int, kept: int) -> int:
        """Mark read the groups that became unread up to a seq, of one type or ("") of all; returns how many. Merges the
        older half of the read-alls and seen-alls before, if there are ``kept`` of them that were never merged."""
        mark = ReadWatermark(self.seq + 1, up_to, type, now)
        under = [group for group in self._unread() if _covers(mark, group)]
        if under:
            self._merge(kept)
            self.marks.append(mark._replace(seq=self._next_seq()))
        for group in under:
            group.closed = True
        return len(under)

    def _merge(self, kept: int) -> None:
        single = [mark.seq for mark in self.marks if mark.seq > self.last_merged_read_all]
        if len(single) < kept:
            return
        self.last_merged_read_all = single[last_to_merge(kept)]
        old = [mark for mark in self.marks if mark.seq <= self.last_merged_read_all]
        dropped = {mark.seq for mark in old if any(_replaces(later, mark) for later in old)}
        self.marks = [mark for mark in self.marks if mark.seq not in dropped]
        self.undone = self._next_seq()

    def undo(self, seq: int) -> int:
        """Undo the read-all that took this seq; returns how many groups are unread again. One that was merged with others
        stays."""
        standing = [mark for mark in self.marks if mark.seq != seq or mark.seen_only]
        if seq <= self.last_merged_read_all or len(standing) == len(self.marks):
            return 0
        before = len(self._unread())
        self.marks = standing
        self.undone = self._next_seq()
        return len(self._unread()) - before

    def retract(self, event: int) -> None:
        """Remove the item of the event of this key from its group; without items the group is a tombstone."""
        group = self.holder(event)
        if group is not None:
            group.items = {seq: key for seq, key in group.items.items() if key != event}
            self._shrunk(group)

    def sever(self, events: Set[int]) -> None:
        """Remove the items of these events from their groups, that with the newest content first; a group takes one seq."""
        for group in sorted(self.groups.values(), key=lambda g: -g.order):
            if not events.isdisjoint(group.items.values()):
                group.items = {seq: key for seq, key in group.items.items() if key not in events}
                self._shrunk(group)

    def _shrunk(self, group: Group) -> None:
        """Items left a group: it takes a seq, and a tombstone is neither snoozed nor pinned."""
        left = {key for key, number in self.shared.items() if number == group.number}
        for key in left.difference(group.items.values()):
            del self.shared[key]
        group.seq = self._next_seq()
        if group.deleted:
            group.own = group.own._replace(snoozed_until=None, pinned_at=None, acted=None)

    def reword(self, events: Set[int]) -> None:
        """The text of these events has changed: every group with one of them has changed."""
        for group in self.groups.values():
            if not events.isdisjoint(group.items.values()):
                group.seq = self._next_seq()

    def part(self, topic: str) -> None:
        """The user of this topic is erased: later items under the name are about another user."""
        self.notified_at = {about: at for about, at in self.notified_at.items() if about[0] != topic}
        for group in self.groups.values():
            group.closed = group.closed or group.about == topic

    def _unread(self) -> list[Group]:
        return [group for group in self.groups.values() if self.unread(group)]

    def _newest_of(self, key: int) -> Group | None:
        same = (group for group in reversed(self.groups.values()) if group.key == key)
        return None if key == NO_GROUP else next(same, None)

    def _next_seq(self) -> int:
        self.seq += 1
        return self.seq


def _covers(mark: ReadWatermark, group: Group) -> bool:
    return group.unread_seq <= mark.up_to and mark.type in ("", group.type)


def _replaces(later: ReadWatermark, mark: ReadWatermark) -> bool:
    """Whether a later read-all or seen-all covers all that another does."""
    covers = later.seq > mark.seq and later.up_to >= mark.up_to and later.type in ("", mark.type)
    return covers and (mark.seen_only or not later.seen_only)


def _is_again(before: ItemState, after: ItemState) -> bool:
    """Whether a group becomes unread at this change, or unseen."""
    read, seen = before.read_at is not None, before.seen_at is not None
    return (read and after.read_at is None) or (seen and after.seen_at is None)


def _ends_snooze(of: ItemState, command: NotificationCommand) -> bool:
    """Whether a command ends the snooze of a group in this state."""
    if of.snoozed_until is None or isinstance(command, SnoozeNotifications | RecordAction):
        return False
    if isinstance(command, ReturnSnoozed):
        return of.snoozed_until <= command.due_by
    return command.state is NotificationState.UNSNOOZED


def _after(of: ItemState, command: NotificationCommand, now: int) -> ItemState:
    """The state of a group after a command that does not end its snooze."""
    if isinstance(command, SnoozeNotifications):
        return of._replace(snoozed_until=command.until, archived_at=None)
    if isinstance(command, RecordAction):
        if of.acted is not None:
            return of
        acted = Acted(command.action_id, now, command.by)
        return _said(of, NotificationState.READ, now)._replace(snoozed_until=None, acted=acted)
    return of if isinstance(command, ReturnSnoozed) else _said(of, command.state, now)


def _said(of: ItemState, state: NotificationState, now: int) -> ItemState:
    """The state of a group after this change."""
    seen_at = now if of.seen_at is None else of.seen_at
    match state:
        case NotificationState.READ:
            return of._replace(seen_at=seen_at, read_at=now if of.read_at is None else of.read_at)
        case NotificationState.UNREAD:
            return of._replace(read_at=None)
        case NotificationState.SEEN:
            return of._replace(seen_at=seen_at)
        case NotificationState.UNSEEN:
            return of._replace(seen_at=None, read_at=None)
        case NotificationState.ARCHIVED:
            at = now if of.archived_at is None else of.archived_at
            return of._replace(archived_at=at, snoozed_until=None)
        case NotificationState.UNARCHIVED:
            return of._replace(archived_at=None)
        case NotificationState.PINNED:
            return of._replace(pinned_at=now if of.pinned_at is None else of.pinned_at)
        case NotificationState.UNPINNED:
            return of._replace(pinned_at=None)
        case NotificationState.UNSNOOZED:
            return of
