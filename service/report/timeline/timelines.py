"""Timelines: from a request to an answer, on the caches of the reports."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import partial
from itertools import islice

from sidedata.calendar.zones import Zone
from sidedata.events.decode import Kind
from sidedata.service.report.answer import Answer, answer_of, array
from sidedata.service.report.points.segment import Segment
from sidedata.service.report.reports import Reports
from sidedata.service.report.timeline.encode import Format, csv_points, json_points
from sidedata.service.report.timeline.figures import figures_of
from sidedata.service.report.timeline.plan import TimelinePlan, make_timeline_plan
from sidedata.service.report.timeline.spans import Granularity
from sidedata.service.report.workflow_cache import WorkflowCache


async def timeline(
    reports: Reports,
    workflow: tuple[str, str],
    interval: tuple[datetime, datetime],
    granularity: Granularity,
    encoding: Format,
) -> Answer:
    """Answer with the points of an interval; a workflow is given by organization and id.

    Raises:
        NoSuchWorkflowError: there is no such workflow in this organization.
        IntervalError: the interval is empty, too long, or before the oldest day kept.
        GranularityError: the granularity is too fine for the interval.
        StoreUnavailableError: Redis is out of reach.
    """

    def plan(zone: Zone, kind: Kind, now: float) -> TimelinePlan:
        timeline = make_timeline_plan(reports.plan(zone, kind, *interval, now), granularity, now, reports.retention)
        return TimelinePlan(timeline.plan, timeline.segments, timeline.requirements, (*timeline.key, encoding))

    def assemble(cache: WorkflowCache, plan: TimelinePlan) -> Answer:
        if encoding == "csv":
            return answer_of(csv_points(plan, figures_of(cache, plan.kind, plan.points)), plan.plan)
        return _answer(cache, plan, b'{"granularity":"%s","points":[' % granularity.encode(), b"]}")

    return await reports.resolve(reports.cache(*workflow), plan, assemble)


def points_answer(cache: WorkflowCache, plan: TimelinePlan) -> Answer:
    """The points alone, as a JSON array."""
    return _answer(cache, plan, b"[", b"]")


def _answer(cache: WorkflowCache, plan: TimelinePlan, before: bytes, after: bytes) -> Answer:
    """The points as JSON, joined from encoded segments, most of which are cached."""
    encoded = cache.points.encoded(plan.segments, partial(_encode, cache, plan.kind))
    body = b"".join((before, b",".join([segment.body for segment in encoded]), after))
    # To hash the segments' digests takes a hundredth of the time that the whole body would take.
    return answer_of(body, plan.plan, b"".join([before, *(segment.digest for segment in encoded)]))


def _encode(cache: WorkflowCache, kind: Kind, segments: Sequence[Segment]) -> Iterator[bytes]:
    """The points of each segment as JSON, divided by commas."""
    figures = iter(figures_of(cache, kind, [point for segment in segments for point in segment.points]))
    for segment in segments:
        own = list(islice(figures, len(segment.points)))
        yield array(json_points(kind, segment.points, own))[1:-1]
