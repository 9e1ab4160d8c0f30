"""Snoozes: a notification leaves the inbox until a time. They are set here, and ended when they are due.

A snooze ends in the transaction that gives the notification back, and only if it is still due then: so it ends once, however
often the process is killed in between.
"""

import asyncio
from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter
from typing import cast

from tidings.background import NextRun, Worker
from tidings.commit_queue import GroupCommitQueue
from tidings.errors import FieldError, InvalidFields, NotFound
from tidings.ids import LAST_MS
from tidings.inbox_commands import ReturnSnoozed, SnoozeNotifications
from tidings.model import InboxUpdateResult
from tidings.ports import Store
from tidings.timeutil import Clock, rfc3339

RETURNED_AT_ONCE = 100
"""Notifications that are given back together: they share a transaction, and other writes come between two of these."""
LONGEST_REST_S = 30.0
"""Maximum seconds between two checks: a machine that slept, or whose clock was set, is late by no more."""


class SnoozeService(Worker):
    """The service of snoozes, and the loop that ends them."""

    def __init__(self, store: Store, log: GroupCommitQueue, clock: Clock) -> None:
        super().__init__("snoozes")
        self._store = store
        self._log = log
        self._clock = clock

    async def snooze(self, user: str, ids: Sequence[str], until: int) -> InboxUpdateResult:
        """Snooze these notifications until a time (milliseconds); ids of other users' notifications are skipped. Raises
        InvalidFields for a time that is not in the future."""
        now = self._clock.now()
        if not now < until <= LAST_MS:
            expected = f"expected a time after {rfc3339(now)}, got {rfc3339(min(until, LAST_MS))}"
            raise InvalidFields(errors=(FieldError("/until", expected),))
        outcome = await self._log.submit(SnoozeNotifications(user, tuple(ids), until))
        self.nudge()
        return cast(InboxUpdateResult, outcome)

    async def snooze_one(self, user: str, id: str, until: int) -> InboxUpdateResult:
        """The same of one notification. Raises NotFound too if it is not this user's."""
        marked = await self.snooze(user, (id,), until)
        if not marked.found:
            raise NotFound("no such notification")
        return marked

    async def _round(self) -> NextRun:
        """Give back what is due, then rest until there may be more."""
        while due := await self._store.snoozed(now := self._clock.now(), RETURNED_AT_ONCE):
            by_user = groupby(sorted(due, key=attrgetter("user")), attrgetter("user"))
            commands = [ReturnSnoozed(user, tuple(one.id for one in some), now) for user, some in by_user]
            returned = await asyncio.gather(*map(self._log.submit, commands), return_exceptions=True)
            for failure in returned:
                if isinstance(failure, BaseException):
                    raise failure
        (soonest,) = await self._store.snoozed(LAST_MS, 1) or (None,)
        if soonest is None:
            return NextRun(LONGEST_REST_S)
        return NextRun(min(max(soonest.until - self._clock.now(), 0) / 1000, LONGEST_REST_S))
