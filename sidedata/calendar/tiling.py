"""Which buckets an answer is made of: retention, the effective interval, and the buckets that tile it. Pure.

Days that lie wholly inside come as one bucket each, the rims as hours, the rims of those as 5 minutes:

      asked for     |-------------------------------------------|
      effective   |---------------------------------------------|      widened to edges that are still kept
      cover       ::|h|h|h|    day    |    day    |h|h|h|h|h|h|::      : is 5 minutes, h a local hour

How far a rim is widened depends on its age alone (5 minutes up to 48 hours, then the local hour up to 35 days, then the local day).
A bucket is kept until all of the coarser bucket around it is older than that, so what the tiling asks for is always there.
Instants and ages are whole seconds since the epoch; events and queries come in microseconds and are rounded outward first.
"""

from functools import lru_cache
from itertools import groupby
from typing import NamedTuple

from sidedata.calendar.levels import Level, Retention
from sidedata.calendar.zones import Day, Hour, Zone, five_minutes
from sidedata.errors import UsageError

# Events may be 5 minutes ahead of their entry; beyond this nothing can have happened, and no bucket is asked for.
_AHEAD_SECONDS = 3600


class Span(NamedTuple):
    """Half-open, in seconds since the epoch."""

    start: int
    end: int


class HourPiece(NamedTuple):
    """A local hour of a rim: the whole bucket, or the 5 minutes of it that lie inside."""

    hour: Hour
    whole: bool
    fines: tuple[int, ...]  # starts of 5-minute buckets; empty when whole


class Run(NamedTuple):
    """Neighbouring buckets of one level, by their starts."""

    level: Level
    starts: tuple[int, ...]


class Rim(NamedTuple):
    """Those hours of a local day that lie inside, and the same as runs of buckets."""

    day: Day
    hours: tuple[HourPiece, ...]
    runs: tuple[Run, ...]


class Cover(NamedTuple):
    """What an answer covers (`effective`), whether that touches two local days, and the buckets that it is made of.

    Days that lie wholly inside are one run, if there are any. At most two others have rims, the first and the last.
    """

    effective: Span
    several_days: bool
    rims: tuple[Rim, ...]
    runs: tuple[Run, ...]  # those of the rims included, in order


def effective_interval(start_us: int, end_us: int, zone: Zone, now: int, retention: Retention) -> Span:
    """The interval asked for, in microseconds, widened outward to edges that are still kept.

    Raises:
        UsageError: all of it lies before the oldest local day kept.
    """
    start = start_us // 1_000_000
    last = (end_us - 1) // 1_000_000  # the second that holds the last instant inside
    oldest = zone.day(now - retention.day)
    if end_us <= oldest.start * 1_000_000:
        raise UsageError(f"the interval ends before the oldest day kept, which begins at {zone.text(oldest.start)}")
    end = _widened(last, -(-end_us // 1_000_000), zone, now, retention).end
    return Span(max(_widened(start, start, zone, now, retention).start, oldest.start), end)


def _widened(inside: int, instant: int, zone: Zone, now: int, retention: Retention) -> Span:
    """The finest kept bucket around `inside`; which level is decided by the age of `instant`, the rim itself."""
    age = now - instant
    day = zone.day(inside)
    if age > retention.hour:
        return Span(day.start, day.end)
    hour = zone.hour(inside)
    if age > retention.fine:
        return Span(hour.start, hour.end)
    return Span(*five_minutes(inside, hour))


def cover(effective: Span, zone: Zone, now: int) -> Cover:
    """The buckets that tile an effective interval, days first, then hours, then 5 minutes."""
    several = zone.day(effective.start).end < effective.end
    end = min(effective.end, max(effective.start, now + _AHEAD_SECONDS))
    rims: list[Rim] = []
    runs: list[Run] = []
    at = effective.start
    if at < end:
        first, last = zone.day(at), zone.day(end - 1)
        if first.start < at or effective.end < first.end:
            rims.append(_rim(zone, at, min(first.end, effective.end)))
            runs += rims[-1].runs
            at = first.end
        stop = last.end if last.end <= effective.end else last.start
        if at < stop:
            runs.append(_days(zone, at, stop))
            at = stop
        if at < end:
            rims.append(_rim(zone, at, effective.end))
            runs += rims[-1].runs
    return Cover(effective, several, tuple(rims), tuple(runs))


# Questions differ by their rims, of which there are few: most of a new cover was made for another.
@lru_cache(maxsize=1024)
def _days(zone: Zone, start: int, end: int) -> Run:
    starts = []
    while start < end:
        starts.append(start)
        start = zone.day(start).end
    return Run("day", tuple(starts))


@lru_cache(maxsize=4096)
def _rim(zone: Zone, start: int, end: int) -> Rim:
    """The part of a day between two edges of its buckets."""
    day = zone.day(start)
    pieces: list[HourPiece] = []
    buckets: list[tuple[Level, int, int]] = []  # level, the hour (of 5 minutes), start
    for hour in day.hours:
        first, last = max(hour.start, start), min(hour.end, end)
        if first >= last:
            continue
        whole = (first, last) == (hour.start, hour.end)
        fines = () if whole else tuple(five_minutes(at, hour)[0] for at in range(first, last, 300))
        pieces.append(HourPiece(hour, whole, fines))
        buckets += [("hour", 0, hour.start)] if whole else [("5min", hour.start, at) for at in fines]
    runs = [
        Run(level, tuple(at for _, _, at in run)) for (level, _), run in groupby(buckets, key=lambda bucket: bucket[:2])
    ]
    return Rim(day, tuple(pieces), tuple(runs))
