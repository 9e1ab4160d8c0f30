"""``tidings.ports.Upkeep``: what goes on behind the requests."""

import pytest

from tests.harness import Harness
from tidings.model import Follow, Publish, Published, RebuildFeeds, SetMute
from tidings.testing import event

FOLLOWERS = tuple(f"f{n}" for n in range(130))
"""More than any store reaches in passing: their fan-out is owed where the settings say so."""


def test_nothing_is_owed_by_an_empty_store(store: Harness) -> None:
    """0 when nothing is owed."""
    assert store.run(store.store.work(100)) == 0


@pytest.mark.need("IN8")
def test_work_ends_with_every_feed_complete(store: Harness) -> None:
    """Each follower has each event once, however small the budget, and then nothing is owed."""
    store.write(*(Follow(user, "user:alice") for user in FOLLOWERS))
    store.run(store.store.write([Publish((event("alice"), event("alice")))]))
    store.run(store.store.write([Publish((event("alice"),))]))
    while store.run(store.store.work(9)):
        pass
    assert {len(store.feed(user)) for user in FOLLOWERS} == {3}
    assert store.run(store.store.work(100)) == 0
    assert store.run(store.store.status()).pending_fanout_jobs == 0


def test_what_changes_between_two_steps_of_work_holds(store: Harness) -> None:
    """Follows, unfollows and masks made while fan-out is owed act as if it had ended before."""
    store.write(*(Follow(user, "user:alice") for user in FOLLOWERS))
    store.run(store.store.write([Publish((event("alice"),))]))
    store.run(store.store.work(2))
    store.run(store.store.write([Follow("late", "user:alice", 0), SetMute("f1", "user:alice")]))
    store.run(store.store.work(2))
    store.run(store.store.write([Publish((event("alice"),))]))
    store.settle()
    assert [len(store.feed(user)) for user in ("f0", "f1", "f129", "late")] == [2, 0, 2, 1]


def test_status_tells_where_the_log_ends(store: Harness) -> None:
    """Head, sizes under names, no dead letters, no pending jobs once the work is done."""
    store.publish(event("alice", targets=("bob",)))
    status = store.run(store.store.status())
    assert status.head == store.run(store.store.head())
    assert (status.pending_fanout_jobs, status.dead_letters) == (0, 0)
    assert status[1:3] == store.run(store.store.backlog())
    assert status.sizes
    assert all(size >= 0 for size in status.sizes.values())


def test_a_check_of_a_sound_store_changes_nothing(store: Harness) -> None:
    """It is as good as not called, before and after a write, as often as it is called."""
    for _ in range(2):
        store.publish(event("alice", targets=("bob",)))
        before = (store.run(store.store.head()), store.feed("bob"), store.counts("bob"))
        store.run(store.store.check())
        store.run(store.store.check())
        assert (store.run(store.store.head()), store.feed("bob"), store.counts("bob")) == before


def test_an_event_is_fanned_out_once_every_feed_has_it(store: Harness) -> None:
    """Other jobs are not waited for, whatever the order in which they end."""
    store.write(*(Follow(user, "user:alice") for user in FOLLOWERS))
    published = store.run(store.store.write([RebuildFeeds(), Publish((event("alice"), event("alice")))]))[1]
    assert isinstance(published, Published)
    assert store.run(store.store.fanned_out([])) == []
    positions = published.pending or range(1, 3)
    while store.run(store.store.fanned_out([positions, range(1)])) != [True, True]:
        assert store.run(store.store.work(9))
    assert {len(store.feed(user)) for user in FOLLOWERS} == {2}
    store.settle()
    assert store.run(store.store.fanned_out([positions])) == [True]
