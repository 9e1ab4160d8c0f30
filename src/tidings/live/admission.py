"""Admission of streams: caps, and a rate limit for many clients that connect at once.

A stream over a cap of its user or address is refused with TooManyRequests: a retry fails until another stream ends. A stream
over the rate is refused with Deferred, which states when to retry: at a random time, so that clients that were refused
together do not return together.
"""

import random
from collections import Counter

from tidings.config import Settings
from tidings.errors import Deferred, TooManyRequests
from tidings.timeutil import Clock

RETRY_S = (2.0, 15.0)
"""Bounds of the seconds after which a deferred client returns: wide enough to quarter the rate of its burst."""
BURST_S = 2
"""Seconds of the rate that may open at once after an idle time: after a restart all clients of a small server return at
once."""


class AdmissionController:
    """Admits the streams of one process. Random numbers and time are parameters, so that a simulation controls them."""

    def __init__(self, settings: Settings, clock: Clock, rng: random.Random) -> None:
        self._settings = settings
        self._clock = clock
        self._rng = rng
        self._tokens = float(settings.stream_opens_per_s * BURST_S)
        self._at = clock.monotonic()
        self._addresses: Counter[str] = Counter()
        self.closing = False
        self.problem = ""

    def check(self, open: int, mine: int, address: str, *, stays: bool = True) -> None:
        """Admit one stream beside the ``open`` streams of this process, of which ``mine`` are of the same user. The caps of
        users and addresses apply to streams that stay open. Raises TooManyRequests over one of these caps. Raises Deferred
        over the rate, over the cap of the server, while the server stops, and while it has a ``problem``: a client that
        retries reaches the next one."""
        self._check_open()
        if stays:
            self._check_caps(mine, address)
        self.check_room(open)
        if not self._take():
            raise Deferred("too many streams are being opened", retry_after=self._later())

    def check_room(self, open: int) -> None:
        """Raises Deferred if there is no room for a stream beside the ``open`` ones, or none are opened at all."""
        self._check_open()
        if open >= self._settings.max_streams:
            raise Deferred("too many streams are open", retry_after=self._later())

    def _check_open(self) -> None:
        if self.closing or self.problem:
            raise Deferred(self.problem or "the server is stopping", retry_after=self._later())

    def _check_caps(self, mine: int, address: str) -> None:
        if mine >= self._settings.max_streams_per_user:
            raise TooManyRequests(f"{mine} streams of this user are open", retry_after=5)
        if address and self._addresses[address] >= self._settings.max_streams_per_address:
            raise TooManyRequests(
                f"{self._addresses[address]} streams of this address are open", retry_after=5
            )

    def acquire(self, address: str) -> None:
        """An admitted stream has been opened."""
        if address:
            self._addresses[address] += 1

    def release(self, address: str) -> None:
        """A stream has ended."""
        if address:
            self._addresses[address] -= 1
            if not self._addresses[address]:
                del self._addresses[address]

    def _take(self) -> bool:
        """Take a token of the bucket; returns whether there was one. The bucket fills at the rate of opens."""
        now, rate = self._clock.monotonic(), self._settings.stream_opens_per_s
        self._tokens = min(self._tokens + (now - self._at) * rate, rate * BURST_S)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def _later(self) -> int:
        return round(self._rng.uniform(*RETRY_S))
