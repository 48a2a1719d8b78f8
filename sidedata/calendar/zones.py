"""An organization's local days, hours and 5 minutes as half-open UTC spans, in whole seconds since the epoch. Pure.

`zoneinfo` maps an instant to its offset; it doesn't tell when offsets change. So a span is first guessed from the offset at an
instant inside it (local midnight to midnight, hour to hour), and where the offset at a rim differs, the change is searched by
halving. Guesses hold nearly always, and days are remembered, so a clock change costs nothing but on its own day.

* A local hour is one wall-clock date, hour and offset: 30 minutes at Lord Howe's clock changes, and an hour that occurs
  twice is two spans with one index.
* A local day is a run of instants of one date: 23, 24 or 25 hours, give or take half an hour.
* 5 minutes are counted from the start of their hour and never reach past its end.
"""

from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo, available_timezones

from sidedata.errors import UsageError

FIVE_MINUTES_SECONDS = 300
HOUR_SECONDS = 3600
DAY_SECONDS = 86400

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_ORDINAL = _EPOCH.toordinal()
_REMEMBERED_HOURS = 20_000  # of one zone, each naming its day; two years, of which a year's answers ask a few hundred


class Hour(NamedTuple):
    """A local hour: `start <= t < end`, the wall clock's hour (0 to 23), its offset from UTC in seconds."""

    start: int
    end: int
    index: int  # type: ignore[assignment]  # tuple.index is of no use here
    offset: int


class Day(NamedTuple):
    """A local day: `start <= t < end`, its date as a proleptic ordinal, and its hours in order."""

    start: int
    end: int
    ordinal: int
    hours: tuple[Hour, ...]

    @property
    def weekday(self) -> int:
        """1 is Monday, 7 is Sunday."""
        return (self.ordinal - 1) % 7 + 1


class Zone:
    """A reporting time zone, by IANA name."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.info = ZoneInfo(name)
        self._days: dict[int, Day] = {}

    def offset(self, instant: int) -> int:
        """Seconds that local time is ahead of UTC at an instant."""
        offset = datetime.fromtimestamp(instant, self.info).utcoffset()
        assert offset is not None  # noqa: S101 - a ZoneInfo always knows
        return offset.days * DAY_SECONDS + offset.seconds

    def day(self, instant: int) -> Day:
        """The local day of an instant."""
        slot = instant // HOUR_SECONDS
        day = self._days.get(slot)
        # An hour of UTC can reach into two local days, so what is remembered is checked.
        if day is None or not day.start <= instant < day.end:
            offset = self.offset(instant)
            day = self._find_day(instant, (instant + offset) // DAY_SECONDS, offset)
            if len(self._days) >= _REMEMBERED_HOURS:
                self._days.clear()
            # For all of its hours: questions about other hours of a day come next.
            slots = range(day.start // HOUR_SECONDS, -(-day.end // HOUR_SECONDS))
            self._days.update(dict.fromkeys(slots, day))
        return day

    def hour(self, instant: int) -> Hour:
        """The local hour of an instant."""
        day = self.day(instant)
        # Right but for days on which clocks change.
        hour = day.hours[min((instant - day.start) // HOUR_SECONDS, len(day.hours) - 1)]
        if hour.start <= instant < hour.end:
            return hour
        return next(hour for hour in day.hours if hour.start <= instant < hour.end)

    def _find_day(self, instant: int, ordinal: int, offset: int) -> Day:
        start = ordinal * DAY_SECONDS - offset
        end = start + DAY_SECONDS
        date = ordinal + _EPOCH_ORDINAL
        regular = (
            self.offset(start) == self.offset(end - 1) == offset
            and self._ordinal(start - 1) != ordinal
            and self._ordinal(end) != ordinal
        )
        if regular:
            hours = [Hour(start + i * HOUR_SECONDS, start + (i + 1) * HOUR_SECONDS, i, offset) for i in range(24)]
            return Day(start, end, date, tuple(hours))
        hours = [self._find_hour(instant)]
        while self._ordinal(hours[0].start - 1) == ordinal:
            hours.insert(0, self._find_hour(hours[0].start - 1))
        while self._ordinal(hours[-1].end) == ordinal:
            hours.append(self._find_hour(hours[-1].end))
        return Day(hours[0].start, hours[-1].end, date, tuple(hours))

    def _ordinal(self, instant: int) -> int:
        """The local date as days since the epoch."""
        return (instant + self.offset(instant)) // DAY_SECONDS

    def _find_hour(self, instant: int) -> Hour:
        offset = self.offset(instant)
        start = instant - (instant + offset) % HOUR_SECONDS
        end = start + HOUR_SECONDS
        if self.offset(start) != offset:
            start = self._change(start, instant)
        if self.offset(end - 1) != offset:
            end = self._change(instant, end - 1)
        return Hour(start, end, (instant + offset) // HOUR_SECONDS % 24, offset)

    def _change(self, before: int, after: int) -> int:
        """The first instant with the offset of `after`, given that the offset changes once between the two."""
        offset = self.offset(after)
        while after - before > 1:
            middle = (before + after) // 2
            if self.offset(middle) == offset:
                after = middle
            else:
                before = middle
        return after

    def text(self, instant: int) -> str:
        """ISO 8601 with the zone's offset at that instant."""
        return datetime.fromtimestamp(instant, self.info).isoformat()

    def instant_us(self, local: datetime) -> int:
        """Microseconds since the epoch of a date-time; without an offset it is local, as `zoneinfo` reads it with fold=0."""
        if local.utcoffset() is None:
            local = local.replace(tzinfo=self.info, fold=0)
        since = local - _EPOCH
        return (since.days * DAY_SECONDS + since.seconds) * 1_000_000 + since.microseconds


def five_minutes(instant: int, hour: Hour) -> tuple[int, int]:
    """The 5 minutes of an instant within its local hour."""
    start = instant - (instant - hour.start) % FIVE_MINUTES_SECONDS
    return start, min(start + FIVE_MINUTES_SECONDS, hour.end)


@lru_cache(maxsize=1)
def _names() -> frozenset[str]:
    # Two names that the files of a system may have stand for no zone: its own, and none.
    return frozenset(available_timezones() - {"localtime", "Factory"})


@lru_cache(maxsize=1024)
def zone(name: str) -> Zone:
    """The zone of that IANA name.

    Raises:
        UsageError: there is no such zone.
    """
    if name not in _names():
        raise UsageError(f"no such time zone: {name!r}; give an IANA name such as Europe/Helsinki")
    return Zone(name)
