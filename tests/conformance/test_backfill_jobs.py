"""``tidings.ports.Backfills``: feeds and inboxes that are built from stored events."""

import msgspec

from tests.harness import Harness
from tidings.backfills import Backfill, BackfillJob
from tidings.model import (
    EVERYONE,
    EraseUser,
    Follow,
    MaterializeBroadcasts,
    Retract,
    SetBlock,
    SetMute,
    SetNotificationType,
    SetPreferences,
    Unfollow,
)
from tidings.notify_mode import NotifyMode
from tidings.personal_data import Preferences
from tidings.rules import Rule
from tidings.testing import START_MS, event
from tidings.timeutil import DAY_MS
from tidings.visibility import Visibility

MANY = ("v1", "v2", "v3", "v4", "v5", "v6", "v7")
"""Followers enough for a topic that is merged at read under tiny settings."""


def backfilled(store: Harness, command: Backfill) -> BackfillJob:
    """A backfill that has ended."""
    id = store.changed(command)
    job = store.run(store.store.backfill(id))
    assert job is not None
    assert (job.id, job.state) == (id, "done")
    return job


def counts(store: Harness, command: Backfill) -> tuple[int, int, int]:
    """(created, notified, users) of a backfill, which a dry run tells beforehand and which a repetition does not have
    again."""
    before = store.feed(command.user or "bob"), store.inbox(command.user or "bob")
    dry = backfilled(store, Backfill(command.user, command.since, dry_run=True, notify=command.notify))
    assert (store.feed(command.user or "bob"), store.inbox(command.user or "bob")) == before
    done, again = backfilled(store, command), backfilled(store, command)
    assert done[7:] == dry[7:]
    assert (again.created, again.notified, again.users) == (0, 0, done.users)
    return done[7], done[8], done[9]


def test_the_events_since_a_time_are_added_for_the_follows_of_a_user(store: Harness) -> None:
    """And older ones are not; those of others neither."""
    ids = store.publish(*(event("alice", at=START_MS - n * DAY_MS) for n in range(9)))
    store.write(Follow("bob", "user:alice", 2), Follow("cy", "user:alice", 0))
    version = store.run(store.store.feed_version("bob"))
    job = backfilled(store, Backfill("bob", START_MS - 5 * DAY_MS))
    assert job[1:] == ("bob", START_MS - 5 * DAY_MS, store.clock.now(), False, False, "done", 4, 0, 1)
    assert store.feed("bob") == ids[:6]
    assert store.feed("cy") == []
    assert store.run(store.store.feed_version("bob")) != version
    assert counts(store, Backfill("bob", START_MS - 5 * DAY_MS)) == (0, 0, 1)


def test_an_event_of_several_topics_is_added_and_counted_once(store: Harness) -> None:
    """Also one that is in the feed for another reason, and the user's own."""
    ids = store.publish(
        event("alice", topics=("category:x", "category:y")),
        event("cy", topics=("category:y",)),
        event("bob", topics=("category:x",)),
        event("alice", targets=("bob",), topics=("category:x",)),
        event("alice", "like", "user:bob"),
    )
    store.write(*(Follow("bob", topic, 0) for topic in ("user:alice", "category:x", "category:y")))
    assert counts(store, Backfill("bob", 0)) == (3, 0, 1)
    assert store.feed("bob") == [ids[4], ids[3], ids[1], ids[0]]


def test_what_is_hidden_or_restricted_is_neither_added_nor_counted(store: Harness) -> None:
    """By mutes, blocks of either side, the visibility, or a retraction."""
    ids = store.publish(
        event("alice", topics=("category:x",)),
        event("alice", topics=("category:x", "category:y")),
        event("cy", topics=("category:x",)),
        event("dora", topics=("category:x",)),
        event("alice", topics=("category:x",), visibility=Visibility.FOLLOWERS),
        event("alice", topics=("category:x",), visibility=Visibility.RECIPIENTS),
        event("alice", topics=("category:x",)),
    )
    store.write(Follow("bob", "category:x", 0), SetMute("bob", "category:y"), Retract(ids[6]))
    store.write(SetBlock("bob", "user:cy"), SetBlock("dora", "user:bob"))
    assert counts(store, Backfill("bob", 0)) == (2, 0, 1)
    assert store.feed("bob") == [ids[4], ids[0]]
    store.write(SetMute("bob", "category:y", on=False), SetBlock("bob", "user:cy", on=False))
    assert store.feed("bob") == [ids[4], *ids[2:0:-1], ids[0]], (
        "the follow covers them, as if it had been as long"
    )


def test_all_users_get_theirs(store: Harness) -> None:
    """With fan-out on read too, each item once; an ended follow is not extended."""
    ids = store.publish(*(event("alice", at=START_MS - n) for n in range(8)))
    store.write(*(Follow(user, "user:alice", n) for n, user in enumerate(MANY)))
    store.write(Unfollow("v7", "user:alice", keep=True))
    assert counts(store, Backfill(None, START_MS - 5)) == (6 + 5 + 4 + 3 + 2 + 1, 0, 6)
    for user in MANY[:6]:
        assert store.feed(user) == ids[:6]
    assert store.feed("v7") == ids[:6]
    late = store.publish(event("alice", at=START_MS - 3))
    assert store.feed("v1") == [*ids[:3], *late, *ids[3:6]]


def test_a_retraction_of_what_was_added_is_announced(store: Harness) -> None:
    """The fault: who extended a follow of a large topic was not among its cached followers."""
    ids = store.publish(*(event("alice") for _ in range(3)))
    store.write(*(Follow(user, "user:alice", 0) for user in MANY))
    head = store.run(store.store.head()).position
    store.run(store.store.audience_since(0, MANY, 100))
    backfilled(store, Backfill(None, 0))
    store.write(Retract(ids[1]))
    found, _ = store.run(store.store.audience_since(head, MANY, 100))
    assert [sorted(user for *_, users in one.listeners for user in users) for one in found] == [list(MANY)]
    assert store.feed("v3") == [ids[2], ids[0]]


def test_nothing_happens_without_follows(store: Harness) -> None:
    """Of an unknown user, or before all events; and there is no job of another id."""
    store.publish(event("alice"))
    assert counts(store, Backfill("nobody", 0)) == (0, 0, 0)
    store.write(Follow("bob", "user:alice", 0))
    assert counts(store, Backfill("bob", START_MS + DAY_MS)) == (0, 0, 1)
    assert store.run(store.store.backfill(99)) is None
    assert store.run(store.store.backfill(0)) is None


def test_the_inbox_gets_what_the_rules_notify_of_read(store: Harness) -> None:
    """The oldest first, each alone, without any count; what it has already does not come again."""
    store.write(SetNotificationType("post", Rule(notify="actor_followers")))
    ids = store.publish(
        event("alice", "post"),
        event("alice", "like", targets=("bob",), notify=NotifyMode.NONE),
        event("cy", "like", targets=("bob",)),
        event("alice", "post", "item:2"),
        event("alice", "like", "item:3"),
    )
    assert counts(store, Backfill("bob", 0, notify=True)) == (0, 0, 1)
    store.write(Follow("bob", "user:alice", 0))
    assert counts(store, Backfill("bob", 0, notify=True)) == (3, 2, 1)
    rows = store.rows("bob")
    assert [row.event_ids for row in rows] == [(ids[3],), (ids[0],), (ids[2],)]
    assert [row.read_at is None for row in rows] == [False, False, True]
    assert store.counts("bob").unread_count == 1
    store.check_inbox("bob")
    store.write(Retract(ids[0]))
    assert [row.event_ids for row in store.rows("bob")] == [(ids[3],), (ids[2],)]
    store.check_inbox("bob")


def test_a_rule_change_can_reach_back(store: Harness) -> None:
    """A type that notified nobody notifies its targets now, those who follow nothing too; whoever does not want the type or
    muted the topic gets nothing."""
    store.write(SetNotificationType("sale", Rule(notify="none")))
    ids = store.publish(
        event("shop", "sale", "item:1", targets=("bob", "cy")),
        event("shop", "sale", "item:2", targets=("bob", "dora")),
    )
    store.write(SetNotificationType("sale", Rule()), SetMute("bob", "item:2"))
    store.write(SetPreferences("cy", Preferences(types={"sale": {"in_app": False}})))
    assert counts(store, Backfill(None, 0, notify=True)) == (0, 2, 3)
    assert [row.event_ids for row in store.rows("bob")] == [(ids[0],)]
    assert [row.event_ids for row in store.rows("dora")] == [(ids[1],)]
    assert store.rows("cy") == []


def test_what_a_block_removed_comes_after_its_end(store: Harness) -> None:
    """And a broadcast does not come this way."""
    (one,) = store.publish(event("alice", "post", targets=("bob",)))
    sale = msgspec.structs.replace(event("shop"), audience=EVERYONE, expires_at=START_MS + DAY_MS)
    store.publish(sale)
    store.write(SetBlock("bob", "user:alice"))
    assert counts(store, Backfill("bob", 0, notify=True))[1] == 0
    store.write(SetBlock("bob", "user:alice", on=False))
    assert counts(store, Backfill("bob", 0, notify=True))[1] == 1
    assert [row.event_ids for row in store.rows("bob")] == [(one,)]
    store.write(MaterializeBroadcasts(("bob",)))
    assert counts(store, Backfill("bob", 0, notify=True))[1] == 0
    store.check_inbox("bob")


def test_an_erased_user_is_not_named(store: Harness) -> None:
    """By the progress of a backfill."""
    store.publish(event("alice"))
    store.write(Follow("bob", "user:alice", 0))
    id = store.changed(Backfill("bob", 0))
    store.write(EraseUser("bob"))
    job = store.run(store.store.backfill(id))
    assert job is not None
    assert job.created == 1
    assert job.user != "bob"
