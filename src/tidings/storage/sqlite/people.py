"""A person erased; and all that is kept about a person given out."""

import secrets
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from tidings.config import KIB
from tidings.ids import notification_id
from tidings.model import Changed, Erase, ReadMark, user_topic
from tidings.storage import erasure, records
from tidings.storage.sqlite import groups, heads, inboxes, personal, reminders, reworded
from tidings.storage.sqlite.events import entry
from tidings.storage.sqlite.graph import BLOCK, BLOCKED_BY, be_careful
from tidings.storage.sqlite.groups import STANDING, Row
from tidings.storage.sqlite.names import pack, unpack
from tidings.storage.sqlite.reading import EventRow, Reading, chunks
from tidings.storage.sqlite.shown import dress
from tidings.storage.sqlite.writer import Writer
from tidings.times import DAY_MS, rfc3339

EXPORT_ROWS = 500
"""Rows of one part of an export: some milliseconds, and some hundred KB of memory."""
EXPORT_LARGE_ROWS = 50
"""The same for rows with texts of up to 64 KiB each."""
EXPORT_BYTES = 256 * KIB
"""Bytes of the events of one part, the last one besides: a client that does not read holds a part in memory."""
_PERSONAL = (
    ("follow", "follower"),
    ("mask", "viewer"),
    ("viewer", "user"),
    ("feed_read", "user"),
    ("feed_floor", "user"),
    ("feed_change", "user"),
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
    for n in chunks(w.timelines.spans):
        w.db.execute(f"DELETE FROM timeline_{n} WHERE timeline=?", (user * 2 + 1,))
    for n in chunks(w.inboxes.spans):
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
        for n in chunks(w.timelines.spans)
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


class Place(NamedTuple):
    """How far an export is: in which section, and after what there."""

    section: int
    after: tuple[int, ...]


BEGINNING = Place(0, ())
_Part = tuple[list[bytes], tuple[int, ...] | None]
"""Some lines of a section, and after what it goes on; None at its end."""


def export(r: Reading, name: str, at: Place) -> tuple[list[bytes], Place | None]:
    """Some of what is kept about a person from a place on, one JSON object each, and where to go on. In one snapshot;
    what is written between two parts may be in the later ones."""
    with r.snapshot():
        user = r.names.user(name)
        if at == BEGINNING:
            return list(_profile(r, user, name)), None if user is None else Place(1, ())
        if user is None:
            return [], None  # erased since the part before
        lines, after = _SECTIONS[at.section - 1](r, user, at.after)
    if after is not None:
        return lines, Place(at.section, after)
    return lines, Place(at.section + 1, ()) if at.section < len(_SECTIONS) else None


def _profile(r: Reading, user: int | None, name: str) -> Iterator[bytes]:
    profile = {"user_id": name, "unread_count": heads.one(r, user).unread_count}
    yield _line(kind="profile", **profile, last_visit=_last_visit(r, user))
    for record in personal.export(r, name):
        yield _line(**record)


def _last_visit(r: Reading, user: int | None) -> str | None:
    """The day on which they last came, in UTC."""
    row = r.db.one("SELECT seen_day FROM viewer WHERE user=?", (user,))
    return rfc3339(row[0] * DAY_MS)[:10] if row and row[0] else None


def _acts(r: Reading, user: int, after: tuple[int, ...]) -> _Part:
    (at,) = after or (-1,)
    entries = r.entries_up((user * 2,), at, EXPORT_LARGE_ROWS)
    lines: list[bytes] = []
    size = 0
    for event in r.events([found.key for found in entries]):
        if event.actor == user:
            lines.append(_line(kind="event", event=msgspec.Raw(event.body)))
            size += len(event.body)
        if size >= EXPORT_BYTES:
            return lines, (event.key,)
    return lines, (entries[-1].key,) if entries else None


def _follows(r: Reading, user: int, after: tuple[int, ...]) -> _Part:
    query = (
        "SELECT topic, since, created_at, until FROM follow WHERE follower=? AND (topic, since)>(?, ?)"
        " ORDER BY topic, since LIMIT ?"
    )
    rows = r.db.all(query, (user, *(after or (-1, -1)), EXPORT_ROWS))
    lines = [_line(**records.follow(r.names.text(t), at, until)) for t, _, at, until in rows]
    return lines, tuple(rows[-1][:2]) if rows else None


def _masks(r: Reading, user: int, after: tuple[int, ...]) -> _Part:
    query = (
        "SELECT topic, kind FROM mask WHERE viewer=? AND (topic, kind)>(?, ?) AND kind<>?"
        " ORDER BY topic, kind LIMIT ?"
    )
    rows = r.db.all(query, (user, *(after or (-1, -1)), BLOCKED_BY, EXPORT_ROWS))
    lines = [_line(kind="mask", topic=r.names.text(t), block=kind == BLOCK) for t, kind in rows]
    return lines, tuple(rows[-1]) if rows else None


def _reads(r: Reading, user: int, after: tuple[int, ...]) -> _Part:
    query = "SELECT key, at FROM feed_read WHERE user=? AND key>? ORDER BY key LIMIT ?"
    rows = r.db.all(query, (user, *(after or (-1,)), EXPORT_ROWS))
    text = r.writer.ids.text
    lines = [_line(kind="feed_read", event_id=text(key), read_at=at and rfc3339(at)) for key, at in rows]
    return lines, (rows[-1][0],) if rows else None


def _floors(r: Reading, user: int, after: tuple[int, ...]) -> _Part:
    query = "SELECT up_to, made, at FROM feed_floor WHERE user=? AND made>? ORDER BY made LIMIT ?"
    rows = r.db.all(query, (user, *(after or (-1,)), EXPORT_ROWS))
    lines = [_line(kind="feed_read", up_to=up_to, read_at=rfc3339(at)) for up_to, _, at in rows]
    return lines, (rows[-1][1],) if rows else None


def _notifications(r: Reading, user: int, after: tuple[int, ...]) -> _Part:
    (at,) = after or (0,)
    rows = inboxes.changes(r, user, at, EXPORT_LARGE_ROWS)
    by_id = {notification_id(user, row.number): row for row in rows}
    # Without those whose event was retracted, while it is still to leave.
    shown = dress(r, user, rows)
    lines = [_line(**records.notification(one, _event_ids(r, user, by_id[one.id]))) for one in shown]
    return lines, (rows[-1].last_change,) if rows else None


def _read_alls(r: Reading, user: int, after: tuple[int, ...]) -> _Part:
    query = (
        "SELECT seq, up_to, type, at FROM inbox_mark WHERE user=? AND seq>? AND kind=? ORDER BY seq LIMIT ?"
    )
    rows = r.db.all(query, (user, *(after or (0,)), STANDING, EXPORT_ROWS))
    named = [(seq, upto, r.names.verb_text(type) if type else "", at) for seq, upto, type, at in rows]
    return [_line(**records.read_all(ReadMark(*row))) for row in named], (rows[-1][0],) if rows else None


_SECTIONS = (_acts, _follows, _masks, _reads, _floors, _notifications, _read_alls)


def _event_ids(r: Reading, user: int, row: Row) -> list[str]:
    keys = [row.key]
    if row.opened is not None:
        query = "SELECT key FROM inbox_member WHERE group_id=? ORDER BY seq"
        keys = [key for (key,) in r.db.execute(query, (groups.of(r, user, (row.number,))[row.number].id,))]
    return [] if row.deleted else [r.writer.ids.text(key) for key in keys]


def _line(**values: object) -> bytes:
    return msgspec.json.encode(values)
