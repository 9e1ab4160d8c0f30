"""The read state of events for a user: a watermark of read-alls for each list, and exceptions in both directions.

A row for an event determines by itself whether it is read; without one, the read-alls of the lists that have it do. Each
change takes a position of the log, and is kept for a while for streams that resume (feed_history.py).
"""

from collections.abc import Iterable, Sequence

from tidings.activity_scope import topics_limit
from tidings.ids import MAX_KEY
from tidings.model import CommandResult, MarkFeedRead, MarkFeedUnread, UndoMarkFeedRead
from tidings.rules import last_to_merge
from tidings.storage.sqlite import activity, feed_counts, feed_history, feeds, shared_marks
from tidings.storage.sqlite.read_snapshot import EventRow, ReadSnapshot
from tidings.storage.sqlite.read_times import EVERYONES, FEED, MARKED, READ_ALL_ACTIVITY, read_times
from tidings.storage.sqlite.relations import today
from tidings.storage.sqlite.shared_marks import FeedMarking
from tidings.storage.sqlite.statements import sql
from tidings.storage.sqlite.write_session import WriteSession


def mark(
    w: WriteSession, r: ReadSnapshot, command: MarkFeedRead | MarkFeedUnread | UndoMarkFeedRead
) -> CommandResult:
    """Mark items of a feed or of activity read or unread, or undo a read-all; counts only real changes."""
    read_list = FEED if isinstance(command, UndoMarkFeedRead) else feed_counts.list_of(r, command.activity)
    if read_list is None or (read_list not in (FEED, EVERYONES) and not activity.has_events(r, read_list)):
        return CommandResult(0, w.position)
    viewer = feeds.viewer(r, w.names.make_user(command.user)).with_own()
    of_activity = read_list != FEED and isinstance(command, MarkFeedRead) and command.event_ids is None
    if of_activity and (limit := _limit(r, viewer.user, read_list)):
        return CommandResult(0, w.position, limit=limit)
    before = w.position
    match command:
        case MarkFeedRead(event_ids=None):
            updated, shared = _read_all(w, r, viewer, command, read_list)
        case UndoMarkFeedRead():
            updated, shared = _undo(w, r, viewer, command)
        case _:
            updated, shared = _mark_items(w, r, viewer, command, read_list)
    marked = 0 if w.position == before else w.position
    if marked:
        w.db.execute(
            sql("set_has_read_state"),
            (viewer.user, READ_ALL_ACTIVITY if of_activity else MARKED, today(w)),
        )
        feed_history.forget(w, viewer.user)
    inbox = shared_marks.follow_feed(w, r, viewer.user, shared, marked)
    return CommandResult(updated, w.position, marked=marked, inbox=inbox)


def _limit(r: ReadSnapshot, user: int, read_list: int) -> int:
    """The maximum number of topics with a read-all, if one of this list would exceed it."""
    if read_list == EVERYONES or feed_counts.floor(r, user, read_list):
        return 0
    query = sql("count_topics_with_read_alls")
    (topics,) = r.db.one(query, (user,)) or (0,)
    return topics_limit(topics)


def _mark_items(
    w: WriteSession,
    r: ReadSnapshot,
    v: feeds.Viewer,
    command: MarkFeedRead | MarkFeedUnread,
    read_list: int,
) -> tuple[int, FeedMarking]:
    reading = isinstance(command, MarkFeedRead)
    keys = {key for event_id in command.event_ids or () if (key := w.ids.key(event_id)) is not None}
    seen = _named(r, v, keys, read_list)
    read = read_times(r, v, [(event.key, event.position) for event in seen], in_feed=read_list == FEED)
    changed = [event for event in seen if (event.key in read) != reading]
    about = [event.key for event in (seen if reading else changed)]
    shared = FeedMarking(read=about) if reading else FeedMarking(unread=about)
    if not changed:
        return 0, shared
    made, at = w.take_position(), w.now if reading else None
    rows = [(v.user, event.key, event.position, made, at) for event in changed]
    w.insert("insert_feed_reads", rows)
    feed_history.note(w, v.user, at, keys=[event.key for event in changed])
    return len(changed), shared


def _named(r: ReadSnapshot, v: feeds.Viewer, keys: Iterable[int], read_list: int) -> Sequence[EventRow]:
    """Those of these events that a mark by id of a list may change, by key."""
    if read_list == FEED:
        return feed_counts.visible(r, v, keys)
    viewer = activity.ActivityViewer(v.user, v.careful)
    topic = None if read_list == EVERYONES else read_list
    return activity.on_pages(r, topic, viewer, sorted(keys))


def _read_all(
    w: WriteSession, r: ReadSnapshot, v: feeds.Viewer, command: MarkFeedRead, read_list: int
) -> tuple[int, FeedMarking]:
    low = feed_counts.floor(r, v.user, read_list)
    count = feed_counts.counted(command, v.user, low)
    if count is None:
        # Not beyond the last event: it would cover its own position, so a repetition would be a change.
        up_to = w.logged if command.up_to is None else min(command.up_to, w.logged)
        count = feed_counts.count_read_all(r, v, read_list, low, up_to)
        if read_list == FEED and up_to == w.logged:
            count = count._replace(inbox=MAX_KEY)
    shared = FeedMarking(all_to=count.inbox or 0)
    if count.high <= low and not count.again:
        return 0, shared
    _merge_read_alls(w, v.user)
    made = w.take_position()
    w.db.execute(sql("insert_feed_read_all"), (v.user, read_list, count.high, made, w.now))
    if count.again:
        w.db.execute(sql("read_unread_items"), (made, w.now, v.user, w.carray(count.again)))
    feed_history.note(w, v.user, w.now, up_to=count.high, list=read_list)
    return count.items, shared


def _merge_read_alls(w: WriteSession, user: int) -> None:
    """Merge the older half of the read-alls that were never merged, if there are as many as are kept: of all that were ever
    merged, the furthest remains. That changes the read times of items, so it takes a position, at which streams start
    again."""
    (merged,) = w.db.one(sql("feed_read_alls_merged"), (user,)) or (0,)
    kept = w.settings.read_all_history
    (single,) = w.db.one(sql("count_feed_read_alls"), (user, merged))
    if single < kept:
        return
    query = sql("nth_feed_read_all")
    (last,) = w.db.one(query, (user, merged, last_to_merge(kept)))
    w.db.execute(sql("merge_feed_read_alls"), {"user": user, "last": last})
    w.db.execute(sql("set_feed_read_alls_merged"), (last, user))
    w.db.execute(sql("delete_merged_shared_read_alls"), (user, last))
    w.take_position()
    feed_history.reset(w, user)


def _undo(
    w: WriteSession, r: ReadSnapshot, v: feeds.Viewer, command: UndoMarkFeedRead
) -> tuple[int, FeedMarking]:
    query = sql("delete_feed_read_all")
    found = w.db.all(query, (v.user, command.position))
    if not found:
        return 0, FeedMarking()
    ((up_to, read_list),) = found
    rows = feed_counts.restored(r, v, command.position)
    w.insert("insert_feed_reads", rows)
    low = feed_counts.floor(r, v.user, read_list)
    count = feed_counts.counted(command, v.user, low)
    if count is None:
        count = feed_counts.count_undo(r, v, read_list, low, up_to, command.position, rows)
    w.take_position()
    feed_history.reset(w, v.user)
    return count.items, FeedMarking(undone=command.position)
