"""Streams of activity: ``feed_since`` with a scope, and ``reach`` of ``audience_since``, by the rules of activity pages."""

import itertools
import random

import pytest

from tests.checkers.adapters import ALL
from tests.harness import Harness
from tidings.activity_scope import EVERYBODY, ActivityScope
from tidings.feed_changes import Retraction
from tidings.filters import FeedFilter
from tidings.model import FeedItem, Follow, Retract, SetBlock, Unfollow
from tidings.testing import START_MS, event
from tidings.visibility import VISITOR, Visibility

USERS = ("ann", "ben", "cid", VISITOR)
TOPICS = ("user:ann", "room:1", "room:2", "room:none")
SCOPES = (
    ActivityScope(feed=False, everybody=True),
    ActivityScope(feed=False, topics=frozenset({"room:1"})),
    ActivityScope(feed=False, topics=frozenset(TOPICS)),
    ActivityScope(feed=False, everybody=True, topics=frozenset({"user:ann"})),
    ActivityScope(feed=True, everybody=True),
    ActivityScope(feed=True, topics=frozenset({"room:2"})),
)


@pytest.fixture
def town(store: Harness) -> Harness:
    """Events of every visibility, with follows, a block, retractions, and events that came late."""
    chance = random.Random(7)
    store.write(Follow("ben", "room:1"), Follow("ann", "room:2"), Follow("cid", "user:ann"))
    store.write(SetBlock("ben", "user:cid"))
    events = [
        event(
            chance.choice(USERS[:3]),
            obj=chance.choice(TOPICS[1:3]),
            targets=(chance.choice(USERS[:3]),),
            topics=tuple(chance.sample(TOPICS[1:3], chance.randint(0, 2))),
            at=START_MS + chance.randint(0, 90_000),
            visibility=chance.choice(list(Visibility)),
        )
        for _ in range(40)
    ]
    ids = store.publish(*events)
    for id in chance.sample(ids, 8):
        store.write(Retract(id))
    store.publish(*events[:10])
    store.settle()
    return store


def pages_of(store: Harness, user: str, scope: ActivityScope, limit: int = 3) -> list[FeedItem | Retraction]:
    """All that a stream gets from the beginning on, in its order."""
    found: list[FeedItem | Retraction] = []
    after: int | None = 0
    while after is not None:
        page = store.run(store.store.feed_since(user, after, limit, scope))
        assert not page.reset
        assert len(page.items) + len(page.changes) <= limit
        some: list[FeedItem | Retraction] = [
            *page.items,
            *(one for one in page.changes if isinstance(one, Retraction)),
        ]
        found += sorted(some, key=lambda one: one.position)
        assert page.next_key is None or page.next_key > after
        after = page.next_key
    positions = [one.position for one in found]
    assert positions == sorted(set(positions)), "each once, in the order of the log"
    return found


def listed(store: Harness, user: str, scope: ActivityScope) -> dict[int, str]:
    """What the pages of a stream's activity list, and the feed: the reasons by position."""
    found: dict[int, str] = {}
    for name in scope.watched:
        page = store.run(store.store.activity(name or None, FeedFilter(), ALL, None, user))
        found |= {item.position: "" for item in page.items}
    if scope.feed:
        feed = store.page(user, limit=ALL)
        found |= {item.position: item.reason for item in feed.items}
    return found


def test_a_stream_gets_what_pages_list(town: Harness) -> None:
    """Every event once: that of the feed as an item of the feed; events for followers to those who follow the topic now."""
    for user, scope in itertools.product(USERS, SCOPES):
        found = pages_of(town, user, scope)
        items = {one.position: one.reason for one in found if isinstance(one, FeedItem)}
        assert items == listed(town, user, scope), (user, scope)
        assert all(one.body for one in found if isinstance(one, FeedItem))


def test_everyone_hears_at_once_what_a_stream_gets(town: Harness) -> None:
    """The reach of each event, retractions among them, names the streams that get it by their cursor."""
    watched = dict.fromkeys((EVERYBODY, *TOPICS), USERS[:3])  # visitors need not be named
    audiences, last = town.run(town.store.audience_since(0, (), ALL, watched))
    assert last == town.run(town.store.head()).position
    for user, scope in itertools.product(USERS, SCOPES[:4]):
        reached = {
            one.position: one.change is not None
            for one in audiences
            if any(each.watched in scope.watched and each.admits(user) for each in one.reach)
        }
        found = pages_of(town, user, scope)
        assert reached == {one.position: isinstance(one, Retraction) for one in found}, (user, scope)


def test_what_nobody_watches_has_no_reach(town: Harness) -> None:
    """And topics that are not watched are not named."""
    audiences, _ = town.run(town.store.audience_since(0, USERS, ALL))
    assert not any(one.reach for one in audiences)
    audiences, _ = town.run(town.store.audience_since(0, (), ALL, {"room:1": USERS}))
    assert {each.watched for one in audiences for each in one.reach} == {"room:1"}


def test_an_unfollow_ends_what_was_for_followers(town: Harness) -> None:
    """By the follow of now, as on the page of the topic."""
    scope = ActivityScope(feed=False, topics=frozenset({"room:1"}))
    before = pages_of(town, "ben", scope)
    town.write(Unfollow("ben", "room:1", keep=True))
    after = pages_of(town, "ben", scope)
    assert len(after) < len(before)
    assert {one.position: "" for one in after if isinstance(one, FeedItem)} == listed(town, "ben", scope)
