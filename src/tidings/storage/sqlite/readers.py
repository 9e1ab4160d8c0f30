"""Reads that may be long: a few threads, each with its own connection, and a fair queue before them.

Askers take turns: however many reads one of them requests, the others wait for at most one of them on each thread that it
may have, and it never has all threads. Each has a bound on its waiting reads, and all have one together. Concurrent equal
reads of the same asker are one read, unless there was a commit since that read began: a client must see its own acknowledged
write. A read whose callers have all left ends.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, Protocol, TypeVar

from tidings.errors import TooManyRequests, Unavailable
from tidings.storage.sqlite.read_snapshot import ReadSnapshot
from tidings.telemetry import LONG_READS_ASKED
from tidings.visibility import VISITOR

CHECK_STEPS = 20_000
"""Instructions of SQLite's virtual machine, about 1 ms, between two checks whether a caller still waits for the result."""
FAR_CACHE_MIB = 64
"""MiB of page cache for long reads, all threads together: they would evict the pages of all others from a shared cache."""
OWN_CACHE_MIB = 16
"""MiB of page cache for the reads of operators and the server itself."""
FAR_NAMES = 50_000
"""Names in the caches of each thread: a twentieth of a second's worth of look-ups."""
RETRY_S = 1
"""Seconds after which a refused client may retry: reads take tenths of a second, so the queue has moved by then."""

T = TypeVar("T")


class Asker(NamedTuple):
    """The unit of fair turns. ``kind`` separates a user's requests, their streams and the server's own work."""

    kind: str
    user: str = ""


def user(name: str) -> Asker:
    """A user, directly or through the application."""
    return Asker("user", name)


def stream(name: str) -> Asker:
    """The streams of a user, which catch up a few at a time, so they need no bound."""
    return Asker("stream", name)


APPLICATION = Asker("application")
"""Requests of the application without a user: they share one turn, and only the bound of all applies to them."""
VISITORS = user(VISITOR)
"""The reads without a credential, which share a turn, a bound, and one thread."""
OPERATORS, DELIVERIES, HUB = Asker("operators"), Asker("deliveries"), Asker("hub")
"""The reads of operators, of the dispatcher and of the hub."""
OWN = frozenset({OPERATORS.kind, DELIVERIES.kind, HUB.kind})
"""The kinds of askers with a thread separate from that of users."""


class ReadingStore(Protocol):
    """What the parts of the store's class that read have of the rest."""

    async def _now(self, asker: Asker, question: Hashable, read: Callable[[ReadSnapshot], T]) -> T:
        """The result of a read that nearly always takes few instructions."""

    async def _later(self, asker: Asker, question: Hashable, read: Callable[[ReadSnapshot], T]) -> T:
        """The result of a read that may take many."""


class _Job:
    """One read and its waiting callers. ``commits`` is the number of commits when it began; None before."""

    __slots__ = ("asker", "commits", "done", "question", "read", "reading", "waiting")

    def __init__(self, asker: Asker, question: Hashable, read: Callable[[ReadSnapshot], Any]) -> None:
        self.asker = asker
        self.question = question
        self.read = read
        self.done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.waiting = 0
        self.commits: int | None = None
        self.reading: ReadSnapshot | None = None


class Readers:
    """The threads and their queue. Everything here but the reads themselves runs on the event loop."""

    def __init__(
        self,
        name: str,
        readings: Sequence[ReadSnapshot],
        per_user: int,
        most: int,
        begin: Callable[[], None] | None = None,
    ) -> None:
        """``readings``: one for each thread. ``per_user``, ``most``: reads that may wait or run, of one user and in all.
        ``begin`` is called in each thread when it starts."""
        self.readings = tuple(readings)
        self._idle = list(readings)
        self._per_user = per_user
        self._most = most
        self._at_once = max(1, len(readings) - 1)
        self._threads = ThreadPoolExecutor(len(readings), name, begin)
        self._queues: dict[Asker, deque[_Job]] = {}
        self._running: Counter[Asker] = Counter()
        self._jobs: dict[tuple[Asker, Hashable], _Job] = {}
        self._depth = 0
        self._outdated: set[ReadSnapshot] = set()
        for reading in readings:
            reading.db.set_progress_handler(reading.is_cancelled, CHECK_STEPS)

    @property
    def depth(self) -> int:
        """Reads that wait or run now."""
        return self._depth

    async def read(self, asker: Asker, question: Hashable, read: Callable[[ReadSnapshot], T]) -> T:
        """The result of ``read``, which must depend on nothing but the question, the asker and the store. Raises
        TooManyRequests if the user has the maximum number of reads in progress, Unavailable if all users together have."""
        job = self._joinable(asker, question)
        if job is None:
            job = self._added(asker, question, read)
        else:
            LONG_READS_ASKED.labels("shared").inc()
        job.waiting += 1
        try:
            # Shielded: a caller that leaves must not cancel the result for the others.
            result: T = await asyncio.shield(job.done)
            return result
        finally:
            job.waiting -= 1
            if not job.waiting and not job.done.done():
                self._abandon(job)

    def _joinable(self, asker: Asker, question: Hashable) -> _Job | None:
        job = self._jobs.get((asker, question))
        if job is None or job.commits in (None, self.readings[0].writer.commits):
            return job
        return None

    def _added(self, asker: Asker, question: Hashable, read: Callable[[ReadSnapshot], Any]) -> _Job:
        self._check(asker)
        LONG_READS_ASKED.labels("read").inc()
        job = self._jobs[asker, question] = _Job(asker, question, read)
        self._queues.setdefault(asker, deque()).append(job)
        self._depth += 1
        self._dispatch()
        return job

    def _check(self, asker: Asker) -> None:
        mine = len(self._queues.get(asker, ())) + self._running[asker]
        if asker.kind == "user" and mine >= self._per_user:
            LONG_READS_ASKED.labels("refused").inc()
            if asker == VISITORS:
                raise Unavailable(
                    "too many long reads without a credential are in progress", retry_after=RETRY_S
                )
            raise TooManyRequests(f"{mine} long reads of this user are in progress", retry_after=RETRY_S)
        if self._depth >= self._most:
            LONG_READS_ASKED.labels("refused").inc()
            raise Unavailable("too many long reads are in progress", retry_after=RETRY_S)

    def _dispatch(self) -> None:
        while self._idle and (job := self._next()) is not None:
            self._begin(job, self._idle.pop())

    def _next(self) -> _Job | None:
        """The next job in turn; askers that have all their permitted threads are skipped."""
        for asker, queue in self._queues.items():
            if self._running[asker] < (1 if asker == VISITORS else self._at_once):
                job = queue.popleft()
                del self._queues[asker]
                if queue:
                    self._queues[asker] = queue  # after all others
                return job
        return None

    def _begin(self, job: _Job, reading: ReadSnapshot) -> None:
        job.reading, job.commits = reading, reading.writer.commits
        reading.cancelled = False
        self._running[job.asker] += 1
        ran = asyncio.get_running_loop().run_in_executor(self._threads, _run, reading, job.read)
        if ran.done():
            self._ended(job, ran)
        else:
            ran.add_done_callback(lambda _: self._ended(job, ran))

    def _ended(self, job: _Job, ran: "asyncio.Future[Any]") -> None:
        reading, job.reading = job.reading, None
        assert reading is not None
        self._running[job.asker] -= 1
        if not self._running[job.asker]:
            del self._running[job.asker]
        if reading in self._outdated:
            self._outdated.remove(reading)
            reading.names.forget()
        self._idle.append(reading)
        self._forget(job)
        if not job.done.done():
            error = None if ran.cancelled() else ran.exception()
            if ran.cancelled():
                job.done.cancel()
            elif error is not None:
                job.done.set_exception(error)
                job.done.exception()  # the callers get the exception; without callers it is ignored
            else:
                job.done.set_result(ran.result())
        elif not ran.cancelled():
            ran.exception()
        self._dispatch()

    def _forget(self, job: _Job) -> None:
        self._depth -= 1
        if self._jobs.get((job.asker, job.question)) is job:
            del self._jobs[job.asker, job.question]

    def _abandon(self, job: _Job) -> None:
        """The last caller of this read has left."""
        LONG_READS_ASKED.labels("abandoned").inc()
        job.done.cancel()
        if job.reading is not None:
            # The connection belongs to this read until the loop has seen it end, so no other is stopped.
            self._jobs.pop((job.asker, job.question), None)
            job.reading.cancel()
            return
        self._forget(job)
        queue = self._queues[job.asker]
        queue.remove(job)
        if not queue:
            del self._queues[job.asker]

    def forget_names(self) -> None:
        """Drop the names that the readers cache: running reads do so when they have ended."""
        for reading in self.readings:
            if reading in self._idle:
                reading.names.forget()
            else:
                self._outdated.add(reading)

    def close(self) -> None:
        """End the threads and close their connections, without waiting for running reads."""
        for queue in self._queues.values():
            for job in queue:
                job.done.cancel()
        self._queues.clear()
        for reading in self.readings:
            if reading not in self._idle:
                reading.cancel()
        self._threads.shutdown()
        for reading in self.readings:
            reading.db.close()


def _run(reading: ReadSnapshot, read: Callable[[ReadSnapshot], T]) -> T:
    try:
        return reading.retrying(lambda: read(reading))
    finally:
        if reading.db.in_transaction:
            reading.db.execute("ROLLBACK")
