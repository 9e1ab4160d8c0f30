"""The SQLite back-end: one file, one thread that writes, read-only connections beside it.

Short reads run on the event loop: a page takes less time than a hand-over to a thread. Reads that are long (filters, totals,
exports) run in threads with their own connections, for which users queue; operators and the server itself have another.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Collection, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

from tidings.activity_scope import FEED_ALONE, NOTHING_WATCHED, ActivityScope, Watched
from tidings.config import Settings
from tidings.errors import KeyReused
from tidings.filters import EVERYTHING, ActivityOf, Choice, FeedFilter, FeedOf
from tidings.ids import EventIds
from tidings.inbox_commands import Snooze
from tidings.model import (
    Command,
    EraseUser,
    Erasures,
    EventAudience,
    FeedSummary,
    FollowRow,
    InboxChanges,
    InboxCounters,
    InboxFilter,
    InboxPage,
    LogEntry,
    LogPosition,
    Outcome,
    Page,
    TopicInfo,
    UnseenCount,
)
from tidings.notification_facts import Delivery, RecipientFacts
from tidings.personal_data import Endpoint, Preferences, Reminder
from tidings.rules import CHANNELS, Rules
from tidings.status import Backlog, Status
from tidings.storage.sqlite import (
    activity,
    broadcasts,
    deliveries,
    endpoints,
    events,
    fanout_queue,
    feed_counts,
    feed_since,
    feeds,
    inbox_counters,
    inboxes,
    live_audience,
    maintenance,
    preferences,
    preflight,
    readers,
    reminders,
    transactions,
    user_export,
)
from tidings.storage.sqlite.activity import ActivityViewer
from tidings.storage.sqlite.backfill_reads import BackfillReads
from tidings.storage.sqlite.checkpoints import Checkpoints
from tidings.storage.sqlite.connection import DISK_ERRORS, open_reader, open_writer, unavailable
from tidings.storage.sqlite.file_lock import FileLock
from tidings.storage.sqlite.generations import Generations
from tidings.storage.sqlite.group_reads import GroupReads
from tidings.storage.sqlite.name_reads import NameReads
from tidings.storage.sqlite.notification_state import unread_of_types
from tidings.storage.sqlite.read_snapshot import SHORT_CHECK_STEPS, LoopSnapshot, ReadSnapshot, ReadTooLong
from tidings.storage.sqlite.readers import APPLICATION, DELIVERIES, HUB, OPERATORS, OWN, Asker, Readers
from tidings.storage.sqlite.symbols import SymbolTable
from tidings.storage.sqlite.trend_reads import TrendReads
from tidings.storage.sqlite.unsent_deliveries import UnsentReads
from tidings.storage.sqlite.user_merge_reads import UserMergeReads
from tidings.storage.sqlite.write_session import WriteSession
from tidings.telemetry import LONG_READS
from tidings.timeutil import Clock
from tidings.turns import lower_priority
from tidings.visibility import Visibility

AUDIENCE_STEPS = 1_500_000
"""Instructions that a search for the audience of events may take on the event loop, in addition to its bound on rows
(live_audience.py): 30 ms."""
MOST_VERSIONS = 10_000
"""Users whose feed version is cached until the next commit."""
MOST_VISITS = 10_000
"""Visits recorded between two writes; more are recorded at their next request."""

T = TypeVar("T")


class SqliteStore(GroupReads, TrendReads, UnsentReads, BackfillReads, UserMergeReads, NameReads):
    """A complete :class:`tidings.ports.Store` in one file. Use :meth:`open`."""

    def __init__(
        self,
        path: Path,
        clock: Clock,
        settings: Settings,
        vfs: str | None,
        salt: int | None,
        channels: Collection[str],
    ) -> None:
        self._clock = clock
        with ExitStack() as undo:  # a file that cannot be opened must not stay locked
            self._file_lock = FileLock(path)
            undo.callback(self._file_lock.close)
            path = self._file_lock.path
            preflight.prepare(path)
            self._write_thread = ThreadPoolExecutor(1, "tidings-writer", lower_priority)
            db = open_writer(path, settings.sqlite_cache_mib, vfs, salt)
            undo.callback(db.close)
            self._checkpoints = Checkpoints(db, self._file_lock)
            undo.callback(self._checkpoints.close)
            self._writer = WriteSession(db, clock, settings, self._checkpoints.guard, channels)
            self._own = ReadSnapshot(db, self._writer.names, self._writer)
            near = open_reader(path, settings.sqlite_cache_mib, vfs)
            undo.callback(near.close)
            self._near = LoopSnapshot(near, SymbolTable(near, self._writer.names.erased), self._writer)
            near.set_progress_handler(self._near.is_cancelled, SHORT_CHECK_STEPS)
            threads, most = settings.reader_threads, settings.max_reads
            far = [self._reading(undo, path, readers.FAR_CACHE_MIB // threads, vfs) for _ in range(threads)]
            own = [self._reading(undo, path, readers.OWN_CACHE_MIB, vfs)]
            self._readers = Readers("tidings-reader", far, settings.max_reads_per_user, most, lower_priority)
            self._own_readers = Readers("tidings-own-reader", own, most, most, lower_priority)
            self._generations = Generations(self._writer, self._file_lock, self._checkpoints, os.getpid())
            undo.pop_all()
        LONG_READS.set_function(lambda: self._readers.depth)
        self._visits: set[str] = set()
        self._versions: dict[str, tuple[int, object]] = {}
        self._follower_cache = live_audience.FollowerCache()

    @classmethod
    async def open(
        cls,
        path: Path,
        clock: Clock,
        settings: Settings,
        *,
        salt: int | None = None,
        vfs: str | None = None,
        channels: Collection[str] = CHANNELS,
    ) -> "SqliteStore":
        """Open or create the file. ``salt`` fixes the encoding of a new store's event ids; ``vfs`` names an SQLite VFS;
        deliveries are enqueued only for these ``channels``.

        Raises Unavailable if another process has the file, it is of a newer version, or SQLite is too old.
        """
        return cls(path, clock, settings, vfs, salt, channels)

    async def close(self) -> None:
        """Checkpoint, close, release the file: afterwards all is in the one file, and a copy of it is the store. Raises
        Unavailable if it is not. Everything is closed, even after an error."""
        with ExitStack() as release:
            release.callback(self._generations.finish)
            for part in (self._near.db.close, self._own_readers.close, self._readers.close):
                release.callback(part)
            release.callback(self._write_thread.shutdown)
            release.callback(self._near.end)
            await asyncio.get_running_loop().run_in_executor(self._write_thread, self._generations.close)

    def _reading(self, undo: ExitStack, path: Path, cache_mib: int, vfs: str | None) -> ReadSnapshot:
        db = open_reader(path, max(1, cache_mib), vfs)
        undo.callback(db.close)
        return ReadSnapshot(db, SymbolTable(db, self._writer.names.erased, readers.FAR_NAMES), self._writer)

    async def _on_writer(self, work: Callable[[], T]) -> T:
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._write_thread, self._generations.guarded, work)
        except (OSError, *DISK_ERRORS) as error:
            raise unavailable(error, "written") from error

    async def _now(self, asker: Asker, question: Hashable, read: Callable[[ReadSnapshot], T]) -> T:
        """The result of a read that nearly always takes few instructions: at once, or else by a thread."""
        try:
            return self._short(read)
        except ReadTooLong:
            return await self._later(asker, question, lambda r: r.at_once(read))

    async def _later(self, asker: Asker, question: Hashable, read: Callable[[ReadSnapshot], T]) -> T:
        """The result of a read that may take many instructions."""
        self._writer.guard.refuse()
        queue = self._own_readers if asker.kind in OWN else self._readers
        try:
            return await queue.read(asker, question, read)
        except DISK_ERRORS as error:
            raise unavailable(error, "read") from error

    def _short(self, read: Callable[[ReadSnapshot], T], steps: int | None = None) -> T:
        """The result at once. Raises ReadTooLong if it takes too many instructions."""
        try:
            return self._near.short(read, steps)
        except DISK_ERRORS as error:
            raise unavailable(error, "read") from error

    def _number(self, user: str) -> int | None:
        return self._near.fresh().names.user(user)

    # --- the log --------------------------------------------------------------------------------------------------

    @property
    def ids(self) -> EventIds:
        """The encoding of event ids of this store."""
        return self._writer.ids

    @property
    def rules(self) -> Rules:
        """The current types of notifications."""
        return self._writer.rules

    @property
    def cursor_key(self) -> bytes:
        """The key that page cursors of this store are signed with."""
        return maintenance.cursor_key(self._writer)

    async def write(
        self, commands: Sequence[Command], ends: Collection[int] = ()
    ) -> list[Outcome | KeyReused]:
        """Apply the commands in one durable transaction, or as many of them as ``ends`` and the time allow."""
        outcomes = await self._on_writer(lambda: self._apply(commands, ends))
        if any(isinstance(command, EraseUser) for command in commands[: len(outcomes)]):
            self._near.names.forget()
            self._readers.forget_names()
            self._own_readers.forget_names()
        return outcomes

    def _apply(self, commands: Sequence[Command], ends: Collection[int]) -> list[Outcome | KeyReused]:
        w = self._writer
        self._checkpoints.check()
        maintenance.roll(w)
        outcomes: list[Outcome | KeyReused] = []
        w.transaction(lambda: outcomes.extend(transactions.apply(w, self._own, commands, ends)))
        # After the commit: the acknowledged writes were in the file that the name leads to.
        self._checkpoints.check(committed=True)
        return outcomes

    async def prepare(self, command: Command) -> Command:
        """Count the items that a read-all of a feed will mark read."""
        count = self._short(lambda r: feed_counts.asked(r, command))
        if count is None:
            return command
        user, read = count
        return await self._later(readers.user(user), ("count", command), read)

    async def head(self, at: int | None = None) -> LogPosition:
        """The last position, or that of a time, and the epoch."""
        if at is None:
            return LogPosition(self._writer.committed, self._writer.epoch)
        position = await self._now(APPLICATION, ("head", at), lambda r: events.position_at(r, at))
        return LogPosition(position, self._writer.epoch)

    async def tail(self, after: int, limit: int) -> list[LogEntry]:
        """Entries after a position, in order."""
        return await self._later(HUB, ("tail", after, limit), lambda r: events.tail(r, after, limit))

    async def event(self, event_id: str, viewer: str | None = None) -> LogEntry | None:
        """One event by its public id, if the viewer may look it up."""
        asked = (event_id, viewer)
        return await self._now(APPLICATION, ("event", *asked), lambda r: events.one(r, *asked))

    # --- feeds ----------------------------------------------------------------------------------------------------

    async def feed_version(self, user: str) -> object:
        """A token of the first page; read only after a commit."""
        self._writer.guard.refuse()
        known = self._versions.get(user)
        commits = self._writer.commits
        if known is not None and known[0] == commits:
            return known[1]
        number = self._number(user)
        version: object = None
        if number is not None:
            try:
                version = self._short(lambda r: feeds.version(r, feeds.viewer(r, number)))
            except ReadTooLong:
                version = commits  # that of any feed that is more than a user feed without checks
        if len(self._versions) >= MOST_VERSIONS:
            self._versions.clear()
        self._versions[user] = (commits, version)
        return version

    async def feed(self, user: str, want: FeedFilter, limit: int, before: int | None) -> Page:
        """A page of a feed."""
        number = self._number(user)
        if number is None:
            return Page([], None, self._near.head())
        stale, page = self._glance(number, want, limit, before)
        self._visited(user, stale)
        if page is not None:
            return page
        question = ("feed", want, limit, before)
        return await self._later(
            readers.user(user), question, lambda r: feeds.page(r, number, want, limit, before)
        )

    def _visited(self, user: str, stale: bool) -> None:
        if stale and len(self._visits) < MOST_VISITS:
            self._visits.add(user)

    def _glance(
        self, user: int, want: FeedFilter, limit: int, before: int | None
    ) -> tuple[bool, Page | None]:
        """(whether today's visit is to be recorded, the page if it is short)."""
        try:
            viewer, page = self._short(lambda r: feeds.fast_page(r, user, want, limit, before))
        except ReadTooLong:
            return True, None
        return viewer.stale, page

    async def activity(
        self,
        topic: str | None,
        want: FeedFilter,
        limit: int,
        before: int | None,
        viewer: str | None = None,
        narrowest: Visibility = Visibility.PUBLIC,
    ) -> Page:
        """A page of all events, or of those of one topic, that the viewer may see."""
        asked = (topic, want, limit, before, self._activity_viewer(topic, viewer), narrowest)
        asker = APPLICATION if viewer is None else readers.user(viewer)
        ask = self._now if want == EVERYTHING and not asked[4].careful else self._later
        return await ask(asker, ("activity", *asked), lambda r: activity.page(r, *asked))

    def _activity_viewer(self, topic: str | None, viewer: str | None) -> ActivityViewer:
        """What matters of a viewer: everybody without blocks and a read state gets the same page of all events."""
        number = None if viewer is None else self._number(viewer)
        careful, reads = (False, 0) if number is None else self._short(lambda r: feeds.facts(r, number))
        anybody = topic is None and not careful and not reads
        return ActivityViewer(None if anybody else number, careful, reads)

    async def feed_since(self, user: str, after: int, limit: int, scope: ActivityScope = FEED_ALONE) -> Page:
        """Feed items after a position, oldest first."""
        asked = (self._number(user), after, limit, scope)
        return await self._later(
            readers.stream(user), ("since", *asked), lambda r: feed_since.since(r, *asked)
        )

    async def audience_since(
        self,
        after: int,
        users: Collection[str],
        limit: int,
        watched: Watched = NOTHING_WATCHED,
        readers: Collection[str] = (),
    ) -> tuple[list[EventAudience], int]:
        """Events after a position with their audience among these users."""
        cache = self._follower_cache.at(self._writer.follower_version)

        def read(r: ReadSnapshot) -> tuple[list[EventAudience], int]:
            return live_audience.audience(r, cache, after, users, limit, watched, readers)

        try:
            return self._short(read, AUDIENCE_STEPS)
        except ReadTooLong:
            # There is no other caller, so the cache of followers is not shared.
            users, watched = frozenset(users), {name: frozenset(some) for name, some in watched.items()}
            readers = frozenset(readers)
            asked = ("audience_since", after, limit, users, readers, *watched.items())
            return await self._later(HUB, asked, lambda r: r.at_once(read))

    async def new_count(
        self,
        what: FeedOf | ActivityOf,
        since: int,
        cap: int,
        want: FeedFilter = EVERYTHING,
        up_to: int | None = None,
    ) -> UnseenCount:
        """The number of new items of a feed or of activity, up to the cap."""
        asked = ("new", what, since, cap, want, up_to)
        if isinstance(what, ActivityOf):
            viewer = self._activity_viewer(what.topic, what.viewer)
            asker = APPLICATION if what.viewer is None else readers.user(what.viewer)
            return await self._now(
                asker,
                (*asked, viewer),
                lambda r: activity.new_count(r, what.topic, since, cap, want, up_to, viewer),
            )
        number = self._number(what.user)
        if number is None:
            return UnseenCount(0, False, self._near.head())
        return await self._now(
            readers.user(what.user),
            asked,
            lambda r: feeds.new_count(r, feeds.viewer(r, number, want.include_own), since, cap, want, up_to),
        )

    async def summary(self, user: str, include_own: bool = False) -> FeedSummary:
        """Totals over a whole feed."""
        number = self._number(user)
        if number is None:
            return FeedSummary(0, 0, {}, [])
        return await self._later(
            readers.user(user),
            ("summary", include_own),
            lambda r: feeds.summary(r, feeds.viewer(r, number, include_own)),
        )

    # --- inboxes --------------------------------------------------------------------------------------------------

    async def inbox(
        self,
        user: str,
        limit: int,
        before: int | None,
        unread_only: bool = False,
        type: Choice[str] | None = None,
        state: InboxFilter = "inbox",
        id: str | None = None,
    ) -> InboxPage:
        """A page of an inbox, newest content first."""
        number = self._near.fresh().names.inbox(user)
        if number is None:
            return InboxPage([], None, await self._head_of(user, number))
        asker = readers.user(user)
        if id is not None:
            return await self._now(asker, ("item", id), lambda r: inboxes.item(r, number, id))
        wanted = inboxes.Wanted(unread_only, type, state)
        question = ("inbox", limit, before, wanted)
        return await self._now(asker, question, lambda r: inboxes.page(r, number, limit, before, wanted))

    async def _head_of(self, user: str, number: int | None) -> InboxCounters:
        return await self._now(readers.user(user), ("head", number), lambda r: inbox_counters.one(r, number))

    async def inbox_since(self, user: str, since: int, limit: int) -> InboxChanges:
        """What changed in an inbox after a seq, each notification once."""
        number = self._near.fresh().names.inbox(user)
        if number is None:
            return InboxChanges([], await self._head_of(user, None), reset=since > 0)
        return await self._now(
            readers.user(user), ("changes", since, limit), lambda r: inboxes.since(r, number, since, limit)
        )

    async def inbox_seq(self, user: str, key: int) -> int:
        """The last seq of an inbox before the first notification with a later event."""
        number = self._near.fresh().names.inbox(user)
        if number is None:
            return (await self._head_of(user, None)).seq
        return await self._now(readers.user(user), ("seq", key), lambda r: inboxes.seq_before(r, number, key))

    async def counts(self, users: Sequence[str], type: Choice[str] | None = None) -> list[InboxCounters]:
        """The counters of these inboxes."""
        if type is not None:
            (user,), asked = users, ("unread", type)
            return [await self._now(readers.user(user), asked, lambda r: unread_of_types(r, user, type))]
        return await self._now(HUB, ("counts", tuple(users)), lambda r: inbox_counters.counts(r, users))

    # --- the graph ------------------------------------------------------------------------------------------------

    async def follows(self, user: str, limit: int, after: str | None) -> list[FollowRow]:
        """The topics followed now, by name."""
        question = ("follows", limit, after)
        asker = readers.user(user)
        return await self._later(asker, question, lambda r: maintenance.follows(r, user, limit, after))

    async def topic(self, topic: str, viewer: str | None = None) -> TopicInfo:
        """The number of followers of a topic, its fan-out mode, and the reason."""
        question = ("topic", topic, viewer)
        return await self._now(APPLICATION, question, lambda r: maintenance.topic(r, topic, viewer))

    # --- preferences, endpoints, reminders and deliveries ------------------------------------------------------------

    async def preferences(self, user: str) -> Preferences:
        """A user's preferences."""
        return await self._now(readers.user(user), "preferences", lambda r: preferences.preferences(r, user))

    async def muted(self, user: str, limit: int | None = None, after: str | None = None) -> list[str]:
        """The topics that a user muted, by name."""
        question = ("muted", limit, after)
        asker = readers.user(user)
        return await self._now(asker, question, lambda r: preferences.muted(r, user, limit, after))

    async def blocked(self, user: str, limit: int, after: str | None = None) -> list[str]:
        """The users whom a user blocked, by name."""
        question = ("blocked", limit, after)
        asker = readers.user(user)
        return await self._now(asker, question, lambda r: preferences.blocked(r, user, limit, after))

    async def explain_facts(self, user: str, event_id: str) -> RecipientFacts | None:
        """The facts about one event and one user."""
        question = ("explain_facts", event_id)
        asker = readers.user(user)
        return await self._later(asker, question, lambda r: preferences.explain_facts(r, user, event_id))

    async def endpoints(self, user: str) -> list[Endpoint]:
        """The endpoints of a user, oldest first."""
        return await self._now(readers.user(user), "endpoints", lambda r: endpoints.of(r, user))

    async def reminders(
        self,
        due_by: int | None,
        limit: int,
        after: tuple[int, str] | None = None,
        max_bytes: int = sys.maxsize,
    ) -> list[Reminder]:
        """The next reminders, soonest first. By a thread: a single one may have megabytes."""
        asker = APPLICATION if due_by is None else DELIVERIES
        same = ("reminders", due_by, limit, after, max_bytes)
        return await self._later(asker, same, lambda r: reminders.due(r, due_by, limit, after, max_bytes))

    async def snoozed(self, due_by: int, limit: int) -> list[Snooze]:
        """The snoozes that end by a time, soonest first."""
        return await self._now(
            DELIVERIES, ("snoozed", due_by, limit), lambda r: inboxes.snoozed(r, due_by, limit)
        )

    async def reminder(self, key: str) -> Reminder | None:
        """One reminder. By a thread, for the same reason."""
        return await self._later(APPLICATION, ("reminder", key), lambda r: reminders.shown(r, key))

    async def deliveries(
        self, due_by: int, limit: int, ids: tuple[int, ...] | None = None, without: tuple[str, ...] = ()
    ) -> list[Delivery]:
        """Deliveries due by a time, longest due first; all in one snapshot."""
        asked = (due_by, limit, ids, without)
        return await self._later(
            DELIVERIES, ("deliveries", *asked), lambda r: deliveries.deliveries(r, *asked)
        )

    async def next_due(self) -> int | None:
        """The time at which the next reminder or delivery is due."""
        return await self._now(DELIVERIES, "next_due", deliveries.next_due)

    async def backlog(self) -> Backlog:
        """The number of pending jobs, and of dead letters."""
        return await self._later(OPERATORS, "backlog", maintenance.backlog)

    async def count_active_broadcasts(self) -> int:
        """The number of active broadcasts."""
        return await self._now(APPLICATION, "live_broadcasts", broadcasts.live)

    @property
    def erasures(self) -> Erasures:
        """The erasures that take more than one transaction."""
        return self._writer.erasures

    # --- maintenance --------------------------------------------------------------------------------------------------

    async def work(self, budget: int) -> int:
        """One step of a fan-out job, or of maintenance."""
        visits, self._visits = list(self._visits), set()
        return await self._on_writer(lambda: maintenance.work(self._writer, visits, budget))

    async def fanned_out(self, positions: Sequence[range]) -> list[bool]:
        """Which of these ranges have no pending fan-out job."""
        return await self._now(
            HUB, ("fanned_out", *positions), lambda r: fanout_queue.fanned_out(r, positions)
        )

    async def export(self, user: str) -> AsyncIterator[bytes]:
        """All stored data of a user, one part in memory at a time; other reads get their turns in between."""
        at: user_export.Place | None = user_export.BEGINNING
        while at is not None:
            lines, at = await self._part(user, at)
            for line in lines:
                yield line

    async def _part(self, user: str, at: user_export.Place) -> tuple[list[bytes], user_export.Place | None]:
        question = ("export", at)
        return await self._later(readers.user(user), question, lambda r: user_export.export(r, user, at))

    async def check(self) -> None:
        """End a generation; see generations.py."""
        await self._on_writer(self._generations.keep)

    async def status(self) -> Status:
        """Sizes, pending fan-out jobs and dead letters."""
        return await self._later(OPERATORS, "status", maintenance.status)
