"""Every answer that is not a success, as `application/problem+json` (RFC 9457), made in this one place.

ProblemError            what our own code raises: a status, a sentence, perhaps the faults of single fields
web.HTTPException       what aiohttp raises: no such path, method not allowed, …
StoreUnavailableError   Redis is out of reach or full: 503, ask again
anything else           a bug: 500 without a word about its inside, and the whole story in the log
"""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from http import HTTPStatus

import msgspec
from aiohttp import http_exceptions, web
from aiohttp.typedefs import Handler

from sidedata.errors import SidedataError, StoreUnavailableError

CONTENT_TYPE = "application/problem+json"
# After a second Redis has restarted, a lease was handed over, or a backlog has shrunk by some ten thousand events.
RETRY_SECONDS = 1
# Enough to see what is wrong; a body of garbage has as many faults as it has bytes.
MOST_FAULTS = 20

_log = logging.getLogger("sidedata.service")

_DETAILS = {
    404: "no such path",
    405: "this path does not take that method",
    413: "the body is too large",
    417: "only 100-continue can be expected",
}


class FieldFault(msgspec.Struct, frozen=True):
    """What is wrong with one field; `pointer` is a JSON pointer into the body, or a slash and the query parameter."""

    pointer: str
    detail: str


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """The body of every answer that is not a success."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldFault] = msgspec.field(default_factory=list)


class ProblemError(SidedataError):
    """A request that can't be granted, and the answer to it."""

    def __init__(
        self, status: int, detail: str, errors: Sequence[FieldFault] = (), headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = errors
        self.headers = headers

    def response(self) -> web.Response:
        """The answer."""
        return problem_response(self.status, self.detail, self.errors, self.headers)


def problem_body(status: int, detail: str, errors: Sequence[FieldFault] = ()) -> bytes:
    """A problem as JSON; `about:blank` says that the status tells its kind."""
    return msgspec.json.encode(
        Problem("about:blank", HTTPStatus(status).phrase, status, detail, list(errors[:MOST_FAULTS]))
    )


def problem_response(
    status: int, detail: str, errors: Sequence[FieldFault] = (), headers: Mapping[str, str] | None = None
) -> web.Response:
    """A problem as an answer; what failed once may succeed the next time, so nobody may keep it."""
    return web.Response(
        body=problem_body(status, detail, errors),
        status=status,
        content_type=CONTENT_TYPE,
        headers={"Cache-Control": "no-store", **(headers or {})},
    )


def unavailable(detail: str) -> ProblemError:
    """503: the same request may succeed in a moment."""
    return ProblemError(503, detail, headers={"Retry-After": str(RETRY_SECONDS)})


def from_http_exception(error: web.HTTPException) -> web.Response:
    """What aiohttp raised, in our words, with the header that belongs to it."""
    headers = {name: error.headers[name] for name in ("Allow", "Location", "Retry-After") if name in error.headers}
    return problem_response(error.status, words_for(error), headers=headers)


def words_for(error: web.HTTPException) -> str:
    """A sentence for what aiohttp raised."""
    return _DETAILS.get(error.status, error.reason)


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn whatever was raised further in into an answer."""
    try:
        return await handler(request)
    except (asyncio.CancelledError, ConnectionResetError):
        raise  # the client has gone, or we are going: nobody is left to be told
    except Exception as error:  # noqa: BLE001 - the outermost place: a bug must not become a stack trace on the wire
        return answer_to(error)


# With Redis out of reach every request fails alike; a line each would say no more, and fill the disk.
_said: dict[str, float] = {}
_SAID_SECONDS = 1.0


def _warn(text: str) -> None:
    now = time.monotonic()
    if now - _said.get(text, float("-inf")) >= _SAID_SECONDS:
        if len(_said) > 100:
            _said.clear()
        _said[text] = now
        _log.warning("%s", text)


def answer_to(error: Exception) -> web.Response:
    """What a client is told of it."""
    match error:
        case ProblemError():
            return error.response()
        case web.HTTPException():
            return from_http_exception(error)
        case StoreUnavailableError():
            _warn(str(error))
            return unavailable("Redis is out of reach or can't take writes now; ask again").response()
        case web.RequestPayloadError() | http_exceptions.HttpProcessingError():
            # The body's framing broke off (bad chunks, a connection cut short): not a body of any kind.
            return problem_response(400, "the body could not be read to its end")
        case SidedataError():
            # Redis refused for good (a right is missing, a key of another kind): the operator's to mend.
            _log.error("the store refused", exc_info=error)
            return unavailable(
                "the service is not set up for this; its operator finds the reason in the log"
            ).response()
        case _:
            _log.error("a bug while answering", exc_info=error)
            return problem_response(500, "an error of ours; it was logged")
