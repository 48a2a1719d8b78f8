"""The commands of this package: the worker, and the commands that send, replay and delete events."""

import click

from sidedata.cli.connection import connect_installation
from sidedata.cli.event_loop import run
from sidedata.cli.options import INSTALLATION, confirm_deletion, is_interactive, settings_options
from sidedata.cli.stopping import stop_on_signals
from sidedata.clock import SystemClock
from sidedata.ingest.archive.command import push
from sidedata.ingest.dead_letter_commands import dead
from sidedata.ingest.purge.purge import Purge, PurgeReport
from sidedata.json_log import log_to_stderr
from sidedata.plural import counted
from sidedata.schema.records import parse_uuid
from sidedata.settings import Settings


@click.command()
@settings_options()
def worker(settings: Settings) -> None:
    """Apply events from the streams to the counters, until SIGTERM."""
    from sidedata.ingest.worker.process import run_worker  # noqa: PLC0415 - the other commands need none of it

    run(run_worker(settings))


@click.command()
@click.option("--org", "organization", required=True, metavar="ORG", help="the organization")
@click.option("--workflow", metavar="WORKFLOW", help="only this workflow of it")
@click.option("--dry-run", is_flag=True, help="only count, delete nothing")
@click.option(
    "--tokens", "with_tokens", is_flag=True, help="revoke the organization's tokens, too: for one that does not return"
)
@click.option("--yes", is_flag=True, help="don't ask")
@settings_options(*INSTALLATION)
def purge(
    organization: str, workflow: str | None, settings: Settings, *, dry_run: bool, yes: bool, with_tokens: bool
) -> None:
    """Delete all data of an organization, or of one workflow; a whole organization's time zone may then be set again.

    On a terminal it counts first and asks.
    """
    organization_id = parse_uuid(organization)
    workflow_id = parse_uuid(workflow) if workflow is not None else None

    async def command(*, dry: bool) -> PurgeReport:
        async with connect_installation(settings) as (gateway, installation):
            target = (organization_id, workflow_id)
            return await Purge(gateway, settings, installation, *target, dry=dry, with_tokens=with_tokens).run()

    if is_interactive(yes=yes) and not dry_run:
        name = f"organization {organization_id}" if workflow_id is None else f"workflow {workflow_id}"
        click.echo(f"{name}: {_amounts(run(command(dry=True)))}", err=True)
        confirm_deletion("Delete all of it? It can't be undone", yes=yes)
    report = run(command(dry=dry_run))
    click.echo(f"{'would delete' if dry_run else 'deleted'} {_amounts(report)}")


def _amounts(report: PurgeReport) -> str:
    return (
        f"{counted(report.keys, 'key')}, {counted(report.dead_letters, 'dead letter')}, "
        f"{counted(report.waiting_events, 'waiting event')}, "
        f"interactions of {counted(report.visitors, 'visitor')}, {counted(report.tokens, 'token')}"
    )


@click.command()
@click.option("--org", "organization", required=True, metavar="ORG", help="the organization")
@click.option("--pages", required=True, metavar="WORKFLOW", help="its page-navigation workflow")
@click.option("--interactions", required=True, metavar="WORKFLOW", help="its interaction workflow")
@click.option(
    "--zone",
    default="Europe/Helsinki",
    show_default=True,
    metavar="ZONE",
    help="the time zone of the visitors' days and nights",
)
@click.option(
    "--days",
    type=click.IntRange(min=0),
    default=7,
    show_default=True,
    metavar="N",
    help="days of history to send first",
)
@click.option(
    "--rate",
    type=click.FloatRange(min=0.1),
    metavar="N",
    help="live events a second, on average over a week; default: as many as in the history",
)
@click.option(
    "--seed", type=int, default=1, show_default=True, metavar="N", help="the same seed gives the same visitors"
)
@settings_options(*INSTALLATION)
def traffic(
    organization: str,
    pages: str,
    interactions: str,
    settings: Settings,
    *,
    zone: str,
    days: int,
    rate: float | None,
    seed: int,
) -> None:
    """Send simulated visitor traffic of an organization, until SIGTERM: for demonstrations and trials."""
    from sidedata.ingest.demo.traffic import send_traffic  # noqa: PLC0415 - the other commands need none of it

    log_to_stderr(settings.log_level)
    organization_id, pages_id, interactions_id = parse_uuid(organization), parse_uuid(pages), parse_uuid(interactions)

    async def command() -> None:
        stop = stop_on_signals()
        async with connect_installation(settings) as (gateway, installation):
            await send_traffic(
                gateway,
                installation,
                organization=organization_id,
                pages=pages_id,
                interactions=interactions_id,
                zone=zone,
                days=days,
                rate=rate,
                clock=SystemClock(),
                stop=stop,
                seed=seed,
                history_sent=lambda events: click.echo(f"sent {events:,} events of the past; live ones follow"),
            )

    run(command())


__all__ = ["dead", "purge", "push", "traffic", "worker"]
