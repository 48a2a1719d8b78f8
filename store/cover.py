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

from store import keys
from store.errors import UsageError
from store.settings import Settings
from store.zones import DAY_SECONDS, HOUR_SECONDS, Day, Hour, Zone, five_minutes

# Physically keys live an hour longer than promised, so that a reader whose clock is behind Redis's never misses one.
SLACK_SECONDS = 3600
# Events may be 5 minutes ahead of their entry; beyond this nothing can have happened, and no bucket is asked for.
_AHEAD_SECONDS = 3600


class Retention(NamedTuple):
    """How long buckets of each level are kept, in seconds."""

    fine: int
    hour: int
    day: int
    late: int

    @classmethod
    def of(cls, settings: Settings) -> "Retention":
        """The retention that the settings ask for."""
        return cls(
            settings.keep_fine_hours * HOUR_SECONDS,
            settings.keep_hour_days * DAY_SECONDS,
            settings.keep_day_days * DAY_SECONDS,
            settings.keep_late_hours * HOUR_SECONDS,
        )

    def keeps_fine(self, hour: Hour, now: int) -> bool:
        """Whether 5 minutes of this hour are kept."""
        return hour.end + self.fine > now

    def keeps_hour(self, day: Day, now: int) -> bool:
        """Whether hours of this day are kept."""
        return day.end + self.hour > now

    def keeps_day(self, day: Day, now: int) -> bool:
        """Whether this day is kept."""
        return day.end + self.day > now

    def fine_expiry(self, hour: Hour) -> int:
        """When buckets of 5 minutes of this hour may go."""
        return hour.end + self.fine + SLACK_SECONDS

    def hour_expiry(self, day: Day, now: int) -> int:
        """When hour buckets of this day, touched now, may go."""
        return max(day.end + self.hour + SLACK_SECONDS, now + self.late)

    def day_expiry(self, day: Day, now: int) -> int:
        """When the bucket of this day, touched now, may go."""
        return max(day.end + self.day + SLACK_SECONDS, now + self.late)


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

    level: keys.Level
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
    buckets: list[tuple[keys.Level, int, int]] = []  # level, the hour (of 5 minutes), start
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
