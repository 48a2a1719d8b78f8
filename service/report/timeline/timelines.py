"""Timelines: from a request to an answer, on the caches of the reports."""

from datetime import datetime

from sidedata.calendar.zones import Zone
from sidedata.service.report.answer import Answer, answer_of, array, encode
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

    def plan(zone: Zone, kind: str, now: float) -> TimelinePlan:
        made = make_timeline_plan(reports.plan(zone, kind, *interval, now), granularity, now, reports.retention)
        return TimelinePlan(made.plan, made.points, made.requirements, (*made.key, encoding))

    def assemble(cache: WorkflowCache, plan: TimelinePlan) -> Answer:
        figures = figures_of(cache, plan)
        if encoding == "csv":
            return answer_of(csv_points(plan, figures), plan.plan)
        return encode({"granularity": granularity, "points": json_points(plan, figures)}, plan.plan)

    return await reports.resolve(reports.cache(*workflow), plan, assemble)


def points_answer(cache: WorkflowCache, plan: TimelinePlan) -> Answer:
    """The points alone, as a JSON array."""
    return answer_of(array(json_points(plan, figures_of(cache, plan))), plan.plan)
