"""What an erasure does to inboxes, that of the person and those of others: no client is left with what is not there any
more (``tidings.ports.InboxViews``)."""

from collections.abc import Callable

import pytest

from tests.checkers.fold import Client, faithful
from tests.harness import Harness, singles
from tidings.model import (
    EVERYONE,
    Erase,
    Follow,
    MarkInbox,
    MarkState,
    NewEvent,
    Publish,
    ReadInbox,
    Retract,
    TakeUp,
)
from tidings.testing import START_MS, event

# --- the inbox of the person --------------------------------------------------------------------------------


def resets(store: Harness, user: str) -> set[int]:
    """The seqs from which nobody can go on, of those up to the head and some beyond it."""
    seqs = range(store.counts(user).seq + 9)
    return {seq for seq in seqs if store.changes(user, seq).reset}


def test_every_seq_of_an_erased_inbox_is_a_reset(store: Harness) -> None:
    """Before anything comes to who returns under the name, and however much has come; none of theirs is."""
    store.tell("bob", *"abc")
    store.write(Erase("bob"))
    assert resets(store, "bob") == set(range(1, 9))
    for come in range(1, 6):
        store.tell("bob", "d")
        head = 3 + come
        assert store.counts("bob") == singles(come, head)
        assert resets(store, "bob") == {1, 2, 3, *range(head + 1, head + 9)}
    assert [row.seq for row in store.changes("bob", 0).rows] == [4, 5, 6, 7, 8]
    store.check_inbox("bob")


def test_an_inbox_begins_above_all_that_were_erased(store: Harness) -> None:
    """No matter whose they were, which came first, and how many items begin it."""
    for user, told in (("bob", "abcde"), ("cy", "ab"), ("dora", "")):
        store.tell(user, *told)
    store.write(Erase("bob"), Erase("cy"), Erase("dora"))
    store.tell("cy", *"xy")
    assert store.counts("cy") == singles(2, 7)
    assert [row.order for row in store.rows("cy")] == [7, 6]


def test_an_inbox_that_stands_goes_on(store: Harness) -> None:
    """An erasure moves nobody else's seqs, and resets nobody else."""
    store.tell("bob", *"abcde")
    store.tell("cy", "a")
    store.write(Erase("bob"))
    store.tell("cy", "b")
    assert store.counts("cy") == singles(2, 2)
    assert resets(store, "cy") == set(range(3, 11))


def test_who_waits_for_a_first_item_is_not_reset(store: Harness) -> None:
    """An inbox has the seq 0 until then, for whoever took up broadcasts too."""
    store.tell("bob", *"abc")
    store.write(TakeUp(("cy",)), Erase("bob"))
    assert store.counts("cy") == singles(0, 0)
    store.tell("cy", "a")
    changes = store.changes("cy", 0)
    assert ([row.seq for row in changes.rows], changes.counts.seq, changes.reset) == ([4], 4, False)


def test_an_erasure_and_a_return_at_once(store: Harness) -> None:
    """In one transaction it is as in two."""
    store.tell("bob", *"ab")
    store.write(Erase("bob"), Publish((event("alice", targets=("bob",)),)), Erase("bob"))
    store.write(Erase("bob"), Publish((event("alice", targets=("bob",)),)))
    assert store.counts("bob") == singles(1, 4)
    assert resets(store, "bob") == {1, 2, 3, *range(5, 13)}


# --- the inboxes of others ----------------------------------------------------------------------------------


def broadcast(store: Harness) -> list[str]:
    """zoe tells everyone."""
    one = event("zoe", "alone")
    sent = NewEvent(
        "zoe", one.verb, "item", "1", START_MS, one.body, audience=EVERYONE, expires_at=START_MS * 2
    )
    ids = store.publish(sent)
    store.write(TakeUp(("bob",)))
    return ids


def bridged(store: Harness) -> list[str]:
    """bob is told as a follower, not as a target."""
    store.write(Follow("bob", "item:1"))
    return store.publish(event("zoe", "bridge"))


def archived(store: Harness) -> list[str]:
    """It is not listed any more."""
    ids = store.publish(event("zoe", "alone", targets=("bob",)))
    store.write(MarkInbox("bob", (store.rows("bob")[0].id,), MarkState.ARCHIVED))
    return ids


def read(store: Harness) -> list[str]:
    """It was read, and then seen again by itself."""
    ids = store.publish(event("zoe", "alone", targets=("bob",), name="Zoe"))
    store.write(ReadInbox("bob"))
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
    store.write(Erase("zoe"))
    assert store.counts("bob") == head._replace(seq=head.seq + 1)
    changes = store.changes("bob", head.seq)
    ((row,), was) = changes.rows, {row.id: row for row in before}
    assert (row.seq, changes.reset, set(row.event_ids)) == (head.seq + 1, False, set(event_ids))
    assert b"zoe" not in b"".join((row.body, *row.others)).lower()
    assert row._replace(seq=0, body=b"", others=()) == was[row.id]._replace(seq=0, body=b"", others=())
    store.check_inbox("bob")


def test_a_client_has_what_a_list_shows_after_an_erasure(store: Harness) -> None:
    """Of many notifications that named the person, in the order of their numbers, and of those that did not."""
    client = Client()
    for named in NAMED.values():
        named(store)
        store.tell("bob", "other")
    store.run(client.catch_up(store.store, "bob", 3))
    since, was = client.seq, {row.id: row for row in client.rows.values()}
    store.write(Erase("zoe"))
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
    store.write(Erase("zoe"))
    assert store.counts("bob").seq == 3


def test_what_an_erasure_changed_can_be_joined_and_marked(store: Harness) -> None:
    """It is a change like any other: the group goes on, and its marks are told once."""
    store.publish(*(event(who, targets=("bob",)) for who in ("zoe", "amy")))
    store.write(Erase("zoe"))
    store.publish(event("cy", targets=("bob",)))
    (row,) = store.changes("bob", 0).rows
    assert (row.seq, row.order, row.size, row.actor_count) == (4, 4, 3, 3)
    store.write(MarkInbox("bob", (row.id,), MarkState.READ))
    assert [(row.seq, row.order) for row in store.changes("bob", 0).rows] == [(5, 4)]
    store.check_inbox("bob")


# --- open feeds ---------------------------------------------------------------------------------------------


def test_who_followed_an_erased_person_hears_no_more_of_them(store: Harness) -> None:
    """Nor of what they did before, whoever was heard to listen to it."""

    def heard() -> list[int]:
        found, _ = store.run(store.store.heard(0, {"bob", "cy"}, 9))
        return [one.position for one in found]

    store.write(Follow("bob", "user:zoe"), Follow("cy", "user:zoe"), Follow("cy", "user:amy"))
    store.publish(event("zoe"), event("amy"))
    assert heard() == [1, 2]
    store.write(Erase("zoe"))
    assert heard() == [2]
