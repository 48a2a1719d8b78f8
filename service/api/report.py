"""Handlers of the report: POST with a JSON body, GET with a query string and an ETag."""

from typing import NamedTuple

from aiohttp import web

from sidedata.service.api.query import Interval, from_body, from_query
from sidedata.service.freshness.freshness import AsOf
from sidedata.service.http.auth import ORGANIZATION, WORKFLOW
from sidedata.service.http.bodies import content_type, plain_body
from sidedata.service.http.conditional import matches
from sidedata.service.http.problems import FieldError, ProblemError
from sidedata.service.http.state import BACKEND, Backend
from sidedata.service.report.reports import Answer, IntervalError, NoSuchWorkflowError

# An interval takes a hundred bytes; this leaves ample room for white space.
MAX_QUERY_BYTES = 64 * 1024
EFFECTIVE = "Sidedata-Effective-Interval"
AS_OF = "Sidedata-As-Of"
ZONE_RULES = "Sidedata-Zone-Rules"
FRESH_SECONDS = 1


class DatedAnswer(NamedTuple):
    """An answer, and the time as of which it is complete; None if this service may not read the streams."""

    answer: Answer
    as_of: AsOf | None

    @property
    def headers(self) -> dict[str, str]:
        """The headers that tell what the numbers cover."""
        headers = {EFFECTIVE: self.answer.effective, ZONE_RULES: self.answer.rules}
        if self.as_of is not None:
            headers[AS_OF] = self.as_of.text
        return headers


async def post_sidedata(request: web.Request) -> web.Response:
    """The report over the interval in the body."""
    content_type(request, ("application/json",))
    interval = from_body(await plain_body(request, MAX_QUERY_BYTES))
    dated = await _answer(request, interval)
    headers = {**dated.headers, "Cache-Control": "no-store", "Content-Type": "application/json"}
    return web.Response(body=dated.answer.body, headers=headers)


async def get_sidedata(request: web.Request) -> web.Response:
    """The report over the interval in the query string; 304 if the client has the same answer already."""
    dated = await _answer(request, from_query(request.rel_url.raw_query_string))
    headers = {
        **dated.headers,
        "ETag": dated.answer.etag,
        "Cache-Control": f"private, max-age={FRESH_SECONDS}",
        "Vary": "Authorization",
    }
    if matches(request, dated.answer.etag):
        return web.Response(status=304, headers=headers)
    headers["Content-Type"] = "application/json"
    return web.Response(body=dated.answer.body, headers=headers)


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
    reports = backend.reports
    # Measured before the numbers are read, so that all events of before are in them.
    as_of = await backend.freshness.measure(backend.installation.keyspace_of(organization))
    try:
        return DatedAnswer(await reports.answer(organization, workflow, interval.start, interval.end), as_of)
    except NoSuchWorkflowError as error:
        raise ProblemError(404, "no such workflow in this organization") from error
    except IntervalError as error:
        pointer = error.pointer if body else error.pointer.removeprefix("/interval")
        raise ProblemError(400, str(error), [FieldError(pointer, str(error))]) from error
