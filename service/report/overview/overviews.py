"""Overviews: from a request to an answer, on the caches of the reports.

An overview that was answered before costs one look at Redis and a comparison: it depends on the state of its workflows alone. If a
workflow has changed, its part is refreshed and all others stay as they are.
"""

import asyncio
import contextlib
import time
from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Final, NamedTuple

from sidedata.calendar.reporting import reporting_zone
from sidedata.calendar.zones import Zone
from sidedata.clock import Clock
from sidedata.errors import StoreUnavailableError, late_error
from sidedata.events.decode import Kind
from sidedata.reads.workflow_list import WorkflowState, WorkflowStates, newest_ids, read_states
from sidedata.redis.gateway import Gateway
from sidedata.schema.installation import Installation
from sidedata.schema.records import KINDS
from sidedata.service.report.answer import Answer, answer_of, encode
from sidedata.service.report.overview.encode import Item, csv_items, json_items
from sidedata.service.report.overview.look import SharedLook
from sidedata.service.report.plan import ReportPlan, Requirements
from sidedata.service.report.reports import Reports, assemble
from sidedata.service.report.timeline.encode import Format
from sidedata.service.report.timeline.plan import TimelinePlan, make_timeline_plan
from sidedata.service.report.timeline.spans import MOST_POINTS, Granularity
from sidedata.service.report.timeline.timelines import points_answer
from sidedata.service.report.workflow_cache import WorkflowCache

_MOST_WORKFLOWS: Final = 100
_MOST_POINTS_TOGETHER: Final = 10_000
# Readings at once: each is short for Redis, and more at once would not be faster.
_AT_ONCE: Final = 4
# A refresh that took too long is repeated if another has succeeded this recently: then Redis answers, and the machine is busy.
_PATIENCE_SECONDS: Final = 1.0
_MOST_ANSWERS: Final = 32  # up to some hundred KB each
# A hundred workflows may take some seconds the first time; a Redis that does not answer is found out by each refresh.
_DEADLINE_SECONDS: Final = 8.0


class Question(NamedTuple):
    """The parameters of an overview; without workflows it is about the newest ones, without a granularity it has no points."""

    organization: str
    workflows: tuple[str, ...] | None
    interval: tuple[datetime, datetime]
    granularity: Granularity | None
    encoding: Format


class _NewRulesError(Exception):
    """The rules of the zone have changed since the plans were made: days may be cut again, so the plans are made again."""


class _Plans(NamedTuple):
    """The plans of one kind of workflow."""

    report: ReportPlan
    timeline: TimelinePlan | None
    requirements: Requirements


class _PatientRefresh:
    """Refreshes caches one after another, and bears with a slow one as long as others succeed."""

    def __init__(self, now: float) -> None:
        self._now = now
        self._succeeded_at = float("-inf")

    async def __call__(self, cache: WorkflowCache, requirements: Requirements) -> None:
        try:
            await cache.refresh(requirements, self._now)
        except StoreUnavailableError as error:
            if error.code != "TIMEOUT" or time.monotonic() - self._succeeded_at > _PATIENCE_SECONDS:
                raise
        else:
            self._succeeded_at = time.monotonic()


class Overviews:
    """The overviews of all organizations."""

    def __init__(self, gateway: Gateway, installation: Installation, reports: Reports, clock: Clock) -> None:
        self._gateway = gateway
        self._installation = installation
        self._reports = reports
        self._clock = clock
        self._look = SharedLook()
        self._answers: OrderedDict[tuple[object, ...], tuple[WorkflowStates, Answer]] = OrderedDict()

    async def answer(self, question: Question) -> Answer:
        """Answer a question.

        Raises:
            IntervalError: the interval is empty, too long, or before the oldest day kept.
            GranularityError: the granularity is too fine for the interval or for the number of workflows.
            StoreUnavailableError: Redis is out of reach.
            CommandRefusedError: this user lacks a right.
        """
        deadline = time.monotonic() + _DEADLINE_SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(_NewRulesError):
                return await self._answer(question)
        raise late_error("the rules of the zone change all the time")

    async def _answer(self, question: Question) -> Answer:
        read = partial(self._read, question.organization, question.workflows)
        state = await self._look.join((question.organization, question.workflows), read)
        now = self._clock.now()
        present = [workflow for workflow in state.workflows if workflow.kind is not None]
        plans = self._plans(question, reporting_zone(state.timezone, state.rules), now, len(present))
        any_plan = next(iter(plans.values())).report
        key = (question.organization, question.workflows, any_plan.key, question.granularity, question.encoding)
        cached = self._answers.get(key)
        if cached is not None and cached[0] == state and self._is_current(question.organization, present, state.names):
            self._answers.move_to_end(key)
            return cached[1]
        items = await self._items(question.organization, state, present, plans, now)
        absent = [workflow.id for workflow in state.workflows if workflow.id not in items]
        item_list = list(items.values())
        if question.encoding == "csv":
            answer = answer_of(csv_items(item_list), any_plan)
        else:
            answer = encode(json_items(item_list, absent if question.workflows is not None else []), any_plan)
        # The state was read before the numbers: if they are newer, the next look differs and the answer is made again.
        self._answers[key] = state, answer
        if len(self._answers) > _MOST_ANSWERS:
            self._answers.popitem(last=False)
        return answer

    async def _read(self, organization: str, workflows: tuple[str, ...] | None) -> WorkflowStates:
        ids: Sequence[str] = workflows or ()
        if workflows is None:
            ids = await newest_ids(self._gateway, self._installation, organization, _MOST_WORKFLOWS)
        return await read_states(self._gateway, self._installation, organization, ids)

    def _plans(self, question: Question, zone: Zone, now: float, workflows: int) -> dict[Kind, _Plans]:
        """The plans of both kinds, which have one effective interval."""
        plans: dict[Kind, _Plans] = {}
        for kind in KINDS:
            report = self._reports.plan(zone, kind, *question.interval, now)
            requirements, timeline = report.requirements, None
            if question.granularity is not None:
                most = min(MOST_POINTS, _MOST_POINTS_TOGETHER // max(1, workflows))
                timeline = make_timeline_plan(report, question.granularity, now, self._reports.retention, most)
                requirements = Requirements(requirements.runs, requirements.extra, timeline.segments)
            plans[kind] = _Plans(report, timeline, requirements)
        return plans

    def _is_current(self, organization: str, present: Sequence[WorkflowState], names: int) -> bool:
        """Tell if all caches hold the revisions of a state: after a failure of Redis they are empty or in doubt."""
        caches = [self._reports.cache(organization, workflow.id) for workflow in present]
        return all(
            cache.revision == workflow.revision and cache.names_revision == names
            for cache, workflow in zip(caches, present, strict=True)
        )

    async def _items(
        self,
        organization: str,
        state: WorkflowStates,
        present: Sequence[WorkflowState],
        plans: dict[Kind, _Plans],
        now: float,
    ) -> dict[str, Item]:
        """The items of the workflows that exist, in their order."""
        slots = asyncio.Semaphore(_AT_ONCE)
        deadline = time.monotonic() + _DEADLINE_SECONDS
        refresh = _PatientRefresh(now)

        async def item(workflow: WorkflowState) -> Item | None:
            kind = workflow.kind
            assert kind is not None  # noqa: S101 - only workflows that exist come here
            cache, own = self._reports.cache(organization, workflow.id), plans[kind]
            current = (workflow.revision, kind, state.timezone, state.names)
            if (cache.revision, cache.kind, cache.timezone, cache.names_revision) == current:
                found = self._cached(cache, workflow, own)
                if found is not None:
                    return found
            cache.expect(kind)
            async with slots:
                while time.monotonic() < deadline:
                    await refresh(cache, own.requirements)
                    if cache.revision is not None and (cache.kind != kind or cache.timezone != state.timezone):
                        return None  # it was purged a moment ago
                    report = await self._reports.assemble_in_steps(cache, own.report)
                    if cache.revision is not None and cache.rules != state.rules:
                        raise _NewRulesError
                    found = self._cached(cache, workflow, own, report)
                    if found is not None:
                        return found
            raise late_error("the answer took too long to read")

        items = await asyncio.gather(*map(item, present))
        return {found.workflow.id: found for found in items if found is not None}

    def _cached(
        self, cache: WorkflowCache, workflow: WorkflowState, plans: _Plans, report: Answer | None = None
    ) -> Item | None:
        """A workflow's item as of the cache's revision; None if the cache lacks some of what it needs."""
        report = report or self._reports.cached(cache, plans.report, assemble)
        if report is None or plans.timeline is None:
            return None if report is None else Item(workflow, report.body, None)
        points = self._reports.cached(cache, plans.timeline, points_answer)
        return None if points is None else Item(workflow, report.body, points.body)
