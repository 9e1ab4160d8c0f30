"""Notifications as they are shown: one row and the event behind it become one JSON item."""

import msgspec

from tidings.model import InboxRow
from tidings.times import rfc3339


class _Event(msgspec.Struct, gc=False):
    event_id: str
    actor_id: str
    verb: str
    object_type: str
    object_id: str
    created_at: str
    actor_name: str | None = None
    object_title: str | None = None
    metadata: msgspec.Raw = msgspec.Raw(b"{}")


class _Notification(msgspec.Struct, gc=False):
    id: str
    seq: int
    type: str
    message: str
    count: int
    actors: list[str]
    actor_count: int
    object_type: str
    object_id: str
    event_ids: list[str]
    metadata: msgspec.Raw
    created_at: str
    updated_at: str
    seen_at: str | None
    read_at: str | None
    archived_at: str | None


NOTIFICATION_FIELDS = frozenset(_Notification.__struct_fields__)

_decode = msgspec.json.Decoder(_Event).decode
_encode = msgspec.json.Encoder().encode


def notification(row: InboxRow) -> bytes:
    """The item of one inbox row; of a retracted one only ``{"id", "seq", "deleted": true}`` is left."""
    if row.deleted:
        return _encode({"id": row.id, "seq": row.seq, "deleted": True})
    event = _decode(row.body)
    return _encode(
        _Notification(
            row.id,
            row.seq,
            event.verb,
            message(event),
            1,
            [event.actor_id],
            1,
            event.object_type,
            event.object_id,
            [event.event_id],
            event.metadata,
            event.created_at,
            event.created_at,
            _moment(row.seen_at),
            _moment(row.read_at),
            _moment(row.archived_at),
        )
    )


def message(event: _Event) -> str:
    """A plain sentence: who, what, on what."""
    who = event.actor_name or event.actor_id
    what = event.object_title or f"{event.object_type} {event.object_id}"
    return f"{who}: {event.verb.replace('_', ' ')} · {what}"


def _moment(ms: int | None) -> str | None:
    return None if ms is None else rfc3339(ms)
