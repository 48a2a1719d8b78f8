"""Redis, service and worker in one process tree, with or without the demonstration's visitors."""

import asyncio
import sys
from pathlib import Path

import aiohttp
import click
import msgspec

from sidedata.cli.processes.address import base_url, service_answers
from sidedata.cli.processes.demo import Demo, prepare
from sidedata.cli.processes.supervisor import Supervisor
from sidedata.cli.progress import spinner
from sidedata.cli.stopping import until_first_ends
from sidedata.embedded.data_directory import data_directory
from sidedata.embedded.server import redis_url, server_ended
from sidedata.errors import StopError
from sidedata.reads.partitions import live_workers
from sidedata.redis.client import connect
from sidedata.settings import Settings

_REDIS_SECONDS = 5.0
_PAUSE_SECONDS = 0.05
_REQUEST_TIMEOUT = aiohttp.ClientTimeout(total=5)


async def run_up(settings: Settings) -> None:
    """Run all of it until a signal stops it, or the first of it ends."""
    async with redis_url(settings) as url, Supervisor(settings, prefixed=sys.stderr.isatty()) as supervisor:
        await supervisor.start("serve")
        await supervisor.start("worker")
        await until_first_ends(_announce(settings, url), supervisor.watch(), _redis_ended(settings))


async def _announce(settings: Settings, url: str) -> None:
    async with aiohttp.ClientSession(timeout=_REQUEST_TIMEOUT) as session:
        await service_answers(session, settings)
    await _worker_ready(settings, url)
    click.echo(f"sidedata is up on {base_url(settings)}, its dashboard on {base_url(settings)}/dashboard")
    await asyncio.Event().wait()


async def _worker_ready(settings: Settings, url: str) -> None:
    """Wait for the first heartbeat of a worker."""
    gateway = connect(url, timeout=_REDIS_SECONDS)
    try:
        while not await live_workers(gateway, settings.lease_ms):  # noqa: ASYNC110 - Redis sends no notice of it
            await asyncio.sleep(_PAUSE_SECONDS)
    finally:
        await gateway.aclose()


async def run_demo(settings: Settings, seconds: float | None) -> None:
    """The same, with visitors and their answers; it ends `seconds` after the traffic began, if given."""
    logs = data_directory(Path(settings.data_dir))
    async with redis_url(settings) as url, Supervisor(settings, logs=logs) as supervisor:
        token = await prepare(msgspec.structs.replace(settings, redis_url=url))
        await supervisor.start("serve")
        await supervisor.start("worker")
        await until_first_ends(
            _show(Demo(settings, url, token), supervisor, seconds), supervisor.watch(), _redis_ended(settings)
        )


async def _show(demonstration: Demo, supervisor: Supervisor, seconds: float | None) -> None:
    loop = asyncio.get_running_loop()
    async with aiohttp.ClientSession(timeout=_REQUEST_TIMEOUT) as session:
        with spinner("Waiting for the service"):
            await service_answers(session, demonstration.settings)
        traffic = await supervisor.start("traffic", *demonstration.traffic, capture=True)
        start = loop.time()
        demonstration.print_addresses()
        with spinner("Sending a week of visitors and applying it"):
            await demonstration.history_applied(traffic)
            answers = await demonstration.request(session)
    demonstration.print_answers(answers)
    if seconds is None:
        demonstration.print_end()
        await asyncio.Event().wait()
    else:
        await asyncio.sleep(max(0, start + seconds - loop.time()))


async def _redis_ended(settings: Settings) -> None:
    await server_ended(settings)
    raise StopError(f"the embedded Redis ended unexpectedly; its log is {Path(settings.data_dir) / 'redis.log'}")
