"""The report: from a question to an answer.

    interval ─▶ effective interval ─▶ cover ─▶ parts ─▶ view (refresh until all are there) ─▶ assemble ─▶ JSON

An answer is a function of the workflow's revision and the effective interval, so it is kept until the workflow changes;
dashboards that ask for "the last 30 days" with a new `now` each time share it until the 5 minutes are over.
"""

import hashlib
import time
from datetime import datetime
from functools import lru_cache
from typing import get_args

import msgspec
from prometheus_client import CollectorRegistry

from sidedata.calendar.levels import Retention
from sidedata.calendar.tiling import Cover, Span, cover, effective_interval
from sidedata.calendar.zones import Zone, zone
from sidedata.clock import Clock
from sidedata.errors import SidedataError, StoreUnavailableError, UsageError
from sidedata.events.decode import Kind
from sidedata.redis.client import Client
from sidedata.schema.installation import Installation
from sidedata.service.metrics import ServiceMetrics
from sidedata.service.report.assemble import interaction, needs, page_navigation
from sidedata.service.report.cache_bound import Views
from sidedata.service.report.merged_runs import Needs
from sidedata.service.report.workflow_cache import Answer, View
from sidedata.settings import Settings

__all__ = ["Answer", "IntervalError", "NoSuchWorkflowError", "Reports"]

_ENCODER = msgspec.json.Encoder()
_LONGEST_US = 400 * 86_400 * 1_000_000
# 0001-01-02 to 9999-12-29, so that no zone and no widening leaves the years that dates can have.
_EARLIEST_US, _LATEST_US = -62_135_510_400_000_000, 253_402_041_600_000_000
# An answer that needs more readings than this allows is not to be had now; the largest needs some eighty.
_PATIENCE_SECONDS = 0.75
_USUAL_SECONDS = 30 * 86_400
_MOST_ANSWERS = 1_000  # of one workflow, some 2 KB each; who asks for random intervals gains nothing from more
_MOST_RIMS = 2_000  # of one workflow, some 1 KB each; intervals share them


class NoSuchWorkflowError(SidedataError):
    """The organization has no workflow of that id."""


class IntervalError(SidedataError):
    """The interval can't be answered; `pointer` says which part of the question is at fault."""

    def __init__(self, pointer: str, detail: str) -> None:
        super().__init__(detail)
        self.pointer = pointer


class Reports:
    """Answers questions about workflows."""

    def __init__(
        self,
        client: Client,
        installation: Installation,
        settings: Settings,
        clock: Clock,
        metrics: ServiceMetrics | None = None,
    ) -> None:
        self._client = client
        self._installation = installation
        self._retention = Retention.of(settings)
        self._clock = clock
        self._views = Views(settings.cache_mb << 20)
        metrics = metrics or ServiceMetrics(CollectorRegistry())
        self._kept, self._assembled = metrics.reports.labels("kept"), metrics.reports.labels("assembled")
        self._cache_bytes = metrics.cache_bytes
        # What only the first question of a process takes, some 20 ms, no asker should wait for: the names of zones are read, and
        # the days of the most common one are found.
        now = int(clock.now())
        for kind in get_args(Kind):
            _planned(zone("UTC"), now - _USUAL_SECONDS, now, now, self._retention, kind)

    async def answer(self, organization_id: str, workflow_id: str, start: datetime, end: datetime) -> Answer:
        """The figures of `start <= t < end`; date-times without an offset are in the organization's reporting zone.

        Raises:
            NoSuchWorkflowError: there is no such workflow in this organization.
            IntervalError: the interval is empty, too long, or before all that is kept.
            StoreUnavailableError: Redis is out of reach.
        """
        view = self._views.of(organization_id, workflow_id)
        needed = Needs()
        plan: _Plan | None = None
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while True:
            # Planned ahead with the zone as last seen, so that in the ordinary case one reading brings all.
            if view.timezone is not None and view.kind is not None:
                plan = self._plan(view, start, end)
                needed = plan.needs
            await view.refresh(self._client, self._installation, needed, self._clock.now())
            if view.kind is None:
                raise NoSuchWorkflowError("this organization has no such workflow")
            if plan is not None and plan.zone.name == view.timezone and plan.kind == view.kind:
                answer = view.answers.get(plan.cover.effective)
                if answer is not None:
                    self._kept.inc()
                    return answer
                if view.has(needed):
                    return self._assembled_answer(view, plan)
            if time.monotonic() > deadline:
                raise StoreUnavailableError("the answer took too long to read")

    def _assembled_answer(self, view: View, plan: "_Plan") -> Answer:
        """Assemble the answer and keep it until the workflow changes."""
        answer = _assemble(view, plan)
        if len(view.answers) >= _MOST_ANSWERS:
            view.answers.clear()
        if len(view.rims) >= _MOST_RIMS:
            view.rims.clear()
        view.answers[plan.cover.effective] = answer
        self._assembled.inc()
        self._cache_bytes.set(self._views.trim(view))
        return answer

    def _plan(self, view: View, start: datetime, end: datetime) -> "_Plan":
        reporting = zone(view.timezone or "UTC")
        start_us, end_us = reporting.instant_us(start), reporting.instant_us(end)
        if not _EARLIEST_US <= start_us < end_us <= _LATEST_US or end_us - start_us > _LONGEST_US:
            raise _fault(start_us, end_us)
        # No bucket begins or ends within a second, so whole seconds around the interval come to the same.
        seconds = start_us // 1_000_000, -(-end_us // 1_000_000)
        return _planned(reporting, *seconds, int(self._clock.now()), self._retention, view.kind or "")


def _fault(start_us: int, end_us: int) -> IntervalError:
    """What is wrong with an interval."""
    for pointer, instant in (("/interval/start", start_us), ("/interval/end", end_us)):
        if not _EARLIEST_US <= instant <= _LATEST_US:
            return IntervalError(pointer, "outside of the years 1 to 9999")
    if end_us <= start_us:
        return IntervalError("/interval/end", "must be after the start")
    return IntervalError("/interval", "longer than 400 days of 24 hours")


class _Plan(msgspec.Struct, frozen=True):
    """What a question comes to."""

    zone: Zone
    kind: str
    cover: Cover
    needs: Needs
    effective: str


@lru_cache(maxsize=1024)
def _planned(reporting: Zone, start: int, end: int, now: int, retention: Retention, kind: str) -> _Plan:
    """Dashboards that ask for "the last 30 days" within a second ask for the same seconds."""
    try:
        effective = effective_interval(start * 1_000_000, end * 1_000_000, reporting, now, retention)
    except UsageError as error:
        raise IntervalError("/interval", str(error)) from error
    return _covered(reporting, effective.start, effective.end, now // 300, kind)


@lru_cache(maxsize=512)
def _covered(reporting: Zone, start: int, end: int, now_fine: int, kind: str) -> _Plan:
    """The same few intervals are asked for again and again; `now` matters only as a bound of the future."""
    tiles = cover(Span(start, end), reporting, now_fine * 300)
    return _Plan(reporting, kind, tiles, needs(tiles, kind), f"{reporting.text(start)}/{reporting.text(end)}")


def _assemble(view: View, plan: _Plan) -> Answer:
    if plan.kind == "interaction":
        figures = interaction(plan.cover, merge=view.merge, rows=view.rows, names=view.names)
    else:
        figures = page_navigation(plan.cover, merge=view.merge, counts=view.counts, rims=view.rims)
    body = _ENCODER.encode(figures)
    # The tag covers the interval too: the same numbers for another one are another answer.
    tag = hashlib.blake2b(body + plan.effective.encode(), digest_size=12).hexdigest()
    return Answer(body, f'"{tag}"', plan.effective)
