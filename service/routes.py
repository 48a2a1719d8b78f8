"""The whole HTTP surface in one table. What is served and what /openapi.json says of it both come from here."""

import re

from aiohttp import web
from aiohttp.typedefs import Handler

from service.endpoint import ENDPOINTS, Endpoint, Media
from service.ingest_api import JSON, NDJSON, Accepted, post_events
from service.live_api import get_live
from service.report_api import EFFECTIVE, get_sidedata, post_sidedata
from service.schemas import EventBody, InteractionReport, PageNavigationReport, QueryBody
from service.static import Pages
from service.workflows import TIME_ZONE, WorkflowItem, get_workflows
from store.health_server import HealthHandlers, Readiness

_ORGANIZATION = "/api/reporting/workflow/v1/orgs/{organization_id}/workflows/"
_SIDEDATA = f"{_ORGANIZATION}{{workflow_id}}/sidedata/"
_EVENTS = "/api/ingest/v1/orgs/{organization_id}/events"

_REFUSED = (401, 403, 429, 503)

_EXAMPLE_QUERY = {"interval": {"start": "2026-11-01T00:00:00+02:00", "end": "2026-12-01T00:00:00+02:00"}}
_EXAMPLE_REPORT = {
    "unique_visitors_count": 1204,
    "started_workflows_count": 3310,
    "visitor_purchase_sums": [{"value": 1023.5, "currency": "EUR"}],
    "triggered_goals": [
        {
            "uuid": "6f9f2d0e-55d6-4a0e-9f0b-0f0a4f3f6c11",
            "name": "Signed up",
            "metrics": {"events_count": 12, "unique_visitors_count": 9, "unique_sessions_count": 10},
        }
    ],
    "affected_goals": [],
}
_EXAMPLE_WORKFLOWS = [
    {
        "id": "0b7c1f9a-2a55-4a3d-8c39-3d1f6f0e7a21",
        "kind": "interaction",
        "name": "Newsletter pop-up",
        "last_event_at": "2026-11-23T21:59:58.120000Z",
    }
]
_EXAMPLE_EVENTS = [
    {
        "type": "page_view",
        "id": "c0ffee-1",
        "workflow_id": "0b7c1f9a-2a55-4a3d-8c39-3d1f6f0e7a21",
        "visitor_id": "v-1",
        "session_id": "s-1",
        "timestamp": "2026-11-23T22:00:00+02:00",
    }
]

_REPORT = Media(JSON, (PageNavigationReport, InteractionReport), example=_EXAMPLE_REPORT)


def table(health: HealthHandlers, pages: Pages, openapi: Handler) -> tuple[Endpoint, ...]:
    """Every endpoint; those that answer from files or from the process itself bring their handlers."""
    return (
        Endpoint(
            "POST",
            _SIDEDATA,
            post_sidedata,
            "The report of a workflow over an interval",
            scope="reports",
            accepts=(Media(JSON, (QueryBody,), example=_EXAMPLE_QUERY),),
            returns=(_REPORT,),
            headers=(EFFECTIVE,),
            refusals=(400, 404, 413, 415, *_REFUSED),
        ),
        Endpoint(
            "GET",
            _SIDEDATA,
            get_sidedata,
            "The same, for clients that keep answers",
            scope="reports",
            query=("start", "end"),
            returns=(_REPORT,),
            headers=(EFFECTIVE, "ETag", "Cache-Control"),
            refusals=(400, 404, *_REFUSED),
        ),
        Endpoint(
            "GET",
            f"{_SIDEDATA}live",
            get_live,
            "The report now and whenever it changes, as server-sent events named `sidedata`",
            scope="reports",
            query=("start?", "end?", "window?"),
            returns=(Media("text/event-stream"),),
            headers=(EFFECTIVE,),
            refusals=(400, 404, *_REFUSED),
        ),
        Endpoint(
            "GET",
            _ORGANIZATION,
            get_workflows,
            "The organization's workflows, newest first",
            scope="reports",
            returns=(Media(JSON, (WorkflowItem,), many=True, example=_EXAMPLE_WORKFLOWS),),
            headers=(TIME_ZONE,),
            refusals=(400, *_REFUSED),
        ),
        Endpoint(
            "POST",
            _EVENTS,
            post_events,
            "Put events in the stream, all or none; the body may be gzip, with 10 MiB decoded and 10,000 events at most",
            scope="ingest",
            accepts=(
                Media(JSON, (EventBody,), many=True, example=_EXAMPLE_EVENTS),
                Media(NDJSON),
            ),
            returns=(Media(JSON, (Accepted,), example={"accepted": 1}),),
            success=202,
            refusals=(400, 408, 413, 415, *_REFUSED),
        ),
        Endpoint("GET", "/livez", health.livez, "Whether the process gets on", returns=(Media(JSON),)),
        Endpoint(
            "GET",
            "/readyz",
            health.readyz,
            "Whether it can do its work, check by check; a 503 says the same",
            returns=(Media(JSON, (Readiness,)),),
        ),
        Endpoint("GET", "/metrics", health.metrics, "Metrics for Prometheus", returns=(Media("text/plain"),)),
        Endpoint("GET", "/openapi.json", openapi, "This description", returns=(Media(JSON),)),
        Endpoint("GET", "/docs/", pages.docs, "This description as a page", returns=(Media("text/html"),)),
        Endpoint("GET", "/dashboard/", pages.dashboard, "The dashboard", returns=(Media("text/html"),)),
        Endpoint("GET", "/docs/{name}", pages.file, "A file of the page", returns=(Media("text/javascript"),)),
        Endpoint(
            "GET", "/dashboard/{name}", pages.file, "A file of the dashboard", returns=(Media("text/javascript"),)
        ),
    )


def register(app: web.Application, endpoints: tuple[Endpoint, ...]) -> None:
    """Put the table into the router; GET answers HEAD too, and a final slash may be left out.

    A path with such a slash is one resource, so that the router tries one pattern for it and not four. Whatever stands in the place
    of an id gets there: left alone, the router takes braces for no part of a path, and `{uuid}` would be a 404 and not a bad UUID.
    """
    known: dict[web.AbstractRoute, Endpoint] = {}
    for endpoint in endpoints:
        path = endpoint.path[:-1] + "{slash:/?}" if endpoint.path.endswith("/") else endpoint.path
        path = re.sub(r"{(\w+_id)}", r"{\1:[^/]+}", path)
        for method in ("GET", "HEAD") if endpoint.method == "GET" else (endpoint.method,):
            known[app.router.add_route(method, path, endpoint.handler)] = endpoint
    app[ENDPOINTS] = known
