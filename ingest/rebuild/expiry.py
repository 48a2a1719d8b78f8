"""The expiries of keys that a rebuild has built, by their names without the prefix of live or shadow keys. Pure.

A commit at the same moment sets the same expiries (`ingest/apply/rollup.py`, `planner.py`); a test compares the two.
"""

from collections.abc import Mapping

from sidedata.calendar.levels import SLACK_SECONDS, Level, Retention
from sidedata.calendar.reporting import stored_rules, zone_of
from sidedata.calendar.slots import Slot, Slots
from sidedata.calendar.zones import DAY_SECONDS, Zone
from sidedata.ingest.apply.attribution import FORGET_MS
from sidedata.schema.key_names import KeyName, parse_within
from sidedata.schema.records import DEFAULT_ZONE


def is_swapped(name: str, organization: str) -> bool:
    """Tell if a key is swapped in; an organization's other keys are records and stay."""
    parsed = parse_within(name)
    if parsed is None or parsed.organization != organization:
        return False
    return parsed.is_bucket or parsed.kind in ("goal", "visitor")


def answered_names(names: set[str], record: Mapping[str, str]) -> set[str]:
    """The names without those of days that are written by the table before the stored one, too: no answer is made of them.

    Args:
        record: the organization's stored record.
    """
    rules = stored_rules(record.get("timezone", DEFAULT_ZONE), record.get("rules"))
    if rules is None or "former" not in record:
        return names
    zone = zone_of(rules)
    days = {name: key.start for name in names if (key := parse_within(name)) is not None and key.level == "day"}
    return {name for name in names if (start := days.get(name)) is None or zone.day(start).start == start}


class Expiries:
    """The expiries of an organization's keys in a zone, at one time."""

    def __init__(self, zone: Zone, retention: Retention, now: int) -> None:
        self._slots = Slots(zone)
        self._retention = retention
        self._now = now
        self._buckets: dict[tuple[Level, int], tuple[int, bool]] = {}

    def expiry(self, name: str) -> int:
        """The expiry of a key, in seconds since the epoch."""
        parsed = _parsed(name)
        if parsed.kind == "visitor":
            return self._now + FORGET_MS // 1000 + SLACK_SECONDS
        if parsed.kind == "goal":
            return self._now + self._retention.day + self._retention.late + 2 * DAY_SECONDS
        return self._bucket(parsed)[0]

    def keeps(self, name: str) -> bool:
        """Tell if a bucket is still within its retention, so that answers are made of it; False for other keys."""
        parsed = _parsed(name)
        return parsed.is_bucket and self._bucket(parsed)[1]

    def _bucket(self, parsed: KeyName) -> tuple[int, bool]:
        level, start = parsed.level, parsed.start
        assert level is not None and start is not None  # noqa: S101, PT018 - every bucket has both
        bucket = self._buckets.get((level, start))
        if bucket is None:
            bucket = self._buckets[level, start] = self._of(level, self._slots.at(start))
        return bucket

    def _of(self, level: Level, slot: Slot) -> tuple[int, bool]:
        retention, now = self._retention, self._now
        if level == "5min":
            return retention.five_minutes_expiry(slot.hour), retention.keeps_five_minutes(slot.hour, now)
        if level == "hour":
            return retention.hour_expiry(slot.day, now), retention.keeps_hour(slot.day, now)
        return retention.day_expiry(slot.day, now), retention.keeps_day(slot.day, now)


def _parsed(name: str) -> KeyName:
    parsed = parse_within(name)
    assert parsed is not None, name  # noqa: S101 - `is_swapped` has parsed it
    return parsed
