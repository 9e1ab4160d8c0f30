"""Endpoints that asked for a pause (``Retry-After``), and until when nothing is sent to them."""

from typing import NamedTuple

from tidings.personal_data import Endpoint
from tidings.timeutil import Clock

MAX_PAUSES = 1_000
"""Endpoints whose pauses are stored: each read of the store leaves them out. Beyond, the pause that ends first is dropped,
which costs an attempt. As many endpoints that were registered again are remembered."""


class _Pause(NamedTuple):
    """``until``: milliseconds of the monotonic clock, since a clock set back would prolong it. ``revision``: that of the
    endpoint that asked."""

    until: int
    revision: int


class Pauses:
    """The pauses of endpoints. One ends when its endpoint is registered again, enabled or given another secret, since its
    user or the application has repaired it. An attempt that began before that begins none."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._paused: dict[str, _Pause] = {}
        self._renewed: dict[str, int] = {}
        """The revisions of endpoints that were renewed, those of the last ones at the end."""

    def begin(self, endpoint: Endpoint, seconds: int) -> None:
        """Leave an endpoint alone for as long as it asked: it would refuse what is due to it too."""
        if endpoint.revision < self._renewed.get(endpoint.id, 0):
            return
        self._paused[endpoint.id] = _Pause(self._elapsed() + seconds * 1_000, endpoint.revision)
        if len(self._paused) > MAX_PAUSES:
            del self._paused[min(self._paused, key=self._paused.__getitem__)]

    def end(self, endpoint: Endpoint) -> None:
        """The endpoint was renewed: this is its state now."""
        self._renewed.pop(endpoint.id, None)
        self._renewed[endpoint.id] = endpoint.revision
        if len(self._renewed) > MAX_PAUSES:
            del self._renewed[next(iter(self._renewed))]
        pause = self._paused.get(endpoint.id)
        if pause is not None and pause.revision < endpoint.revision:
            del self._paused[endpoint.id]

    def ids(self) -> tuple[str, ...]:
        """The endpoints with a pause now."""
        now = self._elapsed()
        self._paused = {id: pause for id, pause in self._paused.items() if pause.until > now}
        return tuple(self._paused)

    def until(self, endpoint: Endpoint) -> int:
        """When the pause of an endpoint ends, in milliseconds since 1970; 0 without one."""
        pause = self._paused.get(endpoint.id)
        return 0 if pause is None or pause.revision < endpoint.revision else self.end_of(endpoint.id)

    def end_of(self, id: str) -> int:
        """The same, of the endpoint of this id."""
        pause, now = self._paused.get(id), self._elapsed()
        return 0 if pause is None or pause.until <= now else self._clock.now() + pause.until - now

    def _elapsed(self) -> int:
        return int(self._clock.monotonic() * 1_000)
