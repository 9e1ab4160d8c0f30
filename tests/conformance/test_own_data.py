"""What a person may ask for: ``tidings.ports.Upkeep.export``, and erasure."""

import re
from typing import Any

import msgspec

from tests.checkers.adapters import ALL
from tests.harness import Harness, singles
from tidings.endpoint_commands import AddEndpoint
from tidings.filters import FeedFilter, only
from tidings.inbox_commands import MarkAllNotificationsRead, NotificationState, SetNotificationState
from tidings.model import (
    EraseUser,
    Follow,
    MarkFeedRead,
    MarkFeedUnread,
    RecordDeliveryResults,
    Retract,
    SetBlock,
    SetMute,
    SetNotificationType,
    SetPreferences,
    SetReminder,
    UndoMarkFeedRead,
    Unfollow,
)
from tidings.personal_data import DeliveryResult, Endpoint, Preferences, Reminder
from tidings.rules import Rule
from tidings.testing import event
from tidings.timeutil import rfc3339

FOLLOWERS = tuple(f"f{n}" for n in range(130))
"""More than any store reaches in passing: their fan-out is owed where the settings say so."""
ALIAS = re.compile(r"erased-[0-9a-f]{8}")


def of_kind(records: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [record for record in records if record["kind"] == kind]


# --- export -------------------------------------------------------------------------------------------------


def test_an_export_names_a_mute_and_a_block_of_one_topic(store: Harness) -> None:
    """Taking back one leaves the other, so both are records."""
    store.write(SetMute("bob", "user:cy"), SetBlock("bob", "user:cy"))
    masks = of_kind(store.export("bob"), "mask")
    assert [(mask["topic"], mask["block"]) for mask in masks] == [("user:cy", False), ("user:cy", True)]


def test_an_export_has_all_that_is_kept_about_a_person(store: Harness) -> None:
    """Acts, follows, masks, notifications and what was read, each with its kind."""
    store.write(Follow("bob", "user:alice"), SetMute("bob", "a:1"), SetBlock("bob", "user:cy"))
    first, own = store.publish(event("alice", targets=("bob",)), event("bob", name="Bob B."))
    store.write(MarkFeedRead("bob", (first,)))
    records = store.export("bob")
    assert {record["kind"] for record in records} == {
        "profile",
        "display_name",
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


def test_an_export_says_what_was_read_seen_and_archived(store: Harness) -> None:
    """The fault: it listed notifications without a word of what their owner had said of them. Read by hand, by a read-all,
    archived, retracted; the read-alls as well."""
    (gone,) = store.publish(event("alice", "alone", targets=("bob",)))
    ids = store.tell("bob", "a", "b", "c", "d")[:-1]
    store.clock.advance(1_000)
    store.write(
        MarkAllNotificationsRead("bob", up_to=2),
        SetNotificationState("bob", (ids[0],), NotificationState.READ),
        SetNotificationState("bob", (ids[1],), NotificationState.ARCHIVED),
        Retract(gone),
    )
    at = rfc3339(store.clock.ms)
    told = {one["id"]: one for one in of_kind(store.export("bob"), "notification")}
    said = [tuple(told[id][name] for name in ("seen_at", "read_at", "archived_at", "deleted")) for id in ids]
    assert said == [
        (at, at, None, False),
        (None, None, at, False),
        (None, None, None, False),
        (at, at, None, False),
    ]
    assert [told[id]["type"] for id in ids] == ["d", "c", "b", "a"]
    assert [one["event"] for one in told.values() if one["deleted"]] == [None]
    (marked,) = of_kind(store.export("bob"), "read_all")
    assert marked == {"kind": "read_all", "seq": 6, "up_to": 2, "type": None, "read_at": at}


def test_an_export_has_the_time_of_a_read_all_that_read_an_item_again(store: Harness) -> None:
    """Of one that was marked unread before, and none once that read-all is undone."""
    (id,) = store.publish(event("alice", targets=("bob",)))
    store.write(MarkFeedRead("bob"))
    store.write(MarkFeedUnread("bob", (id,)))
    store.publish(event("alice", targets=("bob",)))
    store.write(MarkFeedRead("bob"))
    made = store.run(store.store.head()).position

    def times() -> list[object]:
        records = of_kind(store.export("bob"), "feed_read")
        return [record["read_at"] for record in records if record.get("event_id") == id]

    assert times() == [rfc3339(store.clock.ms)]
    store.write(UndoMarkFeedRead("bob", made))
    assert times() == [None]


def test_an_export_goes_on_while_a_retraction_is_carried_out(store: Harness) -> None:
    """The fault: a notification whose event was on its way out made the whole export fail."""
    store.write(
        *(Follow(f"u{n}", "item:1") for n in range(9)), SetNotificationType("post", Rule(notify="followers"))
    )
    (event_id,) = store.publish(event("alice", "post", "item:1"))
    store.run(store.store.write([Retract(event_id)]))
    assert of_kind(store.export("u8"), "profile")


def test_an_export_has_what_waits_for_its_endpoints(store: Harness) -> None:
    """And what was given up there; of endpoints all but their secrets, of reminders what they will say."""
    reached(store)
    records = store.export("bob")
    waiting = of_kind(records, "delivery")
    notifications = {one["id"] for one in of_kind(records, "notification")}
    assert {one["notification_id"] for one in waiting} <= notifications
    assert sorted(one["given_up"] for one in waiting)[-1]
    (endpoint,) = of_kind(records, "endpoint")
    assert {one["endpoint_id"] for one in waiting} == {endpoint["id"]}
    reminder = next(one for one in of_kind(records, "reminder") if one["key"] == "shared")
    assert (reminder["event"]["metadata"], "cy" in str(reminder)) == ({"n": 1.5}, False)


def test_an_export_says_which_follow_has_ended(store: Harness) -> None:
    """One that keeps its history is still there."""
    store.write(Follow("bob", "a:1"), Follow("bob", "b:1"))
    store.publish(event("alice"))
    store.write(Unfollow("bob", "a:1", keep=True))
    ended = {one["topic"]: one["until_position"] for one in of_kind(store.export("bob"), "follow")}
    assert ended == {"a:1": 1, "b:1": None}


def test_a_follow_that_is_made_again_before_any_event_goes_on(store: Harness) -> None:
    """It ended with its history kept, and covers nothing of its own: the export has one follow, and the feed all of it."""
    store.publish(event("alice", "post", "a:1"))
    store.write(Follow("bob", "a:1", backfill=1), Unfollow("bob", "a:1", keep=True), Follow("bob", "a:1"))
    ended = [one["until_position"] for one in of_kind(store.export("bob"), "follow")]
    assert (ended, len(store.feed("bob"))) == ([None], 1)


def test_an_export_has_nothing_of_others(store: Harness) -> None:
    """I9: another's follows, masks and events that do not concern the person are not in it."""
    store.write(Follow("cy", "user:marker"), SetMute("cy", "marker:1"))
    store.publish(event("marker", targets=("cy",)), event("bob"))
    assert b"marker" not in msgspec.json.encode(store.export("bob"))


# --- erasure ------------------------------------------------------------------------------------------------


def test_erasing_deletes_what_was_the_persons_own(store: Harness) -> None:
    """Inbox, feed, follows and masks are gone; who returns under the name begins anew."""
    store.write(Follow("bob", "user:alice"), SetMute("bob", "user:cy"))
    store.publish(event("alice", targets=("bob",)), event("cy", targets=("bob",)))
    store.write(MarkFeedRead("bob"))
    assert store.changed(EraseUser("bob")) == 1
    assert store.counts("bob") == singles(0, 2)
    assert store.run(store.store.inbox("bob", 10, None)).rows == []
    assert store.feed("bob") == []
    assert store.run(store.store.follows("bob", 10, None)) == []
    (event_id,) = store.publish(event("cy", targets=("bob",)))
    assert store.feed("bob", FeedFilter(read=False)) == [event_id]
    assert store.counts("bob") == singles(1, 3)


def test_a_notification_of_an_erased_person_is_nobodys(store: Harness) -> None:
    """Its id is never given again, not to one who returns under the name either."""
    store.publish(event("alice", targets=("bob",)))
    before = store.run(store.store.inbox("bob", 10, None)).rows[0].id
    store.write(EraseUser("bob"))
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
    store.write(EraseUser("bobby"))
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
    store.write(SetMute("bob", "user:cy"), Follow("bob", "item:1"))
    store.publish(*(event(actor, targets=("bob", "dora")) for actor in ("alice", "bob", "cy")))
    store.write(EraseUser("bob"))
    assert [entry.targets for entry in store.run(store.store.tail(0, ALL))] == [("dora",)] * 3


def test_an_erased_person_is_found_nowhere(store: Harness) -> None:
    """Neither as actor, nor as topic, nor by their followers or those who had muted them."""
    store.write(Follow("alice", "user:bob"), SetMute("cy", "user:bob"), Follow("bob", "user:alice"))
    store.publish(event("bob", targets=("alice",)), event("alice", targets=("bob",)))
    store.write(EraseUser("bob"))
    assert store.activity("user:bob") == []
    assert store.activity(None, FeedFilter(actor_id=only("bob"))) == []
    assert store.run(store.store.follows("alice", 10, None)) == []
    assert store.run(store.store.topic("user:bob")).followers == 0
    assert store.run(store.store.topic("user:alice")).followers == 0
    for user in ("alice", "cy"):
        assert b"bob" not in msgspec.json.encode(store.export(user))
    assert [record["kind"] for record in store.export("bob") if record["kind"] != "profile"] == []


def test_feeds_keep_what_an_erased_person_did(store: Harness) -> None:
    """For those told directly it stays; their followers have lost the follow."""
    store.write(*(Follow(user, "user:bob") for user in FOLLOWERS))
    (event_id,) = store.publish(event("bob", targets=("alice",)))
    store.write(EraseUser("bob"))
    assert store.feed("alice") == [event_id]
    assert [store.feed(user) for user in FOLLOWERS] == [[]] * len(FOLLOWERS)
    store.publish(event("bob"))
    assert store.feed("f0") == []


def test_a_block_outlives_the_erasure_of_the_blocked(store: Harness) -> None:
    """What an erased person did stays hidden from those who had blocked them."""
    store.write(SetBlock("alice", "user:bob"), Follow("alice", "item:1"))
    store.publish(event("bob"))
    store.write(EraseUser("bob"))
    assert store.feed("alice") == []


def test_erasing_nobody_changes_nothing(store: Harness) -> None:
    """A name that never came up is not erased."""
    store.publish(event("alice"))
    assert store.changed(EraseUser("nobody")) == 0


# --- what is personal ---------------------------------------------------------------------------------------


def reached(store: Harness) -> None:
    """bob has preferences, an endpoint with a delivery waiting and one given up, a broadcast, a read-all, a reminder of his
    own and a share in another."""
    mail = Endpoint("e1", "bob", "email", "bob@mail.test", "secret-marker", store.clock.ms)
    store.write(SetNotificationType("ping", Rule(channels=("email",), group="none")), AddEndpoint(mail))
    store.write(SetPreferences("bob", Preferences(types={"comment": {"email": True}}, locale="de")))
    store.publish(*(event("alice", "ping", targets=("bob",)) for _ in range(2)))
    first, _ = store.run(store.store.deliveries(store.clock.ms, 9))
    store.write(RecordDeliveryResults((DeliveryResult(first.id, "dead"),)))
    own = b'{"actor_id":"clock","target_user_ids":["bob"],"metadata":{"n":1.50}}'
    shared = b'{"actor_id":"clock","target_user_ids":["cy","bob"],"metadata":{"n":1.50}}'
    store.write(
        SetReminder(Reminder("own", store.clock.ms + 1, own, ("bob",))),
        SetReminder(Reminder("shared", store.clock.ms + 2, shared, ("cy", "bob"))),
        SetReminder(
            Reminder("others", store.clock.ms + 3, b'{"actor_id":"clock","target_user_ids":["cy"]}', ("cy",))
        ),
        MarkAllNotificationsRead("bob"),
    )


def test_an_export_has_wishes_endpoints_and_reminders(store: Harness) -> None:
    """No secrets; of reminders those that name the person."""
    reached(store)
    records = store.export("bob")
    (record,) = of_kind(records, "preferences")
    assert record["preferences"]["locale"] == "de"
    (endpoint,) = of_kind(records, "endpoint")
    assert (endpoint["channel"], endpoint["address"]) == ("email", "bob@mail.test")
    assert {reminder["key"] for reminder in of_kind(records, "reminder")} == {"own", "shared"}
    assert b"secret-marker" not in msgspec.json.encode(records)
    kinds = {record["kind"] for record in store.export("cy")}
    assert kinds == {"profile", "reminder"}


def test_an_export_has_every_notification_of_a_group(store: Harness) -> None:
    """Each event that was told, not only the newest."""
    event_ids = store.publish(*(event(actor, targets=("bob",)) for actor in ("alice", "cy")))
    (told,) = of_kind(store.export("bob"), "notification")
    assert set(told["event_ids"]) == set(event_ids)


def test_erasing_deletes_what_is_personal(store: Harness) -> None:
    """Wishes, endpoints with what waits for them, marks; who returns under the name is reached no more."""
    reached(store)
    store.write(EraseUser("bob"))
    assert store.run(store.store.preferences("bob")) == Preferences()
    assert store.run(store.store.endpoints("bob")) == []
    assert store.run(store.store.deliveries(store.clock.ms, 9)) == []
    assert store.run(store.store.dead_letters(9)) == []
    assert store.counts("bob") == singles(0, 4)
    assert store.changes("bob", 4).marks == ()
    store.publish(event("alice", "ping", targets=("bob",)))
    assert store.counts("bob") == singles(1, 5)
    assert store.run(store.store.deliveries(store.clock.ms, 9)) == []


def test_erasing_takes_a_person_out_of_reminders(store: Harness) -> None:
    """One that tells nobody any more is gone; of another the rest stays, byte by byte."""
    reached(store)
    store.write(SetReminder(Reminder("city", store.clock.ms, b'{"actor_id":"clock"}', ("bob",), "city:1")))
    store.write(EraseUser("bob"))
    left = {found.key: found for found in store.run(store.store.reminders(None, 9))}
    assert set(left) == {"shared", "others", "city"}
    assert (left["shared"].users, left["city"].users) == (("cy",), ())
    sent = msgspec.json.decode(left["shared"].event)
    assert sent == {"actor_id": "clock", "target_user_ids": ["cy"], "metadata": {"n": 1.5}}
    assert b"1.50" in left["shared"].event
    assert of_kind(store.export("bob"), "reminder") == []


def test_erasing_takes_a_name_out_of_what_reminders_will_say(store: Harness) -> None:
    """As actor, object, topic, target or audience; the alias is the one of all their acts."""
    store.publish(event("bob", name="Bob"))
    told = (
        b'{"actor_id":"bob","actor_name":"Bob","object_type":"user","object_id":"bob","object_title":"Bob",'
    )
    told += b'"topics":["user:bob","city:1"],"target_user_ids":["cy"],"metadata":{"n":1.50}}'
    store.write(
        SetReminder(Reminder("told", store.clock.ms, told, ("cy",))),
        SetReminder(Reminder("fans", store.clock.ms, b'{"actor_id":"clock"}', (), "user:bob")),
    )
    assert len(of_kind(store.export("bob"), "reminder")) == 2
    store.write(EraseUser("bob"))
    (left,) = store.run(store.store.reminders(None, 9))
    (entry,) = store.run(store.store.tail(0, 9))
    assert b"bob" not in left.event.lower()
    said = msgspec.json.decode(left.event)
    alias = entry.actor_id
    assert (said["actor_id"], said["object_id"], said["topics"]) == (
        alias,
        alias,
        [f"user:{alias}", "city:1"],
    )
    assert b"1.50" in left.event


def test_a_reminder_that_is_set_anew_names_whom_it_tells_now(store: Harness) -> None:
    """And nobody whom only the one before it told."""

    def named(*users: str) -> list[str]:
        store.write(SetReminder(Reminder("k", store.clock.ms, b'{"actor_id":"clock"}', users)))
        return [user for user in ("bob", "cy", "dan") if of_kind(store.export(user), "reminder")]

    assert [named("bob", "cy"), named("cy", "dan"), named("cy", "dan")] == [
        ["bob", "cy"],
        *[["cy", "dan"]] * 2,
    ]


def test_an_export_has_every_reminder_that_names_the_person(store: Harness) -> None:
    """In parts, and without whom else it tells."""
    told = b'{"actor_id":"clock","target_user_ids":["bob","cy"],"metadata":{"n":1.50}}'
    store.write(*(SetReminder(Reminder(f"k{n}", store.clock.ms, told, ("bob", "cy"))) for n in range(120)))
    found = of_kind(store.export("bob"), "reminder")
    assert sorted(str(one["key"]) for one in found) == sorted(f"k{n}" for n in range(120))
    assert all("target_user_ids" not in one["event"] for one in found)


def test_erasing_somebody_known_from_a_reminder_alone(store: Harness) -> None:
    """It is a trace like any other."""
    store.write(SetReminder(Reminder("k", store.clock.ms, b'{"target_user_ids":["bob"]}', ("bob",))))
    assert [store.changed(EraseUser("bob")) for _ in range(2)] == [1, 0]
    assert store.run(store.store.next_due()) is None


def test_a_window_of_duplicates_does_not_outlive_the_person(store: Harness) -> None:
    """Who returns is told anew."""
    store.write(SetNotificationType("like", Rule(duplicate_window_s=60)))
    for seq in (1, 3):
        store.publish(event("alice", "like", targets=("bob",)))
        assert store.counts("bob") == singles(1, seq)
        store.write(EraseUser("bob"))


def test_groups_keep_the_acts_of_an_erased_person(store: Harness) -> None:
    """Under their random name they count as one actor still; who returns under the old one is another."""
    store.publish(*(event(actor, targets=("bob",), name=actor) for actor in ("zoe", "amy", "zoe")))
    store.write(EraseUser("zoe"))
    (row,) = store.rows("bob")
    assert (row.size, row.actor_count, row.seq) == (3, 2, 4)
    assert b"zoe" not in b"".join((row.body, *row.others))
    store.publish(event("zoe", targets=("bob",)))
    (row,) = store.rows("bob")
    assert (row.size, row.actor_count) == (4, 3)


def test_who_returns_under_an_erased_name_is_somebody_else(store: Harness) -> None:
    """No group by that actor, or about that person, is gone on with."""
    window = Rule(group="none", duplicate_window_s=60)
    store.write(SetNotificationType("wave", Rule(group_by="actor")), SetNotificationType("visit", window))

    def all_three() -> list[str]:
        return store.publish(
            event("zoe", "wave", targets=("bob",)),
            event("amy", "greet", "user:zoe", targets=("bob",)),
            event("amy", "visit", "user:zoe", targets=("bob",)),
        )

    all_three()
    store.write(EraseUser("zoe"))
    again = all_three()
    assert [row.event_ids for row in store.rows("bob")][:3] == [(event_id,) for event_id in reversed(again)]
    assert store.counts("bob") == singles(6, 9)
