"""The server's side of a connection: limits of the HTTP parser, and JSON for requests that it can't read.

aiohttp answers those (a line too long, a header that is none) before any application, with plain text or HTML.
"""

import asyncio
import logging
import resource

from aiohttp import web

from sidedata.service.http.problems import CONTENT_TYPE, problem_body
from sidedata.service.server.fast_path import express

# A path, its query and two ids take 300 bytes; headers of proxies and browsers some thousands.
MAX_LINE_BYTES = 16 * 1024
# Work in hand takes a second, an upload perhaps more. aiohttp waits this long twice, and after ten we must be gone.
SHUTDOWN_SECONDS = 3.0
# How long the rest of a refused body is read, so that a client that still sends it sees the refusal and no reset.
LINGERING_SECONDS = 2.0
# A connection that waits for a request, or for the rest of its headers, is closed after this; longer than the minute for which
# proxies keep theirs.
IDLE_SECONDS = 75.0
# Descriptors kept back for Redis, files and what else a process opens.
_KEPT_BACK = 256
_SAID_EVERY_SECONDS = 60.0

_log = logging.getLogger("sidedata.service")


class _Connection(web.RequestHandler):
    __slots__ = ()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Come in; if all places are taken, whoever has waited longest without asking anything has to leave."""
        super().connection_made(transport)
        assert isinstance(self._manager, _Server)  # noqa: S101 - it made us
        self._manager.make_room(self)

    @property
    def idle(self) -> bool:
        """Whether it waits for a request, or for the rest of one's headers."""
        return self._waiter is not None and not self._waiter.done() and not self._force_close

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - aiohttp's signature; the parser's words may quote the request
    ) -> web.StreamResponse:
        """A problem; the connection ends, since nobody knows where the next request would begin."""
        if isinstance(exc, ConnectionError):
            raise exc  # the client left in the middle of its body: no bug of ours, and nobody to answer
        if status >= 500:
            _log.error("a bug while answering", exc_info=exc)
        else:
            _log.info("a request that is no HTTP: %s", type(exc).__name__)
        if request.writer is not None and request.writer.output_size > 0:
            raise ConnectionError("an answer is on its way already, another would be read as part of it")
        detail = "the request can't be read as HTTP" if status < 500 else "an error of ours; it was logged"
        response = web.Response(
            body=problem_body(status, detail),
            status=status,
            content_type=CONTENT_TYPE,
            headers={"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Server": "sidedata"},
        )
        response.force_close()
        return response


class _Server(web.Server):
    most = 1 << 30
    _said = float("-inf")

    def make_room(self, newest: _Connection) -> None:
        """Keep the number of connections within what the process may open."""
        if len(self._connections) <= self.most:
            return
        now = self._loop.time()
        if now - self._said > _SAID_EVERY_SECONDS:
            self._said = now
            _log.warning("all %d connections are taken; idle ones are closed for new ones", self.most)
        idle = (known for known in self._connections if isinstance(known, _Connection) and known.idle)
        next(idle, newest).force_close()

    def __call__(self) -> web.RequestHandler:
        return _Connection(self, loop=self._loop, **self._kwargs)


class Listener(web.AppRunner):
    """Runs the application; no access log of aiohttp's, whose lines would show query strings."""

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
        made = await super()._make_server()
        # The same server with connections of ours; aiohttp has no parameter for their class.
        options = made._kwargs  # noqa: SLF001 - the only place that has them all
        handler = express(self.app, made.request_handler)
        server = _Server(handler, request_factory=made.request_factory, **options)  # type: ignore[arg-type] # it makes them
        descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        if descriptors != resource.RLIM_INFINITY:
            server.most = max(descriptors // 2, descriptors - _KEPT_BACK)
        return server
