"""The additions of a batch to the buckets of each workflow. Pure.

Events are gathered in the finest bucket within retention at the batch's time: two look-ups for each, and a set addition for an id
that is new there. `RollUp.write` then rolls the additions up into the local hours and days within retention, and passes them to the
commit:

    5 minutes   ::::::::::::   only within retention
    local hour  |  |           within retention; the visitors of a page-navigation hour always, for the day's hourly counts
    local day   |--------|     always: an event older than the retention of days was rejected before

For a day after the adoption of a first table, days and hours that another table cut before are written, too
(`Organization.former`).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from sidedata.calendar.levels import Level, Retention
from sidedata.calendar.slots import FormerSlot, Slot
from sidedata.events.decode import Kind
from sidedata.ingest.apply.bucket_delta import BucketDelta, merged
from sidedata.ingest.organizations.bucket import Bucket
from sidedata.ingest.organizations.organization import FinestBucket, Workflow
from sidedata.ingest.organizations.settled import settled_keys
from sidedata.operations import CHANGES_KEPT, CountTarget, Operations
from sidedata.schema.counts import GOAL_SKETCHES, VISITORS, goal_sketch, hour_field
from sidedata.schema.table import BUCKET_COUNTS


class RollUp:
    """The roll-up of one batch into its operations."""

    def __init__(self, operations: Operations, retention: Retention, now: int) -> None:
        self._operations = operations
        self._retention = retention
        self._now = now
        self._oldest_hour_end = now - retention.five_minutes  # of hours whose 5 minutes are kept
        self.new_buckets = 0  # number of buckets that were added to the cache

    def finest_bucket(self, workflow: Workflow, slot: Slot, kind: Kind) -> FinestBucket:
        """The bucket that an event's ids are gathered in: the coarser it may be, the less there is to merge."""
        # A former table may cut days within an hour.
        if slot.hour.end > self._oldest_hour_end or workflow.organization.former is not None:
            return workflow.finest_bucket(slot)
        # The visitors of an hour of pages are counted at any age.
        is_day = kind == "interaction" and not self._retention.keeps_hour(slot.day, self._now)
        return workflow.coarse_bucket(slot, "day" if is_day else "hour")

    def write(self, workflow: Workflow, kind: Kind, deltas: Sequence[tuple[FinestBucket, BucketDelta]]) -> int:
        """Pass a workflow's additions to the commit, at every level within retention at the batch's time.

        Returns an upper bound of the size of its log of changes after that.
        """
        operations = self._operations
        changes = self._write_settled(kind, *deltas[0]) if len(deltas) == 1 else None  # most of a small batch
        if changes is None:
            changes = self._write_groups(workflow, kind, deltas)
        newest_us = max([delta.newest_us for _, delta in deltas])
        new_kind = kind if workflow.kind is None else None
        log_size = workflow.log_size + len(changes)
        trim = log_size > 2 * CHANGES_KEPT
        operations.change_workflow(workflow.keys, workflow.id, new_kind, newest_us, changes, trim=trim)
        return CHANGES_KEPT if trim else log_size

    def _write_settled(self, kind: Kind, finest: FinestBucket, delta: BucketDelta) -> Sequence[str] | None:
        """Write additions to settled buckets; returns the changes, None if the buckets are not settled."""
        operations = self._operations
        settled = settled_keys(finest, kind, operations, self._now)
        if settled is None or (delta.counts and kind == "page_navigation"):
            return None
        before = operations.size
        sessions = delta.sessions if kind == "page_navigation" else ()
        if delta.visitors or sessions or delta.counts:
            operations.add_to_settled(settled, delta.visitors, sessions, delta.counts)
        self._write_goals(delta, finest.levels)
        return settled.changes if operations.size > before else ()

    def _write_groups(
        self, workflow: Workflow, kind: Kind, deltas: Sequence[tuple[FinestBucket, BucketDelta]]
    ) -> list[str]:
        """Write additions to any buckets; returns the changes."""
        operations, now = self._operations, self._now
        changes: list[str] = []
        for buckets, delta in self._groups(workflow, kind, deltas):
            for bucket in buckets:
                bucket.expiry = max(bucket.expiry, now + bucket.grace)
            before = operations.size
            operations.sketch(delta.visitors, [(b.visitors, b.expiry, to) for b in buckets for to in b.count_targets])
            if kind == "page_navigation":
                of_sessions = [(b.sessions, b.expiry, None) for b in buckets if b.sessions_until > now]
                operations.sketch(delta.sessions, of_sessions)
            self._write_goals(delta, buckets)
            for bucket in buckets:
                # The counts of a day of pages hold its number of visitors, which sets no expiry.
                if delta.counts or (bucket.level == "day" and kind == "page_navigation"):
                    operations.increment(bucket.counts, delta.counts, bucket.expiry)
            if operations.size > before:
                changes += [bucket.change for bucket in buckets]
        return changes

    def _write_goals(self, delta: BucketDelta, buckets: Sequence[Bucket]) -> None:
        for name, members in delta.goals.items():
            for sketch, ids in zip(GOAL_SKETCHES, members, strict=True):
                suffix = goal_sketch(name, sketch)
                self._operations.sketch(ids, [(f"{b.prefix}{suffix}", b.expiry, None) for b in buckets])

    def _groups(
        self, workflow: Workflow, kind: Kind, deltas: Sequence[tuple[FinestBucket, BucketDelta]]
    ) -> Iterator[tuple[list[Bucket], BucketDelta]]:
        """Roll up: the buckets within retention with their additions, which levels often share."""
        now = self._now
        # Buckets are cached, unless those of a former table belong to them for a time.
        cached = workflow.buckets if workflow.organization.former is None else {}
        if len(deltas) == 1:  # most of a small batch
            ((finest, delta),) = deltas
            levels = finest.levels or self._levels(finest, kind, cached)
            yield [bucket for bucket in levels if bucket.kept_until > now], delta
            return
        additions: dict[Bucket, list[BucketDelta]] = {}
        for finest, delta in deltas:
            for bucket in finest.levels or self._levels(finest, kind, cached):
                if bucket.kept_until > now:
                    additions.setdefault(bucket, []).append(delta)
        groups: dict[tuple[int, ...], list[Bucket]] = {}
        for bucket, of_bucket in additions.items():
            groups.setdefault(tuple(map(id, of_bucket)), []).append(bucket)
        for group in groups.values():
            yield group, merged(additions[group[0]])

    def _levels(self, finest: FinestBucket, kind: Kind, cached: dict[tuple[Level, int], Bucket]) -> list[Bucket]:
        """The buckets that additions to the finest one belong to."""
        workflow, slot = finest.workflow, finest.slot
        former = workflow.organization.former
        before = None if former is None else former.at(slot, self._now)
        cuts = [slot]
        if before is not None and before.day_differs and before.slot.hour.start == slot.hour.start:
            cuts.append(before.slot)  # the same hour, in another day
        levels: list[Bucket] = []
        for level in _LEVELS[finest.level]:
            start = _start(slot, level)
            bucket = cached.get((level, start))
            if bucket is None:
                bucket = cached[level, start] = self._bucket(workflow, kind, slot, level, cuts)
                self.new_buckets += 1
            levels.append(bucket)
        if former is None:
            finest.levels = levels
        elif before is not None:
            levels += self._former_buckets(workflow, kind, before, former.until, cached)
        return levels

    def _former_buckets(
        self, workflow: Workflow, kind: Kind, before: FormerSlot, until: int, cached: dict[tuple[Level, int], Bucket]
    ) -> Iterator[Bucket]:
        """The buckets of a slot by the table before that differ from those by the stored one."""
        slot = before.slot
        levels: Mapping[Level, bool] = {"hour": before.hour_differs, "day": before.day_differs}
        for level, differs in levels.items():
            if not differs:
                continue
            start = _start(slot, level)
            bucket = cached.get((level, start))
            if bucket is None:
                cuts = [slot] if before.day_differs else []
                bucket = cached[level, start] = self._bucket(workflow, kind, slot, level, cuts)
                bucket.expiry, bucket.grace = until, 0
            yield bucket

    def _bucket(self, workflow: Workflow, kind: Kind, slot: Slot, level: Level, cuts: Sequence[Slot]) -> Bucket:
        """Make a slot's bucket; the visitors of an hour of pages are counted in the days of these cuts."""
        retention, now = self._retention, self._now
        start = _start(slot, level)
        bucket = Bucket.of(level, start, workflow.bucket_prefix(level, start))
        until = {
            "5min": slot.hour.end + retention.five_minutes,
            "hour": slot.day.end + retention.hour,
            "day": slot.day.end + retention.day,
        }
        bucket.kept_until = bucket.sessions_until = min(until[level], until["day"])
        if level == "5min":
            bucket.expiry = retention.five_minutes_expiry(slot.hour)
            return bucket
        bucket.grace = retention.late
        if level == "day":
            bucket.expiry = retention.day_expiry(slot.day, now)
            if kind == "page_navigation":
                bucket.count_targets = [CountTarget(bucket.counts, VISITORS, is_hour=False)]
            return bucket
        bucket.expiry = retention.hour_expiry(slot.day, now)
        if kind == "page_navigation":
            # Past the retention of hours it serves its hourly count alone.
            bucket.kept_until = until["day"]
            bucket.count_targets = [_hour_count(workflow, cut) for cut in cuts] or [None]
        return bucket


# The levels that additions to a bucket of each level belong to.
_LEVELS: Final[Mapping[Level, Sequence[Level]]] = {
    "5min": ("5min", "hour", "day"),
    "hour": ("hour", "day"),
    "day": ("day",),
}


def _start(slot: Slot, level: Level) -> int:
    """The start of a slot's bucket."""
    if level == "5min":
        return slot.five_minutes[0]
    return slot.hour.start if level == "hour" else slot.day.start


def _hour_count(workflow: Workflow, slot: Slot) -> CountTarget:
    """The field for the visitors of a slot's hour, in the counts of its day."""
    day = workflow.bucket_prefix("day", slot.day.start)
    return CountTarget(f"{day}{BUCKET_COUNTS}", hour_field(slot.hour.index, slot.hour.offset), is_hour=True)
