"""What only the SQLite store has of what is due: the cost of asking, ids that never come twice, flags that roll back."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.backends import SMALL
from tests.unit.storage.inside import Inside, traced
from tidings.delivery_priority import DeliveryPriority
from tidings.endpoint_commands import AddEndpoint, RemoveEndpoint
from tidings.errors import KeyReused
from tidings.model import (
    EraseUser,
    FireReminder,
    Publish,
    RecordDeliveryResults,
    RetryDeadLetters,
    SetNotificationType,
    SetPreferences,
    SetReminder,
)
from tidings.personal_data import DeliveryResult, Endpoint, Preferences, Reminder
from tidings.rules import Rule
from tidings.storage.sqlite.statements import sql
from tidings.testing import START_MS, event

MAILED = msgspec.structs.replace(SMALL, types={"post": Rule(group="none", channels=("email",))})
MAIL = Endpoint("e1", "bob", "email", "bob@example.org")
MOST_STATEMENTS = 12
"""Of a page of deliveries to one user, the snapshot included, beside one for each partition."""


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Inside]:
    with Inside.opened(tmp_path, MAILED) as inside:
        yield inside


def due(opened: Inside) -> list[int]:
    return [delivery.id for delivery in opened.run(opened.store.deliveries(opened.clock.ms, 100))]


def reminder(key: str, due_at: int = START_MS) -> Reminder:
    return Reminder(key, due_at, b"{}", ("bob",))


def test_what_is_due_next_is_the_first_of_an_index(opened: Inside) -> None:
    plan = [row[3] for row in opened.store._near.db.all(f"EXPLAIN QUERY PLAN {sql('next_due')}")]
    assert "SEARCH reminder USING COVERING INDEX reminder_due" in plan
    assert plan.count("SEARCH delivery USING COVERING INDEX delivery_due (priority=?)") == len(
        DeliveryPriority
    )


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("deliveries_due", "delivery_due (priority=? AND due_at>? AND due_at<?)"),
        ("dead_deliveries", "delivery_dead_lettered"),
    ],
)
def test_deliveries_are_found_in_their_order(opened: Inside, name: str, index: str) -> None:
    """By an index, whatever waits for later, and without sorting."""
    values: object = (0,) * sql(name).count("?")
    if name == "deliveries_due":
        values = {"priority": 0, "due_by": 0, "limit": 0, "without": None, "after_due": -1, "after_id": 0}
    plan = [row[3] for row in opened.store._near.db.all(f"EXPLAIN QUERY PLAN {sql(name)}", values)]
    assert index in plan[0]
    assert not any("TEMP B-TREE" in each for each in plan), plan


def test_a_page_of_deliveries_costs_a_few_statements(opened: Inside) -> None:
    """However many groups it is about."""
    opened.write(AddEndpoint(MAIL))
    opened.publish(*(event("ann", targets=("bob",)) for _ in range(50)))
    with traced(opened.store._own_readers.readings[0].db) as seen:
        found = opened.run(opened.store.deliveries(opened.clock.ms, 100))
    assert [delivery.row is not None for delivery in found] == [True] * 50
    older = len(opened.writer.events.spans) + len(opened.writer.inboxes.spans)
    assert len(seen) <= MOST_STATEMENTS + older


def test_items_of_one_transaction_owe_a_group_one_delivery(opened: Inside) -> None:
    """However many of them join it."""
    opened.write(AddEndpoint(MAIL), SetNotificationType("like", Rule(channels=("email",))))
    opened.publish(*(event(actor, "like", targets=("bob",)) for actor in ("ann", "cy", "dan")))
    assert [row.size for row in opened.rows("bob")] == [3]
    assert len(due(opened)) == 1


def test_nothing_is_left_of_an_erased_person(opened: Inside) -> None:
    """Not even under a number that nobody knows any more."""
    preferences = Preferences({"*": {"email": False, "in_app": True}})
    both = msgspec.structs.replace(reminder("r"), users=("bob", "cy"))
    opened.write(
        AddEndpoint(MAIL), SetPreferences("bob", preferences), SetReminder(both), SetReminder(reminder("own"))
    )
    opened.publish(event("ann", targets=("bob",)))
    opened.write(EraseUser("bob"))
    db = opened.store._near.db
    for table in ("preference", "in_app_preference", "endpoint", "delivery"):
        assert db.all(f"SELECT * FROM {table}") == [], table
    assert db.all("SELECT user, key FROM reminder_user JOIN reminder ON reminder=number") == [("cy", "r")]
    assert [found.users for found in opened.run(opened.store.reminders(None, 9))] == [("cy",)]


def test_the_id_of_a_delivery_is_never_given_again(opened: Inside) -> None:
    """A receiver that goes by ids would take a later one for a repeat."""
    opened.write(AddEndpoint(MAIL))
    opened.publish(event("ann", targets=("bob",)))
    (first,) = due(opened)
    opened.write(RecordDeliveryResults((DeliveryResult(first, "sent", START_MS),)))
    opened.publish(event("ann", targets=("bob",)))
    (second,) = due(opened)
    assert second > first
    opened.write(RecordDeliveryResults((DeliveryResult(first, "dead"),)))
    assert due(opened) == [second]


def test_dead_deliveries_go_with_their_endpoint(opened: Inside) -> None:
    opened.write(AddEndpoint(MAIL))
    opened.publish(event("ann", targets=("bob",)))
    opened.write(RecordDeliveryResults((DeliveryResult(due(opened)[0], "dead", 0, "refused"),)))
    assert opened.run(opened.store.status()).dead_letters == 1
    opened.write(RemoveEndpoint("bob", "e1"))
    assert opened.run(opened.store.status()).dead_letters == 0
    opened.write(RetryDeadLetters())
    assert due(opened) == []


def test_a_reminder_whose_event_is_refused_stays_due(opened: Inside) -> None:
    """All or nothing: nothing was published, so it has not fired."""
    opened.publish(event("ann", key=b"k" * 16, fingerprint=b"1" * 8))
    opened.write(SetReminder(reminder("r")))
    other = event("ann", key=b"k" * 16, fingerprint=b"2" * 8)
    (outcome,) = opened.write(FireReminder(reminder("r"), None, other))
    assert isinstance(outcome, KeyReused)
    assert opened.run(opened.store.reminders(START_MS, 9)) == [reminder("r")]


def test_what_is_kept_in_memory_rolls_back(opened: Inside) -> None:
    """Endpoints and preferences that were never committed are not consulted, and those that were are after a restart."""
    silent = SetPreferences("bob", Preferences({"post": {"in_app": False}}))
    never = Publish((msgspec.structs.replace(event("ann"), created_at=1 << 60),))  # no key holds this time
    with pytest.raises(OverflowError):
        opened.run(opened.store.write([AddEndpoint(MAIL), silent, never]))
    writer = opened.writer
    assert not writer.reached
    assert not writer.silenced
    assert opened.run(opened.store.preferences("bob")) == Preferences()
    opened.write(AddEndpoint(MAIL), silent)
    writer.reload()
    assert writer.reached
    assert writer.silenced
    opened.publish(event("ann", targets=("bob",)))
    assert opened.rows("bob") == []


def test_setting_a_reminder_anew_forgets_whom_it_named(opened: Inside) -> None:
    opened.write(
        SetReminder(reminder("r")), SetReminder(msgspec.structs.replace(reminder("r"), users=("cy", "dan")))
    )
    rows = opened.store._near.db.all("SELECT user FROM reminder_user ORDER BY user")
    assert rows == [("cy",), ("dan",)]
