"""Slots: which endpoints get attempts at a time, so that endpoints that do not respond delay no other user's deliveries.

An endpoint holds a slot during its attempts; one without a response takes up to 30 seconds. A user holds a few slots at
most, and so does a channel that limits its attempts. On the other channels, which call addresses that users chose,
endpoints that were slow recently share a few slots, and so do those to which nothing was sent yet. These limits leave 12
slots for endpoints that respond promptly.

All slots, those of each channel that limits its attempts, those for slow endpoints, and those for unknown ones are each a
pool. Priorities share a pool: none can take all of it, so a critical delivery finds a slot during an announcement, whatever
its endpoint, and an announcement goes on during any other flood.
"""

from collections import Counter, OrderedDict
from enum import Enum

from tidings.delivery_priority import DeliveryPriority
from tidings.outbound.channel import AT_ONCE
from tidings.personal_data import Endpoint

SLOTS = 64
"""Endpoints with attempts at a time: with receivers that take 100 ms the processor is the limit, at about 2 ms for each
attempt."""
USER_SLOTS = 4
"""Slots of one user, who has up to 20 endpoints."""
USER_UNPROVEN_SLOTS = 2
"""Slots of one user for endpoints that are slow or unknown: the others remain for the user's prompt endpoints."""
UNKNOWN_SLOTS = 16
"""Slots for endpoints to which nothing was sent yet."""
SLOW_SLOTS = 12
"""Slots for endpoints that were slow recently."""
WAITING_PER_ATTEMPT = 2
"""Slots for each attempt that a channel makes at a time: one for the running attempt, and one for the next."""
PROMPT_MS = 2_000
"""Milliseconds that an attempt at a prompt endpoint takes at most."""
SLOW_FOR_MS = 600_000
"""Milliseconds for which an endpoint counts as slow: slow endpoints compete for their slots, and an endpoint that is prompt
again must not depend on one of them."""
MAX_SLOW = 10_000
"""Endpoints and users that are stored as slow; beyond, the first one noted is dropped."""

_Key = tuple[str, str]


class Speed(Enum):
    """The speed of an endpoint at earlier attempts."""

    PROMPT = "prompt"
    UNKNOWN = "unknown"
    SLOW = "slow"


_SHARES = {Speed.SLOW: SLOW_SLOTS, Speed.UNKNOWN: UNKNOWN_SLOTS}


_KINDS = ("critical", "ordinary", "bulk")


class Slots:
    """Counts the slots that endpoints hold, and records which endpoints are slow. ``now`` is in milliseconds of a monotonic
    clock."""

    def __init__(self) -> None:
        self._held: dict[str, tuple[_Key, ...]] = {}
        self._count: Counter[_Key] = Counter()
        self._slow: OrderedDict[_Key, int] = OrderedDict()  # and when that was noted

    def are_full(self, priority: DeliveryPriority = DeliveryPriority.ORDINARY) -> bool:
        """Whether a priority gets no slot, whatever the endpoint."""
        limits = _pool("all", SLOTS, priority)
        return any(self._count[key] >= limit for key, limit in limits.items())

    def take(
        self, endpoint: Endpoint, now: int, priority: DeliveryPriority = DeliveryPriority.ORDINARY
    ) -> bool:
        """Give an endpoint without a slot one, for deliveries that begin with this priority, if all limits permit it;
        returns whether they do."""
        limits = self._limits(endpoint, now, priority)
        if any(self._count[key] >= limit for key, limit in limits.items()):
            return False
        self._held[endpoint.id] = tuple(limits)
        self._count.update(limits.keys())
        return True

    def release(self, endpoint: Endpoint) -> None:
        """Release the slot of an endpoint."""
        for key in self._held.pop(endpoint.id):
            self._count[key] -= 1
            if not self._count[key]:
                del self._count[key]

    def note(self, endpoint: Endpoint, took_ms: int, timed_out: bool, now: int) -> None:
        """Record how long an attempt at an endpoint took. A slow endpoint counts against its user too: otherwise a user
        could take the slots for unknown endpoints by registering further ones."""
        if endpoint.channel in AT_ONCE:
            return
        if not timed_out and took_ms <= PROMPT_MS:
            self._slow.pop(("endpoint", endpoint.id), None)
            return
        for key in (("endpoint", endpoint.id), ("user", endpoint.user)):
            self._slow[key] = now
            self._slow.move_to_end(key)
        while len(self._slow) > MAX_SLOW:
            self._slow.popitem(last=False)

    def speed(self, endpoint: Endpoint, now: int) -> Speed:
        """The speed of an endpoint. One to which something was sent before is prompt until it is recorded as slow."""
        if self._is_slow(("endpoint", endpoint.id), now):
            return Speed.SLOW
        if endpoint.sent_at:
            return Speed.PROMPT
        return Speed.SLOW if self._is_slow(("user", endpoint.user), now) else Speed.UNKNOWN

    def _is_slow(self, key: _Key, now: int) -> bool:
        noted = self._slow.get(key)
        return noted is not None and now - noted < SLOW_FOR_MS

    def _limits(self, endpoint: Endpoint, now: int, priority: DeliveryPriority) -> dict[_Key, int]:
        """The limits that a slot of this endpoint counts against, and their maxima."""
        limits = {("user", endpoint.user): USER_SLOTS} | _pool("all", SLOTS, priority)
        if endpoint.channel in AT_ONCE:
            size = WAITING_PER_ATTEMPT * AT_ONCE[endpoint.channel]
            return limits | _pool(endpoint.channel, size, priority)
        speed = self.speed(endpoint, now)
        if speed in _SHARES:
            limits["unproven", endpoint.user] = USER_UNPROVEN_SLOTS
            limits |= _pool(speed.value, _SHARES[speed], priority)
        return limits


def _pool(name: str, size: int, priority: DeliveryPriority) -> dict[_Key, int]:
    """The limits on the slots of a pool that a slot of this priority counts against. Critical deliveries hold at most three
    quarters of its ``size``, and so do bulk ones. Two kinds together hold at most an eighth more than it, and all three two
    eighths: so an eighth is left for each, whatever the two others hold."""
    kind = "critical" if priority.is_critical else "bulk" if priority is DeliveryPriority.BULK else "ordinary"
    extra = size // 8
    both = {(name, f"not {other}"): size + extra for other in _KINDS if other != kind}
    most = size if kind == "ordinary" else size - size // 4
    return {(name, kind): most, (name, "all"): size + 2 * extra} | both
