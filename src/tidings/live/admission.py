"""Who may open a stream now: caps that hold always, and a rate that spreads a storm.

A cap is refused with TooManyRequests: coming back would not help until a stream ends. A storm is refused with Deferred,
which says when to come back: drawn at random, so that those who were sent away together do not return together.
"""

import random
from collections import Counter

from tidings.config import Settings
from tidings.errors import Deferred, TooManyRequests
from tidings.ports import Clock

RETRY_S = (2.0, 15.0)
"""Bounds of the seconds after which who was deferred returns: wide enough to halve a storm twice."""
BURST_S = 2
"""Seconds' worth of opens that may come at once, after a quiet time: a restart of a small server brings all it has."""


class AdmissionController:
    """The doorkeeper of one process. Random numbers and time are given, so that a simulation can own them."""

    def __init__(self, settings: Settings, clock: Clock, rng: random.Random) -> None:
        self._settings = settings
        self._clock = clock
        self._rng = rng
        self._tokens = float(settings.stream_opens_per_s * BURST_S)
        self._at = clock.monotonic()
        self._addresses: Counter[str] = Counter()
        self.closing = False

    def check(self, open: int, mine: int, address: str, *, stays: bool = True) -> None:
        """Let one more in beside the ``open`` streams of this process, ``mine`` of them of the same user. The caps of users
        and addresses are for those who stay. Raises TooManyRequests over one of them, Deferred in a storm, when the
        server is full, or while it leaves: who comes back then finds the next one."""
        if self.closing:
            raise Deferred("the server is stopping", retry_after=self._later())
        if stays:
            self._check_caps(mine, address)
        if open >= self._settings.max_streams or not self._take():
            raise Deferred("too many streams are being opened", retry_after=self._later())

    def _check_caps(self, mine: int, address: str) -> None:
        if mine >= self._settings.max_streams_per_user:
            raise TooManyRequests(f"{mine} streams of this user are open", retry_after=5)
        if address and self._addresses[address] >= self._settings.max_streams_per_address:
            raise TooManyRequests(
                f"{self._addresses[address]} streams of this address are open", retry_after=5
            )

    def acquire(self, address: str) -> None:
        """A stream that was let in has been opened."""
        if address:
            self._addresses[address] += 1

    def release(self, address: str) -> None:
        """A stream has ended."""
        if address:
            self._addresses[address] -= 1
            if not self._addresses[address]:
                del self._addresses[address]

    def _take(self) -> bool:
        """Take a token of the bucket, which fills with time."""
        now, rate = self._clock.monotonic(), self._settings.stream_opens_per_s
        self._tokens = min(self._tokens + (now - self._at) * rate, rate * BURST_S)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def _later(self) -> int:
        return round(self._rng.uniform(*RETRY_S))
