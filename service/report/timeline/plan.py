"""The plan of a timeline: its segments with their points and buckets, and the fields that they need. Pure."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Final

from msgspec import Struct

from sidedata.calendar.levels import Retention
from sidedata.calendar.tiling import AHEAD_SECONDS, Run, Span, tile
from sidedata.calendar.zones import FIVE_MINUTES_SECONDS, Zone
from sidedata.errors import SidedataError
from sidedata.events.decode import Kind
from sidedata.schema.bucket_fields import BucketField
from sidedata.schema.counts import hour_field
from sidedata.service.report.plan import ReportPlan, Requirements
from sidedata.service.report.points.segment import HourOfDay, Point, Segment
from sidedata.service.report.timeline.spans import (
    GRANULARITIES,
    LONGEST_SECONDS,
    MOST_POINTS,
    Granularity,
    finest,
    segment_spans,
    spans,
)

_MOST_KNOWN: Final = 256


class GranularityError(SidedataError):
    """A granularity that the interval is too old or too long for; its text names the finest one allowed."""


class TimelinePlan(Struct, frozen=True):
    """The plan of a timeline; `plan` is that of the report over the same interval, `key` tells timelines of a workflow apart."""

    plan: ReportPlan
    segments: tuple[Segment, ...]
    requirements: Requirements
    key: tuple[object, ...]

    @property
    def zone(self) -> Zone:
        """The zone that it was planned with."""
        return self.plan.zone

    @property
    def kind(self) -> Kind:
        """The kind that it was planned for."""
        return self.plan.kind

    @property
    def points(self) -> list[Point]:
        """The points of all segments."""
        return [point for segment in self.segments for point in segment.points]


# By the identity of a report's plan, which is that of no other while it is part of the value.
_known: dict[tuple[int, Granularity, int, int], TimelinePlan] = {}


def make_timeline_plan(
    plan: ReportPlan, granularity: Granularity, now: float, retention: Retention, most: int = MOST_POINTS
) -> TimelinePlan:
    """Plan a timeline of at most `most` points.

    Raises:
        GranularityError: buckets of that size are no longer kept, or there would be too many points.
    """
    # Polls bring the same plan of a report for a second.
    key = (id(plan), granularity, int(now), most)
    known = _known.get(key)
    if known is not None and known.plan is plan:
        return known
    if len(_known) >= _MOST_KNOWN:
        _known.clear()
    made = _known[key] = _make(plan, granularity, now, retention, min(most, MOST_POINTS))
    return made


def _make(plan: ReportPlan, granularity: Granularity, now: float, retention: Retention, most: int) -> TimelinePlan:
    effective, zone = plan.tiling.effective, plan.zone
    # The first test is cheap, because it needs no points. It passes all timelines that are allowed, and a few others.
    if effective.end - effective.start <= most * LONGEST_SECONDS[granularity] and _is_kept(
        granularity, effective, zone, int(now), retention
    ):
        segments = _segments(zone, plan.kind, effective, granularity, int(now) // FIVE_MINUTES_SECONDS)
        if sum(len(segment.points) for segment in segments) <= most:
            return TimelinePlan(plan, segments, Requirements(segments=segments), (*plan.key, granularity))
    allowed = finest(effective, zone, int(now), retention, most)
    raise GranularityError(f"{granularity} is too fine for this interval; the finest granularity allowed is {allowed}")


def _is_kept(granularity: Granularity, effective: Span, zone: Zone, now: int, retention: Retention) -> bool:
    """Tell if all buckets of that size are kept: the first is the oldest, and all days of an effective interval are kept."""
    if granularity == "5min" and not retention.keeps_five_minutes(zone.hour(effective.start), now):
        return False
    return GRANULARITIES.index(granularity) > 1 or retention.keeps_hour(zone.day(effective.start), now)


def _segments(
    zone: Zone, kind: Kind, effective: Span, granularity: Granularity, now_in_five_minutes: int
) -> tuple[Segment, ...]:
    # All intervals with the same days share the segments but the first and the last.
    days = Span(zone.day(effective.start).start, zone.day(effective.end - 1).end)
    whole = _segments_of_days(zone, kind, days, granularity, now_in_five_minutes)
    first, last = whole[0].span, whole[-1].span
    if len(whole) == 1:
        return (_segment(zone, kind, effective, granularity, now_in_five_minutes),)
    return (
        _segment(zone, kind, Span(effective.start, first.end), granularity, now_in_five_minutes),
        *whole[1:-1],
        _segment(zone, kind, Span(last.start, effective.end), granularity, now_in_five_minutes),
    )


@lru_cache(maxsize=256)
def _segments_of_days(
    zone: Zone, kind: Kind, days: Span, granularity: Granularity, now_in_five_minutes: int
) -> tuple[Segment, ...]:
    return tuple(
        _segment(zone, kind, span, granularity, now_in_five_minutes) for span in segment_spans(days, zone, granularity)
    )


def _segment(zone: Zone, kind: Kind, span: Span, granularity: Granularity, now_in_five_minutes: int) -> Segment:
    # A segment that holds no future point is the same at any time.
    has_future = span.end > now_in_five_minutes * FIVE_MINUTES_SECONDS + AHEAD_SECONDS
    return _make_segment(zone, kind, span, granularity, now_in_five_minutes if has_future else None)


@lru_cache(maxsize=2048)
def _make_segment(
    zone: Zone, kind: Kind, span: Span, granularity: Granularity, now_in_five_minutes: int | None
) -> Segment:
    now = span.end if now_in_five_minutes is None else now_in_five_minutes * FIVE_MINUTES_SECONDS
    points = []
    start_text = zone.text(span.start)
    for part in spans(span, zone, granularity):
        end_text = zone.text(part.end)
        points.append(_point(zone, part, granularity, now, (start_text, end_text)))
        start_text = end_text
    fields = dict.fromkeys(field for point in points for field in _fields(point, kind))
    return Segment(f"{granularity} {span.start} {span.end} {now_in_five_minutes}", span, tuple(points), tuple(fields))


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


def _fields(point: Point, kind: Kind) -> Iterator[BucketField]:
    """The fields that a point is made of."""
    is_page_navigation = kind == "page_navigation"
    for run in point.runs:
        for start in run.starts:
            if not is_page_navigation:
                yield BucketField(run.level, start, "counts")
            else:
                yield BucketField(run.level, start, "sessions")
            if not (is_page_navigation and point.is_stored):
                yield BucketField(run.level, start, "visitors")
    if is_page_navigation:
        if point.hour is not None:
            yield BucketField("day", point.hour.day_start, "counts")
        for start in (*point.days, *(edge.day.start for edge in point.edges)):
            yield BucketField("day", start, "counts")
