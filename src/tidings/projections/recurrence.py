"""Recurrence: ISO 8601 durations in the local time of a time zone.

Years, months, weeks and days are calendar units and keep the time of day; hours, minutes and seconds are elapsed time. Each
recurrence is computed from the first, not from the one before: after the 31st of January comes the last day of February, and
then the 31st of March. A local time that daylight saving time skips is the first moment after the gap; of a local time that
occurs twice, the first counts.

This module parses durations itself: libraries for ISO 8601 also accept signs, fractions and other forms, which would have to
be detected and refused, and none implements these rules of local time.
"""

import re
from bisect import bisect_right
from calendar import monthrange
from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from tidings.ids import LAST_MS
from tidings.timeutil import from_wall

MIN_EVERY_S = 60
"""The minimum of seconds between two recurrences: more frequent ones would fill the log."""
LAST_YEAR = 9_000
"""The last year of a recurrence: it is long after the last key, and before the end of Python's calendar."""
_DURATION = re.compile(
    r"P(?=\w)(?:(\d{1,4})Y)?(?:(\d{1,5})M)?(?:(\d{1,6})W)?(?:(\d{1,6})D)?"
    r"(?:T(?=\d)(?:(\d{1,6})H)?(?:(\d{1,6})M)?(?:(\d{1,8})S)?)?\Z",
    re.ASCII,
)


class Recurrence(NamedTuple):
    """A duration in three units, none of which can be converted into another."""

    months: int
    days: int
    seconds: int


def parse_recurrence(text: str) -> Recurrence:
    """A duration in ISO 8601: ``PT15M``, ``P1D``, ``P1W``, ``P1M``, ``P1Y2M3DT4H``.

    Raises ValueError for another text, and for less than a minute.
    """
    found = _DURATION.match(text)
    if found is None:
        raise ValueError("an ISO 8601 duration such as PT15M, P1D, P1W or P1M")
    years, months, weeks, days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    every = Recurrence(years * 12 + months, weeks * 7 + days, (hours * 60 + minutes) * 60 + seconds)
    if not (every.months or every.days or every.seconds >= MIN_EVERY_S):
        raise ValueError("a minute at least")
    return every


def occurrence(first_at: int, every: Recurrence, zone: ZoneInfo, n: int) -> int | None:
    """The ``n``-th recurrence after ``first_at`` (itself the 0th), in milliseconds since 1970; None beyond LAST_YEAR."""
    passed = every.seconds * n * 1000
    if n == 0 or not (every.months or every.days):
        return first_at + passed
    wall = _moved(datetime.fromtimestamp(first_at // 1000, zone).replace(tzinfo=None), every, n)
    return None if wall is None else from_wall(wall, zone) + first_at % 1000 + passed


def next_after(first_at: int, every: Recurrence, zone: ZoneInfo, now: int) -> int | None:
    """The first recurrence after ``now``, both in milliseconds since 1970; None if it is after the largest key."""
    steps = range(1, max(LAST_MS - first_at, 0) // (MIN_EVERY_S * 1000) + 2)
    n = bisect_right(steps, now, key=lambda step: _or_never(occurrence(first_at, every, zone, step))) + 1
    at = _or_never(occurrence(first_at, every, zone, n))
    return at if at <= LAST_MS else None


def _moved(wall: datetime, every: Recurrence, n: int) -> datetime | None:
    years, month = divmod(wall.month - 1 + every.months * n, 12)
    year = wall.year + years
    if year + every.days * n // 365 > LAST_YEAR:
        return None
    day = min(wall.day, monthrange(year, month + 1)[1])
    return wall.replace(year=year, month=month + 1, day=day) + timedelta(days=every.days * n)


def _or_never(at: int | None) -> int:
    return LAST_MS + 1 if at is None else at
