"""The queue of commands in front of the store: group commit.

Commands of concurrent requests share one transaction, because what a commit costs is the fsync, not the rows. While
one transaction is on its way to the disk the next one gathers, so the batch grows with the load by itself and an
idle server answers at once. Who comes next is decided by turns (``fair_queue``), and how much else than what is published
fits into a transaction by the store, which knows how long it takes.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from itertools import accumulate

from tidings.errors import KeyReused, Unavailable
from tidings.fair_queue import FairQueue, Submission, submission_of
from tidings.model import Command, Outcome
from tidings.ports import Store

_log = logging.getLogger(__name__)

OnCommit = Callable[[Sequence[Command], Sequence[Outcome | KeyReused]], None]
"""Called with every transaction right after it is durable, before its callers get their outcomes."""
OnFailure = Callable[[Unavailable], None]
"""Called if the store accepts no transaction at all."""


class GroupCommitQueue:
    """Gathers commands into transactions. One task writes; callers wait for their own outcome."""

    def __init__(
        self,
        store: Store,
        *,
        batch_events: int,
        queue: int,
        per_user: int | None = None,
        on_commit: OnCommit,
        on_failure: OnFailure = lambda _: None,
    ) -> None:
        """``batch_events``: events in one transaction, and commands in addition. ``queue``: commands that may wait before
        Unavailable. ``per_user``: submissions of one user in progress before TooManyRequests."""
        self._store = store
        self._batch_events = batch_events
        self._queue = queue
        self._on_commit = on_commit
        self._on_failure = on_failure
        self._waiting = FairQueue(per_user)
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._preparing: set[asyncio.Task[None]] = set()
        self._closing = False

    @property
    def depth(self) -> int:
        """The number of waiting commands."""
        return self._waiting.depth

    def start(self) -> None:
        """Begin writing; needs a running event loop."""
        self._task = asyncio.create_task(self._run(), name="log-writer")

    async def close(self) -> None:
        """Write the waiting commands, then stop."""
        self._closing = True
        self._wake.set()
        if self._task is not None:
            await self._task

    async def submit(self, command: Command) -> Outcome:
        """Apply one command. Raises KeyReused if that is its outcome, TooManyRequests if its user has too many in progress,
        Unavailable if all users have."""
        (outcome,) = await self.submit_all((command,))
        if isinstance(outcome, KeyReused):
            raise outcome
        return outcome

    async def submit_all(self, commands: Sequence[Command]) -> list[Outcome | KeyReused]:
        """Apply these commands in order, all in the same transaction."""
        if self._closing or self.depth + len(commands) > self._queue:
            raise Unavailable("the write queue is full" if not self._closing else "the server is stopping")
        waiting = submission_of(commands, asyncio.get_running_loop().create_future())
        self._waiting.add(waiting)
        self._wake.set()
        return await waiting.done

    async def _run(self) -> None:
        while self._waiting or not self._closing:
            batch = self._waiting.take(self._batch_events)
            for waiting in self._waiting.unprepared():
                task = asyncio.create_task(self._prepare(waiting), name="log-preparation")
                self._preparing.add(task)
                task.add_done_callback(self._preparing.discard)
            if batch:
                await self._write(batch)
            else:
                self._wake.clear()
                await self._wake.wait()

    async def _prepare(self, waiting: Submission) -> None:
        """Prepare a command outside of a transaction, while others are written."""
        try:
            waiting.commands = [await self._store.prepare(command) for command in waiting.commands]
        except Exception as error:
            self._waiting.dropped(waiting)
            self._fail([waiting], error)
        else:
            self._waiting.prepared(waiting)
        self._wake.set()

    async def _write(self, batch: list[Submission]) -> None:
        commands = [command for waiting in batch for command in waiting.commands]
        ends = tuple(accumulate(len(waiting.commands) for waiting in batch))
        try:
            outcomes = await self._store.write(commands, ends)
        except Unavailable as error:
            # For all commands: each of them alone would only wait for the same disk.
            self._on_failure(error)
            self._fail(batch, error)
            return
        except Exception as error:
            await self._isolate(batch, error)
            return
        written = ends.index(len(outcomes)) + 1
        self._waiting.put_back(batch[written:])
        self._report(commands[: len(outcomes)], outcomes)
        for waiting, end in zip(batch, ends[:written], strict=False):
            self._waiting.ended(waiting)
            if not waiting.done.done():
                waiting.done.set_result(outcomes[end - len(waiting.commands) : end])

    def _report(self, commands: Sequence[Command], outcomes: Sequence[Outcome | KeyReused]) -> None:
        try:
            self._on_commit(commands, outcomes)
        except Exception:
            # The transaction is durable, even if a listener fails; and this task must live, or no commands are written any
            # more.
            _log.exception("a listener failed after a commit")

    async def _isolate(self, batch: list[Submission], error: Exception) -> None:
        """A transaction failed as a whole: write each caller's part alone, so that one cannot fail the others."""
        if len(batch) > 1:
            for waiting in batch:
                await self._write([waiting])
        else:
            self._fail(batch, error)

    def _fail(self, batch: list[Submission], error: Exception) -> None:
        for waiting in batch:
            self._waiting.ended(waiting)
            if not waiting.done.done():
                waiting.done.set_exception(error)
