"""What a user read of their feed."""

from collections.abc import Sequence

from tidings.model import Changed, ReadFeed
from tidings.storage.sqlite import feeds
from tidings.storage.sqlite.graph import today
from tidings.storage.sqlite.reading import Entry, Reading
from tidings.storage.sqlite.writer import Writer


def read_feed(w: Writer, r: Reading, command: ReadFeed) -> Changed:
    """Mark feed items read, by id or up to a position; counts those that were unread."""
    user = w.names.make_user(command.user)
    viewer = feeds.viewer(r, user)
    if command.event_ids is None:
        updated = _floor(
            w, r, viewer, w.position if command.up_to is None else min(command.up_to, w.position)
        )
    else:
        updated = _read_items(w, r, viewer, command.event_ids)
    w.db.execute(
        "INSERT INTO viewer (user, reads, seen_day) VALUES (?, 1, ?) ON CONFLICT (user)"
        " DO UPDATE SET reads=1, version=version+1",
        (user, today(w)),
    )
    return Changed(updated, w.position)


def _floor(w: Writer, r: Reading, viewer: feeds.Viewer, up_to: int) -> int:
    (floor,) = r.db.one("SELECT coalesce(max(position), 0) FROM feed_floor WHERE user=?", (viewer.user,))
    if up_to <= floor:
        return 0
    seen = [s.event for s in feeds.after(r, viewer, floor) if s.event.position <= up_to]
    read = feeds.read_times(r, viewer, [(event.key, event.position) for event in seen])
    w.db.execute("INSERT INTO feed_floor VALUES (?, ?, ?)", (viewer.user, up_to, w.clock.now()))
    return len({event.key for event in seen} - read.keys())


def _read_items(w: Writer, r: Reading, viewer: feeds.Viewer, event_ids: Sequence[str]) -> int:
    keys = sorted({key for event_id in event_ids if (key := w.ids.key(event_id)) is not None})
    explaining = viewer._replace(careful=True)  # an id says nothing of how it came, so the law is asked
    entries = [Entry(key, viewer.timelines[0], 0) for key in keys]
    seen = [s.event for s in feeds.visible(r, explaining, entries, "heads", own=False)]
    read = feeds.read_times(r, viewer, [(event.key, event.position) for event in seen])
    unread = [event.key for event in seen if event.key not in read]
    now = w.clock.now()
    for key in unread:
        w.db.execute("INSERT OR IGNORE INTO feed_read VALUES (?, ?, ?)", (viewer.user, key, now))
    return len(unread)
