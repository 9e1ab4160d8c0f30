"""Merges of users: ``tidings.ports.UserMerges``. The user ``anon`` signs in as ``bob``."""

from collections.abc import Iterable

import msgspec
import pytest

from tests.harness import Harness
from tidings.endpoint_commands import AddEndpoint
from tidings.filters import FeedFilter
from tidings.inbox_commands import (
    MarkAllNotificationsRead,
    NotificationState,
    SetNotificationState,
    SnoozeNotifications,
)
from tidings.model import (
    EVERYONE,
    CommandResult,
    EraseUser,
    Follow,
    InboxFilter,
    InboxRow,
    MarkFeedRead,
    MarkFeedUnread,
    MaterializeBroadcasts,
    Retract,
    SetBlock,
    SetMute,
    SetNotificationType,
    SetPreferences,
    SetReminder,
    Unfollow,
)
from tidings.personal_data import MAX_ENDPOINTS, Endpoint, Preferences, QuietHours, Reminder
from tidings.rules import Rule
from tidings.testing import START_MS, event
from tidings.timeutil import HOUR_MS
from tidings.user_merges import MergeCounts, MergeUsers, UserMerge

NIGHT, DAY = QuietHours("UTC", "22:00", "07:00"), QuietHours("UTC", "07:00", "22:00")
ARCHIVED, PINNED, READ = NotificationState.ARCHIVED, NotificationState.PINNED, NotificationState.READ
LATER = START_MS + HOUR_MS


def merged(store: Harness, user: str = "anon", into: str = "bob") -> UserMerge:
    """Merge two users, to the end."""
    id = store.changed(MergeUsers(user, into))
    found = store.run(store.store.user_merge(id))
    assert found is not None
    assert found[1:4] == (user, into, "done")
    for one in (user, into):
        store.check_inbox(one)
    return found


def notified(store: Harness, user: str, *things: str, verb: str = "ping") -> list[str]:
    """Notify a user of these things; returns the ids of the events."""
    return store.publish(*(event("alice", verb, f"thing:{one}", targets=(user,)) for one in things))


def shown(store: Harness, user: str, state: InboxFilter = "all") -> list[tuple[str, ...]]:
    """The events of each notification of a list, newest first."""
    rows = store.run(store.store.inbox(user, 100, None, state=state)).rows
    return [row.event_ids for row in rows]


def by_event(store: Harness, user: str) -> dict[str, InboxRow]:
    """The notifications of a user by their newest event."""
    rows = store.run(store.store.inbox(user, 100, None, state="all")).rows
    return {row.event_ids[0]: row for row in rows}


def followed(store: Harness, user: str) -> list[str]:
    return [row.topic for row in store.run(store.store.follows(user, 100, None))]


def test_a_visitor_who_signs_in_keeps_the_feed_and_the_inbox(store: Harness) -> None:
    """What the visitor followed, and was notified of, is the account's; the old id has nothing."""
    store.write(Follow("anon", "user:alice"), Follow("bob", "user:eve"))
    ids = store.publish(event("alice"), event("eve"), event("cy", "ping", "thing:1", targets=("anon",)))
    assert merged(store).counts == MergeCounts(follows=1, targeted=1, notifications=1)
    assert store.feed("bob") == ids[::-1]
    assert shown(store, "bob") == [(ids[2],)]
    assert (store.feed("anon"), shown(store, "anon"), followed(store, "anon")) == ([], [], [])
    news = store.publish(event("alice"), event("cy", "ping", "thing:2", targets=("anon",)))
    assert store.feed("bob") == [news[0], *ids[::-1]]
    assert store.feed("anon") == [news[1]], "who comes under the old id is another user"


def test_a_repetition_changes_nothing_and_answers_the_same(store: Harness) -> None:
    """A request whose response was lost is sent again."""
    store.write(Follow("anon", "user:alice"))
    notified(store, "anon", "a", "b")
    first = merged(store)
    before = store.counts("bob")
    assert merged(store) == first
    assert store.counts("bob") == before
    notified(store, "anon", "c")
    assert merged(store).counts.notifications == 3, "what came since is merged too"


def test_an_unknown_user_has_nothing_to_merge(store: Harness) -> None:
    """And neither of the two is made known. Nor has a user who is to be merged into themselves."""
    assert store.changed(MergeUsers("nobody", "bob")) == 0
    (own,) = notified(store, "bob", "own")
    assert store.changed(MergeUsers("bob", "bob")) == 0
    assert shown(store, "bob") == [(own,)]
    assert store.run(store.store.user_merge(0)) is None
    assert store.run(store.store.user_merge(7)) is None


# --- the inbox --------------------------------------------------------------------------------------------------


def test_notifications_keep_their_order_and_state(store: Harness) -> None:
    """Each arrives with the next seq of the inbox, above what is there, and as it was: seen, read, archived, snoozed or
    pinned."""
    own = notified(store, "bob", "own")
    store.write(MarkAllNotificationsRead("bob"))
    a, b, c, d, e = notified(store, "anon", *"abcde")
    ids = {one: row.id for one, row in by_event(store, "anon").items()}
    store.write(SetNotificationState("anon", (ids[a],), READ))
    store.write(SetNotificationState("anon", (ids[b],), ARCHIVED))
    store.write(SetNotificationState("anon", (ids[c],), PINNED))
    store.write(SnoozeNotifications("anon", (ids[d],), LATER))
    before = by_event(store, "anon")
    store.clock.advance(1)
    assert merged(store).counts.notifications == 5
    after = by_event(store, "bob")
    assert shown(store, "bob") == [(one,) for one in (e, d, c, b, a, *own)]
    for one in (a, b, c, d, e):
        assert after[one][6:10] == before[one][6:10]
        assert after[one][15:] == before[one][15:]
        assert (after[one].opened_at, after[one].type) == (before[one].opened_at, before[one].type)
    assert [after[one].seq for one in (a, b, c, d, e)] == list(range(3, 8))
    counts = store.counts("bob")
    assert (counts.unread_count, counts.unread_items, counts.unseen_count) == (2, 2, 2)
    assert shown(store, "bob", "snoozed") == [(d,)]
    assert [one.user for one in store.run(store.store.snoozed(LATER, 9))] == ["bob"]
    assert store.counts("anon").unread_count == store.counts("anon").unread_items == 0


def test_clients_continue_with_the_new_notifications_and_those_of_the_source_start_again(
    store: Harness,
) -> None:
    """The destination's get them as changes; the source's get a reset."""
    notified(store, "bob", "own")
    notified(store, "anon", "a", "b")
    seq, gone = store.counts("bob").seq, store.counts("anon").seq
    merged(store)
    changes = store.changes("bob", seq)
    assert (changes.reset, len(changes.rows)) == (False, 2)
    assert store.changes("anon", gone).reset
    assert store.changes("anon", 0).reset


def test_what_a_read_all_covers_stays_read_and_what_came_after_it_unread(store: Harness) -> None:
    """Read-alls of either inbox cover what they covered, and nothing else."""
    store.write(Follow("bob", "user:eve"))
    a, b = notified(store, "anon", "a", "b")
    store.write(MarkAllNotificationsRead("anon"))
    (c,) = notified(store, "anon", "c")
    notified(store, "bob", "own")
    merged(store)
    rows = by_event(store, "bob")
    assert [rows[one].read_at is None for one in (a, b, c)] == [False, False, True]
    store.write(MarkAllNotificationsRead("bob"))
    assert store.counts("bob").unread_count == 0


def test_a_group_moves_as_a_whole_and_is_closed(store: Harness) -> None:
    """Its items each take a seq; a new item opens another one, in either inbox."""
    ids = store.publish(*(event(actor, "like", "post:1", targets=("anon",)) for actor in ("x", "y", "z")))
    assert merged(store).counts.notifications == 1
    assert shown(store, "bob") == [tuple(ids[::-1])]
    (row,) = store.rows("bob")
    assert (row.size, row.actor_count, row.order) == (3, 3, 3)
    assert (store.counts("bob").unread_count, store.counts("bob").unread_items) == (1, 3)
    (more,) = store.publish(event("w", "like", "post:1", targets=("bob", "anon")))
    assert shown(store, "bob") == [(more,), tuple(ids[::-1])]
    assert shown(store, "anon") == [(more,)]
    store.publish(event("v", "like", "post:1", targets=("bob",)))
    assert [row.size for row in store.rows("bob")] == [2, 3], "what arrives groups with what arrived"
    store.write(Retract(ids[1]))
    assert shown(store, "bob")[1] == (ids[2], ids[0])
    store.check_inbox("bob")


def test_an_open_group_of_the_destination_stays_open(store: Harness) -> None:
    """What arrives later joins it, not the one that moved."""
    (own,) = store.publish(event("x", "like", "post:1", targets=("bob",)))
    (theirs,) = store.publish(event("y", "like", "post:1", targets=("anon",)))
    merged(store)
    (more,) = store.publish(event("z", "like", "post:1", targets=("bob",)))
    assert shown(store, "bob") == [(more, own), (theirs,)]
    store.check_inbox("bob")


@pytest.mark.parametrize("read_by", ["anon", "bob", ""])
def test_an_event_in_both_inboxes_is_there_once(store: Harness, read_by: str) -> None:
    """The destination's notification stays where it is, and is read if either was."""
    (both,) = store.publish(event("alice", "ping", "thing:1", targets=("anon", "bob")))
    (own,) = notified(store, "bob", "own")
    if read_by:
        ids = tuple(row.id for row in store.rows(read_by) if row.event_ids == (both,))
        store.write(SetNotificationState(read_by, ids, READ))
    counts = merged(store).counts
    assert (counts.notifications, counts.duplicates) == (0, 1)
    assert shown(store, "bob") == [(own,), (both,)]
    assert (by_event(store, "bob")[both].read_at is None) == (not read_by)
    assert store.counts("bob").unread_count == 2 - bool(read_by)


def test_of_a_group_the_events_move_that_the_destination_lacks(store: Harness) -> None:
    """A read group of the source marks no larger group of the destination read."""
    first, both = store.publish(
        event("x", "like", "post:1", targets=("anon",)),
        event("y", "like", "post:1", targets=("anon", "bob")),
    )
    (other,) = store.publish(event("z", "like", "post:1", targets=("bob",)))
    store.write(MarkAllNotificationsRead("anon"))
    assert merged(store).counts.notifications == 1
    assert shown(store, "bob") == [(first,), (other, both)]
    assert [row.read_at is None for row in store.rows("bob")] == [False, True]


def test_acts_of_the_destination_and_of_users_it_blocks_do_not_arrive(store: Harness) -> None:
    """Nobody is notified of their own acts."""
    store.write(SetBlock("bob", "user:mallory"))
    for actor in ("bob", "mallory", "alice"):
        store.publish(event(actor, "ping", f"thing:{actor}", targets=("anon",)))
    counts = merged(store).counts
    assert (counts.notifications, counts.duplicates) == (1, 0)
    assert [row.body.find(b'"actor_id":"alice"') > 0 for row in store.rows("bob")] == [True]


def test_a_retraction_finds_what_moved(store: Harness) -> None:
    """Of an event that addressed the source, and of one that its follow brought."""
    store.write(SetNotificationType("news", Rule(notify="actor_followers")), Follow("anon", "user:alice"))
    a, b = store.publish(event("alice", "news", "thing:1"), event("cy", "ping", "thing:2", targets=("anon",)))
    merged(store)
    assert shown(store, "bob") == [(b,), (a,)]
    store.write(Retract(a), Retract(b))
    assert shown(store, "bob") == []
    assert store.feed("bob") == []
    assert store.counts("bob").unread_count == 0


def test_a_broadcast_is_there_once_whoever_took_it_first(store: Harness) -> None:
    """Taken by both, by one, or by neither; one to the followers of a topic that only the source follows too."""
    store.write(Follow("anon", "club:1"))

    def broadcast(audience: str, verb: str) -> str:
        sent = event("alice", verb, "town:1")
        return store.publish(msgspec.structs.replace(sent, audience=audience, expires_at=LATER))[0]

    both = broadcast(EVERYONE, "one")
    store.write(MaterializeBroadcasts(("anon",)))
    store.write(MaterializeBroadcasts(("bob",)))
    source = broadcast(EVERYONE, "two")
    store.write(MaterializeBroadcasts(("anon",)))
    neither, club = broadcast(EVERYONE, "three"), broadcast("club:1", "four")
    merged(store)
    assert sorted(shown(store, "bob")) == sorted([(both,), (source,), (neither,), (club,)])
    store.write(MaterializeBroadcasts(("bob",)))
    assert len(shown(store, "bob")) == 4
    before = merged(store)
    assert merged(store) == before


# --- follows, mutes and blocks ----------------------------------------------------------------------------------


def test_a_follow_covers_what_either_did(store: Harness) -> None:
    """Of two that stand, the earlier time is kept; one that ended with its history kept shows it still."""
    ids = store.publish(*(event("alice", at=START_MS + n) for n in range(6)))
    store.write(Follow("anon", "user:alice", 5), Follow("anon", "user:eve", 0))
    store.clock.advance(10)
    store.write(Follow("bob", "user:alice", 2))
    (kept,) = store.publish(event("eve", at=START_MS + 9))
    store.write(Unfollow("anon", "user:eve", keep=True))
    assert merged(store).counts.follows == 0
    assert store.feed("bob") == [kept, *ids[:0:-1]]
    (row,) = store.run(store.store.follows("bob", 9, None))
    assert (row.topic, row.created_at) == ("user:alice", START_MS)
    assert store.run(store.store.topic("user:alice")).followers == 1
    store.write(Unfollow("bob", "user:alice"))
    assert store.feed("bob") == [kept]


def test_a_merged_topic_of_many_followers_is_complete(store: Harness) -> None:
    """Merged at read, or pushed by jobs, before and after."""
    store.write(*(Follow(f"v{n}", "user:alice", 0) for n in range(6)), Follow("anon", "user:alice", 0))
    ids = store.publish(*(event("alice") for _ in range(9)))
    store.run(store.store.write([MergeUsers("anon", "bob")]))
    ids += store.publish(event("alice"))
    assert store.feed("bob") == ids[::-1]
    assert store.feed("anon") == []


def test_nobody_follows_mutes_or_blocks_themselves(store: Harness) -> None:
    """What the two thought of each other ends; the history of a follow stays visible."""
    store.write(Follow("anon", "user:bob"), Follow("bob", "user:anon"))
    (said,) = store.publish(event("anon"))
    store.write(SetMute("anon", "user:bob"), SetMute("bob", "user:anon"))
    store.write(SetBlock("anon", "user:bob"), SetBlock("bob", "user:anon"))
    assert merged(store).counts == MergeCounts()
    assert followed(store, "bob") == []
    assert store.run(store.store.muted("bob")) == store.run(store.store.blocked("bob", 9)) == []
    assert store.run(store.store.blocked("anon", 9)) == []
    assert store.feed("bob") == [said]


def test_followers_of_the_source_follow_the_destination_too(store: Harness) -> None:
    """From now on; those who do already are not counted. Who blocked the one blocks the other."""
    store.write(Follow("fan", "user:anon"), Follow("friend", "user:anon"), Follow("friend", "user:bob"))
    store.write(SetBlock("foe", "user:anon"))
    (before,) = store.publish(event("bob"))
    assert merged(store).counts == MergeCounts(followers=1)
    (after,) = store.publish(event("bob"))
    (old,) = store.publish(event("anon"))
    assert store.feed("fan") == [old, after]
    assert store.feed("friend") == [old, after, before]
    assert store.run(store.store.blocked("foe", 9)) == ["anon", "bob"]


def test_mutes_and_blocks_are_added_up_to_the_limit(store: Harness) -> None:
    """A block takes the items of the blocked user out of the destination's inbox, as always."""
    store.publish(event("mallory", "ping", "thing:1", targets=("bob",)))
    store.write(SetMute("anon", "item:1"), SetBlock("anon", "user:mallory"), SetMute("bob", "item:2"))
    counts = merged(store).counts
    assert (counts.mutes, counts.blocks, counts.over_limit) == (1, 1, 0)
    assert store.run(store.store.muted("bob")) == ["item:1", "item:2"]
    assert store.run(store.store.blocked("bob", 9)) == ["mallory"]
    assert shown(store, "bob") == []
    assert store.run(store.store.muted("anon")) == store.run(store.store.blocked("anon", 9)) == []


# --- the feed ---------------------------------------------------------------------------------------------------


def unread(store: Harness, user: str) -> list[str]:
    return store.feed(user, FeedFilter(read=False))


def test_an_event_is_read_if_either_read_it(store: Harness) -> None:
    """By a mark or by a read-all of the source's feed, which covers nothing of the destination's own. Marks of the
    destination stay."""
    store.write(Follow("anon", "user:alice"), Follow("bob", "user:eve"), Follow("bob", "user:alice"))
    a, b, c = store.publish(event("alice"), event("alice"), event("alice"))
    (own,) = store.publish(event("eve"))
    store.write(MarkFeedRead("anon", up_to=2), MarkFeedUnread("anon", (a,)), MarkFeedRead("bob", (c,)))
    store.write(MarkFeedRead("bob", (b,)), MarkFeedUnread("bob", (b,)))
    assert unread(store, "bob") == [own, b, a]
    merged(store)
    assert unread(store, "bob") == [own, b, a], "the destination marked b unread"
    store.write(MarkFeedRead("anon", (a,)))
    assert unread(store, "bob") == [own, b, a]


def test_events_of_the_source_are_read_as_it_left_them(store: Harness) -> None:
    """Those that the destination did not have."""
    store.write(Follow("anon", "user:alice"))
    ids = store.publish(*(event("alice") for _ in range(5)))
    store.write(MarkFeedRead("anon", up_to=3), MarkFeedRead("anon", (ids[4],)))
    merged(store)
    assert unread(store, "bob") == [ids[3]]
    assert store.feed("bob") == ids[::-1]


def test_read_alls_of_activity_are_united(store: Harness) -> None:
    """Of a topic, the one that goes further is kept."""
    ids = store.publish(*(event("alice", topics=("club:1",)) for _ in range(4)))
    store.write(
        MarkFeedRead("anon", up_to=3, activity="club:1"), MarkFeedRead("bob", up_to=1, activity="club:1")
    )
    merged(store)
    found = store.activity("club:1", FeedFilter(read=False), "bob")
    assert found == [ids[3]]
    assert store.activity("club:1", FeedFilter(read=False), "anon") == ids[::-1]


def test_acts_of_the_source_keep_their_actor(store: Harness) -> None:
    """They are no acts of the destination: its feed has those that a follow of the source covers."""
    store.write(Follow("anon", "club:1"))
    said, topical = store.publish(event("anon"), event("anon", topics=("club:1",)))
    merged(store)
    assert store.feed("bob") == [topical]
    store.write(Unfollow("bob", "club:1"))
    assert store.feed("bob", FeedFilter(include_own=True)) == []
    assert store.feed("anon", FeedFilter(include_own=True)) == [topical, said]


@pytest.mark.parametrize(
    ("hide", "show"),
    [
        (SetMute("anon", "thing:1"), SetMute("bob", "thing:1", on=False)),
        (SetBlock("anon", "user:eve"), SetBlock("bob", "user:eve", on=False)),
        (SetBlock("eve", "user:anon"), SetBlock("eve", "user:bob", on=False)),
    ],
    ids=["mute", "block", "blocked"],
)
def test_a_hidden_event_that_the_source_followed_appears_when_it_is_shown(
    store: Harness, hide: SetMute | SetBlock, show: SetMute | SetBlock
) -> None:
    """What hid it moves with the follow, and ends later."""
    store.write(Follow("anon", "thing:1"))
    hidden = store.publish(*(event("eve", "post", "thing:1") for _ in range(3)))
    store.write(hide)
    merged(store)
    assert store.feed("bob") == []
    store.write(show)
    assert store.feed("bob") == hidden[::-1]


def test_a_hidden_event_that_addressed_the_source_addresses_the_destination(store: Harness) -> None:
    """It appears when the mute ends."""
    store.write(SetMute("anon", "thing:1"))
    (hidden,) = notified(store, "anon", "1")
    merged(store)
    assert store.feed("bob") == []
    store.write(SetMute("bob", "thing:1", on=False))
    assert store.feed("bob") == [hidden]


# --- settings ---------------------------------------------------------------------------------------------------


def test_preferences_of_the_destination_hold_and_the_others_fill_gaps(store: Harness) -> None:
    """Channel by channel."""
    theirs = Preferences(
        {"like": {"email": False, "in_app": False}, "*": {"web_push": True}}, NIGHT, "de", 60
    )
    store.write(SetPreferences("anon", theirs))
    store.write(SetPreferences("bob", Preferences({"like": {"email": True}}, DAY)))
    merged(store)
    types = {"like": {"email": True, "in_app": False}, "*": {"web_push": True}}
    assert store.run(store.store.preferences("bob")) == Preferences(types, DAY, "de", 60)
    assert store.run(store.store.preferences("anon")) == Preferences()
    store.publish(event("alice", "like", "post:1", targets=("bob",)))
    assert shown(store, "bob") == [], "the in-app preference is in force"


def endpoint(id: str, user: str, address: str) -> Endpoint:
    return Endpoint(id, user, "webhook", address, "secret", START_MS)


def test_endpoints_and_unsent_deliveries_move(store: Harness) -> None:
    """An address that both have is kept once, and a delivery is queued once."""
    store.write(SetNotificationType("ping", Rule(channels=("webhook",))))
    for one in (
        endpoint("e1", "anon", "https://a.test/"),
        endpoint("e2", "anon", "https://both.test/"),
        endpoint("e3", "bob", "https://both.test/"),
    ):
        store.write(AddEndpoint(one))
    (both,) = store.publish(event("alice", "ping", "thing:1", targets=("anon", "bob")))
    (a,) = notified(store, "anon", "a")
    assert merged(store).counts.endpoints == 1
    assert {one.id for one in store.run(store.store.endpoints("bob"))} == {"e1", "e3"}
    assert store.run(store.store.endpoints("anon")) == []
    due = store.run(store.store.deliveries(LATER, 99))
    found = sorted((one.endpoint.id, one.endpoint.user, one.row and one.row.event_ids) for one in due)
    assert found == sorted(
        [("e1", "bob", (both,)), ("e1", "bob", (a,)), ("e3", "bob", (both,)), ("e3", "bob", (a,))]
    )


def test_endpoints_move_up_to_the_limit(store: Harness) -> None:
    """The fault: each merge added up to 20 endpoints, whatever the destination had. Its own are kept, then the oldest of the
    source; those beyond are removed with their deliveries, and counted."""
    store.write(SetNotificationType("ping", Rule(channels=("webhook",))))
    own = [endpoint(f"b{n:02}", "bob", f"https://b.test/{n}") for n in range(MAX_ENDPOINTS - 2)]
    known = endpoint("a-b", "anon", "https://b.test/0")
    others = [endpoint(f"a{n}", "anon", f"https://a.test/{n}") for n in range(4)]
    for one in (*others, known, *own):
        store.write(AddEndpoint(one))
    (told,) = store.publish(event("alice", "ping", "thing:1", targets=("anon",)))
    counts = merged(store).counts
    assert (counts.endpoints, counts.over_limit) == (2, 2)
    kept = {one.id for one in store.run(store.store.endpoints("bob"))}
    assert kept == {"a0", "a1", *(one.id for one in own)}
    assert store.run(store.store.endpoints("anon")) == []
    due = store.run(store.store.deliveries(LATER, 99))
    found = sorted((one.endpoint.id, one.row and one.row.event_ids) for one in due)
    assert found == [("a0", (told,)), ("a1", (told,)), ("b00", (told,))]
    store.write(AddEndpoint(endpoint("a9", "anon", "https://a.test/9")))
    again = merged(store).counts
    assert (again.endpoints, again.over_limit) == (2, 3)


def test_reminders_name_the_destination(store: Harness) -> None:
    """Once; who acts in them stays, as in events."""
    text = b'{"actor_id":"anon","target_user_ids":["anon","cy"]}'
    store.write(SetReminder(Reminder("k", LATER, text, ("anon", "cy", "bob"))))
    store.write(SetReminder(Reminder("other", LATER, b'{"actor_id":"anon"}', ("cy",))))
    assert merged(store).counts.reminders == 1
    found = store.run(store.store.reminder("k"))
    assert found is not None
    assert found.users == ("bob", "cy")
    assert msgspec.json.decode(found.event) == {"actor_id": "anon", "target_user_ids": ["bob", "cy"]}
    assert kinds(store.export("bob")) == {"profile", "reminder"}


# --- everything that is kept ------------------------------------------------------------------------------------


def kinds(records: Iterable[dict[str, object]]) -> set[object]:
    return {record["kind"] for record in records}


def test_nothing_that_is_kept_of_a_user_stays_behind(store: Harness) -> None:
    """An export of the source lists the events that it published, which are its own, and nothing else; that of the
    destination has each kind that the source's had."""
    store.write(
        Follow("anon", "user:alice"),
        SetMute("anon", "thing:9"),
        SetBlock("anon", "user:mallory"),
        SetPreferences("anon", Preferences(locale="de")),
        SetNotificationType("ping", Rule(channels=("webhook",))),
        AddEndpoint(endpoint("e1", "anon", "https://a.test/")),
        SetReminder(Reminder("k", LATER, b'{"actor_id":"clock"}', ("anon",))),
    )
    store.publish(event("anon"))
    (a,) = store.publish(event("alice"))
    notified(store, "anon", "a")
    store.write(MarkAllNotificationsRead("anon"))
    notified(store, "anon", "b")
    store.write(MarkFeedRead("anon", (a,)), MarkFeedRead("anon"))
    before = kinds(store.export("anon"))
    assert before == {
        *("profile", "event", "notification", "read_all", "feed_read", "preferences"),
        *("endpoint", "delivery", "follow", "mask", "reminder"),
    }, "a new kind of data needs a place in merges"
    merged(store)
    assert kinds(store.export("anon")) == {"profile", "event"}
    # Read-alls are applied to what they cover, and the source's acts stay its own.
    assert kinds(store.export("bob")) == before - {"event", "read_all"}


# --- several merges, and erasures ---------------------------------------------------------------------------------


def test_a_chain_of_merges_ends_in_the_last_user(store: Harness) -> None:
    """One after the other; and back."""
    notified(store, "anon", "a")
    notified(store, "bob", "b")
    merged(store, "anon", "bob")
    merged(store, "bob", "cy")
    assert len(shown(store, "cy")) == 2
    merged(store, "cy", "anon")
    assert len(shown(store, "anon")) == 2
    assert shown(store, "bob") == shown(store, "cy") == []


def test_erased_users_leave_no_merge(store: Harness) -> None:
    """Whichever of the two it is."""
    for user in ("anon", "bob"):
        notified(store, "anon", user)
        id = merged(store).id
        store.write(EraseUser(user))
        assert store.run(store.store.user_merge(id)) is None
    assert shown(store, "bob") == []


def test_the_outcome_is_that_of_a_change(store: Harness) -> None:
    """Its id is the same in a repetition."""
    notified(store, "anon", "a")
    outcomes = store.write(MergeUsers("anon", "bob"), MergeUsers("anon", "bob"))
    assert all(isinstance(one, CommandResult) and one.updated == 1 for one in outcomes)
