"""Figures of an answer, assembled from merged buckets. Pure.

Each number is a sum of stored counts (whole hours and days), an estimate of merged sketches (totals, and the partial hours and
days at the edges), or a sum of exact counts.

Estimates err by 0.81 %, so two of them can contradict each other: a day with more visitors than its hours together, a goal with
more visitors than events. The exact numbers can't, so an estimate above such a bound is given as the bound, which is nearer.
"""

from collections.abc import Iterator, Mapping, Sequence
from operator import add
from typing import NamedTuple, NotRequired, TypedDict

import msgspec
import numpy as np

from sidedata.calendar.tiling import PartialDay, Run, Tiling
from sidedata.events.money import text_of
from sidedata.schema import counts
from sidedata.service.report.runs.merged_runs import MergedRun
from sidedata.sketches.hyperloglog import REGISTERS, Registers, estimates

HOURS = tuple(f"hour {index}" for index in range(24))  # names of sums over whole days
WEEKDAYS = tuple(f"weekday {number}" for number in range(1, 8))

Runs = tuple[Run, ...]


def day_sums(fields: Mapping[str, int], weekday: int) -> dict[str, int]:
    """The visitors that a whole day adds to each hour of day and to its weekday, from its stored counts."""
    sums: dict[str, int] = {}
    of_hours = 0
    for index, visitors in counts.hours_of(fields):
        sums[HOURS[index]] = sums.get(HOURS[index], 0) + visitors
        of_hours += visitors
    # A day has at most the visitors of its hours.
    sums[WEEKDAYS[weekday - 1]] = min(fields.get(counts.VISITORS, 0), of_hours)
    return sums


def day_visitors(sums: Mapping[str, int]) -> int:
    """The visitors of a whole day, from its `day_sums`."""
    return next(sums[name] for name in WEEKDAYS if name in sums)


class EdgeBuckets(NamedTuple):
    """The data of a partial day: the counts stored of the whole day, and merged visitors.

    `visitors` holds one row for all of the partial day, then one for each partial hour, in order.
    """

    edge: PartialDay
    counts: Mapping[str, int]
    visitors: Sequence[Registers]


class EdgeFigures(NamedTuple):
    """The visitors of a partial day, and the visitors that it adds to each hour of day."""

    visitors: int
    hours: tuple[int, ...]


class Timeframe(TypedDict):
    """Pairs of visitors and a weekday or an hour; without weekdays in an interval of one day."""

    day_in_week: NotRequired[list[list[int]]]
    hour_in_day: list[list[int]]


class PageNavigationFigures(TypedDict):
    """The figures of a page-navigation workflow, encoded in the order of the assembled keys."""

    timeframe_stat: Timeframe
    unique_visitors_count: int
    unique_sessions_count: int


class PurchaseSum(TypedDict):
    """A sum of money as raw JSON, with its currency."""

    value: msgspec.Raw
    currency: str


class GoalMetrics(TypedDict):
    """The figures of a goal."""

    events_count: int
    unique_visitors_count: int
    unique_sessions_count: int


class GoalFigures(TypedDict):
    """A goal of one role with its figures."""

    uuid: str
    name: str
    metrics: GoalMetrics


class InteractionFigures(TypedDict):
    """The figures of an interaction workflow, encoded in the order of the assembled keys."""

    unique_visitors_count: int
    started_workflows_count: int
    visitor_purchase_sums: list[PurchaseSum]
    triggered_goals: list[GoalFigures]
    affected_goals: list[GoalFigures]


def page_navigation(
    tiling: Tiling, total: MergedRun, cached_edges: Mapping[Runs, EdgeFigures], uncached_edges: Sequence[EdgeBuckets]
) -> tuple[PageNavigationFigures, dict[Runs, EdgeFigures]]:
    """Assemble the figures of a page-navigation workflow, and the figures of edges that were not cached.

    Args:
        total: all runs of the tiling merged: the rows of visitors and of sessions, and sums.
        cached_edges: figures of edges by their runs; many intervals share them.
        uncached_edges: the data of all other edges of the tiling.
    """
    # One call for all rows: a call has a fixed cost of some rows.
    rows = [total.rows, *(row for buckets in uncached_edges for row in buckets.visitors)]
    estimated = iter(estimates(np.concatenate(rows) if uncached_edges else total.rows))
    visitors, sessions = next(estimated), next(estimated)
    computed = {buckets.edge.runs: _edge_figures(buckets, estimated) for buckets in uncached_edges}

    hours = [total.sums.get(name, 0) for name in HOURS]
    weekdays = [total.sums.get(name, 0) for name in WEEKDAYS]
    for edge in tiling.edges:
        figures = cached_edges[edge.runs] if edge.runs in cached_edges else computed[edge.runs]
        hours = list(map(add, hours, figures.hours))
        weekdays[edge.day.weekday - 1] += figures.visitors
    # Of one day the estimate is the same, but the hours may bound it.
    visitors = min(visitors, sum(weekdays)) if tiling.several_days else sum(weekdays)
    hour_in_day = [[value, hour] for hour, value in enumerate(hours)]
    timeframe: Timeframe = {"hour_in_day": hour_in_day}
    if tiling.several_days:
        day_in_week = [[value, weekday] for weekday, value in enumerate(weekdays, 1)]
        timeframe = {"day_in_week": day_in_week, "hour_in_day": hour_in_day}
    answer: PageNavigationFigures = {
        "timeframe_stat": timeframe,
        "unique_visitors_count": visitors,
        "unique_sessions_count": sessions,
    }
    return answer, computed


def edge_figures(uncached_edges: Sequence[EdgeBuckets]) -> dict[Runs, EdgeFigures]:
    """The figures of partial days, by their runs."""
    if not uncached_edges:
        return {}
    estimated = iter(
        estimates(
            np.concatenate([row for buckets in uncached_edges for row in buckets.visitors]).reshape(-1, REGISTERS)
        )
    )
    return {buckets.edge.runs: _edge_figures(buckets, estimated) for buckets in uncached_edges}


def _edge_figures(buckets: EdgeBuckets, estimated: Iterator[int]) -> EdgeFigures:
    """The figures of an edge, at most the sum of its hours; `estimated` continues with the estimates of its rows."""
    visitors = next(estimated)
    hours = [0] * len(HOURS)
    for hour, whole, _ in buckets.edge.hours:
        field = counts.hour_field(hour.index, hour.offset)
        hours[hour.index] += buckets.counts.get(field, 0) if whole else next(estimated)
    return EdgeFigures(min(visitors, sum(hours)), tuple(hours))


def interaction(
    distinct: Sequence[int], sums: Mapping[str, int], rows: Mapping[str, int], names: Mapping[str, str]
) -> InteractionFigures:
    """Assemble the figures of an interaction workflow.

    Args:
        distinct: estimates by row: visitors, then visitors and sessions of each goal.
        sums: of the counts of all runs of the tiling.
        rows: the row of each goal's visitors, by `<role>:<goal>`; its sessions have the next row.
        names: the names of goals.
    """
    total = counts.decode(sums)
    return {
        "unique_visitors_count": distinct[0],
        "started_workflows_count": total.started,
        "visitor_purchase_sums": purchase_sums(total.purchases),
        "triggered_goals": _goals("triggered", total.triggered, distinct, rows, names),
        "affected_goals": _goals("affected", total.affected, distinct, rows, names),
    }


def _goals(
    role: counts.Role,
    events: Mapping[str, int],
    distinct: Sequence[int],
    rows: Mapping[str, int],
    names: Mapping[str, str],
) -> list[GoalFigures]:
    """The goals of one role, the most frequent first, ties by id."""
    goals: list[GoalFigures] = []
    for goal, count in sorted(events.items(), key=lambda item: (-item[1], item[0])):
        if count:
            row = rows[counts.goal_field(role, goal)]
            metrics: GoalMetrics = {
                "events_count": count,
                "unique_visitors_count": min(distinct[row], count),
                "unique_sessions_count": min(distinct[row + 1], count),
            }
            goals.append({"uuid": goal, "name": names.get(goal, ""), "metrics": metrics})
    return goals


def purchase_sums(units: Mapping[str, int]) -> list[PurchaseSum]:
    """The sums of money by currency, as raw JSON, because an encoder of floats would round."""
    return [
        {"value": msgspec.Raw(text_of(total).encode()), "currency": currency}
        for currency, total in sorted(units.items())
    ]
