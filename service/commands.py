"""`sidedata serve`: the command around `sidedata.service.process`."""

import click

from sidedata.cli.event_loop import run
from sidedata.cli.options import settings_options
from sidedata.json_log import log_to_stderr
from sidedata.settings import Settings


@click.command()
@click.option(
    "--beside-others", is_flag=True, hidden=True, help="share the port, as one of the processes of --processes"
)
@settings_options()
def serve(settings: Settings, *, beside_others: bool) -> None:
    """Answer queries over HTTP, accept events, and serve the dashboard.

    Listens from the start; while Redis is out of reach all answers are 503, and /readyz gives the reason.
    """
    from sidedata.service.process import run_service  # noqa: PLC0415 - `sidedata --help` needs no aiohttp and no numpy

    log_to_stderr(settings.log_level)
    run(run_service(settings, beside_others=beside_others))
