"""Buckets in memory, cut by tables of rules, for tests of decisions about newer rules; and pairs of releases."""

from collections import defaultdict
from datetime import UTC, date, datetime, tzinfo

from sidedata.calendar.adoption import Decision, Recut
from sidedata.calendar.levels import Retention
from sidedata.calendar.rules import ZoneRules, read_rules, table_span
from sidedata.calendar.zones import Zone
from tests.support.oracle.local_time import local_date, local_hour
from tests.support.zones.files import HOUR, Changes, made_zone, second

NOW = second("2026-11-28T12:07:30")
DAY = 86400
KEPT = Retention(five_minutes=2 * DAY, hour=20 * DAY, day=60 * DAY, late=2 * DAY)
STEP = 600  # an event every 10 minutes; it is its own visitor
EDGE = (NOW - KEPT.day) // STEP * STEP - 3 * DAY

# Each as a release before and one after; the change of rules lies within the hours kept, which begin on 8 November.
WINTER: Changes = [("2026-03-08T10:00", -7 * HOUR), ("2026-11-15T09:00", -8 * HOUR), ("2027-03-14T10:00", -7 * HOUR)]
NO_WINTER: Changes = [("2026-03-08T10:00", -7 * HOUR)]
SUMMER: Changes = [("2026-03-22T02:00", HOUR)]
NO_SUMMER: Changes = [("2026-03-22T02:00", HOUR), ("2026-11-12T01:00", 0)]
EARLY: Changes = [("2026-03-29T00:00", 3 * HOUR), ("2026-11-22T00:00", 2 * HOUR)]
LATE: Changes = [("2026-03-29T01:00", 3 * HOUR), ("2026-11-22T01:00", 2 * HOUR)]
EAST = (-8 * HOUR, WINTER, NO_WINTER)
WEST = (0, SUMMER, NO_SUMMER)
CHISINAU = (2 * HOUR, EARLY, LATE)
# The same a month and more before, when the hours have gone.
OLD_EAST = (-8 * HOUR, [("2026-03-08T10:00", -7 * HOUR), ("2026-10-11T09:00", -8 * HOUR)], NO_WINTER)
OLD_WEST = (0, SUMMER, [("2026-03-22T02:00", HOUR), ("2026-10-11T01:00", 0)])


def rules(zone: tzinfo, release: str, now: int = NOW) -> ZoneRules:
    """A zone's table."""
    return read_rules("Test/Zone", release, zone, *table_span((now - KEPT.day) // DAY, now // DAY))


def pair(case: tuple[int, Changes, Changes]) -> tuple[tzinfo, tzinfo, ZoneRules, ZoneRules]:
    """The zones and the tables of two releases."""
    first, before, after = case
    old, new = made_zone(first, before), made_zone(first, after)
    return old, new, rules(old, "2026a"), rules(new, "2026b")


class Buckets:
    """Days and hours as a worker fills them; visitors are sets, and a day also has the visitors of each of its hours."""

    def __init__(self) -> None:
        self.hours: dict[int, set[int]] = defaultdict(set)
        self.days: dict[int, set[int]] = defaultdict(set)
        self.fields: dict[int, dict[tuple[int, int], set[int]]] = defaultdict(lambda: defaultdict(set))

    def fill(self, table: ZoneRules, start: int = EDGE, end: int = NOW + 300) -> "Buckets":
        """Events of a span, cut by a table."""
        zone = Zone(table)
        for at in range(start - start % STEP, end, STEP):
            day, hour = zone.day(at), zone.hour(at)
            self.hours[hour.start].add(at)
            self.days[day.start].add(at)
            self.fields[day.start][hour.index, hour.offset].add(at)
        return self

    def expire(self, table: ZoneRules, now: int = NOW) -> "Buckets":
        """Hours of days that are too old go."""
        zone = Zone(table)
        for start in [start for start in self.hours if not KEPT.keeps_hour(zone.day(start), now)]:
            del self.hours[start]
        return self

    def adopt(self, decision: Decision) -> "Buckets":
        """Carry out a decision, from the hours that are there."""
        if isinstance(decision, Recut):
            for start in (*decision.obsolete, *(day.start for day in decision.days)):
                self.days.pop(start, None)
                self.fields.pop(start, None)
            for day in decision.days:
                for hour in day.hours:
                    if visitors := self.hours.get(hour.start):
                        self.days[day.start] |= visitors
                        self.fields[day.start][hour.index, hour.offset] |= visitors
        return self

    def check(self, zone: tzinfo, now: int = NOW) -> None:
        """On all days kept, the buckets are what walking over the events with these rules gives."""
        days: dict[date, set[int]] = defaultdict(set)
        fields: dict[date, dict[tuple[int, int], set[int]]] = defaultdict(lambda: defaultdict(set))
        starts: dict[date, int] = {}
        for at in range(EDGE, now + 300, STEP):
            day, index, offset = local_hour(datetime.fromtimestamp(at, UTC), zone)
            days[day].add(at)
            fields[day][index, offset].add(at)
            starts.setdefault(day, at)
        oldest = local_date(datetime.fromtimestamp(now - KEPT.day, UTC), zone)
        expected = {starts[day]: days[day] for day in days if day >= oldest}
        assert {start: seen for start, seen in self.days.items() if start >= starts[oldest]} == expected
        for day, start in starts.items():
            if day >= oldest:
                assert self.fields[start] == fields[day], day
