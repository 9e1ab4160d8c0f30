"""The state of a subscription: frames and responses become items, each once."""

from datetime import datetime

import msgspec

from tidings.client.cursor import SubscriptionCursor, parse
from tidings.client.items import Activity, Changed, Counts, FeedRead, Read, Reset, Retracted, Seen
from tidings.client.shapes import FeedItem, FeedPage, InboxPage, Notification


class CountsUpdate(msgspec.Struct):
    """The counts that every change of an inbox has."""

    unread_count: int
    seq: int
    unread_items: int = 0
    unseen_count: int = 0

    @property
    def numbers(self) -> tuple[int, int, int]:
        """All of them."""
        return self.unread_count, self.unread_items, self.unseen_count


class SeenFrame(CountsUpdate, kw_only=True):
    """The data of a frame ``seen``."""

    seen_at: datetime
    up_to: int


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
    activity: str | None = None


class RetractedFrame(msgspec.Struct):
    """The data of a frame ``retracted``."""

    event_id: str
    position: int


class SubscriptionState:
    """The cursor of a subscriber of the ``inbox``, the ``feed`` or both."""

    def __init__(self, inbox: bool, feed: bool, cursor: str | None) -> None:
        """Raises ValueError for an invalid cursor."""
        self.inbox = inbox
        self.feed = feed
        self.place = self._only(parse(cursor)) if cursor else SubscriptionCursor()
        self._counts: tuple[int, int, int] | None = None

    @property
    def cursor(self) -> str:
        """The cursor of a later subscription."""
        return self.place.text()

    def changed(self, item: Notification, counts: CountsUpdate, id: str) -> Changed | None:
        """The current notification, unless it was returned before; ``id`` is that of the frame."""
        if not self._advance(counts, id, item.seq):
            return None
        return Changed(
            item=item,
            unread_count=counts.unread_count,
            unread_items=counts.unread_items,
            unseen_count=counts.unseen_count,
            seq=item.seq,
            cursor=self.cursor,
        )

    def read(self, frame: ReadFrame, id: str) -> Read | None:
        """Notifications that were read, unless it was returned before."""
        if not self._advance(frame, id, frame.seq):
            return None
        return Read(
            read_at=frame.read_at,
            unread_count=frame.unread_count,
            unread_items=frame.unread_items,
            unseen_count=frame.unseen_count,
            seq=frame.seq,
            cursor=self.cursor,
            items=frame.items,
            up_to=frame.up_to,
            type=frame.type,
        )

    def seen(self, frame: SeenFrame, id: str) -> Seen | None:
        """Notifications that were seen, unless it was returned before."""
        if not self._advance(frame, id, frame.seq):
            return None
        return Seen(
            seen_at=frame.seen_at,
            up_to=frame.up_to,
            unread_count=frame.unread_count,
            unread_items=frame.unread_items,
            unseen_count=frame.unseen_count,
            seq=frame.seq,
            cursor=self.cursor,
        )

    def activity(self, item: FeedItem, id: str) -> Activity | None:
        """An item of the feed, unless it was returned before."""
        if not self._move(id, SubscriptionCursor("", None, item.position)):
            return None
        return Activity(item=item, position=item.position, cursor=self.cursor)

    def feed_read(self, frame: FeedReadFrame, id: str) -> FeedRead | None:
        """Feed items that were marked read or unread, unless it was returned before."""
        if not self._move(id, SubscriptionCursor("", None, frame.position)):
            return None
        return FeedRead(
            read_at=frame.read_at,
            position=frame.position,
            cursor=self.cursor,
            event_ids=frame.event_ids,
            up_to=frame.up_to,
            activity=frame.activity,
        )

    def retracted(self, frame: RetractedFrame, id: str) -> Retracted | None:
        """An event that was retracted, unless it was returned before."""
        if not self._move(id, SubscriptionCursor("", None, frame.position)):
            return None
        return Retracted(event_id=frame.event_id, position=frame.position, cursor=self.cursor)

    def counts(self, counts: CountsUpdate) -> Counts | None:
        """The counts, unless they were returned before."""
        if not self.inbox or self._counts == counts.numbers:
            return None
        self._counts = counts.numbers
        return Counts(
            unread_count=counts.unread_count,
            unread_items=counts.unread_items,
            unseen_count=counts.unseen_count,
            cursor=self.cursor,
        )

    def reset(self, reason: str, inbox: list[InboxPage], feed: FeedPage, epoch: str) -> Reset:
        """The whole state again. Changes during the fetches are returned again: the cursor is that of the first page."""
        head = inbox[0]
        epoch = head.epoch or epoch or self.place.epoch
        self.place = self._only(SubscriptionCursor(epoch, head.seq, feed.position))
        self._counts = head.unread_count, head.unread_items, head.unseen_count
        return Reset(
            reason=reason,
            cursor=self.cursor,
            notifications=tuple(item for page in inbox for item in page.items),
            complete=not inbox[-1].has_more,
            unread_count=head.unread_count,
            unread_items=head.unread_items,
            unseen_count=head.unseen_count,
            seq=head.seq,
            feed=feed.items,
        )

    def begin(self, place: SubscriptionCursor) -> None:
        """Start here, in each part that is unknown so far."""
        self.place = self.place.filled(self._only(place))

    def advance(self, place: SubscriptionCursor) -> None:
        """There are no items up to here."""
        self.place = self.place.advanced(place)

    def reached(self, id: str) -> None:
        """All items up to the cursor of this id were returned; in another epoch it has no meaning."""
        there = self.named(id)
        if self.place.epoch in ("", there.epoch):
            self.advance(there)

    def named(self, id: str) -> SubscriptionCursor:
        """The cursor of a frame's id; an empty one for an unknown form."""
        try:
            return parse(id)
        except ValueError:
            return SubscriptionCursor()

    def _advance(self, counts: CountsUpdate, id: str, seq: int) -> bool:
        """Whether a frame of the inbox at this seq was not returned before; its counts are then the latest."""
        if not self._move(id, SubscriptionCursor("", seq)):
            return False
        self._counts = counts.numbers
        return True

    def _move(self, id: str, there: SubscriptionCursor) -> bool:
        """Advance the cursor; False if there is no advance, since the item was returned before, or is not subscribed to."""
        here = self.place
        if (here.seq is None or (there.seq or 0) <= here.seq) and (
            here.position is None or (there.position or 0) <= here.position
        ):
            return False
        self.advance(there)
        self.advance(self.named(id))
        return True

    def _only(self, place: SubscriptionCursor) -> SubscriptionCursor:
        """The parts of a cursor that are subscribed to."""
        return SubscriptionCursor(
            place.epoch, place.seq if self.inbox else None, place.position if self.feed else None
        )
