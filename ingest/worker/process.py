"""The process around a worker: signals, connections, the health port."""

import asyncio
import gc
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from sidedata.cli.processes.address import taken_port
from sidedata.cli.stopping import stop_on_signals
from sidedata.clock import Clock, SystemClock
from sidedata.embedded.server import attach
from sidedata.errors import StoreUnavailableError
from sidedata.ingest.metrics import Metrics
from sidedata.ingest.worker.listing import fill_list
from sidedata.ingest.worker.worker import Worker
from sidedata.inspect.health import Check, redis_answers, redis_checks
from sidedata.inspect.zones import zone_check
from sidedata.json_log import log_to_stderr
from sidedata.metrics import new_registry
from sidedata.probes import health_app
from sidedata.redis.client import connect
from sidedata.redis.gateway import Gateway
from sidedata.schema.installation import Installation
from sidedata.settings import Settings
from sidedata.writes.installation import open_installation

_log = logging.getLogger("sidedata.worker")

# Longer than any read waits and any commit takes, shorter than a lease: the time that a tick loses to a hanging master of a cluster
# must not cost the leases on the others. A Redis that doesn't answer in this time is out of reach.
_TIMEOUT_SECONDS = 2.0
_RETRY_SECONDS = 0.5
# The objects of a batch are freed by their reference counts. Searching them for cycles, as often as Python's default would, takes
# a tenth of a worker's time and finds none. A batch of an import makes some 100,000 and frees them later.
_OBJECTS_BETWEEN_COLLECTIONS = 500_000


async def run_worker(settings: Settings) -> None:
    """Run a worker until SIGTERM.

    Raises:
        StopError: the settings don't fit the installation, or Redis refuses for good.
    """
    log_to_stderr(settings.log_level)
    stop = stop_on_signals()
    async with attach(settings) as attached:
        gateway = connect(attached.redis_url, timeout=_TIMEOUT_SECONDS)
        try:
            metrics = Metrics(new_registry())
            async with _health(attached, gateway, metrics):
                installation = await _wait_for_installation(gateway, attached, stop, SystemClock())
                if installation is None:
                    return
                for check in await redis_checks(gateway, installation.partitions, appends="dead"):
                    if check.status in ("warning", "failed"):
                        _log.warning("%s", check.detail)
                worker = Worker(gateway, installation, attached, metrics)
                _log.info("worker %s on %d partitions", worker.name, installation.partitions)
                gc.freeze()
                gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
                listing = asyncio.create_task(fill_list(gateway, installation), name="list of organizations")
                try:
                    await worker.run(stop)
                finally:
                    listing.cancel()
                    await asyncio.gather(listing, return_exceptions=True)
        finally:
            await gateway.aclose()


async def _wait_for_installation(
    gateway: Gateway, settings: Settings, stop: asyncio.Event, clock: Clock
) -> Installation | None:
    """Open the installation as soon as Redis is in reach; None if `stop` is set before."""
    logged = False
    while not stop.is_set():
        try:
            return await open_installation(gateway, settings, require_secret=True)
        except StoreUnavailableError as error:
            if not logged:
                _log.warning("%s; trying again until it is back", error)
            logged = True
            await clock.sleep(_RETRY_SECONDS)
    return None


@asynccontextmanager
async def _health(settings: Settings, gateway: Gateway, metrics: Metrics) -> AsyncIterator[None]:
    """Serve /livez, /readyz and /metrics for as long as the context lasts."""

    async def checks() -> list[Check]:
        checks = await redis_checks(gateway, settings.partitions, appends="dead")
        return [*checks, await zone_check(gateway)] if redis_answers(checks) else checks

    runner = web.AppRunner(health_app(metrics.registry, checks), access_log=None, handle_signals=False)
    await runner.setup()
    try:
        site = web.TCPSite(runner, settings.host, settings.worker_port)
        try:
            await site.start()
        except OSError as error:
            raise taken_port("SIDEDATA_WORKER_PORT", settings.host, settings.worker_port, error) from error
        yield
    finally:
        await runner.cleanup()
