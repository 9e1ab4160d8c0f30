"""What pages, counts and look-ups show of events that not everybody may see, once it is quiet (I9)."""

from collections.abc import Iterator
from itertools import pairwise
from typing import cast

from tests.checkers.adapters import ALL
from tests.checkers.history import Event
from tests.simulation.store import at_once
from tests.simulation.world import TOPICS, World
from tidings.activity_scope import EVERYBODY
from tidings.event_counts import EventSelection
from tidings.filters import EVERYTHING, ActivityOf, FeedFilter
from tidings.ports import EventCounts
from tidings.visibility import VISITOR, Visibility

VIEWERS = 3
"""Users whose feeds are looked at, of all who are there."""
AGES = 1 << 42
"""Milliseconds since 1970: after the end of every simulation."""


def pages_show_what_is_listed(world: World) -> None:
    """Pages of activity, and the numbers of new and of read events in them, have what each viewer may see, and no more."""
    if world.history.erased:
        return
    # One list for each user, another one in each round: all of all of them would take a tenth of the time.
    turn = world.history.moment
    watched = (EVERYBODY, TOPICS[0], TOPICS[3], f"user:{world.users[0]}")
    for number, viewer in enumerate((VISITOR, VISITOR, *world.users[:VIEWERS])):
        _page_is_exact(world, viewer, watched[(turn + number) % len(watched)])
    for event in world.history.events.values():
        if event.visibility is not Visibility.PUBLIC:
            assert at_once(world.store.event(event.id, VISITOR)) is None, f"a visitor may look up {event}"
    for topic in (None, TOPICS[0]):
        _trends_are_public(world, topic)


def _page_is_exact(world: World, viewer: str, watched: str) -> None:
    if world.history.doubts(viewer):
        return
    expected = sorted(event.position for event in world.history.page(watched, viewer))
    topic, store = watched or None, world.store
    what = f"the activity of {watched or 'all'} for {viewer!r}"
    shown = at_once(store.activity(topic, EVERYTHING, ALL, None, viewer)).items
    positions = sorted(item.position for item in shown)
    assert positions == expected, f"{what} has {positions}, and not {expected}"
    count = at_once(store.new_count(ActivityOf(topic, viewer), 0, ALL))
    assert count.new == len(expected), f"{what} counts {count.new}, and has {len(expected)}"
    if viewer != VISITOR:
        parts = [
            at_once(store.activity(topic, FeedFilter(read=read), ALL, None, viewer)).items
            for read in (True, False)
        ]
        assert sorted(item.position for part in parts for item in part) == expected, f"{what}, by read state"
        assert all(item.read_at is not None for item in parts[0]), (
            f"{what} has unread events among those read"
        )
    world.tally.add("page", "visitor" if viewer == VISITOR else "exact")
    if len(expected) < sum(1 for _ in _there(world, watched)):
        world.tally.add("hidden", "topic" if watched else "all")


def _there(world: World, watched: str) -> Iterator[Event]:
    """All events of a list that were not retracted, whoever may see them."""
    return (
        event
        for event in world.history.events.values()
        if event.id not in world.history.gone and (watched == EVERYBODY or watched in event.topics)
    )


def _trends_are_public(world: World, topic: str | None) -> None:
    store = cast(EventCounts, world.store)
    expected = sum(event.visibility is Visibility.PUBLIC for event in _there(world, topic or EVERYBODY))
    counted = at_once(store.ranked_keys(EventSelection(0, AGES, topic=topic), "verb", 100, ALL))
    assert counted is not None
    assert counted.total == expected, f"trends count {counted.total} events of {topic}, and not {expected}"


def feeds_hide(world: World) -> None:
    """Count what follows of a topic do not bring, so that hiding is not left out unnoticed."""
    for user in world.users[:VIEWERS]:
        for event in world.history.events.values():
            if world.history.is_withheld(user, event):
                world.tally.add("hidden", "feed")


def numbers_are_public(world: World) -> None:
    """I9 of visitors: no position that they are shown is that of something that they may not see. The end of the log is one
    at a start, and when the last public one that the server knows is so far behind that no stream could go on from it."""
    allowed = world.history.public_positions() | set(world.starts) | {0}
    for visitor in world.visitors:
        for number in visitor.numbers - allowed:
            assert _was_far_ahead(world, number), f"{visitor.name} was shown {number}, which is not public"


def _was_far_ahead(world: World, number: int) -> bool:
    """Whether a position was the end of the log while the last public one that the server knew was far behind it."""
    settings = world.plan.settings
    most_behind = min(settings.activity_history, settings.retraction_history) // 4
    end = at_once(world.store.head()).position
    known = [*world.shaken.known_public, (0, end)]
    return any(
        begun <= number <= ended and number - public > most_behind
        for (public, begun), (_, ended) in pairwise(known)
    )
