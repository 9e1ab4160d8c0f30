"""A person erased; and all that is kept about a person given out."""

import secrets
from collections.abc import Iterator

import msgspec

from tidings.ids import notification_id
from tidings.model import Changed, Erase, ReadMark, user_topic
from tidings.storage import erasure, records
from tidings.storage.sqlite import groups, heads, inboxes, personal, reminders, reworded
from tidings.storage.sqlite.events import entry
from tidings.storage.sqlite.graph import BLOCK, BLOCKED_BY, be_careful
from tidings.storage.sqlite.groups import Marks, Row
from tidings.storage.sqlite.names import pack, unpack
from tidings.storage.sqlite.reading import EventRow, Reading, chunks
from tidings.storage.sqlite.shown import dress
from tidings.storage.sqlite.writer import Writer
from tidings.times import DAY_MS, rfc3339

_PERSONAL = (
    ("follow", "follower"),
    ("mask", "viewer"),
    ("viewer", "user"),
    ("feed_read", "user"),
    ("feed_floor", "user"),
    ("inbox_head", "user"),
    ("inbox_mark", "user"),
    ("inbox_change", "user"),
    ("inbox_group", "user"),
)
"""Tables whose rows belong to one person, and the column that says to whom. Open groups and
duplicate keys lie by topic: upkeep drops those whose user has no inbox any more (expiry.py)."""


def erase(w: Writer, r: Reading, command: Erase) -> Changed:
    """Forget a person: what is theirs is deleted, what they did stands under a random name."""
    alias = f"erased-{secrets.token_hex(4)}"
    user, named = w.names.user(command.user), reminders.forget(w, command.user, alias)
    if user is None:  # a reminder may name somebody of whom nothing else is known
        return Changed(int(named > 0), w.position)
    w.disorder()
    renamed = _rename(w, r, user, command.user, alias)
    _leave_place(w, user, command.user)
    _part(w, user)
    _delete(w, user)
    w.db.execute("UPDATE name SET name=? WHERE id=?", (user_topic(alias), user))
    personal.forget(w, user)
    reworded.change(w, renamed)
    w.names.forget()
    return Changed(1, w.position)


def _part(w: Writer, user: int) -> None:
    """End what they follow, and what is followed or hidden because of them."""
    for (topic,) in w.db.all("SELECT topic FROM follow WHERE follower=? AND until IS NULL", (user,)):
        w.followers_changed(topic, -1)
    for (follower,) in w.db.all("SELECT DISTINCT follower FROM follow WHERE topic=?", (user,)):
        be_careful(w, follower)
    w.db.execute("DELETE FROM follow WHERE topic=?", (user,))
    w.deserted(user)
    w.db.execute("DELETE FROM mask WHERE topic=? AND kind=?", (user, BLOCKED_BY))


def _delete(w: Writer, user: int) -> None:
    w.db.execute(
        "DELETE FROM inbox_member WHERE group_id IN (SELECT id FROM inbox_group WHERE user=?)", (user,)
    )
    for table, column in _PERSONAL:
        w.db.execute(f"DELETE FROM {table} WHERE {column}=?", (user,))
    w.db.execute("DELETE FROM late WHERE timeline=?", (user * 2 + 1,))
    w.db.execute("DELETE FROM debt WHERE kind IN ('wake', 'block') AND subject=?", (user,))
    for n in chunks(w.timelines):
        w.db.execute(f"DELETE FROM timeline_{n} WHERE timeline=?", (user * 2 + 1,))
    for n in chunks(w.inboxes):
        w.db.execute(f"DELETE FROM inbox_{n} WHERE user=?", (user,))


def _leave_place(w: Writer, user: int, name: str) -> None:
    """Keep how far the inbox was, for whoever returns under the name: their devices must learn that it is another. It
    goes one further, unless nothing came since it was erased before."""
    head = w.db.one("SELECT seq + (seq > born) FROM inbox_head WHERE user=? AND seq>0", (user,))
    if head is not None:
        query = "INSERT INTO inbox_head (user, seq, unread, items, born) VALUES (?1, ?2, 0, 0, ?2)"
        w.db.execute(query, (w.names.make_place(name), *head))


def _rename(w: Writer, r: Reading, user: int, name: str, alias: str) -> list[EventRow]:
    """Rewrite the events that name the person: those of their topic, which are returned, and those that told them
    directly, in which nobody else sees it."""
    shown = []
    keys = {
        key
        for n in chunks(w.timelines)
        for (key,) in w.db.execute(
            f"SELECT key FROM timeline_{n} WHERE timeline=? OR (timeline=? AND why=0)",
            (user * 2, user * 2 + 1),
        )
    }
    for event in r.events(sorted(keys)):
        body = erasure.without(entry(r, event._replace(targets=None)), name, alias).body
        targets = pack(number for number in unpack(event.targets) if number != user)
        n = w.events.span(event.key).parts[-1]
        w.db.execute(f"UPDATE event_{n} SET body=?, targets=? WHERE key=?", (body, targets, event.key))
        if user in event.all_topics():
            shown.append(event)
    return shown


def export(r: Reading, name: str) -> Iterator[bytes]:
    """All that is kept about a person, one JSON object each."""
    user = r.names.user(name)
    profile = {"user_id": name, "unread_count": heads.one(r, user).unread_count}
    yield _line(kind="profile", **profile, last_visit=_last_visit(r, user))
    for record in personal.export(r, name):
        yield _line(**record)
    if user is not None:
        yield from _acts(r, user)
        yield from _choices(r, user)
        yield from _notifications(r, user)


def _last_visit(r: Reading, user: int | None) -> str | None:
    """The day on which they last came, in UTC."""
    row = r.db.one("SELECT seen_day FROM viewer WHERE user=?", (user,))
    return rfc3339(row[0] * DAY_MS)[:10] if row and row[0] else None


def _acts(r: Reading, user: int) -> Iterator[bytes]:
    at = -1
    while entries := r.entries_up((user * 2,), at, 500):
        for event in r.events([found.key for found in entries]):
            if event.actor == user:
                yield _line(kind="event", event=msgspec.Raw(event.body))
        at = entries[-1].key


def _choices(r: Reading, user: int) -> Iterator[bytes]:
    rows = r.db.all
    query = "SELECT topic, created_at, until FROM follow WHERE follower=?"
    for topic, at, until in rows(query, (user,)):
        yield _line(**records.follow(r.names.text(topic), at, until))
    query = "SELECT topic, kind FROM mask WHERE viewer=? AND kind<>?"
    for topic, kind in rows(query, (user, BLOCKED_BY)):
        yield _line(kind="mask", topic=r.names.text(topic), block=kind == BLOCK)
    for key, at in rows("SELECT key, at FROM feed_read WHERE user=?", (user,)):
        yield _line(kind="feed_read", event_id=r.writer.ids.text(key), read_at=rfc3339(at))
    for position, at in rows("SELECT position, at FROM feed_floor WHERE user=?", (user,)):
        yield _line(kind="feed_read", up_to=position, read_at=rfc3339(at))


def _notifications(r: Reading, user: int) -> Iterator[bytes]:
    at = 0
    while rows := inboxes.changes(r, user, at, 500):
        by_id = {notification_id(user, row.number): row for row in rows}
        for shown in dress(
            r, user, rows
        ):  # without those whose event was retracted, while it is still to leave
            yield _line(**records.notification(shown, _event_ids(r, user, by_id[shown.id])))
        at = rows[-1].last_change
    for seq, up_to, type, when in Marks.after(r, user, 0).rows:
        yield _line(**records.read_all(ReadMark(seq, up_to, r.names.verb_text(type) if type else "", when)))


def _event_ids(r: Reading, user: int, row: Row) -> list[str]:
    keys = [row.key]
    if row.opened is not None:
        query = "SELECT key FROM inbox_member WHERE group_id=? ORDER BY seq"
        keys = [key for (key,) in r.db.execute(query, (groups.of(r, user, (row.number,))[row.number].id,))]
    return [] if row.deleted else [r.writer.ids.text(key) for key in keys]


def _line(**values: object) -> bytes:
    return msgspec.json.encode(values)
