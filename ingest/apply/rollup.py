"""The additions of a batch to the buckets of each workflow. Pure.

Events are gathered in the finest bucket, 5 minutes, whatever their age: two look-ups for each, and a set addition for an id that
is new there. `write` then rolls the additions up into the local hours and days within retention at the batch's time, and passes
them to the commit:

    5 minutes   ::::::::::::   only within retention
    local hour  |  |           within retention; the visitors of a page-navigation hour always, for the day's hourly counts
    local day   |--------|     always: an event older than the retention of days was rejected before

For a day after the adoption of a first table a local day is also written as it was cut before (`Organization.former`).
"""

from collections.abc import Iterable, Iterator, Sequence

from sidedata.calendar.levels import Level, Retention
from sidedata.calendar.slots import Slot
from sidedata.calendar.zones import Day
from sidedata.events.decode import Kind
from sidedata.events.money import split_units
from sidedata.ingest.apply.model import FiveMinuteBucket, Workflow
from sidedata.operations import CHANGES_KEPT, Operations
from sidedata.schema.counts import VISITORS, Role, goal_field, goal_sketch, hour_field, purchase_fields
from sidedata.schema.keys import Keyspace
from sidedata.schema.table import BUCKET_COUNTS, BUCKET_SESSIONS, BUCKET_VISITORS
from sidedata.schema.values import ChangedBucket

_NO_COUNT = (None,)


class BucketDelta:
    """The additions to one bucket: hashed ids, counts, and the hashed ids of each goal by role."""

    __slots__ = ("counts", "goals", "kind", "newest_us", "sessions", "visitors")

    def __init__(self) -> None:
        self.kind: Kind | None = None  # of the events; None where there are only affected goals
        self.visitors: set[str] = set()
        self.sessions: set[str] = set()
        self.counts: dict[str, int] = {}
        self.goals: dict[
            str, tuple[set[str], set[str]]
        ] = {}  # visitors and sessions, by the field that counts the goal
        self.newest_us = 0

    def count(self, field: str, by: int = 1) -> None:
        """Add to an exact count."""
        self.counts[field] = self.counts.get(field, 0) + by

    def count_goal(self, role: Role, goal_id: str, visitor: str, session: str) -> None:
        """Add an event of a goal that was triggered or affected."""
        name = goal_field(role, goal_id)
        self.count(name)
        visitors, sessions = self.goals.setdefault(name, (set(), set()))
        visitors.add(visitor)
        sessions.add(session)

    def add_purchase(self, currency: str, units: int) -> None:
        """Add a purchase, in units of 1/10,000."""
        for field, part in zip(purchase_fields(currency), split_units(units), strict=True):
            self.count(field, part)

    def merge(self, other: "BucketDelta") -> None:
        """Add the additions to another bucket."""
        self.visitors |= other.visitors
        self.sessions |= other.sessions
        for field, by in other.counts.items():
            self.count(field, by)
        for name, (visitors, sessions) in other.goals.items():
            goal_ids = self.goals.setdefault(name, (set(), set()))
            goal_ids[0].update(visitors)
            goal_ids[1].update(sessions)


class _Bucket:
    """A bucket to write: its level and start, the prefix and the expiry of its keys, keys and fields of its visitors' number."""

    __slots__ = ("additions", "count_targets", "expiry", "keeps_sessions", "level", "prefix", "start")

    def __init__(self, level: Level, start: int, prefix: str, expiry: int, *, keeps_sessions: bool) -> None:
        self.level = level
        self.start = start
        self.prefix = prefix
        self.expiry = expiry
        self.keeps_sessions = keeps_sessions
        self.count_targets: list[tuple[str, str]] = []
        self.additions: list[BucketDelta] = []  # to the 5 minutes in it


def write(
    operations: Operations,
    workflow: Workflow,
    kind: Kind,
    deltas: Sequence[tuple[FiveMinuteBucket, BucketDelta]],
    *,
    retention: Retention,
    now: int,
) -> int:
    """Pass a workflow's additions to the commit, at every level within retention at `now` (seconds).

    Returns an upper bound of the size of its log of changes after that.
    """
    changes: list[str] = []
    buckets_written = _RollUp(operations.keyspace, workflow, kind, retention, now).buckets(deltas)
    for buckets, delta in _shared(buckets_written):
        before = operations.size
        operations.sketch(
            delta.visitors,
            [
                (f"{b.prefix}{BUCKET_VISITORS}", b.expiry, target)
                for b in buckets
                for target in b.count_targets or _NO_COUNT
            ],
        )
        operations.sketch(
            delta.sessions, [(f"{b.prefix}{BUCKET_SESSIONS}", b.expiry, None) for b in buckets if b.keeps_sessions]
        )
        for name, (visitors, sessions) in delta.goals.items():
            of_visitors, of_sessions = goal_sketch(name, "visitors"), goal_sketch(name, "sessions")
            operations.sketch(visitors, [(f"{b.prefix}{of_visitors}", b.expiry, None) for b in buckets])
            operations.sketch(sessions, [(f"{b.prefix}{of_sessions}", b.expiry, None) for b in buckets])
        for bucket in buckets:
            if delta.counts or (bucket.count_targets and bucket.level == "day"):
                operations.increment(f"{bucket.prefix}{BUCKET_COUNTS}", delta.counts, bucket.expiry)
        if operations.size > before:
            changes += [ChangedBucket(bucket.level, bucket.start).encode() for bucket in buckets]
    newest_us = max([delta.newest_us for _, delta in deltas])
    new_kind = kind if workflow.kind is None else None
    log_size = workflow.log_size + len(changes)
    trim = log_size > 2 * CHANGES_KEPT
    operations.change_workflow(workflow.organization.id, workflow.id, new_kind, newest_us, changes, trim=trim)
    return CHANGES_KEPT if trim else log_size


class _RollUp:
    """The roll-up of one workflow's additions."""

    def __init__(self, keyspace: Keyspace, workflow: Workflow, kind: Kind, retention: Retention, now: int) -> None:
        self._keyspace = keyspace
        self._workflow = workflow
        self._is_pages = kind == "page_navigation"
        self._retention = retention
        self._now = now

    def buckets(self, deltas: Iterable[tuple[FiveMinuteBucket, BucketDelta]]) -> list[_Bucket]:
        """The buckets within retention, with their additions."""
        retention, now, former = self._retention, self._now, self._workflow.organization.former
        five_minutes: list[_Bucket] = []
        hours: dict[int, _Bucket] = {}
        days: dict[int, _Bucket] = {}
        for of_5_minutes, delta in deltas:
            slot = of_5_minutes.slot
            if not retention.keeps_day(slot.day, now):
                continue  # a late interaction affects a goal whose day has expired since
            before = None if former is None else former.at(slot, now)
            if retention.keeps_five_minutes(slot.hour, now):
                expiry = retention.five_minutes_expiry(slot.hour)
                bucket = self._bucket("5min", slot.five_minutes[0], expiry, keeps_sessions=self._is_pages)
                bucket.additions.append(delta)
                five_minutes.append(bucket)
            if self._is_pages or retention.keeps_hour(slot.day, now):
                hour = hours.get(slot.hour.start)
                if hour is None:
                    hour = hours[slot.hour.start] = self._hour(slot, before)
                hour.additions.append(delta)
            day = days.get(slot.day.start)
            if day is None:
                day = days[slot.day.start] = self._day(slot.day, retention.day_expiry(slot.day, now))
            day.additions.append(delta)
            if former is not None and before is not None:
                day = days.get(before.day.start)
                if day is None:
                    day = days[before.day.start] = self._day(before.day, former.until)
                day.additions.append(delta)
        return [*five_minutes, *hours.values(), *days.values()]

    def _hour(self, slot: Slot, before: Slot | None) -> _Bucket:
        """The bucket of an hour, which may lie in a day as it was cut before, too."""
        # An hour past the retention of hours serves its hourly count alone.
        keeps_sessions = self._is_pages and self._retention.keeps_hour(slot.day, self._now)
        expiry = self._retention.hour_expiry(slot.day, self._now)
        bucket = self._bucket("hour", slot.hour.start, expiry, keeps_sessions=keeps_sessions)
        if self._is_pages:
            bucket.count_targets = [self._hour_count(cut) for cut in (slot, before) if cut is not None]
        return bucket

    def _hour_count(self, slot: Slot) -> tuple[str, str]:
        workflow = self._workflow
        day = self._keyspace.bucket(workflow.organization.id, workflow.id, "day", slot.day.start)
        return f"{day}{BUCKET_COUNTS}", hour_field(slot.hour.index, slot.hour.offset)

    def _day(self, day: Day, expiry: int) -> _Bucket:
        bucket = self._bucket("day", day.start, expiry, keeps_sessions=self._is_pages)
        if self._is_pages:
            bucket.count_targets = [(f"{bucket.prefix}{BUCKET_COUNTS}", VISITORS)]
        return bucket

    def _bucket(self, level: Level, start: int, expiry: int, *, keeps_sessions: bool) -> _Bucket:
        workflow = self._workflow
        prefix = self._keyspace.bucket(workflow.organization.id, workflow.id, level, start)
        return _Bucket(level, start, prefix, expiry, keeps_sessions=keeps_sessions)


def _shared(buckets: Iterable[_Bucket]) -> Iterator[tuple[list[_Bucket], BucketDelta]]:
    """Group buckets by their additions, which levels often share, and merge these."""
    groups: dict[tuple[int, ...], list[_Bucket]] = {}
    for bucket in buckets:
        groups.setdefault(tuple(map(id, bucket.additions)), []).append(bucket)
    for group in groups.values():
        yield group, _merge(group[0].additions)


def _merge(deltas: list[BucketDelta]) -> BucketDelta:
    if len(deltas) == 1:
        return deltas[0]
    merged = BucketDelta()
    for delta in deltas:
        merged.merge(delta)
    return merged
