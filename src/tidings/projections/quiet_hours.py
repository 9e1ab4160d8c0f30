"""Quiet hours: until when a user gets no deliveries, by the local time of the user.

A window begins on a day at ``start`` and lasts until the next time at which the local time is ``end``: on the same day, or
on the next if ``end`` is not later (equal times: a whole day). If daylight saving time skips a start or an end, the first
moment after the gap counts. If a local time occurs twice, a window begins at the first and ends at the second.
"""

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from tidings.personal_data import QuietHours
from tidings.timeutil import from_wall

_DAY = timedelta(days=1)
_AROUND = (-_DAY, timedelta(0), _DAY)
"""Days on which a window that contains now can begin. Tomorrow is one: if the clock is set back over midnight, tomorrow's
first minutes come before today's last hour."""


def quiet_until(hours: QuietHours, now_ms: int) -> int | None:
    """The end of the window that contains ``now_ms``, both in milliseconds since 1970; None outside of quiet hours.

    A window that begins at the end of another is not considered: the caller asks again then. Raises ZoneInfoNotFoundError
    for a time zone that this machine does not have.
    """
    zone = ZoneInfo(hours.time_zone)
    start, end = time.fromisoformat(hours.start), time.fromisoformat(hours.end)
    today = datetime.fromtimestamp(now_ms // 1000, zone).date()
    days = (today + around for around in _AROUND)
    windows = [_window(day, start, end, zone) for day in days if day.isoweekday() in hours.days]
    return max((ends for begins, ends in windows if begins <= now_ms < ends), default=None)


def _window(day: date, start: time, end: time, zone: ZoneInfo) -> tuple[int, int]:
    """The begin and the end (exclusive) of the window of a day, in milliseconds."""
    last = day if end > start else day + _DAY
    begins = from_wall(datetime.combine(day, start), zone)
    return begins, from_wall(datetime.combine(last, end), zone, second=True)
