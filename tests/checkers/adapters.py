"""A store's answers, and the wire's JSON, as the plain data that checkers take."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec

from tests.checkers import groups
from tests.checkers.inboxes import Item
from tests.checkers.ledger import Place
from tests.checkers.paging import Fetch
from tidings.filters import ActivityOf, FeedFilter, FeedOf
from tidings.grouping import FeedGroup, GroupCursor, GroupPage, GroupRule
from tidings.model import FeedItem, InboxCounters, InboxRow, LogEntry, Receipt
from tidings.ports import Store

ALL = 1_000_000
"""A limit that no test reaches."""


def event_id(body: bytes) -> str:
    """The id that an event's JSON carries."""
    return str(msgspec.json.decode(body)["event_id"])


def places(entries: Sequence[LogEntry] | Sequence[Receipt]) -> list[Place]:
    """Log entries, or receipts, as places."""
    return [
        Place(one.position, event_id(one.body) if isinstance(one, LogEntry) else one.event_id)
        for one in entries
    ]


def item(row: InboxRow) -> Item:
    """A stored notification."""
    return Item(
        row.id,
        row.order,
        row.seq,
        row.unread_seq,
        row.event_ids,
        row.size,
        row.read_at is not None,
        row.archived_at is not None,
        row.deleted,
        row.seen_at is not None,
        row.snoozed_until is not None,
    )


def json_item(shown: Mapping[str, Any]) -> Item:
    """A notification, or a tombstone, as it came over the wire. The order of a tombstone is hidden; its id rises
    with it."""
    id, seq = shown["id"], shown["seq"]
    if shown.get("deleted"):
        number = int(id.rpartition("-")[2], 16)
        return Item(id, number, seq, number, size=0, deleted=True)
    read, archived = shown["read_at"] is not None, shown["archived_at"] is not None
    event_ids = tuple(shown["event_ids"])
    seen = shown.get("seen_at") is not None
    snoozed = shown.get("snoozed_until") is not None
    return Item(
        id,
        shown["order"],
        seq,
        shown["unread_seq"],
        event_ids,
        shown["count"],
        read,
        archived,
        seen=seen,
        snoozed=snoozed,
    )


async def whole_inbox(store: Store, user: str) -> tuple[list[Item], InboxCounters]:
    """Every row there is, tombstones and archived ones included, and the counts of the same moment; without tombstones from
    before a read-all was undone, or some were merged."""
    since = await _beginning(store, user)
    changes = await store.inbox_since(user, since, ALL)
    listed = (await store.inbox(user, ALL, None, state="all")).rows if since else []
    rows = {row.id: row for row in (*listed, *changes.rows)}
    return [item(row) for row in rows.values()], changes.counts


async def _beginning(store: Store, user: str) -> int:
    """The first seq from which one can go on. An inbox that was erased before has others before it, and so has one in
    which a read-all was undone, or some were merged."""
    first = await store.inbox_since(user, 0, 1)
    low, high = (1, first.counts.seq) if first.reset else (0, 0)
    while low < high:
        middle = (low + high) // 2
        if (await store.inbox_since(user, middle, 1)).reset:
            low = middle + 1
        else:
            high = middle
    return low


def feed_pages(store: Store, user: str, limit: int, want: FeedFilter | None = None) -> Fetch:
    """The pages of a feed, for ``paging.walk``."""

    async def fetch(before: int | None) -> tuple[list[int], int | None]:
        page = await store.feed(user, want or FeedFilter(), limit, before)
        return [found.key for found in page.items], page.next_key

    return fetch


def inbox_pages(store: Store, user: str, limit: int) -> Fetch:
    """The pages of an inbox, for ``paging.walk``; its keys are the orders."""

    async def fetch(before: int | None) -> tuple[list[int], int | None]:
        page = await store.inbox(user, limit, before)
        return [row.order for row in page.rows], page.next_order

    return fetch


GroupReader = Callable[[GroupCursor | None], Awaitable[GroupPage]]
"""Reads the page of groups that begins at a cursor."""
MAX_PAGES = 1_000
"""Pages of groups that no test reaches; a list that does not end fails."""


async def all_groups(
    read: GroupReader, between: Callable[[], Awaitable[None]] | None = None
) -> list[FeedGroup]:
    """The groups of all pages of one cursor; ``between`` runs after each page that has a successor."""
    found: list[FeedGroup] = []
    at: GroupCursor | None = None
    for _ in range(MAX_PAGES):
        page = await read(at)
        found += page.groups
        at = page.next
        if at is None:
            return found
        assert page.position == at.position, f"{page} continues at another position"
        if between is not None:
            await between()
    raise AssertionError(f"no end after {MAX_PAGES} pages")


def shown_group(group: FeedGroup) -> groups.Shown:
    """A group of a store."""
    return groups.Shown(
        group.id,
        group.verb,
        f"{group.object_type}:{group.object_id}",
        group.end,
        group.top,
        group.count,
        group.read,
        group.actors,
        group.actor_count,
        [item.key for item in group.items],
    )


def plain_item(item: FeedItem) -> groups.Plain:
    """An item of a feed or of activity."""
    body = msgspec.json.decode(item.body)
    thing = f"{body['object_type']}:{body['object_id']}"
    return groups.Plain(item.key, body["verb"], thing, body["actor_id"], item.read_at is not None)


async def sound_groups(
    store: Store, what: FeedOf | ActivityOf, want: FeedFilter, limit: int, rule: GroupRule
) -> list[FeedGroup]:
    """All groups of a feed or of activity, read page by page; they must partition the plain items."""
    found = await all_groups(lambda at: store.feed_groups(what, want, limit, at, rule))
    if isinstance(what, FeedOf):
        page = await store.feed(what.user, want, ALL, None)
    else:
        page = await store.activity(what.topic, want, ALL, None, what.viewer)
    items = [plain_item(item) for item in page.items]
    groups.partition(items, [shown_group(group) for group in found], rule.max_items)
    return found
