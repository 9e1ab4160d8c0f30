"""Broadcasts: one row for everyone, taken up by those whom it is meant for. ``tidings.ports.InboxViews``, the end."""

import msgspec
import pytest

from tests.checkers.inboxes import addressed
from tests.harness import Harness, singles
from tidings.inbox_commands import NotificationState, SetNotificationState
from tidings.model import (
    EVERYONE,
    EraseUser,
    Follow,
    InboxCounters,
    MaterializeBroadcasts,
    NewEvent,
    Retract,
    SetBlock,
    SetMute,
    SetNotificationType,
    SetPreferences,
    Unfollow,
)
from tidings.personal_data import Preferences
from tidings.rules import Rule
from tidings.testing import START_MS, event

LATER = START_MS + 3_600_000
SILENT = Preferences(types={"*": {"in_app": False}})


def broadcast(
    actor: str = "alice",
    audience: str = EVERYONE,
    expires_at: int = LATER,
    verb: str = "announce",
    topics: tuple[str, ...] = (),
) -> NewEvent:
    """One about town:1."""
    sent = event(actor, verb, "town:1", topics=topics)
    return msgspec.structs.replace(sent, audience=audience, expires_at=expires_at)


def lacking(store: Harness, *users: str) -> list[str]:
    """Those of these users whose inboxes lack a broadcast."""
    return [
        user
        for user, counts in zip(users, store.run(store.store.counts(users)), strict=True)
        if counts.lacking
    ]


def taken(store: Harness, *users: str) -> int:
    """How many items these users got by taking up what they lack; nobody lacks anything afterwards."""
    given = store.changed(MaterializeBroadcasts(users))
    assert lacking(store, *users) == []
    return given


def test_a_broadcast_waits_until_it_is_taken_up(store: Harness) -> None:
    """It is in the log and on its topics' pages as any event, and lacks in every inbox, also those nobody has opened;
    TakeUp brings it as an item."""
    store.tell("bob", "a")
    (event_id,) = store.publish(broadcast())
    assert store.activity("town:1") == [event_id]
    assert store.counts("bob") == InboxCounters(1, 1, unread_items=1, unseen_count=1, lacking=True)
    assert store.counts("nobody") == InboxCounters(0, 0, lacking=True)
    assert store.run(store.store.inbox("nobody", 9, None)).counts.lacking
    assert store.changes("nobody", 0).counts.lacking
    assert taken(store, "bob", "nobody") == 2
    assert (store.counts("bob"), store.counts("nobody")) == (singles(2, 2), singles(1, 1))
    assert store.rows("bob")[0].event_ids == (event_id,)


def test_it_is_taken_up_once(store: Harness) -> None:
    """Again there is nothing to take."""
    store.publish(broadcast())
    assert [taken(store, "bob") for _ in range(2)] == [1, 0]
    assert taken(store, "bob", "cy", "cy") == 1
    assert store.changed(MaterializeBroadcasts(())) == 0


def test_several_come_in_order_and_group_with_nothing(store: Harness) -> None:
    """Neither with each other, nor with what is of the same type and object."""
    store.publish(event("ann", "announce", "town:1", targets=("bob",)))
    event_ids = store.publish(broadcast(), broadcast("cy"), broadcast())
    assert taken(store, "bob") == 3
    assert [row.event_ids[0] for row in store.rows("bob")][:3] == list(reversed(event_ids))
    assert store.counts("bob") == singles(4, 4)
    store.publish(event("ben", "announce", "town:1", targets=("bob",)))
    assert sorted(row.size for row in store.rows("bob")) == [1, 1, 1, 2]


def test_an_item_of_a_broadcast_is_like_any_other(store: Harness) -> None:
    """Of the type of its verb; it can be marked."""
    store.publish(broadcast(verb="clap"))
    taken(store, "bob")
    (row,) = store.rows("bob")
    assert row.type == "applause"
    assert store.marked(SetNotificationState("bob", (row.id,), NotificationState.READ)).updated == 1
    store.check_inbox("bob")


def test_an_actor_does_not_lack_their_own(store: Harness) -> None:
    """Everyone else does."""
    store.publish(broadcast("alice"))
    assert lacking(store, "alice", "bob") == ["bob"]
    assert taken(store, "alice", "bob") == 1


@pytest.mark.parametrize(
    "mask", [SetMute("bob", "town:1"), SetMute("bob", "category:x"), SetBlock("bob", "user:alice")]
)
def test_who_masked_it_does_not_lack_it(store: Harness, mask: SetMute | SetBlock) -> None:
    """While the mask lasts; but what was passed over when others were taken up does not come later."""
    store.write(mask)
    sent = broadcast(topics=("category:x",))
    store.publish(sent)
    assert lacking(store, "bob", "cy") == ["cy"]
    store.write(msgspec.structs.replace(mask, on=False))
    assert lacking(store, "bob") == ["bob"]
    store.write(mask)
    assert taken(store, "bob") == 0
    store.write(msgspec.structs.replace(mask, on=False))
    assert lacking(store, "bob") == []


def test_who_does_not_want_the_type_does_not_lack_it(store: Harness) -> None:
    """Unless it is critical."""
    store.write(SetPreferences("bob", SILENT), SetNotificationType("alarm", Rule(critical=True)))
    store.publish(broadcast())
    assert lacking(store, "bob", "cy") == ["cy"]
    (alarm,) = store.publish(broadcast(verb="alarm"))
    assert taken(store, "bob") == 1
    addressed(store.inbox("bob"), [alarm])


def test_one_to_a_topic_is_for_those_who_followed_it_before(store: Harness) -> None:
    """And still do; not for those who came later, follow another topic, or have left."""
    for user in ("early", "left", "kept", "back"):
        store.write(Follow(user, "city:1"))
    store.write(Follow("other", "town:1"))
    store.publish(broadcast(audience="city:1"))
    store.write(Unfollow("left", "city:1"), Unfollow("kept", "city:1", keep=True), Unfollow("back", "city:1"))
    store.write(Follow("late", "city:1"), Follow("back", "city:1"))
    users = ("early", "left", "kept", "back", "other", "late")
    assert lacking(store, *users) == ["early"]
    assert taken(store, *users) == 1


def test_an_expired_one_is_not_given(store: Harness) -> None:
    """From its ``expires_at`` on; who took it up before keeps it."""
    store.publish(broadcast())
    store.clock.ms = LATER - 1
    assert lacking(store, "bob", "cy") == ["bob", "cy"]
    assert taken(store, "cy") == 1
    store.clock.ms = LATER
    assert lacking(store, "bob") == []
    assert taken(store, "bob") == 0
    assert store.counts("cy") == singles(1, 1)
    store.publish(broadcast(expires_at=LATER))
    assert lacking(store, "bob") == []


def test_those_that_live_are_counted(store: Harness) -> None:
    """Until they expire or are retracted, whoever has taken them up."""
    assert store.run(store.store.count_active_broadcasts()) == 0
    gone, *_ = store.publish(broadcast(), broadcast(), broadcast(expires_at=LATER + 1))
    taken(store, "bob")
    assert store.run(store.store.count_active_broadcasts()) == 3
    store.write(Retract(gone))
    assert store.run(store.store.count_active_broadcasts()) == 2
    store.clock.ms = LATER
    assert store.run(store.store.count_active_broadcasts()) == 1


def test_a_retracted_one_is_not_given(store: Harness) -> None:
    """Those who took it up have a tombstone."""
    gone, kept = store.publish(broadcast(), broadcast())
    taken(store, "bob")
    store.write(Retract(gone))
    assert store.counts("bob") == singles(1, 3)
    assert [row.deleted for row in store.changes("bob", 0).rows] == [False, True]
    assert taken(store, "cy") == 1
    addressed(store.inbox("cy"), [kept])


def test_who_returns_after_an_erasure_lacks_what_still_lives(store: Harness) -> None:
    """A new person under the name has taken up nothing."""
    store.publish(broadcast())
    taken(store, "bob")
    store.write(EraseUser("bob"))
    assert lacking(store, "bob") == ["bob"]
    assert taken(store, "bob") == 1


def test_feeds_have_it_as_any_event(store: Harness) -> None:
    """Those who follow one of its topics, whether it is for them or not."""
    store.write(Follow("bob", "town:1"))
    (event_id,) = store.publish(broadcast(audience="city:1"))
    assert store.feed("bob") == [event_id]
    assert lacking(store, "bob") == []


def test_what_was_read_before_an_erasure_writes_no_name_after_it(store: Harness) -> None:
    """The fault: what an open stream had read of an erased user wrote their name again, with the next broadcast. Whoever was
    never known is given it all the same."""
    store.tell("bob", "a")
    before = store.store.erasures.begun
    store.publish(broadcast())
    store.write(EraseUser("bob"))
    assert store.changed(MaterializeBroadcasts(("bob", "cy"), before)) == 1
    assert lacking(store, "bob", "cy") == ["bob"]
    assert store.export("bob")[0]["unread_count"] == 0
    assert store.changed(MaterializeBroadcasts(("bob",), store.store.erasures.begun)) == 1


def test_what_was_read_before_an_erasure_reaches_who_came_back(store: Harness) -> None:
    """The name is written by then, by somebody else."""
    before = store.store.erasures.begun
    store.write(EraseUser("bob"))
    store.tell("bob", "a")
    store.publish(broadcast())
    assert store.changed(MaterializeBroadcasts(("bob",), before)) == 1


def test_an_erasure_and_what_was_read_before_it_in_one_transaction(store: Harness) -> None:
    """The order of the commands decides; another user's erasure is no reason to wait."""
    store.tell("bob", "a")
    store.publish(broadcast())
    before = store.store.erasures.begun
    store.write(
        MaterializeBroadcasts(("bob",), before),
        EraseUser("bob"),
        MaterializeBroadcasts(("bob", "dora"), before),
    )
    assert lacking(store, "bob", "dora") == ["bob"]
