"""The JSON of the frames of streams, WebSockets and polls: what each event name has as its data."""

from collections.abc import Mapping
from typing import Annotated, Any

from msgspec import UNSET, Meta, UnsetType

from tidings.http.schemas import ActivityEvent, Count, FeedItem, Notification, Schema, Time, Tombstone


class InboxCounts(Schema):
    """The counts of an inbox after a frame: of unread notifications, of the events in them, of those not seen."""

    unread_count: Count
    unread_items: Count
    unseen_count: Count
    seq: Count


class HelloFrame(Schema, kw_only=True):
    """The first frame. ``resumed``: the client's cursor is one of this store, and the frames continue after it; a ``reset``
    may still follow, if the inbox was erased, for example. If not, a ``reset`` follows, or the client had no cursor. A
    visitor has no inbox: ``user_id`` is null, and the counts are left out."""

    user_id: str | None
    unread_count: Count | UnsetType = UNSET
    unread_items: Count | UnsetType = UNSET
    unseen_count: Count | UnsetType = UNSET
    seq: Count | UnsetType = UNSET
    position: Count
    resumed: bool


class NotificationFrame(Notification, kw_only=True):
    """A notification is new or has changed; the counts are those of the inbox after it."""

    unread_count: Count
    unread_items: Count
    unseen_count: Count


class RemovalFrame(Tombstone, kw_only=True):
    """A notification whose events were retracted; the counts are those of the inbox after it."""

    unread_count: Count
    unread_items: Count
    unseen_count: Count


class ReadFrame(InboxCounts, kw_only=True):
    """Notifications were read: those of ``items``, or all up to the seq ``up_to``, of one ``type`` if it is named."""

    ids: list[str] | UnsetType = UNSET
    items: list[Notification] | UnsetType = UNSET
    up_to: Count | UnsetType = UNSET
    type: str | UnsetType = UNSET
    read_at: Time


class SeenFrame(InboxCounts, kw_only=True):
    """All notifications up to the seq ``up_to`` were seen."""

    up_to: Count
    seen_at: Time


class FeedReadFrame(Schema, kw_only=True):
    """Events were read, or unread (``read_at`` null): those of ``event_ids``, or all up to the position ``up_to``, of the
    feed or of the named ``activity``."""

    event_ids: list[str] | UnsetType = UNSET
    up_to: Count | UnsetType = UNSET
    activity: str | UnsetType = UNSET
    read_at: Time | None
    position: Count


class RetractedFrame(Schema):
    """An event was retracted: remove it."""

    event_id: str
    position: Count


class HeartbeatFrame(Schema):
    """Nothing else was sent for a while. A client with a smaller ``seq`` misses a frame."""

    seq: Count
    position: Count


class ResetFrame(Schema):
    """The state of the client cannot be continued: it fetches its lists again; if there are many such clients, each after
    its own ``after_ms``."""

    reason: str
    after_ms: Count | UnsetType = UNSET


class ReauthFrame(Schema):
    """The credential, and the stream with it, ends in ``in_s`` seconds."""

    in_s: Count


class DrainFrame(Schema):
    """The stream ends. The client opens another one after ``retry_ms`` milliseconds."""

    retry_ms: Count


FRAMES: Mapping[str, tuple[type[Schema], ...]] = {
    "hello": (HelloFrame,),
    "notification": (NotificationFrame, RemovalFrame),
    "read": (ReadFrame,),
    "seen": (SeenFrame,),
    "activity": (FeedItem, ActivityEvent),
    "feed_read": (FeedReadFrame,),
    "retracted": (RetractedFrame,),
    "heartbeat": (HeartbeatFrame,),
    "reset": (ResetFrame,),
    "reauth": (ReauthFrame,),
    "drain": (DrainFrame,),
}
"""The data of a frame by its event name; one of them, where there are two."""
_DATA = [{"$ref": f"#/components/schemas/{shape.__name__}"} for shapes in FRAMES.values() for shape in shapes]


class Frame(Schema):
    """A frame as a stream has it: its name, its data, and (null: unchanged) the client's cursor after it."""

    event: str
    data: Annotated[dict[str, Any], Meta(extra_json_schema={"anyOf": _DATA})]
    id: str | None


class Polled(Schema):
    """The frames of a stream, the hello first. ``last_event_id``: the cursor for the next request."""

    frames: list[Frame]
    last_event_id: str
