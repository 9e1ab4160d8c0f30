"""A store's answers, and the wire's JSON, as the plain data that checkers take."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tests.checkers.inboxes import Item
from tests.checkers.ledger import Place
from tests.checkers.paging import Fetch
from tidings.model import Counts, FeedFilter, InboxRow, LogEntry, Receipt
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
    return Item(id, shown["order"], seq, shown["unread_seq"], event_ids, shown["count"], read, archived)


async def whole_inbox(store: Store, user: str) -> tuple[list[Item], Counts]:
    """Every row there is, tombstones and archived ones included, and the counts of the same moment; where a read-all
    was undone, only what is listed."""
    changes = await store.inbox_since(user, 0, ALL)
    rows = (await store.inbox(user, ALL, None)).rows if changes.reset else changes.rows
    return [item(row) for row in rows], changes.counts


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
