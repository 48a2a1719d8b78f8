"""The application: state, middlewares and the table of routes, put together."""

from collections.abc import AsyncIterator

from aiohttp import web

from sidedata.clock import Clock
from sidedata.metrics import new_registry
from sidedata.probes import HealthHandlers
from sidedata.redis.gateway import Gateway
from sidedata.schema.installation import Installation
from sidedata.service.api.health import ServiceChecks
from sidedata.service.api.ingest import KINDS
from sidedata.service.api.ingest_warnings import KindCache
from sidedata.service.api.live_hub import HUB, Hub
from sidedata.service.api.pages import Pages
from sidedata.service.api.reports.report import post_sidedata
from sidedata.service.api.reports.timeline import post_timeline
from sidedata.service.http.access_log import access_log, set_common_headers
from sidedata.service.http.auth import AUTHENTICATOR, Authenticator, authorization
from sidedata.service.http.cors import answer_preflights, origins, set_cors_headers
from sidedata.service.http.forwarded import PROXIES, Proxies
from sidedata.service.http.problems import problems
from sidedata.service.http.state import BACKEND, Backend
from sidedata.service.metrics import METRICS, ServiceMetrics
from sidedata.service.openapi.document import Description
from sidedata.service.report.reports import Reports
from sidedata.service.router import register
from sidedata.service.routes import table
from sidedata.service.server.fast_path import FAST_PATH
from sidedata.settings import Settings


def create_app(
    settings: Settings, gateway: Gateway, installation: Installation | None, clock: Clock, reports: Reports | None
) -> web.Application:
    """Create the service. With None for installation and reports all answers are 503 until `app[BACKEND].open()`."""
    allowed = origins(settings.cors_origins)
    app = web.Application(
        # From the outside in: `access_log` sees the final status of each request, `problems` turns every exception of the inner
        # ones into a response, and `authorization` guards the handlers.
        middlewares=[access_log, *([answer_preflights(allowed)] if allowed else []), problems, authorization],
        # `http.bodies` decompresses, within limits.
        handler_args={"auto_decompress": False},
    )
    metrics = app[METRICS] = ServiceMetrics(new_registry())
    backend = app[BACKEND] = Backend(gateway, settings, clock, metrics)
    if installation is not None and reports is not None:
        backend.open(installation, reports)
    app[KINDS] = KindCache(backend)
    app[AUTHENTICATOR] = Authenticator(gateway, settings, clock)
    app.on_response_prepare.append(set_common_headers)
    if allowed:
        app.on_response_prepare.append(set_cors_headers(allowed))
    if settings.trusted_proxies:
        app[PROXIES] = Proxies(settings.trusted_proxies)
    app.on_shutdown.append(_close_streams)
    app.cleanup_ctx.append(_hub)
    app.cleanup_ctx.append(_authenticator)

    description = Description()
    endpoints = table(HealthHandlers(metrics.registry, ServiceChecks(backend)), Pages(), description.serve)
    description.fill(endpoints)
    register(app, endpoints)
    if not allowed:  # the fast path sets no CORS headers
        app[FAST_PATH] = tuple(endpoint for endpoint in endpoints if endpoint.handler in (post_sidedata, post_timeline))
    return app


async def _hub(app: web.Application) -> AsyncIterator[None]:
    hub = app[HUB] = Hub(app[METRICS])
    yield
    await hub.close()


async def _authenticator(app: web.Application) -> AsyncIterator[None]:
    yield
    await app[AUTHENTICATOR].tokens.close()


async def _close_streams(app: web.Application) -> None:
    # Before the server waits for its handlers: those of streams would never end by themselves.
    await app[HUB].close()
