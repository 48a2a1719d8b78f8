"""What stands behind the handlers, and the time that one request may wait for it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from service.sidedata import Reports
from store.client import Client
from store.clock import Clock
from store.errors import StoreUnavailableError
from store.installation import Installation
from store.settings import Settings

# Every answer is due within a second; the rest of it is for reading the request and writing the answer.
REDIS_SECONDS = 0.95


class Backend:
    """What stands behind the handlers. It opens when Redis was reached for the first time; until then all is 503."""

    def __init__(self, client: Client, settings: Settings, clock: Clock) -> None:
        self.client = client
        self.settings = settings
        self.clock = clock
        self._installation: Installation | None = None
        self._reports: Reports | None = None

    def open(self, installation: Installation, reports: Reports) -> None:
        """Begin to answer."""
        self._installation = installation
        self._reports = reports

    @property
    def is_open(self) -> bool:
        """Whether Redis was reached since the start."""
        return self._installation is not None

    @property
    def installation(self) -> Installation:
        """The installation's facts."""
        if self._installation is None:
            raise StoreUnavailableError("Redis was not reached since the start")
        return self._installation

    @property
    def reports(self) -> Reports:
        """The reports."""
        if self._reports is None:
            raise StoreUnavailableError("Redis was not reached since the start")
        return self._reports


BACKEND = web.AppKey("BACKEND", Backend)

_SPENT = web.RequestKey("_SPENT", float)


@asynccontextmanager
async def redis_time(request: web.Request) -> AsyncIterator[None]:
    """Let what is inside wait for Redis, all such waits of one request together no longer than `REDIS_SECONDS`.

    Reading a body is the client's time and stays outside.

    Raises:
        StoreUnavailableError: the time is up.
    """
    loop = asyncio.get_running_loop()
    began = loop.time()
    spent = request.get(_SPENT, 0.0)
    try:
        async with asyncio.timeout(max(0.0, REDIS_SECONDS - spent)):
            yield
    except TimeoutError as error:
        raise StoreUnavailableError("Redis did not answer in time") from error
    finally:
        request[_SPENT] = spent + loop.time() - began
