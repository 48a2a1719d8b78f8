"""How long keys live that a rebuild has built, by their names without what all of them begin with. Pure.

Expiries are those that a commit gives at this moment (`ingest/apply/rollup.py`, `planner.py`); a test holds
the ones against the others.
"""

from datetime import datetime
from typing import NamedTuple

from sidedata.calendar.levels import SLACK_SECONDS, Retention
from sidedata.calendar.slots import Place, Places
from sidedata.calendar.zones import DAY_SECONDS, Zone
from sidedata.ingest.apply.attribution import FORGET_MS

# What is swapped in; everything else of an organization is a record, and stays.
BUILT = ("5min", "hour", "day", "goal", "visitor")


class BucketName(NamedTuple):
    """A bucket key's name in its parts: `tail` is what stands behind the start."""

    level: str
    organization: str
    workflow: str
    start: str
    tail: str


class Lives:
    """Lives of keys of an organization in a zone, at one time."""

    def __init__(self, zone: Zone, retention: Retention, now: int) -> None:
        self._places = Places(zone)
        self._retention = retention
        self._now = now
        self._ages: dict[tuple[str, str], tuple[int, bool]] = {}

    @staticmethod
    def parts(name: str) -> BucketName:
        """The parts of a bucket key's name."""
        level, organization, workflow, rest = name.split(":", 3)
        start, _, tail = rest.partition("Z:")
        return BucketName(level, organization, workflow, start + "Z", tail)

    def expiry(self, name: str) -> int:
        """When the key goes, in seconds since the epoch."""
        if name.startswith("visitor:"):
            return self._now + FORGET_MS // 1000 + SLACK_SECONDS
        if name.startswith("goal:"):
            return self._now + self._retention.day + self._retention.late + 2 * DAY_SECONDS
        return self._age(name)[0]

    def read(self, name: str) -> bool:
        """Whether answers are still made of a bucket."""
        return self._age(name)[1]

    def _age(self, name: str) -> tuple[int, bool]:
        level, _, _, start, _ = self.parts(name)
        known = self._ages.get((level, start))
        if known is None:
            place = self._places.at(int(datetime.fromisoformat(start).timestamp()))
            known = self._ages[level, start] = self._of(level, place)
        return known

    def _of(self, level: str, place: Place) -> tuple[int, bool]:
        retention, now = self._retention, self._now
        if level == "5min":
            return retention.five_minutes_expiry(place.hour), retention.keeps_five_minutes(place.hour, now)
        if level == "hour":
            return retention.hour_expiry(place.day, now), retention.keeps_hour(place.day, now)
        return retention.day_expiry(place.day, now), retention.keeps_day(place.day, now)
