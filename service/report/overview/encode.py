"""An overview as JSON and as CSV (RFC 4180)."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from sidedata.events.timestamps import from_microseconds
from sidedata.reads.workflow_list import WorkflowState
from sidedata.service.report.timeline.encode import csv_bytes

# A spreadsheet would read such a cell as a formula, with whatever an event's producer or an administrator wrote there.
_FORMULA: Final = ("=", "+", "-", "@")
_COLUMNS: Final = (
    *("id", "kind", "name", "last_event_at", "unique_visitors_count", "unique_sessions_count"),
    *("started_workflows_count", "triggered_goals_count", "affected_goals_count"),
)


class Item(NamedTuple):
    """A workflow of an overview: its record, and its report and its points as JSON; None without points."""

    workflow: WorkflowState
    report: bytes
    points: bytes | None


def json_items(items: Sequence[Item], missing: Sequence[str]) -> dict[str, object]:
    """The overview as a JSON object."""
    workflows = []
    for workflow, report, points in items:
        item: dict[str, object] = {
            "id": workflow.id,
            "kind": workflow.kind,
            "name": workflow.name,
            "last_event_at": _text(workflow.last_event_us),
            "sidedata": Raw(report),
        }
        if points is not None:
            item["points"] = Raw(points)
        workflows.append(item)
    return {"workflows": workflows, "missing": list(missing)}


class _Purchase(Struct):
    value: Raw  # the number as it is written, because a float would round it
    currency: str


class _Metrics(Struct):
    events_count: int


class _Goal(Struct):
    metrics: _Metrics


class _Figures(Struct):
    """The figures of a report of either kind that have a column."""

    unique_visitors_count: int
    unique_sessions_count: int | UnsetType = UNSET
    started_workflows_count: int | UnsetType = UNSET
    triggered_goals: list[_Goal] = []
    affected_goals: list[_Goal] = []
    visitor_purchase_sums: list[_Purchase] = []


_FIGURES: Final = msgspec.json.Decoder(_Figures)


def csv_items(items: Sequence[Item]) -> bytes:
    """The overview as CSV; purchases have a column for each currency that any workflow has."""
    decoded = [(item.workflow, _FIGURES.decode(item.report)) for item in items]
    currencies = sorted({purchase.currency for _, figures in decoded for purchase in figures.visitor_purchase_sums})
    header = (*_COLUMNS, *(f"purchases_{currency}" for currency in currencies))
    return csv_bytes(header, [_row(workflow, figures, currencies) for workflow, figures in decoded])


def _row(workflow: WorkflowState, figures: _Figures, currencies: Sequence[str]) -> list[object]:
    name = workflow.name or ""
    row: list[object] = [
        workflow.id,
        workflow.kind,
        f"'{name}" if name.startswith(_FORMULA) else name,
        _text(workflow.last_event_us) or "",
        figures.unique_visitors_count,
    ]
    if workflow.kind == "page_navigation":
        return [*row, figures.unique_sessions_count, "", "", "", *("" for _ in currencies)]
    sums = {purchase.currency: bytes(purchase.value).decode() for purchase in figures.visitor_purchase_sums}
    events = [
        sum(goal.metrics.events_count for goal in goals) for goals in (figures.triggered_goals, figures.affected_goals)
    ]
    return [*row, "", figures.started_workflows_count, *events, *(sums.get(currency, "0") for currency in currencies)]


def _text(at_us: int | None) -> str | None:
    return None if at_us is None else from_microseconds(at_us)
