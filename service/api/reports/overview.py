"""Handlers of the overview: POST with a JSON body, GET with a query string and an ETag; JSON or CSV."""

from aiohttp import web

from sidedata.errors import CommandRefusedError
from sidedata.service.api.reports.answers import REFUSALS, DatedAnswer, problem_of, query_body, respond
from sidedata.service.api.reports.negotiation import CONTENT_TYPES, preferred_format
from sidedata.service.api.reports.requests import OverviewRequest, overview_from_body, overview_from_query
from sidedata.service.http.auth import ORGANIZATION
from sidedata.service.http.problems import missing_right
from sidedata.service.http.state import BACKEND
from sidedata.service.report.overview.overviews import Question


async def post_overview(request: web.Request) -> web.Response:
    """The overview of the workflows in the body."""
    return await _answer(request, overview_from_body(await query_body(request)))


async def get_overview(request: web.Request) -> web.Response:
    """The overview of the workflows in the query string; 304 if the client has the same answer already."""
    return await _answer(request, overview_from_query(request.rel_url.raw_query_string))


async def _answer(request: web.Request, query: OverviewRequest) -> web.Response:
    backend = request.app[BACKEND]
    overviews, encoding = backend.overviews, preferred_format(request)
    organization = request[ORGANIZATION]
    with backend.admission:
        # Measured before the numbers are read; all workflows of an organization have one partition.
        as_of = await backend.freshness.measure(backend.installation.keyspace_of(organization))
        question = Question(organization, query.workflows, query.interval, query.granularity, encoding)
        try:
            answer = await overviews.answer(question)
        except REFUSALS as error:
            raise problem_of(error, body=request.method == "POST") from error
        except CommandRefusedError as error:
            raise missing_right("read many workflows at once", error) from error
    return respond(request, DatedAnswer(answer, as_of), CONTENT_TYPES[encoding], negotiated=True)
