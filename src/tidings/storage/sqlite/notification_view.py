"""Hydration of groups: their stored rows, with the bodies of their newest events."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from tidings.actions import Acted
from tidings.ids import ms_of, notification_id
from tidings.model import SAMPLE_ACTORS, SAMPLE_ITEMS, InboxRow
from tidings.storage.sqlite import notification_groups
from tidings.storage.sqlite.notification_groups import ReadWatermarks, Row
from tidings.storage.sqlite.read_snapshot import ReadSnapshot
from tidings.storage.sqlite.statements import sql

_acted = msgspec.json.Decoder(Acted).decode


_Named = tuple[bytes, str | None]
"""The body of an event, and the display name of its actor."""


class _Content(NamedTuple):
    """The content of a group: the keys of its first event, of its newest ones, and of the newest by each of a few actors."""

    first: int
    size: int
    actors: int
    keys: Sequence[int]
    voices: Sequence[int]


def hydrate(
    r: ReadSnapshot, user: int, rows: Sequence[Row], marks: ReadWatermarks | None = None
) -> list[InboxRow]:
    """Rows of one user as the port has them; ``marks``, if given, are all that may cover them. A row is left out if all its
    events were retracted and the job that removes it is pending."""
    joined = [row.number for row in rows if row.opened is not None]
    contents = _contents(r, user, joined) if joined else {}
    bodies = _bodies(r, rows, contents)
    return list(_dressed(r, user, rows, marks or ReadWatermarks.of(r, user, rows), contents, bodies))


def _dressed(
    r: ReadSnapshot,
    user: int,
    rows: Iterable[Row],
    marks: ReadWatermarks,
    contents: Mapping[int, _Content],
    bodies: Mapping[int, _Named],
) -> Iterator[InboxRow]:
    text = r.writer.ids.text
    for row in rows:
        number = row.number
        content = _content(row, contents.get(number))
        texts = [bodies[key] for key in content.voices if key in bodies]
        if not texts and not row.deleted:
            continue
        seen_at, read_at = marks.times(row)
        yield InboxRow(
            notification_id(user, number),
            row.seq,
            row.last_change,
            row.became_unread,
            r.names.verb_text(row.type),
            texts[0][0] if texts else b"",
            seen_at,
            read_at,
            row.archived_at,
            bool(row.deleted),
            ms_of(content.first),
            content.size,
            content.actors,
            tuple(map(text, content.keys)),
            tuple([body for body, _ in texts[1:]]),
            row.snoozed_until,
            row.pinned_at,
            None if row.acted is None else _acted(row.acted),
            tuple([name for _, name in texts]),
        )


def _content(row: Row, group: _Content | None) -> _Content:
    if row.deleted:
        return _Content(group.first if group else row.key, 0, 0, (), ())
    return group or _Content(row.key, 1, 1, (row.key,), (row.key,))


def _contents(r: ReadSnapshot, user: int, numbers: Sequence[int]) -> dict[int, _Content]:
    """The contents of groups that ever had two items, by number."""
    found = notification_groups.of(r, user, numbers)
    values = {"groups": r.writer.carray(group.id for group in found.values()), "older": SAMPLE_ITEMS - 1}
    items: dict[int, list[tuple[int, int]]] = {}
    for id, key, actor in r.db.execute(sql("inbox_samples"), values):
        items.setdefault(id, []).append((actor, key))
    return {
        number: _Content(group.first, group.size, group.actors, *_keys(items.get(group.id, ())))
        for number, group in found.items()
    }


def _keys(items: Sequence[tuple[int, int]]) -> tuple[list[int], list[int]]:
    newest = dict(reversed(items))
    voices = [key for actor, key in items if newest[actor] == key]
    return [key for _, key in items], voices[:SAMPLE_ACTORS]


def _bodies(r: ReadSnapshot, rows: Iterable[Row], contents: Mapping[int, _Content]) -> dict[int, _Named]:
    keys = [row.key for row in rows if row.opened is None and not row.deleted]
    keys += [key for content in contents.values() for key in content.voices]
    return {key: (body, name) for key, name, body in r.named_bodies(keys)}
