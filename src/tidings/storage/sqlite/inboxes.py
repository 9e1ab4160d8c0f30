"""Reads of inboxes: rows by (user, seq), read-alls, and a list of later changes.

A row is a group: it has the seq of its newest item and moves up when one joins, so a page never reads the items below it. A
row is read if it was marked, or if it last became unread at or before a read-all; so a read-all changes one number, however
many rows it covers.
"""

from collections.abc import Iterable
from typing import NamedTuple

from tidings.filters import Choice
from tidings.ids import MAX_KEY, notification_id, notification_ref
from tidings.inbox_commands import Snooze
from tidings.model import InboxChanges, InboxFilter, InboxPage, ReadWatermark
from tidings.storage.sqlite import inbox_counters, notification_groups
from tidings.storage.sqlite.notification_groups import (
    ALL_TYPES,
    SEEN_ALL,
    STANDING,
    UNDONE,
    ReadWatermarks,
    Row,
)
from tidings.storage.sqlite.notification_view import hydrate
from tidings.storage.sqlite.read_snapshot import ReadSnapshot, chunks
from tidings.storage.sqlite.statements import sql

FIRST_CHUNK, LARGEST_CHUNK = 64, 4_096


class Wanted(NamedTuple):
    """The filter of a page; ``type`` None for all."""

    unread_only: bool
    type: Choice[str] | None
    state: InboxFilter


def item(r: ReadSnapshot, user: int, id: str) -> InboxPage:
    """The page with the one notification of an id, if it is this user's and no tombstone."""
    head, ref = inbox_counters.one(r, user), notification_ref(id)
    places = notification_groups.by_number(r, user, (ref[1],)) if ref is not None and ref[0] == user else {}
    return InboxPage(hydrate(r, user, [row for _, row in places.values() if not row.deleted]), None, head)


def page(r: ReadSnapshot, user: int, limit: int, before: int | None, wanted: Wanted) -> InboxPage:
    """A page of an inbox; see InboxViews.inbox."""
    head = inbox_counters.one(r, user)
    found: list[Row] = []
    at = MAX_KEY if before is None else before
    unread_only, names, state = wanted
    type = None if names is None else names.numbered(r.names.verb)
    if names is not None and type is None:
        return InboxPage([], None, head)
    chunk = limit + 1 if not unread_only and type is None else max(limit + 1, FIRST_CHUNK)
    # Of those that are not archived: in other lists it does not tell when to stop.
    unread_left = head.unread_count
    marks = None
    while len(found) <= limit and not (unread_only and state == "inbox" and not unread_left):
        rows = below(r, user, at, chunk, state)
        marks = ReadWatermarks.of(r, user, rows)  # of the oldest rows, and so all that cover any of them
        some = [row for row in rows if marks.times(row)[1] is None] if unread_only else rows
        unread_left -= len(some)
        found += [row for row in some if type is None or type.admits((row.type,))]
        if len(rows) < chunk:
            break
        at, chunk = rows[-1].seq, min(chunk * 2, LARGEST_CHUNK)
    following = found[limit - 1].seq if len(found) > limit else None
    return InboxPage(hydrate(r, user, found[:limit], marks), following, head)


_PAGES: dict[str, str] = {"inbox": "inbox_page"} | {
    state: f"inbox_page_{state}" for state in ("archived", "snoozed", "pinned", "all")
}
"""The statement that reads rows in each state."""


def below(
    r: ReadSnapshot, user: int, before: int, limit: int, state: InboxFilter, above: int = 0
) -> list[Row]:
    """The newest rows of a user in a state with a seq in (above, before), without tombstones, newest first."""
    found: dict[int, Row] = {}
    for span in reversed(r.inbox_spans):
        for n in span.parts:
            values = (user, before, above, limit - len(found) if len(span.parts) == 1 else limit)
            found |= {row[0]: Row(*row) for row in r.db.execute(sql(_PAGES[state], n), values)}
        if len(found) >= limit:
            break
    return [found[seq] for seq in sorted(found, reverse=True)[:limit]]


def since(r: ReadSnapshot, user: int, seq: int, limit: int) -> InboxChanges:
    """The changes after a seq; see InboxViews.inbox_since."""
    head = inbox_counters.one(r, user)
    if seq > head.seq or _broken(r, user, seq):
        return InboxChanges([], head, reset=True)
    rows, marks = changes(r, user, seq, limit + 1), _read_alls(r, user, seq, limit + 1)
    seqs = sorted([*(row.last_change for row in rows), *(mark.seq for mark in marks)])
    more = len(seqs) > limit
    upto = seqs[limit - 1] if more else head.seq
    shown = hydrate(r, user, [row for row in rows if row.last_change <= upto])
    return InboxChanges(shown, head, more, marks=tuple(mark for mark in marks if mark.seq <= upto))


def seq_before(r: ReadSnapshot, user: int, key: int) -> int:
    """The last seq before the first notification with a later event; see InboxViews.inbox_seq. Reads all rows of the inbox:
    their seqs have the order in which events arrived, not that of their keys."""
    firsts = (r.db.one(sql("first_seq_after_key", n), (user, key)) for n in chunks(r.inbox_spans))
    return min((seq for (seq,) in firsts if seq is not None), default=inbox_counters.one(r, user).seq + 1) - 1


def snoozed(r: ReadSnapshot, due_by: int, limit: int) -> list[Snooze]:
    """The snoozes that end by a time; see Snoozing.snoozed."""
    rows = r.db.all(sql("snoozes"), (due_by, limit))
    people = r.names.people({user for user, _, _ in rows})
    return [Snooze(people[user], notification_id(user, number), until) for user, number, until in rows]


def _read_alls(r: ReadSnapshot, user: int, seq: int, limit: int) -> list[ReadWatermark]:
    """The first read-alls after a seq that are in force, and seen-alls."""
    query = sql("read_alls_after")
    return [watermark(r, *row) for row in r.db.all(query, (user, seq, STANDING, limit))]


def watermark(r: ReadSnapshot, seq: int, up_to: int, type: int, at: int) -> ReadWatermark:
    """A stored read-all or seen-all."""
    name = "" if type in (ALL_TYPES, SEEN_ALL) else r.names.verb_text(type)
    return ReadWatermark(seq, up_to, name, at, seen_only=type == SEEN_ALL)


def _broken(r: ReadSnapshot, user: int, seq: int) -> bool:
    """Whether no client can continue from a seq: since then a read-all was undone, or some were merged, or the seq is of an
    inbox that was erased."""
    query = sql("history_is_broken")
    return bool(r.db.one(query, (user, seq, UNDONE))[0])


def changes(r: ReadSnapshot, user: int, seq: int, limit: int) -> list[Row]:
    """The first rows that changed after a seq, by their last change.

    New and unchanged rows come from the inbox itself, later changes from the changelog; both are in the order of seqs, so
    the first of both together are the first of all.
    """
    query = sql("changed_rows_after")
    seqs = [row for (row,) in r.db.execute(query, (user, seq, limit))]
    again = [row for _, row in notification_groups.at(r, user, seqs).values()]
    return sorted(_arrived(r, user, seq, limit) + again, key=_last_change)[:limit]


def _arrived(r: ReadSnapshot, user: int, seq: int, limit: int) -> list[Row]:
    found: dict[int, Row] = {}
    for span in r.inbox_spans:
        for n in span.parts:
            rows = r.db.execute(sql("inbox_arrived", n), (user, seq, limit))
            found |= {row[0]: Row(*row) for row in rows}
        if len(found) >= limit:
            break
    return [found[seq] for seq in sorted(found)[:limit]]


def _last_change(row: Row) -> int:
    return row.last_change


def holding(r: ReadSnapshot, users: Iterable[int], key: int, position: int) -> list[tuple[int, int]]:
    """(user, number) of the groups of these users that have an event, of which they were notified at a position or later."""
    if not (packed := list(users)):
        return []
    found = {
        (user, number)
        for span in r.inbox_spans
        if span.high > position  # a row only ever moves to newer partitions
        for n in span.parts
        for user, number in r.db.execute(sql("notifications_of_event", n), (r.writer.carray(packed), key))
    }
    members = r.db.execute(sql("groups_of_event"), (r.writer.carray(packed), key))
    return sorted(found.union(members))


def holder(r: ReadSnapshot, user: int, key: int, position: int) -> str:
    """The id of the group that has the event with a key, at a position; empty without one."""
    found = holding(r, (user,), key, position)
    return notification_id(*found[0]) if found else ""
