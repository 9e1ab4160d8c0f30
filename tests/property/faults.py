"""Stores with one fault each: what the comparison of histories must be able to find."""

from collections.abc import Collection, Iterator
from typing import Any

import msgspec
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.property.strategies import (
    Draft,
    broadcasts,
    erasures,
    fires,
    follows,
    masks,
    merges,
    new_endpoints,
    preferences,
    publishes,
    read_feeds,
    read_inboxes,
    reminds,
    retracts,
    take_ups,
    undos,
    unread_ids,
)
from tidings.activity_scope import FEED_ALONE, NOTHING_WATCHED, ActivityScope, Watched
from tidings.errors import KeyReused
from tidings.feed_changes import Retraction
from tidings.filters import EVERYTHING, ActivityOf, FeedFilter, FeedOf
from tidings.grouping import GroupCursor, GroupPage, GroupRule
from tidings.ids import ms_of
from tidings.inbox_commands import MarkAllNotificationsRead
from tidings.model import (
    CommandResult,
    EventAudience,
    FireReminder,
    InboxChanges,
    InboxUpdateResult,
    LogEntry,
    MarkFeedRead,
    MarkFeedUnread,
    NewEvent,
    Page,
    Published,
    UndoMarkFeedRead,
    UnseenCount,
)
from tidings.rules import Rule
from tidings.storage.memory.feed_read_state import FeedReadAll
from tidings.storage.memory.inbox import Inbox
from tidings.storage.memory.user import UserState
from tidings.testing import MemoryStore
from tidings.visibility import Visibility


class Unmasked(MemoryStore):
    """Shows what was muted."""

    def _masked(self, viewer: str, entry: LogEntry) -> bool:
        return False


class Swallowing(MemoryStore):
    """Reads all, whatever the watermark."""

    def _read_inbox(self, read: MarkAllNotificationsRead) -> InboxUpdateResult:
        return super()._read_inbox(MarkAllNotificationsRead(read.user, None, read.type))


class Repeating(MemoryStore):
    """Begins a page with the last item of the one before."""

    async def feed(self, user: str, want: FeedFilter, limit: int, before: int | None) -> Page:
        return await super().feed(user, want, limit, None if before is None else before + 1)


class ByTime(MemoryStore):
    """Takes the newest for the latest: what was published late is not announced."""

    async def feed_since(self, user: str, after: int, limit: int, scope: ActivityScope = FEED_ALONE) -> Page:
        page = await super().feed_since(user, after, limit, scope)
        newest = max((item.key for item in page.items), default=0)
        return page._replace(items=[item for item in page.items if item.key >= newest - (1 << 30)])


class Unreasonable(MemoryStore):
    """Gives every item the same reason."""

    async def feed(self, user: str, want: FeedFilter, limit: int, before: int | None) -> Page:
        page = await super().feed(user, want, limit, before)
        return page._replace(
            items=[msgspec.structs.replace(item, reason="target", topic="") for item in page.items]
        )


class Repetitive(MemoryStore):
    """Tells every duplicate."""

    def _repeats(self, user: str, entry: LogEntry, rule: Rule) -> bool:
        return False


class Intrusive(MemoryStore):
    """Tells what nobody wants."""

    def _wanted(self, user: str, entry: LogEntry) -> bool:
        return user != entry.actor_id and not self._masked(user, entry)


class Ungrouped(MemoryStore):
    """Never groups."""

    def _bring(self, user: str, entry: LogEntry, broadcast: bool = False) -> None:
        super()._bring(user, entry, broadcast=True)


class Unfollowed(MemoryStore):
    """Tells targets only."""

    def _addressed(self, entry: LogEntry, rule: Rule) -> Iterator[str]:
        return iter(entry.targets)


class Unresetting(MemoryStore):
    """Does not say that a read-all was undone."""

    async def inbox_since(self, user: str, since: int, limit: int) -> InboxChanges:
        self._peek(user).inbox.undone = 0
        return await super().inbox_since(user, since, limit)


class Reborn(MemoryStore):
    """Begins every inbox at 1, one of a person who was erased too."""

    def _unknown(self, user: str, number: int) -> UserState:
        return UserState(number)


class Unbroken(MemoryStore):
    """Goes on from the last seq of an inbox that was erased, as if it had only been emptied."""

    def _unknown(self, user: str, number: int) -> UserState:
        seq = max(0, self._places.get(hash(user), 0) - 1)
        return UserState(number, inbox=Inbox(seq))


class Rewording(MemoryStore):
    """Does not say that a name went out of a notification."""

    async def inbox_since(self, user: str, since: int, limit: int) -> InboxChanges:
        changes = await super().inbox_since(user, since, limit)
        return changes._replace(rows=[row for row in changes.rows if b"erased-" not in row.body])


class Unmarking(MemoryStore):
    """Does not tell of read-alls."""

    async def inbox_since(self, user: str, since: int, limit: int) -> InboxChanges:
        return (await super().inbox_since(user, since, limit))._replace(marks=())


class Insistent(MemoryStore):
    """Gives broadcasts again."""

    def _catch_up(self, user: str) -> int:
        given = super()._catch_up(user)
        self._person(user).broadcast_cursor = 0
        return given


class Undelivered(MemoryStore):
    """Enqueues nothing for who is reached outside."""

    def _enqueue_deliveries(
        self, user: str, number: int, type: str, rule: Rule, *, bulk: bool = False
    ) -> None:
        return


class Untimely(MemoryStore):
    """Fires a reminder whatever it is set to."""

    def _fire(self, fire: FireReminder) -> Published | KeyReused:
        reminder = self._reminders.get(fire.reminder.key)
        return super()._fire(fire if reminder is None else replace(fire, reminder=reminder))


class Sticky(MemoryStore):
    """Keeps read what a read-all covers, though it is marked unread."""

    def _mark_feed(self, command: MarkFeedRead | MarkFeedUnread | UndoMarkFeedRead) -> CommandResult:
        if isinstance(command, MarkFeedUnread):
            self._person(command.user).feed.read_alls.append(
                FeedReadAll(self._position + 2, self._position, 0)
            )
        return super()._mark_feed(command)


class Unretracting(MemoryStore):
    """Does not tell of retractions."""

    def _unshown(self, user: str, after: int) -> Iterator[Retraction]:
        return iter(())


class Indiscreet(MemoryStore):
    """Tells everybody of every retraction."""

    def _unshown(self, user: str, after: int) -> Iterator[Retraction]:
        gone = ((at, entry) for at, entry in self._retracted if at > after)
        return (Retraction(at, self._ids.text(entry.key)) for at, entry in gone)


class Deaf(MemoryStore):
    """Hears of what is addressed only."""

    async def audience_since(
        self,
        after: int,
        users: Collection[str],
        limit: int,
        watched: Watched = NOTHING_WATCHED,
        readers: Collection[str] = (),
    ) -> tuple[list[EventAudience], int]:
        found, last = await super().audience_since(after, users, limit, watched, readers)
        direct = [
            one._replace(listeners=[each for each in one.listeners if each[0] == "target"]) for one in found
        ]
        return [one for one in direct if one.listeners], last


class Clinging(MemoryStore):
    """Leaves what a blocked actor did in inboxes."""

    def _sever(self, user: str, actor: str) -> None:
        return


class Overt(MemoryStore):
    """Shows all activity to everyone."""

    async def activity(
        self, topic: str | None, want: FeedFilter, limit: int, before: int | None, *_: Any, **__: Any
    ) -> Page:
        return await super().activity(topic, want, limit, before)


class Public(MemoryStore):
    """Lists on the pages of everyone what is for followers."""

    async def activity(
        self,
        topic: str | None,
        want: FeedFilter,
        limit: int,
        before: int | None,
        viewer: str | None = None,
        *_: Any,
        **__: Any,
    ) -> Page:
        return await super().activity(topic, want, limit, before, viewer, Visibility.FOLLOWERS)


class Recounting(MemoryStore):
    """Counts the last item that was seen as new."""

    async def new_count(
        self,
        what: FeedOf | ActivityOf,
        since: int,
        cap: int,
        want: FeedFilter = EVERYTHING,
        up_to: int | None = None,
    ) -> UnseenCount:
        return await super().new_count(what, since - 1, cap, want, up_to)


class Endless(MemoryStore):
    """Counts beyond the position up to which it should."""

    async def new_count(
        self,
        what: FeedOf | ActivityOf,
        since: int,
        cap: int,
        want: FeedFilter = EVERYTHING,
        up_to: int | None = None,
    ) -> UnseenCount:
        return await super().new_count(what, since, cap, want)


class Uncapped(MemoryStore):
    """Counts one more than the cap."""

    async def new_count(
        self,
        what: FeedOf | ActivityOf,
        since: int,
        cap: int,
        want: FeedFilter = EVERYTHING,
        up_to: int | None = None,
    ) -> UnseenCount:
        return await super().new_count(what, since, cap + 1, want, up_to)


class Misdated(MemoryStore):
    """Gives counts of activity with the time of the newest item."""

    async def new_count(
        self,
        what: FeedOf | ActivityOf,
        since: int,
        cap: int,
        want: FeedFilter = EVERYTHING,
        up_to: int | None = None,
    ) -> UnseenCount:
        found = await super().new_count(what, since, cap, want, up_to)
        if found.oldest_at is None or isinstance(what, FeedOf):
            return found
        page = await self.activity(what.topic, want, 1, None, what.viewer)
        return found._replace(oldest_at=ms_of(page.items[0].key))


class Careless(MemoryStore):
    """Counts a filtered feed without its filter."""

    async def new_count(
        self,
        what: FeedOf | ActivityOf,
        since: int,
        cap: int,
        want: FeedFilter = EVERYTHING,
        up_to: int | None = None,
    ) -> UnseenCount:
        unfiltered = FeedFilter(include_own=want.include_own)
        return await super().new_count(what, since, cap, unfiltered, up_to)


class Drifting(MemoryStore):
    """Shows on later pages of groups what came after the first."""

    async def feed_groups(
        self,
        what: FeedOf | ActivityOf,
        want: FeedFilter,
        limit: int,
        at: GroupCursor | None,
        rule: GroupRule,
    ) -> GroupPage:
        page = await super().feed_groups(
            what, want, limit, None if at is None else at._replace(position=self._position), rule
        )
        return (
            page
            if at is None
            else page._replace(next=None if page.next is None else page.next._replace(position=at.position))
        )


class Splitting(MemoryStore):
    """Begins a page of groups below the place where the one before ended."""

    async def feed_groups(
        self,
        what: FeedOf | ActivityOf,
        want: FeedFilter,
        limit: int,
        at: GroupCursor | None,
        rule: GroupRule,
    ) -> GroupPage:
        return await super().feed_groups(
            what, want, limit, None if at is None else at._replace(top=at.place), rule
        )


class Forgetful(MemoryStore):
    """Takes the name of the last event for the newest, whatever its time."""

    def _name_actor(self, event: NewEvent) -> None:
        self._display_names.pop(event.actor_id, None)
        super()._name_actor(event)


class Nominal(MemoryStore):
    """Shows the names that were published."""

    def _display_name(self, user: str) -> str | None:
        return None


class Doubling(MemoryStore):
    """Leaves the notifications that a merge moves with the source too."""

    def _move_inbox(self, user: str, into: str) -> tuple[int, int]:
        groups = dict(self._person(user).inbox.groups)
        moved = super()._move_inbox(user, into)
        self._person(user).inbox.groups |= groups
        return moved


class Disloyal(MemoryStore):
    """Lets a merge forget what the source followed."""

    def _adopt_follows(self, user: str, into: str) -> int:
        return 0


FAULTS: dict[type[MemoryStore], tuple[st.SearchStrategy[Draft], ...]] = {
    Forgetful: (publishes(),),
    Nominal: (publishes(),),
    Drifting: (publishes(),),
    Splitting: (publishes(),),
    Unmasked: (masks, publishes()),
    Swallowing: (read_inboxes, publishes()),
    Repeating: (publishes(),),
    ByTime: (follows, publishes()),
    Unreasonable: (follows, publishes()),
    Repetitive: (publishes(),),
    Intrusive: (preferences, publishes()),
    Ungrouped: (publishes(),),
    Unfollowed: (follows, publishes()),
    Unresetting: (read_inboxes, undos),
    Reborn: (erasures, publishes()),
    Unbroken: (erasures, publishes()),
    Rewording: (erasures, publishes()),
    Unmarking: (read_inboxes, publishes()),
    Insistent: (broadcasts(), take_ups),
    Undelivered: (new_endpoints, publishes()),
    Untimely: (reminds(), fires()),
    Sticky: (read_feeds, unread_ids),
    Unretracting: (retracts, publishes()),
    Indiscreet: (retracts, publishes()),
    Deaf: (follows, publishes()),
    Clinging: (masks, publishes()),
    Overt: (masks, publishes()),
    Public: (publishes(),),
    Recounting: (publishes(),),
    Endless: (publishes(),),
    Uncapped: (publishes(),),
    Misdated: (publishes(),),
    Careless: (publishes(),),
    Doubling: (merges, publishes()),
    Disloyal: (merges, follows, publishes()),
}
"""Each with the commands that it concerns: histories with more of them show it in the first few tries."""
