"""When to try again: a failed delivery after growing waits, a host that does not answer after a rest."""

from collections import OrderedDict
from random import Random

WAITS_S = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
"""Seconds before each further attempt, as Standard Webhooks proposes them: ten attempts over about 75 hours."""
SPREAD = 0.5
"""The share by which a wait is made shorter or longer, by chance, so that what failed together does not return so."""
FAILURES = 3
"""Attempts in a row that nobody answered, after which a host is left alone."""
REST_MS = 60_000
"""Milliseconds for which it is, before one attempt finds out how it is."""
FIRST_ENDPOINT_REST_MS = 2_000
"""Milliseconds for which an endpoint is left alone after an attempt that took all of its time; twice as long after each
further one in a row, up to REST_MS. Shorter than the first of the waits, or nothing would be attempted after that."""
MAX_HOSTS = 10_000
"""Hosts whose failures are remembered; beyond, the longest untouched is forgotten."""


def retry_delay_ms(attempts: int, after_s: int, chance: Random) -> int | None:
    """Milliseconds to wait after so many attempts have failed, ``after_s`` seconds at least; None to give up."""
    if attempts > len(WAITS_S):
        return None
    wait_s = WAITS_S[attempts - 1] * chance.uniform(1 - SPREAD, 1 + SPREAD)
    return int(max(wait_s, after_s) * 1_000)


class CircuitBreaker:
    """Knows which hosts, or endpoints, are down, so that what waits for them takes no time from the rest."""

    def __init__(self, failures: int = FAILURES, first_rest_ms: int = REST_MS) -> None:
        """``failures`` in a row open it for ``first_rest_ms``, and each further one for twice as long, up to REST_MS."""
        self._failures = failures
        self._first_rest_ms = first_rest_ms
        self._hosts: OrderedDict[str, tuple[int, int]] = OrderedDict()

    def is_open(self, host: str, now: int) -> bool:
        """Whether a host is to be left alone. ``now`` in milliseconds. Once the rest is over one caller hears False,
        the others not before it has been :meth:`note`-d how that went, or another rest is over."""
        failures, until = self._hosts.get(host, (0, 0))
        if failures < self._failures:
            return False
        if now < until:
            return True
        self._hosts[host] = (failures, now + self._rest_ms(failures))
        return False

    def note(self, host: str, down: bool, now: int) -> None:
        """An attempt was, or was not, answered."""
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
