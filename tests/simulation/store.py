"""The durable part: the reference store, which here takes its time and fails."""

import contextlib
import random
from collections.abc import Collection, Coroutine, Iterator, Sequence
from typing import Any, TypeVar

from tests.checkers import inboxes
from tests.checkers.adapters import whole_inbox
from tests.simulation.loop import pause
from tests.simulation.trouble import Trouble
from tidings.errors import KeyReused
from tidings.model import (
    Command,
    Counts,
    FeedFilter,
    Head,
    Heard,
    InboxChanges,
    InboxPage,
    NewCount,
    Outcome,
    Page,
    ReadInbox,
)
from tidings.ports import Clock
from tidings.rules import Rule
from tidings.testing import MemoryStore

T = TypeVar("T")


def at_once(work: Coroutine[Any, Any, T]) -> T:
    """The result of what does not wait."""
    try:
        work.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    raise AssertionError("it waits")


class ShakenStore(MemoryStore):
    """A store behind a wire: time passes before what is asked happens, and again before the answer is heard. Between the
    two anything else can happen, a crash as well: then it was done, and nobody was told."""

    def __init__(
        self, clock: Clock, epoch: str, types: dict[str, Rule], trouble: Trouble, rng: random.Random
    ) -> None:
        super().__init__(clock, epoch=epoch, types=types)
        self._trouble = trouble
        self._rng = rng
        self._still = False
        self.wrong = ""

    @contextlib.contextmanager
    def still(self) -> Iterator[None]:
        """Inside, answers come at once."""
        self._still = True
        try:
            yield
        finally:
            self._still = False

    async def _shaken(self, work: Coroutine[Any, Any, T]) -> T:
        if self._still:
            return await work
        fate, trouble = self._rng.random(), self._trouble
        try:
            if fate < 0.6:
                await pause(fate * trouble.store_slow_s)
            if trouble.store_fails and self._rng.random() < trouble.store_fails:
                raise OSError("the disk is on fire")
        except BaseException:
            work.close()
            raise
        result = await work
        if fate > 0.4:
            await pause((1 - fate) * trouble.store_slow_s)
        return result

    async def write(self, commands: Sequence[Command]) -> list[Outcome | KeyReused]:
        return await self._shaken(self._sparing(commands))

    async def _sparing(self, commands: Sequence[Command]) -> list[Outcome | KeyReused]:
        """Write, and look whether a read-all by itself left unread what it had to (I6)."""
        match commands:
            case [ReadInbox(user, int(up_to))]:
                with self.still():
                    before, _ = await whole_inbox(self, user)
                    outcomes = await super().write(commands)
                    after, _ = await whole_inbox(self, user)
                try:
                    inboxes.spared(before, after, up_to)
                except AssertionError as error:
                    self.wrong = str(error)
                return outcomes
            case _:
                return await super().write(commands)

    async def head(self) -> Head:
        return await self._shaken(super().head())

    async def feed(self, user: str, want: FeedFilter, limit: int, before: int | None) -> Page:
        return await self._shaken(super().feed(user, want, limit, before))

    async def feed_since(self, user: str, after: int, limit: int) -> Page:
        return await self._shaken(super().feed_since(user, after, limit))

    async def heard(self, after: int, users: Collection[str], limit: int) -> tuple[list[Heard], int]:
        return await self._shaken(super().heard(after, users, limit))

    async def new_count(self, user: str, since: int, cap: int) -> NewCount:
        return await self._shaken(super().new_count(user, since, cap))

    async def inbox(
        self, user: str, limit: int, before: int | None, unread_only: bool = False, type: str | None = None
    ) -> InboxPage:
        return await self._shaken(super().inbox(user, limit, before, unread_only, type))

    async def inbox_since(self, user: str, since: int, limit: int) -> InboxChanges:
        return await self._shaken(super().inbox_since(user, since, limit))

    async def counts(self, users: Sequence[str]) -> list[Counts]:
        return await self._shaken(super().counts(users))
