"""The expiries of keys that a rebuild has built, by their names without the prefix of live or shadow keys. Pure.

A commit at the same moment sets the same expiries (`ingest/apply/rollup.py`, `planner.py`); a test compares the two.
"""

from typing import NamedTuple

from sidedata.calendar.levels import SLACK_SECONDS, Retention
from sidedata.calendar.slots import Slot, Slots
from sidedata.calendar.zones import DAY_SECONDS, Zone
from sidedata.ingest.apply.attribution import FORGET_MS
from sidedata.schema.keys import seconds_of

# The keys that are swapped in, by the first part of their name; an organization's other keys are records and stay.
SWAPPED = ("5min", "hour", "day", "goal", "visitor")


class BucketName(NamedTuple):
    """The parts of a bucket key's name: `field` is the part behind the start."""

    level: str
    organization: str
    workflow: str
    start: str
    field: str

    @classmethod
    def of(cls, name: str) -> "BucketName":
        """Parse the name of a bucket's key."""
        level, organization, workflow, rest = name.split(":", 3)
        start, _, field = rest.partition("Z:")
        return BucketName(level, organization, workflow, start + "Z", field)


class Expiries:
    """The expiries of an organization's keys in a zone, at one time."""

    def __init__(self, zone: Zone, retention: Retention, now: int) -> None:
        self._slots = Slots(zone)
        self._retention = retention
        self._now = now
        self._buckets: dict[tuple[str, str], tuple[int, bool]] = {}

    def expiry(self, name: str) -> int:
        """The expiry of a key, in seconds since the epoch."""
        if name.startswith("visitor:"):
            return self._now + FORGET_MS // 1000 + SLACK_SECONDS
        if name.startswith("goal:"):
            return self._now + self._retention.day + self._retention.late + 2 * DAY_SECONDS
        return self._bucket(name)[0]

    def keeps(self, name: str) -> bool:
        """Tell if a bucket is still within its retention, so that answers are made of it."""
        return self._bucket(name)[1]

    def _bucket(self, name: str) -> tuple[int, bool]:
        parts = BucketName.of(name)
        bucket = self._buckets.get((parts.level, parts.start))
        if bucket is None:
            slot = self._slots.at(seconds_of(parts.start))
            bucket = self._buckets[parts.level, parts.start] = self._of(parts.level, slot)
        return bucket

    def _of(self, level: str, slot: Slot) -> tuple[int, bool]:
        retention, now = self._retention, self._now
        if level == "5min":
            return retention.five_minutes_expiry(slot.hour), retention.keeps_five_minutes(slot.hour, now)
        if level == "hour":
            return retention.hour_expiry(slot.day, now), retention.keeps_hour(slot.day, now)
        return retention.day_expiry(slot.day, now), retention.keeps_day(slot.day, now)
