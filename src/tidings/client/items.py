"""What a subscription hands over. ``cursor`` is where a later subscription goes on behind the item."""

from datetime import datetime
from typing import Literal

from msgspec import Struct

from tidings.client.shapes import FeedItem, Notification


class Changed(Struct, frozen=True, kw_only=True):
    """A notification is new or has changed in whatever way (also: archived, or ``deleted``)."""

    item: Notification
    unread_count: int
    unread_items: int
    seq: int
    cursor: str


class Read(Struct, frozen=True, kw_only=True):
    """Notifications were read, on whichever device: these ``items``; or, when ``up_to`` is not None, everything of the
    ``type`` (None: of all) that became unread at or before seq ``up_to``."""

    read_at: datetime
    unread_count: int
    unread_items: int
    seq: int
    cursor: str
    items: tuple[Notification, ...] = ()
    up_to: int | None = None
    type: str | None = None


class Activity(Struct, frozen=True, kw_only=True):
    """An item came to the feed."""

    item: FeedItem
    position: int
    cursor: str


class FeedRead(Struct, frozen=True, kw_only=True):
    """Items of the feed were marked read at ``read_at``, or unread (None), on whichever device: these ``event_ids``; or,
    when ``up_to`` is not None, everything unread with a position up to it."""

    read_at: datetime | None
    position: int
    cursor: str
    event_ids: tuple[str, ...] = ()
    up_to: int | None = None


class Retracted(Struct, frozen=True, kw_only=True):
    """An event that is, or could be, in the feed was retracted."""

    event_id: str
    position: int
    cursor: str


class Counts(Struct, frozen=True, kw_only=True):
    """The unread counts, when a connection begins and nothing else has told them."""

    unread_count: int
    unread_items: int
    cursor: str


class Reset(Struct, frozen=True, kw_only=True):
    """What was known is not continuous with what follows: replace all of it by this. ``notifications`` are the newest,
    ``complete`` when there are no others; ``feed`` is the first page of the feed when it is subscribed to."""

    reason: str
    cursor: str
    notifications: tuple[Notification, ...] = ()
    complete: bool = True
    unread_count: int = 0
    unread_items: int = 0
    seq: int = 0
    feed: tuple[FeedItem, ...] = ()


Item = Changed | Read | Activity | FeedRead | Retracted | Counts | Reset


class Connection(Struct, frozen=True):
    """How a subscription is connected now. ``live``: changes are pushed; ``polling``: they are asked for, since no stream
    could be opened; ``waiting``: ``why`` it is not, for ``wait_s`` seconds. ``planned``: that is no failure, as where the
    server asks to come back."""

    state: Literal["connecting", "live", "polling", "waiting"]
    why: str = ""
    wait_s: float = 0.0
    planned: bool = False
