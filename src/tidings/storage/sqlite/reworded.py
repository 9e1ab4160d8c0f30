"""Notifications that read otherwise since an event in them was rewritten. Whatever a client can see takes a seq, or the
client would never be told."""

from collections.abc import Sequence
from functools import lru_cache

from tidings.storage.sqlite.names import unpack
from tidings.storage.sqlite.partitions import Span
from tidings.storage.sqlite.reading import EventRow
from tidings.storage.sqlite.writer import Writer, sql


def change(w: Writer, events: Sequence[EventRow]) -> None:
    """Give every group that holds some of these events the next seq of its user. Set by set, for an active person is in
    the notifications of thousands; what it costs is a look at each row of those who were told."""
    keys = [event.key for event in events]
    if not keys or not (users := _told(w, events)):
        return
    oldest = min(event.position for event in events)
    spans = tuple(span for span in w.inboxes.spans if span.high > oldest)  # rows only move to newer ones
    parts = [n for span in spans for n in span.parts]
    w.db.execute("DELETE FROM temp.changing")
    w.db.execute(_change_rows(spans), {"users": w.carray(users), "keys": w.carray(keys)})
    w.db.execute(sql("bump_changed"))
    for name in ("forget_changed", "date_changed"):
        for n in parts:
            w.db.execute(sql(name, n))
    w.db.execute(sql("note_changed"))


def _told(w: Writer, events: Sequence[EventRow]) -> set[int]:
    """Everybody who may have been told of these events."""
    query = "SELECT t.users FROM carray(?) c CROSS JOIN told t ON t.key=c.value"
    packed = [users for (users,) in w.db.execute(query, (w.carray(event.key for event in events),))]
    return set().union(*map(unpack, packed), *(unpack(event.targets) for event in events))


@lru_cache(maxsize=256)
def _change_rows(spans: tuple[Span, ...]) -> str:
    """One statement over these partitions; what is in two of them, being moved, counts once."""
    arms = [sql("rows_holding", n) for span in spans for n in span.parts]
    return sql("change_rows").replace("$groups", " UNION ".join((*arms, sql("groups_holding"))))
