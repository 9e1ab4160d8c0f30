"""Quiet hours by the clock on the wall, through every change of it."""

from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tidings.personal_data import QuietHours
from tidings.projections.quiet_hours import quiet_until

MINUTE_MS = 60_000
CHANGES = {
    "Europe/Berlin": ("2026-03-29", "2026-10-25"),
    "America/New_York": ("2026-03-08", "2026-11-01"),
    "Australia/Sydney": ("2026-10-04", "2026-04-05"),
    "America/Santiago": ("2026-09-06", "2026-04-05"),  # at midnight
    "Australia/Lord_Howe": ("2026-10-04", "2026-04-05"),  # by half an hour
    "America/St_Johns": ("2010-03-14", "2010-11-07"),  # at one minute past midnight
    "Pacific/Apia": ("2011-12-30", "2011-12-31"),  # that Friday never was
    "Asia/Kolkata": ("2026-03-29",),
}
"""Days on which clocks are changed, in both hemispheres."""
PLACES = [(zone, day) for zone, days in CHANGES.items() for day in days]
NIGHT = ("22:00", "07:00")


def ms(text: str, zone: str = "UTC") -> int:
    """Milliseconds of a time as its zone writes it; of one that is shown twice, of the first."""
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()) * 1000


def until(zone: str, window: tuple[str, str], now: str, days: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7)) -> str:
    """When it ends, in UTC, if ``now`` (UTC) is quiet."""
    found = quiet_until(QuietHours(zone, *window, days), ms(now))
    return "" if found is None else f"{datetime.fromtimestamp(found // 1000, UTC):%d %H:%M}"


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2026-01-12T20:59", ""),
        ("2026-01-12T21:00", "13 06:00"),
        ("2026-01-13T05:59", "13 06:00"),
        ("2026-01-13T06:00", ""),
    ],
)
def test_a_night_begins_with_its_first_minute_and_ends_before_its_last(now: str, expected: str) -> None:
    assert until("Europe/Berlin", NIGHT, now) == expected


@pytest.mark.parametrize(
    ("now", "expected"),
    [("2026-01-16T23:00", "17 06:00"), ("2026-01-17T05:00", "17 06:00"), ("2026-01-17T23:00", "")],
)
def test_a_night_belongs_to_the_day_on_which_it_begins(now: str, expected: str) -> None:
    """Friday's night reaches into Saturday, which has none of its own."""
    assert until("Europe/Berlin", NIGHT, now, days=(5,)) == expected


def test_equal_times_are_a_whole_day() -> None:
    assert until("UTC", ("00:00", "00:00"), "2026-01-17T12:00", days=(6,)) == "18 00:00"
    assert until("UTC", ("00:00", "00:00"), "2026-01-18T00:00", days=(6,)) == ""


@pytest.mark.parametrize(
    ("window", "now", "expected"),
    [
        (("02:30", "07:00"), "2026-03-29T00:59", ""),
        (("02:30", "07:00"), "2026-03-29T01:00", "29 05:00"),  # 03:00, the first moment after the gap
        (("22:00", "02:30"), "2026-03-29T00:59", "29 01:00"),
        (("22:00", "02:30"), "2026-03-29T01:00", ""),
        (("02:30", "07:00"), "2026-10-25T00:30", "25 06:00"),  # the first 02:30
        (("22:00", "02:30"), "2026-10-25T00:45", "25 01:30"),  # until the second
        (("22:00", "02:30"), "2026-10-25T01:30", ""),
    ],
)
def test_a_window_whose_edge_the_clock_leaves_out_or_shows_twice(
    window: tuple[str, str], now: str, expected: str
) -> None:
    assert until("Europe/Berlin", window, now) == expected


def test_the_night_of_the_southern_change_is_an_hour_shorter_or_longer() -> None:
    spring = quiet_until(QuietHours("Australia/Sydney", *NIGHT), ms("2026-10-03T22:00", "Australia/Sydney"))
    autumn = quiet_until(QuietHours("Australia/Sydney", *NIGHT), ms("2026-04-04T22:00", "Australia/Sydney"))
    assert spring == ms("2026-10-03T22:00", "Australia/Sydney") + 8 * 60 * MINUTE_MS
    assert autumn == ms("2026-04-04T22:00", "Australia/Sydney") + 10 * 60 * MINUTE_MS


@cache
def shown(zone: str, day: str) -> dict[int, datetime]:
    """What the clocks of a zone show in every minute (milliseconds) of four days around a change."""
    begin = int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()) - 2 * 86_400
    moments = range(begin, begin + 4 * 86_400, 60)
    return {s * 1000: datetime.fromtimestamp(s, ZoneInfo(zone)).replace(tzinfo=None) for s in moments}


def oracle(hours: QuietHours, now: int, clock: dict[int, datetime]) -> int | None:
    """The rule read aloud: look at the clock in every minute."""
    ends = []
    dates = {wall.date() for wall in clock.values()} | {min(clock.values()).date() - timedelta(days=1)}
    for day in dates | {day + timedelta(days=1) for day in dates}:
        start = datetime.combine(day, time.fromisoformat(hours.start))
        end = datetime.combine(day, time.fromisoformat(hours.end))
        end += timedelta(days=0 if end > start else 1)
        if day.isoweekday() in hours.days and first(clock, start) <= now < last(clock, end):
            ends.append(last(clock, end))
    return max(ends, default=None)


def first(clock: dict[int, datetime], wall: datetime) -> int:
    """The first minute in which a clock shows a time or is past it."""
    return min((at for at, now in clock.items() if now >= wall), default=max(clock) + 1)


def last(clock: dict[int, datetime], wall: datetime) -> int:
    """The last minute in which a clock shows a time; the one after the jump, if it never does."""
    at = max((at for at, now in clock.items() if now <= wall), default=min(clock))
    return at if clock[at] == wall else at + MINUTE_MS


times = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.sampled_from([0, 1, 15, 30, 59]))
weekdays = st.sets(st.integers(1, 7), min_size=1).map(lambda days: tuple(sorted(days)))


@settings(max_examples=150, deadline=None)
@given(
    place=st.sampled_from(PLACES), start=times, end=times, days=weekdays, minute=st.integers(0, 24 * 60 - 1)
)
@example(place=("America/St_Johns", "2010-11-07"), start="00:00", end="06:00", days=(7,), minute=26 * 60 - 1)
@example(place=("Pacific/Apia", "2011-12-30"), start="22:00", end="07:00", days=(4, 5, 6), minute=0)
def test_every_minute_around_every_change_is_as_the_clock_says(
    place: tuple[str, str], start: str, end: str, days: tuple[int, ...], minute: int
) -> None:
    """Against an oracle that looks at the clock in every minute."""
    clock = shown(*place)
    now = list(clock)[25 * 60 + minute]  # so that every window that can hold it lies within the four days
    hours = QuietHours(place[0], start, end, days)
    assert quiet_until(hours, now) == oracle(hours, now, clock)


def test_the_oracle_knows_a_day_that_never_was() -> None:
    friday = date(2011, 12, 30)
    assert friday not in {wall.date() for wall in shown("Pacific/Apia", "2011-12-30").values()}
