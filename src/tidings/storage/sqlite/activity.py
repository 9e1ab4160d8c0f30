"""Activity: one topic's timeline, or the events of all users, newest first; and for streams in the order of positions."""

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import NamedTuple, TypeVar

from tidings.activity_scope import ActivityScope
from tidings.feed_changes import FeedChange
from tidings.filters import EVERYTHING, FeedFilter
from tidings.ids import MAX_KEY
from tidings.model import FeedItem, Page, UnseenCount
from tidings.storage.sqlite import feed_history, hidden_ranges
from tidings.storage.sqlite.feeds import (
    FIRST_CHUNK,
    LARGEST_CHUNK,
    Matcher,
    chunk_sizes,
    counted,
    matcher,
    span_of,
)
from tidings.storage.sqlite.read_snapshot import EventRow, ReadSnapshot
from tidings.storage.sqlite.read_times import lists_with, read_times
from tidings.storage.sqlite.statements import sql
from tidings.storage.sqlite.timeline_numbers import ALL_BY_KEY, topic_timeline
from tidings.storage.sqlite.write_session import high_key
from tidings.visibility import Visibility, is_listed

T = TypeVar("T")
PASSED_OVER = 20
"""Events that SQLite passes over in the time in which one is looked at: there may be many private ones between two that
everybody sees."""

SCANNED = 1_000
"""Positions of the log that are examined together for a stream: about 3 ms of a thread."""
_NOTHING: dict[int, int] = {}


class ActivityViewer(NamedTuple):
    """Who reads activity: None for nobody in particular; ``careful``: a block may hide events from them; ``reads``: as that
    of ``read_times.Reading``."""

    user: int | None = None
    careful: bool = False
    reads: int = 0


def page(
    r: ReadSnapshot,
    topic: str | None,
    want: FeedFilter,
    limit: int,
    before: int | None,
    viewer: ActivityViewer,
    narrowest: Visibility = Visibility.PUBLIC,
) -> Page:
    """A page of the activity of a topic, or (None) of all; see FeedViews.activity. ``narrowest``: the
    least visible events of everybody's pages."""
    position = r.head()
    fits = matcher(r, want)
    number = None if topic is None else r.names.topic(topic)
    if fits is None or (topic is not None and number is None):
        return Page([], None, position)
    items: list[FeedItem] = []
    at, above = span_of(want, before)
    listed = Listing(r, number, viewer, narrowest)
    plain = want == EVERYTHING and not viewer.careful
    for chunk in chunk_sizes(r, limit, plain):
        shown, reached = listed.chunk(fits, at, above, chunk)
        read = _NOTHING
        if viewer.reads:
            read = read_times(r, viewer, [(e.key, e.position) for e in shown], in_feed=False)
        if want.read is not None:
            shown = [e for e in shown if (e.key in read) == want.read]
        items += [FeedItem(e.key, e.position, e.body, read.get(e.key)) for e in _with_bodies(r, shown)]
        if len(items) > limit:
            return Page(items[:limit], items[limit - 1].key, position)
        if reached is None:
            return Page(items, None, position)
        at = reached
        r.continue_in_a_thread()  # what was read is not what is listed: there may be much more of it
    return Page(items, at, position, partial=True)


def new_count(
    r: ReadSnapshot,
    topic: str | None,
    position: int,
    cap: int,
    want: FeedFilter,
    up_to: int | None,
    viewer: ActivityViewer,
) -> UnseenCount:
    """The number of events after a position, of a topic or (None) of all, that match a filter; see FeedViews.new_count."""
    head, fits = r.head(), matcher(r, want)
    number = None if topic is None else r.names.topic(topic)
    if fits is None or (topic is not None and number is None):
        return UnseenCount(0, False, head)
    listed = Listing(r, number, viewer)
    before, above = span_of(want, None)
    last = MAX_KEY if up_to is None else up_to
    parts = _logged(r, position, last) if number is None else _entered(r, number, position, last, listed)

    def examined() -> Iterator[tuple[int, bool]]:
        for n, keys in enumerate(parts):
            if n:
                r.continue_in_a_thread()
            found = [e for e in listed.of(keys) if above < e.key < before and fits(e)]
            shown = {e.key for e in found}
            if want.read is not None:
                read = read_times(r, viewer, [(e.key, e.position) for e in found], in_feed=False)
                shown = shown & read.keys() if want.read else shown - read.keys()
            yield from ((key, key in shown) for key in keys)

    return counted(examined(), cap, r.writer.settings.feed_max_scanned_rows, head)


def between(
    r: ReadSnapshot, topic: int | None, viewer: ActivityViewer, low: int, high: int
) -> Iterator[EventRow]:
    """The events of a topic or (None) of all with a position in (low, high] that are listed, without their bodies; of as
    many as a filtered page examines."""
    if low >= high:
        return
    listed = Listing(r, topic, viewer)
    left = r.writer.settings.feed_max_scanned_rows
    for keys in _logged(r, low, high) if topic is None else _entered(r, topic, low, high, listed):
        yield from listed.of(keys)
        left -= len(keys)
        if left <= 0:
            return


def has_events(r: ReadSnapshot, topic: int) -> bool:
    """Whether a topic has an event that is not retracted, as far as a filtered page examines."""
    at = MAX_KEY
    for chunk in chunk_sizes(r, 1, plain=False):
        events, reached = _of_topic(r, topic, at, -1, chunk)
        if events or reached is None:
            return bool(events)
        at = reached
    return True


def on_pages(
    r: ReadSnapshot, topic: int | None, viewer: ActivityViewer, keys: Sequence[int]
) -> list[EventRow]:
    """Those of these events that the page of a topic, or (None) any page of activity, lists, without their bodies."""
    events = r.events(keys, "events_without_body")
    hidden = _blocked(r, viewer, events)
    pages = {topic} if topic is not None else {t for event in events for t in event.all_topics()}
    having = lists_with(r, viewer.user, events, pages)
    return [e for e in events if e.actor not in hidden and having[e.key]]


def _logged(r: ReadSnapshot, position: int, last: int) -> Iterator[list[int]]:
    """The keys of the events in the log with a position in (position, last], in parts; without most of those that no page of
    everybody's events lists."""
    chunk = FIRST_CHUNK
    while True:
        rows = r.db.all(sql("log_between"), (position, last, chunk))
        if rows:
            yield [key for _, key in rows]
        if len(rows) < chunk:
            return
        position = hidden_ranges.above(r, rows[-1][0])
        chunk = min(chunk * 2, LARGEST_CHUNK) if position == rows[-1][0] else FIRST_CHUNK


def _entered(r: ReadSnapshot, topic: int, position: int, last: int, listed: "Listing") -> Iterator[list[int]]:
    """The same of the events of a topic: those in order are above the greatest key at the position, others are listed."""
    chunk, at, above = FIRST_CHUNK, MAX_KEY, high_key(r.db, position)
    while True:
        entries = r.entries((topic_timeline(topic),), at, above, chunk)
        yield [entry.key for entry in entries if position < entry.why <= last]
        if len(entries) < chunk:
            break
        own, at = listed.passed_over(entries[-1].key, above)
        yield [event.key for event in own if position < event.position <= last]
        chunk = min(chunk * 2, LARGEST_CHUNK) if at == entries[-1].key else FIRST_CHUNK
    while True:
        rows = r.db.all(sql("out_of_order_entries"), (topic_timeline(topic), position, last, LARGEST_CHUNK))
        yield [key for key, _ in rows if key <= above]
        if len(rows) < LARGEST_CHUNK:
            return
        position = rows[-1][1]


def since(
    r: ReadSnapshot, viewer: ActivityViewer, after: int, last: int, limit: int, scope: ActivityScope
) -> tuple[dict[int, FeedItem | FeedChange], int]:
    """(by position the first events after a position, up to ``last``, that a stream carries beside its feed, and the
    retractions of such events; the position up to which these are all)."""
    carries = _Carried(r, viewer, scope)
    shown: list[EventRow] = []
    at = after
    while len(shown) <= limit and at < last:
        rows = r.db.all(sql("log_between"), (at, last, SCANNED))
        shown += carries.some_of(r.events([key for _, key in rows], "events_without_body"))
        at = rows[-1][0] if len(rows) == SCANNED else last
    if len(shown) > limit:
        shown = shown[: limit + 1]
        last = shown[-1].position
    found: dict[int, FeedItem | FeedChange] = {
        event.position: FeedItem(event.key, event.position, event.body) for event in _with_bodies(r, shown)
    }
    at = after
    while at < last:
        gone = list(feed_history.retractions(r, at, last, SCANNED))
        kept = {event.key for event in carries.some_of([event for _, event in gone])}
        found |= {position: feed_history.retraction(r, position, e) for position, e in gone if e.key in kept}
        at = gone[-1][0] if len(gone) == SCANNED else last
    return found, last


class _Carried:
    """Which events a stream carries beside its feed."""

    def __init__(self, r: ReadSnapshot, viewer: ActivityViewer, scope: ActivityScope) -> None:
        self._r = r
        self._viewer = viewer
        self._everybody = scope.everybody
        numbers = filter(None, map(r.names.topic, scope.topics))
        self._topics = {number: Listing(r, number, viewer) for number in numbers}

    def some_of(self, events: Sequence[EventRow]) -> list[EventRow]:
        """Those of these events that it carries."""
        hidden = _blocked(self._r, self._viewer, events)
        return [event for event in events if event.actor not in hidden and self._lists(event)]

    def _lists(self, event: EventRow) -> bool:
        if self._everybody and event.is_public:
            return True
        listings = map(self._topics.get, event.all_topics()) if self._topics else ()
        return any(listing is not None and listing(event) for listing in listings)


class Listing:
    """Which events the page of a topic, or (None) of all, lists for a viewer."""

    def __init__(
        self,
        r: ReadSnapshot,
        topic: int | None,
        viewer: ActivityViewer,
        narrowest: Visibility = Visibility.PUBLIC,
    ) -> None:
        self._r = r
        self._topic = topic
        self._viewing = viewer
        self._viewer = viewer.user
        self._narrowest = narrowest

    def chunk(self, fits: Matcher, before: int, above: int, limit: int) -> tuple[list[EventRow], int | None]:
        """(the listed ones of the next events, with or without their bodies; the key down to which they were examined, None
        at the end)."""
        if self._topic is None:
            events, reached = _everyones(self._r, before, above, limit, self._narrowest)
        else:
            events, reached = _of_topic(self._r, self._topic, before, above, limit)
            if reached is not None and events and not self(events[-1]):
                own, reached = self.passed_over(reached, above)
                events += own
        if not fits.admits_all:
            events = [e for e in events if fits(e)]
        if hidden := _blocked(self._r, self._viewing, events):
            events = [e for e in events if e.actor not in hidden]
        if self._topic is not None:  # those of everybody were read by their visibility
            events = [e for e in events if self(e)]
        return events, reached

    def of(self, keys: Sequence[int]) -> list[EventRow]:
        """The events of these keys, all of this activity's list, that are listed, without their bodies."""
        events = self._r.events(keys, "events_without_body")
        hidden = _blocked(self._r, self._viewing, events)
        return [e for e in events if e.actor not in hidden and self(e)]

    def __call__(self, event: EventRow) -> bool:
        """Whether an event is listed, if no block hides it."""
        return event.is_public or is_listed(
            Visibility(event.visibility),
            of_topic=self._topic is not None,
            follows=self._follows,
            own=event.actor == self._viewer,
            narrowest=self._narrowest,
        )

    def passed_over(self, key: int, above: int) -> tuple[list[EventRow], int]:
        """If the entry of the topic with this key is in a range of hidden ones: (the events in it that are listed, as they
        are the viewer's own, down to ``above``; the key down to which these are all)."""
        if self._topic is None or self._follows or self._topic == self._viewer:
            return [], key
        end = hidden_ranges.below(self._r, topic_timeline(self._topic), key)
        if end == key or self._viewer is None:
            return [], end
        timelines = (topic_timeline(self._viewer),)
        entries = self._r.entries(timelines, key, max(end - 1, above), LARGEST_CHUNK)
        own = self._r.events([entry.key for entry in entries], "events_without_body")
        reached = entries[-1].key if len(entries) == LARGEST_CHUNK else end
        return [event for event in own if self._topic in event.all_topics()], reached

    @cached_property
    def _follows(self) -> bool:
        if self._viewer is None or self._topic is None:
            return False
        return self._r.db.one(sql("is_following"), (self._viewer, self._topic)) is not None


def _blocked(r: ReadSnapshot, viewer: ActivityViewer, events: Sequence[EventRow]) -> set[int]:
    """The actors of these events with whom a viewer has a block."""
    if not viewer.careful or not events:
        return set()
    actors = r.writer.carray({event.actor for event in events})
    return {actor for (actor,) in r.db.execute(sql("blocked_actors"), (viewer.user, actors))}


def _of_topic(
    r: ReadSnapshot, topic: int, before: int, above: int, limit: int
) -> tuple[list[EventRow], int | None]:
    """(the newest events of a topic that are not retracted, the key down to which the topic was read; None at its end).
    Without their bodies if they are many: few of them may be listed."""
    keys = [entry.key for entry in r.entries((topic_timeline(topic),), before, above, limit)]
    events = r.events(keys, "events" if limit <= FIRST_CHUNK else "events_without_body")
    return events, keys[-1] if len(keys) == limit else None


def _with_bodies(r: ReadSnapshot, events: list[EventRow]) -> list[EventRow]:
    """The same events, which were read with or without their bodies."""
    if all(event.body for event in events):
        return events
    return r.events([event.key for event in events])


def _everyones(
    r: ReadSnapshot, before: int, above: int, limit: int, narrowest: Visibility
) -> tuple[list[EventRow], int | None]:
    """(the newest events of this visibility that are not retracted, the key down to which all were read; None at the
    end)."""
    return newest(r, r.newest_events, before, above, limit, narrowest)


def newest(
    r: ReadSnapshot,
    read: Callable[[int, int, int, int, int, int], tuple[list[T], int | None]],
    before: int,
    above: int,
    limit: int,
    narrowest: Visibility = Visibility.PUBLIC,
) -> tuple[list[T], int | None]:
    """The same of what ``read`` returns of one partition."""
    found: list[T] = []
    for span in reversed(r.event_spans):
        if span.low < before and span.high > above:
            n, wanted = span.parts[-1], limit - len(found)
            some, reached = read(n, before, above, wanted, limit * PASSED_OVER, narrowest)
            found += some
            if reached is not None:
                if len(found) < limit and narrowest is Visibility.PUBLIC:
                    reached = hidden_ranges.below(r, ALL_BY_KEY, reached)
                return found, reached
    return found, None
