"""The export of one user, in parts of bounded size."""

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from tidings.config import KIB
from tidings.ids import notification_id
from tidings.storage import records
from tidings.storage.sqlite import (
    display_names,
    feed_history,
    inbox_counters,
    inboxes,
    notification_groups,
    preferences,
    reminders,
)
from tidings.storage.sqlite.notification_groups import STANDING, Row
from tidings.storage.sqlite.notification_view import hydrate
from tidings.storage.sqlite.read_snapshot import ReadSnapshot
from tidings.storage.sqlite.relations import BLOCK, BLOCKED_BY
from tidings.storage.sqlite.statements import sql
from tidings.storage.sqlite.timeline_numbers import topic_timelines
from tidings.timeutil import DAY_MS, rfc3339

EXPORT_ROWS = 500
"""Rows of one part of an export: some milliseconds, and some hundred KB of memory."""
EXPORT_LARGE_ROWS = 50
"""The same for rows with texts of up to 64 KiB each."""
EXPORT_BYTES = 256 * KIB
"""Bytes of the events of one part, one event more or less: a client that does not read keeps a part in memory."""


class Place(NamedTuple):
    """The progress of an export: the section, and the last row there."""

    section: int
    after: tuple[int, ...]


BEGINNING = Place(0, ())
REMINDERS = 1
"""The section of reminders, which are found by name: the others are found by number."""
_Part = tuple[list[bytes], tuple[int, ...] | None]
"""Some lines of a section, and the last row; None at its end."""


def export(r: ReadSnapshot, name: str, at: Place) -> tuple[list[bytes], Place | None]:
    """Some of a user's data from a place on, one JSON object each, and the next place. In one snapshot; rows written between
    two parts may be in the later ones."""
    with r.snapshot():
        user = r.names.user(name)
        if at == BEGINNING:
            return list(_profile(r, user, name)), Place(REMINDERS, ())
        if at.section == REMINDERS:
            lines, after = _reminders(r, name, at.after)
        elif user is None:
            return [], None  # reminders may name an unknown user, or one who is erased by now
        else:
            lines, after = _SECTIONS[at.section - REMINDERS - 1](r, user, at.after)
    if after is not None:
        return lines, Place(at.section, after)
    return lines, Place(at.section + 1, ()) if at.section < REMINDERS + len(_SECTIONS) else None


def _profile(r: ReadSnapshot, user: int | None, id: str) -> Iterator[bytes]:
    profile = {"user_id": id, "unread_count": inbox_counters.one(r, user).unread_count}
    yield _line(kind="profile", **profile, last_visit=_last_visit(r, user))
    name = None if user is None else display_names.of(r, user)
    for record in records.display_name(name):
        yield _line(**record)
    for record in preferences.export(r, id):
        yield _line(**record)


def _reminders(r: ReadSnapshot, name: str, after: tuple[int, ...]) -> _Part:
    (at,) = after or (0,)
    lines, last = reminders.export(r, name, at, EXPORT_LARGE_ROWS, EXPORT_BYTES)
    return lines, None if last is None else (last,)


def _last_visit(r: ReadSnapshot, user: int | None) -> str | None:
    """The day of the user's last request, in UTC."""
    row = r.db.one(sql("last_visit"), (user,))
    return rfc3339(row[0] * DAY_MS)[:10] if row and row[0] else None


def _acts(r: ReadSnapshot, user: int, after: tuple[int, ...]) -> _Part:
    (at,) = after or (-1,)
    entries = r.entries_up(topic_timelines(user), at, EXPORT_LARGE_ROWS)
    lines: list[bytes] = []
    size = 0
    for event in r.events([found.key for found in entries]):
        if event.actor == user:
            lines.append(_line(kind="event", event=msgspec.Raw(event.body)))
            size += len(event.body)
        if size >= EXPORT_BYTES:
            return lines, (event.key,)
    return lines, (entries[-1].key,) if entries else None


def _follows(r: ReadSnapshot, user: int, after: tuple[int, ...]) -> _Part:
    query = sql("export_follows")
    rows = r.db.all(query, (user, *(after or (-1, -1)), EXPORT_ROWS))
    lines = [_line(**records.follow(r.names.text(t), at, until)) for t, _, at, until in rows]
    return lines, tuple(rows[-1][:2]) if rows else None


def _masks(r: ReadSnapshot, user: int, after: tuple[int, ...]) -> _Part:
    query = sql("export_relations")
    rows = r.db.all(query, (user, *(after or (-1, -1)), BLOCKED_BY, EXPORT_ROWS))
    lines = [_line(kind="mask", topic=r.names.text(t), block=kind == BLOCK) for t, kind in rows]
    return lines, tuple(rows[-1]) if rows else None


def _reads(r: ReadSnapshot, user: int, after: tuple[int, ...]) -> _Part:
    query = sql("export_feed_reads")
    rows = r.db.all(query, (user, *(after or (-1,)), EXPORT_ROWS))
    text = r.writer.ids.text
    lines = [_line(kind="feed_read", event_id=text(key), read_at=at and rfc3339(at)) for key, at in rows]
    return lines, (rows[-1][0],) if rows else None


def _floors(r: ReadSnapshot, user: int, after: tuple[int, ...]) -> _Part:
    query = sql("export_feed_read_alls")
    rows = r.db.all(query, (user, *(after or (-1,)), EXPORT_ROWS))
    lines = [
        _line(**records.feed_read_all(up_to, at, feed_history.activity_of(r, list)))
        for up_to, _, at, list in rows
    ]
    return lines, (rows[-1][1],) if rows else None


def _notifications(r: ReadSnapshot, user: int, after: tuple[int, ...]) -> _Part:
    (at,) = after or (0,)
    rows = inboxes.changes(r, user, at, EXPORT_LARGE_ROWS)
    by_id = {notification_id(user, row.number): row for row in rows}
    # Without those whose event was retracted, while the job that removes them is pending.
    shown = hydrate(r, user, rows)
    lines = [_line(**records.notification(one, _event_ids(r, user, by_id[one.id]))) for one in shown]
    return lines, (rows[-1].last_change,) if rows else None


def _read_alls(r: ReadSnapshot, user: int, after: tuple[int, ...]) -> _Part:
    query = sql("read_alls_after")
    rows = r.db.all(query, (user, *(after or (0,)), STANDING, EXPORT_ROWS))
    lines = [_line(**records.read_all(inboxes.watermark(r, *row))) for row in rows]
    return lines, (rows[-1][0],) if rows else None


_SECTIONS = (_acts, _follows, _masks, _reads, _floors, _notifications, _read_alls)


def _event_ids(r: ReadSnapshot, user: int, row: Row) -> list[str]:
    keys = [row.key]
    if row.opened is not None:
        query = sql("member_keys")
        keys = [
            key
            for (key,) in r.db.execute(
                query, (notification_groups.of(r, user, (row.number,))[row.number].id,)
            )
        ]
    return [] if row.deleted else [r.writer.ids.text(key) for key in keys]


def _line(**values: object) -> bytes:
    return msgspec.json.encode(values)
