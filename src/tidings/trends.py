"""Trends of one process: what is counted of an event, the windows over the log, and the replies about them."""

import msgspec

from tidings.background import NextRun, Worker
from tidings.commit_effects import CommitEffects
from tidings.config import Settings
from tidings.errors import BadParameter, FieldError
from tidings.event_counts import Dimension, EventSelection, KeyCounts, Points, occurrence
from tidings.filters import FeedFilter
from tidings.ids import ms_of
from tidings.ports import Store
from tidings.projections.windows import WINDOW_S, Top, Windows
from tidings.shared_replies import MadeReply, SharedReplies
from tidings.timeutil import HOUR_MS, Clock, rfc3339
from tidings.visibility import VISITOR, Visibility

REBUILD_PAGE = 1_000
"""Events of the last hour that are read at once when the server starts."""
POINTS = 60
"""Points of a series: whole seconds in each window, and enough for a chart."""
TICK_S = 1.0
"""Seconds between two moves of the windows: their own resolution."""

_encode = msgspec.json.Encoder().encode


class _Body(msgspec.Struct, gc=False):
    """The parts of an event's body that trends count."""

    actor_id: str
    verb: str
    object_type: str
    object_id: str


class Trends:
    """The service that counts committed events, those that everybody sees unless a setting says more, and answers from the
    counts."""

    def __init__(self, store: Store, clock: Clock, settings: Settings) -> None:
        self._store = store
        self._clock = clock
        self._most = settings.trends_max_scanned_events
        self._replies = SharedReplies(clock)
        self._narrowest = Visibility.FOLLOWERS if settings.trends_count_followers else Visibility.PUBLIC
        self.windows = Windows(clock, settings.trends_max_exact_keys)

    def committed(self, effects: CommitEffects) -> None:
        """Count the effects of a commit."""
        self.windows.add_many(
            occurrence(event.created_at, event)
            for event in effects.added
            if event.visibility <= self._narrowest
        )
        for entry in effects.retracted:  # it may have been added by the same commit
            if entry.visibility <= self._narrowest:
                self.windows.remove(*occurrence(ms_of(entry.key), entry))
        for user in effects.erased:  # after the events of the same commit, which have the name too
            self.windows.forget(user)
        if effects.retracted or effects.erased:
            self._replies.clear()
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

    async def top(
        self,
        window: str,
        by: Dimension,
        limit: int,
        object_type: str | None = None,
        topic: str | None = None,
        compare: bool = False,
        viewer: str = "",
    ) -> bytes:
        """The most frequent objects, verbs, object types or actors of a window, of all events or of those of an object type
        and a topic; to ``compare``, with their places in the window before. Raises BadParameter if that takes reading too
        many events."""
        length = WINDOW_S[window]
        narrowest = Visibility.PUBLIC if viewer == VISITOR else self._narrowest
        # Windows in memory count what everybody sees by the settings, which may be more than visitors see.
        filtered = object_type is not None or topic is not None or narrowest != self._narrowest
        if not filtered and not compare:
            return _encode(_shown(self.windows.top(window, by, limit)))

        def selected(end: int) -> EventSelection:
            return self._selected(end, length, object_type, topic, narrowest)

        async def make(reader: str) -> MadeReply:
            if not filtered:
                top, examined = self.windows.top(window, by, limit), 0
            else:
                end = self._clock.now() // 1000
                found = await self._store.ranked_keys(selected(end), by, limit, self._most, reader)
                if found is None:
                    return self._too_many()
                items, examined = [(item.key, item.events) for item in found.items], found.examined
                top = Top(window, by, end * 1000, True, 0, found.total, items)
            if not compare or not top.items:
                return MadeReply(_encode(_shown(top)), examined)
            before = selected(top.as_of_ms // 1000 - length)
            return await self._compared(top, by, before, examined, reader)

        question = ("top", window, by, limit, object_type, topic, compare, narrowest)
        return await self._replies.get(question, viewer, make)

    async def _compared(
        self, top: Top, by: Dimension, previous: EventSelection, examined: int, reader: str
    ) -> MadeReply:
        """The reply with the place of each key in the window before; ``examined`` events were read for the keys."""
        keys = [key for key, _ in top.items]
        before = await self._store.ranks_of_keys(previous, by, keys, self._most, reader)
        if before is None:
            return self._too_many()
        shown = _shown(top) | {"items": _with_previous(top, before)}
        return MadeReply(_encode(shown), examined + before.examined)

    async def series(
        self,
        window: str,
        by: Dimension,
        key: str | None,
        object_type: str | None = None,
        topic: str | None = None,
        viewer: str = "",
    ) -> bytes:
        """The events of a window over its time, of one key or (None) of all, and of an object type and a topic. Raises
        BadParameter if that takes reading too many events."""
        length = WINDOW_S[window]

        def encoded(end: int, counts: list[int]) -> bytes:
            first, step, _ = _points(end, length)
            points = [{"at": rfc3339(first + n * step), "count": count} for n, count in enumerate(counts)]
            shown = {"window": window, "by": by, "key": key, "as_of": rfc3339(end * 1000)}
            return _encode(shown | {"points": points, "total": sum(counts)})

        if key is None and object_type is None and topic is None:
            return encoded(*self.windows.points(window, POINTS))

        async def make(reader: str) -> MadeReply:
            end = self._clock.now() // 1000
            selected = self._selected(end, length, object_type, topic, self._narrowest)
            points = _points(end, length)
            found = await self._store.point_counts(selected, points, by, key, self._most, reader)
            if found is None:
                return self._too_many()
            return MadeReply(encoded(end, found.counts), found.examined)

        return await self._replies.get(("series", window, by, key, object_type, topic), viewer, make)

    def _selected(
        self, end: int, length: int, object_type: str | None, topic: str | None, narrowest: Visibility
    ) -> EventSelection:
        """The events up to a visibility of ``length`` whole seconds, the last of which is ``end``."""
        until = (end + 1) * 1000
        return EventSelection(until - length * 1000, until, object_type, topic, narrowest)

    def _too_many(self) -> MadeReply:
        detail = (
            f"expected a window in which at most {self._most:,} events are to be read for these parameters, got one with "
            "more; a shorter window has fewer, and a topic"
        )
        return MadeReply(BadParameter(f"window: {detail}", (FieldError("window", detail),)), self._most)

    async def _rebuild(self) -> None:
        """Count the events of the last hour, up to the position of the last commit that was counted."""
        fresh = self.windows.recount()
        last = self.windows.counted
        want = FeedFilter(since=self._clock.now() - HOUR_MS)
        decoder = msgspec.json.Decoder(_Body)
        before: int | None = None
        while True:
            page = await self._store.activity(None, want, REBUILD_PAGE, before, narrowest=self._narrowest)
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


def _points(end: int, length: int) -> Points:
    """The points of a series over ``length`` whole seconds, the last of which is ``end``."""
    return Points((end + 1 - length) * 1000, length * 1000 // POINTS, POINTS)


def _shown(top: Top) -> dict[str, object]:
    items = [_top_item(top.by, key, count) for key, count in top.items]
    shown = {"window": top.window, "by": top.by, "as_of": rfc3339(top.as_of_ms), "exact": top.exact}
    return shown | {"error": top.error, "total": top.total, "items": items}


def _with_previous(top: Top, before: KeyCounts) -> list[dict[str, object]]:
    """The items, each with its count and rank in the window before."""
    known = {item.key: {"count": item.events, "rank": item.rank} for item in before.items}
    absent = {"count": 0, "rank": None}
    return [_top_item(top.by, key, count) | {"previous": known.get(key, absent)} for key, count in top.items]


def _top_item(by: str, key: str, count: int) -> dict[str, object]:
    if by != "object":
        return {"key": key, "count": count}
    object_type, _, object_id = key.partition(":")
    return {"key": key, "count": count, "object_type": object_type, "object_id": object_id}
