"""Quiet hours: until when nothing may leave the application for somebody, by the clock on their wall.

A window begins on a day at ``start`` and lasts until the next time the clock shows ``end``: on the same day, or on the
next when ``end`` is not later (equal times: a whole day). Where the clock is put forward over a start or an end, the first
moment after counts. Where it is put back and shows a time twice, a window begins at the first and ends at the second.
"""

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from tidings.personal import QuietHours
from tidings.timeutil import from_wall

_DAY = timedelta(days=1)
_AROUND = (-_DAY, timedelta(0), _DAY)
"""Days on which a window that holds now can begin. Tomorrow is one: a clock put back over midnight shows tomorrow's first
minutes before today's last hour."""


def quiet_until(hours: QuietHours, now_ms: int) -> int | None:
    """When the window that holds ``now_ms`` ends, both in milliseconds since 1970; None when it is not quiet.

    The window that begins where another ends is not looked at: ask again then. Raises ZoneInfoNotFoundError for a time
    zone that this machine does not know.
    """
    zone = ZoneInfo(hours.time_zone)
    start, end = time.fromisoformat(hours.start), time.fromisoformat(hours.end)
    today = datetime.fromtimestamp(now_ms // 1000, zone).date()
    days = (today + around for around in _AROUND)
    windows = [_window(day, start, end, zone) for day in days if day.isoweekday() in hours.days]
    return max((ends for begins, ends in windows if begins <= now_ms < ends), default=None)


def _window(day: date, start: time, end: time, zone: ZoneInfo) -> tuple[int, int]:
    """When the window of a day begins and ends (exclusive), in milliseconds."""
    last = day if end > start else day + _DAY
    begins = from_wall(datetime.combine(day, start), zone)
    return begins, from_wall(datetime.combine(last, end), zone, second=True)
