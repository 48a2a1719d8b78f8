"""Local days, hours and 5 minutes against a minute-by-minute walk with `zoneinfo`, over clock changes of all shapes."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidedata.calendar.levels import LONGEST_BUCKET_SECONDS
from sidedata.calendar.rules import UNKNOWN, read_rules
from sidedata.calendar.zones import Day, Zone, five_minutes, zone
from sidedata.errors import UsageError
from tests.support.oracle.local_time import day_around, hour_around, local_date, local_hour
from tests.support.oracle.oracle import EPOCH

# Zone, and days around its clock changes (the last where clocks went over midnight or by half an hour).
CHANGES = [
    ("UTC", "2026-03-29"),
    ("Asia/Tehran", "2022-03-22"),
    ("Asia/Tehran", "2022-09-22"),
    ("Asia/Kolkata", "2026-10-25"),
    ("Asia/Kathmandu", "2026-10-25"),
    ("Australia/Lord_Howe", "2026-04-05"),
    ("Australia/Lord_Howe", "2026-10-04"),
    ("Africa/Cairo", "2026-04-24"),
    ("Africa/Cairo", "2026-10-30"),
    ("Europe/Helsinki", "2026-03-29"),
    ("Europe/Helsinki", "2026-10-25"),
    ("America/New_York", "2026-03-08"),
    ("America/New_York", "2026-11-01"),
    ("America/Sao_Paulo", "2017-10-15"),
    ("America/Sao_Paulo", "2018-02-18"),
    ("America/St_Johns", "2026-03-08"),
    ("America/St_Johns", "2026-11-01"),
    ("America/St_Johns", "2006-10-29"),
    ("Pacific/Apia", "2011-12-31"),
    ("Africa/Casablanca", "2026-02-15"),
]
NAMES = sorted({name for name, _ in CHANGES})


def seconds(moment: datetime) -> int:
    """Whole seconds since the epoch."""
    return (moment - EPOCH) // timedelta(seconds=1)


def moment(instant: int) -> datetime:
    """The instant as a date-time in UTC."""
    return EPOCH + timedelta(seconds=instant)


def check_day(day: Day, name: str, instant: int) -> None:
    """The day holds the instant, is what a walk finds, and its hours tile it and are what a walk finds."""
    assert (moment(day.start), moment(day.end)) == day_around(moment(instant), name)
    date = local_date(moment(instant), name)
    assert (day.ordinal, day.weekday) == (date.toordinal(), date.isoweekday())
    at = day.start
    for hour in day.hours:
        assert hour.start == at
        assert (moment(hour.start), moment(hour.end)) == hour_around(moment(hour.start), name)
        assert (date, hour.index, hour.offset) == local_hour(moment(hour.start), name)
        at = hour.end
    assert at == day.end


@pytest.mark.parametrize(("name", "text"), CHANGES)
def test_days_around_clock_changes_equal_a_walk(name: str, text: str) -> None:
    """Three days around a clock change, asked at every quarter of an hour and its rims, equal a walk by minutes."""
    fresh = Zone(zone(name).rules, ZoneInfo(name))
    noon = datetime.fromisoformat(text).replace(hour=12, tzinfo=UTC)
    start = seconds(noon - timedelta(hours=36))
    for quarter in range(start, start + 3 * 86400, 900):
        for instant in (quarter - 1, quarter, quarter + 1):
            day = fresh.day(instant)
            assert day.start <= instant < day.end
            hour = fresh.hour(instant)
            assert (moment(hour.start), moment(hour.end)) == hour_around(moment(instant), name)
    at = start
    while at < start + 3 * 86400:
        check_day(fresh.day(at), name, at)
        at = fresh.day(at).end


@given(name=st.sampled_from(NAMES), instant=st.integers(seconds(datetime(1995, 1, 1, tzinfo=UTC)), 2_000_000_000))
def test_any_day_equals_a_walk(name: str, instant: int) -> None:
    """The day of any instant of the last decades is what a walk by minutes finds."""
    check_day(zone(name).day(instant), name, instant)


# Two files that a system may have among its zones are none: see `zone`.
EVERY_NAME = sorted(available_timezones() - {"localtime", "Factory"})


@given(name=st.sampled_from(EVERY_NAME), instant=st.integers(1_500_000_000, 2_000_000_000))
def test_every_zone_has_days_that_follow_each_other(name: str, instant: int) -> None:
    """In every zone there is, days are without gap or overlap and between 12 and 36 hours long."""
    day = zone(name).day(instant)
    assert day.start <= instant < day.end
    assert zone(name).day(day.end).start == day.end
    assert zone(name).day(day.start - 1).end == day.start
    assert 12 * 3600 <= day.end - day.start <= 36 * 3600
    assert zone(name).text(day.start).startswith(local_date(moment(instant), name).isoformat())


def test_no_bucket_is_longer_than_readers_reckon_with() -> None:
    """At each change of clocks of a year, in every zone: caches would keep what a late event has changed."""
    year = seconds(datetime(2026, 1, 1, tzinfo=UTC)), seconds(datetime(2027, 1, 1, tzinfo=UTC))
    tables = [read_rules(name, UNKNOWN, ZoneInfo(name), *year) for name in EVERY_NAME]
    days = [Zone(rules).day(at) for rules in tables for start in rules.starts[1:] for at in (start - 1, start)]
    assert max(day.end - day.start for day in days) <= LONGEST_BUCKET_SECONDS["day"]
    assert max(hour.end - hour.start for day in days for hour in day.hours) <= LONGEST_BUCKET_SECONDS["hour"]


@pytest.mark.holds("1.0.7", "1.0.8")
@pytest.mark.parametrize(
    ("name", "date", "hours", "doubled"),
    [
        ("Europe/Helsinki", "2026-10-25", 25, 3),
        ("Europe/Helsinki", "2026-03-29", 23, None),
        ("America/New_York", "2026-11-01", 25, 1),
        ("Australia/Lord_Howe", "2026-04-05", 25, 1),
        ("Australia/Lord_Howe", "2026-10-04", 24, None),
        ("Asia/Kathmandu", "2026-11-01", 24, None),
    ],
)
def test_days_of_clock_changes_have_their_hours(name: str, date: str, hours: int, doubled: int | None) -> None:
    """25 spans on the day that clocks go back (at Lord Howe one of them lasts 30 minutes), one index twice."""
    noon = datetime.fromisoformat(date).replace(hour=12, tzinfo=ZoneInfo(name))
    indices = [hour.index for hour in zone(name).day(seconds(noon)).hours]
    assert len(indices) == hours
    assert [index for index in set(indices) if indices.count(index) > 1] == ([] if doubled is None else [doubled])


def test_half_hour_change_makes_a_half_hour() -> None:
    """Lord Howe goes back by 30 minutes at 2:00, so 1:30 to 2:00 comes twice, the second time as an hour of its own."""
    noon = datetime(2026, 4, 5, 12, tzinfo=ZoneInfo("Australia/Lord_Howe"))
    spans = [hour.end - hour.start for hour in zone("Australia/Lord_Howe").day(seconds(noon)).hours if hour.index == 1]
    assert spans == [3600, 1800]


@given(name=st.sampled_from(NAMES), instant=st.integers(1_000_000_000, 2_000_000_000))
def test_five_minutes_lie_in_their_hour(name: str, instant: int) -> None:
    """The 5 minutes of an instant hold it, begin at a multiple of 5 minutes and never leave the hour."""
    hour = zone(name).hour(instant)
    start, end = five_minutes(instant, hour)
    assert hour.start <= start <= instant < end <= hour.end
    assert end - start == 300
    assert start % 300 == 0


@pytest.mark.holds("3.0.3")
@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("Europe/Helsinki", "2026-10-25T03:30", "2026-10-25T00:30:00+00:00"),  # twice there: the first, summer time
        ("Europe/Helsinki", "2026-03-29T03:30", "2026-03-29T01:30:00+00:00"),  # never there: read with winter time
        ("Europe/Helsinki", "2026-10-25T03:30+02:00", "2026-10-25T01:30:00+00:00"),
        ("Asia/Kolkata", "20261025", "2026-10-24T18:30:00+00:00"),
        ("UTC", "2026-10-25T03:30:00.000001-03:30", "2026-10-25T07:00:00.000001+00:00"),
    ],
)
def test_local_times_are_read_as_zoneinfo_does(name: str, text: str, expected: str) -> None:
    """Without an offset a date-time is local with fold=0; with one it is what it says."""
    expected_us = (datetime.fromisoformat(expected) - EPOCH) // timedelta(microseconds=1)
    assert zone(name).instant_us(datetime.fromisoformat(text)) == expected_us


@pytest.mark.parametrize("name", ["Mars/Olympus", "", "../../etc/passwd", "Europe", "europe/helsinki"])
def test_unknown_zones_are_refused(name: str) -> None:
    """A text that is no IANA name is refused, paths and directories included."""
    with pytest.raises(UsageError):
        zone(name)
