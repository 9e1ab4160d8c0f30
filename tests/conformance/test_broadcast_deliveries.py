"""The deliveries of broadcasts: ``tidings.ports.DeliveryQueue``."""

import msgspec
import pytest

from tests.harness import Harness, singles
from tidings.endpoint_commands import AddEndpoint, ConfirmEndpoint
from tidings.model import (
    EVERYONE,
    EraseUser,
    Follow,
    MaterializeBroadcasts,
    NewEvent,
    Publish,
    SetBlock,
    SetMute,
    SetNotificationType,
    SetPreferences,
    Unfollow,
)
from tidings.notify_mode import NotifyMode
from tidings.personal_data import Endpoint, Preferences
from tidings.rules import Rule
from tidings.testing import START_MS, event
from tidings.user_merges import MergeUsers

LATER = START_MS + 3_600_000
NEVER = START_MS * 2
OUT = Rule(channels=("email", "webhook"))
SILENT = Preferences(types={"*": {"in_app": False}})


def broadcast(audience: str = EVERYONE, verb: str = "news", actor: str = "alice") -> NewEvent:
    return msgspec.structs.replace(event(actor, verb, "town:1"), audience=audience, expires_at=LATER)


def reached(store: Harness, *users: str, channel: str = "email", confirmed: bool = True) -> None:
    """Let broadcasts of the type "news" go out by e-mail and webhook, and these users have an endpoint."""
    store.write(SetNotificationType("news", OUT))
    made = (
        Endpoint(f"{user}-{channel}", user, channel, f"{user}@mail.test", "s", START_MS, confirmed=confirmed)
        for user in users
    )
    store.write(*(AddEndpoint(endpoint) for endpoint in made))


def delivered(store: Harness) -> list[str]:
    """The endpoints with a queued delivery."""
    return sorted(one.endpoint.id for one in store.run(store.store.deliveries(NEVER, 999)))


@pytest.mark.need("NO9")
def test_a_broadcast_is_delivered_without_a_request_of_its_user(store: Harness) -> None:
    """Users with an endpoint have it as an item at once, all others at their next request."""
    store.tell("cy", "a")
    reached(store, "bob")
    reached(store, "bob", channel="webhook")
    (event_id,) = store.publish(broadcast())
    assert delivered(store) == ["bob-email", "bob-webhook"]
    assert store.counts("bob") == singles(1, 1)
    assert store.rows("bob")[0].event_ids == (event_id,)
    assert store.counts("cy") == singles(1, 1)._replace(lacking=True)
    store.write(MaterializeBroadcasts(("bob", "cy")))
    assert delivered(store) == ["bob-email", "bob-webhook"]
    assert store.counts("cy") == singles(2, 2)


def test_an_audience_of_many_is_delivered_in_steps(store: Harness) -> None:
    """However many have an endpoint, each of them once, and none of those who have none."""
    users = [f"u{n:02}" for n in range(40)]
    reached(store, *users[::2])
    for user in users:
        store.tell(user, "a")
    store.publish(broadcast(), broadcast())
    assert delivered(store) == sorted([f"{user}-email" for user in users[::2]] * 2)
    assert [store.counts(user).lacking for user in users] == [False, True] * 20


@pytest.mark.parametrize("follows", [False, True])
def test_a_merge_of_users_under_way_loses_no_delivery(store: Harness, follows: bool) -> None:
    """The fault: the endpoint of a source that follows nothing became that of a user who already had the broadcast."""
    users = [f"u{n:02}" for n in range(40)]
    reached(store, *users)
    if follows:
        store.write(*(Follow(user, "club:1") for user in users))
    merges = [MergeUsers(user, f"account-{user}") for user in users]
    store.run(store.store.write([Publish((broadcast(),)), *merges]))
    store.settle()
    assert delivered(store) == [f"{user}-email" for user in users]
    assert [store.counts(one.into).unread_count for one in merges] == [1] * 40
    store.write(*(MaterializeBroadcasts((one.user, one.into)) for one in merges))
    assert delivered(store) == [f"{user}-email" for user in users]


@pytest.mark.parametrize("reachable", [2, 20], ids=["few endpoints", "few followers"])
def test_one_to_a_topic_is_delivered_to_its_followers(store: Harness, reachable: int) -> None:
    """Of those with an endpoint, the followers since before it, whichever of both are fewer."""
    users = [f"u{n:02}" for n in range(22)]
    followers = users[-reachable:] if reachable == 2 else users
    for user in followers:
        store.write(Follow(user, "city:1"))
    with_endpoint = users if reachable == 2 else users[-2:]
    reached(store, *with_endpoint)
    store.write(Unfollow(users[-1], "city:1"))
    store.publish(broadcast("city:1"))
    assert delivered(store) == [f"{users[-2]}-email"]
    store.write(Follow(users[-1], "city:1"))
    assert delivered(store) == [f"{users[-2]}-email"]


def test_pending_ones_come_with_it(store: Harness) -> None:
    """In their order: a user who never made a request has those from before too, as with the next request."""
    silent = [broadcast(verb="hush") for _ in range(9)]
    earlier = store.publish(*silent)
    reached(store, "bob", "cy")
    (event_id,) = store.publish(broadcast())
    assert [row.event_ids[0] for row in store.rows("bob")] == [event_id, *reversed(earlier)]
    assert store.counts("cy") == singles(10, 10)
    assert delivered(store) == ["bob-email", "cy-email"]


@pytest.mark.parametrize(
    "given",
    [
        [SetMute("bob", "town:1")],
        [SetBlock("bob", "user:alice")],
        [SetBlock("alice", "user:bob")],
        [SetPreferences("bob", SILENT)],
        [EraseUser("bob")],
    ],
)
def test_who_does_not_have_it_gets_no_delivery(store: Harness, given: list[SetMute]) -> None:
    """A mute, a block of either, a preference, an erasure. Nor does its actor."""
    reached(store, "bob", "alice", "cy")
    store.write(*given)
    store.publish(broadcast())
    assert delivered(store) == ["cy-email"]


def test_an_endpoint_that_is_not_usable_is_left_out(store: Harness) -> None:
    """Not confirmed, or on another channel: its user has the broadcast at the next request, and then as any item."""
    reached(store, "bob", confirmed=False)
    reached(store, "cy", channel="web_push")
    store.publish(broadcast())
    assert (delivered(store), store.counts("bob").lacking, store.counts("cy").lacking) == ([], True, True)
    store.write(ConfirmEndpoint("bob-email"), MaterializeBroadcasts(("bob",)))
    assert delivered(store) == ["bob-email"]


def test_a_type_without_channels_and_an_old_event_are_not_delivered(store: Harness) -> None:
    """They wait for the next request of each user."""
    reached(store, "bob")
    store.publish(broadcast(verb="hush"), msgspec.structs.replace(broadcast(), notify=NotifyMode.READ))
    assert (delivered(store), store.counts("bob").lacking) == ([], True)
