"""A follow that is extended by a larger backfill: ``tidings.model.Follow`` with ``extend``."""

from tests.harness import Harness
from tidings.model import Follow, Retract, Unfollow
from tidings.testing import START_MS, event

MANY = ("v1", "v2", "v3", "v4", "v5", "v6", "v7")
"""Followers enough for a topic that is merged at read under tiny settings."""


def more(user: str, backfill: int, topic: str = "user:alice") -> Follow:
    """A follow that extends an existing one."""
    return Follow(user, topic, backfill, extend=True)


def test_a_larger_backfill_of_an_existing_follow_adds_the_rest(store: Harness) -> None:
    """The fault: who followed with a small backfill never got more. The newest events by time, each once, and a first page
    that was cached is no longer valid."""
    ids = store.publish(*(event("alice", at=START_MS + n) for n in range(9)))[::-1]
    store.write(Follow("bob", "user:alice", 2))
    before = store.run(store.store.feed_version("bob"))
    assert store.changed(more("bob", 5)) == 0, "it is no new follow"
    assert store.feed("bob") == ids[:5]
    assert store.run(store.store.feed_version("bob")) != before
    (new,) = store.publish(event("alice", at=START_MS + 99))
    store.write(more("bob", 100))
    assert store.feed("bob") == [new, *ids]


def test_a_backfill_that_is_not_larger_changes_nothing(store: Harness) -> None:
    """Neither a smaller one, nor the same again, nor a repetition that does not extend; events since then count towards
    it."""
    ids = store.publish(*(event("alice") for _ in range(5)))[::-1]
    store.write(Follow("bob", "user:alice", 2))
    for again in (more("bob", 0), more("bob", 1), more("bob", 2), Follow("bob", "user:alice", 100)):
        store.write(again)
        assert store.feed("bob") == ids[:2]
    news = store.publish(event("alice"), event("alice"))[::-1]
    store.write(more("bob", 4))
    assert store.feed("bob") == [*news, *ids[:2]]
    store.write(more("bob", 5))
    assert store.feed("bob") == [*news, *ids[:3]]


def test_extending_a_follow_that_does_not_exist_begins_it(store: Harness) -> None:
    """As without."""
    (one,) = store.publish(event("alice"))
    assert store.changed(more("bob", 5)) == 1
    assert store.feed("bob") == [one]


def test_an_extension_while_the_topic_is_merged_doubles_nothing(store: Harness) -> None:
    """Before, during and after the time in which its followers are so many that it is merged at read, also for one who was
    away then."""
    ids = store.publish(*(event("alice", at=START_MS - n) for n in range(8)))
    store.write(*(Follow(user, "user:alice", 1) for user in MANY))
    ids[:0] = store.publish(event("alice", at=START_MS + 1))
    store.write(more("v1", 4))
    assert store.feed("v1") == ids[:4]
    late = store.publish(event("alice", at=START_MS - 3))
    store.write(*(Unfollow(user, "user:alice") for user in MANY[2:]))
    assert store.feed("v1") == [*ids[:4], *late]
    store.write(more("v1", 100), more("v2", 100))
    whole = [*ids[:4], *late, *ids[4:]]
    assert store.feed("v1") == store.feed("v2") == whole
    store.write(*(Follow(user, "user:alice", 0) for user in MANY[2:]), more("v3", 3))
    assert store.feed("v1") == whole
    assert store.feed("v3") == whole[:3]


def test_an_extension_is_of_the_current_follow(store: Harness) -> None:
    """One that ended with its history kept stays as it is; hiding takes all of it along."""
    ids = store.publish(*(event("alice") for _ in range(6)))[::-1]
    store.write(Follow("bob", "user:alice", 1), Unfollow("bob", "user:alice", keep=True))
    between = store.publish(event("alice"), event("alice"))[::-1]
    store.write(Follow("bob", "user:alice", 0), more("bob", 1))
    assert store.feed("bob") == [between[0], ids[0]]
    store.write(Retract(between[0]), more("bob", 4))
    assert store.feed("bob") == [between[1], *ids[:3]]
    store.write(Unfollow("bob", "user:alice"))
    assert store.feed("bob") == []
