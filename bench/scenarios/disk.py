"""What does a feed entry, and an event beside its body, take on disk?"""

from collections import Counter
from contextlib import closing
from pathlib import Path

import apsw

from bench.report import Row
from bench.run import Bench


def disk(bench: Bench) -> list[Row]:
    """Pages of the tables, empty room in them included, after the file was closed and so checkpointed.

    An event's own are its row, its places in the log and in the timelines of its three topics, the names and
    the follows; not its body.
    """
    file, _ = bench.world
    with closing(apsw.Connection(str(file), flags=apsw.SQLITE_OPEN_READONLY)) as db:
        sizes = _bytes_of_families(db)
        homes = _sum(db, "timeline", "sum(timeline & 1)")
        rows = _sum(db, "timeline", "count(*)")
        events = _sum(db, "event", "count(*)")
        bodies = _sum(db, "event", "sum(length(body))")
    timelines = sizes.pop("timeline")
    per_entry = timelines / rows
    beyond = sizes.total() - bodies + per_entry * (rows - homes)
    return [
        Row(name="disk: a feed entry", value=per_entry, unit="bytes", gate=60, goal=40),
        Row(name="disk: an event beyond its body", value=beyond / events, unit="bytes", gate=200, goal=100),
    ]


def _bytes_of_families(db: apsw.Connection) -> Counter[str]:
    """Bytes by table, those of partitions together and those of indexes with their table's."""
    query = (
        "SELECT m.tbl_name, sum(s.pgsize) FROM dbstat s JOIN sqlite_schema m ON m.name = s.name"
        " WHERE s.aggregate = TRUE GROUP BY 1"
    )
    sizes: Counter[str] = Counter()
    for name, size in db.execute(query):
        sizes[str(name).rstrip("0123456789").rstrip("_")] += int(size)
    return sizes


def _sum(db: apsw.Connection, family: str, what: str) -> int:
    """An aggregate over all partitions of a family."""
    parts = [number for (number,) in db.execute("SELECT id FROM partition WHERE family = ?", (family,))]
    values = [db.execute(f"SELECT {what} FROM {family}_{part}").get for part in parts]
    return sum(value or 0 for value in values)


def home_entries(file: Path) -> int:
    """Feed entries in home timelines of a closed store."""
    with closing(apsw.Connection(str(file), flags=apsw.SQLITE_OPEN_READONLY)) as db:
        return _sum(db, "timeline", "sum(timeline & 1)")
