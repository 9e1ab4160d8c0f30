"""Recurrence by the clock on the wall, through every change of it, against a count that goes step by step."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.ids import LAST_MS
from tidings.projections.recurrence import Recurrence, next_after, occurrence, parse_recurrence
from tidings.timeutil import to_ms

BERLIN = "Europe/Berlin"
ZONES = ("UTC", BERLIN, "America/New_York", "Australia/Lord_Howe", "Pacific/Apia", "Asia/Kolkata")


def ms(text: str) -> int:
    """Milliseconds of a time with its offset."""
    return to_ms(datetime.fromisoformat(text))


def shown(at: int | None, zone: str) -> str:
    """A time as the clocks of a zone show it, with the offset."""
    assert at is not None
    return datetime.fromtimestamp(at // 1000, ZoneInfo(zone)).isoformat(timespec="minutes")


def series(first: str, every: str, zone: str, count: int) -> list[str]:
    """The first recurrences, each asked for as the one after the one before."""
    found, at = [], ms(first)
    for _ in range(count):
        following = next_after(ms(first), parse_recurrence(every), ZoneInfo(zone), at)
        assert following is not None
        found.append(shown(following, zone))
        at = following
    return found


@pytest.mark.parametrize(
    ("text", "every"),
    [
        ("PT1M", Recurrence(0, 0, 60)),
        ("PT60S", Recurrence(0, 0, 60)),
        ("PT15M", Recurrence(0, 0, 900)),
        ("P1D", Recurrence(0, 1, 0)),
        ("P1W", Recurrence(0, 7, 0)),
        ("P1M", Recurrence(1, 0, 0)),
        ("P1Y2M3W4DT5H6M7S", Recurrence(14, 25, 18_367)),
        ("P0DT1H", Recurrence(0, 0, 3_600)),
    ],
)
def test_durations_are_read(text: str, every: Recurrence) -> None:
    assert parse_recurrence(text) == every


@pytest.mark.parametrize(
    "text",
    [
        "",
        "P",
        "PT",
        "P1DT",
        "1D",
        "P1",
        "P-1D",
        "-P1D",
        "+P1D",
        "P1.5D",
        "P1D ",
        "p1d",
        "PT1M1H",
        "P1M1Y",
        "P٣D",
    ],
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="ISO 8601"):
        parse_recurrence(text)


@pytest.mark.parametrize("text", ["PT59S", "PT0M", "P0D", "P0Y0M0W0DT0H0M0S"])
def test_less_than_a_minute_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a minute"):
        parse_recurrence(text)


def test_a_day_keeps_its_hour_when_clocks_go_forward() -> None:
    assert series("2026-03-28T09:00+01:00", "P1D", BERLIN, 2) == [
        "2026-03-29T09:00+02:00",
        "2026-03-30T09:00+02:00",
    ]


def test_a_day_keeps_its_hour_when_clocks_go_back() -> None:
    assert series("2026-10-24T09:00+02:00", "P1D", BERLIN, 2) == [
        "2026-10-25T09:00+01:00",
        "2026-10-26T09:00+01:00",
    ]


def test_a_time_that_the_clock_leaves_out_is_the_first_moment_after_it() -> None:
    assert series("2026-03-28T02:30+01:00", "P1D", BERLIN, 2) == [
        "2026-03-29T03:00+02:00",
        "2026-03-30T02:30+02:00",
    ]


def test_a_time_that_the_clock_shows_twice_is_the_first() -> None:
    assert series("2026-10-24T02:30+02:00", "P1D", BERLIN, 2) == [
        "2026-10-25T02:30+02:00",
        "2026-10-26T02:30+01:00",
    ]


def test_a_first_time_in_the_second_of_two_hours_stays_where_it_is() -> None:
    first = ms("2026-10-25T02:30+01:00")
    assert occurrence(first, parse_recurrence("P1D"), ZoneInfo(BERLIN), 0) == first
    assert series("2026-10-25T02:30+01:00", "P1D", BERLIN, 1) == ["2026-10-26T02:30+01:00"]


def test_hours_are_time_that_passes() -> None:
    assert series("2026-10-25T01:30+02:00", "PT1H", BERLIN, 3) == [
        "2026-10-25T02:30+02:00",
        "2026-10-25T02:30+01:00",
        "2026-10-25T03:30+01:00",
    ]


def test_a_month_that_lacks_the_day_has_its_last_and_the_next_has_it_again() -> None:
    assert series("2026-01-31T08:00+00:00", "P1M", "UTC", 4) == [
        "2026-02-28T08:00+00:00",
        "2026-03-31T08:00+00:00",
        "2026-04-30T08:00+00:00",
        "2026-05-31T08:00+00:00",
    ]


def test_leap_days_come_back_after_four_years() -> None:
    dates = [text[:10] for text in series("2028-02-29T08:00+00:00", "P1Y", "UTC", 4)]
    assert dates == ["2029-02-28", "2030-02-28", "2031-02-28", "2032-02-29"]


def test_a_date_that_never_was_counts_once() -> None:
    """Samoa had no 30th of December 2011: what was due then comes with the first moment of the 31st, not twice."""
    assert series("2011-12-29T00:00-10:00", "P1D", "Pacific/Apia", 2) == [
        "2011-12-31T00:00+14:00",
        "2012-01-01T00:00+14:00",
    ]


def test_what_was_missed_is_left_out() -> None:
    """After any time away there is one next time, on the same raster."""
    first, now = ms("2020-01-01T09:00+01:00"), ms("2026-11-20T09:00+01:00")
    following = next_after(first, parse_recurrence("P1W"), ZoneInfo(BERLIN), now)
    assert shown(following, BERLIN) == "2026-11-25T09:00+01:00"


def test_milliseconds_are_kept() -> None:
    first = ms("2026-01-01T00:00:00.250+00:00")
    assert occurrence(first, parse_recurrence("P1D"), ZoneInfo("UTC"), 1) == first + 86_400_000


@pytest.mark.parametrize("every", ["P9999Y", "P99999M", "P999999W", "P999999DT999999H", "PT99999999S"])
def test_nothing_recurs_after_the_last_key(every: str) -> None:
    assert next_after(LAST_MS - 1, parse_recurrence(every), ZoneInfo("UTC"), LAST_MS - 1) is None


@given(
    zone=st.sampled_from(ZONES),
    first=st.datetimes(datetime(2009, 1, 1), datetime(2026, 1, 1)),
    every=st.builds(
        Recurrence, st.integers(0, 14), st.integers(0, 40), st.sampled_from((0, 60, 900, 3_600, 100_000))
    ).filter(any),
    away=st.timedeltas(timedelta(0), timedelta(days=400)),
)
def test_the_next_is_the_first_of_all_that_come_after(
    zone: str, first: datetime, every: Recurrence, away: timedelta
) -> None:
    """Halving finds what counting finds; times never go back."""
    start = int(first.replace(tzinfo=ZoneInfo("UTC")).timestamp()) * 1000
    now = start + int(away.total_seconds()) * 1000
    place = ZoneInfo(zone)
    found = next_after(start, every, place, now)
    assert found is not None
    assert found > now
    n = max(1, _index(start, every, place, found))
    assert occurrence(start, every, place, n) == found
    assert n == 1 or (occurrence(start, every, place, n - 1) or 0) <= now


def _index(start: int, every: Recurrence, zone: ZoneInfo, found: int) -> int:
    """Which recurrence it is, counted from the first in steps of a thousand and then of one."""
    n = 0
    for step in (10_000, 100, 1):
        while (at := occurrence(start, every, zone, n + step)) is not None and at < found:
            n += step
    return n + 1
