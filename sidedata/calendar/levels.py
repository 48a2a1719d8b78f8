"""The three sizes of buckets and how long each is kept. Pure."""

from typing import Literal, NamedTuple

from sidedata.calendar.zones import DAY_SECONDS, HOUR_SECONDS, Day, Hour
from sidedata.settings import Settings

Level = Literal["5min", "hour", "day"]

# Physically keys live an hour longer than promised, so that a reader whose clock is behind Redis's never misses one.
SLACK_SECONDS = 3600


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
