"""A reminder that names many users is set, replaced and cancelled at once, while the rows that find it by their names are
written and deleted in steps."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import msgspec
import pytest

from tests.backends import SMALL
from tests.checkers import traces
from tests.unit.storage.inside import Inside, traced
from tidings.model import (
    CancelReminder,
    Command,
    CommandResult,
    EraseUser,
    FireReminder,
    Published,
    RecordDeliveryResults,
    SetReminder,
    user_topic,
)
from tidings.personal_data import NAMED_AT_ONCE, Reminder
from tidings.testing import START_MS, event

USERS = tuple(f"user-{n:04d}" for n in range(5 * NAMED_AT_ONCE))
FIRST, LAST = USERS[0], USERS[-1]
STEP = 150
"""Rows of a step."""
MOST_ROWS = STEP + 10
"""Rows of a transaction: those of a step and its progress, or the reminder and its job."""
NOTHING = RecordDeliveryResults(())


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Inside]:
    with Inside.opened(tmp_path) as inside:
        yield inside


def reminder(key: str, users: tuple[str, ...] = USERS) -> Reminder:
    told = {"actor_id": "clock", "target_user_ids": users}
    return Reminder(key, START_MS, msgspec.json.encode(told), users)


def stepped(inside: Inside, *commands: Command) -> Iterator[int]:
    """Write these, and then step after step until nothing is left; before each of these their number. No transaction writes
    more than MOST_ROWS."""
    rows = inside.writer.db.total_changes()
    inside.run(inside.store.write(commands))
    for done in count():
        now = inside.writer.db.total_changes()
        assert now - rows <= MOST_ROWS
        rows = now
        yield done
        if not inside.run(inside.store.work(STEP)):
            return


def keys(inside: Inside, user: str) -> list[str]:
    """The reminders that an export tells of."""
    return [line["key"] for line in inside.export(user) if line["kind"] == "reminder"]


def rows_left(inside: Inside, table: str = "reminder_user") -> int:
    (found,) = inside.writer.db.one(f"SELECT count(*) FROM {table}")
    return int(found)


def test_a_reminder_is_read_by_a_thread(opened: Inside) -> None:
    """The fault: the event loop read it, which may be megabytes that name a user whose erasure goes on."""
    opened.write(SetReminder(new := reminder("r")))
    with traced(opened.store._near.db) as statements:
        assert opened.run(opened.store.reminder("r")) == new
    assert not any("FROM reminder" in one for one in statements)


def test_a_large_reminder_is_there_from_its_first_transaction_on(opened: Inside) -> None:
    """The fault: ten thousand rows were written in the transaction that set it."""
    new, steps = reminder("r"), 0
    for step in stepped(opened, SetReminder(new)):
        assert opened.run(opened.store.reminder("r")) == new
        assert opened.run(opened.store.reminders(START_MS, 9)) == [new]
        assert keys(opened, FIRST) == keys(opened, LAST) == ["r"]
        assert keys(opened, "someone") == []
        steps = step
    assert steps > 2
    assert rows_left(opened) == len(USERS) + 1
    assert rows_left(opened, "reminder_unsettled") == 0


@pytest.mark.parametrize("steps_before", [0, 2, 99])
def test_a_large_reminder_is_gone_from_the_transaction_that_cancels_it(
    opened: Inside, steps_before: int
) -> None:
    """The fault: ten thousand rows were deleted in it. Also while the rows are still being written."""
    list(zip(range(steps_before + 1), stepped(opened, SetReminder(reminder("r"))), strict=False))
    for _ in stepped(opened, CancelReminder("r")):
        assert opened.run(opened.store.reminder("r")) is None
        assert opened.run(opened.store.reminders(None, 9)) == []
        assert opened.run(opened.store.next_due()) is None
        assert opened.run(opened.store.status()).sizes["reminders"] == 0
        assert keys(opened, FIRST) == keys(opened, LAST) == []
        assert opened.run(opened.store.write([CancelReminder("r")])) == [CommandResult(0, 0)]
    tables = ("reminder", "reminder_user", "reminder_unsettled")
    assert [rows_left(opened, table) for table in tables] == [0, 0, 0]


@pytest.mark.parametrize("steps_before", [0, 2, 99])
def test_one_large_reminder_takes_the_place_of_another(opened: Inside, steps_before: int) -> None:
    """All users of both: the old ones find it no more, the new ones do, from one transaction on."""
    list(zip(range(steps_before + 1), stepped(opened, SetReminder(reminder("r"))), strict=False))
    others = tuple(f"other-{n:04d}" for n in range(len(USERS)))
    for _ in stepped(opened, SetReminder(new := reminder("r", (FIRST, *others)))):
        assert opened.run(opened.store.reminders(None, 9)) == [new]
        assert keys(opened, LAST) == []
        assert keys(opened, FIRST) == keys(opened, others[-1]) == ["r"]
    assert rows_left(opened) == len(others) + 2
    assert rows_left(opened, "reminder") == 1


def test_few_other_users_change_their_rows_alone_also_between_steps(opened: Inside) -> None:
    """Those whose turn has not come get their rows with the rest."""
    steps = stepped(opened, SetReminder(reminder("r")))
    for _ in zip(range(3), steps, strict=False):
        pass
    changed = ("aaa", "zzz", *USERS[1:-1])
    opened.run(opened.store.write([SetReminder(reminder("r", changed))]))
    assert (keys(opened, "aaa"), keys(opened, "zzz")) == (["r"], ["r"])
    assert (keys(opened, FIRST), keys(opened, LAST)) == ([], [])
    opened.settle()
    assert rows_left(opened) == len(changed) + 1
    assert (keys(opened, "aaa"), keys(opened, "zzz")) == (["r"], ["r"])


def test_it_fires_once_as_a_whole_while_its_rows_are_written(opened: Inside) -> None:
    """What is written in steps is none of what it says: all users are told, once, and all rows go afterwards."""
    new = reminder("r")
    list(zip(range(2), stepped(opened, SetReminder(new)), strict=False))
    fire = FireReminder(new, None, event("clock", "ring", targets=USERS))
    first, again = opened.run(opened.store.write([fire, fire]))
    assert isinstance(first, Published)
    assert len(first.receipts) == 1
    assert again == Published(())
    opened.settle()
    assert [len(opened.inbox(user)) for user in (FIRST, LAST)] == [1, 1]
    assert rows_left(opened) == rows_left(opened, "reminder") == 0


@pytest.mark.parametrize("cancelled", [False, True])
@pytest.mark.parametrize("person", [FIRST, USERS[len(USERS) // 2], LAST])
def test_an_erasure_finds_users_whose_rows_are_not_written_yet(
    opened: Inside, tmp_path: Path, person: str, *, cancelled: bool
) -> None:
    """Nor is the name left in a reminder that was cancelled, and has not been deleted yet."""
    list(zip(range(3), stepped(opened, SetReminder(reminder("r"))), strict=False))
    if cancelled:
        opened.run(opened.store.write([CancelReminder("r")]))
    (outcome,) = opened.run(opened.store.write([EraseUser(person)]))
    assert isinstance(outcome, CommandResult)
    assert outcome.updated == int(not cancelled)
    while person in opened.store.erasures.under_way:
        found = opened.run(opened.store.reminder("r"))
        assert (found is None) if cancelled else (found and person not in found.users)
        assert keys(opened, person) == []
        opened.run(opened.store.work(STEP))
    opened.run(opened.store.check())
    assert traces.found(tmp_path, (person,)) == []
    opened.settle()
    assert rows_left(opened) == (0 if cancelled else len(USERS))


def test_what_is_set_during_an_erasure_is_kept_while_it_is_written(opened: Inside) -> None:
    """It names somebody else of the same name."""
    opened.run(
        opened.store.write([SetReminder(reminder("old")), EraseUser(LAST), SetReminder(reminder("new"))])
    )
    while opened.run(opened.store.work(STEP)):
        assert keys(opened, LAST) == ["new"]
    assert keys(opened, LAST) == ["new"]
    assert keys(opened, FIRST) == ["old", "new"]


@pytest.mark.parametrize("most", [1, 2])
def test_an_erasure_finds_the_user_whose_followers_a_large_reminder_addresses(
    tmp_path: Path, most: int
) -> None:
    """The fault: where one transaction writes the rows of one or two users, a reminder to a topic is large already, and the
    topic was not searched. The erasure found nothing, and the name of the user remained in the reminder."""
    text = msgspec.json.encode({"actor_id": "clock", "object_type": "user", "object_id": "carol"})
    to_followers = Reminder("r", START_MS, text, (), user_topic("bob"))
    with Inside.opened(tmp_path, msgspec.structs.replace(SMALL, fanout_sync_max_followers=most)) as inside:
        inside.run(inside.store.write([SetReminder(to_followers)]))
        assert keys(inside, "bob") == ["r"]
        assert inside.run(inside.store.write([EraseUser("bob")])) == [CommandResult(1, 0)]
        assert inside.run(inside.store.reminder("r")) is None
        inside.settle()
        inside.run(inside.store.check())
        assert traces.found(tmp_path, ("user:bob",)) == []
        assert rows_left(inside) == rows_left(inside, "reminder") == 0
