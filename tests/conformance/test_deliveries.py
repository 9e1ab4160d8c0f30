"""``tidings.ports.DeliveryQueue``: reminders, and deliveries that leave the application."""

import asyncio
from pathlib import Path

import msgspec
import pytest

from tests.harness import Harness
from tidings.config import Settings
from tidings.endpoint_commands import AddEndpoint, ConfirmEndpoint, EnableEndpoint, RemoveEndpoint
from tidings.errors import KeyReused
from tidings.inbox_commands import NotificationState, SetNotificationState
from tidings.model import (
    CancelReminder,
    EraseUser,
    FireReminder,
    NewEvent,
    Outcome,
    Publish,
    Published,
    RecordDeliveryResults,
    Retract,
    RetryDeadLetters,
    SetNotificationType,
    SetPreferences,
    SetReminder,
)
from tidings.notification_facts import Delivery
from tidings.personal_data import DeliveryResult, Endpoint, Preferences, QuietHours, Reminder
from tidings.rules import Rule
from tidings.status import DeadLetter
from tidings.storage.sqlite import SqliteStore
from tidings.testing import START_MS, FakeClock, MemoryStore, event

NEVER = START_MS * 2
MAIL = Endpoint("e1", "bob", "email", "bob@mail.test", created_at=START_MS)
HOOK = Endpoint("e2", "bob", "webhook", "https://hook.test/", "secret", START_MS + 1)
PUSH = Endpoint("e3", "bob", "web_push", "https://push.test/1", "keys", START_MS + 2)
OUT = Rule(channels=("email", "webhook"))
NIGHT = QuietHours("UTC", "22:00", "07:00")
DAY = QuietHours("UTC", "07:00", "22:00")


def reminder(key: str, due_at: int, users: tuple[str, ...] = ("bob",)) -> Reminder:
    """One that tells these users of meeting:1."""
    return Reminder(key, due_at, b'{"actor_id":"clock","target_user_ids":["bob"]}', users)


def reminders(store: Harness, due_by: int | None = None, limit: int = 9) -> list[str]:
    return [found.key for found in store.run(store.store.reminders(due_by, limit))]


def deliveries(store: Harness, due_by: int = NEVER, limit: int = 99) -> list[Delivery]:
    return store.run(store.store.deliveries(due_by, limit))


def next_due(store: Harness) -> int | None:
    return store.run(store.store.next_due())


def reached(store: Harness, *endpoints: Endpoint) -> None:
    """Let the type "ping" go out by e-mail and webhook, and bob be reached there."""
    store.write(SetNotificationType("ping", OUT), *(AddEndpoint(endpoint) for endpoint in endpoints))


def ping(store: Harness, obj: str = "item:1", user: str = "bob") -> str:
    """Bring the user an item of the type "ping"."""
    return store.publish(event("alice", "ping", obj, targets=(user,)))[0]


def handled(store: Harness, state: str, at: int = 0, error: str = "") -> int:
    """Settle the delivery that is due first."""
    return store.changed(RecordDeliveryResults((DeliveryResult(deliveries(store)[0].id, state, at, error),)))


# --- reminders ----------------------------------------------------------------------------------------------


def test_reminders_come_soonest_first(store: Harness) -> None:
    """Those due by a time, that time included, or whichever come; at most the limit."""
    store.write(
        *(SetReminder(reminder(key, START_MS + due)) for key, due in (("c", 30), ("a", 10), ("b", 20)))
    )
    assert reminders(store) == ["a", "b", "c"]
    assert reminders(store, START_MS + 20) == ["a", "b"]
    assert reminders(store, START_MS + 9) == []
    assert reminders(store, None, 2) == ["a", "b"]
    store.write(SetReminder(reminder("bb", START_MS + 20)))
    rest = store.run(store.store.reminders(START_MS + 30, 9, (START_MS + 20, "b")))
    assert [found.key for found in rest] == ["bb", "c"], "and what comes after one of them"


def test_a_reminder_is_kept_as_it_was_set(store: Harness) -> None:
    """One of the same key replaces it."""
    every = Reminder("k", START_MS, b'{"verb":"ring"}', ("bob", "cy"), "city:1", "P1D", "Europe/Berlin")
    store.write(SetReminder(every))
    assert store.run(store.store.reminder("k")) == every
    later = reminder("k", START_MS + 5)
    store.write(SetReminder(later))
    assert store.run(store.store.reminder("k")) == later
    assert reminders(store) == ["k"]


def test_a_reminder_is_taken_back(store: Harness) -> None:
    """Once."""
    store.write(SetReminder(reminder("k", START_MS)))
    assert [store.changed(CancelReminder("k")) for _ in range(2)] == [1, 0]
    assert (reminders(store), store.run(store.store.reminder("k")), next_due(store)) == ([], None, None)


def fire(store: Harness, due_at: int, next_at: int | None = None, sent: NewEvent | None = None) -> int:
    """Fire the reminder "k"; returns how many events that published."""
    told: Outcome | KeyReused
    (told,) = store.write(
        FireReminder(reminder("k", due_at), next_at, sent or event("clock", "ring", targets=("bob",)))
    )
    assert isinstance(told, Published)
    return len(told.receipts)


def test_a_reminder_fires_once(store: Harness) -> None:
    """Its event is published and told; then it is done, whoever asks."""
    store.write(SetReminder(reminder("k", START_MS)))
    assert [fire(store, START_MS) for _ in range(2)] == [1, 0]
    assert [row.type for row in store.rows("bob")] == ["ring"]
    assert (reminders(store), store.run(store.store.head()).position) == ([], 1)


def test_a_reminder_comes_again(store: Harness) -> None:
    """At ``next_at``, and not at the time it was due before."""
    store.write(SetReminder(reminder("k", START_MS)))
    assert fire(store, START_MS, START_MS + 5) == 1
    assert store.run(store.store.reminder("k")) == reminder("k", START_MS + 5)
    assert fire(store, START_MS, START_MS + 9) == 0
    assert next_due(store) == START_MS + 5
    assert fire(store, START_MS + 5) == 1


def test_a_reminder_that_was_set_anew_or_taken_back_does_not_fire(store: Harness) -> None:
    """At a time it is not set to."""
    store.write(SetReminder(reminder("k", START_MS)), SetReminder(reminder("k", START_MS + 5)))
    assert fire(store, START_MS) == 0
    store.write(CancelReminder("k"))
    assert fire(store, START_MS + 5) == 0
    assert store.run(store.store.head()).position == 0


def test_a_reminder_that_says_something_else_by_now_does_not_fire(store: Harness) -> None:
    """Read as due, then set anew for the same time or changed by an erasure: its old event, with the erased name in it,
    is not published, and what was set in between is kept."""
    read = Reminder("k", START_MS, b'{"actor_id":"clock","target_user_ids":["bob","cy"]}', ("bob", "cy"))
    anew = reminder("k", START_MS)
    ring = event("clock", "ring", targets=("bob", "cy"))
    store.write(SetReminder(read), SetReminder(anew))
    assert store.write(FireReminder(read, None, ring)) == [Published(())]
    assert store.run(store.store.reminder("k")) == anew
    store.write(SetReminder(read), EraseUser("cy"))
    left = store.run(store.store.reminder("k"))
    assert store.write(FireReminder(read, START_MS + 5, ring)) == [Published(())]
    assert left is not None
    assert store.run(store.store.reminder("k")) == left
    assert store.run(store.store.head()).position == 0


def test_a_reminder_is_taken_back_only_as_it_was_read(store: Harness) -> None:
    """Whoever cancels what cannot fire does not cancel what was set in its place."""
    store.write(SetReminder(reminder("k", START_MS)))
    assert store.changed(CancelReminder("k", only=reminder("k", START_MS + 5))) == 0
    assert store.changed(CancelReminder("k", only=reminder("k", START_MS))) == 1
    assert store.changed(CancelReminder("k", only=reminder("k", START_MS))) == 0


def test_a_firing_whose_event_is_refused_leaves_the_reminder(store: Harness) -> None:
    """All or nothing."""
    keyed = event("clock", "ring", key=b"k" * 16, fingerprint=b"one")
    store.publish(keyed)
    store.write(SetReminder(reminder("k", START_MS)))
    refused = msgspec.structs.replace(keyed, fingerprint=b"two")
    (outcome,) = store.write(FireReminder(reminder("k", START_MS), None, refused))
    assert isinstance(outcome, KeyReused)
    assert reminders(store) == ["k"]
    assert fire(store, START_MS, None, keyed) == 1
    assert (reminders(store), store.run(store.store.head()).position) == ([], 1)


def test_firing_orders_with_what_is_written_beside_it(store: Harness) -> None:
    """Positions are in the order of the commands."""
    store.write(SetReminder(reminder("k", START_MS)))
    before, after = event("a", "before"), event("a", "after")
    store.write(
        Publish((before,)),
        FireReminder(reminder("k", START_MS), None, event("clock", "ring")),
        Publish((after,)),
    )
    assert [entry.verb for entry in store.run(store.store.tail(0, 9))] == ["before", "ring", "after"]


# --- what owes a delivery -----------------------------------------------------------------------------------


def test_an_item_owes_a_delivery_to_each_endpoint_of_its_type(store: Harness) -> None:
    """On a channel of the rule, due at once, with all that whoever delivers it must know."""
    preferences = Preferences(locale="de")
    reached(store, MAIL, HOOK, PUSH)
    store.write(SetPreferences("bob", preferences))
    store.clock.advance(5)
    ping(store)
    (row,) = store.rows("bob")
    found = deliveries(store)
    assert {delivery.endpoint.id for delivery in found} == {"e1", "e2"}
    assert len({delivery.id for delivery in found}) == 2
    for delivery in found:
        expected = MAIL if delivery.endpoint.id == "e1" else HOOK
        now = store.clock.ms
        assert delivery[1:-1] == (expected, "ping", row, preferences, now, now, 0, False)


def test_deliveries_to_busy_endpoints_are_left_out(store: Harness) -> None:
    """Those to other endpoints take their places in the page."""
    reached(store, MAIL, HOOK)
    ping(store)
    first, second = deliveries(store)
    assert store.run(store.store.deliveries(NEVER, 1, without=(first.endpoint.id, "none"))) == [second]
    assert store.run(store.store.deliveries(NEVER, 9, without=(first.endpoint.id, second.endpoint.id))) == []


def test_deliveries_are_read_again_by_their_ids(store: Harness) -> None:
    """As they are now; those that are gone, given up or not due are left out."""
    reached(store, MAIL, HOOK)
    ping(store)
    first, second = deliveries(store)
    ids = (first.id, second.id, 999)
    assert store.run(store.store.deliveries(NEVER, 9, ids)) == [first, second]
    assert store.run(store.store.deliveries(NEVER, 9, (second.id,))) == [second]
    assert store.run(store.store.deliveries(NEVER, 9, ())) == []
    store.write(
        RecordDeliveryResults((DeliveryResult(first.id, "held", START_MS + 5),)),
        SetPreferences("bob", Preferences(locale="de")),
    )
    (again,) = store.run(store.store.deliveries(START_MS, 9, ids))
    assert (again.id, again.preferences.locale) == (second.id, "de")
    store.write(
        RecordDeliveryResults((DeliveryResult(first.id, "dead"),)), RemoveEndpoint("bob", second.endpoint.id)
    )
    assert store.run(store.store.deliveries(NEVER, 9, ids)) == []


def held_and_waiting(store: Harness) -> tuple[Delivery, Delivery, Delivery, Delivery]:
    """Deliveries to bob: one that is held for his preferences, two that failed, and one
    that was held and has failed since. And one that is held for another user."""
    reached(store, HOOK, msgspec.structs.replace(MAIL, id="e9", user="cy"))
    for thing in ("item:1", "item:2", "item:3", "item:4"):
        ping(store, thing)
    ping(store, "item:5", "cy")
    held, waiting, failed, again, of_cy = sorted(deliveries(store), key=lambda each: each.id)
    store.write(
        RecordDeliveryResults(
            (
                DeliveryResult(held.id, "held", START_MS + 500),
                DeliveryResult(waiting.id, "failed", START_MS + 501),
                DeliveryResult(failed.id, "failed", START_MS + 502, "HTTP 500"),
                DeliveryResult(again.id, "held", START_MS + 503),
                DeliveryResult(of_cy.id, "held", START_MS + 504),
            )
        ),
        RecordDeliveryResults((DeliveryResult(again.id, "failed", START_MS + 503, "HTTP 500"),)),
    )
    return held, waiting, failed, again


def due_in(store: Harness) -> list[int]:
    """When deliveries are due, in milliseconds after the beginning, in the order of their ids."""
    return [each.due_at - START_MS for each in sorted(deliveries(store), key=lambda each: each.id)]


@pytest.mark.parametrize(
    "changed", [Preferences(), Preferences(quiet_hours=DAY), Preferences(quiet_hours=NIGHT, digest_s=60)]
)
def test_what_preferences_held_is_due_when_they_change(store: Harness, changed: Preferences) -> None:
    """Lifted or other quiet hours, another digest: what the old ones held is decided anew, and nothing else. It stayed held
    until the old ones ended."""
    store.write(SetPreferences("bob", Preferences(quiet_hours=NIGHT)))
    held_and_waiting(store)
    store.clock.advance(7)
    store.write(SetPreferences("bob", changed))
    assert due_in(store) == [7, 501, 502, 503, 504]
    assert next_due(store) == START_MS + 7
    store.clock.advance(1)
    store.write(SetPreferences("bob", Preferences(quiet_hours=NIGHT)))
    assert due_in(store) == [7, 501, 502, 503, 504]


@pytest.mark.parametrize("decided", ["held", "dropped"])
def test_what_former_preferences_decide_is_not_recorded(store: Harness, decided: str) -> None:
    """The fault: the dispatcher read a delivery, the user ended the quiet hours, and then it recorded that they hold it: the
    mail waited until their end."""
    former = Preferences(quiet_hours=NIGHT)
    reached(store, MAIL)
    store.write(SetPreferences("bob", former))
    ping(store)
    (read,) = deliveries(store)
    store.write(SetPreferences("bob", Preferences(quiet_hours=DAY)))
    result = DeliveryResult(read.id, decided, START_MS + 500, by=former)
    assert store.changed(RecordDeliveryResults((result,))) == 0
    assert due_in(store) == [0]
    store.write(SetPreferences("bob", former), RecordDeliveryResults((result,)))
    assert due_in(store) == ([500] if decided == "held" else [])


def test_what_preferences_held_stays_held_by_the_same_ones(store: Harness) -> None:
    """Setting a language, or a types for a type, decides nothing anew."""
    store.write(SetPreferences("bob", Preferences(quiet_hours=NIGHT, digest_s=60)))
    held_and_waiting(store)
    types = {"ping": {"email": False}}
    store.write(SetPreferences("bob", Preferences(types, quiet_hours=NIGHT, digest_s=60, locale="de")))
    assert due_in(store) == [500, 501, 502, 503, 504]


def test_what_owes_no_delivery(store: Harness) -> None:
    """A type without channels, a user without endpoints, what is not told; an endpoint that came later."""
    reached(store)
    ping(store)
    store.write(AddEndpoint(MAIL))
    store.tell("bob", "comment")
    ping(store, user="cy")
    store.write(SetPreferences("bob", Preferences(types={"ping": {"in_app": False}})))
    ping(store)
    assert (deliveries(store), next_due(store)) == ([], None)


def test_a_group_waits_once_for_an_endpoint(store: Harness) -> None:
    """While one about it waits, what joins adds none; it shows the group as it is now. Another group owes its own."""
    reached(store, MAIL)
    ping(store)
    ping(store)
    (waiting,) = deliveries(store)
    assert waiting.row == store.rows("bob")[0]
    assert waiting.row is not None
    assert waiting.row.size == 2
    ping(store, "item:2")
    assert len(deliveries(store)) == 2
    handled(store, "sent")
    ping(store)
    assert [row and row.size for row in (delivery.row for delivery in deliveries(store))] == [1, 3]


def test_a_delivery_shows_what_became_of_its_notification(store: Harness) -> None:
    """Read or archived it is there; retracted it is gone."""
    reached(store, MAIL)
    event_id = ping(store)
    (row,) = store.rows("bob")
    store.write(
        SetNotificationState("bob", (row.id,), NotificationState.READ),
        SetNotificationState("bob", (row.id,), NotificationState.ARCHIVED),
    )
    (delivery,) = deliveries(store)
    assert delivery.row == store.row("bob", row.id)
    store.write(Retract(event_id))
    assert [delivery.row for delivery in deliveries(store)] == [None]


# --- settling -----------------------------------------------------------------------------------------------


def test_deliveries_come_longest_due_first(store: Harness) -> None:
    """Those due by a time, that time included; at most the limit."""
    reached(store, MAIL)
    for obj in ("item:1", "item:2", "item:3"):
        ping(store, obj)
        store.clock.advance(10)
    first = deliveries(store)[0].id
    handled(store, "held", START_MS + 15)
    dues = [delivery.due_at - START_MS for delivery in deliveries(store)]
    assert dues == [10, 15, 20]
    assert [delivery.id == first for delivery in deliveries(store)] == [False, True, False]
    assert [delivery.due_at - START_MS for delivery in deliveries(store, START_MS + 15)] == [10, 15]
    assert len(deliveries(store, NEVER, 2)) == 2
    assert next_due(store) == START_MS + 10


def test_what_was_sent_or_dropped_is_gone(store: Harness) -> None:
    """The endpoint remembers when something went there."""
    reached(store, MAIL)
    for state, at, sent_at in (
        ("dropped", START_MS + 9, 0),
        ("sent", START_MS + 7, START_MS + 7),
        ("sent", 0, START_MS),
    ):
        ping(store)
        assert handled(store, state, at) == 1
        assert deliveries(store) == []
        assert [found.sent_at for found in store.run(store.store.endpoints("bob"))] == [sent_at]
    assert next_due(store) is None


def test_what_is_not_due_yet_waits(store: Harness) -> None:
    """``later`` is no attempt, ``failed`` is one; the id stays."""
    reached(store, MAIL)
    ping(store)
    (delivery,) = deliveries(store)
    handled(store, "held", START_MS + 5)
    assert deliveries(store) == [delivery._replace(due_at=START_MS + 5)]
    handled(store, "failed", START_MS + 9, "refused")
    failed = msgspec.structs.replace(MAIL, last_error="refused", last_error_at=START_MS)
    assert deliveries(store) == [delivery._replace(due_at=START_MS + 9, attempts=1, endpoint=failed)]
    assert next_due(store) == START_MS + 9
    assert store.run(store.store.dead_letters(9)) == []


def test_what_was_given_up_is_set_aside(store: Harness) -> None:
    """Nothing waits for it: not the clock, not the next item of its group. Replay gives it another round."""
    reached(store, MAIL)
    ping(store)
    (delivery,) = deliveries(store)
    handled(store, "failed", START_MS, "refused")
    handled(store, "dead", 0, "no such mailbox")
    assert (deliveries(store), next_due(store)) == ([], None)
    (letter,) = store.run(store.store.dead_letters(9))
    expected = DeadLetter(letter.id, "delivery", "bob email", 2, "no such mailbox", "bob", MAIL.id)
    assert letter == expected, "the user and the endpoint are named"
    assert store.run(store.store.status()).dead_letters == 1
    store.clock.advance(5)
    assert store.changed(RetryDeadLetters()) == 1
    failed = msgspec.structs.replace(MAIL, last_error="no such mailbox", last_error_at=START_MS)
    assert deliveries(store) == [delivery._replace(due_at=store.clock.ms, endpoint=failed)]
    assert store.run(store.store.dead_letters(9)) == []


def test_a_dead_letter_does_not_stand_for_its_group(store: Harness) -> None:
    """What joins later owes a delivery of its own."""
    reached(store, MAIL)
    ping(store)
    handled(store, "dead", 0, "refused")
    ping(store)
    (delivery,) = deliveries(store)
    assert (delivery.attempts, len(store.run(store.store.dead_letters(9)))) == (0, 1)


def test_dead_letters_are_told_oldest_first(store: Harness) -> None:
    """At most the limit."""
    reached(store, MAIL)
    for obj, error in (("item:1", "first"), ("item:2", "second")):
        ping(store, obj)
        handled(store, "dead", 0, error)
    assert [letter.error for letter in store.run(store.store.dead_letters(9))] == ["first", "second"]
    assert [letter.error for letter in store.run(store.store.dead_letters(1))] == ["first"]


@pytest.mark.parametrize("end", ["gone", "removed"])
def test_an_endpoint_goes_with_all_that_waits_for_it(store: Harness, end: str) -> None:
    """Dead letters too; what waits for others stays."""
    reached(store, MAIL, HOOK)
    ping(store)
    ping(store, "item:2")
    to_mail = [delivery.id for delivery in deliveries(store) if delivery.endpoint.id == "e1"]
    store.write(RecordDeliveryResults((DeliveryResult(to_mail[0], "dead", 0, "refused"),)))
    store.write(
        RecordDeliveryResults((DeliveryResult(to_mail[1], "gone"),))
        if end == "gone"
        else RemoveEndpoint("bob", "e1")
    )
    assert [found.id for found in store.run(store.store.endpoints("bob"))] == ["e2"]
    assert [delivery.endpoint.id for delivery in deliveries(store)] == ["e2", "e2"]
    assert store.run(store.store.dead_letters(9)) == []


def test_settling_what_is_not_there_changes_nothing(store: Harness) -> None:
    """It was settled before, or its endpoint went."""
    reached(store, MAIL)
    ping(store)
    (delivery,) = deliveries(store)
    assert (
        store.changed(
            RecordDeliveryResults(
                (DeliveryResult(delivery.id, "sent"), DeliveryResult(delivery.id, "failed", NEVER))
            )
        )
        == 1
    )
    assert store.changed(RecordDeliveryResults((DeliveryResult(delivery.id + 1, "sent"),))) == 0
    assert deliveries(store) == []


def test_what_waits_survives_a_replaced_endpoint(store: Harness) -> None:
    """It goes to the endpoint as it is now."""
    store.write(SetNotificationType("ping", Rule(channels=("web_push",))), AddEndpoint(PUSH))
    ping(store)
    store.write(AddEndpoint(Endpoint("e9", "bob", "web_push", PUSH.address, "new", START_MS + 9)))
    (delivery,) = deliveries(store)
    assert (delivery.endpoint.id, delivery.endpoint.secret) == (PUSH.id, "new")


def test_nothing_is_owed_where_nothing_may_be_sent(store: Harness) -> None:
    """An endpoint that is not confirmed, or disabled, gets nothing that comes meanwhile; what waited for it waits on."""
    reached(store, HOOK, msgspec.structs.replace(MAIL, confirmed=False))
    ping(store)
    (waiting,) = deliveries(store)
    assert waiting.endpoint.id == "e2"
    ping(store, "item:2")
    refused = DeliveryResult(waiting.id, "dead", error="HTTP 403", failures=7, disables=True)
    assert store.changed(RecordDeliveryResults((refused,))) == 1
    ping(store, "item:3")
    (left,) = deliveries(store)
    assert (left.endpoint.failures, left.endpoint.disabled_at) == (7, store.clock.now())
    assert left.endpoint.disabled_reason == "HTTP 403"
    assert store.changed(RetryDeadLetters()) == 0
    store.write(ConfirmEndpoint("e1"))
    ping(store, "item:4")
    assert sorted(each.endpoint.id for each in deliveries(store)) == ["e1", "e2"]


@pytest.mark.parametrize("backend", ["memory", "sqlite"])
def test_nothing_is_owed_by_a_channel_that_is_not_set_up(backend: str, tmp_path: Path) -> None:
    """A type with the channel email, on a server without smtp_url, made a dead letter of each notification."""
    with asyncio.Runner() as runner:
        clock = FakeClock()
        opened = (
            MemoryStore(clock, channels=("webhook",))
            if backend == "memory"
            else runner.run(SqliteStore.open(tmp_path / "some.db", clock, Settings(), channels=("webhook",)))
        )
        store = Harness(opened, clock, runner)
        reached(store, MAIL, HOOK)
        ping(store)
        assert [each.endpoint.id for each in deliveries(store)] == [HOOK.id]
        runner.run(opened.close())


def test_a_disabled_endpoint_is_enabled_by_its_owner(store: Harness) -> None:
    """By command, or by being registered again; its failures are forgotten, and what it refused can be replayed."""
    reached(store, HOOK)
    ping(store)
    (waiting,) = deliveries(store)
    store.write(
        RecordDeliveryResults(
            (DeliveryResult(waiting.id, "dead", error="HTTP 403", failures=5, disables=True),)
        )
    )
    assert store.changed(EnableEndpoint("cy", HOOK.id)) == 0
    assert store.changed(EnableEndpoint("bob", HOOK.id)) == 1
    assert store.changed(RetryDeadLetters()) == 1
    (again,) = deliveries(store)
    assert again.endpoint == msgspec.structs.replace(HOOK, revision=1)
    store.write(
        RecordDeliveryResults(
            (DeliveryResult(again.id, "dead", error="HTTP 403", failures=5, disables=True),)
        )
    )
    store.write(AddEndpoint(HOOK))
    assert store.run(store.store.endpoints("bob")) == [msgspec.structs.replace(HOOK, revision=2)]


def test_what_was_sent_ends_a_row_of_failures(store: Harness) -> None:
    """A refusal counts with those before it only as long as nothing arrives."""
    reached(store, HOOK)
    ping(store)
    ping(store, "item:2")
    first, second = deliveries(store)
    store.write(RecordDeliveryResults((DeliveryResult(first.id, "dead", failures=3),)))
    assert [found.failures for found in store.run(store.store.endpoints("bob"))] == [3]
    store.write(RecordDeliveryResults((DeliveryResult(second.id, "sent"),)))
    assert [found.failures for found in store.run(store.store.endpoints("bob"))] == [0]


def test_next_due_is_whichever_comes_first(store: Harness) -> None:
    """A reminder or a delivery."""
    assert next_due(store) is None
    store.write(SetReminder(reminder("k", START_MS + 50)))
    assert next_due(store) == START_MS + 50
    reached(store, MAIL)
    ping(store)
    assert next_due(store) == START_MS
    handled(store, "held", START_MS + 60)
    assert next_due(store) == START_MS + 50
