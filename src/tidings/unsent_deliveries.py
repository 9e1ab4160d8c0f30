"""Deliveries that were not sent, for operators: listed, and sent again."""

from tidings.commit_queue import GroupCommitQueue
from tidings.cursors import Cursors
from tidings.endpoint_commands import ResendDelivery
from tidings.errors import EndpointDisabled, NotFound
from tidings.model import CommandResult
from tidings.pauses import Pauses
from tidings.ports import UnsentDeliveries
from tidings.status import QueuedDelivery
from tidings.timeutil import Clock

_DIGITS = 19
"""Digits of an id of 64 bits."""
_MISSING = "no such delivery; those that were sent are not kept"


class UnsentDeliveryService:
    """The service of queued deliveries and dead letters."""

    def __init__(
        self, store: UnsentDeliveries, log: GroupCommitQueue, cursors: Cursors, clock: Clock, pauses: Pauses
    ) -> None:
        self._pauses = pauses
        self._store = store
        self._log = log
        self._cursors = cursors
        self._clock = clock

    async def page(
        self, endpoint: str | None, limit: int, cursor: str | None
    ) -> tuple[list[QueuedDelivery], bool]:
        """Deliveries to an endpoint, or to all, and whether there are more. Raises NotFound without such an endpoint,
        BadParameter."""
        place = self._cursors.read_integers(cursor, _question(endpoint), 3)
        before = None if place is None else (place[0], place[1], place[2])
        found = await self._store.unsent_deliveries(endpoint, limit + 1, before)
        if found is None:
            raise NotFound("no such endpoint")
        return [self._with_pause(one) for one in found[:limit]], len(found) > limit

    def cursor_after(self, endpoint: str | None, delivery: QueuedDelivery) -> str:
        """The cursor of the page that begins after a delivery."""
        return self._cursors.make_integers(delivery.place, _question(endpoint))

    async def resend(self, id: str) -> QueuedDelivery:
        """Make a delivery due now, or at the end of the pause of its endpoint. Raises NotFound without it, EndpointDisabled
        if nothing is sent to its endpoint."""
        number = int(id) if id.isascii() and id.isdecimal() and len(id) < _DIGITS else 0
        found = await self._store.unsent_delivery(number)
        if found is None:
            raise NotFound(_MISSING)
        if not found.usable:
            raise EndpointDisabled(
                f"nothing is sent to the endpoint {found.endpoint_id}: enable it, or confirm it"
            )
        outcome = await self._log.submit(ResendDelivery(number))
        if not (isinstance(outcome, CommandResult) and outcome.updated):
            raise NotFound(_MISSING)  # it was sent in between, or its endpoint removed
        return self._with_pause(found._replace(state="queued", attempts=0, due_at=self._clock.now()))

    def _with_pause(self, delivery: QueuedDelivery) -> QueuedDelivery:
        """A delivery with the time of its next attempt: nothing is sent during the pause of its endpoint."""
        return delivery._replace(due_at=max(delivery.due_at, self._pauses.end_of(delivery.endpoint_id)))


def _question(endpoint: str | None) -> str:
    return f"deliveries {endpoint or ''}"
