"""Reports: from a request to an answer.

An answer is a function of the workflow's revision and the effective interval, so it is cached until the workflow changes.
Dashboards that poll "the last 30 days" with a new `now` each time share it until the current 5 minutes are over.
"""

import time
from datetime import datetime, timedelta
from typing import Any, get_args

from prometheus_client import CollectorRegistry

from sidedata.calendar.levels import Retention
from sidedata.calendar.zones import zone
from sidedata.clock import Clock
from sidedata.errors import SidedataError, late_error
from sidedata.events.decode import Kind
from sidedata.hyperloglog import estimates
from sidedata.redis.gateway import Gateway
from sidedata.schema.installation import Installation
from sidedata.service.metrics import ServiceMetrics
from sidedata.service.report.answer import Answer, encode
from sidedata.service.report.assemble import interaction, page_navigation
from sidedata.service.report.many_goals import ManyGoals, has_many_goals
from sidedata.service.report.plan import IntervalError, Plan, make_plan
from sidedata.service.report.requirements import Requirements
from sidedata.service.report.workflow_cache import WorkflowCache
from sidedata.service.report.workflow_caches import WorkflowCaches
from sidedata.settings import Settings

__all__ = ["Answer", "IntervalError", "NoSuchWorkflowError", "Reports"]

# The largest answer takes some eighty readings; one that takes longer than this is given up, because answers are due in a second.
_DEADLINE_SECONDS = 0.75
_COMMON_RANGE = timedelta(days=30)


class NoSuchWorkflowError(SidedataError):
    """The organization has no workflow of that id."""


class Reports:
    """The reports of all workflows; the only way into this package."""

    def __init__(
        self,
        gateway: Gateway,
        installation: Installation,
        settings: Settings,
        clock: Clock,
        metrics: ServiceMetrics | None = None,
    ) -> None:
        self._retention = Retention.of(settings)
        self._clock = clock
        self._caches = WorkflowCaches(gateway, installation, settings.cache_mb << 20)
        metrics = metrics or ServiceMetrics(CollectorRegistry())
        self._hits, self._misses = metrics.reports.labels("kept"), metrics.reports.labels("assembled")
        self._cache_bytes = metrics.cache_bytes
        self._many_goals = ManyGoals(self._add)
        self._warm_up()

    def _warm_up(self) -> None:
        """Load the names of zones and the days of UTC: some 20 ms that the first request would have to wait for."""
        utc, now = zone("UTC"), self._clock.now()
        end = utc.moment(int(now))
        for kind in get_args(Kind):
            make_plan(utc, kind, end - _COMMON_RANGE, end, now, self._retention)

    async def answer(self, organization_id: str, workflow_id: str, start: datetime, end: datetime) -> Answer:
        """Answer over `start <= t < end`; date-times without an offset are in the organization's reporting zone.

        Raises:
            NoSuchWorkflowError: there is no such workflow in this organization.
            IntervalError: the interval is empty, too long, or before the oldest day kept.
            StoreUnavailableError: Redis is out of reach.
        """
        cache = self._caches.get(organization_id, workflow_id)
        deadline = time.monotonic() + _DEADLINE_SECONDS
        while True:
            # 1. The time zone and kind as last read: planned with these, one reading usually brings everything.
            # 2. to 4. The effective interval, the tiling and the requirements.
            plan = self._plan(cache, start, end)
            # 5. Refresh the cache: changes since its revision, and as many of the missing fields as fit one reading.
            await cache.refresh(plan.requirements if plan else Requirements(), self._clock.now())
            if cache.kind is None:
                raise NoSuchWorkflowError("this organization has no such workflow")
            if plan is not None and plan.zone is cache.zone and plan.kind == cache.kind:
                answer = cache.answers.get(plan.tiling.effective)
                if answer is not None and answer.rules == plan.rules:
                    self._hits.inc()
                    return answer
                if has_many_goals(cache):
                    answer = await self._many_goals.answer(cache, plan)
                    if answer is not None:
                        return answer
                elif cache.has(plan.requirements):
                    # 6. Assemble the figures. 7. Encode them. No await since the refresh, so all is of one revision.
                    answer = encode(_figures(cache, plan), plan.effective, plan.rules)
                    self._add(cache, plan, answer)
                    return answer
            if time.monotonic() > deadline:
                raise late_error("the answer took too long to read; what was read is kept")

    def _plan(self, cache: WorkflowCache, start: datetime, end: datetime) -> Plan | None:
        """Plan with the zone and kind in the cache; None before the first reading."""
        if cache.zone is None or cache.kind is None:
            return None
        return make_plan(cache.zone, cache.kind, start, end, self._clock.now(), self._retention)

    def _add(self, cache: WorkflowCache, plan: Plan, answer: Answer) -> None:
        """Cache an answer until the workflow changes, and keep all caches within their memory."""
        cache.add_answer(plan.tiling.effective, answer)
        self._misses.inc()
        self._cache_bytes.set(self._caches.trim(cache))


def _figures(cache: WorkflowCache, plan: Plan) -> dict[str, Any]:
    """Assemble the figures from the cache, which has all requirements of the plan."""
    tiling = plan.tiling
    if plan.kind == "interaction":
        merged = cache.merge(tiling.runs, range(cache.goal_rows))
        return interaction(estimates(merged.rows), merged.sums, cache.rows, cache.names)
    known = {edge.runs: cache.edges[edge.runs] for edge in tiling.edges if edge.runs in cache.edges}
    unknown = [cache.edge_buckets(edge) for edge in tiling.edges if edge.runs not in known]
    figures, edges = page_navigation(tiling, cache.merge(tiling.runs), known, unknown)
    cache.add_edges(edges)
    return figures
