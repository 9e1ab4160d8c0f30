"""The pages of a server as types. Members that a newer server adds are ignored; those that an older one lacks have a
default.

Times are aware datetimes in UTC.
"""

from datetime import datetime
from typing import Any

from msgspec import Struct


class Person(Struct, frozen=True):
    """The actor of an event."""

    id: str
    name: str | None = None


class Thing(Struct, frozen=True):
    """The object of an event."""

    type: str = ""
    id: str = ""
    title: str | None = None
    image: str | None = None


class Parts(Struct, frozen=True):
    """A message in parts, for clients that write their own: the named actors, the number of ``others``, the object, and the
    number of items."""

    actors: tuple[Person, ...] = ()
    others: int = 0
    object: Thing = Thing()
    count: int = 0


class Action(Struct, frozen=True, kw_only=True):
    """An action that an application offers on a notification. ``url``: the address to open."""

    id: str
    label: str = ""
    style: str | None = None
    url: str | None = None


class Acted(Struct, frozen=True, kw_only=True):
    """The action that was taken on a notification, by the "user" or by a "server" for the user."""

    action_id: str
    at: datetime | None = None
    by: str = ""


class Notification(Struct, frozen=True, kw_only=True):
    """An item of an inbox. ``order`` is its position in lists, ``unread_seq`` the seq at which it last became unread. A
    ``deleted`` one has only ``id`` and ``seq``. ``unreadable`` names the members that could not be read, with the error:
    they have their defaults."""

    id: str
    seq: int
    order: int = 0
    unread_seq: int = 0
    type: str = ""
    message: str = ""
    title: str | None = None
    description: str | None = None
    url: str | None = None
    actor_name: str | None = None
    actor_image: str | None = None
    object_title: str | None = None
    object_image: str | None = None
    parts: Parts = Parts()
    count: int = 0
    actors: tuple[str, ...] = ()
    actor_count: int = 0
    object_type: str = ""
    object_id: str = ""
    event_ids: tuple[str, ...] = ()
    metadata: dict[str, Any] = {}
    created_at: datetime | None = None
    updated_at: datetime | None = None
    seen_at: datetime | None = None
    read_at: datetime | None = None
    archived_at: datetime | None = None
    snoozed_until: datetime | None = None
    pinned_at: datetime | None = None
    actions: tuple[Action, ...] = ()
    acted: Acted | None = None
    deleted: bool = False
    unreadable: str = ""

    @property
    def unread(self) -> bool:
        """Whether it counts as unread."""
        return self.read_at is None and self.listed

    @property
    def listed(self) -> bool:
        """Whether the inbox has it."""
        return self.archived_at is None and self.snoozed_until is None and not self.deleted

    @property
    def unseen(self) -> bool:
        """Whether it counts as unseen."""
        return self.seen_at is None and self.unread


class InboxPage(Struct, frozen=True, kw_only=True):
    """A page of an inbox, newest content first, with the exact counts of the same moment."""

    items: tuple[Notification, ...]
    next_cursor: str | None = None
    has_more: bool = False
    unread_count: int = 0
    unread_items: int = 0
    unseen_count: int = 0
    seq: int = 0
    read_up_to: int = 0
    epoch: str = ""


class ReadAll(Struct, frozen=True, kw_only=True):
    """A read-all among changes: all notifications of the type (None: of all types) that became unread at or before
    ``up_to`` were read at ``read_at``; or, if that is None, were only seen, at ``seen_at``."""

    seq: int
    up_to: int
    read_at: datetime | None = None
    type: str | None = None
    seen_at: datetime | None = None


class InboxChanges(Struct, frozen=True, kw_only=True):
    """The changes of an inbox after a seq, oldest first. ``reset``: fetch the inbox again. ``next_since``: the seq to
    continue from."""

    items: tuple[Notification, ...]
    marks: tuple[ReadAll, ...] = ()
    has_more: bool = False
    next_since: int = 0
    reset: bool = False
    unread_count: int = 0
    unread_items: int = 0
    unseen_count: int = 0
    seq: int = 0
    read_up_to: int = 0
    epoch: str = ""


class Event(Struct, frozen=True, kw_only=True):
    """An event as readers see it; ``target_user_ids`` only for a server's credential. ``unreadable`` names the members that
    could not be read, with the error: they have their defaults."""

    event_id: str
    position: int
    actor_id: str
    verb: str
    object_type: str
    object_id: str
    created_at: datetime
    topics: tuple[str, ...] = ()
    actor_name: str | None = None
    object_title: str | None = None
    title: str = ""
    description: str = ""
    message: str = ""
    url: str = ""
    actor_image: str = ""
    object_image: str = ""
    actions: tuple[Action, ...] = ()
    visibility: str = "public"
    metadata: dict[str, Any] = {}
    target_user_ids: tuple[str, ...] = ()
    unreadable: str = ""


class Reason(Struct, frozen=True):
    """The reason why an item is in a feed: ``target``, ``follow`` (of ``topic``) or ``own``."""

    kind: str
    topic: str | None = None


class ActivityItem(Event, frozen=True, kw_only=True):
    """An event of activity, for a user with the time at which they read it."""

    read_at: datetime | None = None


class FeedItem(Event, frozen=True, kw_only=True):
    """An event in a user's feed."""

    read_at: datetime | None = None
    reason: Reason = Reason("")


class FeedPage(Struct, frozen=True, kw_only=True):
    """A page of a feed, newest first. ``partial``: so few events match the filter that the page is short; request the next
    one. ``new_count``: the number of new items that match, if ``since`` was given; ``new_count_capped``: there may be
    more."""

    items: tuple[FeedItem, ...]
    next_cursor: str | None = None
    has_more: bool = False
    position: int = 0
    partial: bool = False
    new_count: int | None = None
    new_count_capped: bool = False


class GroupWindow(Struct, frozen=True, rename={"from_": "from"}):
    """The times of the items of a group, as the filters ``from_`` (inclusive) and ``to`` (exclusive) take them."""

    from_: datetime
    to: datetime


class ActivityGroup(Struct, frozen=True, kw_only=True):
    """Similar events, of one verb and one object within a window: the newest ``items`` and ``actors``, the display names
    that these have now (None without one), and the numbers of all. ``created_at`` is that of the newest item. For a user,
    ``read_at`` is None while one of them is unread, and the time of the last mark then."""

    group_id: str
    verb: str
    object_type: str
    object_id: str
    count: int
    actor_count: int
    created_at: datetime
    window: GroupWindow
    object_title: str | None = None
    actors: tuple[str, ...] = ()
    actor_names: tuple[str | None, ...] = ()
    unread_count: int = 0
    read_at: datetime | None = None
    items: tuple[ActivityItem, ...] = ()


class FeedGroup(ActivityGroup, frozen=True, kw_only=True):
    """Similar items of a feed. ``read_at`` is None while one of them is unread, and the time of the last mark then."""

    items: tuple[FeedItem, ...] = ()  # type: ignore[assignment]


class FeedGroupPage(Struct, frozen=True, kw_only=True):
    """A page of groups of a feed, newest first. ``position``: all pages of one cursor show the items up to it. The other
    members are those of a FeedPage; ``new_count`` counts items."""

    items: tuple[FeedGroup, ...]
    next_cursor: str | None = None
    has_more: bool = False
    position: int = 0
    partial: bool = False
    new_count: int | None = None
    new_count_capped: bool = False


class NewCount(Struct, frozen=True, kw_only=True):
    """The number of new items of a feed or of activity. ``capped``: there may be more than were counted. ``oldest_new_at``:
    the time of the oldest one, None if there is none, or if ``capped``."""

    count: int
    position: int
    capped: bool = False
    oldest_new_at: datetime | None = None
