"""The tools of a transaction: the writing connection, the partitions, the names, and the small state kept in memory."""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Collection, Iterable, Sequence
from itertools import chain
from typing import Any, NamedTuple

import apsw

from tidings.config import Settings
from tidings.errors import ForeignCommit
from tidings.ids import MAX_KEY, EventIds
from tidings.model import Erasures
from tidings.rules import CHANNELS, Rules
from tidings.storage.anonymize import Renaming, renaming
from tidings.storage.sqlite.commit_guard import CommitGuard
from tidings.storage.sqlite.connection import stored_rules
from tidings.storage.sqlite.db import Db
from tidings.storage.sqlite.partitions import PartitionedTable
from tidings.storage.sqlite.statements import sql
from tidings.storage.sqlite.symbols import ErasedName, SymbolTable
from tidings.storage.sqlite.timeline_numbers import topic_timeline
from tidings.timeutil import Clock

WIDE = 100
"""Followers from which a topic's size is kept in memory: smaller ones always fan out in their event's transaction."""
RATE_MEMORY_S = 60.0
"""Time constant of a topic's fan-out rate: long enough to average over a burst, short enough to forget it soon."""

MOST_SETTLED = 1_000
"""Inboxes, and types of one inbox, whose seq without unread notifications is cached; then the cache is emptied."""

INSERT_ROWS = 50
"""Rows of one multi-row INSERT. One row at a time would take the interpreter lock per row, which is twenty times slower
beside a busy event loop; much longer statements gain nothing more."""

ON_WRITE, ON_READ, DRAINING = 0, 1, 2


class KnownName(NamedTuple):
    """The row of a user in ``display_name``, or the name None without one."""

    name: str | None
    at: int


class Settled:
    """The seqs up to which no notification of a type is unread in an inbox, as transactions found them."""

    def __init__(self) -> None:
        self._known: dict[int, dict[int, int]] = {}

    def up_to(self, user: int, type: int) -> int:
        """The seq of a type, 0 if unknown."""
        return self._known.get(user, {}).get(type, 0)

    def note(self, user: int, type: int, up_to: int) -> None:
        """No notification of this type that became unread up to a seq is unread now."""
        if len(self._known) >= MOST_SETTLED:
            self._known.clear()
        known = self._known.setdefault(user, {})
        if len(known) >= MOST_SETTLED:
            known.clear()
        known[type] = up_to

    def forget(self, user: int) -> None:
        """A notification is unread again since an earlier seq."""
        self._known.pop(user, None)

    def clear(self) -> None:
        """Empty the cache: after a roll-back it may be wrong."""
        self._known.clear()


class WriteSession:
    """The one writer. Only its thread uses this state, except the spans, rules and epoch that readers take, and the counts
    of feeds, by user, that they give. ``now`` is the time of the transaction: all its notifications have this time.
    ``failed``: the last transaction did. Deliveries are enqueued only for these ``channels``. ``scrub``: a user was erased,
    so that the write-ahead log is to be emptied; ``erasures``: the running ones; ``renamings``: the names that readers
    replace; ``display_names``: the cache of display_names.py."""

    def __init__(
        self,
        db: Db,
        clock: Clock,
        settings: Settings,
        guard: CommitGuard,
        channels: Collection[str] = CHANNELS,
    ) -> None:
        self.db = db
        self.guard = guard
        self.channels = frozenset(channels)
        self.clock = clock
        self.settings = settings
        self.now = clock.now()
        self._wide = min(WIDE, settings.fanout_sync_max_followers)
        self.names = SymbolTable(db, ErasedName(self.meta("cursor_key")))
        full, events = settings.sqlite_partition_rows, settings.sqlite_event_partition_rows
        self.timelines = PartitionedTable(db, "timeline", full)
        self.inboxes = PartitionedTable(db, "inbox", full)
        self.events = PartitionedTable(db, "event", events)
        self.families = (self.timelines, self.inboxes, self.events)
        db.execute(sql("create_temporary"))
        self.ids = EventIds(self.meta("salt"))
        self.epoch = str(self.meta("epoch"))
        self.rates: dict[int, tuple[float, float]] = {}
        self.housekept_at = -math.inf
        self.swept: dict[str, tuple[int, ...]] = {}
        self.settled = Settled()
        self.display_names: dict[int, KnownName] = {}
        self.commits = self.disordered = self._disorders = self.follower_version = self._follower_changes = 0
        self._unmerge = self._erasures_changed = self._prune = False
        self.scrub = False
        self.erasures = Erasures({})
        self.quiet = False
        self.failed = False
        self._stale = True
        self.reload()

    def meta(self, name: str) -> Any:
        """One value of the table ``meta``."""
        (value,) = self.db.one(sql("meta_value"), (name,))
        return value

    def reload(self) -> None:
        """Read the state in memory from the file: at start, and after a roll-back left it ahead of the file."""
        row = self.db.one(sql("log_head"))
        self.position: int = row[0] if row else 0
        self.high: int = row[1] if row else 0
        self.logged = self.position
        self.position = max(self.position, self.meta("position"))
        self.committed = self.position
        self._disorders = self._follower_changes = 0
        self.next_keys: dict[int, int] = {}
        self.wide: dict[int, int] = dict(self.db.execute(sql("wide_topics"), (self._wide,)))
        self.hot: dict[int, int] = dict(self.db.execute(sql("fan_out_modes")))
        self.merged = self._merged()
        (self.masked,) = self.db.one(sql("has_relations"))
        self.rules = self._declared()
        (self.has_hidden_ranges,) = self.db.one(sql("has_hidden_ranges"))
        (self.silenced,) = self.db.one(sql("has_in_app_preferences"))
        (self.reached,) = self.db.one(sql("has_endpoints"))
        (self.sharing,) = self.db.one(sql("has_shared_items"))
        (self.broadcasting,) = self.db.one(sql("last_broadcast_expiry"))
        (self.turn,) = self.db.one(sql("last_job_order"))
        self.settled.clear()
        self.display_names.clear()
        self.renames = self._renames = int(self.meta("renames"))
        self.names.reload()
        self.renamings = self._renamings()
        self.erasures = self.erasures._replace(under_way=self._erasing())
        self._erasures_changed = self._prune = False
        for family in self.families:
            family.reload()
        self._stale = False  # not before: a disk that failed at the roll-back may fail here too

    def _declared(self) -> Rules:
        return Rules({**self.settings.types, **stored_rules(self.db)})

    def declared(self) -> None:
        """Read the current declarations of types. Readers have them as soon as the command is written."""
        self.rules = self._declared()

    def take_position(self) -> int:
        """The next position of the log, for a change that is no event."""
        self.position += 1
        self.db.execute(sql("set_position"), (self.position,))
        return self.position

    def count_renames(self, count: int) -> None:
        """Display names changed that stored rows may show."""
        self._renames += count
        self.db.execute(sql("set_renames"), (self._renames,))

    def insert(self, name: str, rows: Sequence[tuple[apsw.SQLiteValue, ...]], n: int = 0) -> None:
        """Execute the named statement for these rows, whose columns are those of its table."""
        for at in range(0, len(rows), INSERT_ROWS):
            some = rows[at : at + INSERT_ROWS]
            one = "(" + ",".join("?" * len(some[0])) + ")"
            values = ",".join([one] * len(some))
            self.db.execute(sql(name, n, rows=values), list(chain.from_iterable(some)))

    def run(self, name: str, packed: array[int], n: int, ev: int = 0, **values: int) -> int:
        """Execute a set-based statement over packed integers; returns the rows it changed."""
        if not packed:
            return 0
        self.db.execute(sql(name, n, ev), {"packed": apsw.carray(packed), **values})
        return self.db.changes()

    @staticmethod
    def carray(values: Iterable[int]) -> object:
        """Integers as a table-valued parameter; there must be at least one."""
        return apsw.carray(array("q", values))

    def transaction(self, work: Callable[[], object]) -> None:
        """Run ``work`` in a transaction. If it fails nothing has changed, in the file or in memory. Raises ForeignCommit if
        another program has made a commit."""
        self.now = self.clock.now()
        self.guard.refuse()
        try:
            self.db.execute("BEGIN IMMEDIATE")
            self.guard.check()  # before anything is read: no other program can make a commit from here on
            self._refresh()
            work()
            self.db.execute("COMMIT")
            self.failed = False
            self.commits += 1
            self.committed = self.position
            # After ``commits``: a reader of the number has a snapshot with the names.
            self.renames = self._renames
            self.names.erased.commit()
            self.disordered, self._disorders = self.disordered + self._disorders, 0
            self.follower_version, self._follower_changes = self.follower_version + self._follower_changes, 0
            if self._unmerge:
                self.merged, self._unmerge = self._merged(), False
            if self._erasures_changed:
                self._note_erasures()
        except ForeignCommit:
            self.failed = True
            self.db.execute("ROLLBACK")
            raise  # nothing is read from a file that may be another store
        except BaseException:
            self.failed = self._stale = True
            if self.db.in_transaction:
                self.db.execute("ROLLBACK")
            self.guard.check()
            self.reload()
            raise

    def _refresh(self) -> None:
        """Take from the file what the transaction before left to be taken."""
        if self._stale:
            self.reload()
        # Not with the commit before: the event loop may still have read in a snapshot from before it.
        if self._prune:
            self.renamings, self._prune = self._renamings(), False

    # --- erasures -------------------------------------------------------------------------------------------------

    def hide(self, name: str, alias: str, last_reminder: int) -> None:
        """Have readers replace a name by an alias, in all events and reminders so far: they begin before the commit."""
        self.renamings = (*self.renamings, renaming(name, alias, self.position, last_reminder))
        self._erasures_changed = True

    def erasures_changed(self) -> None:
        """An erasure ended, became a dead letter or continues: find out after the commit which names are still to be
        replaced."""
        self._erasures_changed = True

    def _note_erasures(self) -> None:
        """After the commit, and after ``commits``: a reader of the number of begun erasures has a snapshot with them."""
        now, before = self._erasing(), self.erasures
        ended = before.ended + len(before.under_way.keys() - now.keys())
        self.erasures = Erasures(now, ended, self.names.erased.count)
        self._erasures_changed, self._prune = False, True

    def _renamings(self) -> tuple[Renaming, ...]:
        rows = self.db.execute(sql("erasures"))
        return tuple(renaming(*row) for row in rows)

    def _erasing(self) -> dict[str, bool]:
        query = sql("erasures_under_way")
        return {name: bool(dead) for name, dead in self.db.execute(query)}

    # --- fan-out on write or on read ------------------------------------------------------------------------------

    def _merged(self) -> frozenset[int]:
        """The topics that readers merge: those with fan-out on read, and those with entries that are not yet in user feeds.

        Readers use this set as it is. A topic enters it before the transaction commits that makes it necessary, and leaves
        it only after the one that makes it needless: merging too much costs time, too little would lose items.
        """
        query = sql("topics_with_fan_out_jobs")
        return frozenset(topic for (topic,) in self.db.execute(query))

    def disorder(self) -> None:
        """Record that this transaction adds entries below the newest of user feeds, or deletes some.

        Readers that cache a first page by its newest entry must notice it, but not before the commit: they would cache the
        old page as the new one.
        """
        self._disorders = 1

    def paid(self) -> None:
        """A fan-out job ended: find out after the commit which topics are still merged."""
        self._unmerge = True

    def enqueue_job(
        self, kind: str, subject: int, low: int, high: int, at_key: int = 0, at_user: int = 0
    ) -> None:
        """Enqueue a fan-out job; see fanout_queue.py for the kinds."""
        self.turn += 1
        if kind in ("fan_out", "resume_fan_out"):
            self.merged |= {subject}
        self.db.execute(
            sql("insert_job"),
            (kind, subject, low, high, at_key, at_user, self.turn),
        )

    def followers_changed(self, topic: int, by: int) -> None:
        """Count a follow or unfollow, and decide the topic's fan-out mode again. Readers that cache the followers of a wide
        topic notice it after the commit, as with disorder."""
        (followers,) = self.db.one(
            sql("count_followers"),
            (topic, by),
        )
        if followers >= self._wide:
            self.wide[topic] = followers
            self._follower_changes = 1
        elif self.wide.pop(topic, None):
            self._follower_changes = 1
        self.decide(topic, followers, self.rate(topic), self.position)

    def backfill_changed(self, topic: int) -> None:
        """A follow of a topic covers more events than before; readers that cache its followers notice it after the
        commit."""
        if topic in self.wide:
            self._follower_changes = 1

    def deserted(self, topic: int) -> None:
        """The topic has no followers any more: delete its fan-out state."""
        self.db.execute(sql("delete_topic"), (topic,))
        self.hot.pop(topic, None)
        if self.wide.pop(topic, None):
            self._follower_changes = 1

    def rate(self, topic: int) -> float:
        """Feed rows a second that a topic costs, decayed to now."""
        rate, at = self.rates.get(topic, (0.0, 0.0))
        return rate * math.exp((at - self.clock.monotonic()) / RATE_MEMORY_S)

    def published(self, topic: int, followers: int, position: int) -> None:
        """Count an event of a wide topic towards its rate, and decide the topic's fan-out mode for later events."""
        rate = self.rate(topic) + followers / RATE_MEMORY_S
        self.rates[topic] = (rate, self.clock.monotonic())
        self.decide(topic, followers, rate, position - 1)

    def decide(self, topic: int, followers: int, rate: float, after: int) -> None:
        """Choose fan-out on write or on read for events after a position, with hysteresis: on read from a threshold, on
        write again at half of it.

        In both directions nothing is lost or duplicated: merging drops duplicates, and a topic that returns to fan-out on
        write stays merged until its entries of the meantime are in the user feeds.
        """
        size, cost = (
            self.settings.fanout_read_threshold_followers,
            self.settings.fanout_read_threshold_rows_per_s,
        )
        state = self.hot.get(topic, ON_WRITE)
        if state != ON_READ and (followers >= size or rate >= cost):
            self._heat(topic, after)
        elif state == ON_READ and followers < size / 2 and rate < cost / 2:
            self._cool(topic)

    def _heat(self, topic: int, after: int) -> None:
        # A topic that was still draining keeps its older position: its pending entries stay pending, and merged.
        self.db.execute(sql("start_fan_out_on_read"), (ON_READ, after, topic))
        self.hot[topic] = ON_READ
        self.merged |= {topic}

    def _cool(self, topic: int) -> None:
        (hot_from,) = self.db.one(sql("fan_out_on_read_since"), (topic,))
        self.db.execute(sql("start_draining"), (DRAINING, topic))
        self.hot[topic] = DRAINING
        start = self.start_key(topic_timeline(topic), hot_from + 1, self.position)
        self.enqueue_job("resume_fan_out", topic, hot_from + 1, self.position, start)

    def stands(self, event: int) -> bool:
        """Whether the event with a key was not retracted."""
        return bool(self.db.one(sql("event_stands", self.events.span(event).parts[-1]), (event,))[0])

    def start_key(self, timeline: int, low: int, high: int) -> int:
        """A key below every entry of a timeline with a position in [low, high]: the start of a search for them.

        Entries in order are above the greatest key before ``low``; those out of order are listed by position.
        """
        (late,) = self.db.one(sql("least_out_of_order_key"), (timeline, low, high))
        return min(high_key(self.db, low - 1), MAX_KEY if late is None else late - 1)


def high_key(db: Db, position: int) -> int:
    """The greatest key among the events up to a position: every later event in order has a greater one."""
    row = db.one(sql("greatest_key_at"), (position,))
    return row[0] if row else 0
