"""The records of a user's export: one form for every back-end. Each has a ``kind``."""

from collections.abc import Iterator, Sequence

import msgspec

from tidings.activity_scope import list_name
from tidings.model import InboxRow, ReadWatermark
from tidings.personal_data import Endpoint, Reminder
from tidings.timeutil import rfc3339

Record = dict[str, object]
"""One line of an export."""

_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
"""Fields stay raw, so that numbers keep their exact digits."""


def notification(row: InboxRow, event_ids: Sequence[str]) -> Record:
    """A notification with all its events and its state; a tombstone has no event."""
    return {
        "kind": "notification",
        "id": row.id,
        "seq": row.seq,
        "type": row.type,
        "created_at": rfc3339(row.opened_at),
        "seen_at": moment(row.seen_at),
        "read_at": moment(row.read_at),
        "archived_at": moment(row.archived_at),
        "snoozed_until": moment(row.snoozed_until),
        "pinned_at": moment(row.pinned_at),
        "acted": None if row.acted is None else row.acted._asdict() | {"at": rfc3339(row.acted.at)},
        "deleted": row.deleted,
        "event": msgspec.Raw(row.body or b"null"),
        "event_ids": event_ids,
    }


def display_name(name: str | None) -> Iterator[Record]:
    """The display name of a user who has one."""
    if name is not None:
        yield {"kind": "display_name", "name": name}


def feed_read_all(up_to: int, at: int, activity: str | None) -> Record:
    """A read-all of a feed, or of the activity of EVERYBODY or of a topic, that is in force."""
    about = {} if activity is None else {"activity": list_name(activity)}
    return {"kind": "feed_read", "up_to": up_to, "read_at": rfc3339(at)} | about


def read_all(mark: ReadWatermark) -> Record:
    """A read-all of an inbox that is in force, or a seen-all."""
    kind, state = ("seen_all", "seen_at") if mark.seen_only else ("read_all", "read_at")
    return {
        "kind": kind,
        "seq": mark.seq,
        "up_to": mark.up_to,
        "type": mark.type or None,
        state: rfc3339(mark.at),
    }


def follow(topic: str, created_at: int, until: int | None) -> Record:
    """A follow; ``until`` is the last position of one that ended with its history kept."""
    return {"kind": "follow", "topic": topic, "created_at": rfc3339(created_at), "until_position": until}


def endpoint(given: Endpoint) -> Record:
    """An endpoint as its user may see it, without the secret that signs for this server."""
    shown: Record = {
        "kind": "endpoint",
        "id": given.id,
        "channel": given.channel,
        "address": given.user_address,
    }
    for name in given.__struct_fields__:
        value = getattr(given, name)
        if name.endswith("_at"):
            shown[name] = rfc3339(value) if value else None
        elif name not in (*shown, "user", "secret"):
            shown[name] = value
    return shown


def delivery(
    notification_id: str,
    endpoint_id: str,
    times: tuple[int, int],
    attempts: int,
    dead: bool,
    error: str | None,
) -> Record:
    """A queued delivery or a dead letter; ``times`` are when it is due and when it was made (milliseconds)."""
    due_at, created_at = map(rfc3339, times)
    return {
        "kind": "delivery",
        "notification_id": notification_id,
        "endpoint_id": endpoint_id,
        "due_at": due_at,
        "created_at": created_at,
        "attempts": attempts,
        "given_up": dead,
        "error": error or None,
    }


def reminder(set: Reminder) -> Record:
    """A reminder that names the user, without its other recipients."""
    event = {name: value for name, value in _fields(set.event).items() if name != "target_user_ids"}
    return {
        "kind": "reminder",
        "key": set.key,
        "due_at": rfc3339(set.due_at),
        "every": set.every or None,
        "time_zone": set.time_zone,
        "first_at": rfc3339(set.first_at),
        "audience": set.audience or None,
        "event": event,
    }


def moment(ms: int | None) -> str | None:
    """A time, or None."""
    return None if ms is None else rfc3339(ms)
