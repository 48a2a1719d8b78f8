"""The figures of a timeline's points, from the cache of their workflow.

A point has the figures of the report over its span, with the same bounds: a day has no more visitors than its hours, and a week or
month no more than its days.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from sidedata.calendar.tiling import Run
from sidedata.hyperloglog import Registers, empty, estimates, merge
from sidedata.reads.workflow_parts import BucketField, FieldName
from sidedata.schema import counts
from sidedata.service.report.assemble import EdgeFigures, Runs, day_visitors, edge_figures
from sidedata.service.report.points.point_cache import PointFigures
from sidedata.service.report.points.segment import Point
from sidedata.service.report.runs.merged_runs import SESSIONS, VISITORS
from sidedata.service.report.workflow_cache import WorkflowCache

_AT_ONCE: Final = 32  # points whose registers are in memory together, up to 1 MB
_NOTHING: Final = PointFigures()


def figures_of(cache: WorkflowCache, kind: str, points: Sequence[Point]) -> list[PointFigures]:
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
    rows = empty(len(points))
    for row, point in enumerate(points):
        _merge(cache, point.runs, "visitors", VISITORS, rows[row : row + 1])
    for point, visitors in zip(points, estimates(rows), strict=True):
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
    rows = empty(2 * len(points))
    for row, point in enumerate(points):
        _merge(cache, point.runs, "sessions", SESSIONS, rows[2 * row + 1 : 2 * row + 2])
        if not point.is_stored:
            _merge(cache, point.runs, "visitors", VISITORS, rows[2 * row : 2 * row + 1])
    estimated = estimates(rows)
    edges = [edge for point in points for edge in point.edges]
    figures_by_edge = {edge.runs: cache.edges[edge.runs] for edge in edges if edge.runs in cache.edges}
    computed = edge_figures([cache.edge_buckets(edge) for edge in edges if edge.runs not in figures_by_edge])
    cache.add_edges(computed)
    figures_by_edge |= computed
    for point, visitors, sessions in zip(points, estimated[::2], estimated[1::2], strict=True):
        yield PointFigures(visitors=_visitors(cache, figures_by_edge, point, visitors), sessions=sessions)


def _visitors(cache: WorkflowCache, edges: Mapping[Runs, EdgeFigures], point: Point, estimate: int) -> int:
    if point.hour is not None:
        return cache.fields[BucketField("day", point.hour.day_start, "counts")].counts.get(point.hour.field, 0)
    if not point.days and not point.edges:
        return estimate
    days = [day_visitors(cache.fields[BucketField("day", start, "counts")].counts) for start in point.days]
    days += [edges[edge.runs].visitors for edge in point.edges]
    return days[0] if len(days) == 1 else min(estimate, sum(days))


def _merge(cache: WorkflowCache, runs: Iterable[Run], name: FieldName, row: int, into: Registers) -> None:
    """Merge one field of all buckets into the single row `into`."""
    stacks = [cache.fields[BucketField(run.level, start, name)].stack for run in runs for start in run.starts]
    merge(into, [stack for stack in stacks if stack is not None], row)
