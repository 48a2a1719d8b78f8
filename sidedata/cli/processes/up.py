"""`sidedata up` and `sidedata demo`: Redis, service and worker in one process tree."""

from pathlib import Path

import click
import msgspec

from sidedata.cli.event_loop import run
from sidedata.cli.options import settings_options
from sidedata.cli.stopping import until_stopped
from sidedata.embedded.data_directory import embedded_secret
from sidedata.embedded.server_binary import find_servers
from sidedata.settings import Settings


@click.command()
@settings_options()
def up(settings: Settings) -> None:
    """Run Redis, service and worker until Ctrl-C or SIGTERM.

    Without SIDEDATA_REDIS_URL an embedded Redis stores its data in SIDEDATA_DATA_DIR, where the secret is, too.
    """
    from sidedata.cli.processes.address import check_ports, free_ports  # noqa: PLC0415 - `sidedata --help` needs no aiohttp
    from sidedata.cli.processes.running import run_up  # noqa: PLC0415 - the same

    if settings.port == 0:
        settings = msgspec.structs.replace(settings, port=free_ports(settings.host, [0])[0])
    check_ports(settings)
    run(until_stopped(run_up(_with_secret(settings))))


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
    from sidedata.cli.processes.address import free_ports  # noqa: PLC0415 - `sidedata --help` needs no aiohttp
    from sidedata.cli.processes.running import run_demo  # noqa: PLC0415 - the same

    port, worker_port = free_ports(settings.host, [settings.port, settings.worker_port])
    if port != settings.port != 0:
        click.echo(f"Port {settings.port} is in use, so the service listens on {port}.", err=True)
    settings = msgspec.structs.replace(settings, port=port, worker_port=worker_port)
    run(until_stopped(run_demo(_with_secret(settings), seconds)))


def _with_secret(settings: Settings) -> Settings:
    """Fill in the installation's secret, which the data directory stores.

    Raises:
        StopError: there is no server to start, and so no data directory is made.
    """
    if not settings.redis_url and not Path(settings.data_dir).exists():
        find_servers()
    return msgspec.structs.replace(settings, secret=embedded_secret(settings))
