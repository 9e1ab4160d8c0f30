"""A store driven from plain test functions: one event loop, one clock that the test turns."""

import asyncio
from collections.abc import Coroutine
from itertools import count
from typing import Any, TypeVar

import msgspec

from tests.checkers import inboxes
from tests.checkers.adapters import ALL, event_id, whole_inbox
from tests.checkers.inboxes import Item
from tests.checkers.paging import Fetch, walk
from tidings.errors import KeyReused
from tidings.filters import FeedFilter
from tidings.model import (
    Command,
    CommandResult,
    InboxChanges,
    InboxCounters,
    InboxRow,
    InboxUpdateResult,
    NewEvent,
    Outcome,
    Page,
    Publish,
    Published,
)
from tidings.ports import Store
from tidings.testing import FakeClock, event

T = TypeVar("T")
PAGE = 3
"""Items of a page when a whole list is read: small, so that every list is read over several pages."""
WORK = 7
"""Rows of owed work done at a time: small, so that every large fan-out is done in several transactions."""


def singles(
    unread: int, seq: int, read_up_to: int = 0, read_seq: int = 0, unseen: int | None = None
) -> InboxCounters:
    """The head of an inbox whose groups have one item each, and are not seen unless they are read."""
    return InboxCounters(unread, seq, read_up_to, read_seq, unread, unread if unseen is None else unseen)


class Harness:
    """A store, its clock and the loop it lives in."""

    def __init__(self, store: Store, clock: FakeClock, runner: asyncio.Runner) -> None:
        self.store = store
        self.clock = clock
        self._runner = runner
        self._things = count()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for a coroutine."""
        return self._runner.get_loop().run_until_complete(work)

    def write(self, *commands: Command) -> list[Outcome | KeyReused]:
        """Apply commands in one transaction and let the fan-out end."""
        outcomes = self.run(self.store.write(commands))
        self.settle()
        return outcomes

    def settle(self, rows: int = WORK) -> None:
        """Do all work that is owed, about so many rows at a time."""
        while self.run(self.store.work(rows)):
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
        assert isinstance(outcome, CommandResult), f"no Changed: {outcome!r}"
        return outcome.updated

    def marked(self, command: Command) -> InboxUpdateResult:
        """Apply a command whose outcome is Marked."""
        (outcome,) = self.write(command)
        assert isinstance(outcome, InboxUpdateResult), f"no Marked: {outcome!r}"
        return outcome

    def page(
        self, user: str, limit: int = ALL, want: FeedFilter | None = None, before: int | None = None
    ) -> Page:
        """One page of a feed."""
        return self.run(self.store.feed(user, want or FeedFilter(), limit, before))

    def feed(self, user: str, want: FeedFilter | None = None) -> list[str]:
        """The ids of a whole feed, read page by page."""
        return self._walk(lambda at: self._feed(user, want or FeedFilter(), at))

    def activity(
        self, topic: str | None, want: FeedFilter | None = None, viewer: str | None = None
    ) -> list[str]:
        """The ids of all activity of a topic, as a viewer sees it, read page by page."""
        return self._walk(lambda at: self._activity(topic, want or FeedFilter(), at, viewer))

    def ids_of(self, page: Page) -> list[str]:
        """The event ids of a page."""
        return [event_id(item.body) for item in page.items]

    def tell(self, user: str, *verbs: str) -> list[str]:
        """Notify a user once for each verb, each time of another thing, so that nothing groups; returns the ids of all
        notifications of the user, newest first."""
        things = (f"thing:{next(self._things)}" for _ in verbs)
        self.publish(
            *(event("alice", verb, obj, targets=(user,)) for verb, obj in zip(verbs, things, strict=True))
        )
        return [row.id for row in self.rows(user)]

    def rows(self, user: str) -> list[InboxRow]:
        """What an inbox shows."""
        return self.run(self.store.inbox(user, ALL, None)).rows

    def row(self, user: str, id: str) -> InboxRow:
        """One notification, whatever its state; of an inbox in which no read-all was undone."""
        (found,) = (row for row in self.changes(user, 0).rows if row.id == id)
        return found

    def changes(self, user: str, since: int, limit: int = ALL) -> InboxChanges:
        """What changed in an inbox."""
        return self.run(self.store.inbox_since(user, since, limit))

    def inbox(self, user: str) -> list[Item]:
        """Every notification of a user, tombstones and archived ones included, by last change."""
        return self.run(whole_inbox(self.store, user))[0]

    def counts(self, user: str) -> InboxCounters:
        """The head of one inbox."""
        return self.run(self.store.counts([user]))[0]

    def export(self, user: str) -> list[dict[str, Any]]:
        """All that is kept about a person, record by record."""

        async def lines() -> list[bytes]:
            return [line async for line in self.store.export(user)]

        return [msgspec.json.decode(line) for line in self.run(lines())]

    def check_inbox(self, user: str) -> None:
        """I3 and I6 of an inbox as it is."""
        items, counts = self.run(whole_inbox(self.store, user))
        inboxes.sound(items, counts.seq)
        inboxes.counted(items, counts.unread_count, counts.unread_items, counts.unseen_count)

    def _walk(self, fetch: Fetch) -> list[str]:
        return [self.store.ids.text(key) for key in self.run(walk(fetch))]

    async def _feed(self, user: str, want: FeedFilter, before: int | None) -> tuple[list[int], int | None]:
        return _keys(await self.store.feed(user, want, PAGE, before))

    async def _activity(
        self, topic: str | None, want: FeedFilter, before: int | None, viewer: str | None
    ) -> tuple[list[int], int | None]:
        return _keys(await self.store.activity(topic, want, PAGE, before, viewer))


def _keys(page: Page) -> tuple[list[int], int | None]:
    return [item.key for item in page.items], page.next_key
