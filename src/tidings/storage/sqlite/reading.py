"""What every read works with: a connection, names, the partitions, and entries of timelines joined to their events."""

import asyncio
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

import apsw

from tidings.ids import MAX_KEY
from tidings.storage.sqlite.db import Db
from tidings.storage.sqlite.names import Names, unpack
from tidings.storage.sqlite.partitions import Family, Span
from tidings.storage.sqlite.writer import Writer, sql

RETRIES = 5
"""Times a read begins anew because a partition was merged away under it; one is already rare."""

T = TypeVar("T")


class Entry(NamedTuple):
    """A row of a timeline. ``timeline`` tells by which way it was found, ``why`` is a topic (in homes) or position."""

    key: int
    timeline: int
    why: int


class EventRow(NamedTuple):
    """An event as stored, with numbers for names."""

    key: int
    position: int
    actor: int
    object: int
    verb: int
    topics: bytes | None
    targets: bytes | None
    body: bytes

    def all_topics(self) -> list[int]:
        """The actor, the object, the extra topics, each once."""
        return list(dict.fromkeys((self.actor, self.object, *unpack(self.topics))))


class Reading:
    """One connection's view. The writer's in-memory state is taken as it is: it is replaced, never changed in place."""

    def __init__(self, db: Db, names: Names, writer: Writer) -> None:
        self.db = db
        self.names = names
        self.writer = writer

    def retrying(self, read: Callable[[], T]) -> T:
        """The result of ``read``, begun anew when it met a partition that is not there (yet, or any more)."""
        for _ in range(RETRIES):
            try:
                return read()
            except apsw.SQLError as error:
                if "no such table" not in str(error):
                    raise
                self.renew()
        return read()

    def renew(self) -> None:
        """Look at the file as it is now. A reading whose statements each have a snapshot of their own always does."""

    def head(self) -> int:
        """A position up to which every statement from now on sees the log. Ask for it before what is told with it: who
        is told a position that is ahead of the items beside it would never be told the items between."""
        return self.writer.committed

    def entries(
        self, timelines: Sequence[int], before: int, above: int, limit: int, verb: int | None = None
    ) -> list[Entry]:
        """The newest ``limit`` entries of these timelines together, by key downwards in (above, before), each key once.

        Fewer than ``limit`` are all there are.
        """
        query = self._page_query(before, verb is not None)
        values = {"before": before, "above": above, "limit": limit, "verb": verb}
        found = [
            Entry(key, timeline, why)
            for timeline in timelines
            for key, why in self.db.execute(query, {"timeline": timeline, **values})
        ]
        if len(timelines) == 1:
            return found
        # By key downwards; of doubles the one from the earliest timeline asked for is kept.
        found.sort(key=_key, reverse=True)
        return list({entry.key: entry for entry in reversed(found)}.values())[::-1][:limit]

    def home(self, timeline: int, before: int, limit: int) -> list[tuple[int, int, int, bytes | None]]:
        """(key, why, position, body) of the newest entries of one timeline below a key, for the hot path: one
        statement, unless the entries reach back into older partitions of events. Of retracted events the body is None.
        """
        values, query = _values(timeline, before, limit), self._page_query(before, False)
        events = self.writer.events.spans
        found = self.db.all(_joined(query, events[-1].parts[-1]), values)
        if len(found) == limit or len(events) == 1:
            return found
        entries = self.db.all(query, values)
        bodies = {key: (at, body) for key, at, body in self.rows([key for key, _ in entries], "bodies")}
        return [(key, why, *bodies.get(key, (0, None))) for key, why in entries]

    def newest(self, timeline: int) -> int:
        """The key of the newest entry of a timeline, 0 without one."""
        row = self.db.one(self._page_query(MAX_KEY, False), _values(timeline, MAX_KEY, 1))
        return row[0] if row else 0

    def _page_query(self, before: int, by_verb: bool) -> str:
        spans = self.writer.timelines.spans
        if before < spans[-1].low:
            spans = spans[: bisect_right(spans, before, key=_low)]
        return _page_query(spans, by_verb)

    def entries_up(self, timelines: Sequence[int], above: int, limit: int) -> list[Entry]:
        """The oldest ``limit`` entries of these timelines together with a key over ``above``, upwards, each key once."""
        found: dict[int, Entry] = {}
        for span in self.writer.timelines.spans:
            if span.high <= above:
                continue
            some = [
                Entry(key, timeline, why)
                for timeline in reversed(timelines)
                for n in span.parts
                for key, why in self.db.execute(sql("next_keys", n), (timeline, above, limit))
            ]
            found |= {entry.key: entry for entry in some}
            if len(found) >= limit:
                break
        return [found[key] for key in sorted(found)[:limit]]

    def events(self, keys: Sequence[int], what: str = "events") -> list[EventRow]:
        """The events with these keys that still stand, in the order given; ``what``: "events" or "heads"."""
        return [EventRow(*row) for row in self.rows(keys, what)]

    def rows(self, keys: Sequence[int], what: str) -> list[Any]:
        """Rows of a named statement over the partitions that hold these keys."""
        if not keys:
            return []
        spans = self.writer.events.spans
        if len(spans) == 1 or min(keys) >= spans[-1].low:
            return self.db.all(sql(what, spans[-1].parts[-1]), (self.writer.carray(keys),))
        by_part: dict[int, list[int]] = {}
        for key in keys:
            by_part.setdefault(self.writer.events.span(key).parts[-1], []).append(key)
        found = [
            row
            for n, some in by_part.items()
            for row in self.db.execute(sql(what, n), (self.writer.carray(some),))
        ]
        order = {key: at for at, key in enumerate(keys)}
        return sorted(found, key=lambda row: order[row[0]])


def _values(timeline: int, before: int, limit: int) -> dict[str, int]:
    return {"timeline": timeline, "before": before, "above": -1, "limit": limit}


@lru_cache(maxsize=256)
def _page_query(spans: tuple[Span, ...], by_verb: bool) -> str:
    """One statement over all partitions, newest span first. SQLite takes the parts of a UNION ALL in their order and
    stops at the limit, so older partitions cost nothing once a page is full, and a probe of some µs before."""
    name = "page_keys_verb" if by_verb else "page_keys"
    arms = []
    for span in reversed(spans):
        copies = " UNION ALL ".join(f"SELECT * FROM ({sql(name, n)})" for n in span.parts)
        if len(span.parts) > 1:
            once = f"SELECT key, min(why) AS why FROM ({copies}) GROUP BY key ORDER BY key DESC LIMIT :limit"
            copies = f"SELECT * FROM ({once})"
        arms.append(copies)
    return " UNION ALL ".join(arms) + " LIMIT :limit"


@lru_cache(maxsize=256)
def _joined(page: str, n: int) -> str:
    return f"SELECT k.key, k.why, e.position, e.body FROM ({page}) k CROSS JOIN event_{n} e ON e.key = k.key"


class TurnReading(Reading):
    """A reading whose statements share one snapshot for a turn of the event loop: opening one costs five system calls,
    as much as a small read. It is renewed at the first read after a commit, so what was acknowledged is always seen,
    and ended with the turn, so it never keeps the log from being checkpointed."""

    _as_of: int | None = None
    _head = 0

    def fresh(self) -> "TurnReading":
        """This reading, with a snapshot that has every commit that was acknowledged."""
        if self._as_of != self.writer.commits:
            self.renew()
        return self

    def renew(self) -> None:
        """Take a new snapshot."""
        self.end()
        self._as_of = self.writer.commits
        self._head = self.writer.committed
        self.db.execute("BEGIN")
        asyncio.get_running_loop().call_soon(self.end)

    def head(self) -> int:
        """That of the snapshot."""
        return self._head

    def end(self) -> None:
        """Let go of the snapshot."""
        if self._as_of is not None:
            self._as_of = None
            self.db.execute("COMMIT")


def chunks(family: Family) -> Iterable[int]:
    """The tables of a family, newest span first."""
    for span in reversed(family.spans):
        yield from span.parts


def bounded(before: int | None) -> int:
    """The exclusive upper bound that a first page has."""
    return MAX_KEY if before is None else before


def _key(entry: Entry) -> int:
    return entry.key


def _low(span: Span) -> int:
    return span.low
