"""`sidedata rebuild`: the command around `sidedata.ingest.rebuild.rebuild`."""

import sys

import click

from sidedata.calendar.zones import zone
from sidedata.cli.connection import TIMEOUT_SECONDS
from sidedata.cli.event_loop import run
from sidedata.cli.options import INSTALLATION, settings_options
from sidedata.cli.progress import reading
from sidedata.cli.tables import print_table
from sidedata.embedded.server import attach
from sidedata.errors import UsageError
from sidedata.ingest.archive.lines import open_archive, open_file, read_lines
from sidedata.ingest.rebuild.rebuild import Rebuild
from sidedata.ingest.rebuild.report import Report, json_of, remarks, rows
from sidedata.redis.client import connect
from sidedata.schema.records import parse_uuid
from sidedata.settings import Settings
from sidedata.writes.installation import open_installation

_KEEP = ("keep_fine_hours", "keep_hour_days", "keep_day_days", "keep_late_hours", "keep_ids_hours")
_PLANNING = ("affect_hours", "visitor_goals", "batch_events", "lease_ms")


@click.command()
@click.argument("file", metavar="FILE|-")
@click.option("--org", "organization", required=True, metavar="ORG", help="the organization")
@click.option(
    "--timezone", metavar="ZONE", help="as if this had always been its reporting time zone; else the zone stays"
)
@click.option("--dry-run", is_flag=True, help="compare only; holds nothing up and changes nothing")
@click.option("--apply", is_flag=True, help="don't ask: hold the partition, compare, swap")
@click.option("--json", "as_json", is_flag=True, help="the report as one JSON object")
@settings_options(*INSTALLATION, "secret", *_KEEP, *_PLANNING)
def rebuild(
    file: str,
    organization: str,
    timezone: str | None,
    settings: Settings,
    *,
    dry_run: bool,
    apply: bool,
    as_json: bool,
) -> None:
    """Rebuild an organization's counters from an archive (NDJSON, gzipped or not), compare, and swap them in at once.

    The archive must hold every event that was applied: a missing one is not counted any more. Events that arrive meanwhile wait
    and are applied afterwards. An event that is in the archive too counts once if it has an id. Without --apply the command
    compares and asks.

    Unreadable lines, and lines without a timestamp, are named and left out; the exit status is then 1.
    """
    organization_id = parse_uuid(organization)
    if timezone is not None:
        zone(timezone)
    interactive = not (dry_run or apply)
    if dry_run and apply:
        raise UsageError("--dry-run changes nothing, --apply does: give one of them")
    if interactive and (file == "-" or not sys.stdin.isatty()):
        raise UsageError("no terminal to ask on: give --apply, or --dry-run to compare only")
    if interactive:
        _rebuild(file, organization_id, timezone, settings, dry=True, as_json=False)
        click.confirm("Replace the stored counters by the rebuilt ones?", abort=True, err=True)
    unreadable = _rebuild(file, organization_id, timezone, settings, dry=dry_run, as_json=as_json)
    if unreadable:
        raise click.exceptions.Exit(1)


def _rebuild(
    file: str, organization: str, timezone: str | None, settings: Settings, *, dry: bool, as_json: bool
) -> int:
    """Rebuild, or compare only; returns the number of unreadable lines."""
    report: Report | None = None  # until the archive is read

    async def command() -> None:
        nonlocal report
        async with attach(settings) as attached:
            gateway = connect(attached.redis_url, timeout=TIMEOUT_SECONDS)
            try:
                installation = await open_installation(gateway, attached, require_secret=True)
                with open_file(file) as (source, size), reading(source, size) as advance:
                    lines = read_lines(open_archive(source), installation.partitions, needs_time=True)
                    work = Rebuild(
                        gateway,
                        attached,
                        installation,
                        organization,
                        lines,
                        dry=dry,
                        timezone=timezone,
                        progress=lambda archive: advance(archive.events),
                    )
                    report = work.report
                    await work.run()
            finally:
                await gateway.aclose()

    try:
        run(command())
    finally:
        if report is not None:
            _print(report, organization, dry=dry, as_json=as_json)
    return 0 if report is None else report.archive.unreadable


def _print(report: Report, organization: str, *, dry: bool, as_json: bool) -> None:
    """Print the differences to stdout, and the archive's content and the result to stderr."""
    for line in report.archive.bad_lines():
        click.echo(line, err=True)
    if as_json:
        click.echo(json_of(report, organization))
    elif report.workflows:
        print_table(("workflow", "figure", "stored", "rebuilt"), rows(report))
    for remark in remarks(report, dry=dry):
        click.echo(remark, err=True)
