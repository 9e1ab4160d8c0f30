"""The metrics as they are sent: rendered once for all requests within a second."""

from tidings.http.compress import CachedBody
from tidings.telemetry import exposition
from tidings.timeutil import Clock

CACHED_S = 1.0
"""Seconds for which an exposition is sent again. One costs milliseconds, and any client may request it; scrapers return
after several seconds."""


class Metrics:
    """The current exposition."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._expires = 0.0
        self._body: CachedBody | None = None

    def body(self) -> CachedBody:
        """All metrics in the Prometheus text format, at most :data:`CACHED_S` old."""
        now = self._clock.monotonic()
        if self._body is None or now >= self._expires:
            self._body, self._expires = CachedBody(exposition()), now + CACHED_S
        return self._body
