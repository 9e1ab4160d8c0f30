"""The read state of feeds: a watermark of read-alls, and exceptions in both directions.

A row for an item determines by itself whether it is read; without one, the read-alls do. Each change takes a position of the
log, and is kept for a while for streams that resume (feed_history.py).
"""

from tidings.model import CommandResult, MarkFeedRead, MarkFeedUnread, UndoMarkFeedRead
from tidings.rules import last_to_merge
from tidings.storage.sqlite import feed_counts, feed_history, feeds
from tidings.storage.sqlite.read_snapshot import ReadSnapshot
from tidings.storage.sqlite.relations import today
from tidings.storage.sqlite.statements import sql
from tidings.storage.sqlite.write_session import WriteSession


def mark(
    w: WriteSession, r: ReadSnapshot, command: MarkFeedRead | MarkFeedUnread | UndoMarkFeedRead
) -> CommandResult:
    """Mark feed items read or unread, or undo a read-all; counts only real changes."""
    viewer = feeds.viewer(r, w.names.make_user(command.user)).with_own()
    before = w.position
    match command:
        case MarkFeedRead(event_ids=None):
            updated = _read_all(w, r, viewer, command)
        case UndoMarkFeedRead():
            updated = _undo(w, r, viewer, command)
        case _:
            updated = _mark_items(w, r, viewer, command)
    if w.position == before:
        return CommandResult(0, w.position)
    w.db.execute(
        sql("set_has_read_state"),
        (viewer.user, today(w)),
    )
    feed_history.forget(w, viewer.user)
    return CommandResult(updated, w.position, marked=w.position)


def _mark_items(
    w: WriteSession, r: ReadSnapshot, v: feeds.Viewer, command: MarkFeedRead | MarkFeedUnread
) -> int:
    reading = isinstance(command, MarkFeedRead)
    keys = {key for event_id in command.event_ids or () if (key := w.ids.key(event_id)) is not None}
    seen = feed_counts.visible(r, v, keys)
    read = feeds.read_times(r, v, [(event.key, event.position) for event in seen])
    changed = [event for event in seen if (event.key in read) != reading]
    if not changed:
        return 0
    made, at = w.take_position(), w.now if reading else None
    rows = [(v.user, event.key, event.position, made, at) for event in changed]
    w.insert("insert_feed_reads", rows)
    feed_history.note(w, v.user, at, keys=[event.key for event in changed])
    return len(changed)


def _read_all(w: WriteSession, r: ReadSnapshot, v: feeds.Viewer, command: MarkFeedRead) -> int:
    low = feed_counts.floor(r, v.user)
    count = feed_counts.counted(command, v.user, low)
    # Not beyond the last event: it would cover its own position, so a repetition would be a change.
    up_to = w.logged if command.up_to is None else min(command.up_to, w.logged)
    if count is not None:
        up_to = count.high
    again = feed_counts.marked_unread(r, v.user, up_to)
    if up_to <= low and not again:
        return 0
    unread = feed_counts.changed(r, v, low, up_to, again) if count is None else count.items
    _merge_read_alls(w, v.user)
    made = w.take_position()
    w.db.execute(sql("insert_feed_read_all"), (v.user, up_to, made, w.now))
    query = sql("read_unread_items_up_to")
    w.db.execute(query, (made, w.now, v.user, up_to))
    feed_history.note(w, v.user, w.now, up_to=up_to)
    return unread


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
    _reset(w, user)


def _reset(w: WriteSession, user: int) -> None:
    """Read times of a feed changed in a way that is not listed: streams that resume from before start again."""
    w.take_position()
    feed_history.note(w, user, None)
    w.db.execute(sql("set_feed_read_undone"), (w.position, user))


def _undo(w: WriteSession, r: ReadSnapshot, v: feeds.Viewer, command: UndoMarkFeedRead) -> int:
    query = sql("delete_feed_read_all")
    found = w.db.all(query, (v.user, command.position))
    if not found:
        return 0
    ((up_to,),) = found
    rows = feed_counts.restored(r, v.user, command.position)
    w.insert("insert_feed_reads", rows)
    low = feed_counts.floor(r, v.user)
    count = feed_counts.counted(command, v.user, low)
    again = feed_counts.unread_again(rows)
    unread = feed_counts.changed(r, v, low, up_to, again) if count is None else count.items
    _reset(w, v.user)
    return unread
