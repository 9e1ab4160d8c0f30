"""Reading marks: what a user did to the items of their feed and inbox."""

from collections.abc import Sequence
from typing import NamedTuple

from tidings.ids import notification_ref
from tidings.model import Changed, Marked, MarkInbox, MarkState, ReadFeed, ReadInbox
from tidings.storage.sqlite import feeds, inboxes
from tidings.storage.sqlite.graph import today
from tidings.storage.sqlite.inboxes import Floors, Row
from tidings.storage.sqlite.reading import Entry, Reading, chunks
from tidings.storage.sqlite.writer import Writer, sql


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


class _Inbox(NamedTuple):
    """An inbox under change: its user and read-alls."""

    user: int
    floors: Floors


def mark_inbox(w: Writer, r: Reading, command: MarkInbox) -> Marked:
    """Set the state of notifications; each row really changed takes a seq."""
    user = w.names.user(command.user)
    refs = [notification_ref(id) for id in command.ids]
    numbers = [ref[1] for ref in refs if ref is not None and ref[0] == user]
    updated = found = 0
    if user is not None:
        inbox = _Inbox(user, Floors.of(r, user))
        for number in numbers:
            change = _mark(w, r, inbox, number, command.state)
            found += change is not None
            updated += bool(change)
    head = inboxes.counts(r, user)
    return Marked(updated, head.unread_count, head.seq, found)


def _mark(w: Writer, r: Reading, inbox: _Inbox, number: int, state: MarkState) -> bool | None:
    """Whether the row changed; None when there is no such row. Tombstones never change."""
    found = inboxes.row(r, inbox.user, number)
    if found is None:
        return None
    n, row = found
    if row.deleted:
        return False
    # What a watermark said of the row is written into it first, so that a new mark cannot lift it over the watermark.
    row = row._replace(seen_at=inbox.floors.seen_at(row), read_at=inbox.floors.read_at(row))
    changed = _marked(row, state, w.clock.now())
    if changed == row:
        return False
    unread = int(changed.listed and changed.read_at is None) - int(row.listed and row.read_at is None)
    save(w, inbox.user, n, changed, unread, again=state is MarkState.UNREAD)
    return True


def _marked(row: Row, state: MarkState, now: int) -> Row:
    if state is MarkState.UNREAD:
        return row._replace(read_at=None)
    if state is MarkState.ARCHIVED:
        return row._replace(archived_at=row.archived_at or now)
    row = row._replace(seen_at=row.seen_at or now)
    return row._replace(read_at=row.read_at or now) if state is MarkState.READ else row


def save(w: Writer, user: int, n: int, row: Row, unread: int, again: bool = False) -> None:
    """Write a changed row: it takes the next seq, and the count moves by ``unread`` in the same head. ``again``: it
    became unread now, and so lies above every watermark."""
    (seq,) = w.db.one(
        "UPDATE inbox_head SET seq=seq+1, unread=unread+? WHERE user=? RETURNING seq", (unread, user)
    )
    unread_since = seq if again else row.unread_since
    if row.changed is not None:
        w.db.execute("DELETE FROM inbox_change WHERE user=? AND seq=?", (user, row.changed))
    w.db.execute("INSERT INTO inbox_change VALUES (?, ?, ?)", (user, seq, row.seq))
    times = (row.seen_at, row.read_at, row.archived_at, row.deleted)
    for part in w.inboxes.beside(n):
        w.db.execute(sql("inbox_update", part), (seq, unread_since, *times, user, row.seq))


def read_inbox(w: Writer, r: Reading, command: ReadInbox) -> Marked:
    """Read-all: move the watermark; with a type, mark the rows of that type one by one."""
    user = w.names.user(command.user)
    head = inboxes.counts(r, user)
    if user is None or not head.unread_count:
        return Marked(0, head.unread_count, head.seq)
    up_to = head.seq if command.up_to is None else min(command.up_to, head.seq)
    if command.type is not None:
        updated = _read_type(w, r, user, up_to, command.type)
    else:
        updated = _read_all(w, r, user, up_to, head.unread_count)
    head = inboxes.counts(r, user)
    return Marked(updated, head.unread_count, head.seq)


def _read_all(w: Writer, r: Reading, user: int, up_to: int, unread: int) -> int:
    updated = unread - _unread_after(r, user, up_to) if up_to > inboxes.counts(r, user).read_up_to else 0
    if updated:
        (seq,) = w.db.one(
            "UPDATE inbox_head SET seq=seq+1, unread=unread-? WHERE user=? RETURNING seq", (updated, user)
        )
        w.db.execute("INSERT INTO inbox_floor VALUES (?, ?, ?, ?)", (user, up_to, seq, w.clock.now()))
    return updated


def _unread_after(r: Reading, user: int, seq: int) -> int:
    """Exactly how many rows became unread after a seq: counted from the head downwards, so that the usual call, with
    the seq of a moment ago, looks at next to nothing."""
    arrived = sum(r.db.one(sql("inbox_unread_after", n), (user, seq))[0] for n in chunks(r.writer.inboxes))
    changed = r.db.all("SELECT row FROM inbox_change WHERE user=? AND seq>?", (user, seq))
    rows = [found[1] for (number,) in changed if (found := inboxes.row(r, user, number)) is not None]
    again = [row for row in rows if row.unread_since is not None and row.unread_since > seq]
    return int(arrived) + sum(row.listed and row.read_at is None for row in again)


def _read_type(w: Writer, r: Reading, user: int, up_to: int, type: str) -> int:
    inbox = _Inbox(user, Floors.of(r, user))
    verb, updated = r.names.verb(type), 0
    if verb is None:
        return 0
    page = inboxes.page(r, user, inboxes.counts(r, user).unread_count, None, unread_only=True, verb=verb)
    for item in reversed(page.rows):
        found = inboxes.row(r, user, item.order)
        if found is not None and found[1].became_unread <= up_to:
            updated += bool(_mark(w, r, inbox, item.order, MarkState.READ))
    return updated
