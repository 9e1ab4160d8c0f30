"""The SQLite back-end: one file, one thread that writes, read-only connections beside it.

Short reads run on the event loop itself: a page takes some tens of microseconds, less than handing it to another
thread and back. Reads that may be long (filters, totals, exports) have a thread and a connection of their own.
"""

import asyncio
import os
import sys
import threading
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import groupby
from pathlib import Path
from typing import TypeVar

from tidings.config import Settings
from tidings.errors import KeyReused, Unavailable
from tidings.ids import EventIds
from tidings.model import (
    AddEndpoint,
    Backlog,
    Cancel,
    Command,
    ConfirmEndpoint,
    Counts,
    DeadLetter,
    Declare,
    Delivery,
    EnableEndpoint,
    Erase,
    FeedFilter,
    FeedSummary,
    Fire,
    Follow,
    FollowRow,
    Head,
    Heard,
    InboxChanges,
    InboxPage,
    InboxState,
    LogEntry,
    MarkInbox,
    Mask,
    NewCount,
    Outcome,
    Page,
    Prefer,
    Publish,
    ReadFeed,
    ReadInbox,
    Reconcile,
    Remind,
    RemoveEndpoint,
    Replay,
    ReserveConfirmation,
    Retract,
    Settle,
    Status,
    TakeUp,
    Told,
    TopicInfo,
    UndoRead,
    Unfollow,
)
from tidings.personal import Endpoint, Preferences, Reminder
from tidings.ports import Clock
from tidings.rules import CHANNELS, Rules
from tidings.storage.sqlite import (
    activity,
    agenda,
    append,
    broadcasts,
    debts,
    declared,
    endpoints,
    events,
    feed_marks,
    feeds,
    graph,
    heads,
    heard,
    inboxes,
    marks,
    people,
    personal,
    reminders,
    retract,
    takeup,
    upkeep,
)
from tidings.storage.sqlite.connection import (
    DISK_ERRORS,
    RETRY_S,
    empty_wal,
    open_reader,
    open_writer,
    unavailable,
)
from tidings.storage.sqlite.generations import Generations
from tidings.storage.sqlite.guard import Guard
from tidings.storage.sqlite.names import Names
from tidings.storage.sqlite.reading import Reading, TurnReading
from tidings.storage.sqlite.writer import Writer

FAR_CACHE_MIB = 64
"""MiB of page cache for the reads that may be long: they would push everybody's pages out of a shared one."""
BESIDE_THE_LOOP = 5
"""Niceness of the threads beside the loop: on one busy core they get a quarter of it."""
MOST_VERSIONS = 10_000
"""Users whose feed's version is remembered until the next commit."""
MOST_VISITS = 10_000
"""Visits noted between two writes; more are noted at their next request."""

_Endpoints = AddEndpoint | ConfirmEndpoint | EnableEndpoint | ReserveConfirmation | RemoveEndpoint
_Rest = Prefer | _Endpoints | Remind | Cancel | Fire | Settle | TakeUp | Publish
T = TypeVar("T")
_PLAIN = FeedFilter()


def _step_back() -> None:
    """Let the event loop go first where cores are scarce: a commit may be a millisecond later, all answers may not."""
    if sys.platform == "linux":  # elsewhere niceness is the process's, not the thread's
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), BESIDE_THE_LOOP)


class SqliteStore:
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
            self._guard = Guard(path)
            undo.callback(self._guard.close)
            path = self._guard.path
            self._write_thread = ThreadPoolExecutor(1, "tidings-writer", _step_back)
            self._read_thread = ThreadPoolExecutor(1, "tidings-reader", _step_back)
            db = open_writer(path, settings.sqlite_cache_mib, vfs, salt)
            undo.callback(db.close)
            self._writer = Writer(db, clock, settings, channels)
            self._own = Reading(db, self._writer.names, self._writer)
            near = open_reader(path, settings.sqlite_cache_mib, vfs)
            undo.callback(near.close)
            far = open_reader(path, FAR_CACHE_MIB, vfs)
            undo.callback(far.close)
            erased = self._writer.names.erased
            self._near = TurnReading(near, Names(near, erased), self._writer)
            self._far = Reading(far, Names(far, erased), self._writer)
            self._guard.watch()
            self._generations = Generations(self._writer, self._guard, os.getpid())
            undo.pop_all()
        self._visits: set[int] = set()
        self._versions: dict[str, tuple[int, object]] = {}
        self._crowds = heard.Crowds()

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
        """Open or create the file. ``salt`` fixes how a new store names its events; ``vfs`` names an SQLite VFS; nothing is
        owed by any but these ``channels``.

        Raises Unavailable when another process has the file, it is of a newer version, or SQLite is too old.
        """
        return cls(path, clock, settings, vfs, salt, channels)

    async def close(self) -> None:
        """Checkpoint, close, release the file: afterwards all is in the one file, and a copy of it is the store."""
        await asyncio.get_running_loop().run_in_executor(self._write_thread, self._generations.close)
        self._near.end()
        self._write_thread.shutdown()
        self._read_thread.shutdown()
        for reading in (self._near, self._far):
            reading.db.close()
        empty_wal(self._own.db)
        self._own.db.close()
        self._guard.close()

    async def _on_writer(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._write_thread, work)
        except DISK_ERRORS as error:
            raise unavailable(error, "written") from error

    async def _on_reader(self, read: Callable[[Reading], T]) -> T:
        far = self._far
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._read_thread, lambda: far.retrying(lambda: read(far))
            )
        except DISK_ERRORS as error:
            raise unavailable(error, "read") from error

    def _number(self, user: str) -> int | None:
        return self._near.fresh().names.user(user)

    def _now(self, read: Callable[[Reading], T]) -> T:
        try:
            near = self._near.fresh()
            return near.retrying(lambda: read(near))
        except DISK_ERRORS as error:
            raise unavailable(error, "read") from error

    # --- the log --------------------------------------------------------------------------------------------------

    @property
    def ids(self) -> EventIds:
        """How this store names events."""
        return self._writer.ids

    @property
    def rules(self) -> Rules:
        """The types of notifications as declared now."""
        return self._writer.rules

    @property
    def cursor_key(self) -> bytes:
        """The key that page cursors of this store are signed with."""
        return upkeep.cursor_key(self._writer)

    async def write(self, commands: Sequence[Command]) -> list[Outcome | KeyReused]:
        """Apply the commands in one durable transaction."""
        outcomes = await self._on_writer(lambda: self._apply(commands))
        if any(isinstance(command, Erase) for command in commands):
            self._generations.scrub = True
            self._near.names.forget()
            await self._on_reader(lambda far: far.names.forget())
        return outcomes

    def _apply(self, commands: Sequence[Command]) -> list[Outcome | KeyReused]:
        w = self._writer
        if problem := self._guard.problem():
            raise Unavailable(problem, retry_after=RETRY_S)
        upkeep.roll(w)
        outcomes: list[Outcome | KeyReused] = []

        def work() -> None:
            for kind, group in groupby(commands, type):
                if kind is Publish:
                    outcomes.extend(append.publish(w, [c for c in group if isinstance(c, Publish)]))
                else:
                    outcomes.extend(self._change(command) for command in group)

        w.transaction(work)
        # After the commit: what is acknowledged was in the file that the name leads to.
        if problem := self._guard.problem():
            raise Unavailable(problem, retry_after=RETRY_S)
        return outcomes

    def _change(self, command: Command) -> Outcome | KeyReused:
        w, r = self._writer, self._own
        match command:
            case Follow():
                return graph.follow(w, command)
            case Unfollow():
                return graph.unfollow(w, command)
            case Mask():
                return graph.mask(w, r, command)
            case ReadFeed():
                return feed_marks.read_feed(w, r, command)
            case MarkInbox():
                return marks.mark_inbox(w, r, command)
            case ReadInbox():
                return marks.read_inbox(w, r, command)
            case UndoRead():
                return marks.undo_read(w, r, command)
            case Declare():
                return declared.declare(w, command)
            case Retract():
                return retract.retract(w, r, command)
            case Erase():
                return people.erase(w, r, command)
            case Reconcile():
                return debts.reconcile(w)
            case Replay():
                return debts.replay(w)
            case _:
                return self._change_agenda(command)

    def _change_agenda(self, command: _Rest) -> Outcome | KeyReused:
        w, r = self._writer, self._own
        match command:
            case Prefer():
                return personal.prefer(w, command)
            case (
                AddEndpoint()
                | ConfirmEndpoint()
                | EnableEndpoint()
                | ReserveConfirmation()
                | RemoveEndpoint()
            ):
                return endpoints.apply(w, command)
            case Remind():
                return reminders.remind(w, command)
            case Cancel():
                return reminders.cancel(w, command)
            case Fire():
                return reminders.fire(w, command)
            case Settle():
                return agenda.settle(w, command)
            case TakeUp():
                return takeup.take_up(w, r, command)
            case Publish():
                raise TypeError("published in runs, by append")

    async def head(self) -> Head:
        """The last position and the epoch."""
        return Head(self._writer.committed, self._writer.epoch)

    async def tail(self, after: int, limit: int) -> list[LogEntry]:
        """Entries after a position, in order."""
        return await self._on_reader(lambda r: events.tail(r, after, limit))

    async def event(self, event_id: str) -> LogEntry | None:
        """One event by its public id."""
        return self._now(lambda r: events.one(r, event_id))

    # --- feeds ----------------------------------------------------------------------------------------------------

    async def feed_version(self, user: str) -> object:
        """A token of the first page; looked up anew only after a commit."""
        known = self._versions.get(user)
        commits = self._writer.commits
        if known is not None and known[0] == commits:
            return known[1]
        number = self._number(user)
        version = None if number is None else self._now(lambda r: feeds.version(r, feeds.viewer(r, number)))
        if len(self._versions) >= MOST_VERSIONS:
            self._versions.clear()
        self._versions[user] = (commits, version)
        return version

    async def feed(self, user: str, want: FeedFilter, limit: int, before: int | None) -> Page:
        """A page of a feed."""
        number = self._number(user)
        if number is None:
            return Page([], None, self._near.head())
        viewer, page = self._now(lambda r: feeds.glance(r, number, want, limit, before))
        if viewer.stale and len(self._visits) < MOST_VISITS:
            self._visits.add(number)
        if page is not None:
            return page
        return await self._on_reader(lambda r: feeds.page(r, number, want, limit, before))

    async def activity(
        self, topic: str | None, want: FeedFilter, limit: int, before: int | None, viewer: str | None = None
    ) -> Page:
        """A page of everything that happened, or happened in one topic, without what a block hides from the viewer."""
        number = self._number(viewer) if viewer is not None and self._writer.masked else None
        masking = number is not None and self._now(lambda r: feeds.is_careful(r, number))
        hiding = number if masking else None
        if want == _PLAIN and hiding is None:
            return self._now(lambda r: activity.page(r, topic, want, limit, before))
        return await self._on_reader(lambda r: activity.page(r, topic, want, limit, before, hiding))

    async def feed_since(self, user: str, after: int, limit: int) -> Page:
        """Feed items after a position, oldest first."""
        number = self._number(user)
        if number is None:
            return Page([], None, self._near.head())
        return await self._on_reader(lambda r: feeds.since(r, number, after, limit))

    async def heard(self, after: int, users: Collection[str], limit: int) -> tuple[list[Heard], int]:
        """Which of these users hear which events after a position."""
        crowds = self._crowds.at(self._writer.crowds)
        return self._now(lambda r: heard.heard(r, crowds, after, users, limit))

    async def new_count(self, user: str, since: int, cap: int) -> NewCount:
        """How many feed items came after a position, up to the cap."""
        number = self._number(user)
        if number is None:
            return NewCount(0, False, self._near.head())
        return self._now(lambda r: feeds.new_count(r, feeds.viewer(r, number), since, cap))

    async def summary(self, user: str) -> FeedSummary:
        """Totals over a whole feed."""
        number = self._number(user)
        if number is None:
            return FeedSummary(0, 0, {}, [])
        return await self._on_reader(lambda r: feeds.summary(r, feeds.viewer(r, number)))

    # --- inboxes --------------------------------------------------------------------------------------------------

    async def inbox(
        self,
        user: str,
        limit: int,
        before: int | None,
        unread_only: bool = False,
        type: str | None = None,
        state: InboxState = "inbox",
        id: str | None = None,
    ) -> InboxPage:
        """A page of an inbox, newest content first."""
        number = self._near.fresh().names.inbox(user)
        kind = None if type is None else self._near.fresh().names.verb(type)
        if number is None or (type is not None and kind is None):
            return InboxPage([], None, self._now(lambda r: heads.one(r, number)))
        if id is not None:
            return self._now(lambda r: inboxes.item(r, number, id))
        wanted = inboxes.Wanted(unread_only, kind, state)
        return self._now(lambda r: inboxes.page(r, number, limit, before, wanted))

    async def inbox_since(self, user: str, since: int, limit: int) -> InboxChanges:
        """What changed in an inbox after a seq, each notification once."""
        number = self._near.fresh().names.inbox(user)
        if number is None:
            return InboxChanges([], self._now(lambda r: heads.one(r, None)), reset=since > 0)
        return self._now(lambda r: inboxes.since(r, number, since, limit))

    async def counts(self, users: Sequence[str]) -> list[Counts]:
        """The heads of these inboxes."""
        return self._now(lambda r: heads.counts(r, users))

    # --- the graph ------------------------------------------------------------------------------------------------

    async def follows(self, user: str, limit: int, after: str | None) -> list[FollowRow]:
        """The topics followed now, by name."""
        return await self._on_reader(lambda r: upkeep.follows(r, user, limit, after))

    async def topic(self, topic: str, viewer: str | None = None) -> TopicInfo:
        """How many follow a topic, how it travels, and why."""
        return self._now(lambda r: upkeep.topic(r, topic, viewer))

    # --- what users want, and what is due ---------------------------------------------------------------------------

    async def preferences(self, user: str) -> Preferences:
        """A user's preferences."""
        return self._now(lambda r: personal.preferences(r, user))

    async def muted(self, user: str) -> list[str]:
        """The topics that a user muted, by name."""
        return self._now(lambda r: personal.muted(r, user))

    async def told(self, user: str, event_id: str) -> Told | None:
        """The facts about one event and one user."""
        return await self._on_reader(lambda r: personal.told(r, user, event_id))

    async def endpoints(self, user: str) -> list[Endpoint]:
        """Where a user is reached outside, oldest first."""
        return self._now(lambda r: endpoints.of(r, user))

    async def reminders(self, due_by: int | None, limit: int) -> list[Reminder]:
        """The next reminders, soonest first."""
        return self._now(lambda r: reminders.due(r, due_by, limit))

    async def reminder(self, key: str) -> Reminder | None:
        """One reminder."""
        return self._now(lambda r: reminders.one(r.db, key))

    async def deliveries(self, due_by: int, limit: int) -> list[Delivery]:
        """Deliveries due by a time, longest due first; all in one snapshot."""
        return await self._on_reader(lambda r: agenda.deliveries(r, due_by, limit))

    async def next_due(self) -> int | None:
        """When the next reminder or delivery is due."""
        return self._now(agenda.next_due)

    async def backlog(self) -> Backlog:
        """How much work is pending, and how much was set aside."""
        return await self._on_reader(upkeep.backlog)

    async def live_broadcasts(self) -> int:
        """How many broadcasts could still come to somebody."""
        return self._now(broadcasts.live)

    # --- upkeep ---------------------------------------------------------------------------------------------------

    async def work(self, budget: int) -> int:
        """One step of what is owed, or of what keeps the file in shape."""
        visits, self._visits = list(self._visits), set()
        return await self._on_writer(lambda: upkeep.work(self._writer, visits, budget))

    async def dead_letters(self, limit: int) -> list[DeadLetter]:
        """What was set aside, oldest first."""
        return await self._on_reader(lambda r: upkeep.dead_letters(r, limit))

    async def export(self, user: str) -> AsyncIterator[bytes]:
        """All that is kept about a person, in the one snapshot of a reader."""
        for line in await self._on_reader(lambda r: list(people.export(r, user))):
            yield line

    async def check(self) -> None:
        """End a generation; see generations.py."""
        await self._on_writer(self._generations.keep)

    async def status(self) -> Status:
        """Sizes, pending fan-out jobs and dead letters."""
        return await self._on_reader(upkeep.status)
