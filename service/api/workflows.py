"""The list of an organization's workflows, newest first."""

import msgspec
from aiohttp import web

from sidedata.events.decode import Kind
from sidedata.events.timestamps import from_microseconds
from sidedata.reads.workflow_list import list_workflows
from sidedata.service.http.auth import ORGANIZATION
from sidedata.service.http.problems import ProblemError
from sidedata.service.http.state import BACKEND, redis_timeout

# The zone of the hours and days in reports; a dashboard reads the list of workflows first.
TIME_ZONE = "Sidedata-Time-Zone"


class WorkflowItem(msgspec.Struct, frozen=True):
    """A workflow; `last_event_at` is its newest event's own time in UTC, null before the first."""

    id: str
    kind: Kind
    name: str | None
    last_event_at: str | None


async def get_workflows(request: web.Request) -> web.Response:
    """All workflows of the organization; the list of an unknown organization is empty."""
    if request.rel_url.raw_query_string:
        raise ProblemError(400, "this list takes no query parameters")
    backend = request.app[BACKEND]
    async with redis_timeout(request):
        zone, entries = await list_workflows(backend.gateway, backend.installation, request[ORGANIZATION])
    items = [
        WorkflowItem(
            entry.id,
            entry.kind,
            entry.name,
            None if entry.last_event_us is None else from_microseconds(entry.last_event_us),
        )
        for entry in entries
    ]
    return web.Response(
        body=msgspec.json.encode(items),
        content_type="application/json",
        headers={"Cache-Control": "private, max-age=1", "Vary": "Authorization", TIME_ZONE: zone},
    )
