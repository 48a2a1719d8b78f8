"""The server's side of a connection: limits of the HTTP parser, and JSON responses to requests that it can't read.

aiohttp answers such requests (a line that is too long, an invalid header) before any application, with plain text or HTML.
"""

import asyncio
import logging
import resource

from aiohttp import web

from sidedata.service.http.problems import CONTENT_TYPE, problem_body
from sidedata.service.server.fast_path import with_fast_path

# A path, its query and two ids take 300 bytes; headers of proxies and browsers some thousands.
MAX_LINE_BYTES = 16 * 1024
# Running requests take a second, an upload perhaps more. aiohttp waits this long twice, and the process must end within ten
# seconds.
SHUTDOWN_SECONDS = 3.0
# The time for which the rest of a refused body is read, so that a client that still sends it gets the refusal and not a reset.
LINGERING_SECONDS = 2.0
# A connection that waits for a request, or for the rest of its headers, is closed after this time. It is longer than the minute
# for which proxies keep idle connections.
IDLE_SECONDS = 75.0
# Descriptors reserved for Redis, files and everything else that a process opens.
_RESERVED_DESCRIPTORS = 256
_WARNING_SECONDS = 60.0

_log = logging.getLogger("sidedata.service")


class _Connection(web.RequestHandler):
    __slots__ = ()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Open; if all connections are in use, the oldest idle one is closed."""
        super().connection_made(transport)
        assert isinstance(self._manager, _Server)  # noqa: S101 - only `_Server` makes connections
        self._manager.make_room(self)

    @property
    def idle(self) -> bool:
        """True while it waits for a request, or for the rest of its headers."""
        return self._waiter is not None and not self._waiter.done() and not self._force_close

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - aiohttp's signature; the parser's message may quote the request
    ) -> web.StreamResponse:
        """A problem; the connection is closed, because the start of the next request is unknown."""
        if isinstance(exc, ConnectionError):
            raise exc  # the client left within its body: not a bug, and there is nothing to send
        if status >= 500:
            _log.error("a bug while answering", exc_info=exc)
        else:
            _log.info("a request that is not valid HTTP: %s", type(exc).__name__)
        if request.writer is not None and request.writer.output_size > 0:
            raise ConnectionError("a response has begun already, a second one would be read as part of it")
        detail = "the request can't be read as HTTP" if status < 500 else "internal error; it was logged"
        response = web.Response(
            body=problem_body(status, detail),
            status=status,
            content_type=CONTENT_TYPE,
            headers={"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Server": "sidedata"},
        )
        response.force_close()
        return response


class _Server(web.Server):
    max_connections = 1 << 30
    _warned_at = float("-inf")

    def make_room(self, newest: _Connection) -> None:
        """Keep the number of connections within the process's limit of descriptors."""
        if len(self._connections) <= self.max_connections:
            return
        now = self._loop.time()
        if now - self._warned_at > _WARNING_SECONDS:
            self._warned_at = now
            _log.warning("all %d connections are taken; idle ones are closed for new ones", self.max_connections)
        # In order of arrival, so the first idle connection is the oldest.
        idle = (other for other in self._connections if isinstance(other, _Connection) and other.idle)
        next(idle, newest).force_close()

    def __call__(self) -> web.RequestHandler:
        return _Connection(self, loop=self._loop, **self._kwargs)


class Listener(web.AppRunner):
    """Runs the application, without aiohttp's access log, whose lines would show query strings."""

    def __init__(self, app: web.Application) -> None:
        super().__init__(
            app,
            handle_signals=False,
            access_log=None,
            auto_decompress=False,
            max_line_size=MAX_LINE_BYTES,
            max_field_size=MAX_LINE_BYTES,
            keepalive_timeout=IDLE_SECONDS,
            lingering_time=LINGERING_SECONDS,
            shutdown_timeout=SHUTDOWN_SECONDS,
        )

    async def _make_server(self) -> web.Server:
        ordinary = await super()._make_server()
        # The same server with another class of connections, for which aiohttp has no parameter.
        options = ordinary._kwargs  # noqa: SLF001 - the only place that has all of them
        handler = with_fast_path(self.app, ordinary.request_handler)
        server = _Server(handler, request_factory=ordinary.request_factory, **options)  # type: ignore[arg-type] # aiohttp's own
        descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if descriptors != resource.RLIM_INFINITY:
            server.max_connections = max(descriptors // 2, descriptors - _RESERVED_DESCRIPTORS)
        return server
