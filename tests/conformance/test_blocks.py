"""Blocks in inboxes and activity; mutes of deliveries: ``tidings.ports.InboxViews``, ``FeedViews``, ``DeliveryQueue``."""

import msgspec
import pytest

from tests.harness import Harness, singles
from tidings.endpoint_commands import AddEndpoint
from tidings.filters import FeedFilter, only
from tidings.inbox_commands import MarkAllNotificationsRead, NotificationState, SetNotificationState
from tidings.model import (
    InboxCounters,
    MaterializeBroadcasts,
    NewEvent,
    Retract,
    SetBlock,
    SetMute,
    SetNotificationType,
)
from tidings.notification_facts import Delivery
from tidings.personal_data import Endpoint
from tidings.rules import Rule
from tidings.testing import START_MS, event

MAIL = Endpoint("e1", "bob", "email", "bob@mail.test", created_at=START_MS)


def block(user: str = "bob", other: str = "eve", on: bool = True) -> SetMute | SetBlock:
    return SetBlock(user, f"user:{other}", on=on)


def like(actor: str, target: str = "bob", obj: str = "item:1", verb: str = "like") -> NewEvent:
    return event(actor, verb, obj, targets=(target,), name=actor)


def activity(
    store: Harness, topic: str | None, viewer: str | None, want: FeedFilter | None = None
) -> list[str]:
    return store.activity(topic, want, viewer)


def deliveries(store: Harness) -> list[Delivery]:
    return store.run(store.store.deliveries(START_MS * 2, 99))


# --- inboxes ------------------------------------------------------------------------------------------------


@pytest.mark.need("NO14")
def test_a_block_takes_the_actors_items_out_of_the_inbox(store: Harness) -> None:
    """The fault: the inbox kept the blocked person, and the badge counted them. A notification of theirs alone leaves a
    tombstone, which takes a seq."""
    store.publish(like("eve", verb="alone"))
    (row,) = store.rows("bob")
    store.write(block())
    assert store.rows("bob") == []
    assert store.counts("bob") == singles(0, 2)
    stone = store.row("bob", row.id)
    assert (stone.seq, stone.deleted, stone.body, stone.size) == (2, True, b"", 0)
    store.check_inbox("bob")


def test_a_group_shrinks_to_what_others_did(store: Harness) -> None:
    """Its size, actors, text and event ids are those of the rest; it takes one seq for all that left it."""
    ids = store.publish(like("ann"), like("eve"), like("cy"), like("eve"))
    store.write(block())
    (row,) = store.rows("bob")
    assert (row.size, row.actor_count, row.seq, row.order) == (2, 2, 5, 4)
    assert row.event_ids == (ids[2], ids[0])
    assert b'"eve"' not in row.body + b"".join(row.others)
    assert store.counts("bob") == InboxCounters(1, 5, unread_items=2, unseen_count=1)
    store.check_inbox("bob")


def test_a_block_takes_out_what_is_read_and_archived_too(store: Harness) -> None:
    """It was not counted, so nothing is taken off; each that changes takes a seq, the newest first."""
    store.publish(*(like("eve", verb="alone", obj=f"item:{n}") for n in range(4)))
    archived, _, read, new = (row.id for row in reversed(store.rows("bob")))
    store.write(
        MarkAllNotificationsRead("bob", up_to=2),
        SetNotificationState("bob", (archived,), NotificationState.ARCHIVED),
        SetNotificationState("bob", (read,), NotificationState.READ),
    )
    head = store.counts("bob").seq
    store.write(block())
    assert store.counts("bob") == InboxCounters(0, head + 4, 2, 5)
    changed = [row.id for row in store.changes("bob", head).rows]
    assert (changed[0], changed[-1]) == (new, archived)
    assert all(row.deleted for row in store.changes("bob", head).rows)
    store.check_inbox("bob")


def test_a_block_works_in_both_inboxes(store: Harness) -> None:
    """Neither sees the other's acts, as in feeds."""
    store.publish(like("eve", "bob"), like("bob", "eve"), like("bob", "ann"))
    store.write(block())
    assert [len(store.rows(user)) for user in ("bob", "eve", "ann")] == [0, 0, 1]


def test_only_the_actors_items_leave(store: Harness) -> None:
    """What others did about the blocked person stays; whoever else was told keeps theirs."""
    store.publish(event("ann", "note", "user:eve", targets=("bob",)), like("eve", "ann"))
    store.write(block())
    assert [len(store.rows(user)) for user in ("bob", "ann")] == [1, 1]
    assert store.counts("bob").seq == 1


def test_blocking_twice_changes_nothing(store: Harness) -> None:
    """No seq is taken by the second, nor by one that finds nothing."""
    store.publish(like("eve"))
    store.write(block())
    head = store.counts("bob").seq
    store.write(block(), block("eve", "bob"), block("bob", "nobody"))
    assert store.counts("bob").seq == head


def test_unblocking_brings_no_item_back(store: Harness) -> None:
    """Feeds are masked, and show it again; what happens from then on is told."""
    (old,) = store.publish(like("eve", verb="alone"))
    store.write(block())
    assert store.feed("bob") == []
    store.write(block(on=False))
    assert (store.rows("bob"), store.feed("bob")) == ([], [old])
    (new,) = store.publish(like("eve", verb="alone"))
    assert [row.event_ids for row in store.rows("bob")] == [(new,)]


def test_the_event_of_a_removed_item_can_be_retracted(store: Harness) -> None:
    """It is in no inbox any more, and takes no seq there."""
    alone, joined = store.publish(like("eve", verb="alone"), like("eve"))
    store.publish(like("ann"))
    store.write(block())
    head = store.counts("bob").seq
    store.write(Retract(alone), Retract(joined))
    assert store.counts("bob").seq == head
    store.check_inbox("bob")


def test_a_removed_item_is_told_as_not_there(store: Harness) -> None:
    """Who asks why gets the block as the reason, and no notification."""
    (event_id,) = store.publish(like("eve", verb="alone"))
    store.write(block())
    told = store.run(store.store.explain_facts("bob", event_id))
    assert told is not None
    assert (told.notification, told.masked_by) == ("", "user:eve")


def test_a_group_goes_on_without_the_blocked(store: Harness) -> None:
    """It is still open to others; one that became empty is closed."""
    store.publish(like("eve"), like("ann"), like("eve", obj="item:2"))
    store.write(block())
    store.publish(like("cy"), like("cy", obj="item:2"))
    sizes = {row.event_ids[0]: (row.size, row.actor_count) for row in store.rows("bob")}
    assert sorted(sizes.values()) == [(1, 1), (2, 2)]
    store.check_inbox("bob")


def test_a_broadcast_by_the_blocked_leaves_too(store: Harness) -> None:
    """It was an item like any other."""
    store.publish(
        msgspec.structs.replace(event("eve", "news", "town:1"), audience="*", expires_at=START_MS + 9_000)
    )
    store.write(MaterializeBroadcasts(("bob",)))
    assert len(store.rows("bob")) == 1
    store.write(block())
    assert (store.rows("bob"), store.counts("bob").unread_count) == ([], 0)


def test_a_large_inbox_is_cleaned_whole(store: Harness) -> None:
    """However many items there are, and over however many transactions, the counts are those of what is listed."""
    store.publish(
        *(like("eve" if n % 3 else "ann", verb="alone", obj=f"item:{n}") for n in range(30)),
        *(like("eve" if n % 2 else "ann") for n in range(10)),
    )
    store.run(store.store.write([block()]))
    while True:
        rows, counts = store.rows("bob"), store.counts("bob")
        assert (counts.unread_count, counts.unread_items) == (len(rows), sum(row.size for row in rows))
        if not store.run(store.store.work(5)):
            break
    assert (counts.unread_count, counts.unread_items) == (11, 15)
    assert not any(b'"eve"' in row.body for row in rows)
    store.check_inbox("bob")


def test_what_moves_up_while_an_inbox_is_cleaned_is_cleaned_too(store: Harness) -> None:
    """An old group that gets an item lies at the top from then on, behind whoever cleans downwards."""
    store.publish(like("eve"), *(like("ann", verb="alone", obj=f"item:{n}") for n in range(9)))
    store.run(store.store.write([block()]))
    store.run(store.store.work(1))
    store.publish(like("ann"))
    (row,) = (row for row in store.rows("bob") if row.type == "like")
    assert (row.size, row.actor_count) == (1, 1)
    store.check_inbox("bob")


# --- activity -----------------------------------------------------------------------------------------------


def test_activity_hides_a_block_from_its_viewer(store: Harness) -> None:
    """The fault: pages of everyone and of a topic showed the blocked actor. In both directions, and to nobody else."""
    store.write(block())
    eves, anns, bobs = store.publish(
        event("eve", "like", "item:1"), event("ann", "like", "item:1"), event("bob", "like", "item:1")
    )
    for topic in (None, "item:1"):
        assert activity(store, topic, "bob") == [bobs, anns]
        assert activity(store, topic, "eve") == [anns, eves]
        assert activity(store, topic, "ann") == [bobs, anns, eves]
        assert activity(store, topic, None) == [bobs, anns, eves]
    assert activity(store, "user:eve", "bob") == []
    assert activity(store, None, "bob", FeedFilter(verb=only("like"))) == [bobs, anns]
    store.write(block(on=False))
    assert activity(store, None, "bob") == [bobs, anns, eves]


def test_activity_is_not_muted(store: Harness) -> None:
    """A mute is about what comes to its user, not about what they look up."""
    store.write(SetMute("bob", "item:1"))
    found = store.publish(event("eve", "like", "item:1"))
    assert activity(store, "item:1", "bob") == found


# --- what is due --------------------------------------------------------------------------------------------


def reached(store: Harness, **rule: object) -> None:
    """Let likes go out by e-mail to bob."""
    store.write(SetNotificationType("like", Rule(channels=("email",), **rule)), AddEndpoint(MAIL))  # type: ignore[arg-type]


def test_a_delivery_about_a_blocked_actor_is_about_nothing(store: Harness) -> None:
    """The fault: a mail that quiet hours held was sent all the same."""
    reached(store)
    store.publish(like("eve"))
    store.write(block())
    assert [delivery.row for delivery in deliveries(store)] == [None]


def test_a_delivery_about_a_group_is_worded_without_the_blocked(store: Harness) -> None:
    """What others did is still to be told."""
    reached(store)
    store.publish(like("eve"), like("ann"), like("eve"))
    store.write(block())
    (delivery,) = deliveries(store)
    assert delivery.row is not None
    assert (delivery.row.size, delivery.row.actor_count, b'"eve"' in delivery.row.body) == (1, 1, False)


def test_no_group_with_a_blocked_actor_is_due_while_an_inbox_is_cleaned(store: Harness) -> None:
    """The fault: nothing at all was due meanwhile, and so anybody who blocked a user delayed the deliveries of that user.
    However large the inbox is, none names the blocked actor, and every other one is due, of those read together too."""
    reached(store)
    store.publish(
        like("eve", obj="item:2"),
        like("eve"),
        like("ann"),
        *(like("ann", verb="alone", obj=f"item:{n}") for n in range(9)),
        like("ann", obj="item:3"),
    )
    store.run(store.store.write([block("eve", "bob")]))
    while True:
        found = deliveries(store)
        rows = [delivery.row for delivery in found if delivery.row is not None]
        assert not any(b'"eve"' in body for row in rows for body in (row.body, *row.others))
        assert any(row.size == 1 and row.event_ids == rows[-1].event_ids for row in rows)
        ids = tuple(delivery.id for delivery in found)
        assert store.run(store.store.deliveries(START_MS * 2, 99, ids)) == found
        assert store.run(store.store.deliveries(START_MS * 2, 1)) == found[:1]
        if not store.run(store.store.work(1)):
            break
    assert len(deliveries(store)) == 3


def test_a_mute_holds_back_what_is_due_on_its_topic(store: Harness) -> None:
    """The newest item decides: by its object, its actor or an extra topic. The inbox keeps what it has."""
    reached(store, group="none")
    store.publish(
        like("eve"), like("ann"), event("ann", "like", "item:2", targets=("bob",), topics=("category:x",))
    )
    assert [delivery.muted for delivery in deliveries(store)] == [False] * 3
    store.write(SetMute("bob", "user:eve"), SetMute("bob", "category:x"))
    assert [delivery.muted for delivery in deliveries(store)] == [True, False, True]
    assert len(store.rows("bob")) == store.counts("bob").unread_count == 3
    store.write(SetMute("bob", "item:1"), SetMute("bob", "category:x", on=False))
    assert [delivery.muted for delivery in deliveries(store)] == [True, True, False]


def test_a_mute_brings_nothing_new_to_deliveries(store: Harness) -> None:
    """What is muted is not told, and so is owed to nobody."""
    reached(store)
    store.write(SetMute("bob", "item:1"))
    store.publish(like("ann"))
    assert (deliveries(store), store.rows("bob")) == ([], [])
