"""The fast path of reports: the requests that dashboards repeat, answered without router, middlewares and header maps.

A request takes it only if it is plain (see `_is_plain`) and its token is cached. It then gets the response of the ordinary path,
byte for byte, and the same metrics and log line. So a change of the ordinary path that concerns plain requests has to be made here
too. All other requests, and all doubtful ones, take the ordinary path.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from functools import lru_cache
from typing import NamedTuple

from aiohttp import HttpVersion11, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.typedefs import Handler

from sidedata.events.decode import canonical_uuid
from sidedata.schema.tokens import TokenRecord
from sidedata.service.api.reports.answers import AS_OF, EFFECTIVE, MAX_QUERY_BYTES, ZONE_RULES, DatedAnswer
from sidedata.service.api.reports.query import from_body
from sidedata.service.api.reports.report import fetch, post_sidedata
from sidedata.service.api.reports.requests import timeline_from_body
from sidedata.service.api.reports.timeline import fetch_timeline
from sidedata.service.http.access_log import (
    CLIENT_CLOSED_REQUEST,
    REQUEST_ID,
    Outcome,
    record,
    request_id_of,
    set_common_headers,
)
from sidedata.service.http.auth import AUTHENTICATOR, bearer
from sidedata.service.http.endpoint import Endpoint
from sidedata.service.http.problems import response_to
from sidedata.service.http.state import BACKEND, Backend

FAST_PATH = web.AppKey("FAST_PATH", tuple[Endpoint, ...])
_Ids = tuple[str, str]  # of organization and workflow


class _Route(NamedTuple):
    """An endpoint of the fast path, with the header line that names the request headers that its answers depend on."""

    path: str
    fetch: Callable[[Backend, bytes, _Ids], Awaitable[DatedAnswer]]  # with the body
    vary: str


async def _report(backend: Backend, body: bytes, ids: _Ids) -> DatedAnswer:
    interval = from_body(body)
    with backend.admission:
        return await fetch(backend, *ids, interval, body=True)


async def _timeline(backend: Backend, body: bytes, ids: _Ids) -> DatedAnswer:
    return await fetch_timeline(backend, ids, timeline_from_body(body), "json", body=True)


def with_fast_path(app: web.Application, ordinary: Handler) -> Handler:
    """The application's ordinary handler, with the fast path in front of it if the application has one."""
    endpoints = app.get(FAST_PATH)
    return ordinary if endpoints is None else FastPath(app, endpoints, ordinary)


class FastPath:
    """A handler in front of the application's ordinary one."""

    def __init__(self, app: web.Application, endpoints: tuple[Endpoint, ...], ordinary: Handler) -> None:
        self._app = app
        self._backend = app[BACKEND]
        self._authenticator = app[AUTHENTICATOR]
        self._ordinary = ordinary
        self._routes: dict[str, _Route] = {}  # by the part of the path after the workflow
        for endpoint in endpoints:
            parts = endpoint.path.replace("{workflow_id}", "{organization_id}").split("{organization_id}")
            self._before, self._between, after = parts
            is_report = endpoint.handler is post_sidedata
            route = _Route(endpoint.path, _report if is_report else _timeline, "" if is_report else "Vary: Accept\r\n")
            self._routes[after.rstrip("/")] = route
        self._ids = lru_cache(maxsize=4096)(self._read_path)

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        """Answer a request, on the fast path or the ordinary one."""
        target = self._ids(request.raw_path) if request.method == "POST" else None
        if target is None or not self._is_plain(request):
            return await self._ordinary(request)
        route, ids = target
        token = self._authorized(request, ids[0])
        if token is None:
            return await self._ordinary(request)
        start = time.perf_counter()
        request_id = request_id_of(request)
        status = CLIENT_CLOSED_REQUEST
        response: web.StreamResponse
        try:
            dated = await route.fetch(self._backend, request.content.read_nowait(), ids)
            response = RawResponse(dated, request_id, route.vary)
            status = 200
        except (asyncio.CancelledError, ConnectionResetError):
            raise
        except Exception as error:  # noqa: BLE001 - as in `problems`
            response = response_to(error)
            status = response.status
            request[REQUEST_ID] = request_id
            await set_common_headers(request, response)
        finally:
            outcome = Outcome("POST", route.path, status, token.id, ids[0])
            record(self._app, request, outcome, request_id, time.perf_counter() - start)
        return response

    def _read_path(self, path: str) -> tuple[_Route, _Ids] | None:
        """The route of a path with its organization and workflow; None for a path that is not of the fast ones."""
        if not path.startswith(self._before):
            return None
        organization, between, rest = path.removeprefix(self._before).partition(self._between)
        workflow, slash, after = rest.partition("/")
        route = self._routes.get(slash + after.removesuffix("/"))
        if not between or route is None:
            return None
        ids = canonical_uuid(organization), canonical_uuid(workflow)
        return (route, ids) if ids[0] is not None and ids[1] is not None else None  # type: ignore[return-value] # neither is None

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
            and headers.get("Accept", "*/*") in ("*/*", "application/json")
        )

    def _authorized(self, request: web.Request, organization: str) -> TokenRecord | None:
        """The record of a token that may read the reports; None means that only the ordinary path can tell."""
        token = bearer(request)
        return None if token is None else self._authenticator.authorize_cached(token, organization, "reports")


class RawResponse(web.StreamResponse):
    """A response that is written in one piece, with its head formatted as text."""

    def __init__(self, dated: DatedAnswer, request_id: str, vary: str) -> None:
        super().__init__()
        answer = dated.answer
        # The names are those of `DatedAnswer.headers`; as a dictionary they would take three times as long.
        as_of = "" if dated.as_of is None else f"{AS_OF}: {dated.as_of.text}\r\n"
        self._head = (
            f"HTTP/1.1 200 OK\r\n{EFFECTIVE}: {answer.effective}\r\n{ZONE_RULES}: {answer.rules}\r\n{as_of}"
            f"Cache-Control: no-store\r\n{vary}"
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
