"""The comparison of two stores that lived through the same history: whatever can be read of both is the same."""

from collections.abc import Callable, Sequence
from typing import Concatenate, NamedTuple, ParamSpec

from tests.checkers.adapters import ALL, event_id
from tests.harness import PAGE
from tests.property.new_counts import Asked, counted
from tests.property.worlds import World, nameless, plain_item
from tidings.errors import KeyReused
from tidings.filters import ActivityOf, Choice, FeedFilter, FeedOf, only
from tidings.model import (
    ActionResult,
    Command,
    CommandResult,
    EraseUser,
    FeedItem,
    MarkFeedRead,
    Outcome,
    Published,
    UndoMarkFeedRead,
)
from tidings.testing import MemoryStore
from tidings.user_merges import MergeUsers

P = ParamSpec("P")
COUNTED = ((1, None), (4, None), (1000, None), (1000, 2))
"""Caps for new counts: below, about at and above what a run has; and how many positions after their beginning they end."""
SINCE = 20
SINCE_OF_ACTIVITY = 4
"""Positions that new counts are asked from, evenly spread over a log of any length."""


class Scope(NamedTuple):
    """Whom and what a history is about: what of a store is compared."""

    users: Sequence[str]
    topics: Sequence[str]
    verbs: Sequence[str]


def same_state(law: World, found: World, scope: Scope, want: FeedFilter) -> None:
    """Once the fan-out has ended, whatever can be read of both is the same, filtered feeds and activity too, and the
    laws of one store by itself hold."""
    for world in (law, found):
        world.harness.settle()
    alike(law, found, World.log)
    alike(law, found, World.position)
    alike(law, found, World.heads)
    for topic in (None, *scope.topics):
        for viewer in (None, scope.users[0]):
            _same_activity(law, found, ActivityOf(topic, viewer), FeedFilter())
    for user in scope.users:
        _same_feeds(law, found, user)
        _same_inbox(law, found, user, scope.verbs)
        alike(law, found, World.follows, user)
        alike(law, found, World.masks, user)
        alike(law, found, World.export, user)
    _same_agenda(law, found, scope.users)
    for topic in scope.topics:
        alike(law, found, World.topic, topic, scope.users[0])
    same_filtered(law, found, scope, want)


def same_filtered(law: World, found: World, scope: Scope, want: FeedFilter) -> None:
    """What a filter leaves of feeds and of activity is the same."""
    for topic in (None, *scope.topics):
        for viewer in (None, scope.users[0]):
            _same_activity(law, found, ActivityOf(topic, viewer), want)
    alike(law, found, World.groups, ActivityOf(None, scope.users[0]), want)
    for user, topic in zip(scope.users, (None, *reversed(scope.topics)), strict=False):
        _same_activity(law, found, ActivityOf(topic, user), want)
        _same_feed(law, found, user, want)
        alike(law, found, World.groups, FeedOf(user), want)


def _same_activity(law: World, found: World, what: ActivityOf, want: FeedFilter) -> None:
    expected, shown = (world.activity(what.topic, want, what.viewer) for world in (law, found))
    same([plain_item(item) for item in shown], [plain_item(item) for item in expected], f"{what} {want}")
    _same_counts(found, what, want, shown, SINCE_OF_ACTIVITY)


def _same_counts(
    found: World, what: FeedOf | ActivityOf, want: FeedFilter, items: list[FeedItem], positions: int
) -> None:
    """The new counts are those of the items that are listed. Each position has one kind of count, another one each time:
    every kind at every position costs more than all other comparisons together."""
    head = found.position()
    asked = [
        Asked(since, cap, None if ahead is None else since + ahead)
        for n, since in enumerate(range(0, head + 1, head // positions + 1))
        for cap, ahead in [COUNTED[(head + n) % len(COUNTED)]]
    ]
    expected = [counted(items, one, head) for one in asked]
    same(found.new_counts(what, want, asked), expected, f"new counts of {what} {want} {asked}")


def _same_feed(law: World, found: World, user: str, want: FeedFilter) -> None:
    assert isinstance(law.store, MemoryStore)
    expected, shown = law.feed(user, want), found.feed(user, want)
    same_feed(law.store, user, expected, shown, f"feed of {user} {want}")
    _same_counts(found, FeedOf(user), want, shown, SINCE)


def _same_feeds(law: World, found: World, user: str) -> None:
    head = law.position()
    for each in (FeedFilter(), FeedFilter(include_own=True)):
        _same_feed(law, found, user, each)
    start = law.feed_known_from(user)
    alike(law, found, World.feed_since, user, start)
    for own in (False, True):
        alike(law, found, World.summary, user, own)
    alike(law, found, World.feed_changes, user, (0, head // 2, max(0, head - 3), head))
    found.first_page_holds(user)
    found.check_stream(user, start)


def _same_inbox(law: World, found: World, user: str, verbs: Sequence[str]) -> None:
    types = [*map(only, verbs), Choice((), verbs[:1])]
    (counts,) = law.counts([user])
    alike(law, found, World.inboxes, user, types, counts.seq)
    for since in {0, counts.seq // 2, max(0, counts.seq - 3), counts.seq, counts.seq + 1}:
        for limit in (PAGE, ALL):
            alike(law, found, World.changes, user, since, limit)
    alike(law, found, World.inbox_seqs, user)
    alike(law, found, World.preferences, user)
    found.check_inbox(user)


def _same_agenda(law: World, found: World, users: Sequence[str]) -> None:
    for read in (World.types, World.deliveries, World.dead, World.reminders, World.snoozes, World.merges):
        alike(law, found, read)
    alike(law, found, World.audience, users)
    for entry in law.log()[-PAGE:]:
        for user in users:
            alike(law, found, World.told, user, law.store.ids.text(entry.key))


def alike(
    law: World, found: World, read: Callable[Concatenate[World, P], object], *args: P.args, **kwargs: P.kwargs
) -> None:
    """The same question to both has the same answer."""
    expected = read(law, *args, **kwargs)
    same(read(found, *args, **kwargs), expected, f"{read.__name__} {args}")


def same(found: object, expected: object, what: str) -> None:
    """Both are equal; of lists that are not, the first difference is shown."""
    if isinstance(found, list) and isinstance(expected, list):
        for n, (one, other) in enumerate(zip(found, expected, strict=False)):
            assert one == other, f"{what}: number {n} is {one}, the law says {other}"
        found, expected = found[len(expected) :], expected[len(found) :]
    assert found == expected, f"{what}: {found}, the law says {expected}"


def comparable(command: Command, outcome: Outcome | KeyReused, owed: bool) -> Outcome | str:
    """An outcome without what may differ: pending fan-out, its feed items, and whether an erased name was known."""
    if isinstance(outcome, KeyReused):
        return "reused"
    if isinstance(command, MergeUsers) and isinstance(outcome, CommandResult):
        return outcome._replace(updated=0, position=0 if owed else outcome.position)
    if isinstance(command, EraseUser) or (owed and isinstance(command, MarkFeedRead | UndoMarkFeedRead)):
        return "done"
    if isinstance(outcome, CommandResult):
        return outcome._replace(gone=None if outcome.gone is None else nameless(outcome.gone))
    if isinstance(outcome, ActionResult):
        return outcome._replace(published=outcome.published and outcome.published._replace(pending=range(0)))
    return outcome._replace(pending=range(0)) if isinstance(outcome, Published) else outcome


def same_feed(
    law: MemoryStore, user: str, expected: list[FeedItem], found: list[FeedItem], what: str
) -> None:
    """The same items in the same state; each reason is one that the law allows."""
    same([plain_item(item) for item in found], [plain_item(item) for item in expected], what)
    for item in found:
        allowed = law.reasons(user, event_id(item.body))
        assert (item.reason, item.topic) in allowed, f"{what}: {item}, the law has {allowed}"
