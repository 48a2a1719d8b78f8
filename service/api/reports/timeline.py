"""Handlers of the timeline: POST with a JSON body, GET with a query string and an ETag; JSON or CSV."""

from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web

from sidedata.service.api.report import FRESH_SECONDS, MAX_QUERY_BYTES, DatedAnswer
from sidedata.service.api.reports.negotiation import CONTENT_TYPES, preferred_format
from sidedata.service.api.reports.requests import TimelineRequest, timeline_from_body, timeline_from_query
from sidedata.service.http.auth import ORGANIZATION, WORKFLOW
from sidedata.service.http.bodies import content_type, plain_body
from sidedata.service.http.conditional import matches
from sidedata.service.http.problems import FieldError, ProblemError
from sidedata.service.http.state import BACKEND, Backend
from sidedata.service.report.reports import IntervalError, NoSuchWorkflowError
from sidedata.service.report.timeline.encode import Format
from sidedata.service.report.timeline.plan import GranularityError
from sidedata.service.report.timeline.timelines import timeline


async def post_timeline(request: web.Request) -> web.Response:
    """The timeline over the interval in the body."""
    content_type(request, ("application/json",))
    asked = timeline_from_body(await plain_body(request, MAX_QUERY_BYTES))
    return await _answer(request, asked)


async def get_timeline(request: web.Request) -> web.Response:
    """The timeline over the interval in the query string; 304 if the client has the same answer already."""
    return await _answer(request, timeline_from_query(request.rel_url.raw_query_string))


async def _answer(request: web.Request, asked: TimelineRequest) -> web.Response:
    encoding = preferred_format(request)
    workflow = request[ORGANIZATION], request[WORKFLOW]
    dated = await fetch_timeline(request.app[BACKEND], workflow, asked, encoding, body=request.method == "POST")
    return respond(request, dated, encoding)


async def fetch_timeline(
    backend: Backend, workflow: tuple[str, str], asked: TimelineRequest, encoding: Format, *, body: bool
) -> DatedAnswer:
    """Fetch a timeline and turn its errors into problems; a workflow is given by organization and id.

    Raises:
        ProblemError: 404 or 400.
        StoreUnavailableError: Redis is out of reach.
    """
    with backend.admission, refusals(body=body):
        # Measured before the numbers are read, so that all events of before are in them.
        as_of = await backend.freshness.measure(backend.installation.keyspace_of(workflow[0]))
        return DatedAnswer(
            await timeline(backend.reports, workflow, asked.interval, asked.granularity, encoding), as_of
        )


@contextmanager
def refusals(*, body: bool) -> Iterator[None]:
    """Turn the errors of reports into problems; `body` tells if the interval was in one, for the pointers.

    Raises:
        ProblemError: 404 or 400.
    """
    try:
        yield
    except NoSuchWorkflowError as error:
        raise ProblemError(404, "no such workflow in this organization") from error
    except GranularityError as error:
        raise ProblemError(400, str(error), [FieldError("/granularity", str(error))]) from error
    except IntervalError as error:
        pointer = error.pointer if body else error.pointer.removeprefix("/interval")
        raise ProblemError(400, str(error), [FieldError(pointer, str(error))]) from error


def respond(request: web.Request, dated: DatedAnswer, encoding: Format) -> web.Response:
    """Make the response of an answer; GET has an entity tag."""
    headers = dated.headers
    if request.method == "POST":
        headers |= {"Cache-Control": "no-store", "Vary": "Accept"}
    else:
        headers |= {
            "ETag": dated.answer.etag,
            "Cache-Control": f"private, max-age={FRESH_SECONDS}",
            "Vary": "Authorization, Accept",
        }
        if matches(request, dated.answer.etag):
            return web.Response(status=304, headers=headers)
    headers["Content-Type"] = CONTENT_TYPES[encoding]
    return web.Response(body=dated.answer.body, headers=headers)
