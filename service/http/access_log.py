"""The access log: an id, a log line and metrics for each request, and the common headers of each response.

A line has the route's template and never the path, query, token or body, so the log identifies no visitor and leaks no token. A
known token adds its id, and the organization if the token is of it. The client's address is there only where the operator lists
trusted proxies.

The lines of requests are frequent and have one shape. So they are built without a `LogRecord`, and those of 10 ms are written
together: a thousand requests a second take a hundred writes.
"""

import itertools
import logging
import re
import secrets
import time
from functools import lru_cache
from http import HTTPMethod
from typing import NamedTuple

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler

from sidedata.json_log import head, stderr_handler
from sidedata.service.http.auth import ORGANIZATION, RECORD
from sidedata.service.http.endpoint import ENDPOINTS
from sidedata.service.http.forwarded import PROXIES
from sidedata.service.http.problems import CONTENT_TYPE, detail_of, problem_body
from sidedata.service.metrics import METRICS

REQUEST_ID = web.RequestKey("REQUEST_ID", str)

_ACCEPTABLE_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_METHODS = frozenset(method.value for method in HTTPMethod)
CLIENT_CLOSED_REQUEST = 499  # the client left before the response; the number that nginx made common

_PROCESS = secrets.token_hex(4)
_numbers = itertools.count()
_log = logging.getLogger("sidedata.request")


@web.middleware
async def access_log(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request an id, and record it in log and metrics once it is answered."""
    start = time.perf_counter()
    request[REQUEST_ID] = request_id_of(request)
    status, stream = CLIENT_CLOSED_REQUEST, False
    try:
        response = await handler(request)
        status, stream = response.status, not isinstance(response, web.Response)
        return response
    finally:
        endpoint = request.app[ENDPOINTS].get(request.match_info.route)
        # Both become labels, so they come from a short list, whatever the client sent.
        route = endpoint.path if endpoint is not None else "(none)"
        method = request.method if request.method in _METHODS else "(other)"
        outcome = Outcome(method, route, status, *_requester(request))
        record(request.app, request, outcome, request[REQUEST_ID], time.perf_counter() - start, stream=stream)


def _requester(request: web.Request) -> tuple[str | None, str | None]:
    """The id of a known token, and the organization of the path if the token concerns it."""
    token, organization = request.get(RECORD), request.get(ORGANIZATION)
    if token is None:
        return None, None  # a path alone is the client's text; with a token the organization exists for its holder
    return token.id, organization if organization is not None and token.concerns(organization) else None


class Outcome(NamedTuple):
    """The part of a request's line that it shares with many others; `method` and `route` are labels."""

    method: str
    route: str
    status: int
    token_id: str | None  # None: the request had no known token
    organization: str | None


def record(
    app: web.Application,
    request: web.Request,
    outcome: Outcome,
    request_id: str,
    seconds: float,
    *,
    stream: bool = False,
) -> None:
    """Record a response in metrics and log. On the fast path a request does not know the application yet."""
    app[METRICS].count_response(outcome.method, outcome.route, outcome.status, None if stream else seconds)
    if not _log.isEnabledFor(logging.INFO):
        return
    fields: dict[str, object] = {"ms": round(seconds * 1000, 2), "request_id": request_id}
    proxies = app.get(PROXIES)
    if proxies is not None:
        fields["client"] = proxies.client(request)
    handler = stderr_handler()
    if handler is None:
        _log.info("request", extra={"fields": _fields_of(outcome) | fields})
        return
    line = orjson.dumps(fields, option=orjson.OPT_APPEND_NEWLINE)
    handler.write_later(_head(time.time_ns() // 1_000_000) + _encoded(outcome) + line[1:])


def _fields_of(outcome: Outcome) -> dict[str, object]:
    method, route, status, token_id, organization = outcome
    fields: dict[str, object] = {"method": method, "path": route, "status": status}
    if token_id is not None:
        fields["token_id"] = token_id
    if organization is not None:
        fields["organization"] = organization
    return fields


@lru_cache(maxsize=2)
def _head(ms: int) -> bytes:
    """The beginning of a request's line; the lines of one millisecond share it."""
    return orjson.dumps(head(ms, "INFO", _log.name, "request"))[:-1] + b","


@lru_cache(maxsize=1024)
def _encoded(outcome: Outcome) -> bytes:
    return orjson.dumps(_fields_of(outcome))[1:-1] + b","


async def set_common_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Set the headers of all responses, including those that aiohttp makes before any middleware (417)."""
    if isinstance(response, web.HTTPException) and response.content_type != CONTENT_TYPE:
        response.body = problem_body(response.status, detail_of(response))
        response.content_type = CONTENT_TYPE
        response.charset = None
        response.headers["Cache-Control"] = "no-store"
        response.headers["Content-Length"] = str(len(response.body))  # instead of the length of aiohttp's text
    headers = response.headers
    headers["Server"] = "sidedata"
    headers["X-Request-Id"] = request.get(REQUEST_ID) or request_id_of(request)
    headers["X-Content-Type-Options"] = "nosniff"


def request_id_of(request: web.Request) -> str:
    """The client's X-Request-Id if it is safe in a log; else a new id."""
    client_id = request.headers.get("X-Request-Id", "")
    # Unique is enough: a guessed id is worth nothing, and random bytes from the system cost more than the log line.
    return client_id if client_id and _ACCEPTABLE_ID.fullmatch(client_id) else f"{_PROCESS}{next(_numbers):08x}"
