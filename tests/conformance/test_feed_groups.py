"""Groups of similar events: ``tidings.ports.FeedGroups``."""

from collections.abc import Awaitable, Callable

import pytest

from tests.checkers.adapters import ALL, all_groups, sound_groups
from tests.harness import Harness
from tidings.display_names import SetDisplayName
from tidings.filters import EVERYTHING, ActivityOf, FeedFilter, FeedOf, only
from tidings.grouping import FeedGroup, GroupCursor, GroupRule
from tidings.ids import key_at
from tidings.model import (
    Follow,
    MarkFeedRead,
    MarkFeedUnread,
    NewEvent,
    Publish,
    Retract,
    SetBlock,
    SetMute,
)
from tidings.testing import START_MS, event
from tidings.timeutil import DAY_MS
from tidings.visibility import Visibility

DAILY = GroupRule(DAY_MS)
TODAY = START_MS - START_MS % DAY_MS
"""Midnight before the start of the clock."""
Between = Callable[[], Awaitable[None]]
NAMED = (("alice", "Alice"), ("cy", "Cy"), ("dora", None))
VERBS, THINGS, ACTORS = ("like", "post"), ("item:1", "item:2", "item:3"), ("alice", "cy", "dora")


def grouped(
    store: Harness,
    what: FeedOf | ActivityOf,
    want: FeedFilter = EVERYTHING,
    limit: int = 2,
    rule: GroupRule = DAILY,
    between: Between | None = None,
) -> list[FeedGroup]:
    """All groups, read page by page."""
    return store.run(all_groups(lambda at: store.store.feed_groups(what, want, limit, at, rule), between))


def partitioned(
    store: Harness,
    what: FeedOf | ActivityOf,
    want: FeedFilter = EVERYTHING,
    limit: int = 2,
    rule: GroupRule = DAILY,
) -> list[FeedGroup]:
    """All groups; they must partition the plain feed."""
    return store.run(sound_groups(store.store, what, want, limit, rule))


def acts(count: int, every_ms: int = 60_000, **more: object) -> list[NewEvent]:
    """Acts that are similar in turns, a minute after each other, from midnight on."""
    return [
        event(
            ACTORS[n % 3],
            VERBS[n % 2],
            THINGS[n // 2 % 3],
            targets=("bob",),
            at=TODAY + n * every_ms,
            **more,  # type: ignore[arg-type]
        )
        for n in range(count)
    ]


def test_a_group_is_one_verb_and_one_object_of_one_day(store: Harness) -> None:
    """With its newest items and actors first, at the place of its newest item."""
    targets = ("bob",)
    store.publish(
        event("alice", "forecast", "market:x", targets=targets, at=TODAY - 1),
        event("alice", "forecast", "market:x", targets=targets, at=TODAY),
        event("cy", "forecast", "market:x", targets=targets, at=TODAY + 1),
        event("cy", "comment", "market:x", targets=targets, at=TODAY + 2),
        event("dora", "forecast", "market:y", targets=targets, at=TODAY + 3),
        event("dora", "forecast", "market:x", targets=targets, at=TODAY + 4),
        event("alice", "forecast", "market:x", targets=targets, at=TODAY + 5),
        event("eve", "forecast", "market:x", targets=targets, at=TODAY + DAY_MS - 1),
    )
    found = partitioned(store, FeedOf("bob"))
    shown = [(group.verb, group.object_id, group.count, group.actors, group.actor_count) for group in found]
    assert shown == [
        ("forecast", "x", 5, ("eve", "alice", "dora"), 4),
        ("forecast", "y", 1, ("dora",), 1),
        ("comment", "x", 1, ("cy",), 1),
        ("forecast", "x", 1, ("alice",), 1),
    ]
    items = store.page("bob").items
    assert list(found[0].items) == items[:3]
    assert (found[0].top, found[0].end) == (key_at(TODAY + DAY_MS), key_at(TODAY))
    assert found[0].id != found[3].id


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_groups_partition_feeds_and_activity(store: Harness, limit: int) -> None:
    """Over several days, with late events, in pages of any size."""
    store.write(Follow("bob", "user:alice"), Follow("bob", "item:2"))
    store.publish(*acts(40, DAY_MS // 9), *acts(10, DAY_MS // 7))
    for what in (FeedOf("bob"), ActivityOf(None), ActivityOf("item:1"), ActivityOf("user:alice", "bob")):
        assert partitioned(store, what, limit=limit)
    assert grouped(store, FeedOf("nobody")) == grouped(store, ActivityOf("never:seen")) == []


def test_a_page_has_limit_groups_or_is_the_last(store: Harness) -> None:
    """Whatever the sizes of the groups; its position is that of the log."""
    store.publish(*acts(30))
    page = store.run(store.store.feed_groups(FeedOf("bob"), EVERYTHING, 4, None, DAILY))
    assert (len(page.groups), page.position, page.partial) == (4, 30, False)
    assert page.next is not None
    last = store.run(store.store.feed_groups(FeedOf("bob"), EVERYTHING, 4, page.next, DAILY))
    assert (len(last.groups), last.next, last.partial) == (2, None, False)


@pytest.mark.parametrize("what", [FeedOf("bob"), ActivityOf(None), ActivityOf("item:1")])
def test_the_pages_of_a_cursor_show_one_snapshot(store: Harness, what: FeedOf | ActivityOf) -> None:
    """Events that arrive between two pages change nothing: new ones of a group that was shown, of one that comes, late ones
    between. They are new after the position of the pages."""
    store.publish(*acts(30, DAY_MS // 12))
    before = grouped(store, what)
    position = store.run(store.store.head()).position
    arriving = iter(acts(100, DAY_MS // 50))

    async def between() -> None:
        await store.store.write([Publish((next(arriving), next(arriving)))])

    assert grouped(store, what, limit=1, between=between) == before
    new = store.run(store.store.new_count(what, position, ALL))
    store.settle()
    assert new.new > 0
    assert partitioned(store, what) != before


@pytest.mark.parametrize("most", [1, 2, 5, 7])
def test_a_window_with_many_items_has_several_groups_of_each(store: Harness, most: int) -> None:
    """Each has at most as many items as a segment; pages of any size show the same."""
    rule = GroupRule(DAY_MS, most)
    store.publish(*acts(30, DAY_MS // 20))
    for what in (FeedOf("bob"), ActivityOf(None)):
        expected = partitioned(store, what, limit=100, rule=rule)
        assert grouped(store, what, limit=1, rule=rule) == expected
        assert grouped(store, what, limit=3, rule=rule) == expected


def test_filters_apply_before_groups(store: Harness) -> None:
    """The numbers of a group are those of the items that match; masks and retractions apply too."""
    ids = store.publish(*acts(30, DAY_MS // 12))
    store.publish(event("bob", at=TODAY + 1), event("bob", at=TODAY + 2))
    store.write(Retract(ids[-1]), Retract(ids[4]), SetMute("bob", "item:3"), SetBlock("bob", "user:dora"))
    for want in (
        FeedFilter(verb=only("like")),
        FeedFilter(actor_id=only("alice")),
        FeedFilter(object_id="1", until=TODAY + DAY_MS),
        FeedFilter(topic=only("item:1", "item:2"), since=TODAY + DAY_MS // 3),
        FeedFilter(include_own=True),
        FeedFilter(verb=only("never")),
    ):
        shown = partitioned(store, FeedOf("bob"), want)
        assert {group.object_id for group in shown} <= {"1", "2"}
        partitioned(store, ActivityOf(None, "bob"), want)
        partitioned(store, ActivityOf("item:1"), want)


def test_a_group_knows_how_many_of_its_items_are_read(store: Harness) -> None:
    """By marks and by read-alls; it is read when all of them are, at the time of the last one."""
    targets = ("bob",)
    ids = store.publish(*(event(actor, targets=targets, at=TODAY + n) for n, actor in enumerate(ACTORS)))
    store.publish(event("alice", obj="item:9", targets=targets, at=TODAY + 9))

    def states(want: FeedFilter = EVERYTHING) -> list[tuple[int, int, int | None]]:
        found = partitioned(store, FeedOf("bob"), want)
        return [(group.count, group.read, group.read_at) for group in found]

    assert states() == [(1, 0, None), (3, 0, None)]
    store.write(MarkFeedRead("bob", (ids[0],)))
    assert states() == [(1, 0, None), (3, 1, None)]
    assert states(FeedFilter(read=False)) == [(1, 0, None), (2, 0, None)]
    assert states(FeedFilter(read=True)) == [(1, 1, START_MS)]
    store.clock.advance(5)
    store.write(MarkFeedRead("bob", None, 3))
    assert states() == [(1, 0, None), (3, 3, START_MS + 5)]
    store.write(MarkFeedUnread("bob", (ids[2],)))
    assert states() == [(1, 0, None), (3, 2, None)]


def test_groups_of_activity_have_the_read_state_of_the_viewer(store: Harness) -> None:
    """They have no items that everybody may not see."""
    store.publish(
        event("alice", targets=("bob",)), event("cy", targets=("bob",), visibility=Visibility.RECIPIENTS)
    )
    store.write(MarkFeedRead("bob"))
    (group,) = partitioned(store, ActivityOf(None, "bob"))
    assert (group.count, group.read, group.read_at, group.actors) == (1, 1, START_MS, ("alice",))
    (group,) = partitioned(store, ActivityOf(None))
    assert (group.count, group.read, group.read_at) == (1, 0, None)
    (group,) = partitioned(store, FeedOf("bob"))
    assert (group.count, group.read, group.read_at) == (2, 2, START_MS)


def test_a_cursor_continues_below_its_place(store: Harness) -> None:
    """The groups of its segment whose newest item is not below it are not shown again, with all their items."""
    store.publish(*acts(12))
    first, *others = grouped(store, FeedOf("bob"))
    at = GroupCursor(12, first.top, first.end, first.items[0].key)
    assert first.next(12) == at
    page = store.run(store.store.feed_groups(FeedOf("bob"), EVERYTHING, 100, at, DAILY))
    assert list(page.groups) == others


def test_groups_name_their_actors_as_they_are_called_now(store: Harness) -> None:
    """In the order of ``actors``, None for one without a name; items keep what was published."""
    store.publish(*(event(actor, "like", "item:1", targets=("bob",), name=name) for actor, name in NAMED))
    for what in (FeedOf("bob"), ActivityOf("item:1")):
        (group,) = grouped(store, what)
        assert (group.actors, group.actor_names) == (("dora", "cy", "alice"), (None, "Cy", "Alice"))
    store.write(SetDisplayName("alice", "Alicia"))
    (group,) = grouped(store, FeedOf("bob"))
    assert group.actor_names == (None, "Cy", "Alicia")
    assert b'"actor_name":"Alice"' in group.items[-1].body
