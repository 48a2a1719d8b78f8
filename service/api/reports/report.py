"""Handlers of the report: POST with a JSON body, GET with a query string and an ETag."""

from aiohttp import web

from sidedata.service.api.reports.answers import REFUSALS, DatedAnswer, problem_of, query_body, respond
from sidedata.service.api.reports.query import Interval, from_body, from_query
from sidedata.service.http.auth import ORGANIZATION, WORKFLOW
from sidedata.service.http.state import BACKEND, Backend


async def post_sidedata(request: web.Request) -> web.Response:
    """The report over the interval in the body."""
    interval = from_body(await query_body(request))
    return respond(request, await _answer(request, interval), "application/json")


async def get_sidedata(request: web.Request) -> web.Response:
    """The report over the interval in the query string; 304 if the client has the same answer already."""
    interval = from_query(request.rel_url.raw_query_string)
    return respond(request, await _answer(request, interval), "application/json")


async def _answer(request: web.Request, interval: Interval) -> DatedAnswer:
    # Reports limit their waits themselves, for all requests on a workflow together; the number of waiting requests is limited here.
    backend = request.app[BACKEND]
    with backend.admission:
        return await fetch(backend, request[ORGANIZATION], request[WORKFLOW], interval, body=request.method == "POST")


async def fetch(backend: Backend, organization: str, workflow: str, interval: Interval, *, body: bool) -> DatedAnswer:
    """Fetch a report and turn its errors into problems; `body` tells if the interval was in one, for the pointers.

    Raises:
        ProblemError: 404 or 400.
        StoreUnavailableError: Redis is out of reach.
    """
    # Measured before the numbers are read, so that all earlier events are in them.
    as_of = await backend.freshness.measure(backend.installation.keyspace_of(organization))
    try:
        return DatedAnswer(await backend.reports.answer(organization, workflow, interval.start, interval.end), as_of)
    except REFUSALS as error:
        raise problem_of(error, body=body) from error
