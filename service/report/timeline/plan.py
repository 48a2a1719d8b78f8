"""The plan of a timeline: its points with their buckets, and the fields that they need. Pure."""

from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from msgspec import Struct

from sidedata.calendar.levels import Retention
from sidedata.calendar.tiling import AHEAD_SECONDS, PartialDay, Run, Span, tile
from sidedata.calendar.zones import Zone
from sidedata.errors import SidedataError
from sidedata.reads.workflow_parts import BucketField
from sidedata.schema.counts import hour_field
from sidedata.service.report.plan import ReportPlan
from sidedata.service.report.requirements import Requirements
from sidedata.service.report.timeline.spans import GRANULARITIES, MOST_POINTS, Granularity, finest, spans


class GranularityError(SidedataError):
    """A granularity that the interval is too old or too long for; its text names the finest one allowed."""


class HourOfDay(NamedTuple):
    """A whole local hour, whose visitors are a field of its day's counts."""

    day_start: int
    field: str


class Point(NamedTuple):
    """A point: its span as text, and its buckets; none where it lies in the future.

    `hour` is there if it is a whole local hour, `days` and `edges` if it is made of days: starts of whole days, and partial days.
    """

    start: str
    end: str
    runs: tuple[Run, ...]
    hour: HourOfDay | None = None
    days: tuple[int, ...] = ()
    edges: tuple[PartialDay, ...] = ()


class TimelinePlan(Struct, frozen=True):
    """The plan of a timeline; `plan` is that of the report over the same interval, `key` tells timelines of a workflow apart."""

    plan: ReportPlan
    points: tuple[Point, ...]
    requirements: Requirements
    key: tuple[object, ...]

    @property
    def zone(self) -> Zone:
        """The zone that it was planned with."""
        return self.plan.zone

    @property
    def kind(self) -> str:
        """The kind that it was planned for."""
        return self.plan.kind


def make_timeline_plan(
    plan: ReportPlan, granularity: Granularity, now: float, retention: Retention, most: int = MOST_POINTS
) -> TimelinePlan:
    """Plan a timeline of at most `most` points.

    Raises:
        GranularityError: buckets of that size are no longer kept, or there would be too many points.
    """
    effective = plan.tiling.effective
    allowed = finest(effective, plan.zone, int(now), retention, min(most, MOST_POINTS))
    if GRANULARITIES.index(granularity) < GRANULARITIES.index(allowed):
        raise GranularityError(
            f"{granularity} is too fine for this interval; the finest granularity allowed is {allowed}"
        )
    points, fields = _points(plan.zone, plan.kind, effective, granularity, int(now) // 300)
    # Days are made of what the report needs, too; hours of page navigation only of sessions and the counts of days.
    by_days = plan.kind == "page_navigation" and granularity not in ("5min", "hour")
    requirements = plan.requirements if by_days else fields
    return TimelinePlan(plan, points, requirements, (*plan.key, granularity))


@lru_cache(maxsize=64)
def _points(
    zone: Zone, kind: str, effective: Span, granularity: Granularity, now_in_five_minutes: int
) -> tuple[tuple[Point, ...], Requirements]:
    now = now_in_five_minutes * 300
    points = []
    start_text = zone.text(effective.start)
    for span in spans(effective, zone, granularity):
        end_text = zone.text(span.end)
        points.append(_point(zone, span, granularity, now, (start_text, end_text)))
        start_text = end_text
    fields = dict.fromkeys(field for point in points for field in _fields(point, kind))
    return tuple(points), Requirements((), tuple(fields))


def _point(zone: Zone, span: Span, granularity: Granularity, now: int, texts: tuple[str, str]) -> Point:
    if span.start >= now + AHEAD_SECONDS:
        return Point(*texts, ())
    if granularity == "5min":
        return Point(*texts, (Run("5min", (span.start,)),))
    if granularity == "hour":
        hour = zone.hour(span.start)
        if span == (hour.start, hour.end):
            whole = HourOfDay(zone.day(hour.start).start, hour_field(hour.index, hour.offset))
            return Point(*texts, (Run("hour", (span.start,)),), whole)
        return Point(*texts, tile(span, zone, now).runs)
    tiling = tile(span, zone, now)
    days = tuple(start for run in tiling.runs if run.level == "day" for start in run.starts)
    return Point(*texts, tiling.runs, None, days, tiling.edges)


def _fields(point: Point, kind: str) -> Iterator[BucketField]:
    """The fields that a point is made of, where they are fewer than the report's."""
    for run in point.runs:
        for start in run.starts:
            if kind == "interaction":
                yield BucketField(run.level, start, "counts")
                yield BucketField(run.level, start, "visitors")
                continue
            yield BucketField(run.level, start, "sessions")
            if point.hour is None:
                yield BucketField(run.level, start, "visitors")
    if point.hour is not None and kind == "page_navigation":
        yield BucketField("day", point.hour.day_start, "counts")
