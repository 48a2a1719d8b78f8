"""The buckets of an answer: retention, the effective interval, and the buckets that tile it. Pure.

Whole days are tiled by day buckets, the partial days at both edges by hours, and partial hours by 5 minutes:

      requested     |-------------------------------------------|
      effective   |---------------------------------------------|      widened to the edges of buckets that are still kept
      tiling      ::|h|h|h|    day    |    day    |h|h|h|h|h|h|::      : is 5 minutes, h a local hour

The age of an edge alone decides how far it is widened: to 5 minutes up to 48 hours, then to the local hour up to 35 days, then to
the local day. A bucket is kept until all of the coarser bucket around it is older than that, so every bucket of a tiling exists.
Instants and ages are whole seconds since the epoch; events and queries come in microseconds and are rounded outward first.
"""

from functools import lru_cache
from itertools import groupby
from typing import NamedTuple

from sidedata.calendar.levels import Level, Retention
from sidedata.calendar.zones import FIVE_MINUTES_SECONDS, Day, Hour, Zone, five_minutes
from sidedata.errors import UsageError

# Events may be 5 minutes ahead of their entry; no event can be later than this, so no bucket behind it is read.
AHEAD_SECONDS = 3600


class Span(NamedTuple):
    """A half-open interval, in seconds since the epoch."""

    start: int
    end: int


class EdgeHour(NamedTuple):
    """A local hour of a partial day: the whole bucket, or those of its 5-minute buckets that lie inside."""

    hour: Hour
    whole: bool
    five_minutes: tuple[int, ...]  # starts of 5-minute buckets; empty for a whole hour


class Run(NamedTuple):
    """Adjacent buckets of one level, by their starts."""

    level: Level
    starts: tuple[int, ...]


class PartialDay(NamedTuple):
    """The hours of a local day that lie inside the interval, and the same as runs of buckets."""

    day: Day
    hours: tuple[EdgeHour, ...]
    runs: tuple[Run, ...]


class Tiling(NamedTuple):
    """The effective interval and the buckets that tile it.

    Whole days form one run, if there are any. At most two days are partial, the first and the last.
    """

    effective: Span
    several_days: bool  # the interval touches at least two local days
    edges: tuple[PartialDay, ...]
    runs: tuple[Run, ...]  # in order, those of the edges included


def effective_interval(start_us: int, end_us: int, zone: Zone, now: int, retention: Retention) -> Span:
    """Widen an interval, given in microseconds, outward to the edges of buckets that are still kept.

    Raises:
        UsageError: all of it lies before the oldest local day kept.
    """
    start = start_us // 1_000_000
    last = (end_us - 1) // 1_000_000  # the second of the last instant inside
    oldest = zone.day(now - retention.day)
    if end_us <= oldest.start * 1_000_000:
        raise UsageError(f"the interval ends before the oldest day kept, which begins at {zone.text(oldest.start)}")
    end = _finest_bucket(last, -(-end_us // 1_000_000), zone, now, retention).end
    return Span(max(_finest_bucket(start, start, zone, now, retention).start, oldest.start), end)


def _finest_bucket(inside: int, edge: int, zone: Zone, now: int, retention: Retention) -> Span:
    """The finest kept bucket around `inside`; the age of `edge` decides its level."""
    age = now - edge
    day = zone.day(inside)
    if age > retention.hour:
        return Span(day.start, day.end)
    hour = zone.hour(inside)
    if age > retention.five_minutes:
        return Span(hour.start, hour.end)
    return Span(*five_minutes(inside, hour))


def tile(effective: Span, zone: Zone, now: int) -> Tiling:
    """Tile an effective interval with buckets: days where possible, else hours, else 5 minutes."""
    several = zone.day(effective.start).end < effective.end
    end = min(effective.end, max(effective.start, now + AHEAD_SECONDS))
    edges: list[PartialDay] = []
    runs: list[Run] = []
    at = effective.start
    if at < end:
        first, last = zone.day(at), zone.day(end - 1)
        if first.start < at or effective.end < first.end:
            edges.append(_partial_day(zone, at, min(first.end, effective.end)))
            runs += edges[-1].runs
            at = first.end
        stop = last.end if last.end <= effective.end else last.start
        if at < stop:
            runs.append(_days(zone, at, stop))
            at = stop
        if at < end:
            edges.append(_partial_day(zone, at, effective.end))
            runs += edges[-1].runs
    return Tiling(effective, several, tuple(edges), tuple(runs))


# Intervals differ by their edges, of which there are few: most of a new tiling was computed for another interval.
@lru_cache(maxsize=1024)
def _days(zone: Zone, start: int, end: int) -> Run:
    starts = []
    while start < end:
        starts.append(start)
        start = zone.day(start).end
    return Run("day", tuple(starts))


@lru_cache(maxsize=4096)
def _partial_day(zone: Zone, start: int, end: int) -> PartialDay:
    """The part of a local day between two edges of its buckets."""
    day = zone.day(start)
    hours: list[EdgeHour] = []
    buckets: list[tuple[Level, int, int]] = []  # level, the hour (of 5 minutes), start
    for hour in day.hours:
        first, last = max(hour.start, start), min(hour.end, end)
        if first >= last:
            continue
        whole = (first, last) == (hour.start, hour.end)
        starts = () if whole else tuple(five_minutes(at, hour)[0] for at in range(first, last, FIVE_MINUTES_SECONDS))
        hours.append(EdgeHour(hour, whole, starts))
        buckets += [("hour", 0, hour.start)] if whole else [("5min", hour.start, at) for at in starts]
    runs = [
        Run(level, tuple(at for _, _, at in run)) for (level, _), run in groupby(buckets, key=lambda bucket: bucket[:2])
    ]
    return PartialDay(day, tuple(hours), tuple(runs))
