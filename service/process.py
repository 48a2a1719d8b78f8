"""The service as a process: it listens, opens the installation, and stops on a signal."""

import asyncio
import contextlib
import logging

import click
from aiohttp import web

from sidedata.cli.processes.address import taken_port
from sidedata.cli.stopping import stop_on_signals
from sidedata.clock import Clock, SystemClock
from sidedata.embedded.server import attach
from sidedata.errors import StopError, StoreUnavailableError
from sidedata.redis.client import connect
from sidedata.redis.gateway import Gateway
from sidedata.service.app import create_app
from sidedata.service.http.state import BACKEND
from sidedata.service.metrics import METRICS
from sidedata.service.report.reports import Reports
from sidedata.service.server.listener import Listener
from sidedata.service.server.memory import collect_rarely, prefault
from sidedata.service.server.processes import serve_with_several
from sidedata.settings import Settings
from sidedata.writes.installation import open_installation

# Responses are due within a second, refusals too.
REDIS_TIMEOUT_SECONDS = 0.7
_RETRY_SECONDS = 0.5

_log = logging.getLogger("sidedata.service")


async def run_service(settings: Settings, *, beside_others: bool) -> None:
    """Serve until a signal stops it; `beside_others` shares the port, as one of the processes of --processes.

    Raises:
        StopError: the address is taken, or the configuration of this process does not fit the installation.
    """
    if settings.processes > 1:
        await serve_with_several(settings)
    else:
        await _serve(settings, reuse_port=beside_others)


async def _serve(settings: Settings, *, reuse_port: bool) -> None:
    stop = stop_on_signals()
    clock = SystemClock()
    async with attach(settings) as attached:
        gateway = connect(attached.redis_url, timeout=REDIS_TIMEOUT_SECONDS)
        try:
            app = create_app(attached, gateway, None, clock, None)
            prefault(settings.cache_mb << 20)
            collect_rarely()
            await _run(app, attached, gateway, clock, stop, reuse_port=reuse_port)
        finally:
            await gateway.aclose()


async def _run(
    app: web.Application, settings: Settings, gateway: Gateway, clock: Clock, stop: asyncio.Event, *, reuse_port: bool
) -> None:
    """Listen until `stop` is set.

    Raises:
        StopError: the address is taken, or the configuration of this process does not fit the installation.
    """
    listener = Listener(app)
    await listener.setup()
    opening = asyncio.create_task(_open(app, settings, gateway, clock))
    stopping = asyncio.create_task(stop.wait())
    try:
        # Usually Redis is reachable: after this moment the first request gets a normal answer, and a process that must not run
        # raises its error before it listens.
        await asyncio.wait([opening, stopping], timeout=1, return_when=asyncio.FIRST_COMPLETED)
        if opening.done():
            opening.result()
        site = web.TCPSite(listener, settings.host, settings.port, reuse_address=True, reuse_port=reuse_port)
        try:
            await site.start()
        except OSError as error:
            raise taken_port("SIDEDATA_PORT", settings.host, settings.port, error) from error
        host, port = listener.addresses[0][:2]
        click.echo(f"sidedata serve: listening on http://{f'[{host}]' if ':' in host else host}:{port}")
        await asyncio.wait([opening, stopping], return_when=asyncio.FIRST_COMPLETED)
        if opening.done():
            opening.result()
        await stopping
    finally:
        for task in (opening, stopping):
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError, StopError):
            await opening
        await listener.cleanup()


async def _open(app: web.Application, settings: Settings, gateway: Gateway, clock: Clock) -> None:
    """Open the installation as soon as Redis is reachable, and let the application answer."""
    while True:
        try:
            installation = await open_installation(gateway, settings, require_secret=True)
        except StoreUnavailableError as error:
            _log.warning("%s", error)
            await clock.sleep(_RETRY_SECONDS)
        else:
            app[BACKEND].open(installation, Reports(gateway, installation, settings, clock, app[METRICS]))
            return
