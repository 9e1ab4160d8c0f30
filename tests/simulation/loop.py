"""An event loop without a world outside: when everybody waits, time passes to the next timer at once."""

import asyncio
import contextvars
import heapq
from collections import deque
from collections.abc import Callable, Coroutine
from itertools import count
from typing import Any, TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")
GATHERED = "GroupCommitQueue.submit"
"""A coroutine that is a task only where results are gathered: what it raises reaches whoever gathers them."""
START_MS = 1_700_000_000_000
"""What the wall shows when a simulation begins, in milliseconds since 1970."""


class Stuck(AssertionError):
    """Everybody waits, and no timer will wake anybody."""


class Life:
    """Everything that was started by one process: its tasks die with it. What a task raises is a failure."""

    def __init__(self, failures: list[BaseException]) -> None:
        self._failures = failures
        self._tasks: dict[asyncio.Task[Any], None] = {}  # ordered, as a set is not
        self._context = contextvars.copy_context()
        self._context.run(_life.set, self)

    def spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Begin some work; whatever it begins in turn belongs to this life too."""
        return self._context.run(asyncio.get_running_loop().create_task, work)

    def owns(self, task: asyncio.Task[Any]) -> None:
        """A task was begun."""
        self._tasks[task] = None
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[Any]) -> None:
        del self._tasks[task]
        error = None if task.cancelled() else task.exception()
        if error is not None and getattr(task.get_coro(), "__qualname__", "") != GATHERED:
            self._failures.append(error)

    def end(self) -> None:
        """Kill everything, wherever it waits."""
        for task in list(self._tasks):
            task.cancel()


_life: contextvars.ContextVar[Life | None] = contextvars.ContextVar("life", default=None)


class VirtualLoop(asyncio.BaseEventLoop):
    """A loop whose time is a number. Callbacks that are ready run in the order in which they became so, as asyncio
    promises; who comes first is up to the delays that the simulated world draws. What is given to a thread is done at
    once instead."""

    _ready: "deque[asyncio.Handle]"

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._number = count()
        self.set_task_factory(_begun)  # type: ignore[arg-type]  # typeshed knows only factories without a context

    def time(self) -> float:
        """Seconds since the simulation began."""
        return self.now

    def call_at(
        self,
        when: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        """Call back then. Kept apart from asyncio's own timers, which take most of their time to be compared."""
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._timers, (when, next(self._number), timer))
        return timer

    def run_in_executor(  # type: ignore[override]
        self, executor: object, work: Callable[..., T], *args: Any
    ) -> "asyncio.Future[T]":
        """Do it now: one thread is the same story each time."""
        done = self.create_future()
        try:
            done.set_result(work(*args))
        except Exception as error:
            done.set_exception(error)
        return done

    def _run_once(self) -> None:
        """A turn. When nobody is ready, the seconds until the next timer have passed. Raises Stuck."""
        ready, timers = self._ready, self._timers
        while not ready or (timers and timers[0][0] <= self.now):
            if not timers:
                raise Stuck("everybody waits for ever")
            when, _, timer = heapq.heappop(timers)
            if not timer.cancelled():
                self.now = max(self.now, when)
                ready.append(timer)
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle.cancelled():
                handle._run()

    def _process_events(self, events: object) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """There is one thread."""


def _begun(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, T], **how: Any) -> asyncio.Task[T]:
    task = asyncio.Task(work, loop=loop, **how)
    life = _life.get()
    if life is not None:
        life.owns(task)
    return task


class Clock:
    """A :class:`tidings.timeutil.Clock` on the time of a loop; what the wall shows can be moved."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self.ahead_ms = 0

    def now(self) -> int:
        """Milliseconds since 1970."""
        return START_MS + self.ahead_ms + int(self._loop.now * 1_000)

    def monotonic(self) -> float:
        """Seconds since the simulation began."""
        return self._loop.now


async def pause(seconds: float) -> None:
    """Let virtual time pass."""
    loop = asyncio.get_running_loop()
    over = loop.create_future()
    timer = loop.call_later(seconds, settle, over, None)
    try:
        await over
    finally:
        timer.cancel()


def settle(future: "asyncio.Future[T]", result: T) -> None:
    """Give a future its result, unless it has one."""
    if not future.done():
        future.set_result(result)
