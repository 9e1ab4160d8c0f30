"""Log lines about deliveries that fail: one when they begin to fail, and one when they succeed again."""

import logging
from collections import OrderedDict

from tidings.outbound.channel import SendResult
from tidings.personal_data import Endpoint

WINDOW_MS = 60_000
MAX_LINES = 10
"""Lines about new failures in one window: without a network thousands of endpoints fail at once."""
MAX_KNOWN = 10_000
"""Failing endpoints and hosts that are stored; beyond, the least recent one is dropped."""

_log = logging.getLogger(__name__)


class Troubles:
    """Records what fails. A line names the channel, the host or the endpoint's id, and the error. It never has the address
    of an endpoint, which can be a secret."""

    def __init__(self) -> None:
        self._failing: OrderedDict[tuple[str, str], bool] = OrderedDict()  # and whether the log says so
        self._since = 0
        self._lines = 0

    def note(self, endpoint: Endpoint, host: str, answer: SendResult, now: int) -> None:
        """Record the result of an attempt at an endpoint of this host. ``now`` in milliseconds of a monotonic clock."""
        its_host = (endpoint.channel, host)
        itself = (endpoint.channel, f"the endpoint {endpoint.id}")
        if answer.state == "sent":
            self._succeed(its_host)
            self._succeed(itself)
        elif answer.down:
            self._fail(its_host, answer.error, now)
        elif its_host not in self._failing and answer.state != "gone" and not answer.server_fault:
            self._fail(itself, answer.error, now)

    def _succeed(self, key: tuple[str, str]) -> None:
        if self._failing.pop(key, False):
            _log.warning("deliveries by %s to %s succeed again", *key)

    def _fail(self, key: tuple[str, str], error: str, now: int) -> None:
        logged = self._failing.get(key, False) or self._log_failure(key, error, now)
        self._failing[key] = logged
        self._failing.move_to_end(key)
        if len(self._failing) > MAX_KNOWN:
            self._failing.popitem(last=False)

    def _log_failure(self, key: tuple[str, str], error: str, now: int) -> bool:
        """Log a failure unless the window has MAX_LINES lines; returns whether it was logged."""
        if now - self._since >= WINDOW_MS:
            self._since, self._lines = now, 0
        self._lines += 1
        if self._lines <= MAX_LINES:
            _log.warning("deliveries by %s to %s fail: %s", *key, error)
        elif self._lines == MAX_LINES + 1:
            _log.warning("deliveries to others fail too; the metric tidings_deliveries counts them")
        return self._lines <= MAX_LINES
