"""What merging partitions does to rows that are there twice."""

from contextlib import closing

from tidings.storage.sqlite.db import Db
from tidings.storage.sqlite.partitions import MERGE_AT, PartitionedTable

HOME, KEY, VERB, TOPIC = 15, 1, 1, 3
TARGET = 0
"""``origin`` of what is addressed to a person."""


def merged(first: int, second: int) -> list[tuple[int, ...]]:
    """The rows after a merge, of an entry that a source has as ``first`` and its target as ``second``."""
    with closing(Db(":memory:")) as db:
        db.execute("CREATE TABLE partition (family, id, lower_bound, rows, merging_into)")
        family = PartitionedTable(db, "timeline", rows=1)
        for low in range(MERGE_AT):
            family.roll(10 * (low + 1))
        family.begin_merge()
        family.publish()
        span = family.merging()
        assert span is not None
        for part, why in ((span.parts[0], first), (span.parts[-1], second)):
            db.execute(f"INSERT INTO timeline_{part} VALUES (?, ?, ?, ?)", (HOME, KEY, VERB, why))
        while family.copy(span, budget=1):
            pass
        return db.all(f"SELECT * FROM timeline_{span.parts[-1]}")


def test_a_target_who_also_follows_stays_addressed() -> None:
    """Of an entry that is addressed to somebody and came by a follow too, the address is kept."""
    assert merged(TARGET, TOPIC) == merged(TOPIC, TARGET) == [(HOME, KEY, VERB, TARGET)]


def test_what_came_by_two_follows_is_there_once() -> None:
    """Of two follows either is a reason."""
    assert merged(TOPIC, TOPIC + 1) == [(HOME, KEY, VERB, TOPIC + 1)]
