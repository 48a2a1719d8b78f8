"""The fast path of reports: the requests that dashboards repeat, answered without router, middlewares and header maps.

A request takes it only if it is plain (see `_is_plain`) and its token is cached. It then gets the response of the ordinary path,
byte for byte, and the same metrics and log line. So a change of the ordinary path that concerns plain requests has to be made here
too. All other requests, and all doubtful ones, take the ordinary path.
"""

import asyncio
import time
from email.utils import formatdate
from functools import lru_cache

from aiohttp import HttpVersion11, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.typedefs import Handler

from sidedata.events.decode import canonical_uuid
from sidedata.service.api.query import from_body
from sidedata.service.api.report import EFFECTIVE, MAX_QUERY_BYTES, ZONE_RULES, fetch
from sidedata.service.http.access_log import (
    CLIENT_CLOSED_REQUEST,
    REQUEST_ID,
    record,
    request_id_of,
    set_common_headers,
)
from sidedata.service.http.auth import AUTHENTICATOR, ORGANIZATION, RECORD, bearer
from sidedata.service.http.endpoint import Endpoint
from sidedata.service.http.problems import response_to
from sidedata.service.http.state import BACKEND
from sidedata.service.report.reports import Answer

FAST_PATH = web.AppKey("FAST_PATH", Endpoint)


def with_fast_path(app: web.Application, ordinary: Handler) -> Handler:
    """The application's ordinary handler, with the fast path in front of it if the application has one."""
    endpoint = app.get(FAST_PATH)
    return ordinary if endpoint is None else FastPath(app, endpoint, ordinary)


class FastPath:
    """A handler in front of the application's ordinary one."""

    def __init__(self, app: web.Application, endpoint: Endpoint, ordinary: Handler) -> None:
        self._app = app
        self._backend = app[BACKEND]
        self._authenticator = app[AUTHENTICATOR]
        self._route = endpoint.path
        self._ordinary = ordinary
        before, between, after = endpoint.path.replace("{workflow_id}", "{organization_id}").split("{organization_id}")
        self._before, self._between, self._after = before, between, after.rstrip("/")
        self._ids = lru_cache(maxsize=4096)(self._read_path)

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        """Answer a request, on the fast path or the ordinary one."""
        ids = self._ids(request.raw_path) if request.method == "POST" else None
        if ids is None or not self._is_plain(request) or not self._is_authorized(request, ids[0]):
            return await self._ordinary(request)
        began = time.perf_counter()
        request_id = request[REQUEST_ID] = request_id_of(request)
        status = CLIENT_CLOSED_REQUEST
        response: web.StreamResponse
        try:
            answer = await self._answer(request, ids)
            response = RawResponse(answer, request_id)
            status = 200
        except (asyncio.CancelledError, ConnectionResetError):
            raise
        except Exception as error:  # noqa: BLE001 - as in `problems`
            response = response_to(error)
            status = response.status
            await set_common_headers(request, response)
        finally:
            record(self._app, request, "POST", self._route, status, time.perf_counter() - began)
        return response

    async def _answer(self, request: web.Request, ids: tuple[str, str]) -> Answer:
        interval = from_body(request.content.read_nowait())
        with self._backend.admission:
            return await fetch(self._backend.reports, *ids, interval, body=True)

    def _read_path(self, path: str) -> tuple[str, str] | None:
        """Organization and workflow in the path of a report; None for every other path."""
        if not path.startswith(self._before):
            return None
        organization, between, rest = path.removeprefix(self._before).partition(self._between)
        workflow, after, end = rest.partition(self._after)
        if not between or not after or end not in ("", "/"):
            return None
        ids = canonical_uuid(organization), canonical_uuid(workflow)
        return ids if ids[0] is not None and ids[1] is not None else None  # type: ignore[return-value] # neither is None

    @staticmethod
    def _is_plain(request: web.Request) -> bool:
        """Tell if it is HTTP/1.1 on a persistent connection with a short JSON body that has arrived completely."""
        headers = request.headers
        return (
            headers.get("Content-Type") == "application/json"
            and request.content.is_eof()
            and (request.content_length or MAX_QUERY_BYTES + 1) <= MAX_QUERY_BYTES
            and request.version == HttpVersion11
            and request.keep_alive
            and "Content-Encoding" not in headers
            and "Expect" not in headers
        )

    def _is_authorized(self, request: web.Request, organization: str) -> bool:
        token = bearer(request)
        record = None if token is None else self._authenticator.authorize_cached(token, organization, "reports")
        if record is None:
            return False
        request[ORGANIZATION], request[RECORD] = organization, record
        return True


class RawResponse(web.StreamResponse):
    """A response that is written in one piece, with its head formatted as text."""

    def __init__(self, answer: Answer, request_id: str) -> None:
        super().__init__()
        self._head = (
            f"HTTP/1.1 200 OK\r\n{EFFECTIVE}: {answer.effective}\r\n{ZONE_RULES}: {answer.rules}\r\nCache-Control: no-store\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(answer.body)}\r\n"
            f"Date: {_date(int(time.time()))}\r\nServer: sidedata\r\nX-Request-Id: {request_id}\r\n"
            "X-Content-Type-Options: nosniff\r\n\r\n"
        )
        self._content = answer.body

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter:
        """Store the writer; there is nothing else to prepare."""
        self._keep_alive = True
        self._writer = request.writer
        return self._writer

    async def write_eof(self, data: bytes = b"") -> None:  # noqa: ARG002 - aiohttp's signature
        """Write head and body."""
        await self._writer.write_eof(self._head.encode("ascii") + self._content)


@lru_cache(maxsize=2)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)
