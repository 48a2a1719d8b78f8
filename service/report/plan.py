"""The plan of an answer: effective interval, tiling, and the stored fields that it requires. Pure.

Dashboards request the same few intervals again and again, so plans are cached: by the seconds of interval and clock, and behind
that by the effective interval.
"""

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Final, NamedTuple

from msgspec import Struct

from sidedata.calendar.levels import Level, Retention
from sidedata.calendar.reporting import rules_header
from sidedata.calendar.tiling import Run, Span, Tiling, effective_interval, tile
from sidedata.calendar.zones import DAY_SECONDS, FIVE_MINUTES_SECONDS, Zone
from sidedata.errors import SidedataError, UsageError
from sidedata.events.decode import Kind
from sidedata.schema.bucket_fields import BucketField, FieldName
from sidedata.service.report.points.segment import Segment

_LONGEST_US = 400 * DAY_SECONDS * 1_000_000
# 0001-01-02 to 9999-12-29, so that no zone and no widening leaves the years of the calendar.
_EARLIEST_US, _LATEST_US = -62_135_510_400_000_000, 253_402_041_600_000_000
_SKETCHES: Final[tuple[FieldName, ...]] = ("visitors", "sessions")
_WITH_GOALS: Final[tuple[FieldName, ...]] = ("visitors", "goals")
# The fields of a bucket, by the workflow's kind and the bucket's level.
FIELD_NAMES: Final[Mapping[Kind, Mapping[Level, tuple[FieldName, ...]]]] = {
    "page_navigation": {"5min": _SKETCHES, "hour": _SKETCHES, "day": (*_SKETCHES, "counts")},
    "interaction": dict.fromkeys(("5min", "hour", "day"), _WITH_GOALS),
}


class Requirements(NamedTuple):
    """The data that an answer needs: runs of buckets with all of their fields, single fields beside them, segments of timelines."""

    runs: tuple[Run, ...] = ()
    extra: tuple[BucketField, ...] = ()
    segments: tuple[Segment, ...] = ()


def requirements(tiling: Tiling, kind: Kind) -> Requirements:
    """All fields that an answer over a tiling needs, for a workflow of that kind."""
    if kind == "interaction":
        return Requirements(tiling.runs)
    # Of a partial day only the counts of its hours are read.
    return Requirements(tiling.runs, tuple(BucketField("day", edge.day.start, "counts") for edge in tiling.edges))


@lru_cache(maxsize=4096)
def fields_of(run: Run, kind: Kind) -> tuple[BucketField, ...]:
    """All fields of a run's buckets."""
    return tuple(BucketField(run.level, start, name) for start in run.starts for name in FIELD_NAMES[kind][run.level])


class IntervalError(SidedataError):
    """An interval without an answer; `pointer` is a JSON pointer to the wrong field of the request."""

    def __init__(self, pointer: str, detail: str) -> None:
        super().__init__(detail)
        self.pointer = pointer


class ReportPlan(Struct, frozen=True):
    """The plan of an answer for a zone and a kind of workflow.

    `effective` is the effective interval as text; `rules` names the release of the zone's table, and its seam.
    """

    zone: Zone
    kind: Kind
    tiling: Tiling
    requirements: Requirements
    effective: str
    rules: str

    @property
    def key(self) -> tuple[object, ...]:
        """Tells answers of one workflow apart."""
        return (*self.tiling.effective, self.rules)


def make_plan(zone: Zone, kind: Kind, start: datetime, end: datetime, now: float, retention: Retention) -> ReportPlan:
    """Plan the answer over `start <= t < end`; date-times without an offset are in the zone.

    Raises:
        IntervalError: the interval is empty, too long, or before the oldest day kept.
    """
    start_us, end_us = zone.instant_us(start), zone.instant_us(end)
    if not _EARLIEST_US <= start_us < end_us <= _LATEST_US or end_us - start_us > _LONGEST_US:
        raise _interval_error(start_us, end_us)
    # No bucket begins or ends within a second, so whole seconds around the interval give the same tiling.
    return _plan_of_seconds(zone, kind, start_us // 1_000_000, -(-end_us // 1_000_000), int(now), retention)


def _interval_error(start_us: int, end_us: int) -> IntervalError:
    for pointer, instant in (("/interval/start", start_us), ("/interval/end", end_us)):
        if not _EARLIEST_US <= instant <= _LATEST_US:
            return IntervalError(pointer, "outside of the years 1 to 9999")
    if end_us <= start_us:
        return IntervalError("/interval/end", "must be after start")
    return IntervalError("/interval/end", "more than 400 days after start")


# Polls for "the last 30 days" within one second have the same key.
@lru_cache(maxsize=1024)
def _plan_of_seconds(zone: Zone, kind: Kind, start: int, end: int, now: int, retention: Retention) -> ReportPlan:
    try:
        effective = effective_interval(start * 1_000_000, end * 1_000_000, zone, now, retention)
    except UsageError as error:
        raise IntervalError("/interval", str(error)) from error
    # In steps of 5 minutes: the tiling uses `now` only to leave out the future.
    return _plan_of_effective(zone, kind, effective.start, effective.end, now // FIVE_MINUTES_SECONDS, retention)


@lru_cache(maxsize=512)
def _plan_of_effective(
    zone: Zone, kind: Kind, start: int, end: int, now_in_five_minutes: int, retention: Retention
) -> ReportPlan:
    now = now_in_five_minutes * FIVE_MINUTES_SECONDS
    tiling = tile(Span(start, end), zone, now)
    effective, rules = f"{zone.text(start)}/{zone.text(end)}", rules_header(zone, now, retention)
    return ReportPlan(zone, kind, tiling, requirements(tiling, kind), effective, rules)
