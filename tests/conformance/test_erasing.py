"""What an erasure does to inboxes, that of the person and those of others: no client is left with what is not there any
more (``tidings.ports.InboxViews``)."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from tests.checkers.fold import Client, faithful
from tests.harness import Harness, singles
from tidings.activity_scope import FEED_ALONE, ActivityScope
from tidings.endpoint_commands import AddEndpoint
from tidings.feed_changes import FeedReset
from tidings.filters import only
from tidings.inbox_commands import (
    MarkAllNotificationsRead,
    NotificationState,
    SetNotificationState,
    UndoMarkAllRead,
)
from tidings.model import (
    EVERYONE,
    Command,
    CommandResult,
    EraseUser,
    Follow,
    InboxUpdateResult,
    MarkFeedRead,
    MaterializeBroadcasts,
    NewEvent,
    Publish,
    Retract,
    SetBlock,
    SetMute,
    SetPreferences,
)
from tidings.personal_data import Endpoint, Preferences
from tidings.testing import START_MS, event

# --- the inbox of the person --------------------------------------------------------------------------------


def resets(store: Harness, user: str) -> set[int]:
    """The seqs from which nobody can go on, of those up to the head and some beyond it."""
    seqs = range(store.counts(user).seq + 9)
    return {seq for seq in seqs if store.changes(user, seq).reset}


def test_every_seq_of_an_erased_inbox_is_a_reset(store: Harness) -> None:
    """0 too: its client may have been told of more. Before anything comes to who returns under the name, and however
    much has come."""
    store.tell("bob", *"abc")
    store.write(EraseUser("bob"))
    for come in range(6):
        store.tell("bob", *"d"[:come])
        head = 4 + come
        assert store.counts("bob") == singles(come, head)
        assert resets(store, "bob") == {0, 1, 2, 3, *range(head + 1, head + 9)}
    assert [row.seq for row in store.changes("bob", 4).rows] == [5, 6, 7, 8, 9]
    store.check_inbox("bob")


def test_an_erased_inbox_is_empty_and_stands_one_higher(store: Harness) -> None:
    """Whoever asks, and whatever they ask."""
    (id, _) = store.tell("bob", *"ab")
    store.write(EraseUser("bob"))
    for unread_only, type in ((False, None), (True, None), (False, only("a")), (False, only("z"))):
        page = store.run(store.store.inbox("bob", 9, None, unread_only, type))
        assert page == ([], None, singles(0, 3))
    changes = store.changes("bob", 3)
    assert changes == ([], singles(0, 3), False, False, ())
    for command in (
        MarkAllNotificationsRead("bob"),
        SetNotificationState("bob", (id,), NotificationState.READ),
        UndoMarkAllRead("bob", 1),
    ):
        assert store.marked(command) == InboxUpdateResult(0, 0, 3)
    everybody = ["cy", "bob", "dora", "bob"]
    assert [counts.seq for counts in store.run(store.store.counts(everybody))] == [0, 3, 0, 3]


def test_an_erasure_moves_nobody_else(store: Harness) -> None:
    """What stands goes on, what begins later begins at 1; be it that of one who is known, but was told of nothing."""
    store.tell("bob", *"abcde")
    store.tell("cy", "a")
    store.write(MaterializeBroadcasts(("dora",)), EraseUser("bob"))
    for user, head in (("cy", 1), ("dora", 0), ("eve", 0)):
        assert resets(store, user) == set(range(head + 1, head + 9))
        store.tell(user, "b")
        assert store.counts(user) == singles(head + 1, head + 1)
        assert resets(store, user) == set(range(head + 2, head + 10))


def test_a_user_without_notifications_leaves_no_tombstone(store: Harness) -> None:
    """There is no seq that a device could have."""
    store.write(MaterializeBroadcasts(("bob",)), Follow("bob", "item:1"), EraseUser("bob"))
    assert resets(store, "bob") == set(range(1, 9))
    store.tell("bob", "a")
    assert store.counts("bob") == singles(1, 1)


def test_an_erasure_and_a_return_at_once(store: Harness) -> None:
    """In one transaction it is as in two."""
    store.tell("bob", *"ab")
    again = Publish((event("alice", targets=("bob",)),))
    store.write(EraseUser("bob"), again, EraseUser("bob"))
    store.write(EraseUser("bob"), again)
    assert store.counts("bob") == singles(1, 6)
    assert resets(store, "bob") == {*range(5), *range(7, 15)}


def test_an_inbox_to_which_nothing_came_is_not_erased_again(store: Harness) -> None:
    """Whoever knows that it is empty knows all there is to know."""
    store.tell("bob", "a")
    store.write(EraseUser("bob"))
    assert store.changed(EraseUser("bob")) == 0
    store.write(Follow("bob", "item:1"), Follow("cy", "user:bob"), EraseUser("bob"))
    assert store.changed(EraseUser("bob")) == 0
    assert store.counts("bob") == singles(0, 2)
    assert resets(store, "bob") == {0, 1, *range(3, 11)}


CLUB = msgspec.structs.replace(event("cy"), audience="user:bob", expires_at=START_MS * 2)
RETURNS: dict[str, Command] = {
    "target": Publish((event("cy", targets=("bob",)),)),
    "actor": Publish((event("bob"),)),
    "object": Publish((event("cy", obj="user:bob"),)),
    "topic": Publish((event("cy", topics=("item:2", "user:bob")),)),
    "audience": Publish((CLUB,)),
    "follower": Follow("bob", "item:1"),
    "followed": Follow("cy", "user:bob"),
    "masking": SetMute("bob", "item:1"),
    "muted": SetMute("cy", "user:bob"),
    "blocked": SetBlock("cy", "user:bob"),
    "looking": MaterializeBroadcasts(("cy", "bob")),
    "reading": MarkFeedRead("bob"),
    "preferring": SetPreferences("bob", Preferences()),
    "reached": AddEndpoint(Endpoint("e", "bob", "email", "bob@mail.test")),
}
"""Ways in which a name that was erased is used again."""


@pytest.mark.parametrize("way", RETURNS)
def test_an_inbox_goes_on_however_the_name_returns(store: Harness, way: str) -> None:
    """Above the seqs of the erased one; who is told is called by the name, which can be erased as before."""
    store.tell("bob", "a")
    store.write(EraseUser("bob"), RETURNS[way])
    told = int(way == "target")
    assert store.counts("bob") == singles(told, 2 + told)
    store.tell("bob", "b")
    assert store.counts("bob") == singles(told + 1, 3 + told)
    assert resets(store, "bob") == {0, 1, *range(told + 4, told + 12)}
    head = store.run(store.store.head()).position
    (found,), _ = store.run(store.store.audience_since(head - 1, {"bob", "cy"}, 9))
    assert found.listeners == [("target", "", ["bob"])]
    store.write(EraseUser("bob"))
    assert store.counts("bob") == singles(0, 4 + told)


# --- the inboxes of others ----------------------------------------------------------------------------------


def broadcast(store: Harness) -> list[str]:
    """zoe tells everyone."""
    one = event("zoe", "alone")
    sent = NewEvent(
        "zoe", one.verb, "item", "1", START_MS, one.body, audience=EVERYONE, expires_at=START_MS * 2
    )
    ids = store.publish(sent)
    store.write(MaterializeBroadcasts(("bob",)))
    return ids


def bridged(store: Harness) -> list[str]:
    """bob is told as a follower, not as a target."""
    store.write(Follow("bob", "item:1"))
    return store.publish(event("zoe", "bridge"))


def archived(store: Harness) -> list[str]:
    """It is not listed any more."""
    ids = store.publish(event("zoe", "alone", targets=("bob",)))
    store.write(SetNotificationState("bob", (store.rows("bob")[0].id,), NotificationState.ARCHIVED))
    return ids


def read(store: Harness) -> list[str]:
    """It was read, and then seen again by itself."""
    ids = store.publish(event("zoe", "alone", targets=("bob",), name="Zoe"))
    store.write(MarkAllNotificationsRead("bob"))
    return ids


NAMED: dict[str, Callable[[Harness], list[str]]] = {
    "actor": lambda store: store.publish(event("zoe", "alone", targets=("bob",), name="Zoe")),
    "object": lambda store: store.publish(event("amy", "alone", "user:zoe", targets=("bob",))),
    "topic": lambda store: store.publish(event("amy", "alone", topics=("user:zoe",), targets=("bob",))),
    "newest of a group": lambda store: store.publish(
        *(event(who, targets=("bob",)) for who in ("amy", "zoe"))
    ),
    "oldest of a group": lambda store: store.publish(
        *(event(who, targets=("bob",)) for who in ("zoe", "amy"))
    ),
    "all of a group": lambda store: store.publish(*(event("zoe", targets=("bob",)) for _ in range(3))),
    "broadcast": broadcast,
    "follower": bridged,
    "archived": archived,
    "read": read,
}
"""Ways in which one notification of bob's comes to name zoe; each returns the ids of its events."""


@pytest.mark.parametrize("way", NAMED)
def test_whatever_named_the_person_takes_a_seq(store: Harness, way: str) -> None:
    """One for each notification that holds such an event, however many it holds; nothing else of it changes."""
    store.tell("bob", "other")
    event_ids = NAMED[way](store)
    store.tell("bob", "another")
    before, head = store.changes("bob", 0).rows, store.counts("bob")
    store.write(EraseUser("zoe"))
    assert store.counts("bob") == head._replace(seq=head.seq + 1)
    changes = store.changes("bob", head.seq)
    ((row,), was) = changes.rows, {row.id: row for row in before}
    assert (row.seq, changes.reset, set(row.event_ids)) == (head.seq + 1, False, set(event_ids))
    assert b"zoe" not in b"".join((row.body, *row.others)).lower()
    without: dict[str, Any] = {"seq": 0, "body": b"", "others": (), "actor_names": ()}
    assert row._replace(**without) == was[row.id]._replace(**without)
    store.check_inbox("bob")


def test_a_client_has_what_a_list_shows_after_an_erasure(store: Harness) -> None:
    """Of many notifications that named the person, in the order of their numbers, and of those that did not."""
    client = Client()
    for named in NAMED.values():
        named(store)
        store.tell("bob", "other")
    store.run(client.catch_up(store.store, "bob", 3))
    since, was = client.seq, {row.id: row for row in client.rows.values()}
    store.write(EraseUser("zoe"))
    changed = store.changes("bob", since).rows
    numbers = [int(row.id.rpartition("-")[2], 16) for row in changed]
    assert numbers == sorted(numbers)
    assert {row.id for row in changed} == {
        id for id, row in was.items() if b"zoe" in b"".join((row.body, *row.others))
    }
    store.run(client.catch_up(store.store, "bob", 3))
    faithful(client.rows, store.rows("bob"))
    store.check_inbox("bob")


def test_an_erased_target_is_shown_to_nobody(store: Harness) -> None:
    """Whom else an event was for is in no notification, and so none changes; nor does what was retracted."""
    (gone, _) = store.publish(
        event("zoe", "alone", targets=("bob",)), event("amy", "alone", targets=("bob", "zoe"))
    )
    store.write(Retract(gone))
    assert store.counts("bob").seq == 3
    store.write(EraseUser("zoe"))
    assert store.counts("bob").seq == 3


def test_what_an_erasure_changed_can_be_joined_and_marked(store: Harness) -> None:
    """It is a change like any other: the group goes on, and its marks are told once."""
    store.publish(*(event(who, targets=("bob",)) for who in ("zoe", "amy")))
    store.write(EraseUser("zoe"))
    store.publish(event("cy", targets=("bob",)))
    (row,) = store.changes("bob", 0).rows
    assert (row.seq, row.order, row.size, row.actor_count) == (4, 4, 3, 3)
    store.write(SetNotificationState("bob", (row.id,), NotificationState.READ))
    assert [(row.seq, row.order) for row in store.changes("bob", 0).rows] == [(5, 4)]
    store.check_inbox("bob")


# --- open feeds ---------------------------------------------------------------------------------------------


def test_who_followed_an_erased_person_hears_no_more_of_them(store: Harness) -> None:
    """Nor of what they did before, whoever listens."""

    def reached() -> list[int]:
        found, _ = store.run(store.store.audience_since(0, {"bob", "cy"}, 9))
        return [one.position for one in found if not isinstance(one.change, FeedReset)]

    store.write(Follow("bob", "user:zoe"), Follow("cy", "user:zoe"), Follow("cy", "user:amy"))
    store.publish(event("zoe"), event("amy"))
    assert reached() == [1, 2]
    store.write(EraseUser("zoe"))
    assert reached() == [2]


# --- streams ----------------------------------------------------------------------------------------------------


def since(store: Harness, user: str, scope: ActivityScope = FEED_ALONE) -> list[bool]:
    """From which positions a stream of a user is reset, of those up to the head."""
    head = store.run(store.store.head()).position
    return [store.run(store.store.feed_since(user, at, 9, scope)).reset for at in range(head + 1)]


@pytest.mark.parametrize("shown", ["actor_id", "object_id", "topics"])
def test_streams_from_before_an_erasure_start_again(store: Harness, shown: str) -> None:
    """Of any feed and any activity, live and after any time: it takes a position. Later retractions change nothing of that,
    also when older ones are not kept any more."""
    everybody, room = ActivityScope(feed=False, everybody=True), ActivityScope(topics=frozenset({"room:1"}))
    zoe = {"actor_id": "zoe", "object_id": "zoe", "topics": ("user:zoe",)}[shown]
    sent = msgspec.structs.replace(event("ann", obj="user:1"), **{shown: zoe})
    first, _ = store.publish(event("ann", targets=("bob",)), sent)
    store.write(Retract(first))
    (outcome,) = store.write(EraseUser("zoe"))
    assert isinstance(outcome, CommandResult)
    assert (outcome.position, outcome.marked) == (4, 4)
    for user in ("bob", "nobody"):
        for scope in (FEED_ALONE, everybody, room):
            assert since(store, user, scope) == [True] * 4 + [False]
    found, last = store.run(store.store.audience_since(2, {"bob"}, 9, {"": (), "room:1": ("cy",)}))
    assert (found[0].change, last) == (FeedReset(4), 4)
    assert [users for *_, users in found[0].listeners] == [["bob"]]
    assert {reach.watched for reach in found[0].reach} == {"", "room:1"}
    for id in store.publish(*(event("ann") for _ in range(3))):
        store.write(Retract(id))
    assert since(store, "bob")[3:5] == [True, False]


def test_the_erasure_of_a_user_whom_no_event_shows_takes_no_position(store: Harness) -> None:
    """One who was notified, follows and is followed; nor does that of an unknown user, or one that is repeated."""
    store.write(Follow("zoe", "user:ann"), Follow("bob", "user:zoe"))
    (id,) = store.publish(event("zoe"))
    store.write(Retract(id))
    store.publish(event("ann", targets=("zoe",)))
    for user in ("zoe", "zoe", "nobody"):
        (outcome,) = store.write(EraseUser(user))
        assert isinstance(outcome, CommandResult)
        assert (outcome.position, outcome.marked) == (3, 0)
    assert since(store, "bob") == [False] * 4
