"""Partitioned tables, each of which is one table in meaning: events, timelines and inboxes, partitioned by time.

The cost of random inserts is the number of dirty pages, because a commit writes whole pages to the log. So new rows go to a
small partition, whose few hundred pages many rows of a commit share; when it is full the next one begins. Every partition
costs a reader with few rows a probe, so old ones are merged, eight at a time, in one sequential pass: their number grows
with the logarithm of the rows. docs/adr/0003 has the measurements.

While partitions are merged they and their target cover one *span* of bounds and are read together; a row may then be in a
source and in the target, and counts once. New rows of that span go to the target, changes and deletions to every table of
it.

A table gets its first row only in a transaction after the one that created it was published here, and a table is dropped
only after it was removed from the list, so a reader that works from this list misses nothing; a reader that finds a table
missing (not created yet, or dropped) tries again.
"""

from bisect import bisect_right
from typing import NamedTuple

from tidings.ids import MAX_KEY
from tidings.storage.sqlite.db import Db
from tidings.storage.sqlite.statements import sql

MERGE_AT = 8
"""Adjacent partitions of about one size that are merged: each row is rewritten once for eightfold growth."""
QUIET_RATIO = 4
"""While nothing is published, a partition is merged with the newer ones if it is at most this many times their rows, so that
few are left for readers, and a large one is not rewritten for a few new rows."""
LARGEST_ROWS = 64_000_000
"""Rows of the largest partition that merging makes: more would save one probe in some hundred."""

BEFORE_ALL = -(1 << 63)
"""Below every timeline and user: timelines of events for recipients have negative numbers."""


class Partition(NamedTuple):
    """One table: ``low`` is its lower bound, ``rows`` about how many it has once it is no longer the newest, ``into`` the
    partition that its rows are moved to."""

    id: int
    low: int
    rows: int
    into: int | None


class PartitionRange(NamedTuple):
    """Bounds [low, high) and the tables that have their rows; the last one takes new rows."""

    low: int
    high: int
    parts: tuple[int, ...]


class PartitionedTable:
    """The partitions of one table. Only the writer changes them; readers use ``spans``, replaced as a whole."""

    def __init__(self, connection: Db, name: str, rows: int) -> None:
        """``rows`` fill one partition."""
        self._db = connection
        self.name = name
        self._full = rows
        self._rows = 0
        self._copied = BEFORE_ALL
        self._first = "timeline" if name == "timeline" else "user"
        self.spans: tuple[PartitionRange, ...] = ()
        self._load()
        with connection:
            self._drop_orphans()
            if not self._parts:
                self._add(0)
        self.publish()

    def _drop_orphans(self) -> None:
        """Drop merged tables that a crash left between the removal from the list and the drop."""
        listed = {f"{self.name}_{part.id}" for part in self._parts}
        query = sql("partition_tables")
        for (table,) in self._db.all(query, (f"{self.name}_[0-9]*",)):
            if table not in listed:
                self._db.execute(sql("drop_table", table=table))

    def _load(self) -> None:
        rows = self._db.execute(sql("partitions"), (self.name,))
        self._parts = [Partition(*row) for row in rows]
        self._copied = BEFORE_ALL
        if self._parts:
            newest = self._parts[-1].id
            (self._rows,) = self._db.one(sql("count_rows", table=f"{self.name}_{newest}"))

    def reload(self) -> None:
        """Read the partitions from the file, after a roll-back."""
        self._load()
        self.publish()

    def publish(self) -> None:
        """Publish the current partitions to readers; after the commit."""
        targets = [part for part in self._parts if part.into is None]
        highs = [part.low for part in targets[1:]] + [MAX_KEY]
        self.spans = tuple(
            PartitionRange(target.low, high, (*(p.id for p in self._parts if p.into == target.id), target.id))
            for target, high in zip(targets, highs, strict=True)
        )

    def span(self, bound: int) -> PartitionRange:
        """The span that contains a bound."""
        return self.spans[bisect_right(self.spans, bound, key=_low) - 1]

    def beside(self, number: int) -> tuple[int, ...]:
        """The tables that may have copies of the rows of this one, itself included."""
        return next(span.parts for span in self.spans if number in span.parts)

    def newest(self) -> int:
        """The table that takes new rows."""
        return self.spans[-1].parts[-1]

    def grew(self, rows: int) -> None:
        """Count rows added to the newest partition."""
        self._rows += rows

    def is_full(self) -> bool:
        """Whether the newest partition has its full number of rows."""
        return self._rows >= self._full

    def roll(self, low: int) -> None:
        """Begin a new partition at a bound above all others; in a transaction of its own, then publish()."""
        newest = self._parts[-1]
        self._db.execute(sql("set_partition_rows"), (self._rows, self.name, newest.id))
        self._parts[-1] = newest._replace(rows=self._rows)
        self._add(low)
        self._rows = 0

    def _add(self, low: int, rows: int = 0) -> int:
        (number,) = self._db.one(sql("next_partition_id"), (self.name,))
        self._db.execute(sql(f"create_{self.name}", number))
        self._db.execute(sql("insert_partition"), (self.name, number, low, rows))
        self._parts.append(Partition(number, low, rows, None))
        self._parts.sort(key=lambda part: (part.low, part.into is None, part.id))
        return int(number)

    # --- merging --------------------------------------------------------------------------------------------

    def merging(self) -> PartitionRange | None:
        """The span of a running merge; its last table is the target."""
        return next((span for span in self.spans if len(span.parts) > 1), None)

    def mergeable(self, quiet: bool = False) -> bool:
        """Whether adjacent partitions can be merged; when it is ``quiet``, fewer are left."""
        return bool(self._run(quiet))

    def begin_merge(self, quiet: bool = False) -> None:
        """Start to merge the oldest such run; then publish() after the commit."""
        run = self._run(quiet)
        target = self._add(run[0].low, sum(part.rows for part in run))
        for part in run:
            self._db.execute(sql("set_merging_into"), (target, self.name, part.id))
        self._parts = [p._replace(into=target) if p in run else p for p in self._parts]
        self._copied = BEFORE_ALL

    def _run(self, quiet: bool) -> list[Partition]:
        sealed = [p for p in self._parts if p.into is None][:-1]
        for at in range(len(sealed) - 1):
            run = sealed[at:] if quiet else sealed[at : at + MERGE_AT]
            rows = [part.rows for part in run]
            worth = rows[0] <= QUIET_RATIO * sum(rows[1:]) if quiet else len(run) == MERGE_AT and _alike(rows)
            if worth and sum(rows) <= LARGEST_ROWS:
                return run
        return []

    def copy(self, span: PartitionRange, budget: int) -> int:
        """Copy the next timelines of the sources, about ``budget`` rows, in their order, so that the target only grows at
        its end; returns the rows copied, 0 when all are. After a restart it starts from the beginning: existing rows are
        skipped."""
        *sources, target = span.parts
        bound = min(self._nth(source, budget // len(sources)) for source in sources)
        union = " UNION ALL ".join(
            sql("rows_to_merge", table=f"{self.name}_{source}", first=self._first) for source in sources
        )
        merge = sql(f"merge_{self.name}", target, rows=union)
        self._db.execute(merge, (self._copied, bound))
        done = self._copied == MAX_KEY
        self._copied = bound
        return 0 if done else max(self._db.changes(), 1)

    def _nth(self, source: int, rows: int) -> int:
        """The timeline that the n-th row not yet copied belongs to."""
        query = sql("nth_bound", table=f"{self.name}_{source}", first=self._first)
        row = self._db.one(query, (self._copied, rows))
        return row[0] if row else MAX_KEY

    def end_merge(self, span: PartitionRange) -> None:
        """Remove the copied sources from the list; in a transaction, then publish(), then drop()."""
        for source in span.parts[:-1]:
            self._db.execute(sql("delete_partition"), (self.name, source))
        self._parts = [p for p in self._parts if p.id not in span.parts[:-1]]

    def drop(self, span: PartitionRange) -> None:
        """Drop the tables of a merged span. Their pages are not overwritten, which would write every page of a large table
        in one transaction: merged rows are numbers, which identify no user once the name is deleted."""
        self._db.execute("PRAGMA secure_delete=FAST")
        try:
            for source in span.parts[:-1]:
                self._db.execute(sql("drop_table", table=f"{self.name}_{source}"))
        finally:
            self._db.execute("PRAGMA secure_delete=ON")


def _alike(rows: list[int]) -> bool:
    """Whether partitions are of one size, as those are that were filled up, or were merged from such."""
    return max(rows) < MERGE_AT * max(1, min(rows))


def _low(span: PartitionRange) -> int:
    return span.low
