"""How items group, when a group ends, and what of it is shown: ``tidings.ports.InboxViews``, its second paragraph."""

import pytest

from tests.checkers.adapters import event_id
from tests.harness import Harness, singles
from tidings.inbox_commands import (
    MarkAllNotificationsRead,
    NotificationState,
    SetNotificationState,
    UndoMarkAllRead,
)
from tidings.model import SAMPLE_ITEMS, Command, InboxCounters, Retract, SetNotificationType
from tidings.rules import Rule
from tidings.testing import START_MS, event
from tidings.timeutil import DAY_MS, HOUR_MS

READ, UNREAD, SEEN = NotificationState.READ, NotificationState.UNREAD, NotificationState.SEEN
ARCHIVED, UNARCHIVED, UNSEEN = (
    NotificationState.ARCHIVED,
    NotificationState.UNARCHIVED,
    NotificationState.UNSEEN,
)
MARKET = "market:42"


def comment(store: Harness, *actors: str, verb: str = "comment", obj: str = MARKET) -> list[str]:
    """Each actor comments on the same thing, which bob is told; returns the ids of the events."""
    return store.publish(*(event(actor, verb, obj, targets=("bob",)) for actor in actors))


def sizes(store: Harness) -> list[int]:
    """The sizes of bob's groups, newest content first."""
    store.check_inbox("bob")
    return [row.size for row in store.rows("bob")]


# --- one group ----------------------------------------------------------------------------------------------


def test_items_on_one_object_are_one_notification(store: Harness) -> None:
    """Its number is the seq of its first item, its order that of its newest; it shows the newest events and who did
    them, and is as old as its first event."""
    store.publish(event("ann", "comment", MARKET, targets=("bob",), at=START_MS - 9))
    first = store.rows("bob")[0]
    store.clock.advance(HOUR_MS)
    comment(store, "ben", "cid")
    bodies = [entry.body for entry in store.run(store.store.tail(0, 9))]
    (row,) = store.rows("bob")
    assert (row.id, row.order, row.seq, row.unread_seq) == (first.id, 3, 3, 3)
    assert (row.type, row.size, row.actor_count, row.opened_at) == ("comment", 3, 3, START_MS - 9)
    assert (row.body, row.others) == (bodies[2], (bodies[1], bodies[0]))
    assert row.event_ids == tuple(event_id(body) for body in reversed(bodies))
    assert store.counts("bob") == InboxCounters(1, 3, unread_items=3, unseen_count=1)


def test_an_actor_counts_once(store: Harness) -> None:
    """However often they act; the others are shown by their newest."""
    ids = comment(store, "ann", "ben", "ben", "ann", "ann")
    (row,) = store.rows("bob")
    assert (row.size, row.actor_count) == (5, 2)
    assert [event_id(body) for body in row.others] == [ids[2]]


def test_a_sample_of_a_large_group_is_shown(store: Harness) -> None:
    """The newest events, and two older ones by other actors from among them; the numbers are exact."""
    ids = comment(store, *(f"u{n}" for n in range(SAMPLE_ITEMS + 5)))
    (row,) = store.rows("bob")
    assert (row.size, row.actor_count) == (SAMPLE_ITEMS + 5, SAMPLE_ITEMS + 5)
    assert row.event_ids == tuple(reversed(ids))[:SAMPLE_ITEMS]
    assert [event_id(body) for body in row.others] == [ids[-2], ids[-3]]
    comment(store, *["ann"] * SAMPLE_ITEMS)
    (row,) = store.rows("bob")
    assert (row.size, row.actor_count, row.others) == (2 * SAMPLE_ITEMS + 5, SAMPLE_ITEMS + 6, ())


def test_a_group_moves_to_the_top_when_it_grows(store: Harness) -> None:
    """Lists are by the newest content, pages too."""
    comment(store, "ann")
    comment(store, "ann", obj="market:7")
    comment(store, "ben")
    assert [(row.order, row.size) for row in store.rows("bob")] == [(3, 2), (2, 1)]
    assert [row.seq for row in store.changes("bob", 1).rows] == [2, 3]
    page = store.run(store.store.inbox("bob", 1, None))
    assert page.next_order == 3
    assert [row.order for row in store.run(store.store.inbox("bob", 1, 3)).rows] == [2]


def test_joining_empties_seen_at(store: Harness) -> None:
    """A group that was seen has news again; being seen does not close it."""
    comment(store, "ann")
    (id,) = [row.id for row in store.rows("bob")]
    store.write(SetNotificationState("bob", (id,), SEEN))
    comment(store, "ben")
    (row,) = store.rows("bob")
    assert (row.id, row.seen_at, row.size, row.seq) == (id, None, 2, 3)


def test_a_mark_is_of_the_whole_group(store: Harness) -> None:
    """One seq, one update, whatever its size."""
    comment(store, "ann", "ben", "cid")
    (row,) = store.rows("bob")
    assert store.marked(SetNotificationState("bob", (row.id,), READ)) == (1, 0, 4, 1, 0, 0, False)
    assert store.counts("bob") == InboxCounters(0, 4)
    assert store.marked(SetNotificationState("bob", (row.id,), UNREAD)) == (1, 1, 5, 1, 3, 0, False)
    assert store.counts("bob") == InboxCounters(1, 5, unread_items=3)


# --- what groups with what ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("group_by", "expected"), [("object", [1, 1, 2, 2]), ("type", [1, 5]), ("actor", [1, 2, 3])]
)
def test_what_items_group_by(store: Harness, group_by: str, expected: list[int]) -> None:
    """Their object, their type alone, or their actor; never with those of another type."""
    store.write(SetNotificationType("like", Rule(group_by=group_by)))  # type: ignore[arg-type]
    for actor, obj in (("ann", "a:1"), ("ann", "a:2"), ("ben", "a:1"), ("ann", "b:1"), ("ben", "a:2")):
        comment(store, actor, verb="like", obj=obj)
    comment(store, "ann", verb="clap", obj="a:1")
    assert sorted(sizes(store)) == expected


def test_groups_are_one_users_own(store: Harness) -> None:
    """Who was told only of some has only these."""
    store.publish(event("ann", targets=("bob",)), event("ben", targets=("bob", "cy")))
    assert [store.rows(user)[0].size for user in ("bob", "cy")] == [2, 1]


def test_a_type_can_be_kept_from_grouping(store: Harness) -> None:
    """``none``: everything stays alone."""
    comment(store, "ann", "ann", "ben", verb="alone")
    assert sizes(store) == [1, 1, 1]
    assert store.counts("bob") == singles(3, 3)


def test_many_groups_grow_in_one_command(store: Harness) -> None:
    """And in one transaction, each in the order of the log."""
    ids = store.publish(
        *(event(f"u{n}", "comment", f"market:{n % 3}", targets=("bob", "cy")) for n in range(12))
    )
    assert sizes(store) == [4, 4, 4]
    for user in ("bob", "cy"):
        assert [row.event_ids for row in store.rows(user)] == [tuple(reversed(ids[n::3])) for n in (2, 1, 0)]


# --- how long -----------------------------------------------------------------------------------------------


def test_a_group_takes_items_until_it_is_old(store: Harness) -> None:
    """``until_read``: by the time at which it was opened, whatever the events say of theirs; by default for a day."""
    comment(store, "ann")
    store.clock.advance(DAY_MS - 1)
    store.publish(event("ben", "comment", MARKET, targets=("bob",), at=START_MS - 9 * DAY_MS))
    assert sizes(store) == [2]
    store.clock.advance(1)
    comment(store, "cid")
    assert sizes(store) == [1, 2]
    store.write(SetNotificationType("comment", Rule(max_age_s=60)))
    store.clock.advance(60_000)
    comment(store, "dot", "eve")
    assert sizes(store) == [2, 1, 2]


def test_a_group_ends_with_its_bucket(store: Harness) -> None:
    """``bucket``: one slice of UTC, however long ago in it."""
    store.write(SetNotificationType("comment", Rule(group="bucket", bucket_s=3_600)))
    store.clock.ms = START_MS // HOUR_MS * HOUR_MS
    comment(store, "ann")
    store.clock.advance(HOUR_MS - 1)
    comment(store, "ben")
    assert sizes(store) == [2]
    store.clock.advance(1)
    comment(store, "cid")
    assert sizes(store) == [1, 2]


def test_a_sliding_group_ends_with_a_gap_or_at_its_cap(store: Harness) -> None:
    """``sliding``: while the last item is younger than the gap, up to the age."""
    store.write(SetNotificationType("comment", Rule(group="sliding", gap_s=60, max_age_s=150)))
    comment(store, "ann")
    for _ in range(2):
        store.clock.advance(59_999)
        comment(store, "ben")
    assert sizes(store) == [3]
    store.clock.advance(30_002)
    comment(store, "cid")
    assert sizes(store) == [1, 3]
    store.clock.advance(60_000)
    comment(store, "dot")
    assert sizes(store) == [1, 1, 3]


def test_only_the_newest_group_of_a_key_grows(store: Harness) -> None:
    """An older one is past, even if it would be young enough by a new rule."""
    store.write(SetNotificationType("comment", Rule(max_age_s=60)))
    comment(store, "ann")
    store.clock.advance(60_000)
    comment(store, "ben")
    (newest, _) = store.rows("bob")
    store.write(SetNotificationType("comment", Rule()), SetNotificationState("bob", (newest.id,), READ))
    comment(store, "cid")
    assert sizes(store) == [1, 1, 1]


# --- closed is closed ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "said",
    [(READ,), (ARCHIVED,), (READ, UNREAD), (READ, UNSEEN), (ARCHIVED, UNARCHIVED), (READ, UNREAD, SEEN)],
)
def test_a_group_that_was_read_or_archived_stays_closed(
    store: Harness, said: tuple[NotificationState, ...]
) -> None:
    """Whatever is said of it later, what comes next opens a new one."""
    comment(store, "ann", "ben")
    (old,) = store.rows("bob")
    store.write(*(SetNotificationState("bob", (old.id,), state) for state in said))
    comment(store, "cid")
    newest = store.rows("bob")[0]
    assert (newest.size, newest.id != old.id) == (1, True)
    comment(store, "dot")
    assert store.rows("bob")[0].size == 2
    store.check_inbox("bob")


@pytest.mark.parametrize("type", [None, "comment"])
def test_a_read_all_closes(store: Harness, type: str | None) -> None:
    """Whether of all or of the type; undone, it leaves closed what it closed."""
    comment(store, "ann", "ben")
    seq = store.marked(MarkAllNotificationsRead("bob", type=type)).seq
    comment(store, "cid")
    assert sizes(store) == [1, 2]
    seq = store.marked(MarkAllNotificationsRead("bob", type=type)).seq
    assert store.marked(UndoMarkAllRead("bob", seq)).updated == 1
    comment(store, "dot")
    assert sizes(store) == [1, 1, 2]


@pytest.mark.parametrize(
    "command", [MarkAllNotificationsRead("bob", up_to=1), MarkAllNotificationsRead("bob", type="other")]
)
def test_a_read_all_that_spares_a_group_leaves_it_open(store: Harness, command: Command) -> None:
    """It reads neither what became unread after its seq nor what is of another type."""
    comment(store, "ann", "ben")
    store.publish(event("ann", "other", targets=("bob",)))
    store.write(command)
    comment(store, "cid")
    assert store.rows("bob")[0].size == 3
    store.check_inbox("bob")


@pytest.mark.parametrize("state", [SEEN, UNREAD, UNSEEN, UNARCHIVED])
def test_what_says_nothing_of_reading_leaves_a_group_open(store: Harness, state: NotificationState) -> None:
    """It was neither read nor archived."""
    comment(store, "ann")
    (row,) = store.rows("bob")
    store.write(SetNotificationState("bob", (row.id,), state))
    comment(store, "ben")
    assert sizes(store) == [2]


def test_a_read_all_up_to_an_earlier_seq_spares_a_group_that_grew(store: Harness) -> None:
    """I6: what joined later makes the whole of it unread since then."""
    comment(store, "ann")
    (row,) = store.rows("bob")
    store.write(SetNotificationState("bob", (row.id,), SEEN))
    comment(store, "ben")
    assert store.marked(MarkAllNotificationsRead("bob", up_to=2))[:3] == (0, 1, 3)
    assert store.marked(MarkAllNotificationsRead("bob", up_to=3))[:3] == (1, 0, 4)


# --- retracted events ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", range(3))
def test_a_retracted_event_leaves_its_group(store: Harness, place: int) -> None:
    """Which takes a seq and keeps its order, its number and when it became unread; the rest of it is shown."""
    ids = comment(store, "ann", "ben", "ann")
    before = store.rows("bob")[0]
    store.write(Retract(ids[place]))
    left = [id for id in ids if id != ids[place]]
    (row,) = store.rows("bob")
    assert (row.id, row.order, row.unread_seq, row.seq) == (before.id, 3, 3, 4)
    assert (row.event_ids, event_id(row.body)) == (tuple(reversed(left)), left[-1])
    assert (row.size, row.actor_count, row.deleted) == (2, 1 if place == 1 else 2, False)
    assert row.opened_at == before.opened_at
    assert store.counts("bob") == InboxCounters(1, 4, unread_items=2, unseen_count=1)


def test_the_last_event_leaves_a_tombstone(store: Harness) -> None:
    """Which nothing joins."""
    ids = comment(store, "ann", "ben")
    store.write(*(Retract(id) for id in ids))
    assert store.counts("bob") == InboxCounters(0, 4)
    (row,) = store.changes("bob", 0).rows
    assert (row.seq, row.order, row.deleted, row.body, row.others) == (4, 2, True, b"", ())
    assert (row.size, row.actor_count, row.event_ids) == (0, 0, ())
    comment(store, "cid")
    assert sizes(store) == [1]
    assert store.rows("bob")[0].id != row.id


@pytest.mark.parametrize("state", [READ, ARCHIVED])
def test_retracting_from_what_is_not_counted_leaves_the_counts(
    store: Harness, state: NotificationState
) -> None:
    """A read or archived group shrinks unseen by them."""
    ids = comment(store, "ann", "ben")
    store.write(SetNotificationState("bob", (store.rows("bob")[0].id,), state))
    comment(store, "cid")
    for number, id in enumerate(ids):
        store.write(Retract(id))
        assert store.counts("bob") == singles(1, 5 + number)
    store.check_inbox("bob")


def test_a_group_that_lost_an_item_goes_on(store: Harness) -> None:
    """The next one joins it."""
    ids = comment(store, "ann", "ben")
    store.write(Retract(ids[1]))
    (newest,) = comment(store, "cid")
    (row,) = store.rows("bob")
    assert (row.event_ids, row.order, row.seq, row.actor_count) == ((newest, ids[0]), 4, 4, 2)


def test_many_followers_lose_a_retracted_event(store: Harness) -> None:
    """Each of those it was told, in a group or alone."""
    crowd = tuple(f"f{n}" for n in range(130))
    first, second = store.publish(event("ann", targets=crowd), event("ben", targets=crowd[::2]))
    store.write(Retract(first))
    for number, user in enumerate(crowd):
        rows = store.changes(user, 0).rows
        expected = [((second,), False)] if number % 2 == 0 else [((), True)]
        assert [(row.event_ids, row.deleted) for row in rows] == expected
