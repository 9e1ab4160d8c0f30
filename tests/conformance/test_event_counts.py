"""Counts of events for trends: ``tidings.ports.EventCounts`` sentence by sentence, against counting one by one (I7)."""

import json

import pytest

from tests.checkers import tops
from tests.checkers.tops import Asked, Occurred
from tests.harness import Harness
from tidings.event_counts import (
    DIMENSIONS,
    Dimension,
    EventSelection,
    KeyCounts,
    PointCounts,
    Points,
    RankedKey,
)
from tidings.model import EraseUser, Publish, Retract
from tidings.personal_data import is_alias
from tidings.testing import START_MS, event

MOST = 1_000
SECOND = START_MS // 1000


def selected(asked: Asked) -> EventSelection:
    """The same events, as a store is asked for them."""
    until = (asked.as_of + 1) * 1000
    return EventSelection(until - asked.length_s * 1000, until, asked.object_type, asked.topic)


def ranked(store: Harness, asked: Asked, by: Dimension = "object", limit: int = 100) -> KeyCounts:
    """The ranking of a store, which is not refused."""
    found = store.run(store.store.ranked_keys(selected(asked), by, limit, MOST))
    assert found is not None
    return found


def everything(store: Harness) -> list[Occurred]:
    """The events of the log as they are now."""
    found = []
    for entry in store.run(store.store.tail(0, MOST)):
        body = json.loads(entry.body)
        kind, actor = body["object_type"], body["actor_id"]
        erased = kind == "user" and is_alias(body["object_id"])
        topic = f"{kind}:{body['object_id']}"
        keys = {
            "object": "" if erased else topic,
            "verb": body["verb"],
            "object_type": kind,
            "actor": "" if is_alias(actor) else actor,
        }
        found.append(Occurred(entry.key >> 20, keys, (topic, f"user:{actor}", *body["topics"])))
    return found


def check(store: Harness, *asked: Asked, limit: int = 100) -> None:
    """Every dimension of each window equals counting the log."""
    events = everything(store)
    for one in asked:
        for by in DIMENSIONS:
            found, occurrences = ranked(store, one, by, limit), one.occurrences(events, by)
            tops.exact([(item.key, item.events) for item in found.items], occurrences, limit)
            assert [item.rank for item in found.items] == list(range(1, len(found.items) + 1))
            assert found.total == len(occurrences)


def test_the_most_frequent_come_first_and_ties_by_key(store: Harness) -> None:
    """With their ranks; the total counts those beyond the limit too."""
    store.publish(*(event("ann", obj=f"item:{n}", at=START_MS) for n in (3, 1, 2, 2, 10)))
    found = ranked(store, Asked(SECOND, 60), limit=3)
    assert found.items == [RankedKey("item:2", 2, 1), RankedKey("item:1", 1, 2), RankedKey("item:10", 1, 3)]
    assert (found.total, found.examined) == (5, 5)


def test_a_period_has_its_first_and_not_its_last_millisecond(store: Harness) -> None:
    """The events of a window are those of whole seconds."""
    for at in (START_MS - 1, START_MS, START_MS + 999, START_MS + 1000):
        store.publish(event("ann", obj=f"item:{at - START_MS}", at=at))
    assert sorted(item.key for item in ranked(store, Asked(SECOND, 1)).items) == ["item:0", "item:999"]


def test_filters_count_a_type_a_topic_or_both(store: Harness) -> None:
    """A topic is an actor, an object or one that is named; a type is not another one that begins alike."""
    for n, obj in enumerate(("market:1", "market:2", "market2:1", "marke:1", "user:ann", "market:1")):
        topics = ("category:a",) if n % 2 else ("category:a", "category:b")
        store.publish(event(f"user{n % 3}", verb=f"v{n % 2}", obj=obj, topics=topics))
    topics_asked = (None, "category:b", "category:a", "market:1", "user:user1", "user:ann", "no:such")
    kinds = (None, "market", "user", "nothing")
    check(store, *(Asked(SECOND, 60, kind, topic) for kind in kinds for topic in topics_asked))


def test_many_partitions_are_counted_once(store: Harness) -> None:
    """Late events too, while partitions are merged and afterwards, for a whole window and for a part of one."""
    asked = [
        Asked(SECOND + end, length, None, topic)
        for end in (0, 30)
        for length in (10, 60)
        for topic in (None, "a:b")
    ]
    for n in range(60):
        late = n * 700 if n % 5 else n * 300
        store.run(
            store.store.write(
                [Publish((event(f"u{n % 7}", obj=f"item:{n % 4}", topics=("a:b",), at=START_MS + late),))]
            )
        )
        if n % 9 == 0:
            check(store, *asked, limit=3)
    store.settle()
    check(store, *asked)


def test_a_retracted_event_does_not_count(store: Harness) -> None:
    """Neither alone nor of a topic."""
    ids = store.publish(event("ann", topics=("a:b",)), event("bob", topics=("a:b",)))
    store.write(Retract(ids[0]))
    for topic in (None, "a:b"):
        found = ranked(store, Asked(SECOND, 60, None, topic), "actor")
        assert (found.items, found.total) == ([RankedKey("bob", 1, 1)], 1)


def test_an_erased_user_is_no_key_at_once(store: Harness) -> None:
    """Neither as an actor nor as an object, under any name; the events count for their other keys, and in the total."""
    store.publish(event("bob"), event("bob", verb="like", obj="user:ann"), event("ann", obj="user:bob"))
    (_,) = store.run(store.store.write([EraseUser("bob")]))
    assert ranked(store, Asked(SECOND, 60), "actor").items == [RankedKey("ann", 1, 1)]
    assert [item.key for item in ranked(store, Asked(SECOND, 60)).items] == ["item:1", "user:ann"]
    assert ranked(store, Asked(SECOND, 60, None, "user:bob")).total == 0
    assert ranked(store, Asked(SECOND, 60, "user"), "actor").total == 2
    check(store, Asked(SECOND, 60))
    store.settle()
    store.publish(event("bob"))
    check(store, Asked(SECOND, 60), Asked(SECOND, 60, None, "user:bob"))


def test_ranks_of_given_keys_are_those_among_all(store: Harness) -> None:
    """Of those that have events; names of erased users take no rank."""
    acts = [event(f"u{n % 4}", obj=f"item:{n % 9}", topics=("a:b",) if n % 2 else ()) for n in range(30)]
    store.publish(*acts, event("bob", obj="user:bob"), event("bob", obj="user:bob"))
    store.write(EraseUser("bob"))
    for asked in (Asked(SECOND, 60), Asked(SECOND, 60, "item", "a:b")):
        everyone = ranked(store, asked)
        keys = ["item:8", "user:bob", "item:3", "item:none", "item:1"]
        found = store.run(store.store.ranks_of_keys(selected(asked), "object", keys, MOST))
        expected = [item for item in everyone.items if item.key in keys]
        assert found == KeyCounts(expected, everyone.total, everyone.examined)


def check_series(store: Harness, asked: Asked, points: int) -> None:
    """The series of all, and of each key that there is, equal counting the log."""
    events = everything(store)
    for by in DIMENSIONS:
        for key in {None, "user:x", *(one.keys[by] for one in events)} - {""}:
            period = selected(asked)
            parts = Points(period.since, asked.length_s * 1000 // points, points)
            found = store.run(store.store.point_counts(period, parts, by, key, MOST))
            assert found is not None
            tops.series(found.counts, asked.times(events, by, key), asked)


def test_a_series_counts_each_part_of_its_window(store: Harness) -> None:
    """Of all events and of each key, filtered or not; after late events, retractions and an erasure."""
    ids = []
    for n in range(40):
        at = START_MS + (n * 37 % 61 - 50) * 1000 + n * 23
        topics = ("a:b", "item:3") if n % 3 else ()
        act = event(
            f"u{n % 4}", f"v{n % 2}", ("item:1", "item:3", "user:u1", "page:1")[n % 4], topics=topics, at=at
        )
        ids += store.publish(act)
    store.write(Retract(ids[7]), Retract(ids[8]))
    for who in ("", "u1"):
        if who:
            store.run(store.store.write([EraseUser(who)]))
        for asked in (
            Asked(SECOND, 60),
            Asked(SECOND - 7, 30),
            Asked(SECOND, 60, "item"),
            Asked(SECOND, 60, "user", "a:b"),
            Asked(SECOND, 60, None, "item:3"),
        ):
            check_series(store, asked, 30)


def test_a_series_of_an_object_or_an_actor_examines_its_events_alone(store: Harness) -> None:
    """However many others there are."""
    store.publish(*(event(f"u{n}", obj=f"item:{n}") for n in range(9)), event("ann", obj="item:1"))
    period = selected(Asked(SECOND, 60))
    points = Points(period.since, 60_000, 1)
    asked: list[tuple[Dimension, str | None]] = [
        ("actor", "ann"),
        ("object", "item:1"),
        ("verb", "post"),
        ("verb", None),
    ]
    found = [store.run(store.store.point_counts(period, points, by, key, 5)) for by, key in asked]
    assert found == [PointCounts([1], 1), PointCounts([2], 2), None, None]


@pytest.mark.parametrize("topic", [None, "a:b"])
def test_more_events_than_permitted_are_refused(store: Harness, topic: str | None) -> None:
    """As many as are permitted are counted; events outside of the topic or the period do not matter."""
    store.publish(*(event("ann", topics=("a:b",)) for _ in range(12)), event("ann", at=START_MS - 60_000))
    store.publish(*(event("ann", topics=("c:d",)) for _ in range(12 if topic else 0)))
    asked = selected(Asked(SECOND, 60, None, topic))
    assert store.run(store.store.ranked_keys(asked, "verb", 1, 11)) is None
    assert store.run(store.store.ranks_of_keys(asked, "verb", ["post"], 11)) is None
    found = store.run(store.store.ranked_keys(asked, "verb", 1, 12))
    assert found == KeyCounts([RankedKey("post", 12, 1)], 12, 12)
