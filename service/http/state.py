"""The state that handlers share, and the limits of a request's time and memory."""

import asyncio
from types import TracebackType
from typing import Self

from aiohttp import web

from sidedata.clock import Clock
from sidedata.errors import StoreUnavailableError, late_error
from sidedata.redis.gateway import Gateway
from sidedata.schema.installation import Installation
from sidedata.service.freshness.freshness import Freshness
from sidedata.service.http.problems import unavailable
from sidedata.service.metrics import ServiceMetrics
from sidedata.service.report.overview.overviews import Overviews
from sidedata.service.report.reports import Reports
from sidedata.settings import Settings

# Each answer is due within a second; the rest of it is for reading the request and writing the response.
REDIS_SECONDS = 0.8


class Admission:
    """Admits requests to Redis, up to a limit at once; a context manager, shared by all requests."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.waiting = 0  # requests that wait for Redis at this moment

    def __enter__(self) -> None:
        """Admit a request.

        Raises:
            ProblemError: 503, too many requests wait already: one more would not be answered in time.
        """
        if self.waiting >= self._limit:
            raise unavailable("too many concurrent requests; try again")
        self.waiting += 1

    def __exit__(self, *_: object) -> None:
        self.waiting -= 1


class Backend:
    """The state behind all handlers. It opens once Redis has been reached; before that each answer is a 503."""

    def __init__(self, gateway: Gateway, settings: Settings, clock: Clock, metrics: ServiceMetrics) -> None:
        self.gateway = gateway
        self.freshness = Freshness(gateway, metrics)
        self.settings = settings
        self.clock = clock
        self.admission = Admission(settings.requests_limit)
        self.body_bytes = 0  # of all request bodies in memory
        # Validation is all processor time: more at once would be no faster and would delay other requests.
        self.validation_slots = asyncio.Semaphore(2)
        self._installation: Installation | None = None
        self._reports: Reports | None = None
        self._overviews: Overviews | None = None

    def open(self, installation: Installation, reports: Reports) -> None:
        """Start to answer."""
        self._installation = installation
        self._reports = reports
        self._overviews = Overviews(self.gateway, installation, reports, self.clock)

    @property
    def is_open(self) -> bool:
        """True once Redis has been reached."""
        return self._installation is not None

    @property
    def installation(self) -> Installation:
        """The installation's fixed parameters."""
        if self._installation is None:
            raise StoreUnavailableError("Redis was not reached since the start")
        return self._installation

    @property
    def reports(self) -> Reports:
        """The reports."""
        if self._reports is None:
            raise StoreUnavailableError("Redis was not reached since the start")
        return self._reports

    @property
    def overviews(self) -> Overviews:
        """The overviews."""
        if self._overviews is None:
            raise StoreUnavailableError("Redis was not reached since the start")
        return self._overviews


BACKEND = web.AppKey("BACKEND", Backend)


class BodyBudget:
    """The memory of one request's body, within the limit for all bodies; leaving the context releases it."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._limit = backend.settings.bodies_mb << 20
        self._bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._backend.body_bytes -= self._bytes

    def reserve(self, size: int) -> None:
        """Reserve more bytes.

        Raises:
            ProblemError: 503, all bodies together would exceed the limit.
        """
        if self._backend.body_bytes + size > self._limit:
            raise unavailable("too many uploads at once; send this again in a moment")
        self._backend.body_bytes += size
        self._bytes += size


_ELAPSED = web.RequestKey("_ELAPSED", float)


class redis_timeout:  # noqa: N801 - used like a function, as `asyncio.timeout` is
    """Limits the time that one request waits for Redis, over all of its uses, to `REDIS_SECONDS`.

    Reading a body takes the client's time and stays outside. Entering raises a 503 if too many requests wait already; leaving
    raises `StoreUnavailableError` if the time is up.
    (A class, because every request uses it: `asynccontextmanager` would cost three times as much.)
    """

    __slots__ = ("_admission", "_elapsed", "_loop", "_request", "_start", "_timeout")

    def __init__(self, request: web.Request) -> None:
        self._request = request

    async def __aenter__(self) -> None:
        self._admission = self._request.app[BACKEND].admission
        self._admission.__enter__()
        self._loop = asyncio.get_running_loop()
        self._start = self._loop.time()
        self._elapsed: float = self._request.get(_ELAPSED, 0.0)
        self._timeout = asyncio.timeout_at(self._start + max(0.0, REDIS_SECONDS - self._elapsed))
        await self._timeout.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._admission.__exit__()
        self._request[_ELAPSED] = self._elapsed + self._loop.time() - self._start
        try:
            await self._timeout.__aexit__(kind, error, trace)
        except TimeoutError as late:
            raise late_error("Redis did not answer in time") from late
        if isinstance(error, TimeoutError):
            raise late_error("Redis did not answer in time") from error
