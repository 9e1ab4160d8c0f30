"""Retries: a failed delivery after growing delays, and a host that does not respond after a pause."""

from collections import OrderedDict
from random import Random

WAITS_S = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""Seconds before each further attempt, as Standard Webhooks proposes: ten attempts over about 75 hours."""
SPREAD = 0.5
"""The share by which a delay is shortened or extended at random, so that deliveries that failed together are spread."""
LONGEST_DELAY_MS = int(WAITS_S[-1] * (1 + SPREAD) * 1_000)
"""Maximum milliseconds between two attempts: also more than a receiver may ask for."""
FAILURES = 3
"""Consecutive attempts without a response after which the breaker of a host opens."""
REST_MS = 60_000
"""Milliseconds for which it stays open before one attempt is made."""
FIRST_ENDPOINT_REST_MS = 2_000
"""Milliseconds for which the breaker of an endpoint stays open after an attempt that timed out; twice as long after each
further one, up to REST_MS. It is shorter than the first delay, which would otherwise end without an attempt."""
MAX_HOSTS = 10_000
"""Hosts whose failures are stored; beyond, the least recent one is dropped."""


def retry_delay_ms(attempts: int, after_s: int, chance: Random) -> int | None:
    """Milliseconds until the next attempt after so many failed ones, ``after_s`` seconds at least; None to give up."""
    if attempts > len(WAITS_S):
        return None
    wait_s = WAITS_S[attempts - 1] * chance.uniform(1 - SPREAD, 1 + SPREAD)
    return int(max(wait_s, after_s) * 1_000)


class CircuitBreaker:
    """Counts the failures of hosts or endpoints, so that deliveries to one that is down do not delay others."""

    def __init__(self, failures: int = FAILURES, first_rest_ms: int = REST_MS) -> None:
        """``failures`` in a row open it for ``first_rest_ms``, and each further one for twice as long, up to REST_MS."""
        self._failures = failures
        self._first_rest_ms = first_rest_ms
        self._hosts: OrderedDict[str, tuple[int, int]] = OrderedDict()

    def is_open(self, host: str, now: int) -> bool:
        """Whether no attempt is made at a host. ``now`` in milliseconds. After the pause one caller gets False; the others
        do so when the result of its attempt has been :meth:`note`-d, or after another pause."""
        failures, until = self._hosts.get(host, (0, 0))
        if failures < self._failures:
            return False
        if now < until:
            return True
        self._hosts[host] = (failures, now + self._rest_ms(failures))
        return False

    def note(self, host: str, down: bool, now: int) -> None:
        """Record whether an attempt found the host down."""
        if not down:
            self._hosts.pop(host, None)
            return
        failures = self._hosts.get(host, (0, 0))[0] + 1
        self._hosts[host] = (failures, now + self._rest_ms(failures))
        self._hosts.move_to_end(host)
        if len(self._hosts) > MAX_HOSTS:
            self._hosts.popitem(last=False)

    def _rest_ms(self, failures: int) -> int:
        # The exponent is bounded: an endpoint may fail for years.
        further = min(max(failures - self._failures, 0), 16)
        return int(min(self._first_rest_ms << further, REST_MS))
