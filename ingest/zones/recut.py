"""The cut of local days by newer rules: built aside, in a shadow, from hours that are kept. `switch.py` puts them in place."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from sidedata.calendar.adoption import Recut
from sidedata.calendar.levels import LONGEST_BUCKET_SECONDS, Retention
from sidedata.calendar.reporting import stored_rules, zone_of
from sidedata.calendar.zones import DAY_SECONDS, HOUR_SECONDS, Zone
from sidedata.events.decode import Kind
from sidedata.ingest.zones.switch import Change, Switch
from sidedata.reads.zones.buckets import HourContent, read_days, read_hours, sketch_estimates
from sidedata.redis.gateway import Gateway
from sidedata.schema.counts import GOAL_SKETCHES, STARTED, VISITORS, decode, goal_fields, goal_sketch, hour_field
from sidedata.schema.key_names import parse_within
from sidedata.schema.table import BUCKET_COUNTS, BUCKET_SESSIONS, BUCKET_VISITORS
from sidedata.schema.values import FormerCut
from sidedata.writes.commit import Ownership
from sidedata.writes.zones.recut import lengthen, merge_sketches, write_counts

TTL_SECONDS: Final = 2 * DAY_SECONDS


class StoredCut(NamedTuple):
    """The cut of the days that are stored.

    `zone` is that of its table, `doubtful` are starts of days that another table may have cut. `former` is the cut that stays for
    a time beside the new one, None for none: all days of a first table's cut stay, of a later one those that `former` has, too.
    """

    zone: Zone
    doubtful: tuple[int, ...]
    former: FormerCut | None
    is_first: bool

    def stays(self, start: int) -> bool:
        """Tell if the day that begins there stays for a time, whatever the new days are."""
        if self.former is None or self.is_first:
            return self.is_first
        rules = stored_rules(self.zone.name, self.former.rules)
        return rules is not None and zone_of(rules).day(start).start == start


class RecutDays:
    """The days of one organization, cut by another table than the stored one; `now` is in seconds since the epoch."""

    def __init__(
        self,
        gateway: Gateway,
        retention: Retention,
        ownership: Ownership,
        organization: str,
        stored: StoredCut,
        decision: Recut,
        now: int,
    ) -> None:
        self._live = ownership.keyspace
        self._gateway = gateway
        self._retention = retention
        self._organization = organization
        self._stored = stored.zone
        self._stays = stored.stays
        self._decision = decision
        self._now = now
        self._doubtful = frozenset(stored.doubtful)
        # Days of a cut before the stored one may exist.
        self._leftovers = stored.former is not None and not stored.is_first
        self._expiry = now + TTL_SECONDS
        self._days = {day.start: day for day in decision.days}
        self._day_of_hour = {hour.start: day for day in decision.days for hour in day.hours}
        # Days that begin where a stored one may begin: readers by either table ask for their keys.
        starts = [day.start for day in decision.days]
        shared = {start for start in starts if self._stored.day(start).start == start or start in self._doubtful}
        self._old_starts = sorted({*decision.obsolete, *shared})
        table = decision.rules.encode()
        self.switch = Switch(gateway, ownership, organization, table, frozenset(shared), self._expiry, stored.former)

    async def build(self, workflows: Iterable[str], kinds: Mapping[str, Kind]) -> int | None:
        """Build the days of workflows, given with their kinds, in the shadow.

        Returns None, or the end of the newest stored day of a workflow that lacks hours: its days can't be cut again.

        Raises:
            StoreUnavailableError: Redis is out of reach.
        """
        for workflow in workflows:
            if (lacking := await self._build(workflow, kinds.get(workflow, "page_navigation"))) is not None:
                return lacking
        return None

    async def _build(self, workflow: str, kind: Kind) -> int | None:
        at = (self._gateway, self._live, self._organization, workflow)
        hours = await read_hours(*at, list(self._day_of_hour))
        old = await read_days(*at, self._old_starts)
        lacking = [end for start, counts in old.items() if (end := self._lacking(start, counts, hours)) is not None]
        if lacking:
            return max(lacking)
        merges: list[tuple[str, list[str]]] = []
        counts: dict[str, dict[str, int]] = {}
        for day in self._decision.days:
            inside = {hour.start: hours[hour.start] for hour in day.hours}
            prefix = self.switch.shadow.bucket(self._organization, workflow, "day", day.start)
            for name, starts in _sketches(inside, kind):
                parts = [f"{self._live.bucket(self._organization, workflow, 'hour', start)}{name}" for start in starts]
                merges.append((prefix + name, parts))
            if kind == "page_navigation":
                fields = {
                    hour_field(hour.index, hour.offset): visitors
                    for hour in day.hours
                    if (visitors := inside[hour.start].visitors)
                }
            else:
                fields = _sums(content.counts for content in inside.values())
            if fields:
                counts[f"{prefix}{BUCKET_COUNTS}"] = fields
        await merge_sketches(self._gateway, merges, self._expiry)
        if kind == "page_navigation":
            totals = [key.removesuffix(BUCKET_COUNTS) + BUCKET_VISITORS for key in counts]
            for key, visitors in zip(counts, await sketch_estimates(self._gateway, totals), strict=True):
                counts[key][VISITORS] = visitors
        await write_counts(self._gateway, counts, self._expiry)
        await self._lengthen(workflow, hours)
        names = {key.removeprefix(self.switch.shadow.prefix) for key in (*counts, *(key for key, _ in merges))}
        await self._arrange(workflow, old, names, counts)
        if self._leftovers:
            await self._clear(workflow, names)
        return None

    async def _clear(self, workflow: str, names: Collection[str]) -> None:
        """Remove keys of an earlier cut that no new key replaces, where new days begin and no stored one."""
        starts = sorted(self._days.keys() - self.switch.shared)
        for start, left in (await read_days(self._gateway, self._live, self._organization, workflow, starts)).items():
            prefix = self._live.bucket(self._organization, workflow, "day", start).removeprefix(self._live.prefix)
            for name in map(prefix.__add__, _all_names(left)):
                if name not in names:
                    self.switch.clear(Change(workflow, name, None))

    def _lacking(self, start: int, counts: Mapping[str, int], hours: Mapping[int, HourContent]) -> int | None:
        """The end of a stored day whose stored counts are more than its hours hold; None for a complete one.

        The retention says which hours are kept, and that is a promise for hours written under it: where it was raised lately,
        hours of earlier days have expired all the same.
        """
        day = self._stored.day(start)
        for hour in decode(counts).hours:
            at = start + (hour.index * HOUR_SECONDS - start - hour.offset_seconds) % DAY_SECONDS
            # A day of 25 hours has two hours that this may be.
            places = [
                place
                for place in (at, at + DAY_SECONDS)
                if place < start + LONGEST_BUCKET_SECONDS["day"] and place in hours
            ]
            if places and not any(hours[place].visitors for place in places):
                return day.end
        span = [hour.start for hour in day.hours]
        if start in self._doubtful:  # another table may have cut it: up to 26 hours may be in it
            span = [place for place in hours if start <= place < start + LONGEST_BUCKET_SECONDS["day"]]
        if all(place in hours for place in span) and max(span, default=0) + HOUR_SECONDS >= start + DAY_SECONDS:
            sums = _sums(hours[place].counts for place in span)
            events = [name for name in (*goal_fields(counts), STARTED) if name in counts]
            if any(sums.get(name, 0) < counts[name] for name in events):
                return day.end
        return None

    async def _lengthen(self, workflow: str, hours: Mapping[int, HourContent]) -> None:
        """Give hours that now belong to a later day its expiry."""
        expiries: list[tuple[str, int]] = []
        for start, content in hours.items():
            day = self._day_of_hour[start]
            if day.end <= self._stored.day(start).end:
                continue
            prefix = self._live.bucket(self._organization, workflow, "hour", start)
            expiry = self._retention.hour_expiry(day, self._now)
            expiries += [(prefix + name, expiry) for name in _all_names(content.counts)]
        await lengthen(self._gateway, expiries)

    async def _arrange(
        self,
        workflow: str,
        old: Mapping[int, Mapping[str, int]],
        names: Collection[str],
        counts: Mapping[str, Mapping[str, int]],
    ) -> None:
        """Arrange the new names of a workflow, and those that go, for the switch."""
        starts = {name: _start_of(name) for name in names}
        for name, start in starts.items():
            expiry = self._retention.day_expiry(self._days[start], self._now)
            self.switch.add(start, Change(workflow, name, expiry))
        for start, stored in old.items():
            prefix = self._live.bucket(self._organization, workflow, "day", start).removeprefix(self._live.prefix)
            gone = [name for name in map(prefix.__add__, _all_names(stored)) if name not in names]
            for name in gone:
                self.switch.remove(start, Change(workflow, name, None), stays=self._stays(start))
        shadow, copy = self.switch.shadow.prefix, self.switch.copy.prefix
        twice = [name for name, start in starts.items() if start in self.switch.shared]
        sketches = [(copy + name, [shadow + name]) for name in twice if shadow + name not in counts]
        await merge_sketches(self._gateway, sketches, self._expiry)
        copies = {copy + name: counts[shadow + name] for name in twice if shadow + name in counts}
        await write_counts(self._gateway, copies, self._expiry)


def _sketches(hours: Mapping[int, HourContent], kind: Kind) -> Iterator[tuple[str, list[int]]]:
    """The names of a day's sketches, each with the starts of the hours that have it."""
    visitors = [start for start, hour in hours.items() if hour.visitors]
    if visitors:
        yield BUCKET_VISITORS, visitors
    if kind == "page_navigation":
        if sessions := [start for start, hour in hours.items() if hour.has_sessions]:
            yield BUCKET_SESSIONS, sessions
        return
    goals: dict[str, list[int]] = {}
    for start, hour in hours.items():
        for name in goal_fields(hour.counts):
            goals.setdefault(name, []).append(start)
    for name, starts in goals.items():
        for sketch in GOAL_SKETCHES:
            yield goal_sketch(name, sketch), starts


def _start_of(name: str) -> int:
    """The start of the bucket that a key, named without the prefix of live keys, belongs to."""
    parsed = parse_within(name)
    assert parsed is not None  # noqa: S101 - only keys of buckets come here
    assert parsed.start is not None  # noqa: S101
    return parsed.start


def _all_names(counts: Mapping[str, int]) -> list[str]:
    """The names, within their bucket, of all keys that a bucket with these counts may have."""
    goals = [goal_sketch(name, sketch) for name in goal_fields(counts) for sketch in GOAL_SKETCHES]
    return [BUCKET_COUNTS, BUCKET_VISITORS, BUCKET_SESSIONS, *goals]


def _sums(parts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for part in parts:
        for name, value in part.items():
            sums[name] = sums.get(name, 0) + value
    return sums
