"""The tools of every read: a connection, names, the partitions, and entries of timelines joined to their events."""

import asyncio
import sys
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

import apsw

from tidings.filters import Choice
from tidings.ids import MAX_KEY
from tidings.storage.anonymize import differs_in_actor, renamed
from tidings.storage.sqlite.db import Db
from tidings.storage.sqlite.partitions import PartitionRange
from tidings.storage.sqlite.statements import sql
from tidings.storage.sqlite.symbols import SymbolTable, holds, unpack
from tidings.storage.sqlite.write_session import WriteSession
from tidings.visibility import Visibility

RETRIES = 5
"""Times a read starts again because a partition that it uses was merged; one is already rare."""
SHORT_CHECK_STEPS = 2_000
"""Instructions of SQLite's virtual machine, about 0.1 ms, between two checks whether a read on the event loop is still
short."""
SHORT_STEPS = 100_000
"""Instructions that a read on the event loop may take: some 5 ms, and as much again for Python's work on the rows. A thread
does longer reads instead, so that no input stops the loop."""

NO_VERB = -1
"""The number of no verb."""
_WITH_BODIES = ("bodies", "events")
"""Statements whose rows have the position second and the body last."""

_RETRACTED = (0, 0, 0, None)
"""The position, actor, verb and object of an event that was retracted."""

T = TypeVar("T")
_Spans = tuple[PartitionRange, ...]


class TimelineRow(NamedTuple):
    """A row of a timeline. ``timeline`` is the timeline that it was found in, ``why`` its topic (in user feeds) or
    position."""

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
    visibility: int
    notify: int
    body: bytes

    @property
    def is_public(self) -> bool:
        """Whether everybody may see it, so that no fact about the viewer needs to be read."""
        return self.visibility == Visibility.PUBLIC

    @property
    def is_followed(self) -> bool:
        """Whether a follow of one of its topics brings the event."""
        return Visibility(self.visibility).reaches_followers

    def has_target(self, user: int) -> bool:
        """Whether a user is one of its targets."""
        return self.targets is not None and holds(self.targets, user)

    def all_topics(self) -> list[int]:
        """The actor, the object, the extra topics, each once."""
        return list(dict.fromkeys((self.actor, self.object, *unpack(self.topics))))


class ReadTooLong(Exception):
    """A read took more instructions than the event loop permits."""


class Cancelled(Exception):
    """The result of the read is not needed any more."""


class ReadSnapshot:
    """The view of one connection. The writer's in-memory state is used as it is: it is replaced, never changed in place.
    ``cancelled`` is set by others, when the result of the read is not needed any more."""

    def __init__(self, db: Db, names: SymbolTable, writer: WriteSession) -> None:
        self.db = db
        self.names = names
        self.writer = writer
        self.cancelled = False
        self._pinned: tuple[int, _Spans, _Spans, _Spans] | None = None

    @classmethod
    def of(cls, writer: WriteSession) -> "ReadSnapshot":
        """The view of the writer's own connection, in its transaction."""
        return cls(writer.db, writer.names, writer)

    @property
    def timeline_spans(self) -> "_Spans":
        """The partitions of timelines."""
        return self.writer.timelines.spans if self._pinned is None else self._pinned[1]

    @property
    def inbox_spans(self) -> "_Spans":
        """The partitions of inboxes."""
        return self.writer.inboxes.spans if self._pinned is None else self._pinned[2]

    @property
    def event_spans(self) -> "_Spans":
        """The partitions of events."""
        return self.writer.events.spans if self._pinned is None else self._pinned[3]

    def is_cancelled(self) -> bool:
        """Whether the read may end; SQLite asks periodically."""
        return self.cancelled

    def cancel(self) -> None:
        """End the running read, from another thread."""
        self.cancelled = True
        self.db.interrupt()

    def continue_in_a_thread(self) -> None:
        """For reads that turn out to be longer than expected: they end on the event loop, and a thread does them."""

    def check(self) -> None:
        """Raises Cancelled if the result is not needed any more. For use between statements: each alone may be short."""
        if self.cancelled:
            raise Cancelled

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Statements within see the file, its partitions and the last position at one time. For reads that must be
        consistent; a long one keeps the log from being checkpointed."""
        self._pin()
        try:
            yield
        finally:
            self._pinned = None
            if self.db.in_transaction:
                self.db.execute("COMMIT")

    def at_once(self, read: Callable[["ReadSnapshot"], T]) -> T:
        """The result of a read as it would be on the event loop: all in one snapshot."""
        with self.snapshot():
            return read(self)

    def _pin(self) -> None:
        """Begin a transaction whose snapshot matches the list of partitions. A list that is newer than the snapshot would
        name the target of a merge before all rows are in it; an older one would lack a partition with rows."""
        w = self.writer
        while True:
            before = (w.committed, w.timelines.spans, w.inboxes.spans, w.events.spans)
            self.db.execute("BEGIN")
            self.db.one(sql("take_snapshot"))  # a transaction sees the file as of its first statement
            if all(x is y for x, y in zip(before[1:], self._live(), strict=True)):
                self._pinned = before
                return
            self.db.execute("COMMIT")

    def _live(self) -> "tuple[_Spans, _Spans, _Spans]":
        w = self.writer
        return w.timelines.spans, w.inboxes.spans, w.events.spans

    def retrying(self, read: Callable[[], T]) -> T:
        """The result of ``read``, started again if a partition was missing (not created yet, or dropped)."""
        for _ in range(RETRIES):
            try:
                return read()
            except apsw.SQLError as error:
                if "no such table" not in str(error):
                    raise
                self.renew()
        return read()

    def renew(self) -> None:
        """See the current state of the file. A snapshot whose statements are each on their own always does."""

    def head(self) -> int:
        """A position up to which every later statement sees the log. Read it before the data that is sent with it: if the
        position were ahead of that data, the client would never get the items between."""
        return self.writer.committed if self._pinned is None else self._pinned[0]

    def entries(
        self,
        timelines: Sequence[int],
        before: int,
        above: int,
        limit: int,
        verbs: Choice[int] | None = None,
    ) -> list[TimelineRow]:
        """The newest ``limit`` entries of these timelines together, by key downwards in (above, before), each key once; only
        those with one of these verbs.

        Fewer than ``limit`` mean that there are no more.
        """
        self.check()
        values: dict[str, object] = {"before": before, "above": above, "limit": limit}
        if verbs is not None:
            chosen = set(verbs.include) - set(verbs.exclude) if verbs.include else set(verbs.exclude)
            # NO_VERB: an array may not be empty.
            values |= {"verbs": self.writer.carray((NO_VERB, *chosen)), "included": bool(verbs.include)}
        query = self.page_query(before, verbs is not None)
        found = [
            TimelineRow(key, timeline, why)
            for timeline in timelines
            for key, why in self.db.execute(query, {"timeline": timeline, **values})
        ]
        if len(timelines) == 1:
            return found
        # By key downwards; of duplicates the one from the first given timeline is kept.
        found.sort(key=_key, reverse=True)
        return list({entry.key: entry for entry in reversed(found)}.values())[::-1][:limit]

    def newest_with_bodies(
        self, timeline: int, before: int, limit: int
    ) -> list[tuple[int, int, int, bytes | None]]:
        """(key, why, position, body) of the newest entries of one timeline below a key, for the hot path: one statement,
        unless the entries reach into older partitions of events. Of retracted events the body is None."""
        values, query = _values(timeline, before, limit), self.page_query(before, False)
        events = self.event_spans
        found = self.db.all(_joined(query, events[-1].parts[-1]), values)
        if len(found) == limit or len(events) == 1:
            return self._renamed(found, 2)
        entries = self.db.all(query, values)
        bodies = {key: (at, body) for key, at, body in self.rows([key for key, _ in entries], "bodies")}
        return [(key, why, *bodies.get(key, (0, None))) for key, why in entries]

    def newest_to_group(
        self, timeline: int, before: int, above: int, limit: int
    ) -> tuple[list[tuple[int, int, int, int, int, int]], int | None]:
        """(key, position, actor, verb, object, why) of the events of the newest entries of one timeline between two keys;
        and the key of the last entry, None if there are no more. One statement, as above."""
        self.check()
        values, query = _values(timeline, before, limit, above), self.page_query(before, False)
        events = self.event_spans
        found = self.db.all(_joined(query, events[-1].parts[-1], "events_to_group_of_page"), values)
        if len(found) < limit and len(events) > 1:
            entries = self.db.all(query, values)
            rows = {row[0]: row for row in self.rows([key for key, _ in entries], "events_to_group")}
            found = [(*rows.get(key, (key, *_RETRACTED)), why) for key, why in entries]
        return [row for row in found if row[4] is not None], found[-1][0] if len(found) == limit else None

    def newest(self, timeline: int) -> int:
        """The key of the newest entry of a timeline, 0 without one."""
        row = self.db.one(self.page_query(MAX_KEY, False), _values(timeline, MAX_KEY, 1))
        return row[0] if row else 0

    def page_query(self, before: int, by_verb: bool) -> str:
        """The statement of a page of a timeline below a key, over the partitions that may have entries."""
        spans = self.timeline_spans
        if before < spans[-1].low:
            spans = spans[: bisect_right(spans, before, key=_low)]
        return _page_query(spans, by_verb)

    def entries_up(self, timelines: Sequence[int], above: int, limit: int) -> list[TimelineRow]:
        """The oldest ``limit`` entries of these timelines together with a key over ``above``, upwards, each key once."""
        self.check()
        found: dict[int, TimelineRow] = {}
        for span in self.timeline_spans:
            if span.high <= above:
                continue
            some = [
                TimelineRow(key, timeline, why)
                for timeline in reversed(timelines)
                for n in span.parts
                for key, why in self.db.execute(sql("next_keys", n), (timeline, above, limit))
            ]
            # While partitions are merged two of them may have an entry; that of a target (0) states more than a follow's.
            some.sort(key=_of_target)
            found |= {entry.key: entry for entry in some}
            if len(found) >= limit:
                break
        return [found[key] for key in sorted(found)[:limit]]

    def events(self, keys: Sequence[int], what: str = "events") -> list[EventRow]:
        """The events with these keys that are not retracted, in the given order; ``what``: "events" or
        "events_without_body"."""
        return [EventRow(*row) for row in self.rows(keys, what)]

    def newest_events(
        self, n: int, before: int, above: int, limit: int, examined: int, narrowest: int
    ) -> tuple[list[EventRow], int | None]:
        """The newest events of a partition with a key in (above, before) that are neither retracted nor less visible than
        ``narrowest``, newest first; of so many ``examined`` ones. Also returns the key down to which all were examined, None
        if that is all of them."""
        values = {"before": before, "above": above, "examined": examined, "narrowest": narrowest}
        rows, reached = self._newest_events("newest_events", n, limit, values)
        return [EventRow(*row) for row in self._renamed(rows, 1)], reached

    def newest_events_to_group(
        self, n: int, before: int, above: int, limit: int, examined: int, narrowest: int
    ) -> tuple[list[tuple[int, int, int, int, int, int]], int | None]:
        """(key, position, actor, verb, object, -1) of the same: no topic brought them."""
        values = {"before": before, "above": above, "examined": examined, "narrowest": narrowest}
        return self._newest_events("newest_events_to_group", n, limit, values)

    def _newest_events(
        self, name: str, n: int, limit: int, values: dict[str, int]
    ) -> tuple[list[Any], int | None]:
        found = self.db.all(sql(name, n), values | {"limit": limit})
        if len(found) == limit:
            return found, found[-1][0]
        last = self.db.one(sql("last_examined_event", n), values)
        return found, None if last is None else last[0]

    def rows(self, keys: Sequence[int], what: str) -> list[Any]:
        """Rows of a named statement over the partitions that have these keys."""
        found = self._rows(keys, what)
        return self._renamed(found, 1) if what in _WITH_BODIES else found

    def named_bodies(self, keys: Sequence[int]) -> list[tuple[int, str | None, bytes]]:
        """(key, display name of the actor, body) of these events. A running erasure hides the name of its user."""
        renamings = self.writer.renamings
        found = []
        for key, position, name, stored in self._rows(keys, "named_bodies"):
            body = renamed(stored, position, renamings) if renamings else stored
            if name is not None and body is not stored and differs_in_actor(body, stored):
                name = None
            found.append((key, name, body))
        return found

    def _renamed(self, rows: list[Any], position: int) -> list[Any]:
        """The same rows, with the body in their last column as it will be after the running erasures."""
        renamings = self.writer.renamings
        if not renamings:
            return rows
        return [
            row if row[-1] is None else (*row[:-1], renamed(row[-1], row[position], renamings))
            for row in rows
        ]

    def _rows(self, keys: Sequence[int], what: str) -> list[Any]:
        if not keys:
            return []
        spans = self.event_spans
        if len(spans) == 1 or min(keys) >= spans[-1].low:
            return self.db.all(sql(what, spans[-1].parts[-1]), (self.writer.carray(keys),))
        by_part: dict[int, list[int]] = {}
        for key in keys:
            at = bisect_right(spans, key, key=_low) - 1
            by_part.setdefault(spans[at].parts[-1], []).append(key)
        found = [
            row
            for n, some in by_part.items()
            for row in self.db.execute(sql(what, n), (self.writer.carray(some),))
        ]
        order = {key: at for at, key in enumerate(keys)}
        return sorted(found, key=lambda row: order[row[0]])


def _values(timeline: int, before: int, limit: int, above: int = -1) -> dict[str, int]:
    return {"timeline": timeline, "before": before, "above": above, "limit": limit}


@lru_cache(maxsize=256)
def _page_query(spans: tuple[PartitionRange, ...], by_verb: bool) -> str:
    """One statement over all partitions, newest span first. SQLite reads the parts of a UNION ALL in their order and stops
    at the limit, so older partitions cost nothing once a page is full, and a probe of some µs before."""
    name = "page_keys_verbs" if by_verb else "page_keys"
    arms = []
    for span in reversed(spans):
        copies = " UNION ALL ".join(sql("subquery", rows=sql(name, n)) for n in span.parts)
        if len(span.parts) > 1:
            once = sql("one_of_each_key", copies=copies)
            copies = sql("subquery", rows=once)
        arms.append(copies)
    return " UNION ALL ".join(arms) + " LIMIT :limit"


@lru_cache(maxsize=256)
def _joined(page: str, n: int, name: str = "bodies_of_page") -> str:
    return sql(name, n, page=page)


class LoopSnapshot(ReadSnapshot):
    """A reader whose statements share one snapshot for a turn of the event loop: opening one costs five system calls, as
    much as a small read. The snapshot is renewed at the first read after a commit, so acknowledged writes are always seen,
    and ended with the turn, so it never keeps the log from being checkpointed."""

    _as_of: int | None = None
    _head = 0
    _steps_left = sys.maxsize
    short_steps = SHORT_STEPS

    def short(self, read: Callable[[ReadSnapshot], T], steps: int | None = None) -> T:
        """The result of a read that takes few instructions. Raises ReadTooLong for any other, which a thread has to do."""
        near = self.fresh()
        self._steps_left = (steps or self.short_steps) // SHORT_CHECK_STEPS
        try:
            return near.retrying(lambda: read(near))
        except apsw.InterruptError:
            raise ReadTooLong from None
        finally:
            self._steps_left = sys.maxsize

    def is_cancelled(self) -> bool:
        """Whether the read has used all its permitted instructions."""
        self._steps_left -= 1
        return self._steps_left < 0

    def continue_in_a_thread(self) -> None:
        """Raises ReadTooLong in a read that must be short."""
        if self._steps_left < sys.maxsize:
            raise ReadTooLong

    def fresh(self) -> "LoopSnapshot":
        """This reader, with a snapshot that has every acknowledged commit. Raises ForeignCommit."""
        self.writer.guard.refuse()
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
        """The last position of the snapshot."""
        return self._head

    def end(self) -> None:
        """End the snapshot."""
        if self._as_of is not None:
            self._as_of = None
            self.db.execute("COMMIT")


def chunks(spans: "_Spans") -> Iterable[int]:
    """The partitions of a table, newest span first."""
    for span in reversed(spans):
        yield from span.parts


def bounded(before: int | None) -> int:
    """The exclusive upper bound that a first page has."""
    return MAX_KEY if before is None else before


def _key(entry: TimelineRow) -> int:
    return entry.key


def _of_target(entry: TimelineRow) -> bool:
    return entry.why == 0


def _low(span: PartitionRange) -> int:
    return span.low
