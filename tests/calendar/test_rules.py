"""The table of a zone's offsets against `zoneinfo`, for all zones of the `tzdata` package."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidedata.calendar.rules import ZoneRules, read_rules, release_order, table_span
from sidedata.calendar.sources import ZoneData, installed_sources
from sidedata.calendar.zones import Zone
from tests.support.zones.files import HOUR, made_zone, second

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


def test_a_table_reads_plainly() -> None:
    """A stored table names release, zone, seam, each change in UTC with the offset after it, and its end."""
    vienna = made_zone(
        HOUR, [("2026-03-29T01:00", 2 * HOUR), ("2026-10-25T01:00:30", 5400), ("2026-10-26T00:30", -7 * HOUR)]
    )
    rules = read_rules("Europe/Vienna", "2026f", vienna, second("2026-01-01"), second("2027-01-01"))
    text = rules._replace(since=date(2026, 10, 25)).encode()
    assert text == (
        "2026f Europe/Vienna since=2026-10-25; 2026-01-01 +01; 2026-03-29T01Z +02; 2026-10-25T01:00:30Z +01:30; "
        "2026-10-26T00:30Z -07; 2027-01-01"
    )
    assert ZoneRules.decode(text.replace(" since=", " later=1 since=")) == rules._replace(since=date(2026, 10, 25))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026f",
        "2026f UTC",
        "2026f UTC; 2026-01-01",
        "2026f UTC; 2026-01-01 +00",
        "2026f UTC; 2026-01-01 00; 2027-01-01",
        "2026f UTC; 2026-01-01 +0; 2027-01-01",
        "2026f UTC; 2027-01-01 +00; 2026-01-01",
        "2026f UTC; 2026-13-01 +00; 2027-01-01",
        "2026f UTC since; 2026-01-01 +00; 2027-01-01",
    ],
)
def test_what_is_no_table_is_refused(text: str) -> None:
    """A damaged record is a ValueError, never a table that cuts days wrongly."""
    with pytest.raises(ValueError, match=r"."):
        ZoneRules.decode(text)


def test_changes_within_hours_are_all_found() -> None:
    """Two changes within one step of the search are both in the table, to the second."""
    zone = made_zone(0, [("2026-05-01T10:00:07", HOUR), ("2026-05-01T13:59:59", 5400)])
    rules = read_rules("Test/Zone", "unknown", zone, second("2026-04-01"), second("2026-06-01"))
    assert rules.starts[1:] == (second("2026-05-01T10:00:07"), second("2026-05-01T13:59:59"))
    assert rules.offsets == (0, HOUR, 5400)


def rules_of(*changes: tuple[str, int], end: str = "2027-01-01") -> ZoneRules:
    """A table from its changes."""
    starts, offsets = zip(*changes, strict=True)
    return ZoneRules("Test/Zone", "2026a", tuple(second(start) for start in starts), offsets, second(end))


def test_a_seam_holds_the_old_offsets_before_it_and_the_new_ones_after() -> None:
    """A spliced table is the one before the seam and the other after it, and a seam that changes nothing leaves no trace."""
    old = rules_of(("2026-01-01", 0), ("2026-06-01", HOUR))
    new = rules_of(("2026-01-01", 0), ("2026-03-01", HOUR))._replace(release="2026b")
    assert old.differences(new) == [(second("2026-03-01"), second("2026-06-01"))]
    late = old.splice(new, second("2026-07-01"))
    assert late.same_offsets(old)
    assert late.release == "2026b"
    middle = old.splice(new, second("2026-04-01"))
    assert (middle.starts, middle.offsets) == ((second("2026-01-01"), second("2026-04-01")), (0, HOUR))
    assert old.splice(new, second("2026-02-01")).same_offsets(new)
    assert middle.differences(middle) == []


def test_a_table_is_fitted_into_another_span() -> None:
    """A fitted table keeps its own offsets where it has any, and has those of the other one elsewhere."""
    frame = rules_of(("2026-02-01", 0), ("2026-04-01", HOUR), ("2027-04-01", 0), end="2028-01-01")
    stored = rules_of(("2026-01-01", -HOUR), ("2026-03-01", 0))
    fitted = stored.fitted(frame)
    assert (fitted.starts, fitted.end) == (
        tuple(second(text) for text in ("2026-02-01", "2026-03-01", "2027-01-01", "2027-04-01")),
        frame.end,
    )
    assert fitted.offsets == (-HOUR, 0, HOUR, 0)
    later = rules_of(("2026-06-01", -HOUR)).fitted(frame)
    assert later.offsets == (0, HOUR, -HOUR, HOUR, 0)


def test_releases_are_ordered() -> None:
    """Releases ascend by year and letters, the 27th of a year after the 26th, and unknown ones precede all."""
    releases = ["unknown", "1996a", "2025b", "2025c", "2026a", "2026z", "2026za", "2027a"]
    shuffled = [*releases[3:], *releases[:3]]
    assert sorted(shuffled, key=release_order) == releases
    assert release_order("2026f-dirty") == release_order("unknown")


def test_the_end_of_new_tables_moves_once_a_year() -> None:
    """Tables made in the same year end alike, between two and three years ahead."""
    days = [second(text) // DAY for text in ("2026-01-01", "2026-11-28", "2026-12-31", "2027-01-01")]
    ends = [table_span(day - 400, day)[1] for day in days]
    assert ends == [second("2029-01-01")] * 3 + [second("2030-01-01")]
