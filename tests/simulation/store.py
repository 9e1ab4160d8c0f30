"""The durable part: the reference store or SQLite, which here take their time and fail."""

import random
from collections.abc import Awaitable, Callable, Collection, Coroutine, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from tests.checkers import inboxes
from tests.checkers.adapters import whole_inbox
from tests.checkers.history import History
from tests.simulation.faults import Trouble
from tests.simulation.loop import pause
from tidings.config import Settings
from tidings.errors import KeyReused
from tidings.inbox_commands import MarkAllNotificationsRead, ReturnSnoozed
from tidings.model import Command, CommandResult, Outcome
from tidings.ports import Store
from tidings.storage.sqlite import SqliteStore
from tidings.testing import MemoryStore
from tidings.timeutil import Clock
from tidings.user_merges import MergeUsers

T = TypeVar("T")
SHAKEN = frozenset(
    ("head", "feed", "feed_since", "audience_since", "new_count", "inbox", "inbox_since", "counts", "snoozed")
)
"""Reads that take their time and fail; the others are asked for by what is shaken itself, or seldom."""


def at_once(work: Coroutine[Any, Any, T]) -> T:
    """The result of what does not wait."""
    try:
        work.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    raise AssertionError("it waits")


def open_sqlite(folder: Path, clock: Clock, settings: Settings, epoch: str) -> SqliteStore:
    """The store in a folder, as the last server left it."""
    store = at_once(SqliteStore.open(folder / "tidings.db", clock, settings, salt=0))
    store._writer.epoch = epoch  # its own is drawn at random, and seen in every cursor
    store._writer.db.execute("PRAGMA synchronous=OFF")  # the power stays on here
    return store


class ShakenStore:
    """A store behind a wire: time passes before what is asked happens, and again before the answer is heard. Between the
    two anything else can happen, a crash as well: then it was done, and nobody was told. ``real`` is the store itself,
    ``version`` changes with whatever it holds, ``history`` has all that was written, ``wrong`` says what a write did that it
    must not, ``returned`` counts the notifications whose snooze ended, ``known_public`` has the
    last public position that the server knew, each time that it learned of a commit, with the end of the log then."""

    def __init__(self, real: Store, trouble: Trouble, rng: random.Random) -> None:
        self.real = real
        self.history = History(real.rules, in_steps=isinstance(real, SqliteStore))
        self.version = 0
        self.wrong = ""
        self.returned = 0
        self.known_public = [(0, 0)]
        self._trouble = trouble
        self._rng = rng

    def __getattr__(self, name: str) -> Any:
        """What the store itself has."""
        found = getattr(self.real, name)
        return partial(self._late, found) if name in SHAKEN else found

    async def _late(self, ask: Callable[..., Awaitable[T]], *given: Any, **named: Any) -> T:
        fate, trouble = self._rng.random(), self._trouble
        if fate < 0.6:
            await pause(fate * trouble.store_slow_s)
        if trouble.store_fails and self._rng.random() < trouble.store_fails:
            raise OSError("the disk is on fire")
        result = await ask(*given, **named)
        if fate > 0.4:
            await pause((1 - fate) * trouble.store_slow_s)
        return result

    async def write(
        self, commands: Sequence[Command], ends: Collection[int] = ()
    ) -> list[Outcome | KeyReused]:
        """Apply the commands."""
        outcomes, public = await self._late(self._written, commands, ends)
        known, _ = self.known_public[-1]
        self.known_public.append((max(known, public), at_once(self.real.head()).position))
        return outcomes

    async def _written(
        self, commands: Sequence[Command], ends: Collection[int]
    ) -> tuple[list[Outcome | KeyReused], int]:
        outcomes = await self._write(commands, ends)
        return outcomes, max(self.history.public_positions(), default=0)

    async def _write(self, commands: Sequence[Command], ends: Collection[int]) -> list[Outcome | KeyReused]:
        self.version += 1
        match commands:
            case [MarkAllNotificationsRead(user, int(up_to))]:
                return await self._sparing(commands, user, up_to)
            case [ReturnSnoozed(user, ids)]:
                return await self._returning(commands, user, ids)
            case _:
                outcomes = await self.real.write(commands, ends)
                self.history.write(commands, outcomes, await self._going_on(commands, outcomes))
                return outcomes

    async def _going_on(
        self, commands: Sequence[Command], outcomes: Sequence[Outcome | KeyReused]
    ) -> set[int]:
        """The ids of those of these merges of users that have not ended."""
        going_on = set()
        for command, outcome in zip(commands, outcomes, strict=True):
            if isinstance(command, MergeUsers) and isinstance(outcome, CommandResult) and outcome.updated:
                merge = await self.real.user_merge(outcome.updated)
                if merge is None or merge.state != "done":
                    going_on.add(outcome.updated)
        return going_on

    async def _sparing(self, commands: Sequence[Command], user: str, up_to: int) -> list[Outcome | KeyReused]:
        """Write a read-all, and look whether it left unread what it had to (I6)."""
        before, _ = await whole_inbox(self.real, user)
        outcomes = await self.real.write(commands)
        after, _ = await whole_inbox(self.real, user)
        try:
            inboxes.spared(before, after, up_to)
        except AssertionError as error:
            self.wrong = str(error)
        return outcomes

    async def _returning(
        self, commands: Sequence[Command], user: str, ids: Sequence[str]
    ) -> list[Outcome | KeyReused]:
        """End snoozes, and look whether what came back did as it must (I3, I6)."""
        before, counts = await whole_inbox(self.real, user)
        outcomes = await self.real.write(commands)
        after, _ = await whole_inbox(self.real, user)
        try:
            self.returned += inboxes.returned(before, after, ids, counts.seq)
        except AssertionError as error:
            self.wrong = str(error)
        return outcomes

    async def work(self, budget: int) -> int:
        """Pay a part of what is owed. The reference store owes nothing, and is not asked."""
        return 0 if isinstance(self.real, MemoryStore) else await self._late(self._pay, budget)

    async def _pay(self, budget: int) -> int:
        done = await self.real.work(budget)
        self.version += done
        return done
