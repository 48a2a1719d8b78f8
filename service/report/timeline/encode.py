"""The points of a timeline as JSON and as CSV (RFC 4180)."""

import csv
from collections.abc import Iterable, Sequence
from io import StringIO
from typing import Final, Literal

from sidedata.events.decode import Kind
from sidedata.events.money import text_of
from sidedata.service.report.assemble import purchase_sums
from sidedata.service.report.points.point_cache import PointFigures
from sidedata.service.report.points.segment import Point
from sidedata.service.report.timeline.plan import TimelinePlan

Format = Literal["json", "csv"]

_PAGE_NAVIGATION: Final = ("unique_visitors_count", "unique_sessions_count")
_INTERACTION: Final = (
    "unique_visitors_count",
    "started_workflows_count",
    "triggered_goals_count",
    "affected_goals_count",
)


def json_points(kind: Kind, points: Sequence[Point], figures: Sequence[PointFigures]) -> list[dict[str, object]]:
    """The points of a kind of workflow as JSON objects."""
    if kind == "page_navigation":
        return [
            {
                "start": point.start,
                "end": point.end,
                "unique_visitors_count": figure.visitors,
                "unique_sessions_count": figure.sessions,
            }
            for point, figure in zip(points, figures, strict=True)
        ]
    return [
        {
            "start": point.start,
            "end": point.end,
            "unique_visitors_count": figure.visitors,
            "started_workflows_count": figure.started,
            "triggered_goals_count": figure.triggered,
            "affected_goals_count": figure.affected,
            "visitor_purchase_sums": purchase_sums(dict(figure.purchases)),
        }
        for point, figure in zip(points, figures, strict=True)
    ]


def csv_points(plan: TimelinePlan, figures: Sequence[PointFigures]) -> bytes:
    """The points as CSV; purchases have a column for each currency that any point has."""
    if plan.kind == "page_navigation":
        rows = [
            (point.start, point.end, figure.visitors, figure.sessions)
            for point, figure in zip(plan.points, figures, strict=True)
        ]
        return csv_bytes(("start", "end", *_PAGE_NAVIGATION), rows)
    currencies = sorted({currency for figure in figures for currency, _ in figure.purchases})
    header = ("start", "end", *_INTERACTION, *(f"purchases_{currency}" for currency in currencies))
    return csv_bytes(
        header,
        (
            (
                *(point.start, point.end, figure.visitors, figure.started, figure.triggered, figure.affected),
                *money(dict(figure.purchases), currencies),
            )
            for point, figure in zip(plan.points, figures, strict=True)
        ),
    )


def money(units: dict[str, int], currencies: Iterable[str]) -> list[str]:
    """The exact sums in those currencies, given in 1/10,000; 0 where there is none."""
    return [text_of(units.get(currency, 0)) for currency in currencies]


def csv_bytes(header: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    """A table in UTF-8 with CRLF at the end of each line."""
    text = StringIO()
    writer = csv.writer(text)
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode()
