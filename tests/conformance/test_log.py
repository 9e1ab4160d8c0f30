"""``tidings.ports.EventLog``, sentence by sentence."""

import msgspec
import pytest

from tests.checkers.adapters import ALL, places
from tests.checkers.ledger import exactly_once
from tests.harness import Harness
from tidings.errors import KeyReused
from tidings.ids import EventIds, ms_of
from tidings.inbox_commands import MarkAllNotificationsRead, NotificationState, SetNotificationState
from tidings.model import (
    CommandResult,
    EraseUser,
    Follow,
    InboxUpdateResult,
    LogEntry,
    MarkFeedRead,
    Publish,
    Published,
    Retract,
    SetMute,
    Unfollow,
)
from tidings.testing import START_MS, event
from tidings.timeutil import HOUR_MS

TOO_LATE_MS = 1 << 60
"""No key can carry this time."""


def entries(store: Harness) -> list[LogEntry]:
    return store.run(store.store.tail(0, ALL))


def test_write_answers_each_command_in_order(store: Harness) -> None:
    """One outcome per command, of the kind that belongs to it."""
    (event_id,) = store.publish(event("alice"))
    commands = (
        Publish((event("alice"),)),
        Retract(event_id),
        Follow("bob", "user:alice"),
        Unfollow("bob", "user:alice"),
        SetMute("bob", "user:alice"),
        MarkFeedRead("bob"),
        SetNotificationState("bob", (), NotificationState.READ),
        MarkAllNotificationsRead("bob"),
        EraseUser("bob"),
    )
    kinds = [type(outcome) for outcome in store.write(*commands)]
    assert kinds == [
        Published,
        CommandResult,
        CommandResult,
        CommandResult,
        CommandResult,
        CommandResult,
        InboxUpdateResult,
        InboxUpdateResult,
        CommandResult,
    ]


def test_an_empty_write_changes_nothing(store: Harness) -> None:
    """No commands, no outcomes."""
    assert store.write() == []
    assert store.run(store.store.head()).position == 0


def test_positions_are_dense_in_the_order_of_the_commands(store: Harness) -> None:
    """Positions begin at 1 and rise by one over events, changes of what is read of feeds and retractions, over commands
    and writes."""
    first = store.published(event("a"), event("b")).receipts
    outcomes = store.write(
        Publish((event("c"),)),
        Follow("x", "user:a"),
        MarkFeedRead("x"),
        Publish((event("d"), event("e"))),
        Retract(first[0].event_id),
        Publish((event("f"),)),
    )
    later = [receipt for one in outcomes if isinstance(one, Published) for receipt in one.receipts]
    assert [receipt.position for receipt in (*first, *later)] == [1, 2, 3, 5, 6, 8]
    assert [entry.actor_id for entry in entries(store)] == ["b", "c", "d", "e", "f"]


def test_every_receipt_is_kept(store: Harness) -> None:
    """I1: what was acknowledged is in the log once, at its position."""
    batches = (store.published(*(event("a", at=START_MS - i) for i in range(n + 1))) for n in range(5))
    acked = [receipt for batch in batches for receipt in batch.receipts]
    exactly_once(places(acked), places(entries(store)))


def test_a_receipt_gives_the_time_of_the_event(store: Harness) -> None:
    """``created_at`` comes back as it was sent."""
    (receipt,) = store.published(event("a", at=START_MS - 12_345)).receipts
    assert receipt.created_at == START_MS - 12_345


def test_a_write_that_raises_applied_nothing(store: Harness) -> None:
    """Commands before the failing one leave no trace, and the store works on."""
    with pytest.raises((ValueError, OverflowError)):
        store.write(
            Follow("bob", "user:alice"),
            Publish((event("alice", targets=("bob",)),)),
            Publish((event("alice"), event("alice", at=TOO_LATE_MS))),
        )
    assert store.run(store.store.head()).position == 0
    assert entries(store) == []
    assert store.run(store.store.follows("bob", 10, None)) == []
    assert store.counts("bob").seq == 0
    assert store.published(event("alice")).receipts[0].position == 1


def test_readers_see_a_write_when_it_returns(store: Harness) -> None:
    """Log, event and head show it at once."""
    (outcome,) = store.run(store.store.write([Publish((event("alice"),))]))
    assert isinstance(outcome, Published)
    (receipt,) = outcome.receipts
    assert store.run(store.store.head()).position == 1
    assert [entry.position for entry in entries(store)] == [1]
    assert store.run(store.store.event(receipt.event_id)) == entries(store)[0]


def test_targets_of_an_event_are_read_for_the_application_alone(store: Harness) -> None:
    """No reply to a user has them, and there may be ten thousand."""
    (id,) = store.publish(event("alice", targets=("bob", "carol")))
    whole = store.run(store.store.event(id))
    assert whole is not None
    assert whole.targets == ("bob", "carol")
    assert store.run(store.store.event(id, "bob")) == whole._replace(targets=())


def test_a_later_command_sees_an_earlier_one_of_its_write(store: Harness) -> None:
    """Commands apply in order, also inside one transaction."""
    one, two = Publish((event("alice"), event("alice"))), Publish((event("alice"),))
    store.write(one, Follow("bob", "user:alice", 1), two)
    assert [item.position for item in store.page("bob").items] == [3, 2]


def test_an_entry_is_the_event_as_it_was_published(store: Harness) -> None:
    """A log entry has every part of the event; topics include the implied ones."""
    sent = event("alice", "like", "market:a:b", targets=("bob", "cy"), topics=("category:x",))
    store.publish(sent)
    (entry,) = entries(store)
    assert (entry.position, entry.actor_id, entry.verb) == (1, "alice", "like")
    assert (entry.object_type, entry.object_id) == ("market", "a:b")
    assert sorted(entry.targets) == ["bob", "cy"]
    assert sorted(entry.topics) == ["category:x", "market:a:b", "user:alice"]


def test_a_body_is_the_event_with_its_id_and_position_in_front(store: Harness) -> None:
    """The body is JSON that begins with event_id and position and goes on as it was sent."""
    sent = event("alice", name='Ål \u2028 "x"')
    (event_id,) = store.publish(sent)
    body = entries(store)[0].body
    assert body == b'{"event_id":"%s","position":1,' % event_id.encode() + sent.body
    assert msgspec.json.decode(body)["actor_name"] == 'Ål \u2028 "x"'


def test_a_key_is_minted_from_created_at(store: Harness) -> None:
    """The key carries the event's own time, be it past or to come, and the id carries the key."""
    times = [START_MS, START_MS - 86_400_000, START_MS + 60_000, 0]
    event_ids = store.publish(*(event("a", at=at) for at in times))
    assert [ms_of(entry.key) for entry in entries(store)] == times
    keys = [store.store.ids.key(event_id) for event_id in event_ids]
    assert keys == [entry.key for entry in entries(store)]


def test_keys_of_one_millisecond_keep_the_order_of_the_log(store: Harness) -> None:
    """Events of the same millisecond sort as they were published, over several writes and past events of
    others."""
    for at in (START_MS, START_MS - 5, START_MS, START_MS - 5, START_MS):
        store.publish(event("a", at=at), event("b", at=at))
    for ms in (START_MS, START_MS - 5):
        keys = [entry.key for entry in entries(store) if ms_of(entry.key) == ms]
        assert keys == sorted(set(keys))


def test_keys_of_one_millisecond_are_distinct_within_one_command(store: Harness) -> None:
    """Also where the event between them is newer than anything before."""
    offsets = (0, 1, 0, 2, 1, 0, 1)
    store.publish(*(event("a", at=START_MS + offset) for offset in offsets))
    for offset in range(3):
        keys = [entry.key for entry in entries(store) if ms_of(entry.key) == START_MS + offset]
        assert keys == sorted(set(keys))
        assert len(keys) == offsets.count(offset)


def test_ids_sort_as_keys(store: Harness) -> None:
    """The order of the public ids is the order of the feed."""
    store.publish(*(event("a", at=START_MS + offset) for offset in (3, 0, 2, 2, 1)))
    by_key = sorted(entries(store), key=lambda entry: entry.key)
    texts = [store.store.ids.text(entry.key) for entry in by_key]
    assert texts == sorted(texts)


def test_head_is_the_last_position(store: Harness) -> None:
    """0 when empty; a retraction takes one of its own, and no position is given twice."""
    head = store.run(store.store.head())
    assert head.position == 0
    _, second = store.publish(event("a"), event("a"))
    store.write(Retract(second))
    assert store.run(store.store.head()) == (3, head.epoch)
    assert store.published(event("a")).receipts[0].position == 4


def test_an_epoch_has_a_name(store: Harness) -> None:
    """The epoch is not empty and stays the same."""
    epoch = store.run(store.store.head()).epoch
    store.publish(event("a"))
    assert epoch
    assert store.run(store.store.head()).epoch == epoch


def test_tail_gives_entries_over_a_position(store: Harness) -> None:
    """In order, after the position, at most the limit; backdated events stand where they were published."""
    store.publish(*(event("a", at=START_MS - n) for n in range(6)))
    assert [entry.position for entry in store.run(store.store.tail(2, 3))] == [3, 4, 5]
    assert [entry.position for entry in store.run(store.store.tail(5, 3))] == [6]
    assert store.run(store.store.tail(6, 3)) == []


def test_tail_leaves_out_what_was_retracted(store: Harness) -> None:
    """The limit counts only what is there."""
    event_ids = store.publish(*(event("a") for _ in range(5)))
    store.write(Retract(event_ids[1]), Retract(event_ids[2]))
    assert [entry.position for entry in store.run(store.store.tail(0, 3))] == [1, 4, 5]


def test_event_knows_no_strangers(store: Harness) -> None:
    """None for an id of another store, an id never given, and for text that is no id."""
    (event_id,) = store.publish(event("a"))
    key = store.store.ids.key(event_id)
    assert key is not None
    strangers = (EventIds(77).text(key), store.store.ids.text(key + 1), "", "x", event_id.upper() + "0")
    assert [store.run(store.store.event(stranger)) for stranger in strangers] == [None] * 5


def test_a_retracted_event_is_gone(store: Harness) -> None:
    """None once retracted; to retract it again, or what never was, changes nothing."""
    kept, gone = store.publish(event("a"), event("a"))
    assert store.changed(Retract(gone)) == 1
    assert store.run(store.store.event(gone)) is None
    assert store.run(store.store.event(kept)) is not None
    assert store.changed(Retract(gone)) == 0
    assert store.changed(Retract("no-such-id")) == 0


def test_a_repeated_key_is_answered_with_the_first_receipt(store: Harness) -> None:
    """I2: nothing is stored again, and the outcome names the repeats."""
    sent = event("alice", targets=("bob",), key=b"k" * 16, fingerprint=b"same")
    first = store.published(sent)
    store.clock.advance(5)
    again = store.published(event("x"), sent)
    assert first.repeats == ()
    assert again.repeats == (1,)
    assert again.receipts[1] == first.receipts[0]
    assert store.run(store.store.head()).position == 2
    assert store.counts("bob").seq == 1


def test_a_repeat_tells_that_its_event_was_retracted(store: Harness) -> None:
    """The fault: it had the first receipt, and nothing said that the event is shown nowhere. Others are answered as before,
    also the event of somebody who was erased."""
    sent = [event("alice", key=key * 16, fingerprint=b"same") for key in (b"k", b"l")]
    first = store.published(*sent)
    assert [receipt.retracted for receipt in first.receipts] == [False, False]
    store.write(EraseUser("alice"))
    gone, kept = first.receipts
    _, again = store.write(Retract(gone.event_id), Publish(tuple(sent)))
    assert isinstance(again, Published)
    assert again.receipts == (gone._replace(retracted=True), kept)
    assert again.repeats == (0, 1)
    assert store.published(*sent) == again


def test_a_key_repeated_inside_one_command_counts_once(store: Harness) -> None:
    """The second event with the key is a repeat of the first."""
    sent = event("alice", key=b"k" * 16, fingerprint=b"same")
    published = store.published(sent, sent)
    assert published.repeats == (1,)
    assert published.receipts[0] == published.receipts[1]
    assert len(entries(store)) == 1


def test_a_key_repeated_inside_one_write_counts_once(store: Harness) -> None:
    """Group commit makes no difference: the later command repeats the earlier."""
    sent = Publish((event("alice", key=b"k" * 16, fingerprint=b"same"),))
    first, again = store.write(sent, sent)
    assert isinstance(first, Published)
    assert isinstance(again, Published)
    assert (first.receipts, again.repeats) == (again.receipts, (0,))


def test_a_key_with_another_body_refuses_its_whole_command(store: Harness) -> None:
    """KeyReused is returned with the index of its event; nothing of that command is stored, its neighbours are."""
    store.publish(event("alice", key=b"k" * 16, fingerprint=b"one"))
    other = Publish((event("lost"), event("lost", key=b"k" * 16, fingerprint=b"two")))
    before, refused, after = store.write(Publish((event("b"),)), other, Publish((event("c"),)))
    assert isinstance(before, Published)
    assert isinstance(refused, KeyReused)
    assert refused.index == 1
    assert isinstance(after, Published)
    assert [entry.actor_id for entry in entries(store)] == ["alice", "b", "c"]


def test_a_key_with_two_bodies_in_one_command_refuses_it(store: Harness) -> None:
    """The same holds when both stand in one command; the key stays free."""
    one, two = (event("a", key=b"k" * 16, fingerprint=print_) for print_ in (b"one", b"two"))
    (refused,) = store.write(Publish((one, two)))
    assert isinstance(refused, KeyReused)
    assert refused.index == 1
    assert entries(store) == []
    assert store.published(two).repeats == ()


@pytest.mark.need("IN4")
def test_a_key_is_remembered_for_the_time_of_the_setting(store: Harness) -> None:
    """Known after 167 of 168 hours, forgotten after 169."""
    sent = event("alice", key=b"k" * 16, fingerprint=b"same")
    store.publish(sent)
    store.clock.advance(167 * HOUR_MS)
    assert store.published(sent).repeats == (0,)
    store.clock.advance(2 * HOUR_MS)
    store.publish(event("somebody"))
    assert store.published(sent).repeats == ()


def test_a_repeat_of_a_retracted_event_does_not_bring_it_back(store: Harness) -> None:
    """The key outlives the event."""
    sent = event("alice", key=b"k" * 16, fingerprint=b"same")
    (event_id,) = store.publish(sent)
    store.write(Retract(event_id))
    assert store.publish(sent) == [event_id]
    assert entries(store) == []
