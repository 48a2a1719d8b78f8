"""`sidedata up` and `sidedata demo`: Redis, service and worker in one process tree."""

import asyncio
import sys
from pathlib import Path

import aiohttp
import click
import msgspec

from sidedata.cli.event_loop import run
from sidedata.cli.options import settings_options
from sidedata.cli.processes.address import base_url, check_ports, free_ports, service_answers
from sidedata.cli.processes.demo import Demo, prepare
from sidedata.cli.processes.supervisor import Supervisor
from sidedata.cli.progress import spinner
from sidedata.cli.stopping import until_first_ends, until_stopped
from sidedata.embedded.data_directory import data_directory, embedded_secret
from sidedata.embedded.server import redis_url, server_ended
from sidedata.embedded.server_binary import find_servers
from sidedata.errors import StopError
from sidedata.reads.partitions import live_workers
from sidedata.redis.client import connect
from sidedata.settings import Settings

_REDIS_SECONDS = 5.0
_PAUSE_SECONDS = 0.05
_REQUEST_TIMEOUT = aiohttp.ClientTimeout(total=5)


@click.command()
@settings_options()
def up(settings: Settings) -> None:
    """Run Redis, service and worker until Ctrl-C or SIGTERM.

    Without SIDEDATA_REDIS_URL an embedded Redis stores its data in SIDEDATA_DATA_DIR, where the secret is, too.
    """
    if settings.port == 0:
        settings = msgspec.structs.replace(settings, port=free_ports(settings.host, [0])[0])
    check_ports(settings)
    run(until_stopped(_up(_with_secret(settings))))


@click.command()
@click.option(
    "--seconds",
    envvar="DEMO_SECONDS",
    show_envvar=True,
    type=click.FloatRange(min=0),
    metavar="N",
    help="stop after N seconds of traffic; default: at Ctrl-C",
)
@settings_options()
def demo(settings: Settings, seconds: float | None) -> None:
    """Run everything with simulated traffic, and show address, token and a report of each kind of workflow."""
    port, worker_port = free_ports(settings.host, [settings.port, settings.worker_port])
    if port != settings.port != 0:
        click.echo(f"Port {settings.port} is in use, so the service listens on {port}.", err=True)
    settings = msgspec.structs.replace(settings, port=port, worker_port=worker_port)
    run(until_stopped(_demo(_with_secret(settings), seconds)))


def _with_secret(settings: Settings) -> Settings:
    """Fill in the installation's secret, which the data directory stores.

    Raises:
        StopError: there is no server to start, and so no data directory is made.
    """
    if not settings.redis_url and not Path(settings.data_dir).exists():
        find_servers()
    return msgspec.structs.replace(settings, secret=embedded_secret(settings))


async def _up(settings: Settings) -> None:
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


async def _demo(settings: Settings, seconds: float | None) -> None:
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
