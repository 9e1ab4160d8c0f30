"""An inbox and a feed in a client, updated by the items of a subscription."""

from collections.abc import Iterable

from msgspec.structs import replace

from tidings.client.items import Activity, Changed, Counts, FeedRead, Item, Read, Reset, Retracted, Seen
from tidings.client.shapes import FeedItem, FeedPage, InboxPage, Notification

KEPT = 1_000
"""Maximum number of stored notifications, or feed items; the oldest are dropped."""


class InboxState:
    """The newest notifications and the counts: always equal to those of a new list.

    ``items`` are newest first. The counts are those of the whole inbox, however many notifications are stored.
    """

    def __init__(self, keep: int = KEPT) -> None:
        """``keep``: the maximum number of stored notifications."""
        self._keep = keep
        self._held: dict[str, Notification] = {}
        self._floor = 0
        self.unread_count = 0
        self.unread_items = 0
        self.unseen_count = 0
        self.seq = 0

    @property
    def items(self) -> list[Notification]:
        """The stored notifications, newest content first."""
        return sorted(self._held.values(), key=lambda item: -item.order)

    @property
    def complete(self) -> bool:
        """Whether the inbox has no more than are stored."""
        return self._floor == 0

    def replace(self, pages: Iterable[InboxPage]) -> None:
        """Start again with the first pages of a list, in their order."""
        pages = list(pages)
        items = [item for page in pages for item in page.items]
        head = pages[0]
        self._begin(items, complete=not pages[-1].has_more, seq=head.seq)
        self._count(head)

    def apply(self, item: Item) -> None:
        """Apply the next item of a subscription. A repeated one changes nothing."""
        match item:
            case Changed():
                self._put(item.item)
            case Read():
                self._read(item)
            case Seen():
                self._see(item)
            case Reset():
                self._begin(item.notifications, complete=item.complete, seq=item.seq)
            case Activity() | FeedRead() | Retracted():
                return
        if not isinstance(item, Counts):
            if item.seq < self.seq:
                return
            self.seq = item.seq
        self._count(item)

    def _count(self, now: InboxPage | Changed | Read | Seen | Counts | Reset) -> None:
        self.unread_count, self.unread_items = now.unread_count, now.unread_items
        self.unseen_count = now.unseen_count

    def _begin(self, items: Iterable[Notification], *, complete: bool, seq: int) -> None:
        self._held = {item.id: item for item in items}
        self._floor = 0 if complete else min((item.order for item in self._held.values()), default=0)
        self._trim()
        self.seq = seq

    def _put(self, item: Notification) -> None:
        held = self._held.get(item.id)
        if held is not None and held.seq >= item.seq:
            return
        if not item.listed:
            self._held.pop(item.id, None)
        elif item.order >= self._floor:
            self._held[item.id] = item
            self._trim()

    def _trim(self) -> None:
        """Drop the oldest; from then on, those below the rest are unknown here."""
        if len(self._held) > self._keep:
            kept = self.items[: self._keep]
            self._held = {item.id: item for item in kept}
            self._floor = kept[-1].order

    def _read(self, read: Read) -> None:
        for item in read.items:
            self._put(item)
        if read.up_to is None:
            return
        for item in list(self._held.values()):
            if (
                item.read_at is None
                and item.unread_seq <= read.up_to
                and read.type in (None, item.type)
                and item.seq < read.seq
            ):
                seen_at = item.seen_at or read.read_at
                self._held[item.id] = replace(item, read_at=read.read_at, seen_at=seen_at)

    def _see(self, seen: Seen) -> None:
        for item in list(self._held.values()):
            if item.seen_at is None and item.unread_seq <= seen.up_to and item.seq < seen.seq:
                self._held[item.id] = replace(item, seen_at=seen.seen_at)


class FeedState:
    """The newest items of a feed and their read state: equal to a new page of the same events.

    ``items`` are newest first. The items that a follow adds or a mute or a block hides are not streamed: fetch the page
    again after these (:meth:`replace`). A read-all of a topic is applied to the public events of the topic, and to those for
    followers that are in the feed by a follow of this topic: whether the user follows it too where another reason is given,
    only a new page shows.
    """

    def __init__(self, keep: int = KEPT) -> None:
        """``keep``: the maximum number of stored items."""
        self._keep = keep
        self._held: dict[str, FeedItem] = {}

    @property
    def items(self) -> list[FeedItem]:
        """The stored items, newest first."""
        return sorted(self._held.values(), key=lambda item: item.event_id, reverse=True)

    def replace(self, page: FeedPage) -> None:
        """Start again with the first page of a feed."""
        self._begin(page.items)

    def apply(self, item: Item) -> None:
        """Apply the next item of a subscription. A repeated one changes nothing."""
        match item:
            case Activity():
                self._held[item.item.event_id] = item.item
                self._trim()
            case FeedRead():
                self._read(item)
            case Retracted():
                self._held.pop(item.event_id, None)
            case Reset():
                self._begin(item.feed)

    def _begin(self, items: Iterable[FeedItem]) -> None:
        self._held = {item.event_id: item for item in items}
        self._trim()

    def _read(self, read: FeedRead) -> None:
        for event_id in read.event_ids:
            if (item := self._held.get(event_id)) is not None:
                self._held[event_id] = replace(item, read_at=read.read_at)
        if read.up_to is None:
            return
        for event_id, item in self._held.items():
            if item.read_at is None and item.position <= read.up_to and _is_of(read.activity, item):
                self._held[event_id] = replace(item, read_at=read.read_at)

    def _trim(self) -> None:
        if len(self._held) > self._keep:
            self._held = {item.event_id: item for item in self.items[: self._keep]}


def _is_of(activity: str | None, item: FeedItem) -> bool:
    """Whether a list has an item: the feed, or the activity of a topic or of "all" users."""
    if activity is None:
        return item.reason.kind != ""
    if activity == "all":
        return item.visibility == "public"
    topics = (f"user:{item.actor_id}", f"{item.object_type}:{item.object_id}", *item.topics)
    followed = item.visibility == "followers" and item.reason.topic == activity
    return activity in topics and (item.visibility == "public" or followed)
