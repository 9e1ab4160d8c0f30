"""How much of what waits shares a transaction."""

import asyncio
from collections.abc import Sequence

import pytest

from tidings.fair_queue import FairQueue, submission_of
from tidings.model import Command, FireReminder, SetReminder
from tidings.personal import Reminder
from tidings.testing import START_MS, event

USERS = tuple(f"u{n}" for n in range(1_000))
LARGE = Reminder("r", START_MS, b"{}", USERS)


@pytest.mark.parametrize(
    "command", [SetReminder(LARGE), FireReminder(LARGE, None, event("clock", targets=USERS))]
)
def test_a_reminder_weighs_as_much_as_it_has_users(command: Command) -> None:
    """The fault: each weighed one, so a hundred of ten thousand users shared a transaction."""

    async def taken(commands: Sequence[Command]) -> list[int]:
        queue = FairQueue(None)
        for one in commands:
            queue.add(submission_of((one,), asyncio.get_running_loop().create_future()))
        found = []
        while queue:
            found.append(len(queue.take(1_500)))
        return found

    assert asyncio.run(taken([command] * 3)) == [1, 1, 1]
    small = SetReminder(Reminder("s", START_MS, b"{}", ("bob",)))
    assert asyncio.run(taken([small] * 3)) == [3]
