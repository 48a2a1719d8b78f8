"""Reports: from a request to an answer.

An answer is a function of the workflow's revision and the effective interval, so it is cached until the workflow changes.
Dashboards that poll "the last 30 days" with a new `now` each time share it until the current 5 minutes are over.
"""

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

from prometheus_client import CollectorRegistry

from sidedata.calendar.levels import Retention
from sidedata.calendar.zones import Zone, zone
from sidedata.clock import Clock
from sidedata.errors import SidedataError, late_error
from sidedata.events.decode import Kind
from sidedata.redis.gateway import Gateway
from sidedata.schema.installation import Installation
from sidedata.schema.records import KINDS
from sidedata.service.metrics import ServiceMetrics
from sidedata.service.report.answer import Answer, encode
from sidedata.service.report.assemble import InteractionFigures, PageNavigationFigures, interaction, page_navigation
from sidedata.service.report.many_goals import ManyGoals, has_many_goals
from sidedata.service.report.plan import IntervalError, ReportPlan, Requirements, make_plan
from sidedata.service.report.workflow_cache import WorkflowCache
from sidedata.service.report.workflow_caches import WorkflowCaches
from sidedata.settings import Settings

__all__ = ["Answer", "IntervalError", "NoSuchWorkflowError", "Reports"]

# The largest answer takes some eighty readings; one that takes longer than this is given up, because answers are due in a second.
_DEADLINE_SECONDS = 0.75
_COMMON_RANGE = timedelta(days=30)


class NoSuchWorkflowError(SidedataError):
    """The organization has no workflow of that id."""


class AnswerPlan(Protocol):
    """A plan of some kind of answer."""

    @property
    def zone(self) -> Zone:
        """The zone that it was made with."""
        ...

    @property
    def kind(self) -> Kind:
        """The kind of workflow that it was made for."""
        ...

    @property
    def requirements(self) -> Requirements:
        """The fields that the answer needs."""
        ...

    @property
    def key(self) -> tuple[object, ...]:
        """Tells answers of one workflow apart."""
        ...


AnyPlan = TypeVar("AnyPlan", bound=AnswerPlan)


class Reports:
    """The reports of all workflows, from one cache for each; timelines and overviews share these caches."""

    def __init__(
        self,
        gateway: Gateway,
        installation: Installation,
        settings: Settings,
        clock: Clock,
        metrics: ServiceMetrics | None = None,
    ) -> None:
        self.retention = Retention.of(settings)
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
        for kind in KINDS:
            make_plan(utc, kind, end - _COMMON_RANGE, end, now, self.retention)

    async def answer(self, organization_id: str, workflow_id: str, start: datetime, end: datetime) -> Answer:
        """Answer over `start <= t < end`; date-times without an offset are in the organization's reporting zone.

        Raises:
            NoSuchWorkflowError: there is no such workflow in this organization.
            IntervalError: the interval is empty, too long, or before the oldest day kept.
            StoreUnavailableError: Redis is out of reach.
        """

        def plan(zone: Zone, kind: Kind, now: float) -> ReportPlan:
            return self.plan(zone, kind, start, end, now)

        return await self.resolve(self.cache(organization_id, workflow_id), plan, assemble)

    def cache(self, organization_id: str, workflow_id: str) -> WorkflowCache:
        """The cache of a workflow, empty at first."""
        return self._caches.get(organization_id, workflow_id)

    def plan(self, zone: Zone, kind: Kind, start: datetime, end: datetime, now: float) -> ReportPlan:
        """Plan a report.

        Raises:
            IntervalError: the interval is empty, too long, or before the oldest day kept.
        """
        return make_plan(zone, kind, start, end, now, self.retention)

    async def resolve(
        self,
        cache: WorkflowCache,
        make: Callable[[Zone, Kind, float], AnyPlan],
        assemble: Callable[[WorkflowCache, AnyPlan], Answer],
    ) -> Answer:
        """Find the answer of a plan in a cache, or assemble it there.

        Args:
            make: plans with the zone and the kind of the workflow, and the time.
            assemble: makes the answer from a cache that has all that the plan requires.

        Raises:
            NoSuchWorkflowError: there is no such workflow in this organization.
            StoreUnavailableError: Redis is out of reach.
        """
        deadline = time.monotonic() + _DEADLINE_SECONDS
        while True:
            now = self._clock.now()
            # 1. The time zone and kind as last read: planned with these, one reading usually brings everything.
            # 2. to 4. The effective interval, the tiling and the requirements.
            plan = None
            if cache.zone is not None and cache.kind is not None:
                plan = make(cache.zone, cache.kind, now)
            # 5. Refresh the cache: changes since its revision, and as many of the missing fields as fit one reading.
            await cache.refresh(plan.requirements if plan else Requirements(), now)
            if cache.kind is None:
                raise NoSuchWorkflowError("this organization has no such workflow")
            if plan is not None and plan.zone is cache.zone and plan.kind == cache.kind:
                answer = self.cached(cache, plan, assemble)
                if answer is not None:
                    return answer
                if isinstance(plan, ReportPlan):
                    answer = await self.assemble_in_steps(cache, plan)
                if answer is not None:
                    return answer
            if time.monotonic() > deadline:
                raise late_error("the answer took too long to read; what was read is kept")

    def cached(
        self, cache: WorkflowCache, plan: AnyPlan, assemble: Callable[[WorkflowCache, AnyPlan], Answer]
    ) -> Answer | None:
        """The answer of a plan as of the cache's revision; None if fields are missing, or goals are too many for one step."""
        answer = cache.answers.get(plan.key)
        if answer is not None:
            self._hits.inc()
            return answer
        if (isinstance(plan, ReportPlan) and has_many_goals(cache)) or not cache.has(plan.requirements):
            return None
        # 6. Assemble the figures. 7. Encode them. No await since the refresh, so all is of one revision.
        answer = assemble(cache, plan)
        self._add(cache, plan.key, answer)
        return answer

    async def assemble_in_steps(self, cache: WorkflowCache, plan: ReportPlan) -> Answer | None:
        """The report of a workflow with many goals, for which `cached` has none; None of another, or if fields are missing."""
        return await self._many_goals.answer(cache, plan) if has_many_goals(cache) else None

    def _add(self, cache: WorkflowCache, key: tuple[object, ...], answer: Answer) -> None:
        """Cache an answer until the workflow changes, and keep all caches within their memory."""
        cache.answers.add(key, answer)
        self._misses.inc()
        self._cache_bytes.set(self._caches.trim(cache))


def assemble(cache: WorkflowCache, plan: ReportPlan) -> Answer:
    """Assemble a report from the cache, which has all requirements of the plan."""
    return encode(_figures(cache, plan), plan)


def _figures(cache: WorkflowCache, plan: ReportPlan) -> PageNavigationFigures | InteractionFigures:
    tiling = plan.tiling
    if plan.kind == "interaction":
        distinct, sums = cache.estimates(tiling.runs)
        return interaction(distinct, sums, cache.rows, cache.names)
    cached_edges = {edge.runs: cache.edges[edge.runs] for edge in tiling.edges if edge.runs in cache.edges}
    uncached_edges = [cache.edge_buckets(edge) for edge in tiling.edges if edge.runs not in cached_edges]
    figures, edges = page_navigation(tiling, cache.merge(tiling.runs), cached_edges, uncached_edges)
    cache.add_edges(edges)
    return figures
