"""A store driven from plain test functions: one event loop, one clock that the test turns."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from tests.checkers.adapters import ALL, event_id, whole_inbox
from tests.checkers.inboxes import Item
from tests.checkers.paging import Fetch, walk
from tidings.errors import KeyReused
from tidings.model import (
    Changed,
    Command,
    Counts,
    FeedFilter,
    Marked,
    NewEvent,
    Outcome,
    Page,
    Publish,
    Published,
)
from tidings.ports import Store
from tidings.testing import FakeClock

T = TypeVar("T")
PAGE = 3
"""Items of a page when a whole list is read: small, so that every list is read over several pages."""
WORK = 7
"""Rows of owed work done at a time: small, so that every large fan-out is done in several transactions."""


class Harness:
    """A store, its clock and the loop it lives in."""

    def __init__(self, store: Store, clock: FakeClock, runner: asyncio.Runner) -> None:
        self.store = store
        self.clock = clock
        self._runner = runner

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for a coroutine."""
        return self._runner.run(work)

    def write(self, *commands: Command) -> list[Outcome | KeyReused]:
        """Apply commands in one transaction and let the fan-out end."""
        outcomes = self.run(self.store.write(commands))
        self.settle()
        return outcomes

    def settle(self) -> None:
        """Do all work that is owed."""
        while self.run(self.store.work(WORK)):
            pass

    def published(self, *events: NewEvent) -> Published:
        """Publish events as one command that must be accepted."""
        (outcome,) = self.write(Publish(events))
        assert isinstance(outcome, Published), f"not published: {outcome!r}"
        return outcome

    def publish(self, *events: NewEvent) -> list[str]:
        """Publish events as one command; returns their ids."""
        return [receipt.event_id for receipt in self.published(*events).receipts]

    def changed(self, command: Command) -> int:
        """Apply a command whose outcome is Changed; returns how much it changed."""
        (outcome,) = self.write(command)
        assert isinstance(outcome, Changed), f"no Changed: {outcome!r}"
        return outcome.updated

    def marked(self, command: Command) -> Marked:
        """Apply a command whose outcome is Marked."""
        (outcome,) = self.write(command)
        assert isinstance(outcome, Marked), f"no Marked: {outcome!r}"
        return outcome

    def page(
        self, user: str, limit: int = ALL, want: FeedFilter | None = None, before: int | None = None
    ) -> Page:
        """One page of a feed."""
        return self.run(self.store.feed(user, want or FeedFilter(), limit, before))

    def feed(self, user: str, want: FeedFilter | None = None) -> list[str]:
        """The ids of a whole feed, read page by page."""
        return self._walk(lambda at: self._feed(user, want or FeedFilter(), at))

    def activity(self, topic: str | None, want: FeedFilter | None = None) -> list[str]:
        """The ids of all activity of a topic, read page by page."""
        return self._walk(lambda at: self._activity(topic, want or FeedFilter(), at))

    def ids_of(self, page: Page) -> list[str]:
        """The event ids of a page."""
        return [event_id(item.body) for item in page.items]

    def inbox(self, user: str) -> list[Item]:
        """Every notification of a user, tombstones and archived ones included, by last change."""
        return self.run(whole_inbox(self.store, user))[0]

    def counts(self, user: str) -> Counts:
        """The head of one inbox."""
        return self.run(self.store.counts([user]))[0]

    def _walk(self, fetch: Fetch) -> list[str]:
        return [self.store.ids.text(key) for key in self.run(walk(fetch))]

    async def _feed(self, user: str, want: FeedFilter, before: int | None) -> tuple[list[int], int | None]:
        return _keys(await self.store.feed(user, want, PAGE, before))

    async def _activity(
        self, topic: str | None, want: FeedFilter, before: int | None
    ) -> tuple[list[int], int | None]:
        return _keys(await self.store.activity(topic, want, PAGE, before))


def _keys(page: Page) -> tuple[list[int], int | None]:
    return [item.key for item in page.items], page.next_key
