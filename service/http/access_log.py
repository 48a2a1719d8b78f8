"""Who asked what and how it went: request ids, a log line and metrics for each request, headers on each answer.

The line names the route's template and never the path, query, token or body, so a log names no visitor and opens no door. The
client's address is in it only where the operator lists the proxies to be trusted.
"""

import itertools
import re
import secrets
import time
from http import HTTPMethod

from aiohttp import web
from aiohttp.typedefs import Handler

from sidedata.service.http.endpoint import ENDPOINTS
from sidedata.service.http.forwarded import PROXIES
from sidedata.service.http.log import log_request
from sidedata.service.http.problems import CONTENT_TYPE, problem_body, words_for
from sidedata.service.metrics import METRICS

REQUEST_ID = web.RequestKey("REQUEST_ID", str)

_ACCEPTABLE_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_METHODS = frozenset(method.value for method in HTTPMethod)
CLIENT_GONE = 499  # no answer was wanted any more; the number that nginx made common

_PROCESS = secrets.token_hex(4)
_numbers = itertools.count()


@web.middleware
async def observe(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request an id, and tell log and metrics when it is answered."""
    began = time.perf_counter()
    request[REQUEST_ID] = request_id_of(request)
    status, stream = CLIENT_GONE, False
    try:
        response = await handler(request)
        status, stream = response.status, not isinstance(response, web.Response)
        return response
    finally:
        endpoint = request.app[ENDPOINTS].get(request.match_info.route)
        # Both become labels and so come from a short list, whatever the client sent.
        route = endpoint.path if endpoint is not None else "(none)"
        method = request.method if request.method in _METHODS else "(other)"
        note(request.app, request, method, route, status, time.perf_counter() - began, stream=stream)


def note(
    app: web.Application,
    request: web.Request,
    method: str,
    route: str,
    status: int,
    seconds: float,
    *,
    stream: bool = False,
) -> None:
    """Tell metrics and log of an answer; `method` and `route` are labels."""
    app[METRICS].answered(method, route, status, None if stream else seconds)
    facts: dict[str, object] = {
        "method": method,
        "path": route,
        "status": status,
        "ms": round(seconds * 1000, 2),
        "request_id": request[REQUEST_ID],
    }
    proxies = app.get(PROXIES)
    if proxies is not None:
        facts["client"] = proxies.client(request)
    log_request(facts)


async def finish(request: web.Request, response: web.StreamResponse) -> None:
    """Put on every answer what all answers carry; also on those that aiohttp makes before any middleware (417)."""
    if isinstance(response, web.HTTPException) and response.content_type != CONTENT_TYPE:
        response.body = problem_body(response.status, words_for(response))
        response.content_type = CONTENT_TYPE
        response.charset = None
        response.headers["Cache-Control"] = "no-store"
        response.headers["Content-Length"] = str(len(response.body))  # of the text that was there
    headers = response.headers
    headers["Server"] = "sidedata"
    headers["X-Request-Id"] = request.get(REQUEST_ID) or request_id_of(request)
    headers["X-Content-Type-Options"] = "nosniff"


def request_id_of(request: web.Request) -> str:
    """The id that the client gave, if it is one that may stand in a log; else a new one."""
    given = request.headers.get("X-Request-Id", "")
    # Unique is enough, nobody gains by guessing one; asking the system for randomness each time costs more than the log line.
    return given if given and _ACCEPTABLE_ID.fullmatch(given) else f"{_PROCESS}{next(_numbers):08x}"
