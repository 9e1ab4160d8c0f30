"""The log's door to the store: group commit.

Commands of concurrent requests share one transaction, because what a commit costs is the fsync, not the rows. While
one transaction is on its way to the disk the next one gathers, so the batch grows with the load by itself and an
idle server answers at once.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

from tidings.errors import KeyReused, Unavailable
from tidings.model import Command, Outcome, Publish
from tidings.ports import Store

_log = logging.getLogger(__name__)

Committed = Callable[[Sequence[Command], Sequence[Outcome | KeyReused]], None]
"""Told of every transaction right after it is durable, before its callers are."""
Failed = Callable[[Unavailable], None]
"""Told when the store takes no transaction at all."""


class _Waiting(NamedTuple):
    commands: Sequence[Command]
    done: asyncio.Future[list[Outcome | KeyReused]]
    weight: int


class Log:
    """Gathers commands into transactions. One task writes; callers wait for their own outcome."""

    def __init__(
        self,
        store: Store,
        *,
        batch_events: int,
        queue: int,
        on_commit: Committed,
        on_failure: Failed = lambda _: None,
    ) -> None:
        """``batch_events``: events in one transaction. ``queue``: commands that may wait before Unavailable."""
        self._store = store
        self._batch_events = batch_events
        self._queue = queue
        self._on_commit = on_commit
        self._on_failure = on_failure
        self._waiting: deque[_Waiting] = deque()
        self._depth = 0
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closing = False

    @property
    def depth(self) -> int:
        """Commands waiting now."""
        return self._depth

    def start(self) -> None:
        """Begin writing; needs a running event loop."""
        self._task = asyncio.create_task(self._run(), name="log-writer")

    async def close(self) -> None:
        """Write what is waiting, then stop."""
        self._closing = True
        self._wake.set()
        if self._task is not None:
            await self._task

    async def submit(self, command: Command) -> Outcome:
        """Have one command applied. Raises KeyReused when it says so, Unavailable when too much is waiting."""
        (outcome,) = await self.submit_all((command,))
        if isinstance(outcome, KeyReused):
            raise outcome
        return outcome

    async def submit_all(self, commands: Sequence[Command]) -> list[Outcome | KeyReused]:
        """Have these commands applied in order, all in the same transaction."""
        if self._closing or self._depth + len(commands) > self._queue:
            raise Unavailable("the write queue is full" if not self._closing else "the server is stopping")
        weight = sum(len(c.events) if isinstance(c, Publish) else 1 for c in commands)
        waiting = _Waiting(commands, asyncio.get_running_loop().create_future(), weight)
        self._waiting.append(waiting)
        self._depth += len(commands)
        self._wake.set()
        return await waiting.done

    async def _run(self) -> None:
        while self._waiting or not self._closing:
            if not self._waiting:
                self._wake.clear()
                await self._wake.wait()
                continue
            await self._write(self._gather())

    def _gather(self) -> list[_Waiting]:
        batch = [self._waiting.popleft()]
        weight = batch[0].weight
        while self._waiting and weight + self._waiting[0].weight <= self._batch_events:
            batch.append(self._waiting.popleft())
            weight += batch[-1].weight
        self._depth -= sum(len(w.commands) for w in batch)
        return batch

    async def _write(self, batch: list[_Waiting]) -> None:
        commands = [command for waiting in batch for command in waiting.commands]
        try:
            outcomes = await self._store.write(commands)
        except Unavailable as error:
            # Whatever they ask: each of them alone would only wait for the same disk.
            self._on_failure(error)
            self._fail(batch, error)
            return
        except Exception as error:
            await self._isolate(batch, error)
            return
        self._tell(commands, outcomes)
        at = 0
        for waiting in batch:
            end = at + len(waiting.commands)
            if not waiting.done.done():
                waiting.done.set_result(outcomes[at:end])
            at = end

    def _tell(self, commands: Sequence[Command], outcomes: Sequence[Outcome | KeyReused]) -> None:
        try:
            self._on_commit(commands, outcomes)
        except Exception:
            # It is durable, whatever its listeners make of it; and this task must live, or nobody writes any more.
            _log.exception("a listener failed after a commit")

    async def _isolate(self, batch: list[_Waiting], error: Exception) -> None:
        """A transaction failed as a whole: write each caller's part alone, so that one cannot fail the others."""
        if len(batch) > 1:
            for waiting in batch:
                await self._write([waiting])
        else:
            self._fail(batch, error)

    def _fail(self, batch: list[_Waiting], error: Exception) -> None:
        for waiting in batch:
            if not waiting.done.done():
                waiting.done.set_exception(error)
