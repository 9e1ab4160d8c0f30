"""What was told so far, and what is news beyond it: frames and replies become items, each once."""

from datetime import datetime

import msgspec

from tidings.client.cursor import SubscriptionCursor, parse
from tidings.client.items import Activity, Changed, Counts, FeedRead, Read, Reset, Retracted
from tidings.client.shapes import FeedItem, FeedPage, InboxPage, Notification


class CountsUpdate(msgspec.Struct):
    """The counts that come with every change of an inbox."""

    unread_count: int
    seq: int
    unread_items: int = 0


class ReadFrame(CountsUpdate, kw_only=True):
    """The data of a frame ``read``."""

    read_at: datetime
    items: tuple[Notification, ...] = ()
    up_to: int | None = None
    type: str | None = None


class FeedReadFrame(msgspec.Struct, kw_only=True):
    """The data of a frame ``feed_read``."""

    position: int
    read_at: datetime | None = None
    event_ids: tuple[str, ...] = ()
    up_to: int | None = None


class RetractedFrame(msgspec.Struct):
    """The data of a frame ``retracted``."""

    event_id: str
    position: int


class SubscriptionState:
    """How far a subscriber of the ``inbox``, the ``feed`` or both has been told."""

    def __init__(self, inbox: bool, feed: bool, cursor: str | None) -> None:
        """Raises ValueError for a cursor that is none."""
        self.inbox = inbox
        self.feed = feed
        self.place = self._only(parse(cursor)) if cursor else SubscriptionCursor()
        self._counts: tuple[int, int] | None = None

    @property
    def cursor(self) -> str:
        """Where a later subscription goes on."""
        return self.place.text()

    def changed(self, item: Notification, told: CountsUpdate, id: str) -> Changed | None:
        """A notification as it is now, unless it was told; ``id`` is that of the frame."""
        if not self._move(id, SubscriptionCursor("", item.seq)):
            return None
        self._counts = told.unread_count, told.unread_items
        return Changed(
            item=item,
            unread_count=told.unread_count,
            unread_items=told.unread_items,
            seq=item.seq,
            cursor=self.cursor,
        )

    def read(self, frame: ReadFrame, id: str) -> Read | None:
        """Notifications that were read, unless that was told."""
        if not self._move(id, SubscriptionCursor("", frame.seq)):
            return None
        self._counts = frame.unread_count, frame.unread_items
        return Read(
            read_at=frame.read_at,
            unread_count=frame.unread_count,
            unread_items=frame.unread_items,
            seq=frame.seq,
            cursor=self.cursor,
            items=frame.items,
            up_to=frame.up_to,
            type=frame.type,
        )

    def activity(self, item: FeedItem, id: str) -> Activity | None:
        """An item of the feed, unless it was told."""
        if not self._move(id, SubscriptionCursor("", None, item.position)):
            return None
        return Activity(item=item, position=item.position, cursor=self.cursor)

    def feed_read(self, frame: FeedReadFrame, id: str) -> FeedRead | None:
        """What was read of the feed, or no longer, unless it was told."""
        if not self._move(id, SubscriptionCursor("", None, frame.position)):
            return None
        return FeedRead(
            read_at=frame.read_at,
            position=frame.position,
            cursor=self.cursor,
            event_ids=frame.event_ids,
            up_to=frame.up_to,
        )

    def retracted(self, frame: RetractedFrame, id: str) -> Retracted | None:
        """An event that was retracted, unless that was told."""
        if not self._move(id, SubscriptionCursor("", None, frame.position)):
            return None
        return Retracted(event_id=frame.event_id, position=frame.position, cursor=self.cursor)

    def counts(self, unread_count: int, unread_items: int) -> Counts | None:
        """The counts, unless they were told."""
        if not self.inbox or self._counts == (unread_count, unread_items):
            return None
        self._counts = unread_count, unread_items
        return Counts(unread_count=unread_count, unread_items=unread_items, cursor=self.cursor)

    def reset(self, reason: str, inbox: list[InboxPage], feed: FeedPage, epoch: str) -> Reset:
        """All of it anew. What changed while the pages were fetched comes again: the place is that of the first."""
        head = inbox[0]
        epoch = head.epoch or epoch or self.place.epoch
        self.place = self._only(SubscriptionCursor(epoch, head.seq, feed.position))
        self._counts = head.unread_count, head.unread_items
        return Reset(
            reason=reason,
            cursor=self.cursor,
            notifications=tuple(item for page in inbox for item in page.items),
            complete=not inbox[-1].has_more,
            unread_count=head.unread_count,
            unread_items=head.unread_items,
            seq=head.seq,
            feed=feed.items,
        )

    def begin(self, place: SubscriptionCursor) -> None:
        """From here on, in whatever respect nothing is known yet."""
        self.place = self.place.filled(self._only(place))

    def advance(self, place: SubscriptionCursor) -> None:
        """There is nothing to tell up to here."""
        self.place = self.place.advanced(place)

    def reached(self, id: str) -> None:
        """Everything up to the place that this id names was told; in another life of the store that means nothing."""
        there = self.named(id)
        if self.place.epoch in ("", there.epoch):
            self.advance(there)

    def named(self, id: str) -> SubscriptionCursor:
        """The place that the id of a frame names; nowhere when it has a form of which nothing is known here."""
        try:
            return parse(id)
        except ValueError:
            return SubscriptionCursor()

    def _move(self, id: str, there: SubscriptionCursor) -> bool:
        """Take a step; False when it is none, since what lies there was told before, or not asked for."""
        here = self.place
        if (here.seq is None or (there.seq or 0) <= here.seq) and (
            here.position is None or (there.position or 0) <= here.position
        ):
            return False
        self.advance(there)
        self.advance(self.named(id))
        return True

    def _only(self, place: SubscriptionCursor) -> SubscriptionCursor:
        """A place in what was asked for."""
        return SubscriptionCursor(
            place.epoch, place.seq if self.inbox else None, place.position if self.feed else None
        )
