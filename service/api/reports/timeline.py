"""Handlers of the timeline: POST with a JSON body, GET with a query string and an ETag; JSON or CSV."""

from aiohttp import web

from sidedata.service.api.reports.answers import REFUSALS, DatedAnswer, problem_of, query_body, respond
from sidedata.service.api.reports.negotiation import CONTENT_TYPES, preferred_format
from sidedata.service.api.reports.requests import TimelineRequest, timeline_from_body, timeline_from_query
from sidedata.service.http.auth import ORGANIZATION, WORKFLOW
from sidedata.service.http.state import BACKEND, Backend
from sidedata.service.report.timeline.encode import Format
from sidedata.service.report.timeline.timelines import timeline


async def post_timeline(request: web.Request) -> web.Response:
    """The timeline over the interval in the body."""
    return await _answer(request, timeline_from_body(await query_body(request)))


async def get_timeline(request: web.Request) -> web.Response:
    """The timeline over the interval in the query string; 304 if the client has the same answer already."""
    return await _answer(request, timeline_from_query(request.rel_url.raw_query_string))


async def _answer(request: web.Request, query: TimelineRequest) -> web.Response:
    encoding = preferred_format(request)
    workflow = request[ORGANIZATION], request[WORKFLOW]
    dated = await fetch_timeline(request.app[BACKEND], workflow, query, encoding, body=request.method == "POST")
    return respond(request, dated, CONTENT_TYPES[encoding], negotiated=True)


async def fetch_timeline(
    backend: Backend, workflow: tuple[str, str], query: TimelineRequest, encoding: Format, *, body: bool
) -> DatedAnswer:
    """Fetch a timeline and turn its errors into problems; a workflow is given by organization and id.

    Raises:
        ProblemError: 404 or 400.
        StoreUnavailableError: Redis is out of reach.
    """
    with backend.admission:
        # Measured before the numbers are read, so that all earlier events are in them.
        as_of = await backend.freshness.measure(backend.installation.keyspace_of(workflow[0]))
        try:
            answer = await timeline(backend.reports, workflow, query.interval, query.granularity, encoding)
        except REFUSALS as error:
            raise problem_of(error, body=body) from error
        return DatedAnswer(answer, as_of)
