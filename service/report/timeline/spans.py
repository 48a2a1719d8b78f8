"""The spans of a timeline's points: local 5 minutes, hours, days, weeks and months within the effective interval. Pure."""

from collections.abc import Iterator
from datetime import date
from functools import lru_cache
from itertools import islice
from typing import Final, Literal

from sidedata.calendar.levels import Retention
from sidedata.calendar.tiling import Span
from sidedata.calendar.zones import Day, Zone, five_minutes

Granularity = Literal["5min", "hour", "day", "week", "month"]

GRANULARITIES: Final[tuple[Granularity, ...]] = ("5min", "hour", "day", "week", "month")  # the finest first
MOST_POINTS: Final = 1_000
# Of a point: a local hour has at most 60 minutes, a local day is up to an hour and a half longer than 24, a month has 31 of them.
LONGEST_SECONDS: Final[dict[Granularity, int]] = {
    "5min": 300,
    "hour": 3_600,
    "day": 91_800,
    "week": 7 * 91_800,
    "month": 31 * 91_800,
}
_DAYS_TOGETHER: Final = 8


def finest(effective: Span, zone: Zone, now: int, retention: Retention, most: int) -> Granularity:
    """The finest granularity whose buckets are all kept, and that makes at most `most` points."""
    granularities = GRANULARITIES
    # The first bucket is the oldest. All days of an effective interval are kept.
    if not retention.keeps_hour(zone.day(effective.start), now):
        granularities = GRANULARITIES[2:]
    elif not retention.keeps_five_minutes(zone.hour(effective.start), now):
        granularities = GRANULARITIES[1:]
    return next(
        (granularity for granularity in granularities if len(spans(effective, zone, granularity)) <= most),
        granularities[-1],
    )


def segment_spans(effective: Span, zone: Zone, granularity: Granularity) -> Iterator[Span]:
    """The spans of an effective interval's segments: local days of hours and 5 minutes, some days, single weeks and months."""
    at = effective.start
    while at < effective.end:
        end = _segment_end(at, zone, granularity, effective.end)
        yield Span(at, min(end, effective.end))
        at = end


def _segment_end(at: int, zone: Zone, granularity: Granularity, last: int) -> int:
    day = zone.day(at)
    if granularity in ("5min", "hour"):
        return day.end
    if granularity != "day":
        return _end(at, zone, granularity, last)
    # Segments begin at the same days for every interval, so that intervals share them.
    while day.end < last and (day.ordinal + 1) % _DAYS_TOGETHER:
        day = zone.day(day.end)
    return day.end


# An interval has few edges within 5 minutes, and a thousand spans take some 100 KB.
@lru_cache(maxsize=256)
def spans(effective: Span, zone: Zone, granularity: Granularity) -> tuple[Span, ...]:
    """The spans of an effective interval, in order; one more than `MOST_POINTS` of them where there are more."""
    return tuple(islice(_spans(effective, zone, granularity), MOST_POINTS + 1))


def _spans(effective: Span, zone: Zone, granularity: Granularity) -> Iterator[Span]:
    at = effective.start
    while at < effective.end:
        end = min(_end(at, zone, granularity, effective.end), effective.end)
        yield Span(at, end)
        at = end


def _end(at: int, zone: Zone, granularity: Granularity, last: int) -> int:
    """The end of the span that holds an instant; of weeks and months it is looked for up to `last`."""
    if granularity == "5min":
        return five_minutes(at, zone.hour(at))[1]
    if granularity == "hour":
        return zone.hour(at).end
    day = zone.day(at)
    if granularity == "day":
        return day.end
    period = _period(day, granularity)
    while day.end < last and _period(zone.day(day.end), granularity) == period:
        day = zone.day(day.end)
    return day.end


def _period(day: Day, granularity: Granularity) -> tuple[int, int]:
    """The week or month of a day, as numbers that differ between weeks or months."""
    if granularity == "week":
        return day.ordinal - day.weekday, 0
    start = date.fromordinal(day.ordinal)
    return start.year, start.month
