"""``tidings.ports.Personal``: what a user wants, where they are reached, and the facts about one event."""

import msgspec
import pytest

from tests.harness import Harness
from tidings.endpoint_commands import (
    AddEndpoint,
    ConfirmEndpoint,
    RemoveEndpoint,
    ReserveConfirmation,
    RotateSecret,
    Unsubscribe,
)
from tidings.model import (
    EVERYONE,
    EraseUser,
    Follow,
    MaterializeBroadcasts,
    RecordDeliveryResults,
    Retract,
    SetBlock,
    SetMute,
    SetNotificationType,
    SetPreferences,
)
from tidings.notification_facts import RecipientFacts
from tidings.personal_data import DeliveryResult, Endpoint, Preferences, QuietHours
from tidings.rules import Rule
from tidings.testing import START_MS, event

WISHES = Preferences(
    {"*": {"email": False}, "comment": {"email": True, "in_app": False}},
    QuietHours("Europe/Berlin", "22:00", "07:00", (1, 2, 3)),
    "de",
    3_600,
)


def told(store: Harness, user: str, event_id: str) -> RecipientFacts:
    found = store.run(store.store.explain_facts(user, event_id))
    assert found is not None
    return found


def endpoints(store: Harness, user: str) -> list[Endpoint]:
    return store.run(store.store.endpoints(user))


# --- preferences --------------------------------------------------------------------------------------------


def test_preferences_are_kept_whole(store: Harness) -> None:
    """The last ones replace all; who never said any has the defaults."""
    assert store.run(store.store.preferences("bob")) == Preferences()
    store.write(SetPreferences("bob", WISHES))
    assert store.run(store.store.preferences("bob")) == WISHES
    assert store.run(store.store.preferences("cy")) == Preferences()
    store.write(SetPreferences("bob", Preferences(locale="fr")))
    assert store.run(store.store.preferences("bob")) == Preferences(locale="fr")


def test_muted_topics_are_told_by_name(store: Harness) -> None:
    """Blocked people are not among them, nor what was unmuted."""
    store.write(*(SetMute("bob", topic) for topic in ("market:9", "category:x", "user:cy")))
    store.write(SetBlock("bob", "user:dora"), SetMute("bob", "market:9", on=False))
    assert store.run(store.store.muted("bob")) == ["category:x", "user:cy"]
    assert store.run(store.store.muted("nobody")) == []


def test_mutes_and_blocks_are_listed_in_parts(store: Harness) -> None:
    """The first so many after a name, which need not be among them. A block is listed for the user who made it alone."""
    store.write(*(SetMute("bob", topic) for topic in ("market:9", "category:x", "user:cy")))
    store.write(*(SetBlock("bob", f"user:{other}") for other in ("zoe", "al", "dora", "al:1")))
    store.write(SetBlock("bob", "user:zoe", on=False))

    def muted(limit: int | None, after: str | None = None) -> list[str]:
        return store.run(store.store.muted("bob", limit, after))

    def blocked(user: str, limit: int, after: str | None = None) -> list[str]:
        return store.run(store.store.blocked(user, limit, after))

    assert muted(2) == ["category:x", "market:9"]
    assert muted(2, "market:9") == ["user:cy"]
    assert muted(None, "d") == ["market:9", "user:cy"]
    assert blocked("bob", 2) == ["al", "al:1"]
    assert blocked("bob", 2, "al:1") == ["dora"]
    assert blocked("bob", 2, "b") == ["dora"]
    assert blocked("dora", 9) == blocked("nobody", 9) == []


def test_preferences_replace_the_mutes_of_then(store: Harness) -> None:
    """The fault: whoever replaced both told what differed from mutes read before, and two at once left a mixture."""
    store.write(SetMute("bob", "market:1"), SetBlock("bob", "user:dora"))
    one = SetPreferences("bob", Preferences(locale="de"), ("market:2", "user:cy"))
    other = SetPreferences("bob", Preferences(locale="fr"), ("market:3", "market:2"))
    store.write(one, other)
    assert store.run(store.store.muted("bob")) == ["market:2", "market:3"]
    store.write(SetPreferences("bob", Preferences()))
    assert store.run(store.store.muted("bob")) == ["market:2", "market:3"]
    store.write(SetPreferences("bob", Preferences(), ()))
    assert store.run(store.store.muted("bob")) == []


def test_a_change_computed_from_other_preferences_changes_nothing(store: Harness) -> None:
    """The fault: a change that was merged before an unsubscription and written after it took the unsubscription back."""
    store.write(AddEndpoint(Endpoint("e1", "bob", "email", "bob@mail.test")), SetPreferences("bob", WISHES))
    store.write(Unsubscribe("e1", "like"))
    refused = WISHES.without("email", "like")
    assert store.changed(SetPreferences("bob", Preferences(locale="fr"), ("market:1",), only=WISHES)) == 0
    assert (store.run(store.store.preferences("bob")), store.run(store.store.muted("bob"))) == (refused, [])
    assert store.changed(SetPreferences("bob", Preferences(locale="fr"), ("market:1",), only=refused)) == 1
    assert store.run(store.store.preferences("bob")) == Preferences(locale="fr")
    assert store.changed(SetPreferences("new", Preferences(locale="fr"), only=Preferences())) == 1


# --- endpoints ----------------------------------------------------------------------------------------------


def test_endpoints_are_listed_oldest_first(store: Harness) -> None:
    """Each user's own."""
    phone = Endpoint("e2", "bob", "web_push", "https://push.test/1", "secret", START_MS + 1)
    mail = Endpoint("e1", "bob", "email", "bob@mail.test", created_at=START_MS + 2)
    store.write(AddEndpoint(mail), AddEndpoint(phone))
    store.write(AddEndpoint(Endpoint("e3", "cy", "email", "bob@mail.test", created_at=START_MS)))
    assert endpoints(store, "bob") == [phone, mail]
    assert [found.id for found in endpoints(store, "cy")] == ["e3"]
    assert endpoints(store, "nobody") == []


def test_the_same_place_is_registered_once(store: Harness) -> None:
    """It gets the new keys, and keeps its id and its times; another channel or address is another endpoint."""
    old = Endpoint("e1", "bob", "web_push", "https://push.test/", "old", START_MS, START_MS + 1)
    new = Endpoint("e2", "bob", "web_push", "https://push.test/", "new", START_MS + 5)
    store.write(AddEndpoint(old))
    store.write(AddEndpoint(new))
    assert endpoints(store, "bob") == [msgspec.structs.replace(old, secret="new", revision=1)]
    store.write(AddEndpoint(Endpoint("e3", "bob", "apprise", "https://push.test/", created_at=START_MS + 6)))
    store.write(
        AddEndpoint(Endpoint("e4", "bob", "web_push", "https://push.test/2", created_at=START_MS + 7))
    )
    assert [found.id for found in endpoints(store, "bob")] == ["e1", "e3", "e4"]


def test_an_endpoint_is_confirmed_for_good(store: Harness) -> None:
    """By its id, twice without harm; who registers it again, without being vouched for, does not take that back."""
    asked = Endpoint("e1", "bob", "email", "bob@mail.test", created_at=START_MS, confirmed=False)
    store.write(AddEndpoint(asked))
    assert endpoints(store, "bob") == [asked]
    assert store.changed(ConfirmEndpoint("e2")) == 0
    assert [store.changed(ConfirmEndpoint("e1")) for _ in range(2)] == [1, 1]
    store.write(AddEndpoint(asked))
    assert [found.confirmed for found in endpoints(store, "bob")] == [True]


def test_the_user_of_an_endpoint_refuses_a_type_or_all_on_its_channel(store: Harness) -> None:
    """By its id; the rest of the preferences stays. What is refused in the inbox is refused there, too."""
    before = Preferences({"like": {"email": True, "in_app": True}}, locale="de", digest_s=60)
    store.write(AddEndpoint(Endpoint("e1", "bob", "email", "bob@mail.test")), SetPreferences("bob", before))
    assert store.changed(Unsubscribe("e2", "like")) == 0
    assert [store.changed(Unsubscribe("e1", "like")) for _ in range(2)] == [1, 1]
    like = {"email": False, "in_app": True}
    expected = msgspec.structs.replace(before, types={"like": like})
    assert store.run(store.store.preferences("bob")) == expected
    assert store.changed(Unsubscribe("e1", "")) == 1
    expected = msgspec.structs.replace(before, types={"like": like, "*": {"email": False}})
    assert store.run(store.store.preferences("bob")) == expected


def test_the_application_vouches_for_an_address_that_waits(store: Harness) -> None:
    """One that is registered again as confirmed is."""
    asked = Endpoint("e1", "bob", "email", "bob@mail.test", created_at=START_MS, confirmed=False)
    store.write(AddEndpoint(asked))
    store.write(AddEndpoint(msgspec.structs.replace(asked, confirmed=True)))
    assert [found.confirmed for found in endpoints(store, "bob")] == [True]


def test_an_endpoint_of_the_application_stays_vouched(store: Harness) -> None:
    """A user who registers its address again does not take that back."""
    asked = Endpoint("e1", "bob", "webhook", "https://bob.test/hook", "secret", START_MS)
    for vouched, stored in ((False, False), (True, True), (False, True)):
        store.write(AddEndpoint(msgspec.structs.replace(asked, vouched=vouched)))
        assert [found.vouched for found in endpoints(store, "bob")] == [stored]


def test_confirmation_mails_are_counted_by_user_and_by_address(store: Harness) -> None:
    """For a window; one that is refused does not count, and an erasure ends no count."""

    def reserve(user: str, address: bytes) -> int:
        return store.changed(ReserveConfirmation(user, user.encode(), address, 2, 3, window_ms=10))

    assert [reserve("bob", b"a") for _ in range(3)] == [1, 1, 0]
    assert [reserve("cy", b"a") for _ in range(2)] == [1, 0]
    assert [reserve("cy", b"b") for _ in range(2)] == [1, 0]
    store.write(EraseUser("bob"))
    assert [reserve("bob", b"c"), reserve("dora", b"a"), reserve("dora", b"b")] == [0, 0, 1]
    store.clock.advance(9)
    assert reserve("bob", b"c") == 0
    store.clock.advance(1)
    assert [reserve("bob", b"a") for _ in range(3)] == [1, 1, 0]


def test_a_webhook_gets_another_secret(store: Harness) -> None:
    """By its user alone, and nothing else of it changes; no other channel has one to rotate."""
    hook = Endpoint("e1", "bob", "webhook", "https://bob.test/hook", "old", failures=3)
    keys = Endpoint("e2", "bob", "web_push", "https://push.test/1", "keys")
    store.write(AddEndpoint(hook), AddEndpoint(keys))
    rotated = [
        RotateSecret(*who, "new") for who in (("cy", "e1"), ("bob", "e3"), ("bob", "e2"), ("bob", "e1"))
    ]
    assert [store.changed(command) for command in rotated] == [0, 0, 0, 1]
    assert endpoints(store, "bob") == [msgspec.structs.replace(hook, secret="new", revision=1), keys]


def test_a_rotation_keeps_the_secret_before_it_until_a_time(store: Harness) -> None:
    """The fault: receivers refused deliveries between a rotation and their own change to the new secret. Two secrets are
    kept at most, and none beside the new one after a rotation without a time."""
    hook = Endpoint("e1", "bob", "webhook", "https://bob.test/hook", "first")
    store.write(AddEndpoint(hook), SetNotificationType("ping", Rule(channels=("webhook",))))
    store.publish(event("alice", "ping", targets=("bob",)))
    for rotation, kept in (
        (RotateSecret("bob", "e1", "second", START_MS + 9), ("second", "first", START_MS + 9)),
        (RotateSecret("bob", "e1", "third", START_MS + 5), ("third", "second", START_MS + 5)),
        (AddEndpoint(hook), ("third", "second", START_MS + 5)),
        (RotateSecret("bob", "e1", "fourth"), ("fourth", "", 0)),
    ):
        store.write(rotation)
        (found,) = endpoints(store, "bob")
        (due,) = store.run(store.store.deliveries(store.clock.ms, 9))
        assert (found.secret, found.previous_secret, found.previous_until) == kept
        assert due.endpoint == found


def test_a_registration_does_not_undo_what_came_before_it(store: Harness) -> None:
    """The fault: a registration wrote the secret that it had read, and so overwrote one that was rotated meanwhile; the
    time of the last delivery as well. A webhook that is registered again keeps what the store has."""
    read = Endpoint("e1", "bob", "webhook", "https://bob.test/hook", "old", START_MS)
    store.write(AddEndpoint(read), SetNotificationType("ping", Rule(channels=("webhook",))))
    store.publish(event("alice", "ping", targets=("bob",)))
    (due,) = store.run(store.store.deliveries(store.clock.ms, 9))
    store.write(
        RotateSecret("bob", "e1", "new"),
        RecordDeliveryResults((DeliveryResult(due.id, "sent", START_MS + 7),)),
        AddEndpoint(read),
    )
    assert endpoints(store, "bob") == [
        msgspec.structs.replace(read, secret="new", revision=2, sent_at=START_MS + 7)
    ]


def test_an_endpoint_is_removed_by_its_owner(store: Harness) -> None:
    """Not by another user, and not twice."""
    store.write(AddEndpoint(Endpoint("e1", "bob", "email", "bob@mail.test")))
    assert store.changed(RemoveEndpoint("cy", "e1")) == 0
    assert len(endpoints(store, "bob")) == 1
    assert [store.changed(RemoveEndpoint("bob", "e1")) for _ in range(2)] == [1, 0]
    assert endpoints(store, "bob") == []


# --- why ----------------------------------------------------------------------------------------------------


def test_what_is_known_of_a_target(store: Harness) -> None:
    """The event itself, and the notification that holds it."""
    first, second = store.publish(*(event("alice", targets=("bob",)) for _ in range(2)))
    (row,) = store.rows("bob")
    for event_id in (first, second):
        found = told(store, "bob", event_id)
        assert found.entry == store.run(store.store.event(event_id))
        assert found[1:8] == (True, False, "", row.id, False, (), False)
    assert told(store, "cy", first)[1:8] == (False, False, "", "", False, (), False)


def test_where_a_delivery_of_an_event_waits_is_known(store: Harness) -> None:
    """Until it was sent or given up; of the notification that holds the event, and of no other."""
    hook = Endpoint("e1", "bob", "webhook", "https://bob.test/hook", "secret")
    mail = Endpoint("e2", "bob", "email", "bob@mail.test")
    store.write(SetNotificationType("ping", Rule(channels=("webhook", "email"))))
    store.write(AddEndpoint(hook), AddEndpoint(mail))
    ids = store.publish(*(event("alice", "ping", obj, targets=("bob",)) for obj in ("item:1", "item:2")))
    assert [told(store, "bob", id).waiting for id in ids] == [("e1", "e2")] * 2
    assert told(store, "cy", ids[0]).waiting == ()
    for state in ("sent", "dead"):
        due = store.run(store.store.deliveries(store.clock.ms, 9))
        of_first = [each for each in due if each.row is not None and each.row.event_ids == (ids[0],)]
        store.write(RecordDeliveryResults((DeliveryResult(of_first[0].id, state),)))
        assert told(store, "bob", ids[0]).waiting == tuple(each.endpoint.id for each in of_first[1:])
    assert told(store, "bob", ids[1]).waiting == ("e1", "e2")


def test_a_notification_is_muted_by_its_newest_event(store: Harness) -> None:
    """As it is for its deliveries, whichever of its events is asked about; a block mutes nothing."""
    ids = store.publish(*(event(actor, targets=("bob",)) for actor in ("alice", "cy")))
    for mask, muted in (
        (SetMute("bob", "user:alice"), False),
        (SetMute("bob", "user:cy"), True),
        (SetMute("bob", "user:cy", on=False), False),
        (SetMute("bob", "item:1"), True),
    ):
        store.write(mask)
        assert [told(store, "bob", id).muted for id in ids] == [muted] * 2
    assert not told(store, "dora", ids[0]).muted, "without a notification"


def test_what_is_known_of_a_follower(store: Harness) -> None:
    """Of the object, since before the event; other topics play no part."""
    store.write(Follow("bob", "bridge:1"), Follow("cy", "user:alice"))
    (event_id,) = store.publish(event("alice", "bridge", "bridge:1"))
    store.write(Follow("dora", "bridge:1"))
    assert [told(store, user, event_id).follower for user in ("bob", "cy", "dora")] == [True, False, False]
    assert [bool(told(store, user, event_id).notification) for user in ("bob", "cy")] == [True, False]


@pytest.mark.parametrize(
    ("mask", "by"),
    [
        (SetMute("bob", "item:1"), "item:1"),
        (SetMute("bob", "category:x"), "category:x"),
        (SetBlock("bob", "user:alice"), "user:alice"),
        (SetBlock("alice", "user:bob"), "user:bob"),
    ],
)
def test_what_masks_an_event_is_named(store: Harness, mask: SetMute | SetBlock, by: str) -> None:
    """The muted topic, or the topic of the person who is blocked."""
    store.write(mask)
    (event_id,) = store.publish(event("alice", topics=("category:x",), targets=("bob",)))
    assert told(store, "bob", event_id)[1:8] == (True, False, by, "", False, (), False)
    store.write(msgspec.structs.replace(mask, on=False))
    assert told(store, "bob", event_id).masked_by == ""


def test_what_is_known_of_a_broadcast(store: Harness) -> None:
    """That it is one, who is among its audience, and its notification once it was taken up."""
    sent = event("alice", "announce", "town:1")
    store.write(Follow("bob", "city:1"))
    for audience in (EVERYONE, "city:1"):
        store.publish(msgspec.structs.replace(sent, audience=audience, expires_at=START_MS + 1))
    everyone, city = (store.store.ids.text(entry.key) for entry in store.run(store.store.tail(0, 9)))
    assert told(store, "bob", everyone)[1:8] == (False, True, "", "", True, (), False)
    assert told(store, "bob", city)[1:8] == (False, True, "", "", True, (), False)
    assert [told(store, "cy", event_id).follower for event_id in (everyone, city)] == [True, False]
    store.write(MaterializeBroadcasts(("bob",)))
    found = {told(store, "bob", event_id).notification for event_id in (everyone, city)}
    assert found == {row.id for row in store.rows("bob")}


def test_nothing_is_known_without_an_event(store: Harness) -> None:
    """One that never was, or was retracted."""
    (event_id,) = store.publish(event("alice", targets=("bob",)))
    store.write(Retract(event_id))
    assert store.run(store.store.explain_facts("bob", event_id)) is None
    assert store.run(store.store.explain_facts("bob", "nonsense")) is None
