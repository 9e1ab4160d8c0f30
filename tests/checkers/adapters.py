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
    shown = "" if row.deleted else event_id(row.body)
    return Item(
        row.id, row.order, row.seq, shown, row.read_at is not None, row.archived_at is not None, row.deleted
    )


def json_item(shown: Mapping[str, Any]) -> Item:
    """A notification, or a tombstone, as it came over the wire. The wire hides the order; ids rise with
    it."""
    number = int(shown["id"].rpartition("-")[2], 16)
    if shown.get("deleted"):
        return Item(shown["id"], number, shown["seq"], deleted=True)
    read, archived = shown["read_at"] is not None, shown.get("archived_at") is not None
    return Item(shown["id"], number, shown["seq"], shown["event_ids"][0], read, archived)


async def whole_inbox(store: Store, user: str) -> tuple[list[Item], Counts]:
    """Every row there is, tombstones and archived ones included, and the counts of the same moment."""
    changes = await store.inbox_since(user, 0, ALL)
    return [item(row) for row in changes.rows], changes.counts


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
