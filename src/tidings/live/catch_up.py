"""Catching up: one chunk in turn for each stream that is behind, so that a client that was away for a month delays no
connected client."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable

from tidings.live.frames import feed_frames
from tidings.live.inbox_reader import CHUNK, InboxReader
from tidings.live.registry import StreamRegistry
from tidings.live.stream import State, Stream
from tidings.outages import OutageLog
from tidings.ports import Store
from tidings.telemetry import STREAM_ENDS
from tidings.timeutil import Clock

REFILLS = 4
"""Streams that catch up at the same time."""

_log = logging.getLogger(__name__)


class CatchUp:
    """Reads from the store what streams missed, and sends it."""

    def __init__(
        self,
        store: Store,
        inboxes: InboxReader,
        registry: StreamRegistry,
        clock: Clock,
        position: Callable[[], int],
        at_once: int = REFILLS,
    ) -> None:
        """``position`` returns that up to which following has sent events: a stream goes live from there on. ``at_once``:
        streams that catch up at the same time."""
        self._at_once = at_once
        self._store = store
        self._inboxes = inboxes
        self._registry = registry
        self._clock = clock
        self._position = position
        self._behind: deque[Stream] = deque()
        self._refill = asyncio.Semaphore(0)
        self._outages = OutageLog(_log, "streams could not read what they missed")
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin catching up; needs a running event loop."""
        self._tasks = [asyncio.create_task(self._run(), name="live-catch-up") for _ in range(self._at_once)]

    async def close(self) -> None:
        """Stop; what is not sent is sent to the streams of the next process."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def add(self, stream: Stream) -> None:
        """Enqueue a stream to catch up."""
        self._behind.append(stream)
        self._refill.release()

    async def _run(self) -> None:
        while True:
            await self._refill.acquire()
            stream = self._behind.popleft()
            try:
                await self._catch_up(stream)
                self._outages.succeeded()
            except Exception as error:
                self._outages.failed(error)
                if stream.state is not State.ENDED:
                    STREAM_ENDS.labels("failed").inc()
                stream.end()
                self._registry.remove(stream)

    async def _catch_up(self, stream: Stream) -> None:
        """Send one chunk of what a stream missed; after the last chunk the stream goes live."""
        stream.dirty = False
        whole = await self._catch_up_inbox(stream)
        reached = await self._catch_up_feed(stream)
        if stream.state is not State.CATCHING_UP:
            return
        at_head = stream.position is None or (reached is not None and reached >= self._position())
        if whole and not stream.dirty and at_head:
            stream.go_live()
        else:
            self.add(stream)

    async def _catch_up_inbox(self, stream: Stream) -> bool:
        if stream.seq is None or stream.state is not State.CATCHING_UP:
            return True
        since = stream.seq
        changes = await self._inboxes.changes(stream.user, since)
        now = self._clock.monotonic()
        if changes.reset:
            stream.reset_inbox(changes.counts.seq, now)
            return True
        stream.send(await self._inboxes.frames(stream.user, since, changes), now)
        return not changes.more

    async def _catch_up_feed(self, stream: Stream) -> int | None:
        """The position up to which the client has all events now; None if there are more, or none are sent to it."""
        if stream.position is None or stream.state is not State.CATCHING_UP:
            return None
        page = await self._store.feed_since(stream.user, stream.position, CHUNK, stream.scope)
        now = self._clock.monotonic()
        if page.reset:
            stream.reset_feed(page.position, now)
            return page.position
        stream.send(feed_frames(page), now)
        if page.next_key is not None:
            return None
        if stream.state is State.CATCHING_UP:
            stream.skip_to(page.position)
        return page.position
