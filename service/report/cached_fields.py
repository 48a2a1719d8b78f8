"""Fields of buckets as they are cached: counts with their sums, sketches unpacked."""

from collections.abc import Mapping

from sidedata.calendar.zones import Zone
from sidedata.schema.bucket_fields import BucketField, Data, Goals
from sidedata.service.report.assemble import day_sums
from sidedata.service.report.runs.merged_runs import SESSIONS, VISITORS, CachedField
from sidedata.sketches.hyperloglog import unpack


def cached_fields(fields: Mapping[BucketField, Data], zone: Zone, rows: dict[str, int]) -> list[CachedField]:
    """Convert read fields to the form in which they are cached; a goal that is new in `rows` gets the next two rows."""
    stacks = unpack([_sketches(field, data, rows) for field, data in fields.items()])
    cached = []
    for (field, data), stack in zip(fields.items(), stacks, strict=True):
        counts = data.counts if isinstance(data, Goals) else data if isinstance(data, dict) else {}
        of_day = field.name == "counts"
        sums = day_sums(counts, zone.day(field.start).weekday) if of_day else counts
        cached.append(CachedField(counts, sums, None if of_day else stack))
    return cached


def _sketches(field: BucketField, data: Data, rows: dict[str, int]) -> list[tuple[int, bytes]]:
    """The sketches of a field by their rows."""
    if isinstance(data, bytes):
        return [(VISITORS if field.name == "visitors" else SESSIONS, data)]
    sketches: list[tuple[int, bytes]] = []
    if isinstance(data, Goals):
        for goal, pair in data.sketches.items():
            row = rows.setdefault(goal, VISITORS + 1 + 2 * len(rows))
            sketches += [(row + index, sketch) for index, sketch in enumerate(pair) if sketch is not None]
    return sorted(sketches)
