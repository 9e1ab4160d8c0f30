"""Trends of one process: what is counted of an event, the windows over the log, and the replies about them."""

import msgspec

from tidings.background import NextRun, Worker
from tidings.commit_effects import CommitEffects
from tidings.config import Settings
from tidings.ids import ms_of
from tidings.model import FeedFilter, LogEntry, NewEvent
from tidings.personal_data import is_alias
from tidings.ports import Store
from tidings.projections.windows import Occurrence, Windows
from tidings.timeutil import HOUR_MS, Clock, rfc3339

REBUILD_PAGE = 1_000
"""Events of the last hour that are read at once when the server starts."""
TICK_S = 1.0
"""Seconds between two moves of the windows: their own resolution."""

_encode = msgspec.json.Encoder().encode


class _Body(msgspec.Struct, gc=False):
    """The parts of an event's body that trends count."""

    actor_id: str
    verb: str
    object_type: str
    object_id: str


def occurrence(at: int, event: NewEvent | LogEntry | _Body) -> Occurrence:
    """The occurrence of an event of this time (milliseconds), which trends count, and subtract after a retraction. The name
    of an erased user is no key, in whatever way the events are counted."""
    topic = f"{event.object_type}:{event.object_id}"
    if event.object_type == "user" and is_alias(event.object_id):
        topic = ""
    return at, topic, event.verb, event.object_type, "" if is_alias(event.actor_id) else event.actor_id


class Trends:
    """The service that counts committed events and answers from the counts."""

    def __init__(self, store: Store, clock: Clock, settings: Settings) -> None:
        self._store = store
        self._clock = clock
        self.windows = Windows(clock, settings.trends_max_exact_keys)

    def committed(self, effects: CommitEffects) -> None:
        """Count the effects of a commit."""
        self.windows.add_many(occurrence(event.created_at, event) for event in effects.added)
        for entry in effects.retracted:  # it may have been added by the same commit
            self.windows.remove(*occurrence(ms_of(entry.key), entry))
        for user in effects.erased:  # after the events of the same commit, which have the name too
            self.windows.forget(user)
        if effects.added:
            self.windows.counted = effects.position

    async def start_at(self, position: int) -> None:
        """Count the last hour up to the last position of the log; the hooks count every later commit."""
        self.windows.counted = position
        await self._rebuild()

    async def keep_current(self) -> None:
        """To be called every second: move the windows, with or without queries, so that no query has much to catch up with;
        and count them again when they are outdated."""
        self.windows.advance()
        if self.windows.outdated:
            await self._rebuild()

    async def top(self, window: str, by: str, limit: int) -> bytes:
        """The most frequent objects, verbs, object types or actors of a window."""
        top = self.windows.top(window, by, limit)
        items = [_top_item(by, key, count) for key, count in top.items]
        shown = {"window": window, "by": by, "as_of": rfc3339(top.as_of_ms), "exact": top.exact}
        shown |= {"error": top.error, "total": top.total, "items": items}
        return _encode(shown)

    async def _rebuild(self) -> None:
        """Count the events of the last hour, up to the position of the last commit that was counted."""
        fresh = self.windows.recount()
        last = self.windows.counted
        want = FeedFilter(since=self._clock.now() - HOUR_MS)
        decoder = msgspec.json.Decoder(_Body)
        before: int | None = None
        while True:
            page = await self._store.activity(None, want, REBUILD_PAGE, before)
            fresh.add_many(
                occurrence(ms_of(item.key), decoder.decode(item.body))
                for item in page.items
                if item.position <= last
            )
            if page.next_key is None:
                self.windows.renew(fresh)
                return
            before = page.next_key


class TrendsWorker(Worker):
    """Keeps trends current, every second."""

    def __init__(self, trends: Trends) -> None:
        super().__init__("windows")
        self._trends = trends

    async def _round(self) -> NextRun:
        await self._trends.keep_current()
        return NextRun(TICK_S)


def _top_item(by: str, key: str, count: int) -> dict[str, object]:
    if by != "object":
        return {"key": key, "count": count}
    object_type, _, object_id = key.partition(":")
    return {"key": key, "count": count, "object_type": object_type, "object_id": object_id}
