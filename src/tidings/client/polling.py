"""Polling instead of a stream: a new state, and the frames that a stream would have had."""

import random
from collections.abc import Callable

import msgspec

from tidings.client.effects import Emit, Sleep
from tidings.client.requests import RequestSteps, Steps
from tidings.client.shapes import FeedPage, InboxPage
from tidings.client.sse import ServerSentEvent
from tidings.client.subscription_state import SubscriptionState
from tidings.client.timeouts import SubscriptionTimeouts

PAGE = 100
"""Items of one request, as many as a server gives."""
SNAPSHOT_PAGES = 5
"""Pages of the inbox in a Reset: more than a user scrolls through."""

_INBOX, FEED, ALL_EVENTS = "/v1/notifications", "/v1/feed", "/v1/activity"
_POLL = "/v1/notifications/poll"


class _Frame(msgspec.Struct):
    event: str
    data: msgspec.Raw
    id: str | None = None


class _Polled(msgspec.Struct):
    frames: tuple[_Frame, ...]
    last_event_id: str


class Poller:
    """Polls for a subscription. Every method raises Disconnected and ProblemError."""

    def __init__(
        self,
        asker: RequestSteps,
        state: SubscriptionState,
        pace: SubscriptionTimeouts,
        clock: Callable[[], float],
        rng: random.Random,
        snapshot: tuple[str, str | None] = (FEED, None),
    ) -> None:
        """``snapshot``: the path of the page of activity that a reset returns, and its topics."""
        self._snapshot = snapshot
        self._asker = asker
        self._state = state
        self._pace = pace
        self._clock = clock
        self._rng = rng

    def reset(self, reason: str, epoch: str = "") -> Steps[None]:
        """Fetch the whole state again. ``epoch``: that of the store, if known; an inbox has its own."""
        inbox, feed = [InboxPage(items=())], FeedPage(items=())
        if self._state.inbox:
            inbox = yield from self._inbox()
        if self._state.feed:
            path, topics = self._snapshot
            feed = yield from self._asker.fetch(path, FeedPage, limit=PAGE, topic=topics)
        yield Emit(self._state.reset(reason, inbox, feed, epoch))

    def _inbox(self) -> Steps[list[InboxPage]]:
        pages = [(yield from self._asker.fetch(_INBOX, InboxPage, limit=PAGE))]
        while (cursor := pages[-1].next_cursor) and len(pages) < SNAPSHOT_PAGES:
            pages.append((yield from self._asker.fetch(_INBOX, InboxPage, limit=PAGE, cursor=cursor)))
        return pages

    def poll(
        self, include: str, topics: str | None, take: Callable[[ServerSentEvent], Steps[None]]
    ) -> Steps[None]:
        """Poll once, and process the frames of the response; wait a little if there were none and the server responded at
        once."""
        began, cursor, wait_s = self._clock(), self._state.cursor or None, self._pace.wait_s
        polled = yield from self._asker.fetch(
            _POLL, _Polled, wait_s, include=include, topic=topics, last_event_id=cursor, wait=wait_s
        )
        for frame in polled.frames:
            yield from take(
                ServerSentEvent(frame.event, bytes(frame.data).decode(errors="replace"), frame.id or "")
            )
        self._state.reached(polled.last_event_id)
        nothing = cursor is not None and len(polled.frames) <= 1
        if nothing and self._clock() - began < self._pace.idle_s:
            yield Sleep(self._rng.uniform(self._pace.idle_s / 2, self._pace.idle_s))
