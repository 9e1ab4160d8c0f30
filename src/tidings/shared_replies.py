"""Replies that take long to make, each made once for all who ask the same question meanwhile."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from typing import NamedTuple

from tidings.errors import BadParameter
from tidings.timeutil import Clock

SHARED_EVENTS = 10_000
"""Events that are examined for a reply, about 10 ms of a thread, above which it is shared. Any other is made afresh, so that
it has every write before its request."""
EVENTS_PER_MS = 100
"""Events that were examined for each millisecond that a shared reply is used. A thread examines some ten times as many,
so one question takes about a tenth of a thread, however often it is asked."""
MOST_REPLIES = 100
"""Shared replies kept: about 10 KB each, 100 KB with the longest keys."""
MOST_MAKERS = 8
"""Viewers who make one reply at once, each in their own turn. The turn of one who asks for much comes late, those of eight
seldom all; with more, a reply that many ask for would fill the queue of long reads."""


class MadeReply(NamedTuple):
    """A reply, or why there is none, and the number of events that were examined for it."""

    answer: bytes | BadParameter
    examined: int

    def body(self) -> bytes:
        """The reply. Raises BadParameter if there is none."""
        if isinstance(self.answer, BadParameter):
            # A copy: each raise would add the frames of its request to the traceback of the one that is kept.
            raise BadParameter(self.answer.detail, self.answer.errors)
        return self.answer


Make = Callable[[str], Awaitable[MadeReply]]
"""Makes the reply to a question in the turn of a viewer ("": the application)."""


class _Shared:
    """A reply that is being made, or was made, for all; ``at`` is the time when that began.

    Several viewers make it at once, each in their own turn, and the first reply is that of all: whoever asks need not wait
    for the turn of a viewer who asks much.
    """

    def __init__(self, at: int) -> None:
        self.at = at
        self.made: asyncio.Future[MadeReply] = asyncio.get_running_loop().create_future()
        self._makers: dict[str, asyncio.Future[MadeReply]] = {}
        self._waiting = 0

    def is_recent(self, now: int) -> bool:
        """Whether the reply is being made, or was made a short time ago for its cost."""
        if not self.made.done():
            return True
        return 0 <= (now - self.at) * EVENTS_PER_MS < self.made.result().examined

    @property
    def is_shared(self) -> bool:
        """Whether requests wait for the reply, or it was made from so many events that it is shared."""
        if not self.made.done():
            return self._waiting > 0
        return self.made.result().examined > SHARED_EVENTS

    async def wait(self, viewer: str, make: Make) -> MadeReply:
        """The reply, which this viewer makes too unless MOST_MAKERS do. Raises what their own attempt raises."""
        self._waiting += 1
        try:
            while not self.made.done():
                await self._step(viewer, make)
            return self.made.result()
        finally:
            self._waiting -= 1
            if not self._waiting:
                self._end()

    async def _step(self, viewer: str, make: Make) -> None:
        """Wait until the reply is made, or an attempt to make it has ended."""
        if viewer not in self._makers and len(self._makers) < MOST_MAKERS:
            self._begin(viewer, make)
        own, attempts = self._makers.get(viewer), tuple(self._makers.values())
        await asyncio.wait({self.made, *attempts}, return_when=asyncio.FIRST_COMPLETED)
        if own is not None and own.done() and not self.made.done():
            own.result()

    def _begin(self, viewer: str, make: Make) -> None:
        attempt = self._makers[viewer] = asyncio.ensure_future(make(viewer))
        attempt.add_done_callback(lambda _: self._attempted(viewer, attempt))

    def _attempted(self, viewer: str, attempt: "asyncio.Future[MadeReply]") -> None:
        self._makers.pop(viewer, None)
        if attempt.cancelled() or attempt.exception() is not None or self.made.done():
            return
        self.made.set_result(attempt.result())
        self._end()

    def _end(self) -> None:
        """End the attempts that nobody waits for."""
        for attempt in self._makers.values():
            attempt.cancel()


class SharedReplies:
    """The shared replies of one service, the least recently used of which are dropped."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._replies: OrderedDict[Hashable, _Shared] = OrderedDict()
        self._cleared = 0

    async def get(self, question: Hashable, viewer: str, make: Make) -> bytes:
        """The reply to a question. The first one that turns out to be long is made for its viewer alone, each further one
        for all who ask meanwhile. Raises BadParameter if the question is refused."""
        now = self._clock.now()
        shared = self._replies.get(question)
        if shared is None:
            return (await self._alone(question, viewer, make)).body()
        if not shared.is_recent(now):
            shared = self._keep(question, _Shared(now))
        self._replies.move_to_end(question)
        try:
            return (await shared.wait(viewer, make)).body()
        finally:
            if self._replies.get(question) is shared and not shared.is_shared:
                del self._replies[question]

    def clear(self) -> None:
        """Forget all replies: events in them are retracted, or a name is erased. Requests that wait already get theirs."""
        self._replies.clear()
        self._cleared += 1

    async def _alone(self, question: Hashable, viewer: str, make: Make) -> MadeReply:
        at, cleared = self._clock.now(), self._cleared
        made = await make(viewer)
        if made.examined > SHARED_EVENTS and cleared == self._cleared and question not in self._replies:
            self._keep(question, _Shared(at)).made.set_result(made)
        return made

    def _keep(self, question: Hashable, shared: _Shared) -> _Shared:
        self._replies[question] = shared
        if len(self._replies) > MOST_REPLIES:
            self._replies.popitem(last=False)
        return shared
