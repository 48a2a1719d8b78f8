"""Which buckets an answer is made of: retention, the effective interval, and the buckets that tile it. Pure.

Days that lie wholly inside come as one bucket each, the rims as hours, the rims of those as 5 minutes:

      asked for     |-------------------------------------------|
      effective   |---------------------------------------------|      widened to edges that are still kept
      cover       ::|h|h|h|    day    |    day    |h|h|h|h|h|h|::      : is 5 minutes, h a local hour

How far a rim is widened depends on its age alone (5 minutes up to 48 hours, then the local hour up to 35 days, then the local day).
A bucket is kept until all of the coarser bucket around it is older than that, so what the tiling asks for is always there.
Instants and ages are whole seconds since the epoch; events and queries come in microseconds and are rounded outward first.
"""

from typing import NamedTuple

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


class DayPiece(NamedTuple):
    """A local day: the whole bucket, or those hours of it that lie inside."""

    day: Day
    whole: bool
    hours: tuple[HourPiece, ...]  # empty when whole


class Cover(NamedTuple):
    """What an answer covers (`effective`), whether that touches two local days, and the buckets it is made of, in order."""

    effective: Span
    several_days: bool
    days: tuple[DayPiece, ...]


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
    days: list[DayPiece] = []
    at = effective.start
    while at < end:
        day = zone.day(at)
        if effective.start <= day.start and day.end <= effective.end:
            days.append(DayPiece(day, whole=True, hours=()))
        else:
            days.append(DayPiece(day, whole=False, hours=_hours(day, effective)))
        at = day.end
    return Cover(effective, several, tuple(days))


def _hours(day: Day, effective: Span) -> tuple[HourPiece, ...]:
    pieces: list[HourPiece] = []
    for hour in day.hours:
        start, end = max(hour.start, effective.start), min(hour.end, effective.end)
        if start >= end:
            continue
        whole = (start, end) == (hour.start, hour.end)
        fines = () if whole else tuple(five_minutes(at, hour)[0] for at in range(start, end, 300))
        pieces.append(HourPiece(hour, whole, fines))
    return tuple(pieces)
