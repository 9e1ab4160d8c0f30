"""The additions and changes of a feed after a position: new items, and changes of older ones, in one order."""

from collections.abc import Sequence
from operator import attrgetter, itemgetter

from tidings.activity_scope import FEED_ALONE, ActivityScope
from tidings.feed_changes import FeedChange
from tidings.model import FeedItem, Page
from tidings.storage.sqlite import activity, feed_history, feeds
from tidings.storage.sqlite.feed_reasons import explain
from tidings.storage.sqlite.read_snapshot import ReadSnapshot
from tidings.storage.sqlite.statements import sql

RETRACTIONS_AT_ONCE = 1_000
"""Retractions that are compared with one feed in a round."""


def since(
    r: ReadSnapshot, user: int | None, after: int, limit: int, scope: ActivityScope = FEED_ALONE
) -> Page:
    """Feed items after a position and the changes of older ones, in the order of positions; see FeedViews.feed_since."""
    head = r.head()  # later additions are left to the next page, or they could be included in part
    if scope.watched and after < head - r.writer.settings.activity_history:
        return Page([], None, head, reset=True)
    page = _page(r, user, after, limit, head) if scope.feed else _marked(r, user, after, limit, head)
    if scope.watched:
        page = _with_activity(r, user, after, limit, scope, page)
    # Not before: the writer may delete changes during this read, and a deleted one would be missed.
    whole = feed_history.reaches(r, user, after)
    return page if whole else Page([], None, head, reset=True)


def _with_activity(
    r: ReadSnapshot, user: int | None, after: int, limit: int, scope: ActivityScope, feed: Page
) -> Page:
    """A page of a feed with the activity that a stream carries beside it."""
    careful = user is not None and bool(r.writer.masked) and feeds.is_careful(r, user)
    viewer = activity.ActivityViewer(user, careful)
    found, reached = activity.since(r, viewer, after, feed.position, limit, scope)
    found |= {one.position: one for one in (*feed.items, *feed.changes)}
    complete = min(reached, feed.position if feed.next_key is None else feed.next_key)
    positions = sorted(at for at in found if at <= complete)
    more = len(positions) > limit or complete < feed.position
    some = [found[at] for at in positions[:limit]]
    return Page(
        [one for one in some if isinstance(one, FeedItem)],
        some[-1].position if more else None,
        feed.position,
        changes=tuple(one for one in some if not isinstance(one, FeedItem)),
    )


def _page(r: ReadSnapshot, user: int | None, after: int, limit: int, head: int) -> Page:
    if user is None:
        return Page([], None, head)
    v = feeds.viewer(r, user)
    both = feeds.in_order(r, v, after, limit + 1) + feeds.late(r, v, after, limit + 1)
    found: list[tuple[int, feeds.VisibleItem | FeedChange]] = [(seen.event.position, seen) for seen in both]
    found += [(change.position, change) for change in changes(r, v, after, head, limit + 1)]
    found = sorted((one for one in found if one[0] <= head), key=itemgetter(0))
    more = found[limit - 1][0] if len(found) > limit else None
    some = [one for _, one in found[:limit]]
    shown = _with_bodies(r, [one for one in some if isinstance(one, feeds.VisibleItem)])
    changed = tuple(one for one in some if not isinstance(one, feeds.VisibleItem))
    return Page(feeds.hydrate(r, v, shown), more, head, changes=changed)


def _marked(r: ReadSnapshot, user: int | None, after: int, limit: int, head: int) -> Page:
    """The changes of the read state alone."""
    found = [] if user is None else _marks(r, user, after, head, limit + 1)
    more = found[limit - 1].position if len(found) > limit else None
    return Page([], more, head, changes=tuple(found[:limit]))


def _with_bodies(r: ReadSnapshot, some: Sequence[feeds.VisibleItem]) -> list[feeds.VisibleItem]:
    bodies = {key: body for key, _, body in r.rows([seen.event.key for seen in some], "bodies")}
    return [
        seen._replace(event=seen.event._replace(body=bodies[seen.event.key]))
        for seen in some
        if seen.event.key in bodies
    ]


def changes(r: ReadSnapshot, v: feeds.Viewer, after: int, last: int, limit: int) -> list[FeedChange]:
    """The first changes of a feed after a position, up to ``last``, in their order."""
    found = _marks(r, v.user, after, last, limit) + _unshown(r, v, after, last, limit)
    return sorted(found, key=attrgetter("position"))[:limit]


def _marks(r: ReadSnapshot, user: int, after: int, last: int, limit: int) -> list[FeedChange]:
    """The first changes of a user's read state."""
    rows = r.db.all(sql("feed_changes_of_user"), (user, after, last, limit))
    return [feed_history.change(r, feed_history.Mark(*row)) for row in rows]


def _unshown(r: ReadSnapshot, v: feeds.Viewer, after: int, last: int, limit: int) -> list[FeedChange]:
    """The first retractions of events that would be in the feed, the user's own included, without the retraction."""
    found: list[FeedChange] = []
    while len(found) < limit:
        some = list(feed_history.retractions(r, after, last, RETRACTIONS_AT_ONCE))
        reasons = explain(r, v.user, [event for _, event in some if event.actor != v.user])
        found += [
            feed_history.retraction(r, position, event)
            for position, event in some
            if event.actor == v.user or reasons[event.key] is not None
        ]
        if len(some) < RETRACTIONS_AT_ONCE:
            break
        after = some[-1][0]
    return found[:limit]
