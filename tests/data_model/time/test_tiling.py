"""The effective interval against the oracle, and what must hold of any tiling: it covers that with buckets kept."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sidedata.calendar.levels import SLACK_SECONDS, Retention
from sidedata.calendar.tiling import Span, Tiling, effective_interval, tile
from sidedata.calendar.zones import Zone, five_minutes, zone
from sidedata.errors import UsageError
from sidedata.settings import Settings
from tests.support.oracle.local_time import local_date
from tests.support.oracle.oracle import EPOCH, BadIntervalError, Oracle

ZONES = [
    "UTC",
    "Europe/Helsinki",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "America/New_York",
    "America/St_Johns",
    "Australia/Lord_Howe",
    "Africa/Cairo",
]
KEPT = Retention.of(Settings())
NOW = st.integers(1_700_000_000, 1_900_000_000)
# Ages that matter: around the finer retentions, around the oldest day, around now, and anything between.
AGES_US = st.one_of(
    st.integers(-2 * 86400, 4 * 86400),
    st.integers(33 * 86400, 38 * 86400),
    st.integers(396 * 86400, 403 * 86400),
    st.integers(-2 * 86400, 403 * 86400),
).flatmap(lambda age: st.sampled_from([0, 1, -1, 500_000]).map(lambda micros: age * 1_000_000 + micros))


def moment(instant_us: int) -> datetime:
    """Microseconds since the epoch as a date-time in UTC."""
    return EPOCH + timedelta(microseconds=instant_us)


@pytest.mark.holds("5.4")
@given(name=st.sampled_from(ZONES), now=NOW, first=AGES_US, second=AGES_US)
def test_effective_interval_is_the_oracles(name: str, now: int, first: int, second: int) -> None:
    """Each edge is widened as its age demands, and never before the oldest day kept."""
    start, end = sorted((now * 1_000_000 - first, now * 1_000_000 - second))
    assume(0 < end - start <= 400 * 86400 * 1_000_000)
    oracle = Oracle(zones={"org": name})
    try:
        expected = oracle.effective("org", moment(start), moment(end), moment(now * 1_000_000))
    except BadIntervalError:
        with pytest.raises(UsageError):
            effective_interval(start, end, zone(name), now, KEPT)
        return
    effective = effective_interval(start, end, zone(name), now, KEPT)
    assert (moment(effective.start * 1_000_000), moment(effective.end * 1_000_000)) == expected


def leaves(tiles: Tiling, local: Zone) -> list[tuple[str, int, int]]:
    """The buckets of a tiling, in order: level, start, end; hours of the edges are the same as their runs."""
    pieces: list[tuple[str, int]] = []
    for edge in tiles.edges:
        for piece in edge.hours:
            assert piece.whole != bool(piece.five_minutes)
            pieces += [("hour", piece.hour.start)] if piece.whole else [("5min", start) for start in piece.five_minutes]
    assert pieces == [(run.level, start) for edge in tiles.edges for run in edge.runs for start in run.starts]
    whole = [run for run in tiles.runs if run.level == "day"]
    assert [run for run in tiles.runs if run.level != "day"] == [run for edge in tiles.edges for run in edge.runs]
    assert len(whole) <= 1
    found: list[tuple[str, int, int]] = []
    for run in tiles.runs:
        for start in run.starts:
            day, hour = local.day(start), local.hour(start)
            ends = {"day": day.end, "hour": hour.end, "5min": five_minutes(start, hour)[1]}
            found.append((run.level, start, ends[run.level]))
    return found


@given(name=st.sampled_from(ZONES), now=NOW, first=AGES_US, second=AGES_US)
def test_a_tiling_covers_the_effective_interval_with_buckets_kept(name: str, now: int, first: int, second: int) -> None:
    """No gap, no overlap, nothing outside, and every bucket is still promised to be there."""
    start, end = sorted((now * 1_000_000 - first, now * 1_000_000 - second))
    assume(0 < end - start <= 400 * 86400 * 1_000_000)
    local = zone(name)
    try:
        effective = effective_interval(start, end, local, now, KEPT)
    except UsageError:
        return
    tiles = tile(effective, local, now)
    assert tiles.effective == effective
    at = effective.start
    for level, begin, finish in leaves(tiles, local):
        assert begin == at
        at = finish
        day, hour = local.day(begin), local.hour(begin)
        promised = {
            "day": KEPT.keeps_day(day, now),
            "hour": KEPT.keeps_hour(day, now),
            "5min": KEPT.keeps_five_minutes(hour, now),
        }
        assert promised[level], f"{level} bucket of {moment(begin * 1_000_000)} is gone at {now}"
    # Nothing can have happened far ahead of now, so there the tiles may end early.
    assert at == effective.end or (at < effective.end and at >= now + 300)
    last = moment(effective.end * 1_000_000 - 1)
    assert tiles.several_days == (local_date(moment(effective.start * 1_000_000), name) != local_date(last, name))


@pytest.mark.holds("5.5")
@given(name=st.sampled_from(ZONES), now=NOW, age=st.integers(-300, 402 * 86400))
def test_nothing_expires_while_it_may_be_asked_for(name: str, now: int, age: int) -> None:
    """Every bucket of a tiling at `now` expires after now, with slack for a reader whose clock is behind."""
    day, hour = zone(name).day(now - age), zone(name).hour(now - age)
    if KEPT.keeps_five_minutes(hour, now):
        assert KEPT.five_minutes_expiry(hour) >= now + SLACK_SECONDS
    if KEPT.keeps_hour(day, now):
        assert KEPT.hour_expiry(day, now) >= now + SLACK_SECONDS
    if KEPT.keeps_day(day, now):
        assert KEPT.day_expiry(day, now) >= now + SLACK_SECONDS
    assert KEPT.hour_expiry(day, now) >= now + 48 * 3600
    assert KEPT.day_expiry(day, now) >= now + 48 * 3600


def at(text: str, name: str) -> int:
    """Seconds since the epoch of a local time."""
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(name)).timestamp())


@pytest.mark.holds("5.4")
@pytest.mark.parametrize(
    ("name", "start", "end", "expected"),
    [
        # now is Tuesday 2026-11-24 12:00 local; 48 hours ago was Sunday 12:00, 35 days ago Tuesday 2026-10-20 12:00
        ("Europe/Helsinki", "2026-11-24T10:03:07", "2026-11-24T11:00:01", ("2026-11-24T10:00", "2026-11-24T11:05")),
        ("Europe/Helsinki", "2026-11-22T12:00", "2026-11-24T11:00", ("2026-11-22T12:00", "2026-11-24T11:00")),
        ("Europe/Helsinki", "2026-11-22T11:59", "2026-11-22T13:00", ("2026-11-22T11:00", "2026-11-22T13:00")),
        ("Europe/Helsinki", "2026-11-01T10:30", "2026-11-01T10:31", ("2026-11-01T10:00", "2026-11-01T11:00")),
        ("Europe/Helsinki", "2026-10-19T10:30", "2026-10-19T10:31", ("2026-10-19T00:00", "2026-10-20T00:00")),
        ("Asia/Kathmandu", "2026-11-01T10:30", "2026-11-01T10:31", ("2026-11-01T10:00", "2026-11-01T11:00")),
        # Kolkata's hours begin at :30 of UTC
        ("Asia/Kolkata", "2026-11-01T10:00", "2026-11-01T10:59:59", ("2026-11-01T10:00", "2026-11-01T11:00")),
        ("UTC", "2026-11-24T10:00", "2027-01-01T00:00:01", ("2026-11-24T10:00", "2027-01-01T00:05")),
        # 400 days before 2026-11-24 12:00 is 2025-10-20 12:00
        ("UTC", "2025-10-19T10:00", "2025-10-25T10:00", ("2025-10-20T00:00", "2025-10-26T00:00")),
    ],
)
def test_edges_by_hand(name: str, start: str, end: str, expected: tuple[str, str]) -> None:
    """5 minutes within 48 hours, the local hour within 35 days, then the local day, not before the oldest."""
    now = at("2026-11-24T12:00", name)
    span = effective_interval(at(start, name) * 1_000_000, at(end, name) * 1_000_000, zone(name), now, KEPT)
    assert span == Span(at(expected[0], name), at(expected[1], name))


@pytest.mark.holds("3.0.5")
def test_wholly_before_the_oldest_day_is_refused() -> None:
    """An interval that ends where the oldest day begins is refused, and the text says which day that is."""
    now = at("2026-11-24T12:00", "UTC")
    edge = at("2025-10-20T00:00", "UTC") * 1_000_000
    with pytest.raises(UsageError, match="2025-10-20"):
        effective_interval(edge - 3_600_000_000, edge, zone("UTC"), now, KEPT)
    assert effective_interval(edge - 3_600_000_000, edge + 1, zone("UTC"), now, KEPT).start == edge // 1_000_000
