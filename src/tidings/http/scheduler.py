"""The number of requests that begin in one pass of the event loop: no socket is read until the pass has ended."""

import asyncio
from collections import deque
from collections.abc import Callable

SHARE_S = 0.01
"""Seconds of one pass for requests that begin as they arrive, and again for those that have waited: with the longest single
one and the other work, a pass stays within 50 ms."""
STARVED = 2
"""How many times as long a share may last if other threads or programs take the processor meanwhile. To end the pass then
would not make room for others sooner: it makes more passes of the same work, which cost a tenth more."""
MIN_BATCH, MAX_BATCH = 4, 64
"""Bounds of the requests that have waited and are due to begin in one pass: with fewer the passes would cost more than the
requests, as each polls all sockets, and its reads have their own snapshot (docs/adr/0009). Of them the first begins, and as
many more as begin within SHARE_S of it."""


class _Share:
    """A share of a pass: SHARE_S of the ``processor`` time of this thread. To read that takes ten times as long as to read
    the clock, so it is read once SHARE_S has passed."""

    __slots__ = ("_began", "_is_over", "_processor", "_used")

    def __init__(self, processor: Callable[[], float]) -> None:
        self._processor = processor
        self._began = self._used = 0.0
        self._is_over = False

    def begin(self, now: float) -> None:
        """Begin anew."""
        self._began, self._used, self._is_over = now, self._processor(), False

    def spent(self, now: float) -> float:
        """Seconds that count so far."""
        lasted = now - self._began
        return lasted if lasted < SHARE_S else max(self._processor() - self._used, lasted / STARVED)

    def lasts(self, now: float) -> bool:
        """Whether it has not ended."""
        if not self._is_over:
            self._is_over = self.spent(now) >= SHARE_S
        return not self._is_over


class RequestScheduler:
    """Defers requests to a later pass if this one has lasted long enough; waiting requests begin in turn by client.
    ``monotonic`` returns monotonic seconds, ``processor`` those of the processor time of this thread."""

    def __init__(self, monotonic: Callable[[], float], processor: Callable[[], float] | None = None) -> None:
        self._monotonic = monotonic
        self._arrivals = _Share(processor or monotonic)
        self._begun = _Share(processor or monotonic)
        self._ends: float | None = None
        """The time after which no more requests begin in this pass; None before the first one, and while none waits."""
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        """By client, in the order of their arrival."""
        self._order: deque[tuple[str, deque[asyncio.Future[None]]]] = deque()
        """The same, in the order of their turns: entries of the dictionary would cost more to move."""
        self._batch = MIN_BATCH
        """The number of waiting requests that begin in the next pass."""
        self._batch_began: float | None = None

    def may_begin(self) -> bool:
        """Whether a request that has arrived begins in this pass; if not, it has to :meth:`wait`."""
        now = self._monotonic()
        if self._ends is None:
            self._open(now)
            return True
        return now < self._ends or self._arrivals.lasts(now)

    async def wait(self, client: str) -> None:
        """Wait until a request of this client has its turn."""
        await self._turn(client)
        while not self._fits():
            await self._turn(client)

    def _turn(self, client: str) -> asyncio.Future[None]:
        turn = asyncio.get_running_loop().create_future()
        turns = self._waiting.get(client)
        if turns is None:
            turns = self._waiting[client] = deque()
            self._order.append((client, turns))
        turns.append(turn)
        if self._ends is None:
            self._open(self._monotonic())
        return turn

    def _fits(self) -> bool:
        """Whether one more of this batch begins: those before it may take longer than those from which the size was
        computed."""
        now = self._monotonic()
        if self._batch_began is None:
            self._batch_began = now
            self._begun.begin(now)
            return True
        return self._begun.lasts(now)

    def _open(self, now: float) -> None:
        self._ends = now + SHARE_S
        self._arrivals.begin(now)
        asyncio.get_running_loop().call_soon(self._next_pass)

    def _next_pass(self) -> None:
        """Called in each pass, after the batch that it began in the one before, and before the new requests of this one."""
        now = self._monotonic()
        self._adapt(now)
        if not self._waiting:
            self._ends = None
            return
        self._begin_batch()
        self._open(now)

    def _adapt(self, now: float) -> None:
        if self._batch_began is None:
            return
        took, self._batch_began = self._begun.spent(now), None
        if took > SHARE_S:
            self._batch = max(MIN_BATCH, self._batch // 2)
        elif took < SHARE_S / 2:
            self._batch = min(MAX_BATCH, self._batch * 2)

    def _begin_batch(self) -> None:
        """Begin the first request of the next client in turn, again and again, except those of clients that have left."""
        left, order = self._batch, self._order
        while left and order:
            client, turns = first = order.popleft()
            turn = turns.popleft()
            if turns:
                order.append(first)
            else:
                del self._waiting[client]
            if not turn.done():
                turn.set_result(None)
                left -= 1
