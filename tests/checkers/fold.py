"""A client that holds an inbox and learns only what changed: what it shows must be what a fresh list shows (I6)."""

from collections.abc import Mapping, Sequence

from tests.checkers.adapters import ALL
from tidings.model import InboxChanges, InboxRow, ReadWatermark
from tidings.ports import Store


def folded(held: Mapping[str, InboxRow], changes: InboxChanges) -> dict[str, InboxRow]:
    """The rows that a client holds, by id, once it has applied a reply that is no reset: the rows in it replace its
    own, then each read-all reads, and each seen-all sees, what became unread up to its ``up_to``."""
    assert not changes.reset, "a reset is not applied: the list is fetched afresh"
    rows = {**held, **{row.id: row for row in changes.rows}}
    for mark in changes.marks:
        rows = {id: _read_under(mark, row) for id, row in rows.items()}
    return rows


def listed(held: Mapping[str, InboxRow]) -> list[InboxRow]:
    """What a client shows of what it holds."""
    shown = (row for row in held.values() if row.listed)
    return sorted(shown, key=lambda row: -row.order)


def faithful(held: Mapping[str, InboxRow], fresh: Sequence[InboxRow]) -> None:
    """I6: what the client shows is the fresh list, field by field. A new display name reaches a client with its next list:
    it changes no seq."""
    shown = listed(held)
    for row, now in zip(shown, fresh, strict=False):
        assert row._replace(actor_names=now.actor_names) == now, f"a client shows {row}, the list says {now}"
    assert len(shown) == len(fresh), f"a client shows {len(shown)} rows, the list has {len(fresh)}"


class Client:
    """Holds one inbox. ``seq`` is how far it has heard."""

    def __init__(self) -> None:
        self.rows: dict[str, InboxRow] = {}
        self.seq = 0

    async def catch_up(self, store: Store, user: str, limit: int) -> None:
        """Ask for changes, ``limit`` at a time, until there are no more; after a reset fetch everything."""
        more = True
        while more:
            changes = await store.inbox_since(user, self.seq, limit)
            if changes.reset:
                page = await store.inbox(user, ALL, None)
                self.rows, self.seq = {row.id: row for row in page.rows}, page.counts.seq
                return
            self.rows = folded(self.rows, changes)
            more = changes.more
            self.seq = changes.next_since


def _read_under(mark: ReadWatermark, row: InboxRow) -> InboxRow:
    if row.unread_seq > mark.up_to or mark.type not in ("", row.type) or row.read_at is not None:
        return row
    if mark.seen_only:
        return row._replace(seen_at=mark.at if row.seen_at is None else row.seen_at)
    return row._replace(read_at=mark.at, seen_at=mark.at if row.seen_at is None else row.seen_at)
