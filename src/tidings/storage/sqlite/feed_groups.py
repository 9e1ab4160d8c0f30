"""Pages of groups of similar events: the entries of a feed, or of activity, folded in one pass without their bodies."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import NamedTuple

from tidings.filters import EVERYTHING, FeedFilter
from tidings.grouping import (
    ACTORS,
    ITEMS,
    FeedGroup,
    Fold,
    GroupCursor,
    GroupPage,
    GroupRow,
    GroupRule,
    Members,
)
from tidings.ids import MAX_KEY
from tidings.model import FeedItem
from tidings.storage.sqlite import display_names, feeds
from tidings.storage.sqlite.activity import ActivityViewer, Listing, newest
from tidings.storage.sqlite.feeds import FIRST_CHUNK, LARGEST_CHUNK, Viewer
from tidings.storage.sqlite.read_snapshot import ReadSnapshot
from tidings.storage.sqlite.read_times import read_times
from tidings.storage.sqlite.write_session import high_key

NO_REASON = -1
"""The reason of an item of activity."""
FOLDED = 12
"""Entries that are read first for each group of a page: there are often several to a group, and a statement more costs as
much as fifty entries."""
OWN = -2
"""The reason of the viewer's own events."""
_MEANING = {NO_REASON: ("", ""), OWN: ("own", "")}

Rows = list[GroupRow[int]]
"""The last number of a row is the topic that brought an item, 0 for its targets, or one of the numbers above."""
Read = Callable[[int, int, int], tuple[Rows, int | None]]
"""Reads so many entries between two keys, (before, above, limit): those that are shown, and the key down to which they were
read, None at the end."""


class Asked(NamedTuple):
    """The request for a page of groups."""

    want: FeedFilter
    limit: int
    at: GroupCursor | None
    rule: GroupRule

    @property
    def plain(self) -> bool:
        """Whether nearly every entry is shown."""
        return self.want == EVERYTHING


def of_feed(r: ReadSnapshot, user: int, asked: Asked) -> tuple[GroupPage, bool]:
    """A page of the groups of a feed, see FeedGroups.feed_groups; and whether today's visit is to be recorded."""
    position = r.head() if asked.at is None else asked.at.position
    v = feeds.viewer(r, user, asked.want.include_own)
    if asked.plain and v.simple:
        read = partial(r.newest_to_group, v.timelines[0])
        return _page(r, asked, position, read, v), v.stale
    r.continue_in_a_thread()
    fits = feeds.matcher(r, asked.want)
    if fits is None:
        return GroupPage([], None, position), v.stale
    return _page(r, asked, position, _checked(r, v, fits), v), v.stale


def _checked(r: ReadSnapshot, v: Viewer, fits: feeds.Matcher) -> Read:
    """Reads entries of all timelines of a feed, and checks each of them."""

    def read(before: int, above: int, limit: int) -> tuple[Rows, int | None]:
        entries = r.entries(v.timelines, before, above, limit, fits.rule.verb)
        seen = feeds.visible(r, v, entries, "events_without_body", v.own)
        rows = [
            (e.key, e.position, e.actor, e.verb, e.object, OWN if reason == "own" else topic)
            for e, reason, topic in seen
            if fits(e)
        ]
        return rows, entries[-1].key if len(entries) == limit else None

    return read


def of_activity(r: ReadSnapshot, topic: str | None, viewer: ActivityViewer, asked: Asked) -> GroupPage:
    """The same of the activity of a topic, or (None) of all users."""
    position = r.head() if asked.at is None else asked.at.position
    fits = feeds.matcher(r, asked.want)
    number = None if topic is None else r.names.topic(topic)
    if fits is None or (topic is not None and number is None):
        return GroupPage([], None, position)
    if asked.plain and number is None and not viewer.careful:
        return _page(r, asked, position, partial(newest, r, r.newest_events_to_group), viewer)
    listed = Listing(r, number, viewer)

    def read(before: int, above: int, limit: int) -> tuple[Rows, int | None]:
        events, reached = listed.chunk(fits, before, above, limit)
        return [(e.key, e.position, e.actor, e.verb, e.object, NO_REASON) for e in events], reached

    return _page(r, asked, position, read, viewer)


def _page(r: ReadSnapshot, asked: Asked, head: int, read: Read, v: Viewer | ActivityViewer) -> GroupPage:
    """The page of what ``read`` returns."""
    at = asked.at
    position, end = (head, MAX_KEY) if at is None else (at.position, at.end)
    # What was published later is above this, if it was in order: there may be many of these in the segment by now.
    top = None if at is None else min(at.top, high_key(r.db, at.position) + 1)
    fold = Fold[int](asked.rule, asked.limit, at)
    times: dict[int, int] = {}
    before, above = feeds.span_of(asked.want, top)
    chunk, again, examined = max(FIRST_CHUNK, FOLDED * asked.limit), 0, 0
    most = r.writer.settings.feed_max_scanned_rows
    ended = False
    while True:
        rows, reached = read(before, above, chunk)
        if fold.add(_of_snapshot(r, v, rows, asked, times)) or reached is None:
            break
        before = reached
        if before < end:
            examined += chunk
        else:  # the segment that the cursor names: the page before examined at most half as many rows of it
            again += chunk
        if ended := examined >= most or again >= 2 * (most + LARGEST_CHUNK):
            fold.cut(before)
            break
        chunk = min(chunk * 2, LARGEST_CHUNK)
    groups = _hydrated(r, fold.groups(), times)
    following = fold.next(position, before if ended else None)
    return GroupPage(groups, following, position, ended and len(groups) < asked.limit)


def _of_snapshot(
    r: ReadSnapshot, v: Viewer | ActivityViewer, rows: Rows, asked: Asked, times: dict[int, int]
) -> Rows:
    """The rows that are not later than the first page, and have the wanted read state; adds when they were read."""
    if asked.at is not None:
        position = asked.at.position
        rows = [row for row in rows if row[1] <= position]
    if v.reads:
        times |= read_times(r, v, [(row[0], row[1]) for row in rows], isinstance(v, Viewer))
    want = asked.want.read
    return rows if want is None else [row for row in rows if (row[0] in times) == want]


def _hydrated(r: ReadSnapshot, groups: Sequence[Members[int]], times: Mapping[int, int]) -> list[FeedGroup]:
    """The groups with their names and the bodies of their newest items; one statement for all bodies, one for display names,
    and one for names that are not cached. ``times``: when items were read."""
    shown = [row for _, rows in groups for row in rows[:ITEMS]]
    bodies = {key: body for key, _, body in r.rows([row[0] for row in shown], "bodies")}
    actors = [dict.fromkeys([row[2] for row in rows]) for _, rows in groups]
    named = {actor for some in actors for actor in islice(some, ACTORS)}
    people, names = r.names.people(named), display_names.of_many(r, named)
    meaning = {why: _reason(r, why) for why in {row[5] for row in shown}}
    found: list[FeedGroup] = []
    for (segment, rows), acting in zip(groups, actors, strict=True):
        read = [times[row[0]] for row in rows if row[0] in times] if times else []
        _, _, _, verb, thing, _ = rows[0]
        object_type, _, object_id = r.names.text(thing).partition(":")
        items = []
        for key, at, _, _, _, why in rows[:ITEMS]:
            reason, topic = meaning[why]
            items.append(FeedItem(key, at, bodies[key], times.get(key), reason, topic))
        found.append(
            FeedGroup(
                r.names.verb_text(verb),
                object_type,
                object_id,
                len(rows),
                len(read),
                max(read) if len(read) == len(rows) else None,
                tuple([people[actor] for actor in islice(acting, ACTORS)]),
                len(acting),
                tuple(items),
                segment.top,
                segment.end,
                tuple([names[actor] for actor in islice(acting, ACTORS)]),
            )
        )
    return found


def _reason(r: ReadSnapshot, why: int) -> tuple[str, str]:
    return _MEANING.get(why) or r.names.reasons.get(why) or r.names.reason(why)
