"""Times on the wire: RFC 3339 in UTC with milliseconds."""

import time
from datetime import UTC, datetime
from functools import lru_cache

DAY_MS = 86_400_000
HOUR_MS = 3_600_000


@lru_cache(maxsize=4096)
def _second(s: int) -> str:
    return datetime.fromtimestamp(s, UTC).isoformat()[:19]


def rfc3339(ms: int) -> str:
    """``2026-01-31T09:30:00.123Z`` for milliseconds since 1970."""
    return f"{_second(ms // 1000)}.{ms % 1000:03d}Z"


def to_ms(moment: datetime) -> int:
    """Milliseconds since 1970 of an aware datetime, microseconds cut off."""
    whole = moment.replace(microsecond=0)
    return int(whole.timestamp()) * 1000 + moment.microsecond // 1000


class SystemClock:
    """The machine's own time."""

    def now(self) -> int:
        """Milliseconds since 1970, UTC."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return time.monotonic()
