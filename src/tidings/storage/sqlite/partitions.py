"""Families of tables that are one table in meaning: events, timelines and inboxes, parted by time.

One clustered table over many users falls from 400k to 74k rows/s between 1M and 20M rows, because nearly every row
dirties a page of its own; a partition of 0.5-2M rows stays in the cache. Every partition costs a reader with few rows
a probe, so old ones are merged, four at a time: their number grows with the logarithm of the rows.

While four partitions are merged they and their target cover one *span* of bounds and are read together. New rows of
that span go to the target; readers drop the few doubles that can come of it.

A table gets its first row only in a transaction after the one that made it was published here, and a table is dropped
only after it was taken off the list, so a reader that works from this list misses nothing; one that meets a table
which is not there (yet, or any more) tries again.
"""

from bisect import bisect_right
from typing import NamedTuple

from tidings.ids import MAX_KEY
from tidings.storage.sqlite.db import Db

MERGE_AT = 4
"""Adjacent partitions of one tier that become one of the next."""
LARGEST_TIER = 3
"""Tiers grow fourfold: 1M, 4M, 16M, 64M rows with the default; larger merges would cost more than a probe."""


class Part(NamedTuple):
    """One table of a family: ``low`` is its least bound, ``into`` the partition that its rows are moving to."""

    id: int
    low: int
    tier: int
    into: int | None


class Span(NamedTuple):
    """Bounds [low, high) and the tables that hold them; the last one takes new rows."""

    low: int
    high: int
    parts: tuple[int, ...]


class Family:
    """The partitions of one family. Only the writer changes them; readers use ``spans``, replaced as a whole."""

    def __init__(self, connection: Db, name: str, create: str, rows: int) -> None:
        """``create`` makes a table, with {n} for its number; ``rows`` fill one partition."""
        self._db = connection
        self.name = name
        self._create = create
        self._full = rows
        self._rows = 0
        self.spans: tuple[Span, ...] = ()
        self._load()
        if not self._parts:
            with connection:
                self._add(0)
        self.publish()

    def _load(self) -> None:
        rows = self._db.execute(
            "SELECT id, low, tier, into_part FROM part WHERE family=? ORDER BY low, into_part IS NULL, id",
            (self.name,),
        )
        self._parts = [Part(*row) for row in rows]
        if self._parts:
            newest = self._parts[-1].id
            (self._rows,) = self._db.one(f"SELECT count(*) FROM {self.name}_{newest}")

    def reload(self) -> None:
        """Take the partitions from the file, after a roll-back."""
        self._load()
        self.publish()

    def publish(self) -> None:
        """Show readers the partitions as they are now; after the commit that made them so."""
        targets = [part for part in self._parts if part.into is None]
        highs = [part.low for part in targets[1:]] + [MAX_KEY]
        self.spans = tuple(
            Span(target.low, high, (*(p.id for p in self._parts if p.into == target.id), target.id))
            for target, high in zip(targets, highs, strict=True)
        )

    def span(self, bound: int) -> Span:
        """The span that holds a bound."""
        return self.spans[bisect_right(self.spans, bound, key=_low) - 1]

    def newest(self) -> int:
        """The table that takes rows of now."""
        return self.spans[-1].parts[-1]

    def grew(self, rows: int) -> None:
        """Count rows added to the newest partition."""
        self._rows += rows

    def is_full(self) -> bool:
        """Whether the newest partition has taken what it should hold."""
        return self._rows >= self._full

    def roll(self, low: int) -> None:
        """Begin a new partition at a bound above all others; in a transaction of its own, then publish()."""
        self._add(low)
        self._rows = 0

    def _add(self, low: int, tier: int = 0) -> int:
        (number,) = self._db.one("SELECT coalesce(max(id), 0) + 1 FROM part WHERE family=?", (self.name,))
        self._db.execute(self._create.format(n=number))
        self._db.execute("INSERT INTO part VALUES (?, ?, ?, ?, NULL)", (self.name, number, low, tier))
        self._parts.append(Part(number, low, tier, None))
        self._parts.sort(key=lambda part: (part.low, part.into is None, part.id))
        return int(number)

    # --- merging --------------------------------------------------------------------------------------------------

    def merging(self) -> tuple[int, int] | None:
        """(source, target) of a merge under way."""
        return next(((p.id, p.into) for p in self._parts if p.into is not None), None)

    def mergeable(self) -> bool:
        """Whether four neighbours of one tier wait to be merged."""
        return bool(self._run())

    def begin_merge(self) -> None:
        """Start merging the oldest such four; then publish() after the commit."""
        run = self._run()
        target = self._add(run[0].low, run[0].tier + 1)
        for part in run:
            self._db.execute(
                "UPDATE part SET into_part=? WHERE family=? AND id=?", (target, self.name, part.id)
            )
        self._parts = [p._replace(into=target) if p in run else p for p in self._parts]

    def _run(self) -> list[Part]:
        sealed = [p for p in self._parts if p.into is None][:-1]
        for at in range(len(sealed) - MERGE_AT + 1):
            run = sealed[at : at + MERGE_AT]
            if len({p.tier for p in run}) == 1 and run[0].tier < LARGEST_TIER:
                return run
        return []

    def move(self, source: int, target: int, budget: int) -> int:
        """Move about ``budget`` rows, whole timelines at a time; returns the rows moved, 0 when none are left.

        Clustered order makes this a sequential copy. Emptied sources are dropped by :meth:`drop`.
        """
        first = "timeline" if self.name == "timeline" else "user"
        row = self._db.one(
            f"SELECT {first} FROM {self.name}_{source} ORDER BY {first} LIMIT 1 OFFSET ?", (budget,)
        )
        bound = row[0] if row else MAX_KEY
        self._db.execute(
            f"INSERT OR IGNORE INTO {self.name}_{target} SELECT * FROM {self.name}_{source} WHERE {first} <= ?",
            (bound,),
        )
        self._db.execute(f"DELETE FROM {self.name}_{source} WHERE {first} <= ?", (bound,))
        return self._db.changes()

    def forget_part(self, source: int) -> None:
        """Take an emptied source off the list; in a transaction, then publish(), then drop()."""
        self._db.execute("DELETE FROM part WHERE family=? AND id=?", (self.name, source))
        self._parts = [p for p in self._parts if p.id != source]

    def drop(self, source: int) -> None:
        """Drop the table of a forgotten partition."""
        self._db.execute(f"DROP TABLE IF EXISTS {self.name}_{source}")


def _low(span: Span) -> int:
    return span.low
