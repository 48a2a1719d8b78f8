"""The server's side of a connection: limits of the HTTP parser, and JSON for requests that it can't read.

aiohttp answers those (a line too long, a header that is none) before any application, with plain text or HTML.
"""

import logging

from aiohttp import web

from service.problems import CONTENT_TYPE, problem_body

# A path, its query and two ids take 300 bytes; headers of proxies and browsers some thousands.
MAX_LINE_BYTES = 16 * 1024
# Work in hand takes a second, an upload perhaps more. aiohttp waits this long twice, and after ten we must be gone.
SHUTDOWN_SECONDS = 3.0
# How long the rest of a refused body is read, so that a client that still sends it sees the refusal and no reset.
LINGERING_SECONDS = 2.0


_log = logging.getLogger("sidedata.service")


class _Connection(web.RequestHandler):
    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - aiohttp's signature; the parser's words may quote the request
    ) -> web.StreamResponse:
        """A problem; the connection ends, since nobody knows where the next request would begin."""
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
            headers={"X-Content-Type-Options": "nosniff"},
        )
        response.force_close()
        return response


class _Server(web.Server):
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
            lingering_time=LINGERING_SECONDS,
            shutdown_timeout=SHUTDOWN_SECONDS,
        )

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        # The same server with connections of ours; aiohttp has no parameter for their class.
        options = made._kwargs  # noqa: SLF001 - the only place that has them all
        return _Server(made.request_handler, request_factory=made.request_factory, **options)
