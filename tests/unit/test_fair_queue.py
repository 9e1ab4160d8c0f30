"""How much of what waits shares a transaction."""

import asyncio
from collections.abc import Sequence

import pytest

from tidings.fair_queue import FairQueue, submission_of
from tidings.inbox_commands import MarkAllNotificationsSeen, SnoozeNotifications
from tidings.model import CancelReminder, Command, FireReminder, SetReminder
from tidings.personal_data import NAMED_AT_ONCE, Reminder
from tidings.testing import START_MS, event

USERS = tuple(f"{n:05d}" + "x" * 120 for n in range(10_000))
LARGE = Reminder("r", START_MS, b"{}", USERS)


@pytest.mark.parametrize(
    "command",
    [
        SetReminder(LARGE),
        CancelReminder("r", only=LARGE),
        FireReminder(LARGE, None, event("clock", targets=USERS)),
    ],
)
def test_a_large_reminder_has_a_transaction_of_its_own(command: Command) -> None:
    """The fault: each weighed one, so a hundred of ten thousand users shared a transaction."""
    assert taken([command] * 3) == [1, 1, 1]
    small = SetReminder(Reminder("s", START_MS, b"{}", ("bob",)))
    assert taken([small] * 3) == [3]


def test_a_cancellation_weighs_as_many_rows_as_it_may_delete() -> None:
    """The fault: it weighed one, whatever the reminder that it names has: so a thousand shared a transaction."""
    assert max(taken([CancelReminder(f"r{n}") for n in range(100)])) == 1_500 // (NAMED_AT_ONCE + 1)


@pytest.mark.parametrize(
    "command",
    [SnoozeNotifications("bob", ("n1",), 1), MarkAllNotificationsSeen("bob")],
    ids=["snooze", "seen-all"],
)
def test_a_change_of_an_inbox_is_that_of_its_user(command: Command) -> None:
    """The fault: these were the application's, so one user could submit any number of them."""
    loop = asyncio.new_event_loop()
    assert submission_of((command,), loop.create_future()).asker == "bob"
    loop.close()


def taken(commands: Sequence[Command]) -> list[int]:
    """How many submissions each transaction takes of these, one command each."""

    async def all_taken() -> list[int]:
        queue = FairQueue(None)
        for one in commands:
            queue.add(submission_of((one,), asyncio.get_running_loop().create_future()))
        found = []
        while queue:
            found.append(len(queue.take(1_500)))
        return found

    return asyncio.run(all_taken())
