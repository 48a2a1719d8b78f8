"""Schemas of timelines and overviews for OpenAPI."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from sidedata.service.openapi.schemas import Count, IntervalBody, PurchaseSum

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


class PageNavigationPoint(Struct):
    """The figures of one point of a workflow of kind `page_navigation`."""

    start: Local
    end: Local
    unique_visitors_count: Count
    unique_sessions_count: Count


class InteractionPoint(Struct):
    """The figures of one point of a workflow of kind `interaction`; goals are counted by events, all goals together."""

    start: Local
    end: Local
    unique_visitors_count: Count
    started_workflows_count: Count
    triggered_goals_count: Count
    affected_goals_count: Count
    visitor_purchase_sums: list[PurchaseSum]


class PageNavigationTimeline(Struct):
    """The timeline of a workflow of kind `page_navigation`, at most 1,000 points."""

    granularity: Granularity
    points: list[PageNavigationPoint]


class InteractionTimeline(Struct):
    """The timeline of a workflow of kind `interaction`, at most 1,000 points."""

    granularity: Granularity
    points: list[InteractionPoint]
