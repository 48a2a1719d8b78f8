"""The application put together: what is behind the handlers, what every request passes through, the table of routes."""

from collections.abc import AsyncIterator

from aiohttp import web

from sidedata.clock import Clock
from sidedata.metrics import new_registry
from sidedata.probes import HealthHandlers
from sidedata.redis.client import Client
from sidedata.schema.installation import Installation
from sidedata.service.api.health import ServiceChecks
from sidedata.service.api.live_hub import HUB, Hub
from sidedata.service.api.pages import Pages
from sidedata.service.api.report import post_sidedata
from sidedata.service.api.routes import register, table
from sidedata.service.http.access_log import finish, observe
from sidedata.service.http.auth import GUARD, Guard, authorize
from sidedata.service.http.cors import marks, origins, preflights
from sidedata.service.http.forwarded import PROXIES, Proxies
from sidedata.service.http.problems import problems
from sidedata.service.http.state import BACKEND, Backend
from sidedata.service.metrics import METRICS, ServiceMetrics
from sidedata.service.openapi.document import Description
from sidedata.service.report.reports import Reports
from sidedata.service.server.fast_path import EXPRESS
from sidedata.settings import Settings


def create_app(
    settings: Settings, client: Client, installation: Installation | None, clock: Clock, reports: Reports | None
) -> web.Application:
    """The service. While installation and reports are None all answers are 503, until `app[BACKEND].open()`."""
    allowed = origins(settings.cors_origins)
    app = web.Application(
        # From the outside in. `observe` sees every request's final status; `problems` turns whatever is raised inside it
        # into an answer, refusals of `authorize` too; `authorize` lets nobody through to a handler that it shouldn't.
        middlewares=[observe, *([preflights(allowed)] if allowed else []), problems, authorize],
        # Bodies are decompressed by ourselves, within limits.
        handler_args={"auto_decompress": False},
    )
    backend = app[BACKEND] = Backend(client, settings, clock)
    if installation is not None and reports is not None:
        backend.open(installation, reports)
    metrics = app[METRICS] = ServiceMetrics(new_registry())
    app[GUARD] = Guard(client, settings, clock)
    app.on_response_prepare.append(finish)
    if allowed:
        app.on_response_prepare.append(marks(allowed))
    if settings.trusted_proxies:
        app[PROXIES] = Proxies(settings.trusted_proxies)
    app.on_shutdown.append(_close_streams)
    app.cleanup_ctx.append(_hub)
    app.cleanup_ctx.append(_guard)

    description = Description()
    endpoints = table(HealthHandlers(metrics.registry, ServiceChecks(backend)), Pages(), description.serve)
    description.fill(endpoints)
    register(app, endpoints)
    if not allowed:  # what pages of other origins are told stands in headers that only the long way knows
        app[EXPRESS] = next(endpoint for endpoint in endpoints if endpoint.handler is post_sidedata)
    return app


async def _hub(app: web.Application) -> AsyncIterator[None]:
    hub = app[HUB] = Hub(app[METRICS])
    yield
    await hub.close()


async def _guard(app: web.Application) -> AsyncIterator[None]:
    yield
    await app[GUARD].close()


async def _close_streams(app: web.Application) -> None:
    # Before the server waits for handlers to end: streams would never end by themselves.
    await app[HUB].close()
