"""``tidings.ports.Upkeep``, and what a person may ask for: export and erasure."""

import re
from typing import Any

import msgspec

from tests.checkers.adapters import ALL
from tests.harness import Harness
from tidings.model import Counts, Erase, FeedFilter, Follow, Mask, Publish, ReadFeed
from tidings.testing import event
from tidings.times import rfc3339

FOLLOWERS = tuple(f"f{n}" for n in range(130))
"""More than any store reaches in passing: their fan-out is owed where the settings say so."""
ALIAS = re.compile(r"erased-[0-9a-f]{8}")


async def _collect(store: Harness, user: str) -> list[bytes]:
    return [record async for record in store.store.export(user)]


def export(store: Harness, user: str) -> list[dict[str, Any]]:
    return [msgspec.json.decode(record) for record in store.run(_collect(store, user))]


def of_kind(records: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [record for record in records if record["kind"] == kind]


# --- work ---------------------------------------------------------------------------------------------------


def test_nothing_is_owed_by_an_empty_store(store: Harness) -> None:
    """0 when nothing is owed."""
    assert store.run(store.store.work(100)) == 0


def test_work_ends_with_every_feed_complete(store: Harness) -> None:
    """Each follower has each event once, however small the budget, and then nothing is owed."""
    store.write(*(Follow(user, "user:alice") for user in FOLLOWERS))
    store.run(store.store.write([Publish((event("alice"), event("alice")))]))
    store.run(store.store.write([Publish((event("alice"),))]))
    while store.run(store.store.work(9)):
        pass
    assert {len(store.feed(user)) for user in FOLLOWERS} == {3}
    assert store.run(store.store.work(100)) == 0
    assert store.run(store.store.status()).lag == 0


def test_what_changes_between_two_steps_of_work_holds(store: Harness) -> None:
    """Follows, unfollows and masks made while fan-out is owed act as if it had ended before."""
    store.write(*(Follow(user, "user:alice") for user in FOLLOWERS))
    store.run(store.store.write([Publish((event("alice"),))]))
    store.run(store.store.work(2))
    store.run(store.store.write([Follow("late", "user:alice", 0), Mask("f1", "user:alice")]))
    store.run(store.store.work(2))
    store.run(store.store.write([Publish((event("alice"),))]))
    store.settle()
    assert [len(store.feed(user)) for user in ("f0", "f1", "f129", "late")] == [2, 0, 2, 1]


def test_status_tells_where_the_log_ends(store: Harness) -> None:
    """Head, sizes under names, no dead letters, no lag once the work is done."""
    store.publish(event("alice", targets=("bob",)))
    status = store.run(store.store.status())
    assert status.head == store.run(store.store.head())
    assert (status.lag, status.dead_letters) == (0, 0)
    assert status.sizes
    assert all(size >= 0 for size in status.sizes.values())


# --- export -------------------------------------------------------------------------------------------------


def test_an_export_has_all_that_is_kept_about_a_person(store: Harness) -> None:
    """Acts, follows, masks, notifications and what was read, each with its kind."""
    store.write(Follow("bob", "user:alice"), Mask("bob", "a:1"), Mask("bob", "user:cy", block=True))
    first, own = store.publish(event("alice", targets=("bob",)), event("bob", name="Bob B."))
    store.write(ReadFeed("bob", (first,)))
    records = export(store, "bob")
    assert {record["kind"] for record in records} == {
        "profile",
        "event",
        "follow",
        "mask",
        "notification",
        "feed_read",
    }
    (acted,) = of_kind(records, "event")
    assert (acted["event"]["event_id"], acted["event"]["actor_name"]) == (own, "Bob B.")
    (follow,) = of_kind(records, "follow")
    assert (follow["topic"], follow["created_at"]) == ("user:alice", rfc3339(store.clock.ms))
    assert {(mask["topic"], mask["block"]) for mask in of_kind(records, "mask")} == {
        ("a:1", False),
        ("user:cy", True),
    }
    (told,) = of_kind(records, "notification")
    assert told["event"]["event_id"] == first
    (read,) = of_kind(records, "feed_read")
    assert (read["event_id"], read["read_at"]) == (first, rfc3339(store.clock.ms))
    assert of_kind(records, "profile")[0]["user_id"] == "bob"


def test_an_export_has_nothing_of_others(store: Harness) -> None:
    """I9: another's follows, masks and events that do not concern the person are not in it."""
    store.write(Follow("cy", "user:marker"), Mask("cy", "marker:1"))
    store.publish(event("marker", targets=("cy",)), event("bob"))
    assert b"marker" not in b"".join(store.run(_collect(store, "bob")))


# --- erasure ------------------------------------------------------------------------------------------------


def test_erasing_deletes_what_was_the_persons_own(store: Harness) -> None:
    """Inbox, feed, follows and masks are gone; who returns under the name begins anew."""
    store.write(Follow("bob", "user:alice"), Mask("bob", "user:cy"))
    store.publish(event("alice", targets=("bob",)), event("cy", targets=("bob",)))
    store.write(ReadFeed("bob"))
    assert store.changed(Erase("bob")) == 1
    assert store.counts("bob") == Counts(0, 0)
    assert store.run(store.store.inbox("bob", 10, None)).rows == []
    assert store.feed("bob") == []
    assert store.run(store.store.follows("bob", 10, None)) == []
    (event_id,) = store.publish(event("cy", targets=("bob",)))
    assert store.feed("bob", FeedFilter(read=False)) == [event_id]
    assert store.counts("bob") == Counts(1, 1)


def test_a_notification_of_an_erased_person_is_nobodys(store: Harness) -> None:
    """Its id is never given again, not to one who returns under the name either."""
    store.publish(event("alice", targets=("bob",)))
    before = store.run(store.store.inbox("bob", 10, None)).rows[0].id
    store.write(Erase("bob"))
    store.publish(event("alice", targets=("bob",)))
    assert store.run(store.store.inbox("bob", 10, None)).rows[0].id != before


def test_the_acts_of_an_erased_person_stand_under_a_random_name(store: Harness) -> None:
    """In log, feeds and inboxes of others, as actor and as object; the text of the event has no trace of
    them."""
    store.write(*(Follow(user, "item:1") for user in FOLLOWERS))
    (acted,) = store.publish(event("bobby", targets=("alice",), name="Bobby B."))
    (about,) = store.publish(
        event("cy", obj="user:bobby", topics=("user:bobby",), targets=("alice", "bobby"))
    )
    store.write(Erase("bobby"))
    entry = store.run(store.store.event(acted))
    assert entry is not None
    assert ALIAS.fullmatch(entry.actor_id)
    other = store.run(store.store.event(about))
    assert other is not None
    assert (other.object_id, other.targets) == (entry.actor_id, ("alice",))
    assert f"user:{entry.actor_id}" in other.topics
    bodies = [e.body for e in store.run(store.store.tail(0, ALL))]
    bodies += [row.body for row in store.run(store.store.inbox("alice", 10, None)).rows]
    bodies += [found.body for found in store.page("f0").items]
    assert len(bodies) == 5
    assert b"obby" not in b"".join(bodies)
    assert store.activity(f"user:{entry.actor_id}") == [about, acted]
    assert store.feed("f0") == [acted]


def test_an_erased_person_is_no_target_of_any_event(store: Harness) -> None:
    """Of those that notified them, of those they had masked, of their own."""
    store.write(Mask("bob", "user:cy"), Follow("bob", "item:1"))
    store.publish(*(event(actor, targets=("bob", "dora")) for actor in ("alice", "bob", "cy")))
    store.write(Erase("bob"))
    assert [entry.targets for entry in store.run(store.store.tail(0, ALL))] == [("dora",)] * 3


def test_an_erased_person_is_found_nowhere(store: Harness) -> None:
    """Neither as actor, nor as topic, nor by their followers or those who had muted them."""
    store.write(Follow("alice", "user:bob"), Mask("cy", "user:bob"), Follow("bob", "user:alice"))
    store.publish(event("bob", targets=("alice",)), event("alice", targets=("bob",)))
    store.write(Erase("bob"))
    assert store.activity("user:bob") == []
    assert store.activity(None, FeedFilter(actor_id="bob")) == []
    assert store.run(store.store.follows("alice", 10, None)) == []
    assert store.run(store.store.topic("user:bob")).followers == 0
    assert store.run(store.store.topic("user:alice")).followers == 0
    for user in ("alice", "cy"):
        assert b"bob" not in b"".join(store.run(_collect(store, user)))
    assert [record["kind"] for record in export(store, "bob") if record["kind"] != "profile"] == []


def test_feeds_keep_what_an_erased_person_did(store: Harness) -> None:
    """For those told directly it stays; their followers have lost the follow."""
    store.write(*(Follow(user, "user:bob") for user in FOLLOWERS))
    (event_id,) = store.publish(event("bob", targets=("alice",)))
    store.write(Erase("bob"))
    assert store.feed("alice") == [event_id]
    assert [store.feed(user) for user in FOLLOWERS] == [[]] * len(FOLLOWERS)
    store.publish(event("bob"))
    assert store.feed("f0") == []


def test_a_block_outlives_the_erasure_of_the_blocked(store: Harness) -> None:
    """What an erased person did stays hidden from those who had blocked them."""
    store.write(Mask("alice", "user:bob", block=True), Follow("alice", "item:1"))
    store.publish(event("bob"))
    store.write(Erase("bob"))
    assert store.feed("alice") == []


def test_erasing_nobody_changes_nothing(store: Harness) -> None:
    """A name that never came up is not erased."""
    store.publish(event("alice"))
    assert store.changed(Erase("nobody")) == 0
