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
from typing import NamedTuple

from sidedata.calendar.levels import Level, Retention
from sidedata.calendar.slots import FormerSlots, Slot
from sidedata.events.decode import Kind
from sidedata.events.money import split_units
from sidedata.ingest.apply.model import FiveMinuteBucket, Workflow
from sidedata.operations import CHANGES_KEPT, Operations
from sidedata.schema.counts import VISITORS, Role, goal_field, goal_sketch, hour_field, purchase_fields
from sidedata.schema.keys import Keyspace
from sidedata.schema.table import BUCKET_COUNTS, BUCKET_SESSIONS, BUCKET_VISITORS
from sidedata.schema.values import ChangedBucket


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


class _Place(NamedTuple):
    """A bucket by its level and a slot in it; `former` for a day by the table before."""

    level: Level
    slot: Slot
    former: bool = False


class _Bucket(NamedTuple):
    """A bucket to write: its level and start, the prefix and the expiry of its keys, keys and fields of its visitors' number."""

    level: Level
    start: int
    prefix: str
    expiry: int
    count_targets: list[tuple[str, str]]
    keeps_sessions: bool


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
    for places, delta in _levels(deltas, kind, retention, now, workflow.organization.former):
        buckets = [_bucket(operations.keyspace, place, workflow, kind, retention, now) for place in places]
        before = operations.size
        operations.sketch(
            delta.visitors,
            [
                (f"{b.prefix}{BUCKET_VISITORS}", b.expiry, target)
                for b in buckets
                for target in b.count_targets or (None,)
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
    newest_us = max(delta.newest_us for _, delta in deltas)
    new_kind = kind if workflow.kind is None else None
    log_size = workflow.log_size + len(changes)
    trim = log_size > 2 * CHANGES_KEPT
    operations.change_workflow(workflow.organization.id, workflow.id, new_kind, newest_us, changes, trim=trim)
    return CHANGES_KEPT if trim else log_size


def _levels(
    deltas: Iterable[tuple[FiveMinuteBucket, BucketDelta]],
    kind: Kind,
    retention: Retention,
    now: int,
    former: FormerSlots | None,
) -> Iterator[tuple[list[_Place], BucketDelta]]:
    """Roll up: the buckets within retention with their additions, which levels often share."""
    parts: dict[tuple[Level, int], tuple[_Place, list[BucketDelta]]] = {}
    for bucket, delta in deltas:
        slot = bucket.slot
        if not retention.keeps_day(slot.day, now):
            continue  # a late interaction affects a goal whose day has expired since
        if retention.keeps_five_minutes(slot.hour, now):
            parts["5min", slot.five_minutes[0]] = (_Place("5min", slot), [delta])
        if kind == "page_navigation" or retention.keeps_hour(slot.day, now):
            parts.setdefault(("hour", slot.hour.start), (_Place("hour", slot), []))[1].append(delta)
        parts.setdefault(("day", slot.day.start), (_Place("day", slot), []))[1].append(delta)
        if former is not None and (before := former.at(slot, now)) is not None:
            place = _Place("day", before, former=True)
            parts.setdefault(("day", before.day.start), (place, []))[1].append(delta)
    shared: dict[tuple[int, ...], tuple[list[_Place], list[BucketDelta]]] = {}
    for place, of_bucket in parts.values():
        shared.setdefault(tuple(map(id, of_bucket)), ([], of_bucket))[0].append(place)
    for places, of_buckets in shared.values():
        yield places, _merge(of_buckets)


def _merge(deltas: list[BucketDelta]) -> BucketDelta:
    if len(deltas) == 1:
        return deltas[0]
    merged = BucketDelta()
    for delta in deltas:
        merged.merge(delta)
    return merged


def _bucket(
    keyspace: Keyspace, place: _Place, workflow: Workflow, kind: Kind, retention: Retention, now: int
) -> _Bucket:
    level, slot, _ = place
    organization = workflow.organization
    pages = kind == "page_navigation"
    if level == "5min":
        start = slot.five_minutes[0]
        prefix = keyspace.bucket(organization.id, workflow.id, "5min", start)
        return _Bucket(level, start, prefix, retention.five_minutes_expiry(slot.hour), [], pages)
    former = organization.former
    if level == "hour":
        start = slot.hour.start
        prefix = keyspace.bucket(organization.id, workflow.id, "hour", start)
        before = None if former is None else former.at(slot, now)
        days = [] if not pages else [slot] if before is None else [slot, before]
        count_targets = [
            (
                f"{keyspace.bucket(organization.id, workflow.id, 'day', of.day.start)}{BUCKET_COUNTS}",
                hour_field(of.hour.index, of.hour.offset),
            )
            for of in days
        ]
        # An hour past the retention of hours serves its hourly count alone.
        keeps_sessions = pages and retention.keeps_hour(slot.day, now)
        return _Bucket(level, start, prefix, retention.hour_expiry(slot.day, now), count_targets, keeps_sessions)
    prefix = keyspace.bucket(organization.id, workflow.id, "day", slot.day.start)
    expiry = former.until if former is not None and place.former else retention.day_expiry(slot.day, now)
    count_targets = [(f"{prefix}{BUCKET_COUNTS}", VISITORS)] if pages else []
    return _Bucket(level, slot.day.start, prefix, expiry, count_targets, pages)
