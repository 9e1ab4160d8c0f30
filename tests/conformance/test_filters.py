"""Filters of several values and of excluded ones, and the counts of new items under them: ``tidings.ports.FeedViews``."""

import pytest

from tests.harness import Harness
from tidings.filters import ActivityOf, Choice, FeedFilter, FeedOf, only
from tidings.ids import key_at
from tidings.model import Follow, MarkFeedRead, Retract, SetBlock, SetMute
from tidings.testing import START_MS, event

ACTS = (
    ("alice", "like", "item:1", ("category:x",)),
    ("alice", "post", "market:2", ("category:x", "category:y")),
    ("cy", "share", "item:2", ("category:y",)),
    ("cy", "like", "other:3", ()),
    ("dora", "post", "item:1", ("category:z",)),
)
CHOICES = {
    "two verbs": (FeedFilter(verb=only("like", "share")), {0, 2, 3}),
    "a verb that nobody used beside one": (FeedFilter(verb=only("like", "never")), {0, 3}),
    "only unknown verbs": (FeedFilter(verb=only("never", "ever")), set()),
    "all verbs but one": (FeedFilter(verb=Choice((), ("like",))), {1, 2, 4}),
    "all verbs but an unknown one": (FeedFilter(verb=Choice((), ("never",))), {0, 1, 2, 3, 4}),
    "a verb that is excluded too": (FeedFilter(verb=Choice(("like", "post"), ("like",))), {1, 4}),
    "only a verb that is excluded": (FeedFilter(verb=Choice(("like",), ("like",))), set()),
    "two actors": (FeedFilter(actor_id=only("alice", "dora")), {0, 1, 4}),
    "all actors but two": (FeedFilter(actor_id=Choice((), ("alice", "dora"))), {2, 3}),
    "two types": (FeedFilter(object_type=only("market", "other")), {1, 3}),
    "all types but one": (FeedFilter(object_type=Choice((), ("item",))), {1, 3}),
    "any of two topics": (FeedFilter(topic=only("category:z", "category:x")), {0, 1, 4}),
    "a topic, but not another": (FeedFilter(topic=Choice(("category:x",), ("category:y",))), {0}),
    "not a topic": (FeedFilter(topic=Choice((), ("category:x", "user:dora"))), {2, 3}),
    "everything at once": (
        FeedFilter(
            verb=Choice((), ("share",)),
            actor_id=only("alice", "dora"),
            topic=Choice((), ("category:y",)),
            object_type=only("item", "market"),
        ),
        {0, 4},
    ),
}


def published(store: Harness) -> list[str]:
    """The ids of ACTS, all in bob's feed: some by a follow, some as a target."""
    store.write(Follow("bob", "user:alice"), Follow("bob", "user:cy"))
    return store.publish(
        *(
            event(actor, verb, thing, topics=topics, targets=("bob",), at=START_MS + n)
            for n, (actor, verb, thing, topics) in enumerate(ACTS)
        )
    )


@pytest.mark.parametrize("name", CHOICES)
def test_a_filter_takes_several_values_and_excluded_ones(store: Harness, name: str) -> None:
    """In feeds, activity, and the counts of new items of both, by the same rule."""
    want, expected = CHOICES[name]
    ids = published(store)
    shown = [ids[n] for n in sorted(expected, reverse=True)]
    assert store.feed("bob", want) == shown
    assert store.activity(None, want) == shown
    on_topic = [ids[n] for n in (1, 0) if n in expected]
    assert store.activity("category:x", want) == on_topic
    for what, number in ((FeedOf("bob"), len(shown)), (ActivityOf("category:x"), len(on_topic))):
        assert store.run(store.store.new_count(what, 0, 10, want)).new == number
    after = store.run(store.store.new_count(ActivityOf(None), 2, 10, want))
    assert after.new == len(expected - {0, 1})
    assert after.oldest_at == min((START_MS + n for n in expected - {0, 1}), default=None)


def test_new_count_counts_positions(store: Harness) -> None:
    """Backdated events are new too; hidden and own ones are not counted."""
    store.write(Follow("bob", "item:1", 0), SetMute("bob", "user:cy"))
    store.publish(event("alice"), event("alice", at=START_MS - 1000), event("bob"), event("cy"))
    assert store.run(store.store.new_count(FeedOf("bob"), 0, 10))[:3] == (2, False, 4)
    assert store.run(store.store.new_count(FeedOf("bob"), 1, 10))[:3] == (1, False, 4)
    assert store.run(store.store.new_count(FeedOf("bob"), 4, 10))[:3] == (0, False, 4)
    assert store.run(store.store.new_count(FeedOf("nobody"), 0, 10))[:3] == (0, False, 4)


def test_new_count_stops_at_the_cap(store: Harness) -> None:
    """Capped means that there are more."""
    store.publish(*(event("alice", targets=("bob",)) for _ in range(6)))
    assert store.run(store.store.new_count(FeedOf("bob"), 0, 4))[:3] == (4, True, 6)
    assert store.run(store.store.new_count(FeedOf("bob"), 2, 4))[:3] == (4, False, 6)


def test_new_events_of_activity_are_counted_by_position(store: Harness) -> None:
    """Late ones too, retracted ones not, up to a position if one is given; none of an unknown topic."""
    ids = store.publish(*(event("alice", at=START_MS + n) for n in range(4)))
    late = store.publish(event("alice", at=START_MS - 50), event("cy", at=START_MS - 60))
    store.write(Retract(ids[3]))

    def new(topic: str | None, since: int, up_to: int | None = None) -> tuple[int, int | None]:
        found = store.run(store.store.new_count(ActivityOf(topic), since, 10, up_to=up_to))
        assert (found.capped, found.position) == (False, 7)
        return found.new, found.oldest_at

    assert (new(None, 0), new("user:alice", 0)) == ((5, START_MS - 60), (4, START_MS - 50))
    assert (new(None, 2), new("user:alice", 2)) == ((3, START_MS - 60), (2, START_MS - 50))
    assert (new(None, 4), new("user:alice", 5)) == ((2, START_MS - 60), (0, None))
    assert (new(None, 2, 4), new("user:alice", 1, 5)) == ((1, START_MS + 2), (3, START_MS - 50))
    assert new("never:seen", 0) == (0, None)
    assert len(late) == 2


def test_new_events_hide_what_a_block_hides_from_the_viewer(store: Harness) -> None:
    """As the page does."""
    store.publish(event("alice"), event("cy"))
    store.write(SetBlock("bob", "user:cy"))
    counts = [
        store.run(store.store.new_count(ActivityOf(None, viewer), 0, 10)).new
        for viewer in (None, "bob", "zoe")
    ]
    assert counts == [2, 1, 2]


@pytest.mark.parametrize("what", [FeedOf("bob"), ActivityOf(None), ActivityOf("user:alice")])
def test_a_count_ends_at_its_cap(store: Harness, what: FeedOf | ActivityOf) -> None:
    """Then the oldest one is not known; a count of exactly the cap is complete."""
    store.publish(*(event("alice", "ab"[n % 2], targets=("bob",), at=START_MS + n) for n in range(6)))
    want = FeedFilter(verb=only("b"))
    assert store.run(store.store.new_count(what, 0, 5)) == (5, True, 6, None)
    assert store.run(store.store.new_count(what, 0, 6)) == (6, False, 6, START_MS)
    assert store.run(store.store.new_count(what, 0, 2, want)) == (2, True, 6, None)
    assert store.run(store.store.new_count(what, 2, 2, want)) == (2, False, 6, START_MS + 3)


def test_new_items_are_counted_by_read_state(store: Harness) -> None:
    """And within the times of a filter."""
    ids = store.publish(*(event("alice", targets=("bob",), at=START_MS + n) for n in range(4)))
    store.write(MarkFeedRead("bob", (ids[0], ids[2])))

    def new(want: FeedFilter) -> int:
        return store.run(store.store.new_count(FeedOf("bob"), 0, 10, want)).new

    assert (new(FeedFilter(read=True)), new(FeedFilter(read=False))) == (2, 2)
    assert new(FeedFilter(read=False, since=START_MS + 2)) == 1
    assert new(FeedFilter(until=START_MS + 3)) == 3


def test_the_head_at_a_time_is_before_the_first_later_event(store: Harness) -> None:
    """Whatever came after that one, late events and changes too; without a later event it is the head."""
    store.publish(event("alice", at=START_MS), event("alice", at=START_MS + 10, targets=("bob",)))
    (third,) = store.publish(event("alice", at=START_MS - 10))
    store.write(Retract(third), MarkFeedRead("bob"))
    store.publish(event("alice", at=START_MS + 20))

    def head(at: int) -> int:
        return store.run(store.store.head(at)).position

    assert [head(START_MS + after) for after in (-1, 0, 9, 10, 19, 20)] == [0, 1, 1, 5, 5, 6]
    assert store.run(store.store.head()).position == 6


def test_the_seq_of_an_event_is_before_all_later_notifications(store: Harness) -> None:
    """Late ones too; a group counts by its newest event and goes with its last seq; tombstones do not count."""
    targets = ("bob",)
    ids = store.publish(*(event("alice", obj=f"m:{n}", targets=targets, at=START_MS + n) for n in range(4)))
    (late,) = store.publish(event("cy", obj="m:late", targets=targets, at=START_MS + 1))
    (again,) = store.publish(event("dora", obj="m:0", targets=targets, at=START_MS + 9))
    keys = {id: store.store.ids.key(id) or 0 for id in (*ids, late, again)}

    def seq(key: int) -> int:
        return store.run(store.store.inbox_seq("bob", key))

    assert [seq(keys[id]) for id in (*ids, again)] == [1, 2, 3, 5, 6]
    assert seq(keys[late]) == 2, "it came as the fifth, and the third is later"
    assert (seq(-1), seq(key_at(START_MS + 99))) == (1, 6)
    store.write(Retract(ids[3]))
    assert seq(keys[ids[2]]) == 5
    assert store.run(store.store.inbox_seq("nobody", -1)) == 0
