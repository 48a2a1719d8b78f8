"""What stands behind the handlers, and the time that one request may wait for it."""

import asyncio
from types import TracebackType
from typing import Self

from aiohttp import web

from sidedata.clock import Clock
from sidedata.errors import StoreUnavailableError
from sidedata.redis.client import Client
from sidedata.schema.installation import Installation
from sidedata.service.http.problems import unavailable
from sidedata.service.report.reports import Reports
from sidedata.settings import Settings

# Every answer is due within a second; the rest of it is for reading the request and writing the answer.
REDIS_SECONDS = 0.8


class Backend:
    """What stands behind the handlers. It opens when Redis was reached for the first time; until then all is 503."""

    def __init__(self, client: Client, settings: Settings, clock: Clock) -> None:
        self.client = client
        self.settings = settings
        self.clock = clock
        self.waiting = 0  # requests that wait for Redis at this moment
        self.held = 0  # bytes of bodies that are being taken in
        # Judging events is all processor and no waiting: more at once would be no faster, only keep others waiting.
        self.judging = asyncio.Semaphore(2)
        self._installation: Installation | None = None
        self._reports: Reports | None = None

    def begin_waiting(self) -> None:
        """Count a request that begins to wait for Redis; whoever calls this counts it back.

        Raises:
            ProblemError: 503, too many wait already: who would not be answered in time is told so at once.
        """
        if self.waiting >= self.settings.requests_limit:
            raise unavailable("too many requests at once; ask again")
        self.waiting += 1

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


class Holding:
    """What one request's body takes of the memory for all bodies; leaving it gives that back."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._most = backend.settings.bodies_mb << 20
        self._bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._backend.held -= self._bytes

    def grow(self, size: int) -> None:
        """Take so many bytes more.

        Raises:
            ProblemError: 503, bodies hold too much together.
        """
        if self._backend.held + size > self._most:
            raise unavailable("too many uploads at once; send this again in a moment")
        self._backend.held += size
        self._bytes += size


_SPENT = web.RequestKey("_SPENT", float)


class redis_time:  # noqa: N801 - used like a function, as `asyncio.timeout` is
    """Let what is inside wait for Redis, all such waits of one request together no longer than `REDIS_SECONDS`.

    Reading a body is the client's time and stays outside. Leaving it raises `StoreUnavailableError` if the time is up; entering
    it a 503 if too many wait already.
    (A class, because every request comes by here: `asynccontextmanager` would cost three times as much.)
    """

    __slots__ = ("_backend", "_began", "_limit", "_loop", "_request", "_spent")

    def __init__(self, request: web.Request) -> None:
        self._request = request

    async def __aenter__(self) -> None:
        self._backend = backend = self._request.app[BACKEND]
        backend.begin_waiting()
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._spent: float = self._request.get(_SPENT, 0.0)
        self._limit = asyncio.timeout_at(self._began + max(0.0, REDIS_SECONDS - self._spent))
        await self._limit.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._backend.waiting -= 1
        self._request[_SPENT] = self._spent + self._loop.time() - self._began
        try:
            await self._limit.__aexit__(kind, error, trace)
        except TimeoutError as late:
            raise StoreUnavailableError("Redis did not answer in time") from late
        if isinstance(error, TimeoutError):
            raise StoreUnavailableError("Redis did not answer in time") from error
