"""The short way of reports: what dashboards ask again and again, answered without router, middlewares and header maps.

A request takes it only if it is as plain as requests can be (below) and its token was found a moment ago. It then gets what it
would have got on the long way, byte for byte, and is counted and logged alike; so whatever the long way does for a plain
request is done here, too. Everything else, and every plain request for which there is any doubt, goes the long way.
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
from sidedata.service.api.report import EFFECTIVE, MAX_QUERY_BYTES, ask
from sidedata.service.http.access_log import CLIENT_GONE, REQUEST_ID, finish, note, request_id_of
from sidedata.service.http.auth import GUARD, bearer
from sidedata.service.http.endpoint import Endpoint
from sidedata.service.http.problems import answer_to
from sidedata.service.http.state import BACKEND
from sidedata.service.report.reports import Answer

EXPRESS = web.AppKey("EXPRESS", Endpoint)


def express(app: web.Application, otherwise: Handler) -> Handler:
    """The application's handler with the short way in front of it, where the application has one."""
    endpoint = app.get(EXPRESS)
    return otherwise if endpoint is None else _Express(app, endpoint, otherwise)


class _Express:
    """A handler in front of the application's own."""

    def __init__(self, app: web.Application, endpoint: Endpoint, otherwise: Handler) -> None:
        self._app = app
        self._backend = app[BACKEND]
        self._guard = app[GUARD]
        self._route = endpoint.path
        self._otherwise = otherwise
        before, between, after = endpoint.path.replace("{workflow_id}", "{organization_id}").split("{organization_id}")
        self._before, self._between, self._after = before, between, after.rstrip("/")
        self._ids = lru_cache(maxsize=4096)(self._read_path)

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        """Answer it one way or the other."""
        ids = self._ids(request.raw_path) if request.method == "POST" else None
        if ids is None or not self._is_plain(request) or not self._may_pass(request, ids[0]):
            return await self._otherwise(request)
        began = time.perf_counter()
        request_id = request[REQUEST_ID] = request_id_of(request)
        status = CLIENT_GONE
        response: web.StreamResponse
        try:
            answer = await self._ask(request, ids)
            response = _Ready(answer, request_id)
            status = 200
        except (asyncio.CancelledError, ConnectionResetError):
            raise
        except Exception as error:  # noqa: BLE001 - as in `problems`, whose words these are
            response = answer_to(error)
            status = response.status
            await finish(request, response)
        finally:
            note(self._app, request, "POST", self._route, status, time.perf_counter() - began)
        return response

    async def _ask(self, request: web.Request, ids: tuple[str, str]) -> Answer:
        interval = from_body(request.content.read_nowait())
        backend = self._backend
        backend.begin_waiting()
        try:
            return await ask(backend.reports, *ids, interval, body=True)
        finally:
            backend.waiting -= 1

    def _read_path(self, path: str) -> tuple[str, str] | None:
        """Organization and workflow, if it is the path of a report."""
        if not path.startswith(self._before):
            return None
        organization, between, rest = path.removeprefix(self._before).partition(self._between)
        workflow, after, end = rest.partition(self._after)
        if not between or not after or end not in ("", "/"):
            return None
        ids = canonical_uuid(organization), canonical_uuid(workflow)
        return ids if ids[0] is not None and ids[1] is not None else None  # type: ignore[return-value] # both are looked at

    @staticmethod
    def _is_plain(request: web.Request) -> bool:
        """Whether it is HTTP/1.1 on a connection that stays, and all of its short JSON body is here."""
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

    def _may_pass(self, request: web.Request, organization: str) -> bool:
        token = bearer(request)
        return token is not None and self._guard.admits_at_once(token, organization, "reports")


class _Ready(web.StreamResponse):
    """An answer that is written in one piece, its head made from text."""

    def __init__(self, answer: Answer, request_id: str) -> None:
        super().__init__()
        self._head = (
            f"HTTP/1.1 200 OK\r\n{EFFECTIVE}: {answer.effective}\r\nCache-Control: no-store\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(answer.body)}\r\n"
            f"Date: {_date(int(time.time()))}\r\nServer: sidedata\r\nX-Request-Id: {request_id}\r\n"
            "X-Content-Type-Options: nosniff\r\n\r\n"
        )
        self._content = answer.body

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter:
        """Nothing is to be prepared but where to write."""
        self._keep_alive = True
        self._writer = request.writer
        return self._writer

    async def write_eof(self, data: bytes = b"") -> None:  # noqa: ARG002 - aiohttp's signature
        """Write all of it."""
        await self._writer.write_eof(self._head.encode("ascii") + self._content)


@lru_cache(maxsize=2)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)
