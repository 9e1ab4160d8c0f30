"""Changed rows of one inbox, written together: a statement for many costs a fraction of one for each."""

from collections.abc import Collection
from typing import NamedTuple

from tidings.storage.sqlite import notification_groups
from tidings.storage.sqlite.notification_groups import Row
from tidings.storage.sqlite.read_snapshot import ReadSnapshot
from tidings.storage.sqlite.statements import sql
from tidings.storage.sqlite.write_session import WriteSession


class UnreadNumber(NamedTuple):
    """A number of unread groups, of their items, and of those of the groups that were not seen."""

    groups: int
    items: int
    unseen: int = 0


class ChangedRows:
    """The rows that a command changes, each with the next seq of the inbox, in the order in which they are added. They are
    in the file after :meth:`flush`, which must come before anything else takes a seq, and before the end."""

    def __init__(self, w: WriteSession, r: ReadSnapshot, user: int, rows: Collection[Row]) -> None:
        """``rows``: those that may change."""
        self._w = w
        self._user = user
        numbers = [row.number for row in rows if row.opened is not None]
        self._sizes = {number: one.size for number, one in notification_groups.of(r, user, numbers).items()}
        self._seq = 0
        self._rows: dict[int, tuple[int, Row]] = {}
        self._replaced: list[int] = []
        self._more = [0, 0, 0]

    def add(self, n: int, before: Row, row: Row, again: bool) -> Row:
        """A row of a partition changed, whose times are its own. ``again``: it became unread now, and so is above every
        watermark. Returns the row as it is written."""
        if row.seq in self._rows:
            self.flush()
        if not self._rows:
            (self._seq,) = self._w.db.one(sql("inbox_seq"), (self._user,))
        self._seq += 1
        more = self._difference(before, row)
        if more.groups > 0 and not again:
            self._w.settled.forget(self._user)
        self._more = [sum(pair) for pair in zip(self._more, more, strict=True)]
        if row.changed is not None:
            self._replaced.append(row.changed)
        row = row._replace(changed=self._seq, unread_since=self._seq if again else row.unread_since)
        self._rows[row.seq] = n, row
        return row

    def flush(self) -> None:
        """Write what was added."""
        w, user, rows = self._w, self._user, list(self._rows.values())
        if not rows:
            return
        w.db.execute(sql("advance_inbox"), (len(rows), *self._more, user))
        if self._replaced:
            w.db.execute(sql("delete_changes"), (user, w.carray(self._replaced)))
        w.insert("insert_changes", [(user, row.changed, row.seq) for _, row in rows])
        by_part: dict[int, list[tuple[int | bytes | None, ...]]] = {}
        for n, row in rows:
            said = (row.key, row.changed, row.unread_since, *row[6:], user, row.seq)
            by_part.setdefault(n, []).append(said)
        for n, some in by_part.items():
            for part in w.inboxes.beside(n):
                w.db.executemany(sql("inbox_update", part), some)
        self._rows.clear()
        self._replaced, self._more = [], [0, 0, 0]

    def _difference(self, row: Row, changed: Row) -> UnreadNumber:
        """The change of the counters when one row becomes another."""
        unread = int(changed.listed and changed.read_at is None) - int(row.listed and row.read_at is None)
        unseen = int(changed.listed and changed.seen_at is None) - int(row.listed and row.seen_at is None)
        size = self._sizes.get(row.number, 1) if row.opened is not None else 1
        return UnreadNumber(unread, unread * size, unseen)
