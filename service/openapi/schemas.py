"""Schemas of the bodies for OpenAPI: fields, limits and meanings.

The service does not use them to read or write bodies; a test validates real responses against them.
"""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

Count = Annotated[int, Meta(ge=0)]
# Not a tuple: its schema has `"items": false`, at which generators of clients fail.
Pair = Annotated[list[Count], Meta(min_length=2, max_length=2)]
Uuid = Annotated[str, Meta(pattern="^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", description="a UUID in lower case")]
AnyUuid = Annotated[
    str, Meta(pattern="^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$", description="a UUID in any case")
]
Moment = Annotated[
    str,
    Meta(
        description="ISO 8601, in any form that Python reads; without an offset it is in the organization's reporting time zone"
    ),
]


class IntervalBody(Struct, forbid_unknown_fields=True):
    """A half-open interval: `start <= t < end`, at most 400 days of 24 hours."""

    start: Moment
    end: Moment


class QueryBody(Struct, forbid_unknown_fields=True):
    """A query."""

    interval: IntervalBody


class TimeframeStat(Struct):
    """Unique visitors by hour and by weekday."""

    hour_in_day: Annotated[
        list[Pair],
        Meta(description="24 pairs [visitors, hour]; the visitors of all days in that hour of day, summed"),
    ]
    day_in_week: Annotated[
        list[Pair] | UnsetType,
        Meta(
            description="7 pairs [visitors, weekday], 1 is Monday; present if the interval touches at least two local days"
        ),
    ] = UNSET


class PageNavigationReport(Struct):
    """The report of a workflow of kind `page_navigation`."""

    timeframe_stat: TimeframeStat
    unique_visitors_count: Count
    unique_sessions_count: Count


class PurchaseSum(Struct):
    """An exact decimal sum."""

    value: Annotated[float, Meta(description="a JSON number without binary rounding")]
    currency: Annotated[str, Meta(pattern="^[A-Z]{3}$")]


class GoalMetrics(Struct):
    """Figures of one goal; the counts of visitors and sessions are estimates."""

    events_count: Count
    unique_visitors_count: Count
    unique_sessions_count: Count


class GoalFigures(Struct):
    """A goal with at least one event in the interval."""

    uuid: Uuid
    name: str
    metrics: GoalMetrics


class InteractionReport(Struct):
    """The report of a workflow of kind `interaction`."""

    unique_visitors_count: Count
    started_workflows_count: Count
    visitor_purchase_sums: list[PurchaseSum]
    triggered_goals: list[GoalFigures]
    affected_goals: list[GoalFigures]


EventId = Annotated[
    str, Meta(min_length=1, max_length=128, description="the same in each retry, so that the event counts once")
]


class EventGoal(Struct):
    """The goal of `goal_triggered` and `goal_reached`."""

    uuid: AnyUuid
    name: Annotated[str, Meta(min_length=1, max_length=200)]


class EventPurchase(Struct):
    """The purchase of `goal_reached`, optional."""

    value: Annotated[
        str | float,
        Meta(
            description="digits with an optional fraction, 0 to 10^12, a multiple of 0.0001; "
            "a number may have the noise of a float"
        ),
    ]
    currency: Annotated[str, Meta(pattern="^[A-Z]{3}$")]


class EventBody(Struct):
    """A visitor event; unknown fields are ignored."""

    type_: Literal["page_view", "workflow_started", "interaction", "goal_triggered", "goal_reached"] = field(
        name="type"
    )
    visitor_id: Annotated[str, Meta(min_length=1, max_length=256)]
    session_id: Annotated[str, Meta(min_length=1, max_length=256)]
    timestamp: Annotated[
        str | UnsetType | None,
        Meta(
            description="RFC 3339 with an offset or Z; +HHMM and a time without seconds are read too; "
            "absent or null: when the event entered the stream"
        ),
    ] = UNSET
    id: EventId | UnsetType | None = UNSET
    organization_id: Annotated[
        AnyUuid | UnsetType | None, Meta(description="optional; must be the one in the path")
    ] = UNSET
    workflow_id: Annotated[
        AnyUuid | UnsetType | None, Meta(description="required by all types except goal_reached")
    ] = UNSET
    goal: EventGoal | UnsetType | None = UNSET
    purchase: EventPurchase | UnsetType | None = UNSET
