"""Answers of reports as responses: their headers, and the errors of reports as problems."""

from typing import NamedTuple

from aiohttp import web

from sidedata.service.freshness.freshness import AsOf
from sidedata.service.http.bodies import content_type, plain_body
from sidedata.service.http.conditional import matches
from sidedata.service.http.problems import FieldError, ProblemError
from sidedata.service.report.reports import Answer, IntervalError, NoSuchWorkflowError
from sidedata.service.report.timeline.plan import GranularityError

# An interval takes a hundred bytes; this leaves ample room for white space.
MAX_QUERY_BYTES = 64 * 1024
EFFECTIVE = "Sidedata-Effective-Interval"
AS_OF = "Sidedata-As-Of"
ZONE_RULES = "Sidedata-Zone-Rules"
REFUSALS = (NoSuchWorkflowError, GranularityError, IntervalError)  # errors of reports that are the client's
_FRESH_SECONDS = 1


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


async def query_body(request: web.Request) -> bytes:
    """Read the body of a request for numbers.

    Raises:
        ProblemError: 408, 413 or 415.
    """
    content_type(request, ("application/json",))
    return await plain_body(request, MAX_QUERY_BYTES)


def problem_of(error: NoSuchWorkflowError | GranularityError | IntervalError, *, body: bool) -> ProblemError:
    """The problem, 404 or 400, of an error of reports; `body` tells if the interval was in one, for the pointers.

    A function and no context manager, which would take a microsecond of each poll.
    """
    if isinstance(error, NoSuchWorkflowError):
        return ProblemError(404, "no such workflow in this organization")
    if isinstance(error, GranularityError):
        return ProblemError(400, str(error), [FieldError("/granularity", str(error))])
    pointer = error.pointer if body else error.pointer.removeprefix("/interval")
    return ProblemError(400, str(error), [FieldError(pointer, str(error))])


def respond(request: web.Request, dated: DatedAnswer, media_type: str, *, negotiated: bool = False) -> web.Response:
    """Make the response of an answer; GET has an entity tag. `negotiated`: the client's header decided about the type."""
    headers = dated.headers
    if request.method == "POST":
        headers["Cache-Control"] = "no-store"
        if negotiated:
            headers["Vary"] = "Accept"
    else:
        headers |= {
            "ETag": dated.answer.etag,
            "Cache-Control": f"private, max-age={_FRESH_SECONDS}",
            "Vary": "Authorization, Accept" if negotiated else "Authorization",
        }
        if matches(request, dated.answer.etag):
            return web.Response(status=304, headers=headers)
    headers["Content-Type"] = media_type
    return web.Response(body=dated.answer.body, headers=headers)
