"""The table of a zone's offsets against `zoneinfo`, for all zones of the `tzdata` package."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidedata.calendar.rules import ZoneRules, read_rules, release_order, table_span
from sidedata.calendar.sources import ZoneData, installed_sources
from sidedata.calendar.zones import Zone
from tests.support.zones.files import HOUR, second

NOW = second("2026-11-28T12:00")
SPAN = table_span(NOW // 86400 - 400, NOW // 86400)
DAY = 86400
# Clock changes of all shapes; their tables begin and end near one.
SHAPES = [
    "Europe/Helsinki",
    "America/Vancouver",
    "Australia/Lord_Howe",
    "America/St_Johns",
    "Africa/Cairo",
    "Asia/Kathmandu",
]


@cache
def data() -> ZoneData:
    """The zones of the installed package alone."""
    return installed_sources({"PYTHONTZPATH": ""}).data(NOW)


NAMES = sorted(data().names)


@cache
def source(name: str) -> ZoneInfo:
    """The zone as `zoneinfo` reads it."""
    found = data().zone(name)
    assert found is not None
    return found


@cache
def table(name: str) -> ZoneRules:
    """The zone's table for 400 days kept."""
    return read_rules(name, data().release, source(name), *SPAN)


def offset(name: str, instant: int) -> int:
    """The offset that `zoneinfo` gives."""
    found = datetime.fromtimestamp(instant, source(name)).utcoffset()
    assert found is not None
    return int(found.total_seconds())


def check_offsets(name: str, step: int) -> None:
    """Zone and table give zoneinfo's offset at every step from three months before the table to a year after its end."""
    zone = Zone(table(name), source(name))
    for instant in range(SPAN[0] - 90 * DAY + 1800, SPAN[1] + 365 * DAY, step):
        assert zone.offset(instant) == offset(name, instant), instant
        if table(name).covers(instant):
            assert table(name).offset(instant) == offset(name, instant), instant


def edges(name: str) -> Iterator[int]:
    """The seconds around each change, and around both ends."""
    for start in (*table(name).starts, SPAN[1]):
        yield from (start - 1, start, start + 1)


def test_the_package_has_all_zones() -> None:
    """The sweep is over hundreds of zones of a named release."""
    assert len(NAMES) > 500
    assert release_order(data().release) >= release_order("2025b")


def test_tables_equal_zoneinfo_for_all_zones() -> None:
    """Every table of the package is exact to the second at its changes, and right at every ninth day in between."""
    for name in NAMES:
        zone = Zone(table(name), source(name))
        for instant in edges(name):
            assert zone.offset(instant) == offset(name, instant), (name, instant)
        check_offsets(name, 9 * DAY + 7 * HOUR)


@pytest.mark.long
@pytest.mark.timeout(600)
def test_tables_equal_zoneinfo_in_every_hour() -> None:
    """Every table of the package gives zoneinfo's offset in every hour of four and a half years."""
    for name in NAMES:
        check_offsets(name, HOUR)


@pytest.mark.parametrize("name", SHAPES)
def test_days_and_hours_are_those_of_zoneinfo(name: str) -> None:
    """Hours and days of the table tile time, and each has the date, hour and offset that zoneinfo gives for its instants."""
    zone = Zone(table(name), source(name))
    at = SPAN[0] - 10 * DAY
    for _ in range(500):
        day = zone.day(at)
        assert [hour.end for hour in day.hours] == [*(hour.start for hour in day.hours[1:]), day.end]
        assert day.start == day.hours[0].start
        for hour in day.hours:
            for instant in (hour.start, hour.end - 1):
                local = datetime.fromtimestamp(instant, source(name))
                assert (local.toordinal(), local.hour, offset(name, instant)) == (day.ordinal, hour.index, hour.offset)
                assert zone.text(instant) == local.isoformat()
        before = datetime.fromtimestamp(day.start - 1, source(name))
        assert before.toordinal() != day.ordinal
        at = day.end


@pytest.mark.parametrize("name", [*SHAPES, "Africa/Casablanca", "Europe/Chisinau", "America/Havana", "UTC"])
def test_local_times_are_read_as_zoneinfo_does_around_each_change(name: str) -> None:
    """Local times in gaps and folds, and around both ends of the table, are read as zoneinfo reads them with fold=0."""
    zone = Zone(table(name), source(name))
    for edge in (*table(name).starts, SPAN[1]):
        middle = datetime.fromtimestamp(edge, UTC) + timedelta(seconds=offset(name, edge))
        for minutes in range(-180, 181, 10):
            local = (middle + timedelta(minutes=minutes, microseconds=5)).replace(tzinfo=None)
            expected = local.replace(tzinfo=source(name)) - datetime(1970, 1, 1, tzinfo=UTC)
            assert zone.instant_us(local) == expected // timedelta(microseconds=1), local


@given(name=st.sampled_from(NAMES), instant=st.integers(second("1950-01-01"), second("2150-01-01")))
def test_beyond_the_table_the_machine_serves(name: str, instant: int) -> None:
    """Instants that no table covers have the offset, the day and the local reading of this machine's data."""
    zone = Zone(table(name), source(name))
    assert zone.offset(instant) == offset(name, instant)
    assert zone.day(instant).start <= instant < zone.day(instant).end
    local = datetime.fromtimestamp(instant, source(name)).replace(tzinfo=None)
    expected = local.replace(tzinfo=source(name)) - datetime(1970, 1, 1, tzinfo=UTC)
    assert zone.instant_us(local) == expected // timedelta(microseconds=1)


def test_without_data_of_the_machine_the_last_offset_goes_on() -> None:
    """A machine that does not know the zone uses the offsets at the ends of the table beyond them."""
    rules = table("Europe/Helsinki")
    zone = Zone(rules)
    assert zone.offset(rules.end + 400 * DAY) == rules.offsets[-1]
    assert zone.offset(rules.start - 400 * DAY) == rules.offsets[0]
    assert zone.day(rules.end).end - zone.day(rules.end).start == DAY
    local = datetime(2035, 7, 1, 12, tzinfo=UTC).replace(tzinfo=None)
    assert zone.instant_us(local) == second("2035-07-01T10:00") * 1_000_000


def test_all_tables_are_read_back_as_they_were() -> None:
    """Every table survives being stored, in at most 240 characters of plain ASCII."""
    for name in NAMES:
        text = table(name).encode()
        assert ZoneRules.decode(text) == table(name)
        assert 30 <= len(text) <= 240
        assert text.isascii()
        assert text.startswith(f"{data().release} {name}; ")
