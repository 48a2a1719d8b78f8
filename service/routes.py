"""The table of all routes. The router and /openapi.json both derive from it."""

from aiohttp.typedefs import Handler

from sidedata.probes import HealthHandlers, Liveness, Readiness
from sidedata.service.api.ingest import JSON, NDJSON, Accepted, post_events
from sidedata.service.api.live import get_live
from sidedata.service.api.management import access, records
from sidedata.service.api.management.dead_letters import DeadLetterItem, get_dead_letters
from sidedata.service.api.pages import Pages, start_page
from sidedata.service.api.reports.answers import AS_OF, EFFECTIVE, ZONE_RULES
from sidedata.service.api.reports.report import get_sidedata, post_sidedata
from sidedata.service.api.reports.routes import COMMON_REFUSALS, over_time
from sidedata.service.api.workflows import TIME_ZONE, WorkflowItem, get_workflows
from sidedata.service.http.endpoint import Endpoint, Media
from sidedata.service.openapi import examples
from sidedata.service.openapi.schemas import EventBody, InteractionReport, PageNavigationReport, QueryBody

_ORGANIZATION = "/api/reporting/workflow/v1/orgs/{organization_id}/workflows/"
_SIDEDATA = f"{_ORGANIZATION}{{workflow_id}}/sidedata/"
_EVENTS = "/api/ingest/v1/orgs/{organization_id}/events"
_ADMIN = "/api/admin/v1/orgs/{organization_id}/"
_ADMIN_WORKFLOW = f"{_ADMIN}workflows/{{workflow_id}}/"
_DEAD_LETTERS = "/api/ingest/v1/orgs/{organization_id}/dead-letters/"

_REPORT = Media(JSON, (PageNavigationReport, InteractionReport), examples=examples.REPORTS)


def table(health: HealthHandlers, pages: Pages, openapi: Handler) -> tuple[Endpoint, ...]:
    """All endpoints. The handlers of health, pages and the description have state, so they are arguments."""
    return (
        Endpoint(
            "POST",
            _SIDEDATA,
            post_sidedata,
            "The report of a workflow over an interval",
            scope="reports",
            accepts=(Media(JSON, (QueryBody,), example=examples.QUERY),),
            returns=(_REPORT,),
            headers=(EFFECTIVE, ZONE_RULES, AS_OF),
            refusals=(400, 404, 408, 413, 415, *COMMON_REFUSALS),
        ),
        Endpoint(
            "GET",
            _SIDEDATA,
            get_sidedata,
            "The same, for clients with a cache",
            scope="reports",
            query=("start", "end"),
            returns=(_REPORT,),
            headers=(EFFECTIVE, ZONE_RULES, AS_OF, "ETag", "Cache-Control"),
            refusals=(400, 404, *COMMON_REFUSALS),
        ),
        Endpoint(
            "GET",
            f"{_SIDEDATA}live",
            get_live,
            "The report now and whenever it changes, in server-sent events `sidedata`; the time of its numbers in events `status`",
            scope="reports",
            query=("start?", "end?", "window?"),
            returns=(Media("text/event-stream", example=examples.LIVE),),
            headers=(EFFECTIVE, ZONE_RULES, AS_OF),
            refusals=(400, 404, *COMMON_REFUSALS),
        ),
        *over_time(),
        Endpoint(
            "GET",
            _ORGANIZATION,
            get_workflows,
            "The organization's workflows, newest first",
            scope="reports",
            returns=(Media(JSON, (WorkflowItem,), many=True, example=examples.WORKFLOWS),),
            headers=(TIME_ZONE,),
            refusals=(400, *COMMON_REFUSALS),
        ),
        Endpoint(
            "POST",
            _EVENTS,
            post_events,
            "Append events to the stream, all or none; the body may be gzip, with at most 10 MiB decoded and 10,000 events",
            scope="ingest",
            accepts=(
                Media(JSON, (EventBody,), many=True, single=True, examples=examples.EVENT_BODIES),
                Media(NDJSON, example=examples.EVENT_LINES, description="lines, each an event as a JSON object"),
            ),
            returns=(Media(JSON, (Accepted,), examples=examples.ACCEPTANCES),),
            success=202,
            refusals=(400, 408, 413, 415, *COMMON_REFUSALS),
        ),
        Endpoint(
            "GET",
            _DEAD_LETTERS,
            get_dead_letters,
            "The organization's dead letters, newest first; `event` is there for tokens that have the scope `admin`, too",
            scope="ingest",
            query=("limit?", "before?"),
            returns=(Media(JSON, (DeadLetterItem,), many=True, example=examples.DEAD_LETTERS),),
            headers=("Link",),
            refusals=(400, *COMMON_REFUSALS),
        ),
        *_records(),
        *_access(),
        Endpoint(
            "GET",
            "/livez",
            health.livez,
            "Liveness: 200 while the process makes progress",
            returns=(Media(JSON, (Liveness,), example=examples.ALIVE),),
        ),
        Endpoint(
            "GET",
            "/readyz",
            health.readyz,
            "Readiness, check by check; a 503 has the same fields",
            returns=(Media(JSON, (Readiness,), example=examples.READY),),
        ),
        Endpoint(
            "GET",
            "/metrics",
            health.metrics,
            "Metrics for Prometheus",
            returns=(Media("text/plain", example=examples.METRICS),),
        ),
        Endpoint("GET", "/openapi.json", openapi, "This description", returns=(Media(JSON),)),
        Endpoint("GET", "/", start_page, "To the dashboard", success=302, headers=("Location",)),
        Endpoint("GET", "/docs/", pages.docs, "This description as a page", returns=(Media("text/html"),)),
        Endpoint("GET", "/dashboard/", pages.dashboard, "The dashboard", returns=(Media("text/html"),)),
        Endpoint("GET", "/docs/{name}", pages.files("docs"), "A file of the page", returns=(Media("text/javascript"),)),
        Endpoint(
            "GET",
            "/dashboard/{name}",
            pages.files("dashboard"),
            "A file of the dashboard",
            returns=(Media("text/javascript"),),
        ),
        Endpoint(
            "GET",
            "/dashboard/{folder}/{name}",
            pages.files("dashboard"),
            "A file in a folder of the dashboard",
            returns=(Media("text/javascript"),),
        ),
    )


def _records() -> tuple[Endpoint, ...]:
    organization = Media(JSON, (records.OrganizationItem,), example=examples.ORGANIZATION)
    workflow = Media(JSON, (records.WorkflowRecordItem,), example=examples.WORKFLOWS[0])
    reading = (400, 404, *COMMON_REFUSALS)
    writing = (400, 408, 409, 413, 415, *COMMON_REFUSALS)
    return (
        Endpoint(
            "GET",
            _ADMIN,
            records.get_organization,
            "The record of an organization",
            scope="admin",
            returns=(organization,),
            refusals=reading,
        ),
        Endpoint(
            "PUT",
            _ADMIN,
            records.put_organization,
            "Register an organization, or change its name, or its time zone while it has no events",
            scope="admin",
            accepts=(Media(JSON, (records.OrganizationBody,), example=examples.ORGANIZATION_FIELDS),),
            returns=(organization,),
            refusals=writing,
        ),
        Endpoint(
            "GET",
            _ADMIN_WORKFLOW,
            records.get_workflow,
            "The record of a workflow",
            scope="admin",
            returns=(workflow,),
            refusals=reading,
        ),
        Endpoint(
            "PUT",
            _ADMIN_WORKFLOW,
            records.put_workflow,
            "Register a workflow, or rename it",
            scope="admin",
            accepts=(Media(JSON, (records.WorkflowBody,), example=examples.WORKFLOW_FIELDS),),
            returns=(workflow,),
            refusals=writing,
        ),
    )


def _access() -> tuple[Endpoint, ...]:
    return (
        Endpoint(
            "GET",
            "/api/access/v1/token/",
            access.get_token,
            "The token of this request",
            scope="any",
            returns=(Media(JSON, (access.TokenItem,), example=examples.TOKEN),),
            refusals=COMMON_REFUSALS,
        ),
        Endpoint(
            "GET",
            "/api/access/v1/orgs/",
            access.get_organizations,
            "The organizations that the token may see, by id",
            scope="any",
            query=("limit?", "after?"),
            returns=(Media(JSON, (access.SeenOrganization,), many=True, example=examples.SEEN_ORGANIZATIONS),),
            headers=("Link",),
            refusals=(400, *COMMON_REFUSALS),
        ),
    )
