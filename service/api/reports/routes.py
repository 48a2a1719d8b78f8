"""The rows of the table of routes for timelines and overviews."""

from sidedata.service.api.reports.answers import AS_OF, EFFECTIVE, ZONE_RULES
from sidedata.service.api.reports.overview import get_overview, post_overview
from sidedata.service.api.reports.timeline import get_timeline, post_timeline
from sidedata.service.http.endpoint import Endpoint, Media
from sidedata.service.openapi import examples
from sidedata.service.openapi.report_schemas import (
    InteractionTimeline,
    Overview,
    OverviewBody,
    PageNavigationTimeline,
    TimelineBody,
)

JSON = "application/json"
COMMON_REFUSALS = (401, 403, 429, 503)
_TIMELINE = "/api/reporting/workflow/v1/orgs/{organization_id}/workflows/{workflow_id}/sidedata/timeline/"
_OVERVIEW = "/api/reporting/workflow/v1/orgs/{organization_id}/sidedata/"

_TIMELINES = (
    Media(JSON, (PageNavigationTimeline, InteractionTimeline), examples=examples.TIMELINES),
    Media("text/csv", example=examples.TIMELINE_CSV),
)

_OVERVIEWS = (
    Media(JSON, (Overview,), example=examples.OVERVIEW),
    Media("text/csv", example=examples.OVERVIEW_CSV),
)


def over_time() -> tuple[Endpoint, ...]:
    """The endpoints of timelines and overviews."""
    return (
        Endpoint(
            "POST",
            _TIMELINE,
            post_timeline,
            "The points of an interval, as JSON or CSV",
            scope="reports",
            accepts=(Media(JSON, (TimelineBody,), example=examples.TIMELINE_QUERY),),
            returns=_TIMELINES,
            headers=(EFFECTIVE, ZONE_RULES, AS_OF, "Vary"),
            refusals=(400, 404, 408, 413, 415, *COMMON_REFUSALS),
        ),
        Endpoint(
            "GET",
            _TIMELINE,
            get_timeline,
            "The same, for clients with a cache",
            scope="reports",
            query=("start", "end", "granularity"),
            returns=_TIMELINES,
            headers=(EFFECTIVE, ZONE_RULES, AS_OF, "ETag", "Cache-Control", "Vary"),
            refusals=(400, 404, *COMMON_REFUSALS),
        ),
        Endpoint(
            "POST",
            _OVERVIEW,
            post_overview,
            "The reports of many workflows over one interval, with points if there is a granularity; as JSON or CSV",
            scope="reports",
            accepts=(Media(JSON, (OverviewBody,), example=examples.OVERVIEW_QUERY),),
            returns=_OVERVIEWS,
            headers=(EFFECTIVE, ZONE_RULES, AS_OF, "Vary"),
            refusals=(400, 408, 413, 415, *COMMON_REFUSALS),
        ),
        Endpoint(
            "GET",
            _OVERVIEW,
            get_overview,
            "The same, for clients with a cache",
            scope="reports",
            query=("start", "end", "workflows?", "granularity?"),
            returns=_OVERVIEWS,
            headers=(EFFECTIVE, ZONE_RULES, AS_OF, "ETag", "Cache-Control", "Vary"),
            refusals=(400, *COMMON_REFUSALS),
        ),
    )
