"""A real service on a free port, with what lies behind it replaced: canned reports, a Redis in memory, a clock to set."""

import asyncio
import io
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from math import ceil
from typing import Any

import aiohttp
from aiohttp import web

from sidedata.clock import Clock, SystemClock
from sidedata.schema.installation import Installation
from sidedata.service.app import create_app
from sidedata.service.report.reports import Answer, Reports
from sidedata.service.server.listener import Listener
from sidedata.settings import Settings
from sidedata.writes.tokens import create_token
from tests.support.clock import ManualClock
from tests.support.constants import ORG, SECRET
from tests.support.events import PAGES
from tests.support.redis.client import Client, fake
from tests.support.redis.users import as_user
from tests.support.waiting import TIME_FACTOR

WORKFLOW = PAGES
WORKFLOWS = f"/api/reporting/workflow/v1/orgs/{ORG}/workflows"
SIDEDATA = f"{WORKFLOWS}/{WORKFLOW}/sidedata"
EVENTS = f"/api/ingest/v1/orgs/{ORG}/events"
EFFECTIVE = "2026-11-01T00:00:00+00:00/2026-12-01T00:00:00+00:00"
INTERVAL = {"interval": {"start": "2026-11-01T00:00:00+02:00", "end": "2026-12-01T00:00:00+02:00"}}
QUERY = "start=2026-11-01&end=2026-12-01"
FOUR = Installation(4)
NOW = 1_795_471_200.0  # 2026-11-23T22:00:00Z


class CannedReports:
    """Stands where the reports are: returns or raises a prepared answer, and records the requests."""

    def __init__(self) -> None:
        self.say: Answer | Exception = canned(1)
        self.asked: list[tuple[str, str, datetime, datetime]] = []

    async def answer(self, organization_id: str, workflow_id: str, start: datetime, end: datetime) -> Answer:
        """Return the prepared answer."""
        self.asked.append((organization_id, workflow_id, start, end))
        await asyncio.sleep(0)
        if isinstance(self.say, Exception):
            raise self.say
        return self.say


def canned(visitors: int) -> Answer:
    """A distinct answer."""
    return Answer(b'{"unique_visitors_count":%d}' % visitors, f'"tag{visitors}"', EFFECTIVE)


class World:
    """The service and the strings that move it."""

    def __init__(self, app: web.Application, client: Client, reports: CannedReports, clock: ManualClock) -> None:
        self.app = app
        self.client = client
        self.reports = reports
        self.clock = clock
        self.token = ""
        self.base = ""
        self.http: aiohttp.ClientSession

    async def ask(
        self,
        method: str,
        path: str,
        *,
        token: str | None = "",
        headers: Mapping[str, str] | None = None,
        **arguments: Any,  # noqa: ANN401 - aiohttp's own
    ) -> "Heard":
        """Send a request, with the world's token unless another or None is given, and hear all of the answer."""
        sent = dict(headers or {})
        if isinstance(arguments.get("data"), bytes):
            arguments["data"] = io.BytesIO(arguments["data"])  # the client warns of large bodies otherwise
            sent.setdefault("Content-Type", "application/octet-stream")
        if token is not None:
            sent.setdefault("Authorization", f"Token {token or self.token}")
        async with self.http.request(method, self.base + path, headers=sent, **arguments) as response:
            return Heard(response.status, response.headers.copy(), await response.read())

    async def new_token(self, organization: str | None = ORG, scopes: tuple[str, ...] = ("reports", "ingest")) -> str:
        """Another token."""
        text, _ = await create_token(self.client, organization, scopes)
        return text


class Heard:
    """An answer, read to its end."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body


@asynccontextmanager
async def world(
    client: Client | None = None,
    installation: Installation | None = FOUR,
    **settings: Any,  # noqa: ANN401 - as the settings have it
) -> AsyncIterator[World]:
    """A service that listens; with a Redis in memory unless a client is given."""
    owned = client is None
    client = fake() if client is None else client
    reports, clock = CannedReports(), ManualClock(NOW)
    app = create_app(
        Settings(secret=SECRET, **settings), as_user("service", client), installation, clock, _as_reports(reports)
    )
    made = World(app, client, reports, clock)
    async with served(app) as base:
        made.base = base
        made.token = await made.new_token()
        async with aiohttp.ClientSession(auto_decompress=False) as http:
            made.http = http
            yield made
    if owned:
        await client.aclose()


def _as_reports(reports: Any) -> Reports:  # noqa: ANN401 - it takes the place of the real ones
    made: Reports = reports
    return made


def application(
    client: Client, installation: Installation, settings: Settings, clock: Clock | None = None
) -> web.Application:
    """The application with reports of its own, as `sidedata serve` makes it."""
    clock = clock or SystemClock()
    return create_app(settings, client, installation, clock, Reports(client, installation, settings, clock))


@asynccontextmanager
async def served(app: web.Application, port: int = 0) -> AsyncIterator[str]:
    """The application on a port, a free one if none is given; its address without a final slash."""
    listener = Listener(app)
    await listener.setup()
    try:
        await web.TCPSite(listener, "127.0.0.1", port, reuse_address=True).start()
        yield f"http://127.0.0.1:{listener.addresses[0][1]}"
    finally:
        await listener.cleanup()


@asynccontextmanager
async def session(app: web.Application, token: str) -> AsyncIterator[aiohttp.ClientSession]:
    """A client with a token, of the application on a free port."""
    async with served(app) as base, aiohttp.ClientSession(base, headers={"Authorization": f"Token {token}"}) as http:
        yield http


async def ask_patiently(
    http: aiohttp.ClientSession,
    method: str,
    path: str,
    **arguments: Any,  # noqa: ANN401 - aiohttp's own
) -> Heard:
    """Ask as a client would: some times more after a 503, as on a machine that has other work."""
    for left in reversed(range(ceil(TIME_FACTOR))):
        async with http.request(method, path, **arguments) as response:
            if response.status != 503 or not left:
                return Heard(response.status, response.headers.copy(), await response.read())
    raise AssertionError("the last answer is returned, whatever it is")
