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


class _Shared:
    """A reply that is made, or was made, for all; ``at`` is the time when that began, ``waiting`` the requests that wait."""

    def __init__(self, making: "asyncio.Future[MadeReply]", at: int) -> None:
        self.making = making
        self.at = at
        self.waiting = 0

    def is_long(self) -> bool:
        """Whether the reply is being made, or was made from so many events that it is shared."""
        if not self.making.done():
            return True
        if self.making.cancelled() or self.making.exception() is not None:
            return False
        return self.making.result().examined > SHARED_EVENTS

    def must_make(self, now: int) -> bool:
        """Whether the reply is neither being made nor recent enough, or making it failed."""
        if not self.making.done():
            return False
        if not self.is_long():
            return True
        return not 0 <= (now - self.at) * EVENTS_PER_MS < self.making.result().examined


class SharedReplies:
    """The shared replies of one service, the least recently used of which are dropped."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._replies: OrderedDict[Hashable, _Shared] = OrderedDict()
        self._cleared = 0

    async def get(
        self, question: Hashable, viewer: str, make: Callable[[str | None], Awaitable[MadeReply]]
    ) -> bytes:
        """The reply to a question; ``make`` makes it for a viewer ("": the application), or (None) for all. The first reply
        to a question that turns out to be long is made for its viewer."""
        shared = self._replies.get(question)
        if shared is None or not shared.is_long():
            self._replies.pop(question, None)
            return (await self._alone(question, viewer, make)).body()
        if shared.must_make(self._clock.now()):
            shared = self._keep(question, asyncio.ensure_future(make(None)), self._clock.now())
        self._replies.move_to_end(question)
        return (await self._wait(question, shared)).body()

    def clear(self) -> None:
        """Forget all replies: events in them are retracted, or a name is erased. Requests that wait already get theirs."""
        self._replies.clear()
        self._cleared += 1

    async def _alone(
        self, question: Hashable, viewer: str, make: Callable[[str | None], Awaitable[MadeReply]]
    ) -> MadeReply:
        at, cleared = self._clock.now(), self._cleared
        made = await make(viewer)
        if made.examined > SHARED_EVENTS and cleared == self._cleared and question not in self._replies:
            done = asyncio.get_running_loop().create_future()
            done.set_result(made)
            self._keep(question, done, at)
        return made

    def _keep(self, question: Hashable, making: "asyncio.Future[MadeReply]", at: int) -> _Shared:
        shared = self._replies[question] = _Shared(making, at)
        if len(self._replies) > MOST_REPLIES:
            self._replies.popitem(last=False)
        return shared

    async def _wait(self, question: Hashable, shared: _Shared) -> MadeReply:
        shared.waiting += 1
        try:
            return await asyncio.shield(shared.making)
        finally:
            shared.waiting -= 1
            if not shared.waiting and not shared.making.done():
                # All have left: the read ends, and whoever asks next makes the reply anew.
                shared.making.cancel()
                if self._replies.get(question) is shared:
                    del self._replies[question]
