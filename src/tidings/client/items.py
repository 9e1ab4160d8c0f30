"""The items of a subscription. ``cursor`` is that of a later subscription which continues after the item."""

from datetime import datetime
from typing import Literal

from msgspec import Struct

from tidings.client.shapes import FeedItem, Notification


class Changed(Struct, frozen=True, kw_only=True):
    """A notification is new or has changed (also: archived, or ``deleted``)."""

    item: Notification
    unread_count: int
    unread_items: int
    unseen_count: int = 0
    seq: int
    cursor: str


class Read(Struct, frozen=True, kw_only=True):
    """Notifications were read, on any device: these ``items``; or, if ``up_to`` is not None, all of the ``type`` (None: of
    all types) that became unread at or before seq ``up_to``."""

    read_at: datetime
    unread_count: int
    unread_items: int
    unseen_count: int = 0
    seq: int
    cursor: str
    items: tuple[Notification, ...] = ()
    up_to: int | None = None
    type: str | None = None


class Seen(Struct, frozen=True, kw_only=True):
    """All notifications that became unread at or before seq ``up_to`` were seen, on any device, and not read."""

    seen_at: datetime
    up_to: int
    unread_count: int
    unread_items: int
    unseen_count: int
    seq: int
    cursor: str


class Activity(Struct, frozen=True, kw_only=True):
    """An item was added to the feed."""

    item: FeedItem
    position: int
    cursor: str


class FeedRead(Struct, frozen=True, kw_only=True):
    """Items of the feed were marked read at ``read_at``, or unread (None), on any device: these ``event_ids``; or, if
    ``up_to`` is not None, all unread ones with a position up to it: of the feed, or (``activity``) of the activity of a
    topic or of "all" users."""

    read_at: datetime | None
    position: int
    cursor: str
    event_ids: tuple[str, ...] = ()
    up_to: int | None = None
    activity: str | None = None


class Retracted(Struct, frozen=True, kw_only=True):
    """An event that is, or could be, in the feed was retracted."""

    event_id: str
    position: int
    cursor: str


class Counts(Struct, frozen=True, kw_only=True):
    """The unread and unseen counts, at the beginning of a connection without another item that has them."""

    unread_count: int
    unread_items: int
    unseen_count: int = 0
    cursor: str


class Reset(Struct, frozen=True, kw_only=True):
    """The state so far does not continue: replace all of it by this. ``notifications`` are the newest, ``complete`` if there
    are no others; ``feed`` is the first page of the feed if it is subscribed to."""

    reason: str
    cursor: str
    notifications: tuple[Notification, ...] = ()
    complete: bool = True
    unread_count: int = 0
    unread_items: int = 0
    unseen_count: int = 0
    seq: int = 0
    feed: tuple[FeedItem, ...] = ()


Item = Changed | Read | Seen | Activity | FeedRead | Retracted | Counts | Reset


class Connection(Struct, frozen=True):
    """The state of the connection of a subscription. ``live``: the server sends changes; ``polling``: the client requests
    them, since no stream could be opened; ``waiting``: for ``wait_s`` seconds, for the reason ``why``. ``planned``: it is no
    failure, for example if the server asks to reconnect."""

    state: Literal["connecting", "live", "polling", "waiting"]
    why: str = ""
    wait_s: float = 0.0
    planned: bool = False
