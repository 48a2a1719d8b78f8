"""Handlers of the report: POST with a JSON body, GET with a query string and an ETag."""

from aiohttp import web

from sidedata.service.api.query import Interval, from_body, from_query
from sidedata.service.http.auth import ORGANIZATION, WORKFLOW
from sidedata.service.http.bodies import content_type, plain_body
from sidedata.service.http.conditional import matches
from sidedata.service.http.problems import FieldError, ProblemError
from sidedata.service.http.state import BACKEND
from sidedata.service.report.reports import Answer, IntervalError, NoSuchWorkflowError, Reports

# An interval takes a hundred bytes; this leaves ample room for white space.
MAX_QUERY_BYTES = 64 * 1024
EFFECTIVE = "Sidedata-Effective-Interval"
ZONE_RULES = "Sidedata-Zone-Rules"
FRESH_SECONDS = 1


async def post_sidedata(request: web.Request) -> web.Response:
    """The report over the interval in the body."""
    content_type(request, ("application/json",))
    interval = from_body(await plain_body(request, MAX_QUERY_BYTES))
    answer = await _answer(request, interval)
    return web.Response(
        body=answer.body,
        headers={
            EFFECTIVE: answer.effective,
            ZONE_RULES: answer.rules,
            "Cache-Control": "no-store",
            "Content-Type": "application/json",
        },
    )


async def get_sidedata(request: web.Request) -> web.Response:
    """The report over the interval in the query string; 304 if the client has the same answer already."""
    answer = await _answer(request, from_query(request.rel_url.raw_query_string))
    headers = {
        EFFECTIVE: answer.effective,
        ZONE_RULES: answer.rules,
        "ETag": answer.etag,
        "Cache-Control": f"private, max-age={FRESH_SECONDS}",
        "Vary": "Authorization",
    }
    if matches(request, answer.etag):
        return web.Response(status=304, headers=headers)
    headers["Content-Type"] = "application/json"
    return web.Response(body=answer.body, headers=headers)


async def _answer(request: web.Request, interval: Interval) -> Answer:
    # Reports limit their waits themselves, for all requests on a workflow together; the number of waiting requests is limited here.
    backend = request.app[BACKEND]
    reports = backend.reports
    with backend.admission:
        return await fetch(reports, request[ORGANIZATION], request[WORKFLOW], interval, body=request.method == "POST")


async def fetch(reports: Reports, organization: str, workflow: str, interval: Interval, *, body: bool) -> Answer:
    """Fetch a report and turn its errors into problems; `body` tells if the interval was in one, for the pointers.

    Raises:
        ProblemError: 404 or 400.
        StoreUnavailableError: Redis is out of reach.
    """
    try:
        return await reports.answer(organization, workflow, interval.start, interval.end)
    except NoSuchWorkflowError as error:
        raise ProblemError(404, "no such workflow in this organization") from error
    except IntervalError as error:
        pointer = error.pointer if body else error.pointer.removeprefix("/interval")
        raise ProblemError(400, str(error), [FieldError(pointer, str(error))]) from error
