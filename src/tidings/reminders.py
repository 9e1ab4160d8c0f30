"""Reminders: future events, once or recurring. They are set, read and cancelled here, and fired when due.

A reminder fires in the transaction that moves it on, and only if it is still due as it was read: so it fires once, however
often the process is killed in between.
"""

import asyncio
import logging
from collections.abc import Iterator
from typing import NamedTuple

from tidings.background import NextRun, Worker
from tidings.commit_queue import GroupCommitQueue
from tidings.config import KIB, Settings
from tidings.cursors import Cursors
from tidings.errors import FieldError, NotFound, TidingsError
from tidings.feeds import PAGE_BYTES
from tidings.ids import LAST_MS
from tidings.model import CancelReminder, CommandResult, SetReminder
from tidings.personal_data import Reminder
from tidings.ports import Store
from tidings.reminder_input import ReminderInput, accept_reminder, fire, fitting_errors, kept
from tidings.timeutil import Clock

FIRED_AT_ONCE = 100
"""Reminders that are fired together: they share a transaction, and other writes come between two of these."""
FIRED_BYTES = 256 * KIB
"""Bytes of the reminders that are fired together, at least one: each is decoded on the event loop, and held until it is
written."""
LONGEST_REST_S = 30.0
"""Maximum seconds between two checks: a machine that slept, or whose clock was set, is late by no more."""
_QUESTION = "reminders"
"""The binding of the cursors of the list: it is the same for all who may read it."""

_log = logging.getLogger(__name__)


class ReminderStatus(NamedTuple):
    """The current state of a reminder; ``due_at`` None if it is not due again. ``fired``: it was due when it was set."""

    reminder: Reminder
    due_at: int | None
    fired: bool = False


class ReminderService(Worker):
    """The service of reminders, and the loop that fires them."""

    def __init__(
        self, store: Store, log: GroupCommitQueue, settings: Settings, clock: Clock, cursors: Cursors
    ) -> None:
        super().__init__("reminders")
        self._cursors = cursors
        self._store = store
        self._log = log
        self._settings = settings
        self._clock = clock

    async def set(self, key: str, given: ReminderInput) -> ReminderStatus:
        """Set a reminder, or replace the one of this key; a due one is published before this returns.

        A recurrence that is set again unchanged keeps its next time, so an application may set it at each of its starts.
        Raises InvalidFields, TooLarge, Unavailable.
        """
        now = self._clock.now()
        reminder = accept_reminder(key, given, now, self._settings)
        if reminder.every:
            reminder = kept(reminder, given, await self._store.reminder(key))
        if reminder.due_at > now:
            await self._log.submit(SetReminder(reminder))
            self.nudge()
            return ReminderStatus(reminder, reminder.due_at)
        due = fire(reminder, now)
        await self._log.submit_all((SetReminder(reminder), due))
        self.nudge()
        return ReminderStatus(reminder, due.next_at, fired=True)

    def fitting_errors(self, fitting: bytes) -> Iterator[FieldError]:
        """The field errors of the valid members of a reminder, if others are invalid."""
        return fitting_errors(fitting, self._clock.now(), self._settings)

    async def cancel(self, key: str) -> None:
        """Cancel a reminder. Raises NotFound if there is none, or it was published for the last time."""
        outcome = await self._log.submit(CancelReminder(key))
        if not (isinstance(outcome, CommandResult) and outcome.updated):
            raise NotFound("no such reminder")

    async def show(self, key: str) -> ReminderStatus:
        """One reminder. Raises NotFound."""
        reminder = await self._store.reminder(key)
        if reminder is None:
            raise NotFound("no such reminder")
        return ReminderStatus(reminder, reminder.due_at)

    async def coming(self, limit: int, cursor: str | None) -> tuple[list[ReminderStatus], bool]:
        """The next reminders, soonest first, from a cursor on: at most ``limit``, and PAGE_BYTES; and whether there are
        more. Raises BadParameter."""
        at = self._cursors.read_named(cursor, _QUESTION)
        after = None
        if at is not None:
            due_at, _, key = at.partition(" ")
            after = (int(due_at), key)
        found = await self._store.reminders(None, limit, after, PAGE_BYTES)
        page = [ReminderStatus(one, one.due_at) for one in found]
        return page, bool(found) and await self._goes_on(found[-1])

    async def _goes_on(self, last: Reminder) -> bool:
        return bool(await self._store.reminders(None, 1, (last.due_at, last.key)))

    def cursor_after(self, status: ReminderStatus) -> str:
        """The cursor of the page that begins after a reminder."""
        reminder = status.reminder
        return self._cursors.make_named(f"{reminder.due_at} {reminder.key}", _QUESTION)

    async def _round(self) -> NextRun:
        """Fire due reminders, then rest until there may be more."""
        while due := await self._store.reminders(self._clock.now(), FIRED_AT_ONCE, max_bytes=FIRED_BYTES):
            fired = await asyncio.gather(*map(self._fire_or_cancel, due), return_exceptions=True)
            for failure in filter(None, fired):
                raise failure
        (soonest,) = await self._store.reminders(LAST_MS, 1) or (None,)
        if soonest is None:
            return NextRun(LONGEST_REST_S)
        return NextRun(min(max(soonest.due_at - self._clock.now(), 0) / 1000, LONGEST_REST_S))

    async def _fire_or_cancel(self, reminder: Reminder) -> None:
        """Fire a reminder, or cancel one whose event cannot be read: it would be due forever."""
        try:
            due = fire(reminder, self._clock.now())
        except TidingsError as error:
            _log.error(
                "the reminder %r is cancelled, its event cannot be read: %s", reminder.key, _why(error)
            )
            await self._log.submit(CancelReminder(reminder.key, only=reminder))
            return
        await self._log.submit(due)


def _why(error: TidingsError) -> str:
    return "; ".join(f"{field.pointer} {field.detail}" for field in error.errors) or error.detail
