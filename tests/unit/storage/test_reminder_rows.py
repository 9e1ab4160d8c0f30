"""Reminders that name many users: what is written of them, and what an erasure in steps leaves to be seen."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from tests.backends import SMALL
from tests.checkers import traces
from tests.unit.storage.inside import Inside
from tidings.config import KIB
from tidings.model import CancelReminder, FireReminder, Published, SetReminder
from tidings.personal_data import Reminder
from tidings.storage.sqlite import user_export
from tidings.testing import START_MS, event

PERSON = "user-4711-quillfeather"
STEPPED = msgspec.structs.replace(SMALL, fanout_sync_max_followers=1)
"""Nothing is done in the transaction of an erasure but its first step."""
MANY = tuple(f"other-{n:04d}" for n in range(500))
REMINDERS = 8
MOST_ROWS = 20
"""Rows of the longest transaction: one reminder, the row that finds it by the user, and how far the erasure is."""


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Inside]:
    with Inside.opened(tmp_path, STEPPED) as inside:
        yield inside


def reminder(key: str, *users: str, actor: str = "clock") -> Reminder:
    told = {"actor_id": actor, "target_user_ids": users}
    return Reminder(key, START_MS, msgspec.json.encode(told), users)


def large(inside: Inside) -> None:
    """Reminders that name the person among many."""
    inside.write(*(SetReminder(reminder(f"r{n}", PERSON, *MANY)) for n in range(REMINDERS)))


def changes(inside: Inside) -> int:
    return inside.writer.db.total_changes()


def named(inside: Inside, user: str) -> int:
    query = "SELECT count(*) FROM reminder_user WHERE user=?"
    (found,) = inside.writer.db.one(query, (user,))
    return int(found)


def test_an_erasure_writes_few_rows_of_large_reminders(opened: Inside) -> None:
    """The fault: each reminder was deleted and set again with all its users, all in one transaction, for seconds in which
    nobody wrote."""
    large(opened)
    rows = [changes(opened)]
    opened.begin_erasure(PERSON)
    rows += [changes(opened) for _ in opened.erasure_steps(PERSON, 1)]
    assert max(after - before for before, after in pairwise(rows)) <= MOST_ROWS
    assert rows[-1] - rows[0] <= REMINDERS * MOST_ROWS
    assert (named(opened, PERSON), named(opened, MANY[0])) == (0, REMINDERS)


def test_nobody_sees_an_erased_user_in_a_reminder_before_the_last_step(
    opened: Inside, tmp_path: Path
) -> None:
    """From the first transaction on no answer has the name; what was set for a new user of the name after it stays."""
    opened.write(*(SetReminder(reminder(f"a{n}", PERSON, "cy", actor=PERSON)) for n in range(4)))
    opened.write(*(SetReminder(reminder(f"own{n}", PERSON)) for n in range(4)))
    opened.begin_erasure(PERSON)
    for step in opened.erasure_steps(PERSON, 1):
        left = opened.run(opened.store.reminders(None, 99))
        assert {one.key: one.users for one in left} == {f"a{n}": ("cy",) for n in range(4)}, step
        assert PERSON.encode() not in b"".join(one.event for one in left)
        assert opened.run(opened.store.reminders(None, 2)) == left[:2]
        assert opened.run(opened.store.reminder("own3")) is None
        assert [line["kind"] for line in opened.export(PERSON)] == ["profile"]
        assert PERSON.encode() not in repr(opened.export("cy")).encode()
    assert step > 4
    opened.run(opened.store.check())
    assert traces.found(tmp_path, (PERSON,)) == []


def test_what_is_set_while_an_erasure_goes_on_is_kept(opened: Inside) -> None:
    """It is about somebody else of the same name, also in the place of a reminder that is still to be changed."""
    large(opened)
    opened.begin_erasure(PERSON)
    new, fresh = reminder(f"r{REMINDERS - 1}", PERSON, *MANY), reminder("fresh", PERSON)
    opened.run(opened.store.write([SetReminder(new), SetReminder(fresh)]))
    for _ in opened.erasure_steps(PERSON, 1):
        assert opened.run(opened.store.reminder(new.key)) == new
        assert opened.run(opened.store.reminder("fresh")) == fresh
        kept = [line["key"] for line in opened.export(PERSON) if line["kind"] == "reminder"]
        assert kept == [new.key, "fresh"]
    opened.settle()
    assert named(opened, PERSON) == 2
    opened.begin_erasure(PERSON)
    for _ in opened.erasure_steps(PERSON, 1):
        pass
    assert (named(opened, PERSON), named(opened, MANY[0])) == (0, REMINDERS)
    assert opened.run(opened.store.reminder("fresh")) is None


def test_what_was_read_before_an_erasure_does_not_fire(opened: Inside) -> None:
    """Nor is it taken back as it was; as it is shown now, it is."""
    large(opened)
    read = opened.run(opened.store.reminder("r5"))
    assert read is not None
    opened.begin_erasure(PERSON)
    ring = event("clock", "ring")
    assert opened.run(opened.store.write([FireReminder(read, None, ring)])) == [Published(())]
    opened.run(opened.store.write([CancelReminder("r5", only=read)]))
    now = opened.run(opened.store.reminder("r5"))
    assert now is not None
    assert now.users == MANY
    (fired,) = opened.run(opened.store.write([FireReminder(now, None, ring)]))
    assert isinstance(fired, Published)
    assert len(fired.receipts) == 1
    opened.settle()
    assert named(opened, MANY[0]) == REMINDERS - 1


def test_a_replaced_reminder_writes_only_the_rows_that_differ(tmp_path: Path) -> None:
    """The fault: each PUT of a reminder for ten thousand users wrote all their rows twice, even if nothing was new."""
    with Inside.opened(tmp_path) as opened:
        _replaced(opened)


def _replaced(opened: Inside) -> None:
    opened.write(SetReminder(reminder("r", *MANY)))
    before = changes(opened)
    opened.write(SetReminder(reminder("r", *MANY)))
    assert changes(opened) == before
    opened.write(SetReminder(reminder("r", "new", *MANY[1:])))
    assert changes(opened) - before == 3
    assert (named(opened, "new"), named(opened, MANY[0]), named(opened, MANY[1])) == (1, 0, 1)


def test_a_part_of_an_export_reads_so_much_of_reminders(opened: Inside) -> None:
    """The fault: all reminders that name a person were read at once, each with the names of all others."""
    huge = tuple(f"{n:05d}" + "x" * 100 for n in range(1_000))
    opened.write(*(SetReminder(reminder(f"r{n}", PERSON, *huge)) for n in range(9)))
    place: user_export.Place | None = user_export.BEGINNING
    parts, longest = [], 0
    while place is not None:
        lines, place = opened.run(opened.store._part(PERSON, place))
        parts.append(sum(b'"kind":"reminder"' in line for line in lines))
        longest = max([longest, *map(len, lines)])
    assert sum(parts) == 9
    assert max(parts) <= user_export.EXPORT_BYTES // (100 * KIB) + 1
    assert longest < KIB
