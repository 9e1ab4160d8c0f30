"""Clocks, time zones, and times as text: RFC 3339 in UTC with milliseconds."""

import time
from bisect import bisect_left
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Protocol
from zoneinfo import ZoneInfo, available_timezones

_NO_ZONES = frozenset({"localtime", "Factory"})
"""Files beside those of the zones: whatever this machine is set to, and what a machine has that was never set."""
DAY_MS = 86_400_000
HOUR_MS = 3_600_000


@lru_cache(maxsize=4096)
def _second(s: int) -> str:
    return datetime.fromtimestamp(s, UTC).isoformat()[:19]


@lru_cache(maxsize=4096)
def rfc3339(ms: int) -> str:
    """``2026-01-31T09:30:00.123Z`` for milliseconds since 1970. Cached: an event and its receipt have the same, and so have
    the events of an array."""
    return f"{_second(ms // 1000)}.{ms % 1000:03d}Z"


def to_ms(moment: datetime) -> int:
    """Milliseconds since 1970 of an aware datetime, microseconds cut off."""
    whole = moment.replace(microsecond=0)
    return int(whole.timestamp()) * 1000 + moment.microsecond // 1000


@cache
def time_zones() -> frozenset[str]:
    """The names of the IANA time zones of this machine. They are read once: they are hundreds of files."""
    return frozenset(available_timezones()) - _NO_ZONES


def from_wall(wall: datetime, zone: ZoneInfo, *, second: bool = False) -> int:
    """Milliseconds since 1970 at which the local time of a zone is ``wall`` (without a zone, whole seconds). A skipped local
    time is the first moment after the gap; one that occurs twice is the first, or the ``second``."""
    shown = wall.replace(tzinfo=zone)
    early, late = (int(shown.replace(fold=fold).timestamp()) for fold in (1, 0))
    if early >= late:
        return (early if second else late) * 1000
    # In a gap fold 0 uses the offset before it and fold 1 the one after it (PEP 495): the jump is between the two.
    before = shown.utcoffset()
    jump = bisect_left(
        range(early, late), True, key=lambda s: datetime.fromtimestamp(s, zone).utcoffset() != before
    )
    return (early + jump) * 1000


class Clock(Protocol):
    """Time, passed in so that tests and simulations own it."""

    def now(self) -> int:
        """Milliseconds since 1970, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back."""
        ...


class SystemClock:
    """The machine's own time."""

    def now(self) -> int:
        """Milliseconds since 1970, UTC."""
        return time.time_ns() // 1_000_000

    monotonic = staticmethod(time.monotonic)
    """Seconds that never go back. Not a method of our own: each request reads it three times."""
