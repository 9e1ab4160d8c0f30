"""Read-alls that are merged (``read_all_history``): of an inbox and of a feed, however many there were."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.backends import BACKENDS, opened
from tests.checkers.adapters import ALL
from tests.checkers.fold import Client, faithful
from tests.harness import Harness
from tidings.feed_changes import FeedMark, FeedReset
from tidings.filters import FeedFilter
from tidings.inbox_commands import (
    MarkAllNotificationsRead,
    NotificationState,
    SetNotificationState,
    UndoMarkAllRead,
)
from tidings.model import CommandResult, MarkFeedRead, MarkFeedUnread, UndoMarkFeedRead
from tidings.testing import FakeClock, event

KEPT = 4
MANY = 30
UNREAD = NotificationState.UNREAD
OWN = FeedFilter(include_own=True)


@pytest.fixture(params=BACKENDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Harness]:
    """An empty store that keeps few read-alls one by one."""
    clock = FakeClock()
    with asyncio.Runner() as runner:
        made = runner.run(opened(request.param, tmp_path, clock, read_all_history=KEPT))
        yield Harness(made, clock, runner)
        runner.run(made.close())


# --- inboxes ------------------------------------------------------------------------------------------------------


def pressed(store: Harness, times: int, type: str | None = None) -> list[int]:
    """Tell bob something of a type and have him read all, again and again, at another time each; the seqs of the
    read-alls."""
    seqs = []
    for _ in range(times):
        store.clock.advance(1)
        store.tell("bob", type or "post")
        seqs.append(store.marked(MarkAllNotificationsRead("bob", type=type)).seq)
    return seqs


def standing(store: Harness) -> list[int]:
    """The seqs of bob's read-alls, from a seq that can be gone on from."""
    head = store.counts("bob").seq
    while not store.changes("bob", head - 1).reset:
        head -= 1
    return [mark.seq for mark in store.changes("bob", head).marks]


def read_times(store: Harness) -> list[int | None]:
    """When bob's notifications were read, oldest first."""
    return [row.read_at for row in store.rows("bob")[::-1]]


def test_read_alls_of_an_inbox_do_not_grow_without_bound(store: Harness) -> None:
    """The fault: each was kept for ever, so one user's rows grew with every press, and with them every walk of the
    changes since an old seq."""
    pressed(store, MANY)
    exported = [line for line in store.run(_export(store)) if b'"read_all"' in line]
    assert len(exported) <= KEPT + 1
    assert len(standing(store)) <= KEPT
    store.check_inbox("bob")


async def _export(store: Harness) -> list[bytes]:
    return [line async for line in store.store.export("bob")]


def test_the_older_half_is_merged_when_so_many_stand(store: Harness) -> None:
    """That takes a seq of its own, before that of the read-all; what the newer half read keeps its time, what the older
    half read has the time of its last."""
    seqs = pressed(store, KEPT)
    assert seqs == [2, 4, 6, 8]
    before = read_times(store)
    assert pressed(store, 1) == [11]
    assert read_times(store) == [before[1], *before[1:], store.clock.ms]
    assert store.changes("bob", 9).reset, "read times changed at 10"
    assert [mark.seq for mark in store.changes("bob", 10).marks] == [11]
    assert pressed(store, 2) == [13, 16]
    assert read_times(store)[:4] == [before[3]] * 4


def test_only_what_a_later_one_covers_is_merged(store: Harness) -> None:
    """One of a type into one of the same type or of all; one of all into one of all."""
    store.tell("bob", "a", "b", "c")
    store.write(MarkAllNotificationsRead("bob", type="a"), MarkAllNotificationsRead("bob", type="b"))
    times = read_times(store)
    store.clock.advance(1)
    pressed(store, KEPT, "c")
    assert read_times(store)[:2] == times[:2], "nothing later of these types or of all was merged"
    pressed(store, 2 * KEPT)
    assert read_times(store)[:2] != times[:2]
    store.check_inbox("bob")


def test_a_client_from_before_a_merge_begins_anew(store: Harness) -> None:
    """I6: whatever it holds, and wherever it resumes, it shows what the list shows."""
    clients = []
    for n in range(MANY):
        pressed(store, 1, None if n % 3 else "like")
        clients.append(Client())
        for client in clients[::2]:
            store.run(client.catch_up(store.store, "bob", 3))
            faithful(client.rows, store.rows("bob"))
    for client in clients:
        store.run(client.catch_up(store.store, "bob", 3))
        faithful(client.rows, store.rows("bob"))


def test_a_merged_read_all_cannot_be_undone(store: Harness) -> None:
    """Nor the one that took the place of others: what these read stays read. The newer half can be, exactly."""
    seqs = pressed(store, KEPT + 1)
    head = store.counts("bob").seq
    for seq in seqs[: KEPT // 2]:
        assert store.marked(UndoMarkAllRead("bob", seq))[:3] == (0, 0, head)
    for n, seq in enumerate(seqs[: KEPT // 2 - 1 : -1], 1):
        assert store.marked(UndoMarkAllRead("bob", seq))[:3] == (1, n, head + n)
    assert read_times(store)[KEPT // 2 :] == [None] * (KEPT // 2 + 1)
    assert store.counts("bob").read_seq == seqs[KEPT // 2 - 1]
    assert store.marked(UndoMarkAllRead("bob", seqs[KEPT // 2 - 1])).updated == 0
    store.check_inbox("bob")


def test_what_is_unread_again_and_again_is_read_again(store: Harness) -> None:
    """One notification, marked unread after each read-all: the counts are exact, and one read-all stands for many."""
    (id,) = store.tell("bob", "post")
    for _ in range(MANY):
        store.clock.advance(1)
        assert store.marked(MarkAllNotificationsRead("bob"))[:2] == (1, 0)
        assert read_times(store) == [store.clock.ms]
        assert store.marked(SetNotificationState("bob", (id,), UNREAD))[:2] == (1, 1)
    assert store.marked(MarkAllNotificationsRead("bob")).updated == 1
    assert len(standing(store)) <= KEPT


def test_what_a_merged_read_all_closed_stays_closed(store: Harness) -> None:
    """Nothing joins a group that was read, though the read-all that read it is gone, or was undone many times."""
    store.publish(event("alice", "like", "thing:x", targets=("bob",)))
    pressed(store, MANY, "other")
    store.publish(event("alice", "like", "thing:y", targets=("bob",)))
    for _ in range(MANY):
        seq = store.marked(MarkAllNotificationsRead("bob")).seq
        store.write(UndoMarkAllRead("bob", seq))
    store.publish(*(event("cy", "like", thing, targets=("bob",)) for thing in ("thing:x", "thing:y")))
    assert all(row.size == 1 for row in store.rows("bob"))
    store.check_inbox("bob")


@pytest.mark.parametrize("undo_all", [False, True])
def test_what_undone_read_alls_of_types_closed_stays_closed(store: Harness, undo_all: bool) -> None:
    """Once a read-all of all types covers them too, and that is undone as well; clients from before an undo begin anew."""
    types = ("like", "share")
    store.publish(*(event("alice", verb, f"thing:{verb}", targets=("bob",)) for verb in types))
    for verb in types:
        seq = store.marked(MarkAllNotificationsRead("bob", type=verb)).seq
        store.write(UndoMarkAllRead("bob", seq))
    undone = store.counts("bob").seq
    seq = store.marked(MarkAllNotificationsRead("bob")).seq
    assert store.changes("bob", undone - 1).reset
    assert not store.changes("bob", undone).reset
    if undo_all:
        store.write(UndoMarkAllRead("bob", seq))
        assert store.changes("bob", seq).reset
    store.publish(*(event("cy", verb, f"thing:{verb}", targets=("bob",)) for verb in types))
    assert [row.size for row in store.rows("bob")] == [1] * 2 * len(types)
    store.check_inbox("bob")


def test_a_read_all_that_reads_nothing_leaves_nothing(store: Harness) -> None:
    """Whichever types are named, by whatever user: of unknown types, of which there is nothing unread, of
    which there was nothing in this inbox."""
    store.tell("bob", "read", "unread")
    store.tell("cy", "elsewhere")
    store.write(MarkAllNotificationsRead("bob", type="read"))
    head = store.counts("bob")
    for type in ("read", "elsewhere", *(f"v{n}" for n in range(MANY))):
        assert store.marked(MarkAllNotificationsRead("bob", type=type))[:3] == (0, 1, head.seq)
    assert store.counts("bob") == head
    assert len([line for line in store.run(_export(store)) if b'"read_all"' in line]) == 1


# --- feeds --------------------------------------------------------------------------------------------------------


def read_feed(store: Harness, times: int) -> list[int]:
    """Publish something for bob and have him read all of his feed, at another time each; the positions that these took."""
    made = []
    for _ in range(times):
        store.clock.advance(1)
        store.publish(event("alice", targets=("bob",)))
        (outcome,) = store.write(MarkFeedRead("bob"))
        assert isinstance(outcome, CommandResult)
        made.append(outcome.marked)
    return made


def feed_times(store: Harness) -> list[int | None]:
    """When bob's feed items were read, oldest first."""
    return [item.read_at for item in store.page("bob", ALL, OWN).items[::-1]]


def test_read_alls_of_a_feed_do_not_grow_without_bound(store: Harness) -> None:
    """The fault: each was kept for ever, and a page of old items looked at all of them."""
    (id,) = store.publish(event("bob"))
    for _ in range(MANY):
        read_feed(store, 1)
        store.write(MarkFeedUnread("bob", (id,)))
    assert len(exported_feed_read_alls(store)) <= KEPT + 1
    assert store.changed(MarkFeedRead("bob")) == 1


def exported_feed_read_alls(store: Harness) -> list[bytes]:
    return [line for line in store.run(_export(store)) if b'"up_to"' in line]


@pytest.mark.parametrize("step", [-1, 0, 1, 7])
def test_the_furthest_of_merged_read_alls_of_a_feed_remains(store: Harness, step: int) -> None:
    """The fault: read-alls that each went less far than the one before were never merged, so that an item marked unread in
    between added a row each time. In whatever order they come, one stands for all that were merged."""
    (first,) = store.publish(event("bob"))
    store.publish(*(event("bob") for _ in range(MANY)))
    for n in range(MANY):
        store.clock.advance(1)
        store.write(MarkFeedRead("bob", None, 1 + (MANY + n * step) % MANY))
        expected = store.clock.ms
        assert feed_times(store)[0] == expected, "the item was unread, and this read-all read it"
        store.write(MarkFeedUnread("bob", (first,)))
        assert len(exported_feed_read_alls(store)) <= KEPT + 1


def test_the_older_half_of_a_feeds_read_alls_is_merged(store: Harness) -> None:
    """At a position of its own, before that of the read-all; whoever resumes from before it begins anew."""
    assert read_feed(store, KEPT) == [2, 4, 6, 8]
    before = feed_times(store)
    assert read_feed(store, 1) == [11]
    assert feed_times(store) == [before[1], *before[1:], store.clock.ms]
    assert store.run(store.store.feed_since("bob", 9, ALL)).reset
    page = store.run(store.store.feed_since("bob", 10, ALL))
    assert page.changes == (FeedMark(11, store.clock.ms, up_to=9),)
    audiences, last = store.run(store.store.audience_since(9, {"bob"}, ALL))
    assert ([one.change for one in audiences], last) == ([FeedReset(10), *page.changes], 11)


def test_a_merged_read_all_of_a_feed_cannot_be_undone(store: Harness) -> None:
    """What it read stays read; the newer half can be undone, exactly."""
    made = read_feed(store, KEPT + 1)
    for position in made[: KEPT // 2]:
        assert store.changed(UndoMarkFeedRead("bob", position)) == 0
    for position in made[: KEPT // 2 - 1 : -1]:
        assert store.changed(UndoMarkFeedRead("bob", position)) == 1
    assert feed_times(store)[KEPT // 2 :] == [None] * (KEPT // 2 + 1)
    assert store.changed(UndoMarkFeedRead("bob", made[KEPT // 2 - 1])) == 0


def test_an_item_that_was_unread_keeps_the_time_of_the_read_all_that_read_it(store: Harness) -> None:
    """Its own row says it, whatever becomes of the read-all."""
    (id,) = store.publish(event("bob"))
    read_feed(store, 1)
    store.write(MarkFeedUnread("bob", (id,)))
    read_feed(store, 1)
    expected = store.clock.ms
    read_feed(store, MANY)
    assert feed_times(store)[0] == expected
    assert feed_times(store)[1] != expected - 1
