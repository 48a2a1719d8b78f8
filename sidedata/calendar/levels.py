"""The three sizes of buckets and the retention of each. Pure."""

from typing import Final, Literal, NamedTuple

from sidedata.calendar.zones import DAY_SECONDS, FIVE_MINUTES_SECONDS, HOUR_SECONDS, Day, Hour
from sidedata.settings import Settings

Level = Literal["5min", "hour", "day"]
LEVELS: Final[tuple[Level, ...]] = ("5min", "hour", "day")
# Troll in Antarctica puts its clocks back by two hours, so it has a day of 26.
LONGEST_BUCKET_SECONDS: Final[dict[Level, int]] = {
    "5min": FIVE_MINUTES_SECONDS,
    "hour": HOUR_SECONDS,
    "day": 26 * HOUR_SECONDS,
}

# Keys expire an hour later than promised, so that a reader with a clock behind that of Redis never misses a promised bucket.
SLACK_SECONDS = 3600
# Hours have another one: newer rules of the zone may move the end of their day by an hour, and days are then built from them.
_HOUR_SLACK_SECONDS = 2 * SLACK_SECONDS


class Retention(NamedTuple):
    """The time for which buckets of each level are kept, and the grace period of late events (`late`), in seconds."""

    five_minutes: int
    hour: int
    day: int
    late: int

    @classmethod
    def of(cls, settings: Settings) -> "Retention":
        """Read the retention from the settings."""
        return cls(
            settings.keep_fine_hours * HOUR_SECONDS,
            settings.keep_hour_days * DAY_SECONDS,
            settings.keep_day_days * DAY_SECONDS,
            settings.keep_late_hours * HOUR_SECONDS,
        )

    def keeps_five_minutes(self, hour: Hour, now: int) -> bool:
        """Tell if the 5-minute buckets of an hour are kept at `now`."""
        return hour.end + self.five_minutes > now

    def keeps_hour(self, day: Day, now: int) -> bool:
        """Tell if the hour buckets of a day are kept at `now`."""
        return day.end + self.hour > now

    def keeps_day(self, day: Day, now: int) -> bool:
        """Tell if the bucket of a day is kept at `now`."""
        return day.end + self.day > now

    def five_minutes_expiry(self, hour: Hour) -> int:
        """The expiry of the 5-minute buckets of an hour, in seconds since the epoch."""
        return hour.end + self.five_minutes + SLACK_SECONDS

    def hour_expiry(self, day: Day, now: int) -> int:
        """The expiry of an hour bucket of a day, written at `now`, in seconds since the epoch."""
        return max(day.end + self.hour + _HOUR_SLACK_SECONDS, now + self.late)

    def day_expiry(self, day: Day, now: int) -> int:
        """The expiry of the bucket of a day, written at `now`, in seconds since the epoch."""
        return max(day.end + self.day + SLACK_SECONDS, now + self.late)
