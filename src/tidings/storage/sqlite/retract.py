"""The retraction of an event: from the log, from every feed, from every inbox."""

from collections.abc import Iterable

from tidings.model import CommandResult, Retract
from tidings.storage.sqlite import (
    broadcasts,
    display_names,
    feed_history,
    inboxes,
    notification_groups,
    shared_items,
)
from tidings.storage.sqlite.changed_rows import UnreadNumber
from tidings.storage.sqlite.events import entry
from tidings.storage.sqlite.notification_groups import ReadWatermarks, Row
from tidings.storage.sqlite.notification_state import save
from tidings.storage.sqlite.read_snapshot import EventRow, ReadSnapshot
from tidings.storage.sqlite.statements import sql
from tidings.storage.sqlite.symbols import unpack
from tidings.storage.sqlite.timeline_numbers import feed_timeline, topic_timeline
from tidings.storage.sqlite.write_session import WriteSession


def retract(w: WriteSession, r: ReadSnapshot, command: Retract) -> CommandResult:
    """Retract an event. Its row stays, empty, so that its key is never given to another event; this hides it from the feeds
    of followers at once, and a job deletes their entries."""
    key = w.ids.key(command.event_id)
    found = r.events([key]) if key is not None else []
    if not found:
        return CommandResult(0, w.position)
    (event,) = found
    gone = entry(r, event)
    w.disorder()
    for n in w.timelines.span(event.key).parts:
        rows = [topic_timeline(topic, event.is_followed) for topic in event.all_topics()]
        rows += map(feed_timeline, unpack(event.targets))
        for timeline in rows:
            w.db.execute(sql("delete_entry", n), (timeline, event.key))
    for topic in event.all_topics() if event.is_followed else ():
        w.enqueue_job("delete_fan_out", topic, event.key, event.key)
    n = w.events.span(event.key).parts[-1]
    w.db.execute(sql("delete_event_text", n), (event.key,))
    feed_history.retracted(w, event)
    display_names.retracted(w, event)
    broadcasts.withdraw(w, event.position)
    leave(w, r, unpack(event.targets), event.key, event.position)
    _leave_recipients(w, r, event)
    return CommandResult(1, w.position, gone)


def _leave_recipients(w: WriteSession, r: ReadSnapshot, event: EventRow) -> None:
    """Remove the items of recipients that were not targets; if they are many, by a job."""
    chunks = [users for (users,) in w.db.execute(sql("recipients_of_event"), (event.key,))]
    if sum(map(len, map(unpack, chunks))) > w.settings.fanout_sync_max_followers:
        w.enqueue_job("delete_notifications", event.object, event.key, event.position)
        return
    for users in chunks:
        leave(w, r, unpack(users), event.key, event.position)
    w.db.execute(sql("delete_recipients_of_event"), (event.key,))


def leave(w: WriteSession, r: ReadSnapshot, users: Iterable[int], key: int, position: int) -> None:
    """Remove an event, once at a position, from the inboxes of those of these users who were notified."""
    for user, number in inboxes.holding(r, dict.fromkeys(users), key, position):
        ((n, row),) = notification_groups.by_number(r, user, (number,)).values()
        if not row.deleted:
            _leave(w, r, user, n, row, key)
            shared_items.remove(w, user, (key,))


def _leave(w: WriteSession, r: ReadSnapshot, user: int, n: int, row: Row, key: int) -> None:
    left = None
    if row.opened is not None:
        left = _without(w, r, notification_groups.of(r, user, (row.number,))[row.number].id, key)
    shrink(w, r, user, n, row, left, 1)


def shrink(
    w: WriteSession, r: ReadSnapshot, user: int, n: int, row: Row, left: int | None, items: int
) -> None:
    """Write a row from which so many ``items`` were removed: the key of its newest event is ``left``; without one it is a
    tombstone."""
    marks = ReadWatermarks.of(r, user, (row,))
    unread, unseen = marks.unread(row), marks.unseen(row)
    gone = dict.fromkeys(("snoozed_until", "pinned_at", "acted"))
    empty = {"deleted": 1, "unread_since": row.became_unread} | gone
    if row.snoozed_until is not None and not left:
        w.db.execute(sql("delete_snooze"), (user, row.number, row.snoozed_until))
    changed = row._replace(**({"key": left} if left else empty))
    save(
        w,
        user,
        n,
        changed,
        UnreadNumber(-int(unread and not left), -items * unread, -int(unseen and not left)),
    )


def _without(w: WriteSession, r: ReadSnapshot, group: int, key: int) -> int | None:
    """Remove a member from a group; returns the key of the newest that is left."""
    query = sql("delete_member")
    ((actor,),) = w.db.all(query, (group, key))
    query = sql("actor_is_member")
    (others,) = w.db.one(query, (group, actor))
    w.db.execute(sql("shrink_group"), (not others, group))
    return notification_groups.newest(r, group)
