"""Inboxes: rows by (user, seq), a head with the exact count, read-all watermarks, and a list of later changes.

A row is read when it was marked, or when it last became unread at or before a watermark; so read-all moves one number,
however many rows lie under it.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tidings.ids import MAX_KEY, notification_id
from tidings.model import Counts, InboxChanges, InboxPage, InboxRow
from tidings.storage.sqlite.reading import Reading, chunks
from tidings.storage.sqlite.writer import sql

NOBODY = Counts(0, 0)
FIRST_CHUNK, LARGEST_CHUNK = 64, 4_096


class Row(NamedTuple):
    """A notification as stored. ``changed``: the seq of its last change after arriving; ``unread_since``: that at which
    it last became unread again."""

    seq: int
    key: int
    changed: int | None
    unread_since: int | None
    seen_at: int | None
    read_at: int | None
    archived_at: int | None
    deleted: int | None
    verb: int

    @property
    def became_unread(self) -> int:
        """The seq at which it became unread."""
        return self.seq if self.unread_since is None else self.unread_since

    @property
    def listed(self) -> bool:
        """Whether an inbox shows it."""
        return self.archived_at is None and not self.deleted


class Floors:
    """The read-alls of one inbox, by watermark."""

    def __init__(self, rows: Sequence[tuple[int, int, int]]) -> None:
        self._rows = rows

    @classmethod
    def of(cls, r: Reading, user: int) -> "Floors":
        """Those of a user."""
        query = "SELECT up_to, seq, at FROM inbox_floor WHERE user=? ORDER BY up_to"
        return cls(r.db.all(query, (user,)))

    @property
    def last(self) -> tuple[int, int]:
        """(watermark, the seq that moved it there), zeros before the first."""
        return self._rows[-1][:2] if self._rows else (0, 0)

    def read_at(self, row: Row) -> int | None:
        """When a row was first read, None while it is unread."""
        if row.read_at is not None:
            return row.read_at
        return next((at for up_to, _, at in self._rows if up_to >= row.became_unread), None)

    def seen_at(self, row: Row) -> int | None:
        """When a row was first seen; reading is seeing."""
        return self.read_at(row) if row.seen_at is None else row.seen_at


def counts(r: Reading, user: int | None) -> Counts:
    """The head of an inbox."""
    if user is None:
        return NOBODY
    row = r.db.one(
        "SELECT h.unread, h.seq, f.up_to, f.seq FROM inbox_head h LEFT JOIN inbox_floor f ON f.user=h.user"
        " WHERE h.user=? ORDER BY f.up_to DESC LIMIT 1",
        (user,),
    )
    return Counts(row[0], row[1], row[2] or 0, row[3] or 0) if row else NOBODY


def page(
    r: Reading, user: int, limit: int, before: int | None, unread_only: bool, verb: int | None
) -> InboxPage:
    """A page of an inbox; see InboxViews.inbox."""
    head = counts(r, user)
    floors = Floors.of(r, user)
    found: list[Row] = []
    at = MAX_KEY if before is None else before
    chunk = limit + 1 if not unread_only and verb is None else max(limit + 1, FIRST_CHUNK)
    unread_left = head.unread_count
    while len(found) <= limit and not (unread_only and not unread_left):
        rows = _rows(r, user, at, chunk)
        for row in rows:
            unread = floors.read_at(row) is None
            unread_left -= unread
            if (unread or not unread_only) and verb in (None, row.verb):
                found.append(row)
        if len(rows) < chunk:
            break
        at, chunk = rows[-1].seq, min(chunk * 2, LARGEST_CHUNK)
    following = found[limit - 1].seq if len(found) > limit else None
    return InboxPage(dress(r, user, found[:limit], floors), following, head)


def _rows(r: Reading, user: int, before: int, limit: int) -> list[Row]:
    found: dict[int, Row] = {}
    for span in reversed(r.writer.inboxes.spans):
        for n in span.parts:
            values = (user, before, limit - len(found) if len(span.parts) == 1 else limit)
            found |= {row[0]: Row(*row) for row in r.db.execute(sql("inbox_page", n), values)}
        if len(found) >= limit:
            break
    return [found[seq] for seq in sorted(found, reverse=True)[:limit]]


def row(r: Reading, user: int, seq: int) -> tuple[int, Row] | None:
    """(its partition, the row) of one notification."""
    for n in chunks(r.writer.inboxes):
        found = r.db.one(sql("inbox_row", n), (user, seq))
        if found is not None:
            return n, Row(*found)
    return None


def since(r: Reading, user: int, seq: int, limit: int) -> InboxChanges:
    """What changed after a seq; see InboxViews.inbox_since.

    What arrived and was left alone comes from the rows themselves, what changed later from the list of changes; both
    are in the order of seqs, so the first of both together are the first of all.
    """
    head = counts(r, user)
    if seq > head.seq:
        return InboxChanges([], head, reset=True)
    changed = r.db.all(
        "SELECT row FROM inbox_change WHERE user=? AND seq>? ORDER BY seq LIMIT ?", (user, seq, limit + 1)
    )
    again = [found[1] for (number,) in changed if (found := row(r, user, number)) is not None]
    both = sorted(_arrived(r, user, seq, limit + 1) + again, key=last_change)
    return InboxChanges(dress(r, user, both[:limit], Floors.of(r, user)), head, len(both) > limit)


def _arrived(r: Reading, user: int, seq: int, limit: int) -> list[Row]:
    found: dict[int, Row] = {}
    for span in r.writer.inboxes.spans:
        for n in span.parts:
            rows = r.db.execute(sql("inbox_arrived", n), (user, seq, limit))
            found |= {row[0]: Row(*row) for row in rows}
        if len(found) >= limit:
            break
    return [found[seq] for seq in sorted(found)[:limit]]


def last_change(row: Row) -> int:
    """The seq of a row's last change."""
    return row.seq if row.changed is None else row.changed


def dress(r: Reading, user: int, rows: Iterable[Row], floors: Floors) -> list[InboxRow]:
    """Rows with the bodies of their events."""
    rows = list(rows)
    bodies = {key: body for key, _, body in r.rows([row.key for row in rows if not row.deleted], "bodies")}
    return [
        InboxRow(
            notification_id(user, row.seq),
            row.seq,
            last_change(row),
            bodies.get(row.key, b""),
            floors.seen_at(row),
            floors.read_at(row),
            row.archived_at,
            bool(row.deleted),
        )
        for row in rows
        if row.deleted or row.key in bodies
    ]
