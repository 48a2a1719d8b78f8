"""All responses that are not a success, as `application/problem+json` (RFC 9457).

ProblemError            raised by handlers: a status, a sentence, and perhaps the errors of single fields
web.HTTPException       raised by aiohttp: no such path, method not allowed, …
StoreUnavailableError   Redis is out of reach or full: 503, try again
anything else           a bug: 500 without any detail in the response, and the traceback in the log
"""

import asyncio
import logging
import time
from collections.abc import Mapping, Sequence
from http import HTTPStatus

import msgspec
from aiohttp import http_exceptions, web
from aiohttp.typedefs import Handler

from sidedata.conditions import CONDITIONS
from sidedata.errors import CommandRefusedError, SidedataError, StoreUnavailableError

CONTENT_TYPE = "application/problem+json"
# After a second Redis has restarted, a lease has moved, or a backlog has shrunk by some ten thousand events.
RETRY_SECONDS = 1
# Enough to see what is wrong; a body of garbage has as many errors as bytes.
MOST_FIELD_ERRORS = 20

_log = logging.getLogger("sidedata.service")

_DETAILS = {
    404: "no such path",
    405: "this path does not take that method",
    413: "the body is too large",
    417: "only 100-continue can be expected",
}


class FieldError(msgspec.Struct, frozen=True):
    """The error of one field; `pointer` is a JSON pointer into the body, or a slash and the query parameter."""

    pointer: str
    detail: str


def pointer_token(name: str) -> str:
    """A field's name as it stands in a JSON pointer, with "~" and "/" escaped."""
    return name.replace("~", "~0").replace("/", "~1")


class Problem(msgspec.Struct, frozen=True, omit_defaults=True):
    """The body of each response that is not a success."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[FieldError] = msgspec.field(default_factory=list)


class ProblemError(SidedataError):
    """The refusal of a request, with its response."""

    def __init__(
        self, status: int, detail: str, errors: Sequence[FieldError] = (), headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = errors
        self.headers = headers

    def response(self) -> web.Response:
        """The response to send."""
        return problem_response(self.status, self.detail, self.errors, self.headers)


def problem_body(status: int, detail: str, errors: Sequence[FieldError] = ()) -> bytes:
    """A problem as JSON; the type `about:blank` means that the status alone tells the kind of problem."""
    return msgspec.json.encode(
        Problem("about:blank", HTTPStatus(status).phrase, status, detail, list(errors[:MOST_FIELD_ERRORS]))
    )


def problem_response(
    status: int, detail: str, errors: Sequence[FieldError] = (), headers: Mapping[str, str] | None = None
) -> web.Response:
    """A problem as a response; it must not be cached, because the same request may succeed the next time."""
    return web.Response(
        body=problem_body(status, detail, errors),
        status=status,
        content_type=CONTENT_TYPE,
        headers={"Cache-Control": "no-store", **(headers or {})},
    )


def unavailable(detail: str) -> ProblemError:
    """A 503: the same request may succeed in a moment."""
    return ProblemError(503, detail, headers={"Retry-After": str(RETRY_SECONDS)})


def missing_right(action: str, error: CommandRefusedError) -> ProblemError:
    """A 503: the account of this service lacks a right that an operator can give or leave out."""
    detail = (
        f"this service's account in Redis may not {action}: {error}; load the access rules (users.acl) of this version"
    )
    return ProblemError(503, detail, headers={"Retry-After": "60"})


def _from_http_exception(error: web.HTTPException) -> web.Response:
    """An exception of aiohttp as a problem, with the header that belongs to its status."""
    headers = {name: error.headers[name] for name in ("Allow", "Location", "Retry-After") if name in error.headers}
    return problem_response(error.status, detail_of(error), headers=headers)


def detail_of(error: web.HTTPException) -> str:
    """A sentence for an exception of aiohttp."""
    return _DETAILS.get(error.status, error.reason)


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every exception of the inner handlers into a response."""
    try:
        return await handler(request)
    except (asyncio.CancelledError, ConnectionResetError):
        raise  # the client has left, or this process is stopping: there is nothing to send
    except Exception as error:  # noqa: BLE001 - the outermost place: a bug must not send a traceback
        return response_to(error)


# While Redis is out of reach, all requests fail alike; a line for each would add nothing and fill the disk.
_warned_at: dict[str, float] = {}  # by text, monotonic seconds
_WARNING_SECONDS = 1.0


def _warn(text: str) -> None:
    now = time.monotonic()
    if now - _warned_at.get(text, float("-inf")) >= _WARNING_SECONDS:
        if len(_warned_at) > 100:
            _warned_at.clear()
        _warned_at[text] = now
        _log.warning("%s", text)


def _reason(error: StoreUnavailableError) -> str:
    """The reason of a 503 in words of our own: a server's text is for the operator, in the log."""
    return CONDITIONS[error.code].detail if error.code in CONDITIONS else "Redis is out of reach"


def response_to(error: Exception) -> web.Response:
    """The response to an exception."""
    match error:
        case ProblemError():
            return error.response()
        case web.HTTPException():
            return _from_http_exception(error)
        case StoreUnavailableError():
            _warn(str(error))
            return unavailable(f"{_reason(error)}; try again").response()
        case web.RequestPayloadError() | http_exceptions.HttpProcessingError():
            # The body's framing is broken (bad chunks, a connection cut short), so it has no content to judge.
            return problem_response(400, "the body could not be read to its end")
        case SidedataError():
            # Redis refuses permanently (a missing right, a key of another type); only the operator can correct that.
            _log.error("the store refused", exc_info=error)
            return unavailable("the service is misconfigured; its operator finds the reason in the log").response()
        case _:
            _log.error("a bug while answering", exc_info=error)
            return problem_response(500, "internal error; it was logged")
