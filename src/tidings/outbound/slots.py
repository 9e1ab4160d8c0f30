"""Which endpoints are sent to at a time, so that endpoints that do not answer delay no other user's deliveries.

An endpoint holds a slot while its deliveries are attempted, which takes up to 30 seconds for an attempt that nobody answers.
A user holds a few slots at most. So does a channel that makes a few attempts at a time. On the other channels, which call
addresses that users give, endpoints that were slow lately share a few slots, and so do those to which nothing was sent yet.
The numbers leave 12 slots for endpoints that answer promptly, whatever the others do.
"""

from collections import Counter, OrderedDict
from enum import Enum

from tidings.outbound.channel import AT_ONCE
from tidings.personal import Endpoint

SLOTS = 64
"""Endpoints sent to at a time: with receivers that take 100 ms it is the machine that sets the pace, at about 2 ms of CPU
each."""
USER_SLOTS = 4
"""Slots of one user, who has up to 20 endpoints."""
USER_UNPROVEN_SLOTS = 2
"""Slots of one user for endpoints that are slow or unknown: the others are left for those of the user that work."""
UNKNOWN_SLOTS = 16
"""Slots for endpoints to which nothing was sent yet."""
SLOW_SLOTS = 12
"""Slots for endpoints that were slow lately."""
WAITING_PER_ATTEMPT = 2
"""Slots for each attempt that a channel makes at a time: one that is under way, and one that takes its turn at once."""
PROMPT_MS = 2_000
"""Milliseconds that an attempt at a prompt endpoint takes at most."""
SLOW_FOR_MS = 600_000
"""Milliseconds for which an endpoint counts as slow: slow endpoints compete for their slots, and one that is prompt
again must not depend on getting one."""
MAX_SLOW = 10_000
"""Endpoints and users that are remembered as slow; beyond, the one that was noted first is forgotten."""

_Key = tuple[str, str]


class Speed(Enum):
    """What is known of an endpoint from attempts before."""

    PROMPT = "prompt"
    UNKNOWN = "unknown"
    SLOW = "slow"


_SHARES = {Speed.SLOW: SLOW_SLOTS, Speed.UNKNOWN: UNKNOWN_SLOTS}


class Slots:
    """Counts the slots that endpoints hold, and remembers which endpoints are slow. ``now`` is in milliseconds of a clock
    that never goes back."""

    def __init__(self) -> None:
        self._held: dict[str, tuple[_Key, ...]] = {}
        self._count: Counter[_Key] = Counter()
        self._slow: OrderedDict[_Key, int] = OrderedDict()  # and when that was noted

    @property
    def are_full(self) -> bool:
        """Whether no endpoint at all gets a slot now."""
        return len(self._held) >= SLOTS

    def take(self, endpoint: Endpoint, now: int) -> bool:
        """Let an endpoint that holds no slot hold one, if there is one for it; returns whether."""
        limits = self._limits(endpoint, now)
        if self.are_full or any(self._count[key] >= limit for key, limit in limits.items()):
            return False
        self._held[endpoint.id] = tuple(limits)
        self._count.update(limits.keys())
        return True

    def release(self, endpoint: Endpoint) -> None:
        """Take the slot of an endpoint back."""
        for key in self._held.pop(endpoint.id):
            self._count[key] -= 1
            if not self._count[key]:
                del self._count[key]

    def note(self, endpoint: Endpoint, took_ms: int, timed_out: bool, now: int) -> None:
        """Remember how long an attempt at an endpoint took. A slow endpoint counts against its user too, or a user would
        have the slots for unknown endpoints by registering further ones."""
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
        """What is known of an endpoint. One to which something was sent before is prompt until it is noted as slow."""
        if self._is_slow(("endpoint", endpoint.id), now):
            return Speed.SLOW
        if endpoint.sent_at:
            return Speed.PROMPT
        return Speed.SLOW if self._is_slow(("user", endpoint.user), now) else Speed.UNKNOWN

    def _is_slow(self, key: _Key, now: int) -> bool:
        noted = self._slow.get(key)
        return noted is not None and now - noted < SLOW_FOR_MS

    def _limits(self, endpoint: Endpoint, now: int) -> dict[_Key, int]:
        """How many slots may be held at most of each kind that a slot of this endpoint would be."""
        limits = {("user", endpoint.user): USER_SLOTS}
        if endpoint.channel in AT_ONCE:
            return limits | {("channel", endpoint.channel): WAITING_PER_ATTEMPT * AT_ONCE[endpoint.channel]}
        speed = self.speed(endpoint, now)
        if speed in _SHARES:
            limits["speed", speed.value] = _SHARES[speed]
            limits["unproven", endpoint.user] = USER_UNPROVEN_SLOTS
        return limits
