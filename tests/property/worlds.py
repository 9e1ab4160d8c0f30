"""Two stores living through the same history, and the comparison of all that can be read from them."""

import re
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from tests.checkers import inboxes, streams
from tests.checkers.adapters import ALL, event_id, whole_inbox
from tests.checkers.paging import Fetch, walk
from tests.harness import PAGE, Harness
from tidings.errors import KeyReused
from tidings.ids import notification_ref
from tidings.model import (
    Changed,
    Command,
    Counts,
    Erase,
    FeedFilter,
    FeedItem,
    FollowRow,
    InboxRow,
    LogEntry,
    MarkInbox,
    NewCount,
    NewEvent,
    Outcome,
    Page,
    Publish,
    Published,
    ReadFeed,
)
from tidings.ports import Store
from tidings.testing import MemoryStore

T = TypeVar("T")
Summary = tuple[int, int, dict[str, int], list[tuple[int, int | None]]]
_ALIAS = re.compile(rb"erased-[0-9a-f]{8}")
CAPS = (1, 4, 1000)
"""Caps for new counts: below, about at and above what a run has."""


class World:
    """One store with the clients that watch its inboxes: they learn only what changed since they last
    asked."""

    def __init__(self, harness: Harness) -> None:
        self.harness = harness
        self.store: Store = harness.store
        self._clients: dict[str, dict[int, InboxRow]] = {}
        self._since: dict[str, int] = {}
        self._first_pages: dict[str, tuple[object, list[FeedItem]]] = {}

    def read(self, work: Coroutine[Any, Any, T]) -> T:
        return self.harness.run(work)

    def apply(self, commands: Sequence[Command]) -> list[Outcome | KeyReused]:
        """Write, without letting the fan-out end."""
        outcomes = self.read(self.store.write([self._named(command) for command in commands]))
        for command in commands:
            if isinstance(command, Erase):
                self._clients.pop(command.user, None)
                self._since.pop(command.user, None)
        return outcomes

    def _named(self, command: Command) -> Command:
        """Notification ids hold a number of the store's own: commands come with the order alone, as text."""
        if not isinstance(command, MarkInbox):
            return command
        rows = self.read(self.store.inbox_since(command.user, 0, ALL)).rows
        ids = {str(row.order): row.id for row in rows}
        return MarkInbox(command.user, tuple(ids.get(id, id) for id in command.ids), command.state)

    # --- what is read ---------------------------------------------------------------------------------------

    def log(self) -> list[LogEntry]:
        return [_nameless(entry) for entry in self.read(self.store.tail(0, ALL))]

    def owes(self) -> bool:
        """Whether some fan-out has not ended."""
        return self.read(self.store.status()).lag > 0

    def position(self) -> int:
        """The head of the log."""
        return self.read(self.store.head()).position

    def counts(self, users: Sequence[str]) -> list[Counts]:
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

    def activity(self, topic: str | None, want: FeedFilter) -> list[tuple[int, bytes]]:
        items: list[FeedItem] = []

        async def fetch(before: int | None) -> tuple[list[int], int | None]:
            return _kept(await self.store.activity(topic, want, PAGE, before), items)

        self.read(walk(fetch))
        return [(item.key, _plain(item.body)) for item in items]

    def feed_since(self, user: str) -> list[int]:
        """All positions of a feed, page by page."""
        positions: list[int] = []
        after: int | None = 0
        while after is not None:
            page = self.read(self.store.feed_since(user, after, PAGE))
            positions += [item.position for item in page.items]
            after = page.next_key
        return positions

    def new_counts(self, user: str, since: Sequence[int]) -> list[NewCount]:
        return [self.read(self.store.new_count(user, at, cap)) for at in since for cap in CAPS]

    def summary(self, user: str) -> Summary:
        summary = self.read(self.store.summary(user))
        recent = [(item.key, item.read_at) for item in summary.recent]
        return summary.total, summary.unread, dict(summary.verbs), recent

    def inbox(self, user: str, unread_only: bool, type: str | None) -> list[InboxRow]:
        """All pages of an inbox."""
        rows: list[InboxRow] = []

        async def fetch(before: int | None) -> tuple[list[int], int | None]:
            page = await self.store.inbox(user, PAGE, before, unread_only, type)
            rows.extend(page.rows)
            return [row.order for row in page.rows], page.next_order

        self.read(walk(fetch))
        return [_unnamed(row) for row in rows]

    def changes(self, user: str) -> tuple[list[InboxRow], Counts]:
        """The whole state of an inbox, tombstones included."""
        changes = self.read(self.store.inbox_since(user, 0, ALL))
        return [_unnamed(row) for row in changes.rows], changes.counts

    def topic(self, topic: str, viewer: str) -> tuple[int, bool]:
        """How many follow a topic, and whether the viewer does."""
        info = self.read(self.store.topic(topic, viewer))
        return info.followers, bool(info.viewer)

    # --- the laws of one store by itself --------------------------------------------------------------------

    def check_inbox(self, user: str) -> None:
        """I3 and I6, and that a client which only asks for changes has the inbox as it is."""
        items, counts = self.read(whole_inbox(self.store, user))
        inboxes.sound(items, counts.seq)
        inboxes.counted(items, counts.unread_count)
        self._follow_changes(user)

    def _follow_changes(self, user: str) -> None:
        known, since = self._clients.setdefault(user, {}), self._since.get(user, 0)
        changes = self.read(self.store.inbox_since(user, since, ALL))
        if changes.reset:
            known.clear()
            changes = self.read(self.store.inbox_since(user, 0, ALL))
        known.update({row.order: row for row in changes.rows})
        self._since[user] = changes.counts.seq
        for now in self.read(self.store.inbox_since(user, 0, ALL)).rows:
            _same_row(known[now.order], now, changes.counts.read_up_to, changes.counts.read_seq)

    def check_stream(self, user: str) -> None:
        """I5: what a stream would send of the feed, resumed after every page, is the feed."""
        items = self.feed(user, FeedFilter())
        positions = {item.position: str(item.key) for item in items}
        frames = [streams.Frame(at, positions.get(at, "")) for at in self.feed_since(user)]
        streams.continuous(frames, {str(item.key): item.position for item in items})
        assert len(frames) == len(items), f"{len(frames)} sent, {len(items)} in the feed of {user}"


def shown(command: Command) -> str:
    """A command in one readable line."""
    if not isinstance(command, Publish):
        return repr(command)
    return f"Publish({', '.join(map(_shown_event, command.events))})"


def _shown_event(event: NewEvent) -> str:
    about = f"{event.object_type}:{event.object_id}"
    idempotency = f" key {event.key!r} {event.fingerprint!r}" if event.key else ""
    to = f"to {event.targets} in {event.topics} at {event.created_at}{idempotency}"
    return f"<{event.actor_id} {event.verb} {about} {to}>"


def pages(world: World, user: str) -> Fetch:
    """The pages of a feed, two items each."""

    async def fetch(before: int | None) -> tuple[list[int], int | None]:
        page = await world.store.feed(user, FeedFilter(), 2, before)
        return [item.key for item in page.items], page.next_key

    return fetch


def same(found: object, expected: object, what: str) -> None:
    """Both are equal; of lists that are not, the first difference is shown."""
    if isinstance(found, list) and isinstance(expected, list):
        for n, (one, other) in enumerate(zip(found, expected, strict=False)):
            assert one == other, f"{what}: number {n} is {one}, the law says {other}"
        found, expected = found[len(expected) :], expected[len(found) :]
    assert found == expected, f"{what}: {found}, the law says {expected}"


def comparable(command: Command, outcome: Outcome | KeyReused, owed: bool) -> Outcome | str:
    """An outcome without what may differ: fan-out still owed, the feed items that it has not brought yet, and
    whether the name of an erased person was ever heard of."""
    if isinstance(outcome, KeyReused):
        return "reused"
    if isinstance(command, Erase) or (owed and isinstance(command, ReadFeed)):
        return "done"
    if isinstance(outcome, Changed):
        return outcome._replace(gone=None if outcome.gone is None else _nameless(outcome.gone))
    return outcome._replace(pending=False) if isinstance(outcome, Published) else outcome


def same_feed(
    law: MemoryStore, user: str, expected: list[FeedItem], found: list[FeedItem], what: str
) -> None:
    """The same items in the same state; each reason is one that the law allows."""
    same([_plain_item(item) for item in found], [_plain_item(item) for item in expected], what)
    for item in found:
        allowed = law.reasons(user, event_id(item.body))
        assert (item.reason, item.topic) in allowed, f"{what}: {item}, the law has {allowed}"


def _plain_item(item: FeedItem) -> tuple[int, int, bytes, int | None]:
    return item.key, item.position, _plain(item.body), item.read_at


def _same_row(known: InboxRow, now: InboxRow, read_up_to: int, read_seq: int) -> None:
    """A client's row is the store's, once the watermark is applied to it.

    One that changed between the watermark and the read-all that moved it may have been unread since before
    or not: only there the client cannot know.
    """
    assert (known.seq, known.deleted, known.archived_at) == (now.seq, now.deleted, now.archived_at)
    if not read_up_to < known.seq < read_seq:
        read = known.read_at is not None or known.seq <= read_up_to
        assert read == (now.read_at is not None), (
            f"a client has {known}, the store {now}, read up to {read_up_to}"
        )


def _kept(page: Page, items: list[FeedItem]) -> tuple[list[int], int | None]:
    items.extend(page.items)
    return [item.key for item in page.items], page.next_key


def _plain(body: bytes) -> bytes:
    """A body without the random names, which differ from store to store."""
    return _ALIAS.sub(b"erased", body)


def _nameless(entry: LogEntry) -> LogEntry:
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
    return row._replace(id=str(ref[1]), body=_plain(row.body))
