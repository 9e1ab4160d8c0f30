"""The dispatcher: sends due deliveries, and records the results in the store.

The store has a queue of deliveries. The dispatcher reads those that are due, decides about each (``delivery_policy``), and
sends: to many endpoints at a time, to each endpoint in order, by priority. A delivery is recorded when its attempt has
ended, so a crash before that repeats it. Each delivery is sent at least once, always with the same id, by which receivers
ignore repeats.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from heapq import nsmallest
from random import Random
from typing import NamedTuple, Protocol

import msgspec

from tidings.background import NextRun, Worker, backoff_s
from tidings.delivery_priority import DeliveryPriority
from tidings.endpoint_commands import BoundDeliveries
from tidings.errors import Unavailable
from tidings.ids import message_id
from tidings.model import Command, CommandResult, Outcome, RecordDeliveryResults
from tidings.notification_facts import Delivery
from tidings.outages import OutageLog
from tidings.outbound.channel import MAX_ERROR, Channel, OutboundMessage, SendResult
from tidings.outbound.channel_registry import ChannelRegistry, NotConfigured
from tidings.outbound.payload import outbound_message
from tidings.outbound.retry import FIRST_ENDPOINT_REST_MS, LONGEST_DELAY_MS, CircuitBreaker, retry_delay_ms
from tidings.outbound.slots import Slots, Speed
from tidings.outbound.troubles import Troubles
from tidings.pauses import Pauses
from tidings.personal_data import DeliveryResult, Endpoint
from tidings.projections.delivery_policy import decide, defer_or_drop
from tidings.projections.notification_rendering import NotificationRenderer
from tidings.rules import SET_BACK_MS, Rules
from tidings.telemetry import DELIVERIES, DELIVERY_LAG, ENDPOINTS_DISABLED
from tidings.timeutil import Clock

PAGE = 100
"""Deliveries read at a time."""
LANE = 8
"""Attempts at one endpoint before its deliveries are read again. A slow endpoint gets one."""
SLOT_REST_MS = 1_000
"""Milliseconds for which the deliveries to an endpoint that got no slot are left out of pages, so that these have
others. When an endpoint of the same channel releases its slot, the next READMITTED of them are read again at once."""
READMITTED = 2
"""More than one, since the limits of a user or on slow endpoints may still refuse the first."""
GAP_S = 0.02
"""Seconds between two reads of the store while many deliveries are added: each reads a page."""
LONGEST_REST_S = 5.0
"""Maximum seconds between two reads without a wake-up, in case one is lost; a read costs two index probes."""
MAX_FAILURES = 5
"""Consecutive deliveries that an endpoint refused permanently, or that failed too often, before it is disabled: a single
refusal may concern one message, and each further one is another dead letter."""
SHORTEST_REST_S = 0.5
"""Seconds until the next read if what is due is a reminder, or has no slot yet."""
CLOSE_S = 10.0
"""Seconds in which running attempts may end when the server stops."""

HOST_IS_DOWN = SendResult("failed", "not tried: the host does not answer")
ENDPOINT_IS_SILENT = SendResult("failed", "not tried: the endpoint did not answer the attempt before")
NOT_TRIED = (HOST_IS_DOWN, ENDPOINT_IS_SILENT)

Submit = Callable[[Command], Awaitable[Outcome]]
UnsubscribeLink = Callable[[str, str], str]
"""The URL that ends the mails to an endpoint about a type ("": about all types); "" for none."""

_log = logging.getLogger(__name__)


class Deliveries(Protocol):
    """The part of a store that the dispatcher uses."""

    @property
    def rules(self) -> Rules:
        """The types of notifications as declared now."""
        ...

    async def deliveries(
        self, due_by: int, limit: int, ids: tuple[int, ...] | None = None, without: tuple[str, ...] = ()
    ) -> list[Delivery]:
        """Deliveries due by a time, by priority, and then those due for the longest first; only those of ``ids``, if
        given, and none to the endpoints ``without``."""
        ...

    async def next_due(self) -> int | None:
        """When the next reminder or delivery is due, in milliseconds."""
        ...


class _Refusal(NamedTuple):
    """An endpoint of a ``channel`` that got no slot for deliveries of this priority, and until when it is left out."""

    priority: DeliveryPriority
    until: int
    channel: str


class DeliveryDispatcher(Worker):
    """Delivers in the background of a worker process."""

    def __init__(
        self,
        store: Deliveries,
        submit: Submit,
        channels: ChannelRegistry,
        wording: NotificationRenderer,
        clock: Clock,
        unsubscribe: UnsubscribeLink,
        chance: Random | None = None,
    ) -> None:
        """``submit`` applies a command; ``chance`` spreads the retries of different endpoints."""
        super().__init__("dispatcher", GAP_S)
        self._store = store
        self._submit = submit
        self._channels = channels
        self._wording = wording
        self._clock = clock
        self._unsubscribe = unsubscribe
        self._ahead = clock.now() - self._since()
        """Milliseconds by which the time of day is ahead of the monotonic clock: it falls when the clock is set back."""
        self._seed = (chance or Random()).random()
        self._hosts = CircuitBreaker()
        self._silent = CircuitBreaker(1, FIRST_ENDPOINT_REST_MS)
        """Endpoints that did not respond within the time limit."""
        self._slots = Slots()
        self._troubles = Troubles()
        self._lanes: dict[str, asyncio.Task[None]] = {}
        self._refused: dict[str, _Refusal] = {}
        """Endpoints that got no slot."""
        self.pauses = Pauses(clock)
        self._ended: set[str] = set()
        self._outages = OutageLog(_log, "results of deliveries cannot be recorded, their endpoints wait")
        self._closing = False

    async def close(self) -> None:
        """Begin no further attempt, wait CLOSE_S for those that run, and leave the rest for the next start."""
        self._closing = True
        await super().close()
        lanes = list(self._lanes.values())
        if lanes:
            await asyncio.wait(lanes, timeout=CLOSE_S)
        for lane in lanes:
            lane.cancel()
        await asyncio.gather(*lanes, return_exceptions=True)
        await self._channels.close()

    def cut(self) -> None:
        """End the running attempts at once, and begin no further one, without a wait for them in :meth:`close`."""
        self._closing = True
        if self._task is not None:
            self._task.cancel()
        for lane in self._lanes.values():
            lane.cancel()

    # --- a round ------------------------------------------------------------------------------------------

    async def _round(self) -> NextRun:
        rest_s = await self._look()
        # A lane that ended meanwhile has nudged: this read left out the deliveries to its endpoint.
        return NextRun(rest_s, settled=rest_s > 0 and not self._lanes and not self._nudged.is_set())

    async def _look(self) -> float:
        """Begin or record what is due; returns the seconds until the next read, 0 if more is due now."""
        await self._bound_if_set_back()
        now, next_due = self._clock.now(), await self._store.next_due()
        if next_due is None:
            return LONGEST_REST_S
        if next_due > now:
            return min((next_due - now) / 1_000, LONGEST_REST_S)
        self._ended.clear()
        page = await self._store.deliveries(now, PAGE, without=self._busy())
        before = len(self._lanes) + len(self._refused)
        handled = self._sort(page, now)
        progress = handled or len(self._lanes) + len(self._refused) > before
        await self._settle(handled)
        return 0 if progress and len(page) == PAGE and not self._slots.are_full() else SHORTEST_REST_S

    async def _bound_if_set_back(self) -> None:
        """After the clock was set back, have what is due later than any delay from now be decided again."""
        ahead = self._clock.now() - self._since()
        if self._ahead - ahead > SET_BACK_MS:
            await self._submit(BoundDeliveries(self._clock.now() + LONGEST_DELAY_MS))
        self._ahead = ahead

    def _busy(self) -> tuple[str, ...]:
        """The endpoints to which nothing is begun now. Their deliveries keep their place: to postpone those would have
        later ones overtake them."""
        now = self._since()
        self._refused = {id: one for id, one in self._refused.items() if one.until > now}
        return (*self._lanes, *self._refused, *self.pauses.ids())

    def _sort(self, page: Sequence[Delivery], now: int) -> list[tuple[Delivery, DeliveryResult]]:
        """Begin a lane for each endpoint that has none and gets a slot; returns the deliveries that need no attempt.

        An endpoint whose lane ended while the page was read waits for the next page: this page has its state from before.
        """
        by_endpoint: dict[str, list[Delivery]] = defaultdict(list)
        for delivery in page:
            id = delivery.endpoint.id
            if id not in self._lanes and id not in self._ended:
                by_endpoint[id].append(delivery)
        handled: list[tuple[Delivery, DeliveryResult]] = []
        for due in by_endpoint.values():
            by_id = {delivery.id: delivery for delivery in due}
            decided = decide(due, self._store.rules, now)
            handled += [(by_id[one.id], one) for one in decided.handled]
            if not decided.batches:
                continue
            endpoint, priority, since = due[0].endpoint, decided.batches[0][0].priority, self._since()
            if self._slots.take(endpoint, since, priority):
                self._begin(decided.batches[:LANE])
            elif not self._slots.are_full(priority):  # else the next slot may be this endpoint's
                self._refused[endpoint.id] = _Refusal(priority, since + SLOT_REST_MS, endpoint.channel)
        return handled

    def _readmit(self, channel: str) -> None:
        """A slot of this channel is free: read the deliveries to those endpoints again that wait for one."""
        waiting = ((one, id) for id, one in self._refused.items() if one.channel == channel)
        for _, id in nsmallest(READMITTED, waiting):
            del self._refused[id]

    def _begin(self, batches: list[list[Delivery]]) -> None:
        endpoint = batches[0][0].endpoint
        self._lanes[endpoint.id] = asyncio.create_task(self._lane(endpoint, batches), name="dispatcher-lane")

    # --- one endpoint -------------------------------------------------------------------------------------

    async def _lane(self, endpoint: Endpoint, batches: list[list[Delivery]]) -> None:
        try:
            for read in batches:
                batch = [] if self._closing else await self._read_again(read)
                if self._closing:
                    break
                if not batch:
                    continue
                answer, failures = await self._deliver(batch)
                if answer.after_s or answer.state == "gone" or failures >= MAX_FAILURES:
                    break
                if answer not in NOT_TRIED and self._slots.speed(endpoint, self._since()) is Speed.SLOW:
                    break
        except Unavailable:
            pass  # the next run begins what is left, or fails for the same reason, and logs it
        except Exception:
            _log.exception("a queue of %s deliveries ended early", endpoint.channel)
        finally:
            self._ended.add(endpoint.id)
            self._slots.release(endpoint)
            self._readmit(endpoint.channel)
            del self._lanes[endpoint.id]
            self.nudge()

    async def _read_again(self, batch: list[Delivery]) -> list[Delivery]:
        """The batch as the store has it now, without deliveries that are not sent any more: during the attempts before this
        one, its user may have been erased, the endpoint removed or given another secret, or the notification read,
        retracted or muted."""
        ids, now = tuple(delivery.id for delivery in batch), self._clock.now()
        public = {delivery_id(delivery) for delivery in batch}  # the store may have reused its numbers
        found = await self._store.deliveries(now, len(ids), ids)
        found = [delivery for delivery in found if delivery_id(delivery) in public]
        rules = self._store.rules
        decided = [(delivery, defer_or_drop(delivery, rules, now, in_digest=True)) for delivery in found]
        await self._settle([(delivery, handled) for delivery, handled in decided if handled is not None])
        return [delivery for delivery, handled in decided if handled is None]

    async def _deliver(self, batch: list[Delivery]) -> tuple[SendResult, int]:
        """Try to deliver a batch, and record the result; also returns the consecutive failures of its endpoint."""
        endpoint, failures = batch[0].endpoint, batch[0].endpoint.failures
        answer = await self._attempt(endpoint, batch)
        now = self._clock.now()
        outcomes = [(delivery, self._outcome(delivery, answer, now)) for delivery in batch]
        if answer.state == "sent":
            failures = 0
        elif not answer.server_fault and any(handled.state == "dead" for _, handled in outcomes):
            failures += 1
            outcomes = [(delivery, _counted(handled, failures)) for delivery, handled in outcomes]
        recorded = await self._settle(outcomes)
        if not recorded:  # it was registered again during the attempt, or removed
            return answer, failures
        if answer.state == "gone":
            _log.warning("the endpoint %s (%s) is removed: %s", endpoint.id, endpoint.channel, answer.error)
        if failures >= MAX_FAILURES and any(handled.disables for _, handled in outcomes):
            ENDPOINTS_DISABLED.labels(endpoint.channel).inc()
            _log.warning("the endpoint %s (%s) is disabled: %s", endpoint.id, endpoint.channel, answer.error)
        return answer, failures

    async def _attempt(self, endpoint: Endpoint, batch: list[Delivery]) -> SendResult:
        try:
            channel = await self._channels.get(endpoint.channel)
        except NotConfigured as missing:
            return SendResult("dead", str(missing), server_fault=True)
        host, began = channel.host(endpoint), self._since()
        if self._silent.is_open(endpoint.id, began):
            return ENDPOINT_IS_SILENT
        if self._hosts.is_open(host, began):
            return HOST_IS_DOWN
        answer = await self._send(channel, endpoint, batch)
        now = self._since()
        if answer.down or not answer.timed_out:
            self._hosts.note(host, answer.down, now)
        self._silent.note(endpoint.id, answer.timed_out, now)
        self._slots.note(endpoint, now - began, answer.timed_out, now)
        if answer.after_s:
            self.pauses.begin(endpoint, answer.after_s)
        self._troubles.note(endpoint, host, answer, now)
        return answer

    def _since(self) -> int:
        """Milliseconds of the monotonic clock for the breakers: with wall-clock time, a clock set back would keep one
        open."""
        return int(self._clock.monotonic() * 1_000)

    async def _send(self, channel: Channel, endpoint: Endpoint, batch: list[Delivery]) -> SendResult:
        """Render the batch, newest first, and send it. A fault in the rendering or the channel fails this batch alone."""
        newest = sorted(batch, key=lambda delivery: (delivery.created_at, delivery.id), reverse=True)
        try:
            notes = [self._note(delivery) for delivery in newest]
            return await channel.send(endpoint, self._with_unsubscribe(endpoint, notes))
        except Exception as fault:
            _log.exception("the channel %s failed", endpoint.channel)
            return SendResult("failed", f"a fault of the server: {type(fault).__name__}", server_fault=True)

    def _note(self, delivery: Delivery) -> OutboundMessage:
        row = delivery.row
        if row is None:
            raise ValueError("the notification has nothing to send any more")
        locale = self._wording.preferred(delivery.preferences)
        critical = self._store.rules.rule(delivery.type).critical
        id, at = delivery_id(delivery), delivery.created_at
        return outbound_message(self._wording, row, locale, id, at, critical)

    def _with_unsubscribe(self, endpoint: Endpoint, notes: list[OutboundMessage]) -> list[OutboundMessage]:
        """The messages of one mail with the link that ends mails about their type, or about all if there are several. No
        preference ends critical mails, so they have none; nor have other channels."""
        if endpoint.channel != "email" or notes[0].critical:
            return notes
        types = {note.type for note in notes}
        link = self._unsubscribe(endpoint.id, types.pop() if len(types) == 1 else "")
        return [note._replace(unsubscribe=link) for note in notes]

    def _outcome(self, delivery: Delivery, answer: SendResult, now: int) -> DeliveryResult:
        order = delivery.row.order if delivery.row is not None else 0
        revision = delivery.endpoint.revision
        if answer.state == "sent":
            return DeliveryResult(delivery.id, "sent", self._sent_at(delivery, now), order=order)
        error, tried = answer.error[:MAX_ERROR], answer not in NOT_TRIED
        if answer.state != "failed":
            return DeliveryResult(delivery.id, answer.state, error=error, order=order, revision=revision)
        wait = retry_delay_ms(delivery.attempts + 1, answer.after_s, self._spread(delivery))
        if wait is None:
            return DeliveryResult(
                delivery.id, "dead", error=error, order=order, revision=revision, tried=tried
            )
        return DeliveryResult(delivery.id, "failed", now + wait, error, tried=tried)

    def _spread(self, delivery: Delivery) -> Random:
        """The random numbers that make a delay longer or shorter: different for each endpoint, the same for all its
        deliveries with equal numbers of attempts, so that these keep their order."""
        return Random(f"{self._seed} {delivery.endpoint.id} {delivery.attempts}")

    def _sent_at(self, delivery: Delivery, now: int) -> int:
        """The time of the last message to an endpoint. A critical delivery does not change the time of the digest, which
        many such mails would otherwise delay without an end."""
        critical = self._store.rules.rule(delivery.type).critical
        return delivery.endpoint.sent_at or now if critical and delivery.preferences.digest_s else now

    # --- results in the store ----------------------------------------------------------------------------

    async def _settle(self, outcomes: list[tuple[Delivery, DeliveryResult]]) -> bool:
        """Record results, and retry until the store accepts them: a dispatcher that went on without that would send the same
        deliveries again and again while a disk is full. Returns False if it ignored all, since what decided has changed.
        Raises only when the server stops."""
        if not outcomes:
            return True
        command = RecordDeliveryResults(tuple(handled for _, handled in outcomes))
        failures = 0
        while True:
            try:
                outcome = await self._submit(command)
                break
            except Exception as error:
                if self._closing:
                    raise
                failures += 1
                self._outages.failed(error)
                await asyncio.sleep(backoff_s(failures))
        self._outages.succeeded()
        recorded = isinstance(outcome, CommandResult) and outcome.updated > 0
        for delivery, handled in outcomes:
            if recorded or handled.state == "sent":
                self._count(delivery, handled)
        return recorded

    def _count(self, delivery: Delivery, handled: DeliveryResult) -> None:
        channel = delivery.endpoint.channel
        DELIVERIES.labels(channel, handled.state).inc()
        if handled.state == "sent":
            DELIVERY_LAG.labels(channel).observe(max(0, self._clock.now() - delivery.due_at) / 1_000)
        elif handled.state == "dead":
            _log.warning(
                "a delivery by %s to the endpoint %s is a dead letter now: %s",
                channel,
                delivery.endpoint.id,
                handled.error,
            )


def _counted(handled: DeliveryResult, failures: int) -> DeliveryResult:
    """The result of a refused delivery, with the number of consecutive failures."""
    if handled.state != "dead":
        return handled
    return msgspec.structs.replace(handled, failures=failures, disables=failures >= MAX_FAILURES)


def delivery_id(delivery: Delivery) -> str:
    """The public id of a delivery: the same at each attempt, and unique."""
    return message_id(delivery.endpoint.id, delivery.id, delivery.created_at)
