"""What is new, asked for instead of listened to: a fresh state, and what has changed since a place."""

import random
from collections.abc import Callable
from typing import TypeVar

from tidings.client.actions import Deliver, Sleep
from tidings.client.asking import Asker, Steps
from tidings.client.items import Item
from tidings.client.pace import Pace
from tidings.client.place import Place
from tidings.client.shapes import FeedItem, FeedPage, InboxChanges, InboxPage, NewCount, Notification, ReadAll
from tidings.client.teller import ReadFrame, Teller, Told

PAGE = 100
"""Items of one request, as many as a server gives."""
SNAPSHOT_PAGES = 5
"""Pages of the inbox in a Reset: more than anybody scrolls through."""
FEED_PAGES = 10
"""Pages of a feed that are looked through for what is new since the last poll."""

_INBOX, _FEED = "/v1/notifications", "/v1/feed"
T = TypeVar("T")


class Poller:
    """Asks, and hands over what a teller finds to be news. Every method raises Ended and ProblemError."""

    def __init__(
        self, asker: Asker, teller: Teller, pace: Pace, clock: Callable[[], float], rng: random.Random
    ) -> None:
        self._asker = asker
        self._teller = teller
        self._pace = pace
        self._clock = clock
        self._rng = rng

    def reset(self, reason: str, epoch: str = "") -> Steps[None]:
        """Fetch everything afresh. ``epoch``: that of the store, as far as is known; an inbox tells its own."""
        inbox, feed = [InboxPage(items=())], FeedPage(items=())
        if self._teller.inbox:
            inbox = yield from self._inbox()
        if self._teller.feed:
            feed = yield from self._asker.fetch(_FEED, FeedPage, limit=PAGE)
        yield Deliver(self._teller.reset(reason, inbox, feed, epoch))

    def _inbox(self) -> Steps[list[InboxPage]]:
        pages = [(yield from self._asker.fetch(_INBOX, InboxPage, limit=PAGE))]
        while (cursor := pages[-1].next_cursor) and len(pages) < SNAPSHOT_PAGES:
            pages.append((yield from self._asker.fetch(_INBOX, InboxPage, limit=PAGE, cursor=cursor)))
        return pages

    def poll(self) -> Steps[None]:
        """Ask once, and rest a little if there was nothing and the server did not hold the question."""
        began, teller = self._clock(), self._teller
        yield from self._locate(teller.lacks)
        before = teller.place
        if teller.inbox:
            yield from self._poll_inbox(None if teller.feed else self._pace.wait_s)
        if teller.feed:
            yield from self._poll_feed()
        rest_s = self._pace.feed_s if teller.feed else self._pace.idle_s
        if teller.place == before and self._clock() - began < rest_s:
            yield Sleep(self._rng.uniform(rest_s / 2, rest_s))

    def _locate(self, lacks: Place) -> Steps[None]:
        """Begin from now on, where no stream could."""
        if lacks.seq is not None:
            page = yield from self._asker.fetch(_INBOX, InboxPage, limit=1)
            self._teller.begin(Place(page.epoch, page.seq))
            yield from _deliver(self._teller.counts(page.unread_count, page.unread_items))
        if lacks.position is not None:
            feed = yield from self._asker.fetch(_FEED, FeedPage, limit=1)
            self._teller.begin(Place(position=feed.position))

    def _poll_inbox(self, wait_s: int | None) -> Steps[None]:
        more, place = True, self._teller.place
        while more:
            asked = {"since": self._teller.place.seq, "limit": PAGE, "wait": wait_s}
            changes = yield from self._asker.fetch(_INBOX, InboxChanges, wait_s or 0, **asked)
            if changes.reset or (place.epoch and changes.epoch != place.epoch):
                yield from self.reset("the inbox is another than it was")
                return
            yield from self._changes(changes)
            self._teller.advance(Place(changes.epoch, changes.next_since))
            more, wait_s = changes.has_more, None

    def _changes(self, changes: InboxChanges) -> Steps[None]:
        """The changes in the order of their seqs, named as a stream names them."""
        since = self._teller.place.seq or 0
        told = Told(changes.unread_count, changes.seq, changes.unread_items)
        both: list[Notification | ReadAll] = [*changes.items, *changes.marks]
        for change in sorted(both, key=lambda change: change.seq):
            if isinstance(change, ReadAll):
                yield from _deliver(self._teller.read(_read_all(change, told)))
            elif (read := _read(since, change, told)) is not None:
                yield from _deliver(self._teller.read(read))
            else:
                yield from _deliver(self._teller.changed(change, told))
        yield from _deliver(self._teller.counts(changes.unread_count, changes.unread_items))

    def _poll_feed(self) -> Steps[None]:
        since = self._teller.place.position or 0
        new = yield from self._asker.fetch("/v1/feed/new", NewCount, since=since)
        found = None if new.capped else (yield from self._news(since, new))
        if found is None:
            yield from self.reset("more came to the feed than is told item by item")
            return
        for item in sorted(found, key=lambda item: item.position):
            yield from _deliver(self._teller.activity(item))
        self._teller.advance(Place(position=new.position))

    def _news(self, since: int, new: NewCount) -> Steps[list[FeedItem] | None]:
        """The items of the feed that were counted, wherever they are: what was dated back is not at its beginning.
        None when they are not all found within FEED_PAGES."""
        found: list[FeedItem] = []
        cursor: str | None = None
        for _ in range(FEED_PAGES):
            if len(found) >= new.count:
                return found
            page = yield from self._asker.fetch(_FEED, FeedPage, limit=PAGE, cursor=cursor)
            found += [item for item in page.items if since < item.position <= new.position]
            cursor = page.next_cursor
            if cursor is None:
                return found
        return found if len(found) >= new.count else None


def _deliver(item: Item | None) -> Steps[None]:
    if item is not None:
        yield Deliver(item)


def _read(since: int, item: Notification, told: Told) -> ReadFrame | None:
    """The frame of an item that was known at ``since`` and has since been read; None for any other."""
    if item.order > since or item.read_at is None or item.archived_at is not None:
        return None
    return ReadFrame(told.unread_count, item.seq, told.unread_items, read_at=item.read_at, items=(item,))


def _read_all(mark: ReadAll, told: Told) -> ReadFrame:
    return ReadFrame(
        told.unread_count,
        mark.seq,
        told.unread_items,
        read_at=mark.read_at,
        up_to=mark.up_to,
        type=mark.type,
    )
