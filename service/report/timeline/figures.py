"""The figures of a timeline's points, from the cache of their workflow.

A point has the figures of the report over its span, with the same bounds: a day has no more visitors than its hours, and a week or
month no more than its days.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from sidedata.calendar.tiling import Run
from sidedata.events.decode import Kind
from sidedata.schema import counts
from sidedata.schema.bucket_fields import BucketField, FieldName
from sidedata.service.report.assemble import EdgeFigures, Runs, day_visitors, edge_figures
from sidedata.service.report.points.point_cache import PointFigures
from sidedata.service.report.points.segment import Point
from sidedata.service.report.runs.merged_runs import SESSIONS, VISITORS
from sidedata.service.report.runs.raised import sparse_estimates
from sidedata.service.report.workflow_cache import WorkflowCache
from sidedata.sketches.hyperloglog import REGISTERS, Stack, empty, estimates, merge

_AT_ONCE: Final = 32  # points whose registers are in memory together, up to 1 MB
_NOTHING: Final = PointFigures()


def figures_of(cache: WorkflowCache, kind: Kind, points: Sequence[Point]) -> list[PointFigures]:
    """The figures of points in order; the cache must have all fields that they need."""
    unknown = [point for point in points if point.runs and cache.points.get(point.runs) is None]
    compute = _page_navigation if kind == "page_navigation" else _interaction
    new_figures: dict[tuple[Run, ...], PointFigures] = {}
    for first in range(0, len(unknown), _AT_ONCE):
        some = unknown[first : first + _AT_ONCE]
        new_figures.update(zip((point.runs for point in some), compute(cache, some), strict=True))
    figures = [new_figures.get(point.runs) or cache.points.get(point.runs) or _NOTHING for point in points]
    for runs, computed in new_figures.items():
        cache.points.add(runs, computed)
    return figures


def _interaction(cache: WorkflowCache, points: Sequence[Point]) -> Iterable[PointFigures]:
    estimated = _estimates(cache, [(point.runs, "visitors") for point in points])
    for point, visitors in zip(points, estimated, strict=True):
        sums: dict[str, int] = {}
        for run in point.runs:
            for start in run.starts:
                for name, value in cache.fields[BucketField(run.level, start, "counts")].counts.items():
                    sums[name] = sums.get(name, 0) + value
        total = counts.decode(sums)
        yield PointFigures(
            visitors=visitors,
            started=total.started,
            triggered=sum(total.triggered.values()),
            affected=sum(total.affected.values()),
            purchases=tuple(sorted(total.purchases.items())),
        )


def _page_navigation(cache: WorkflowCache, points: Sequence[Point]) -> Iterable[PointFigures]:
    sessions = _estimates(cache, [(point.runs, "sessions") for point in points])
    visitors = iter(_estimates(cache, [(point.runs, "visitors") for point in points if not point.is_stored]))
    edges = [edge for point in points for edge in point.edges]
    figures_by_edge = {edge.runs: cache.edges[edge.runs] for edge in edges if edge.runs in cache.edges}
    computed = edge_figures([cache.edge_buckets(edge) for edge in edges if edge.runs not in figures_by_edge])
    cache.add_edges(computed)
    figures_by_edge |= computed
    for point, of_point in zip(points, sessions, strict=True):
        estimate = 0 if point.is_stored else next(visitors)
        yield PointFigures(visitors=_visitors(cache, figures_by_edge, point, estimate), sessions=of_point)


def _visitors(cache: WorkflowCache, edges: Mapping[Runs, EdgeFigures], point: Point, estimate: int) -> int:
    if point.hour is not None:
        return cache.fields[BucketField("day", point.hour.day_start, "counts")].counts.get(point.hour.field, 0)
    if not point.days and not point.edges:
        return estimate
    days = [day_visitors(cache.fields[BucketField("day", start, "counts")].sums) for start in point.days]
    days += [edges[edge.runs].visitors for edge in point.edges]
    return days[0] if len(days) == 1 else min(estimate, sum(days))


def _estimates(cache: WorkflowCache, wanted: Sequence[tuple[Sequence[Run], FieldName]]) -> list[int]:
    """Estimate sketches of one name, merged from all buckets of some runs, for each of these."""
    stacks = [
        [
            stack
            for run in runs
            for start in run.starts
            if (stack := cache.fields[BucketField(run.level, start, name)].stack) is not None
        ]
        for runs, name in wanted
    ]
    stored = [own[0].stored_estimate if len(own) == 1 else None for own in stacks]
    unknown = [number for number, estimate in enumerate(stored) if estimate is None]
    found = iter(
        _estimates_of(
            [stacks[number] for number in unknown],
            [SESSIONS if wanted[number][1] == "sessions" else VISITORS for number in unknown],
        )
    )
    return [next(found) if estimate is None else estimate for estimate in stored]


def _estimates_of(stacks: Sequence[Sequence[Stack]], rows: Sequence[int]) -> list[int]:
    """Estimate the union of each group of stacks, which have their sketches in that row."""
    if not any(stack.large for own in stacks for stack in own):
        # The registers of each sketch have its row among the fields of a bucket; here each group has a row of its own.
        found = sparse_estimates(
            [
                (stack.indexes + (number - row) * REGISTERS, stack.values)
                for number, (own, row) in enumerate(zip(stacks, rows, strict=True))
                for stack in own
            ],
            len(stacks),
        )
        if found is not None:
            return found
    merged = empty(len(stacks))
    for number, (own, row) in enumerate(zip(stacks, rows, strict=True)):
        merge(merged[number : number + 1], own, row)
    return estimates(merged)
