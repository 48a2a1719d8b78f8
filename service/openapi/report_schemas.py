"""Schemas of timelines and overviews for OpenAPI."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from sidedata.service.openapi.schemas import (
    AnyUuid,
    Count,
    InteractionReport,
    IntervalBody,
    PageNavigationReport,
    PurchaseSum,
    Uuid,
)

Granularity = Literal["5min", "hour", "day", "week", "month"]
Local = Annotated[
    str,
    Meta(
        description="ISO 8601 with the offset of the organization's reporting time zone",
        extra_json_schema={"format": "date-time"},
    ),
]


class TimelineBody(Struct, forbid_unknown_fields=True):
    """A query for a timeline."""

    interval: IntervalBody
    granularity: Granularity


class _Point(Struct):
    start: Local
    end: Local
    unique_visitors_count: Count


class PageNavigationPoint(_Point):
    """The figures of one point of a workflow of kind `page_navigation`."""

    unique_sessions_count: Count


class InteractionPoint(_Point):
    """The figures of one point of a workflow of kind `interaction`; goals are counted by events, all goals together."""

    started_workflows_count: Count
    triggered_goals_count: Count
    affected_goals_count: Count
    visitor_purchase_sums: list[PurchaseSum]


class _Timeline(Struct):
    granularity: Granularity


class PageNavigationTimeline(_Timeline):
    """The timeline of a workflow of kind `page_navigation`, at most 1,000 points."""

    points: list[PageNavigationPoint]


class InteractionTimeline(_Timeline):
    """The timeline of a workflow of kind `interaction`, at most 1,000 points."""

    points: list[InteractionPoint]


class OverviewBody(Struct, forbid_unknown_fields=True):
    """A query for an overview."""

    interval: IntervalBody
    workflows: Annotated[
        Annotated[list[AnyUuid], Meta(min_length=1, max_length=100)] | UnsetType,
        Meta(description="in the order of the answer; without it the first 100 of the list of workflows"),
    ] = UNSET
    granularity: Granularity | UnsetType = UNSET


class _Item(Struct, tag_field="kind"):
    id: Uuid
    name: str | None
    last_event_at: str | None


class PageNavigationItem(_Item, tag="page_navigation"):
    """A workflow of kind `page_navigation` with its report, and with its points if the query has a granularity."""

    sidedata: PageNavigationReport
    points: list[PageNavigationPoint] | UnsetType = UNSET


class InteractionItem(_Item, tag="interaction"):
    """A workflow of kind `interaction` with its report, and with its points if the query has a granularity."""

    sidedata: InteractionReport
    points: list[InteractionPoint] | UnsetType = UNSET


class Overview(Struct):
    """The reports of many workflows; `missing` are those that the organization does not have."""

    workflows: list[PageNavigationItem | InteractionItem]
    missing: list[Uuid]
