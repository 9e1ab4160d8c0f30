"""One of two stores that live through the same history, and all that can be read from it."""

import re
from collections import Counter
from collections.abc import Coroutine, Sequence
from itertools import product
from typing import Any, TypeVar, get_args

import msgspec
from msgspec.structs import replace

from tests.checkers import inboxes, streams
from tests.checkers.adapters import ALL, GroupReader, sound_groups, whole_inbox
from tests.checkers.fold import Client, faithful
from tests.checkers.paging import Fetch, walk
from tests.harness import PAGE, Harness
from tests.property.new_counts import Asked
from tidings.endpoint_commands import ResendDelivery
from tidings.errors import KeyReused
from tidings.feed_changes import FeedChange, FeedMark
from tidings.filters import ActivityOf, Choice, FeedFilter, FeedOf
from tidings.grouping import FeedGroup, GroupRule
from tidings.ids import MAX_KEY, ms_of, notification_id, notification_ref
from tidings.inbox_commands import ReturnSnoozed, SetNotificationState, SnoozeNotifications
from tidings.model import (
    ActOnNotification,
    Command,
    CommandResult,
    EraseUser,
    FeedItem,
    FollowRow,
    InboxChanges,
    InboxCounters,
    InboxFilter,
    InboxRow,
    LogEntry,
    Outcome,
    Page,
    RecordDeliveryResults,
    UnseenCount,
)
from tidings.notification_facts import Delivery, RecipientFacts
from tidings.personal_data import Endpoint, Preferences, Reminder
from tidings.ports import Store
from tidings.rules import Rule
from tidings.status import DeadLetter
from tidings.timeutil import HOUR_MS
from tidings.user_merges import MergeCounts, MergeUsers

T = TypeVar("T")
Group = tuple[bytes, tuple[int, ...], list[tuple[int, int, bytes, int | None]]]
NamedGroup = tuple[Group, tuple[str | None, ...]]
GROUPS = GroupRule(HOUR_MS, 4)
"""Windows and segments so small that a history has several."""

Summary = tuple[int, int, dict[str, int], list[tuple[int, int | None]]]
_ALIAS = re.compile(rb"erased-[0-9a-f]{8}")


class World:
    """One store with the clients that watch its inboxes: they learn only what changed since they last asked, be it before
    their user was erased and came back."""

    def __init__(self, harness: Harness) -> None:
        self.harness = harness
        self.store: Store = harness.store
        self._clients: dict[str, Client] = {}
        self._numbers: dict[str, int] = {}
        self._first_pages: dict[str, tuple[object, list[FeedItem]]] = {}
        self._merges: dict[tuple[str, str], int] = {}

    def read(self, work: Coroutine[Any, Any, T]) -> T:
        return self.harness.run(work)

    def apply(self, commands: Sequence[Command]) -> list[Outcome | KeyReused]:
        """Write, without letting the fan-out end."""
        outcomes = self.read(self.store.write([self._named(command) for command in commands]))
        for command, outcome in zip(commands, outcomes, strict=True):
            if isinstance(command, EraseUser):
                self._numbers.pop(command.user, None)
            elif isinstance(command, MergeUsers) and isinstance(outcome, CommandResult) and outcome.updated:
                self._merges[command.user, command.into] = outcome.updated
        return outcomes

    def _named(self, command: Command) -> Command:
        """Ids hold numbers of the store's own: commands come with those of notifications alone, as text, and with the
        places of deliveries."""
        if isinstance(command, SetNotificationState | SnoozeNotifications | ReturnSnoozed):
            ids = tuple(self._id(command.user, number) for number in command.ids)
            return replace(command, ids=ids)
        if isinstance(command, ActOnNotification):
            id = self._id(command.record.user, command.record.id)
            return replace(command, record=replace(command.record, id=id))
        if isinstance(command, RecordDeliveryResults):
            waiting = dict(enumerate(self._told_apart()))
            return RecordDeliveryResults(
                tuple(replace(one, id=waiting.get(one.id, -1)) for one in command.handled)
            )
        if isinstance(command, ResendDelivery):
            return ResendDelivery(dict(enumerate(self._told_apart())).get(command.id, -1))
        return command

    def _id(self, user: str, number: str) -> str:
        if user not in self._numbers:
            changes = self.read(self.store.inbox_since(user, 0, 1))
            rows = changes.rows or self.read(self.store.inbox(user, 1, None)).rows
            refs = [ref for ref in (notification_ref(row.id) for row in rows) if ref is not None]
            if not refs:
                return number
            self._numbers[user] = refs[0][0]
        return notification_id(self._numbers[user], int(number))

    def _waiting(self) -> list[Delivery]:
        """What is to be delivered, in an order that all stores share."""
        return sorted(self.read(self.store.deliveries(MAX_KEY, ALL)), key=_place)

    def _told_apart(self) -> list[int]:
        """The ids of what is to be delivered, without those that look alike: of two that are about nothing any more, each
        store could take another one."""
        waiting = self._waiting()
        alike = Counter(map(_place, waiting))
        return [delivery.id for delivery in waiting if alike[_place(delivery)] == 1]

    # --- what is read ---------------------------------------------------------------------------------------

    def log(self) -> list[LogEntry]:
        return [nameless(entry) for entry in self.read(self.store.tail(0, ALL))]

    def pending_work(self) -> bool:
        """Whether some fan-out has not ended."""
        return self.read(self.store.backlog()).pending_fanout_jobs > 0

    def inbox_seqs(self, user: str) -> list[int]:
        """Where the changes of an inbox begin that are later than each event, and than none."""

        async def seqs() -> list[int]:
            keys = [-1, *(entry.key for entry in await self.store.tail(0, ALL))]
            return [await self.store.inbox_seq(user, key) for key in keys]

        return self.read(seqs())

    def heads(self) -> list[int]:
        """The last position up to the time of each event, and just before it."""

        async def heads() -> list[int]:
            entries = await self.store.tail(0, ALL)
            times = sorted({ms_of(entry.key) - early for entry in entries for early in (0, 1)})
            return [(await self.store.head(at)).position for at in times]

        return self.read(heads())

    def position(self) -> int:
        """The head of the log."""
        return self.read(self.store.head()).position

    def counts(self, users: Sequence[str]) -> list[InboxCounters]:
        """The heads of inboxes."""
        return self.read(self.store.counts(users))

    def follows(self, user: str) -> list[FollowRow]:
        """The topics a user follows."""
        return self.read(self.store.follows(user, ALL, None))

    def feed(self, user: str, want: FeedFilter) -> list[FeedItem]:
        """All pages of a feed, checked one against the other."""
        items: list[FeedItem] = []

        async def fetch(before: int | None) -> tuple[list[int], int | None]:
            page = await self.store.feed(user, want, PAGE, before)
            return _kept(page, items)

        self.read(walk(fetch))
        return items

    def first_page_holds(self, user: str) -> None:
        """As long as the version of a feed is the same, so is its first page."""
        version = self.read(self.store.feed_version(user))
        items = self.read(self.store.feed(user, FeedFilter(), PAGE, None)).items
        known_version, known = self._first_pages.get(user, (None, []))
        if version == known_version:
            assert items == known, f"{user}: version {version} of {known}, now {items}"
        self._first_pages[user] = version, items

    def activity(self, topic: str | None, want: FeedFilter, viewer: str | None = None) -> list[FeedItem]:
        """All pages of activity."""
        items: list[FeedItem] = []

        async def fetch(before: int | None) -> tuple[list[int], int | None]:
            return _kept(await self.store.activity(topic, want, PAGE, before, viewer), items)

        self.read(walk(fetch))
        return items

    def groups(self, what: FeedOf | ActivityOf, want: FeedFilter) -> list[NamedGroup]:
        """All groups of a feed or of activity, which partition its items, each with the names of its actors."""
        found = self.read(sound_groups(self.store, what, want, PAGE, GROUPS))
        return [(plain_group(group), group.actor_names) for group in found]

    def feed_known_from(self, user: str) -> int:
        """The first position from which on a stream of a feed can be continued: after a read-all was taken back, that."""
        starts = range(self.position() + 1)
        return next(at for at in starts if not self.read(self.store.feed_since(user, at, PAGE)).reset)

    def feed_since(self, user: str, start: int) -> list[int]:
        """All positions of a feed after a position, page by page."""
        positions: list[int] = []
        after: int | None = start
        while after is not None:
            page = self.read(self.store.feed_since(user, after, PAGE))
            positions += [item.position for item in page.items]
            after = page.next_key
        return positions

    def feed_changes(self, user: str, since: Sequence[int]) -> list[tuple[object, ...]]:
        """What changed older items of a feed after each of these positions, page by page; or that it is not known."""
        return [self._changes_of_feed(user, after) for after in since]

    def _changes_of_feed(self, user: str, since: int) -> tuple[object, ...]:
        changes: list[object] = []
        after: int | None = since
        while after is not None:
            page = self.read(self.store.feed_since(user, after, PAGE))
            changes += [page.reset, *map(_nameless_change, page.changes)]
            after = page.next_key
        return tuple(changes)

    def new_counts(
        self, what: FeedOf | ActivityOf, want: FeedFilter, asked: Sequence[Asked]
    ) -> list[UnseenCount]:
        """How many items of a feed or of activity are new."""

        async def counts() -> list[UnseenCount]:
            return [await self.store.new_count(what, one.since, one.cap, want, one.up_to) for one in asked]

        return self.read(counts())

    def summary(self, user: str, include_own: bool) -> Summary:
        summary = self.read(self.store.summary(user, include_own))
        recent = [(item.key, item.read_at) for item in summary.recent]
        return summary.total, summary.unread, dict(summary.verbs), recent

    def inbox(self, user: str) -> list[InboxRow]:
        """All pages of an inbox."""
        return self.read(self._inbox(user, False, None, "inbox"))

    def inboxes(self, user: str, types: Sequence[Choice[str]], seq: int) -> list[tuple[object, ...]]:
        """An inbox at this seq through each filter, but of each type one alone, another at each seq: the filter and one row
        after the other. Then the counters of these types."""
        filters = list(product((False, True), get_args(InboxFilter)))
        wants: list[tuple[Choice[str] | None, bool, InboxFilter]] = [(None, *one) for one in filters]
        wants += [(type, *filters[(seq + n) % len(filters)]) for n, type in enumerate(types)]

        async def rows() -> list[tuple[object, ...]]:
            listed = [
                (type, unread_only, state, row)
                for type, unread_only, state in wants
                for row in await self._inbox(user, unread_only, type, state)
            ]
            return [*listed, *[(type, *await self.store.counts([user], type)) for type in types]]

        return self.read(rows())

    async def _inbox(
        self, user: str, unread_only: bool, type: Choice[str] | None, state: InboxFilter
    ) -> list[InboxRow]:
        """All pages of an inbox, the first row as it is by itself too."""
        rows: list[InboxRow] = []

        async def fetch(before: int | None) -> tuple[list[int], int | None]:
            page = await self.store.inbox(user, PAGE, before, unread_only, type, state)
            rows.extend(page.rows)
            return [row.order for row in page.rows], page.next_order

        await walk(fetch)
        for row in rows[:1]:
            alone = await self.store.inbox(user, 1, None, state="all", id=row.id)
            assert alone.rows == [row], f"by its id {alone.rows}, in the list {row}"
        return [_unnamed(row) for row in rows]

    def merges(self) -> list[tuple[str, str, str, MergeCounts]]:
        """The merges that moved something, without their ids: those and what is a known user differ from store to store."""
        found = [self.read(self.store.user_merge(id)) for _, id in sorted(self._merges.items())]
        return [one[1:] for one in found if one is not None and one.counts != MergeCounts()]

    def snoozes(self) -> list[tuple[int, str, int]]:
        """The snoozes that have not ended."""
        found = self.read(self.store.snoozed(MAX_KEY, ALL))
        refs = ((one, notification_ref(one.id)) for one in found)
        return sorted((one.until, one.user, ref[1]) for one, ref in refs if ref is not None)

    def changes(self, user: str, since: int, limit: int) -> InboxChanges:
        """What changed in an inbox after a seq, tombstones included."""
        changes = self.read(self.store.inbox_since(user, since, limit))
        return changes._replace(rows=[_unnamed(row) for row in changes.rows])

    def audience(self, users: Sequence[str]) -> dict[int, set[str]]:
        """The audience of each position, page by page."""
        audience: dict[int, set[str]] = {}
        after, head = 0, self.position()
        while after < head:
            found, after = self.read(self.store.audience_since(after, users, PAGE))
            audience |= {one.position: {user for *_, some in one.listeners for user in some} for one in found}
        return audience

    def told(self, user: str, event_id: str) -> tuple[RecipientFacts | None, bool]:
        """What is known of an event and a user, of several masks any one is named; and whether the user may look it up."""
        told = self.read(self.store.explain_facts(user, event_id))
        may_look_up = self.read(self.store.event(event_id, user)) is not None
        if told is None:
            return None, may_look_up
        ref = notification_ref(told.notification)
        facts = told._replace(
            entry=nameless(told.entry),
            masked_by="masked" if told.masked_by else "",
            notification=str(ref[1]) if ref else "",
        )
        return facts, may_look_up

    def deliveries(self) -> list[Delivery]:
        """What is to be delivered. Only stores that notify followers in chunks have bulk deliveries of these."""
        alike = [one._replace(id=0, priority=type(one.priority)(one.priority & 2)) for one in self._waiting()]
        return [one._replace(row=None if one.row is None else _unnamed(one.row)) for one in alike]

    def dead(self) -> list[DeadLetter]:
        """The deliveries that were given up."""
        letters = self.read(self.store.dead_letters(ALL))
        return sorted(letter._replace(id=0) for letter in letters if letter.kind == "delivery")

    def reminders(self) -> tuple[list[Reminder], int | None]:
        """What is to come, and when the next of it is due, deliveries included."""
        return self.read(self.store.reminders(None, ALL)), self.read(self.store.next_due())

    def preferences(self, user: str) -> tuple[Preferences, list[str], list[Endpoint], str | None]:
        """What a user wants, what is hidden from them, where they are reached, and their name."""
        hidden = self.read(self.store.muted(user)) + self.read(self.store.blocked(user, ALL))
        hidden = [_plain(name.encode()).decode() for name in hidden]
        endpoints = self.read(self.store.endpoints(user))
        name = self.read(self.store.display_name(user))
        return self.read(self.store.preferences(user)), sorted(hidden), endpoints, name

    def types(self) -> dict[str, Rule]:
        """What is declared."""
        return self.store.rules.declared

    def topic(self, topic: str, viewer: str) -> tuple[int, bool]:
        """How many follow a topic, and whether the viewer does."""
        info = self.read(self.store.topic(topic, viewer))
        return info.followers, bool(info.viewer)

    def export(self, user: str) -> list[dict[str, Any]]:
        """All that is kept about a person, without what is the store's own: numbers and visits."""

        async def lines() -> list[bytes]:
            return [_plain(line) async for line in self.store.export(user)]

        records = [msgspec.json.decode(line) for line in self.read(lines())]
        for record in records:
            record.pop("last_visit", None)
            for name in ("id", "notification_id"):
                if (ref := notification_ref(str(record.get(name)))) is not None:
                    record[name] = ref[1]
            if "event_ids" in record:
                record["event_ids"].sort()
        return sorted(records, key=msgspec.json.encode)

    def masks(self, user: str) -> dict[str, bool]:
        """What a person muted (False) or blocked (True), whether it hides anything or not, from their export."""

        async def export() -> list[dict[str, Any]]:
            return [msgspec.json.decode(line) async for line in self.store.export(user)]

        lines = [line for line in self.read(export()) if line["kind"] == "mask"]
        return {_plain(line["topic"].encode()).decode(): line["block"] for line in lines}

    # --- the laws of one store by itself --------------------------------------------------------------------

    def check_inbox(self, user: str) -> None:
        """I3 and I6, and that a client which only asks for changes has the inbox as it is."""
        items, counts = self.read(whole_inbox(self.store, user))
        marks = self.read(self.store.inbox_since(user, 0, ALL)).marks
        inboxes.sound(items, counts.seq, (mark.seq for mark in marks))
        inboxes.counted(items, counts.unread_count, counts.unread_items, counts.unseen_count)
        client = self._clients.setdefault(user, Client())
        self.read(client.catch_up(self.store, user, PAGE))
        faithful(client.rows, self.read(self.store.inbox(user, ALL, None)).rows)

    def check_stream(self, user: str, start: int) -> None:
        """I5: what a stream would send of the feed, resumed after every page, is the feed. ``start`` is the first position
        from which on it can be continued."""
        tried = sorted({start // 2, max(0, start - 1), start})
        known = [at for at in tried if not self.read(self.store.feed_since(user, at, PAGE)).reset]
        assert known == [start], f"the feed of {user} is known from {known}, the law says from {start}"
        items = [item for item in self.feed(user, FeedFilter()) if item.position > start]
        positions = {item.position: str(item.key) for item in items}
        frames = [streams.Frame(at, positions.get(at, "")) for at in self.feed_since(user, start)]
        streams.continuous(frames, {str(item.key): item.position for item in items}, start)
        assert len(frames) == len(items), f"{len(frames)} sent, {len(items)} in the feed of {user}"


def pages(world: World, user: str) -> Fetch:
    """The pages of a feed, two items each."""

    async def fetch(before: int | None) -> tuple[list[int], int | None]:
        page = await world.store.feed(user, FeedFilter(), 2, before)
        return [item.key for item in page.items], page.next_key

    return fetch


def group_pages(world: World, user: str) -> GroupReader:
    """The pages of the groups of a feed, one group each."""
    return lambda at: world.store.feed_groups(FeedOf(user), FeedFilter(), 1, at, GROUPS)


def plain_item(item: FeedItem) -> tuple[int, int, bytes, int | None]:
    return item.key, item.position, _plain(item.body), item.read_at


def plain_group(group: FeedGroup) -> Group:
    """A group without the reasons of its items, and without random names."""
    names = _ALIAS.sub(
        b"erased",
        repr((group.verb, group.object_type, group.object_id, group.actors)).encode(),
    )
    numbers = group.count, group.read, group.read_at or 0, group.actor_count, group.top, group.end
    return names, numbers, [plain_item(item) for item in group.items]


def _kept(page: Page, items: list[FeedItem]) -> tuple[list[int], int | None]:
    items.extend(page.items)
    return [item.key for item in page.items], page.next_key


def _plain(body: bytes) -> bytes:
    """A body without the random names, which differ from store to store."""
    return _ALIAS.sub(b"erased", body)


def _nameless_change(change: FeedChange) -> FeedChange:
    if not isinstance(change, FeedMark) or change.activity is None:
        return change
    return change._replace(activity=_plain(change.activity.encode()).decode())


def nameless(entry: LogEntry) -> LogEntry:
    def plain(text: str) -> str:
        return _plain(text.encode()).decode()

    return entry._replace(
        actor_id=plain(entry.actor_id),
        object_id=plain(entry.object_id),
        body=_plain(entry.body),
        targets=tuple(sorted(entry.targets)),
        topics=tuple(sorted(plain(topic) for topic in entry.topics)),
    )


def _unnamed(row: InboxRow) -> InboxRow:
    """A row without the user's number, which differs from store to store."""
    ref = notification_ref(row.id)
    assert ref is not None, f"{row.id} is no notification id"
    others = tuple(_plain(body) for body in row.others)
    return row._replace(id=str(ref[1]), body=_plain(row.body), others=others)


def _place(delivery: Delivery) -> tuple[str, int, str, int, int, int]:
    """What tells a delivery from all others, but for those that are about nothing any more."""
    order = 0 if delivery.row is None else delivery.row.order
    ends = (delivery.due_at, delivery.created_at, delivery.attempts)
    return delivery.endpoint.id, order, delivery.type, *ends
