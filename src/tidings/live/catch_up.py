"""Catching up: one chunk in turn for each stream that is behind, so that a client that was away for a month delays no
connected client."""

import asyncio
import logging
from collections import deque

from tidings.live.frames import Frame, feed_frames, inbox_frames
from tidings.live.registry import StreamRegistry
from tidings.live.stream import State, Stream
from tidings.model import InboxChanges
from tidings.outages import OutageLog
from tidings.ports import Store
from tidings.projections.notification_rendering import NotificationRenderer
from tidings.telemetry import STREAM_ENDS
from tidings.timeutil import Clock

CHUNK = 40
"""Changes read from the store for one stream at once: half a millisecond, and about as much as a transport takes in one
turn."""
REFILLS = 4
"""Streams that catch up at the same time."""

_log = logging.getLogger(__name__)


class CatchUp:
    """Reads from the store what streams missed, and sends it."""

    def __init__(
        self, store: Store, wording: NotificationRenderer, registry: StreamRegistry, clock: Clock
    ) -> None:
        self._store = store
        self._wording = wording
        self._registry = registry
        self._clock = clock
        self._behind: deque[Stream] = deque()
        self._refill = asyncio.Semaphore(0)
        self._outages = OutageLog(_log, "streams could not read what they missed")
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin catching up; needs a running event loop."""
        self._tasks = [asyncio.create_task(self._run(), name="live-catch-up") for _ in range(REFILLS)]

    async def close(self) -> None:
        """Stop; what is not sent is sent to the streams of the next process."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def add(self, stream: Stream) -> None:
        """Enqueue a stream to catch up."""
        self._behind.append(stream)
        self._refill.release()

    async def changes_of(self, user: str, since: int) -> InboxChanges:
        """A chunk of the changes of an inbox after a seq."""
        return await self._store.inbox_since(user, since, CHUNK)

    async def frames_of(self, user: str, since: int, changes: InboxChanges) -> list[Frame]:
        """The frames of changes of an inbox after a seq."""
        return inbox_frames(since, changes, await self._wording.items(user, changes.rows))

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
        whole = await self._catch_up_feed(stream) and whole
        if stream.state is not State.CATCHING_UP:
            return
        at_head = stream.position is None or stream.position >= self._registry.position
        if whole and not stream.dirty and at_head:
            stream.go_live()
        else:
            self.add(stream)

    async def _catch_up_inbox(self, stream: Stream) -> bool:
        if stream.seq is None or stream.state is not State.CATCHING_UP:
            return True
        since = stream.seq
        changes = await self.changes_of(stream.user, since)
        now = self._clock.monotonic()
        if changes.reset:
            stream.reset_inbox(changes.counts.seq, now)
            return True
        stream.send(await self.frames_of(stream.user, since, changes), now)
        return not changes.more

    async def _catch_up_feed(self, stream: Stream) -> bool:
        if stream.position is None or stream.state is not State.CATCHING_UP:
            return True
        page = await self._store.feed_since(stream.user, stream.position, CHUNK)
        now = self._clock.monotonic()
        if page.reset:
            stream.reset_feed(page.position, now)
            return True
        stream.send(feed_frames(page), now)
        if page.next_key is None and stream.state is State.CATCHING_UP:
            stream.skip_to(page.position)
        return page.next_key is None
