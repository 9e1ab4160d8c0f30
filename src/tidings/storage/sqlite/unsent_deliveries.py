"""The deliveries that were not sent, as operators see them."""

from collections.abc import Sequence
from typing import Any

from tidings.endpoint_commands import ResendDelivery
from tidings.ids import MAX_KEY, notification_id
from tidings.model import CommandResult
from tidings.status import DeadLetter, DeliveryPlace, QueuedDelivery
from tidings.storage.sqlite import endpoints, maintenance
from tidings.storage.sqlite.read_snapshot import ReadSnapshot
from tidings.storage.sqlite.readers import OPERATORS, ReadingStore
from tidings.storage.sqlite.statements import sql
from tidings.storage.sqlite.write_session import WriteSession

_NEWEST: DeliveryPlace = (MAX_KEY, 1, MAX_KEY)


class UnsentReads:
    """The port UnsentDeliveries, and the dead letters of Maintenance."""

    async def dead_letters(self: ReadingStore, limit: int) -> list[DeadLetter]:
        """The dead letters, oldest first."""
        question = ("dead_letters", limit)
        return await self._later(OPERATORS, question, lambda r: maintenance.dead_letters(r, limit))

    async def unsent_deliveries(
        self: ReadingStore, endpoint: str | None, limit: int, before: DeliveryPlace | None = None
    ) -> list[QueuedDelivery] | None:
        """A page of them."""
        question = ("unsent", endpoint, limit, before)
        return await self._later(OPERATORS, question, lambda r: page(r, endpoint, limit, before or _NEWEST))

    async def unsent_delivery(self: ReadingStore, id: int) -> QueuedDelivery | None:
        """One of them."""
        above = (0, 0, min(id, MAX_KEY - 1) + 1)
        found = await self._later(OPERATORS, ("unsent", id), lambda r: page(r, None, 1, above))
        return next((one for one in found or () if one.id == id), None)


def page(
    r: ReadSnapshot, endpoint: str | None, limit: int, before: DeliveryPlace
) -> list[QueuedDelivery] | None:
    """A page of deliveries, in one snapshot."""
    number, dead, id = before
    values: dict[str, Any] = {"id": id, "limit": limit}
    with r.snapshot():
        if endpoint is None:
            return _made(r, r.db.all(sql("unsent_of_all"), values))
        row = r.db.one(sql("endpoint_number_of_id"), (endpoint,))
        if row is None:
            return None
        values |= {"endpoint": row[0], "number": number, "dead": dead}
        return _made(r, r.db.all(sql("unsent_of_endpoint"), values))


def _made(r: ReadSnapshot, rows: Sequence[tuple[Any, ...]]) -> list[QueuedDelivery]:
    people = r.names.people(row[2] for row in rows)
    return [
        QueuedDelivery(
            id,
            endpoint,
            people[user],
            endpoints.channel_name(channel),
            r.names.verb_text(type),
            number,
            notification_id(user, number),
            "dead" if dead else "held" if held else "queued",
            due_at,
            created_at,
            attempts,
            error or "",
            bool(usable),
        )
        for id, endpoint, user, channel, type, number, dead, held, *rest in rows
        for due_at, created_at, attempts, error, usable in (rest,)
    ]


def resend(w: WriteSession, command: ResendDelivery) -> CommandResult:
    """Make a delivery due now, unless its endpoint is disabled."""
    w.db.execute(sql("resend_delivery"), {"id": command.id, "now": w.clock.now()})
    return CommandResult(w.db.changes(), w.position)
