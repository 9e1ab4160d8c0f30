"""Mutes and blocks, and the users whose feed entries are checked against them when they are read."""

from collections.abc import Collection

from tidings.storage.sqlite.db import Db
from tidings.storage.sqlite.read_snapshot import ReadSnapshot
from tidings.storage.sqlite.statements import sql
from tidings.storage.sqlite.write_session import WriteSession
from tidings.timeutil import DAY_MS

MUTE, BLOCK, BLOCKED_BY = 0, 1, 2
"""The kinds of rows in ``relation``."""


def require_visibility_check(w: WriteSession, user: int) -> None:
    """From now on each entry of this user's feed is checked before it is shown."""
    w.db.execute(
        sql("require_visibility_check"),
        (user, today(w)),
    )


def has_block(db: Db, user: int, other: int) -> bool:
    """Whether one of two users has blocked the other."""
    return bool(db.one(sql("blocks_either_way"), (user, other))[0])


def blocked_among(r: ReadSnapshot, user: int, others: Collection[int]) -> set[int]:
    """Those of these users whom a block, of either side, hides from a user."""
    query = sql("blocked_among")
    return {other for (other,) in r.db.execute(query, (user, r.writer.carray(others)))} if others else set()


def today(w: WriteSession) -> int:
    """Days since 1970."""
    return w.clock.now() // DAY_MS
