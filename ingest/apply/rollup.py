"""What a batch adds to the buckets of each workflow. Pure.

Events are gathered in the finest bucket, 5 minutes, whatever their age: two look-ups for each, and a set addition for an id that
is new there. `write` then rolls those up into the local hours and days that are kept at the batch's time, and hands them to the
commit:

    5 minutes   ::::::::::::   only where kept
    local hour  |  |           where kept; the visitors of a page-navigation hour always, for the day's hourly counts
    local day   |--------|     always: what is older than the days kept was refused before
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from sidedata.calendar.levels import Level, Retention
from sidedata.calendar.slots import Place
from sidedata.events.decode import Kind
from sidedata.events.money import parted
from sidedata.ingest.apply.model import Fine, Workflow
from sidedata.operations import CHANGES_KEPT, Operations
from sidedata.schema import keys


class Additions:
    """What is added to one bucket: ids (hashed), counts, and the ids behind each goal by role."""

    __slots__ = ("counts", "goals", "newest_us", "sessions", "visitors")

    def __init__(self) -> None:
        self.visitors: set[str] = set()
        self.sessions: set[str] = set()
        self.counts: dict[str, int] = {}
        self.goals: dict[str, tuple[set[str], set[str]]] = {}
        self.newest_us = 0

    def count(self, field: str, by: int = 1) -> None:
        """Add to an exact count."""
        self.counts[field] = self.counts.get(field, 0) + by

    def goal(self, role: str, goal_id: str, visitor: str, session: str) -> None:
        """A goal was triggered or affected."""
        name = f"{role}:{goal_id}"
        self.count(name)
        visitors, sessions = self.goals.setdefault(name, (set(), set()))
        visitors.add(visitor)
        sessions.add(session)

    def paid(self, currency: str, units: int) -> None:
        """Money was spent, in units of 1/10,000."""
        high, low = parted(units)
        self.count(f"purchases:{currency}:high", high)
        self.count(f"purchases:{currency}:low", low)

    def merge(self, other: "Additions") -> None:
        """Take in those of another bucket."""
        self.visitors |= other.visitors
        self.sessions |= other.sessions
        for field, by in other.counts.items():
            self.count(field, by)
        for name, (visitors, sessions) in other.goals.items():
            mine = self.goals.setdefault(name, (set(), set()))
            mine[0].update(visitors)
            mine[1].update(sessions)


class _Bucket(NamedTuple):
    """A bucket that is written: its level and start, what its keys begin with, its expiry, where its visitors' number goes."""

    level: Level
    start: int
    prefix: str
    expiry: int
    stored: tuple[str, str] | None
    keeps_sessions: bool


def write(
    operations: Operations,
    workflow: Workflow,
    kind: Kind,
    fines: Sequence[tuple[Fine, Additions]],
    *,
    partition: int,
    retention: Retention,
    now: int,
) -> int:
    """Hand a workflow's additions to the commit, at every level that is kept at `now` (seconds).

    Returns how many buckets its log of changes may name then.
    """
    organization = workflow.organization.id
    changed: list[str] = []
    for places, added in _levels(fines, kind, retention, now):
        buckets = [_bucket(level, place, partition, workflow, kind, retention, now) for level, place in places]
        before = operations.count
        operations.sketch(added.visitors, [(f"{b.prefix}visitors", b.expiry, b.stored) for b in buckets])
        operations.sketch(
            added.sessions, [(f"{b.prefix}sessions", b.expiry, None) for b in buckets if b.keeps_sessions]
        )
        for name, (visitors, sessions) in added.goals.items():
            operations.sketch(visitors, [(f"{b.prefix}{name}:visitors", b.expiry, None) for b in buckets])
            operations.sketch(sessions, [(f"{b.prefix}{name}:sessions", b.expiry, None) for b in buckets])
        for bucket in buckets:
            if added.counts or (bucket.stored and bucket.level == "day"):
                operations.add(f"{bucket.prefix}counts", added.counts, bucket.expiry)
        if operations.count > before:
            changed += [f"{bucket.level}:{bucket.start}" for bucket in buckets]
    newest_us = max(added.newest_us for _, added in fines)
    new_kind = kind if workflow.kind is None else None
    logged = workflow.logged + len(changed)
    trim = logged > 2 * CHANGES_KEPT
    operations.workflow(partition, organization, workflow.id, new_kind, newest_us, changed, trim=trim)
    return CHANGES_KEPT if trim else logged


def _levels(
    fines: Iterable[tuple[Fine, Additions]], kind: Kind, retention: Retention, now: int
) -> Iterator[tuple[list[tuple[Level, Place]], Additions]]:
    """The buckets that are kept, each as its level and a place inside it, and what they get; often all levels get the same."""
    parts: dict[tuple[Level, int], tuple[Place, list[Additions]]] = {}
    for fine, added in fines:
        place = fine.place
        if not retention.keeps_day(place.day, now):
            continue  # a late interaction found a goal whose day has gone since
        if retention.keeps_five_minutes(place.hour, now):
            parts["5min", place.fine[0]] = (place, [added])
        if kind == "page_navigation" or retention.keeps_hour(place.day, now):
            parts.setdefault(("hour", place.hour.start), (place, []))[1].append(added)
        parts.setdefault(("day", place.day.start), (place, []))[1].append(added)
    alike: dict[tuple[int, ...], tuple[list[tuple[Level, Place]], list[Additions]]] = {}
    for (level, _), (place, of_bucket) in parts.items():
        alike.setdefault(tuple(map(id, of_bucket)), ([], of_bucket))[0].append((level, place))
    for places, of_bucket in alike.values():
        yield places, _together(of_bucket)


def _together(parts: list[Additions]) -> Additions:
    if len(parts) == 1:
        return parts[0]
    merged = Additions()
    for part in parts:
        merged.merge(part)
    return merged


def _bucket(
    level: Level, place: Place, partition: int, workflow: Workflow, kind: Kind, retention: Retention, now: int
) -> _Bucket:
    names = (partition, workflow.organization.id, workflow.id)
    pages = kind == "page_navigation"
    in_day = keys.bucket(*names, "day", place.day.start)
    if level == "5min":
        start = place.fine[0]
        prefix = keys.bucket(*names, "5min", start)
        return _Bucket(level, start, prefix, retention.five_minutes_expiry(place.hour), None, pages)
    if level == "hour":
        start = place.hour.start
        prefix = keys.bucket(*names, "hour", start)
        stored = (f"{in_day}counts", keys.hour_field(place.hour.index, place.hour.offset)) if pages else None
        # An hour older than hours are kept serves its hourly count alone.
        keeps_sessions = pages and retention.keeps_hour(place.day, now)
        return _Bucket(level, start, prefix, retention.hour_expiry(place.day, now), stored, keeps_sessions)
    stored = (f"{in_day}counts", "visitors") if pages else None
    return _Bucket(level, place.day.start, in_day, retention.day_expiry(place.day, now), stored, pages)
