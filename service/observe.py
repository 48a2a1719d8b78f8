"""Who asked what and how it went: request ids, a log line and metrics for each request, headers on each answer.

The line names the route's template and never the path, query, token or body, so a log names no visitor and opens no door. The
client's address is in it only where the operator lists the proxies to be trusted.
"""

import asyncio
import itertools
import logging
import re
import secrets
import sys
import time
from collections.abc import Mapping
from functools import lru_cache
from http import HTTPMethod

import orjson
from aiohttp import web
from aiohttp.typedefs import Handler

from service.endpoint import ENDPOINTS
from service.forwarded import PROXIES
from service.metrics import METRICS
from service.problems import CONTENT_TYPE, problem_body, words_for

REQUEST_ID = web.RequestKey("REQUEST_ID", str)

_ACCEPTABLE_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")
_METHODS = frozenset(method.value for method in HTTPMethod)
_CLIENT_GONE = 499  # no answer was wanted any more; the number that nginx made common

_PROCESS = secrets.token_hex(4)
_numbers = itertools.count()

_log = logging.getLogger("sidedata.request")


@web.middleware
async def observe(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request an id, and tell log and metrics when it is answered."""
    began = time.perf_counter()
    request[REQUEST_ID] = _request_id(request)
    status, stream = _CLIENT_GONE, False
    try:
        response = await handler(request)
        status, stream = response.status, not isinstance(response, web.Response)
        return response
    finally:
        seconds = time.perf_counter() - began
        endpoint = request.app[ENDPOINTS].get(request.match_info.route)
        # Both become labels and so come from a short list, whatever the client sent.
        route = endpoint.path if endpoint is not None else "(none)"
        method = request.method if request.method in _METHODS else "(other)"
        request.app[METRICS].answered(method, route, status, None if stream else seconds)
        if _log.isEnabledFor(logging.INFO):
            proxies = request.app.get(PROXIES)
            client = {} if proxies is None else {"client": proxies.client(request)}
            _log_request(method, route, status, seconds, request[REQUEST_ID], client)


def _log_request(
    method: str, route: str, status: int, seconds: float, request_id: str, more: Mapping[str, str]
) -> None:
    """The line of a request. It goes straight to the handlers: making a record by `_log.info` costs ten times as much."""
    facts = {
        "method": method,
        "path": route,
        "status": status,
        "ms": round(seconds * 1000, 2),
        "request_id": request_id,
        **more,
    }
    record = logging.LogRecord(_log.name, logging.INFO, "", 0, "request", None, None)
    record.facts = facts
    _log.handle(record)


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
    headers["X-Request-Id"] = request.get(REQUEST_ID) or _request_id(request)
    headers["X-Content-Type-Options"] = "nosniff"


def _request_id(request: web.Request) -> str:
    given = request.headers.get("X-Request-Id", "")
    # Unique is enough, nobody gains by guessing one; asking the system for randomness each time costs more than the log line.
    return given if given and _ACCEPTABLE_ID.fullmatch(given) else f"{_PROCESS}{next(_numbers):08x}"


@lru_cache(maxsize=2)
def _second(since_epoch: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(since_epoch))


class JsonFormatter(logging.Formatter):
    """One JSON object a line: at, level, logger, message, and what `extra={"facts": {…}}` adds."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        at = _second(int(record.created))
        line: dict[str, object] = {
            "at": f"{at}.{int(record.msecs):03d}Z",
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line.update(getattr(record, "facts", {}))
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()


def log_to_stderr(level: str) -> None:
    """Send all log records of the process to stderr, a JSON object a line."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # asyncio warns of slow callbacks at INFO in debug mode only; its errors are ours to see.
    logging.getLogger(asyncio.__name__).setLevel(logging.WARNING)
