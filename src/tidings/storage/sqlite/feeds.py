"""Reads of feeds: user feeds, merged with the topics that do not fan out on write to this viewer, under the visibility rules
of ports.py.

An entry is in a user feed because the rules put it there. Only if the viewer is *careful* (has hidden rows: unfollowed,
muted or blocked once) is each entry checked again. Entries of merged topics are always compared with the follow.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple, TypeVar

from tidings.filters import EVERYTHING, Choice, EventFilter, FeedFilter
from tidings.ids import MAX_KEY, key_at, ms_of
from tidings.model import FeedItem, FeedSummary, Page, UnseenCount
from tidings.storage.sqlite.feed_reasons import FOLLOWS_OF, Interval, Reason, by_topic, covers, explain
from tidings.storage.sqlite.read_snapshot import EventRow, ReadSnapshot, TimelineRow, bounded
from tidings.storage.sqlite.read_times import read_times
from tidings.storage.sqlite.statements import sql
from tidings.storage.sqlite.timeline_numbers import (
    feed_timeline,
    followed_topic,
    topic_timeline,
    topic_timelines,
)
from tidings.storage.sqlite.write_session import high_key
from tidings.timeutil import DAY_MS

FIRST_CHUNK, LARGEST_CHUNK = 64, 1_024
"""Entries read per round of a filtered scan: few for a filter that matches most, growing for one that matches few."""
FIRST_COUNTED = 256
"""Entries that are compared with a filter for a count before a thread continues: 10 ms at most, with the longest one."""
RECENT = 5
T = TypeVar("T")
_WITH_OWN = FeedFilter(include_own=True)
NO_ROW = -1
"""The version of a viewer without stored state."""


class Viewer(NamedTuple):
    """The viewer of a feed. ``timelines``: the user feed first, then the merged topics. ``follows`` are the intervals
    (since, since_key, until) by merged topic. ``reads``: as that of ``read_times.Reading``. ``own``: the viewer's own
    events are included."""

    user: int
    version: int
    careful: bool
    reads: int
    stale: bool
    timelines: tuple[int, ...]
    follows: dict[int, list[Interval]]
    own: bool = False

    def with_own(self) -> "Viewer":
        """The same viewer, with their own events included, which are in the timeline of their topic."""
        theirs = () if self.own else topic_timelines(self.user)
        mine = (timeline for timeline in theirs if timeline not in self.timelines)
        return self._replace(timelines=(*self.timelines, *mine), own=True)

    @property
    def simple(self) -> bool:
        """Whether the user feed alone, without checks, is the feed."""
        return not self.careful and len(self.timelines) == 1


class VisibleItem(NamedTuple):
    """A visible item before hydration: the event, and its reason."""

    event: EventRow
    reason: str
    topic: int


_NOTHING: dict[int, int] = {}


def viewer(r: ReadSnapshot, user: int, own: bool = False) -> Viewer:
    """The facts about a viewer that decide what they see: one row, and more only if that row requires it. ``own``: with
    their own events."""
    row = r.db.one(sql("feed_state"), (user,))
    careful, seen_day, dormant_from, reads, version = row or (0, 0, None, 0, NO_ROW)
    follows = by_topic(_merged(r, user, dormant_from is not None))
    stale = seen_day != r.writer.clock.now() // DAY_MS
    timelines = (feed_timeline(user), *map(topic_timeline, follows))
    found = Viewer(user, version, bool(careful), reads, stale, timelines, follows)
    return found.with_own() if own else found


def is_careful(r: ReadSnapshot, user: int) -> bool:
    """Whether a user ever unfollowed, muted or blocked, or was blocked."""
    return facts(r, user)[0]


def facts(r: ReadSnapshot, user: int) -> tuple[bool, int]:
    """(whether the same, ``read_times.Reading.reads``)."""
    careful, _, _, reads, _ = r.db.one(sql("feed_state"), (user,)) or (0, 0, None, 0, NO_ROW)
    return bool(careful), reads


def _merged(r: ReadSnapshot, user: int, dormant: bool) -> Sequence[tuple[int, int, int, int | None]]:
    """The follows whose topics are merged on read for this user, or all of them if the user was dormant."""
    if dormant:
        query = sql("follows_of_user")
        return r.db.all(query, (user,))
    merged = r.writer.merged
    if not merged:
        return ()
    return r.db.all(FOLLOWS_OF, (r.writer.carray(merged), user))


def version(r: ReadSnapshot, v: Viewer) -> object:
    """The token of the first page; see FeedViews.feed_version. Of a feed that is a user feed without checks: its newest
    entry, the viewer's own changes, and the count of changes out of order. Of any other: every commit."""
    if not v.simple:
        return r.writer.commits
    disordered = r.writer.disordered
    return disordered, v, r.newest(v.timelines[0])


# --- visibility ---------------------------------------------------------------------------------------------------


def visible(
    r: ReadSnapshot, v: Viewer, entries: Sequence[TimelineRow], what: str, own: bool
) -> Iterator[VisibleItem]:
    """Those of the entries that are visible to the viewer, in order."""
    found = {entry.key: entry for entry in entries}
    events = r.events([entry.key for entry in entries], what)
    reasons = {event.key: None if v.careful else _reason(v, found[event.key], event) for event in events}
    # Two merged topics may have an event, and the follow of only one of them cover it.
    unclear = [event for event in events if event.actor != v.user and reasons[event.key] is None]
    reasons |= explain(r, v.user, unclear)
    for event in events:
        reason = reasons[event.key]
        if event.actor == v.user:
            if own:
                yield VisibleItem(event, "own", 0)
        elif reason is not None:
            yield VisibleItem(event, *reason)


def _reason(v: Viewer, entry: TimelineRow, event: EventRow) -> Reason | None:
    """By the entry alone, if that is sufficient."""
    if entry.timeline == v.timelines[0]:
        return ("follow", entry.why) if entry.why else ("target", 0)
    topic = followed_topic(entry.timeline)
    if any(covers(interval, event) for interval in v.follows.get(topic, ())):
        return "follow", topic
    return None


# --- pages --------------------------------------------------------------------------------------------------------


def fast_page(
    r: ReadSnapshot, user: int, want: FeedFilter, limit: int, before: int | None
) -> tuple[Viewer, Page | None]:
    """The viewer; and the page, unless it takes more than the entries of a user feed."""
    position = r.head()  # first: a follow between the two reads would be in neither page nor stream
    v = viewer(r, user)
    if not v.simple or want != EVERYTHING:
        return v, None
    return v, _simple_page(r, v, limit, bounded(before), position)


def page(r: ReadSnapshot, user: int, want: FeedFilter, limit: int, before: int | None) -> Page:
    """A page of a feed; see FeedViews.feed."""
    position = r.head()
    v, simple = fast_page(r, user, want, limit, before)
    if simple is not None:
        return simple
    fits = matcher(r, want)
    if fits is None:
        return Page([], None, position)
    timelines = v.with_own().timelines if want.include_own else v.timelines
    items: list[FeedItem] = []
    at, above = span_of(want, before)
    for chunk in chunk_sizes(r, limit, plain=want == EVERYTHING):
        entries = r.entries(timelines, at, above, chunk, fits.rule.verb)
        seen = [s for s in visible(r, v, entries, "events", want.include_own) if fits(s.event)]
        items += [item for item in hydrate(r, v, seen) if want.read in (None, item.read_at is not None)]
        if len(items) > limit:
            return Page(items[:limit], items[limit - 1].key, position)
        if len(entries) < chunk:
            return Page(items, None, position)
        at = entries[-1].key
    return Page(items, at, position, partial=True)


def chunk_sizes(r: ReadSnapshot, limit: int, plain: bool) -> Iterator[int]:
    """The entries to read in each round of a scan, until all that a page may examine are read. ``plain``: nearly every entry
    is shown, so the first round needs no more than the page."""
    chunk, examined = limit + 1 if plain else max(limit + 1, FIRST_CHUNK), 0
    while examined < r.writer.settings.feed_max_scanned_rows:
        yield chunk
        examined += chunk
        chunk = min(chunk * 2, LARGEST_CHUNK)


def _simple_page(r: ReadSnapshot, v: Viewer, limit: int, before: int, position: int) -> Page:
    """The common case, the hot path: the newest entries of one user feed and their bodies."""
    items: list[FeedItem] = []
    while True:
        wanted = limit + 1 - len(items)
        found = r.newest_with_bodies(v.timelines[0], before, wanted)
        read = read_times(r, v, [(key, at) for key, _, at, _ in found]) if v.reads else _NOTHING
        names, known = r.names, r.names.reasons.get
        items += [
            FeedItem(key, at, body, read.get(key), *(known(why) or names.reason(why)))
            for key, why, at, body in found
            if body is not None
        ]
        if len(items) > limit:
            return Page(items[:limit], items[limit - 1].key, position)
        if len(found) < wanted:
            return Page(items, None, position)
        before = found[-1][0]  # retracted events left the page short: continue below them


def hydrate(r: ReadSnapshot, v: Viewer, seen: Sequence[VisibleItem]) -> list[FeedItem]:
    """Visible events as items, with the time they were read."""
    read = read_times(r, v, [(s.event.key, s.event.position) for s in seen])
    return [
        FeedItem(
            s.event.key,
            s.event.position,
            s.event.body,
            read.get(s.event.key),
            s.reason,
            r.names.text(s.topic) if s.topic else "",
        )
        for s in seen
    ]


def span_of(want: FeedFilter, before: int | None) -> tuple[int, int]:
    """The open interval of keys that a filter's times and a cursor leave: (before, above)."""
    until = MAX_KEY if want.until is None else key_at(want.until)
    above = -1 if want.since is None else key_at(want.since) - 1
    return min(bounded(before), until), above


def matcher(r: ReadSnapshot, want: FeedFilter) -> "Matcher | None":
    """Tests events against a filter; None if a name in it is unknown, so that nothing matches."""
    numbers: list[Choice[int] | None] = []
    named = ((want.verb, r.names.verb), (want.actor_id, r.names.user), (want.topic, r.names.topic))
    for names, number in named:
        numbers.append(names and names.numbered(number))
        if names is not None and numbers[-1] is None:
            return None
    verb, actor, topic = numbers
    return Matcher(r, EventFilter[int](verb, actor, topic, want.object_type, want.object_id))


class Matcher(NamedTuple):
    """The test of an event against a filter."""

    r: ReadSnapshot
    rule: EventFilter[int]

    @property
    def admits_all(self) -> bool:
        """Whether it is a filter of nothing."""
        return all(field is None for field in self.rule)

    def __call__(self, event: EventRow) -> bool:
        """Whether the event matches."""
        return self.rule.admits(event.verb, event.actor, event.all_topics, lambda: self._object(event))

    def _object(self, event: EventRow) -> tuple[str, str]:
        kind, _, name = self.r.names.text(event.object).partition(":")
        return kind, name


# --- totals -------------------------------------------------------------------------------------------------------


def scan(
    r: ReadSnapshot, v: Viewer, above: int = -1, before: int = MAX_KEY, first: int = LARGEST_CHUNK
) -> Iterator[VisibleItem]:
    """The feed between two keys, all of it by default, newest first, without bodies. After the ``first`` entries a thread
    continues."""
    at, chunk = before, first
    while True:
        entries = r.entries(v.timelines, at, above, chunk)
        yield from visible(r, v, entries, "events_without_body", v.own)
        if len(entries) < chunk:
            return
        at, chunk = entries[-1].key, LARGEST_CHUNK
        r.continue_in_a_thread()


def between(
    r: ReadSnapshot, v: Viewer, low: int, high: int, first: int = LARGEST_CHUNK
) -> Iterator[VisibleItem]:
    """Feed items with a position in (low, high], in no order: those in order lie between the greatest keys of the two
    positions, those out of order are listed. Reads no others, except later ones with a key between these. ``first``: as of
    scan."""
    if low >= high:
        return
    above = high_key(r.db, low)
    before = MAX_KEY if high == MAX_KEY else high_key(r.db, high) + 1
    yield from (seen for seen in scan(r, v, above, before, first) if low < seen.event.position <= high)
    yield from (seen for seen in late(r, v, low, MAX_KEY, high) if seen.event.key <= above)


def late(r: ReadSnapshot, v: Viewer, position: int, limit: int, up_to: int = MAX_KEY) -> list[VisibleItem]:
    """The first ``limit`` items out of order (with a key below an earlier one's), after a position and up to another, in
    their order."""
    explaining = v._replace(careful=True)  # the list does not have the reason of an entry of a user feed
    found: list[VisibleItem] = []
    while len(found) < limit:
        entries = _late_entries(r, v, position, up_to)
        found += visible(r, explaining, [entry for _, entry in entries], "events_without_body", v.own)
        if len(entries) < LARGEST_CHUNK:
            break
        position = entries[-1][0]
        r.continue_in_a_thread()
    return found[:limit]


def _late_entries(r: ReadSnapshot, v: Viewer, position: int, up_to: int) -> list[tuple[int, TimelineRow]]:
    query = sql("out_of_order_entries")
    found = {
        key: (at, TimelineRow(key, timeline, 0))
        for timeline in v.timelines
        for key, at in r.db.all(query, (timeline, position, up_to, LARGEST_CHUNK))
    }
    return sorted(found.values())[:LARGEST_CHUNK]


def in_order(r: ReadSnapshot, v: Viewer, position: int, limit: int) -> list[VisibleItem]:
    """The first ``limit`` items after a position that are in order: their keys rise with their positions."""
    at = high_key(r.db, position)
    found: list[VisibleItem] = []
    while len(found) < limit:
        entries = r.entries_up(v.timelines, at, LARGEST_CHUNK)
        seen = [
            s for s in visible(r, v, entries, "events_without_body", own=False) if s.event.position > position
        ]
        listed = _which_late(r, v, [s.event.position for s in seen])
        found += [s for s in seen if s.event.position not in listed]
        if len(entries) < LARGEST_CHUNK:
            break
        at = entries[-1].key
    return found[:limit]


def _which_late(r: ReadSnapshot, v: Viewer, positions: list[int]) -> set[int]:
    query = sql("out_of_order_positions")
    if not positions:
        return set()
    return {row[0] for t in v.timelines for row in r.db.execute(query, (r.writer.carray(positions), t))}


def new_count(
    r: ReadSnapshot, v: Viewer, position: int, cap: int, want: FeedFilter, up_to: int | None
) -> UnseenCount:
    """The number of items after a position that match a filter; see FeedViews.new_count."""
    head, fits = r.head(), matcher(r, want)
    if fits is None:
        return UnseenCount(0, False, head)
    plain = want in (EVERYTHING, _WITH_OWN)
    first = LARGEST_CHUNK if plain else FIRST_COUNTED
    seen = between(r, v, position, MAX_KEY if up_to is None else up_to, first)
    if plain:
        return counted(((s.event.key, True) for s in seen), cap, MAX_KEY, head)
    before, above = span_of(want, None)
    some = ((s.event.key, s, above < s.event.key < before and fits(s.event)) for s in seen)
    found = _of_read_state(r, v, some, want.read)
    return counted(found, cap, r.writer.settings.feed_max_scanned_rows, head)


def _of_read_state(
    r: ReadSnapshot, v: Viewer, some: Iterator[tuple[int, VisibleItem, bool]], read: bool | None
) -> Iterator[tuple[int, bool]]:
    """(key, whether the item fits) of each, of a read state, or (None) of any."""
    if read is None:
        yield from ((key, fitting) for key, _, fitting in some)
        return
    for part in batches(some):
        times = read_times(r, v, [(key, s.event.position) for key, s, fitting in part if fitting])
        yield from ((key, fitting and (key in times) == read) for key, _, fitting in part)


def counted(examined: Iterable[tuple[int, bool]], cap: int, most: int, head: int) -> UnseenCount:
    """The number of keys that count, of those that are examined: at most ``most``."""
    count, oldest = 0, MAX_KEY
    for number, (key, counts) in enumerate(examined):
        if number >= most or (counts and count == cap):
            return UnseenCount(count, True, head)
        if counts:
            count, oldest = count + 1, min(oldest, key)
    return UnseenCount(count, False, head, ms_of(oldest) if count else None)


def summary(r: ReadSnapshot, v: Viewer) -> FeedSummary:
    """Exact totals; see FeedViews.summary."""
    total = unread = 0
    verbs: dict[int, int] = {}
    for some in batches(scan(r, v)):
        read = read_times(r, v, [(s.event.key, s.event.position) for s in some])
        total += len(some)
        unread += len(some) - len(read.keys() & {s.event.key for s in some})
        for s in some:
            verbs[s.event.verb] = verbs.get(s.event.verb, 0) + 1
    recent = page(r, v.user, FeedFilter(include_own=v.own), RECENT, None).items
    return FeedSummary(total, unread, {r.names.verb_text(n): c for n, c in verbs.items()}, recent)


def batches(seen: Iterator[T]) -> Iterator[list[T]]:
    """The same, LARGEST_CHUNK at once."""
    while some := list(islice(seen, LARGEST_CHUNK)):
        yield some
