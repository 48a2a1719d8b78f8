"""`sidedata rebuild`: the command around `sidedata.ingest.rebuild.rebuild`, and how its report is told."""

import sys
from pathlib import Path
from typing import Any

import click
import msgspec

from sidedata.calendar.zones import zone
from sidedata.cli.connection import TIMEOUT_SECONDS
from sidedata.cli.event_loop import run
from sidedata.cli.options import STORE, settings_options
from sidedata.cli.progress import reading
from sidedata.cli.tables import print_table
from sidedata.embedded.data_directory import embedded_secret
from sidedata.embedded.server import redis_url
from sidedata.errors import UsageError
from sidedata.events.money import text_of
from sidedata.ingest.archive.lines import described, open_archive, opened_file, read_lines
from sidedata.ingest.rebuild.difference import Difference, Figures
from sidedata.ingest.rebuild.rebuild import Rebuild, Report
from sidedata.redis.client import connect
from sidedata.schema.installation import open_installation
from sidedata.schema.records import known_uuid
from sidedata.settings import Settings

_KEEP = ("keep_fine_hours", "keep_hour_days", "keep_day_days", "keep_late_hours", "keep_ids_hours")
_PLANNING = ("affect_hours", "visitor_goals", "batch_events", "lease_ms")


@click.command()
@click.argument("file", metavar="FILE|-")
@click.option("--org", "organization", required=True, help="the organization")
@click.option("--timezone", help="as if this had always been its reporting time zone; else the zone stays")
@click.option("--dry-run", is_flag=True, help="compare only; holds nothing up and changes nothing")
@click.option("--apply", is_flag=True, help="don't ask: hold the partition, compare, swap")
@click.option("--json", "as_json", is_flag=True, help="the report as one JSON object")
@settings_options(*STORE, "secret", *_KEEP, *_PLANNING)
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

    The archive must hold every event that was applied: what it lacks is not counted any more. Events that arrive meanwhile wait
    and are applied afterwards, once, if those that are in the archive too have ids. Without --apply it compares and asks.
    """
    organization_id = known_uuid(organization)
    if timezone is not None:
        zone(timezone)
    asking = not (dry_run or apply)
    if dry_run and apply:
        raise UsageError("--dry-run changes nothing, --apply does: give one of them")
    if asking and (file == "-" or not sys.stdin.isatty()):
        raise UsageError("there is nobody to ask: give --apply, or --dry-run to compare only")
    if not settings.redis_url and (Path(settings.data_dir) / "secret").exists():
        settings = msgspec.structs.replace(settings, secret=embedded_secret(settings))
    if asking:
        _rebuild(file, organization_id, timezone, settings, dry=True, as_json=False)
        click.confirm("Replace what is stored by what was rebuilt?", abort=True, err=True)
    _rebuild(file, organization_id, timezone, settings, dry=dry_run, as_json=as_json)


def _rebuild(
    file: str, organization: str, timezone: str | None, settings: Settings, *, dry: bool, as_json: bool
) -> None:
    report = Report()

    async def command() -> None:
        nonlocal report
        async with redis_url(settings) as url:
            client = connect(url, timeout=TIMEOUT_SECONDS)
            try:
                installation = await open_installation(client, settings, secret_needed=True)
                with opened_file(file) as (source, size), reading(source, size) as moved:
                    lines = read_lines(open_archive(source), installation.partitions)
                    work = Rebuild(
                        client,
                        settings,
                        installation,
                        organization,
                        lines,
                        dry=dry,
                        timezone=timezone,
                        progress=lambda read: moved(read.events),
                    )
                    report = work.report
                    await work.run()
            finally:
                await client.aclose()

    try:
        run(command())
    finally:
        _tell(report, organization, dry=dry, as_json=as_json)


def _tell(report: Report, organization: str, *, dry: bool, as_json: bool) -> None:
    """On stdout what is different; on stderr what was read, and what became of it."""
    read = report.read
    for line in read.faults:
        click.echo(f"line {line.number}: {line.fault}", err=True)
    if as_json:
        click.echo(msgspec.json.encode(_as_json(report, organization)))
    elif report.workflows:
        print_table(
            ("workflow", "figure", "stored", "rebuilt"),
            [row for difference in report.workflows for row in _rows(difference)],
        )
    click.echo(
        f"{report.applied} events counted, {report.duplicates} of them there twice, {read.others} lines of others",
        err=True,
    )
    for reason, number in sorted(report.letters.items()):
        click.echo(f"{number} left out as {reason}", err=True)
    for difference in report.workflows:
        if difference.stored.newest_us > difference.rebuilt.newest_us:
            click.echo(
                f"workflow {difference.workflow} has events until {described(difference.stored.newest_us)}, "
                "later than any in the archive: does it hold all?",
                err=True,
            )
    if report.swapped:
        click.echo(f"swapped; the partition was held for {report.seconds:.1f} s", err=True)
    elif dry and report.workflows:
        click.echo(f"nothing is changed; it took {report.seconds:.1f} s", err=True)


def _rows(difference: Difference) -> list[tuple[str, str, str, str]]:
    stored, rebuilt = _figures(difference.stored), _figures(difference.rebuilt)
    rows = [(name, str(stored.get(name, 0)), str(rebuilt.get(name, 0))) for name in {**stored, **rebuilt}]
    same = difference.buckets - difference.differing
    rows.append(("buckets", f"{same} the same", f"{difference.differing} not"))
    return [(difference.workflow, *row) if place == 0 else ("", *row) for place, row in enumerate(rows)]


def _figures(figures: Figures) -> dict[str, int | str]:
    """By name as a person would say it; money as decimals."""
    named: dict[str, int | str] = {
        "visitors": figures.visitors,
        "sessions": figures.sessions,
        "started": figures.started,
        "goals triggered": figures.triggered,
        "goals affected": figures.affected,
    }
    return {name: value for name, value in named.items() if value} | {
        f"purchases {currency}": text_of(units) for currency, units in sorted(figures.purchases.items()) if units
    }


def _as_json(report: Report, organization: str) -> dict[str, Any]:
    def figures(those: Figures) -> dict[str, Any]:
        plain = msgspec.structs.asdict(those)
        return plain | {"purchases": {code: text_of(units) for code, units in sorted(those.purchases.items())}}

    return {
        "organization": organization,
        "applied": report.applied,
        "duplicates": report.duplicates,
        "dead_letters": report.letters,
        "other_lines": report.read.others,
        "unreadable_lines": report.read.unreadable,
        "seconds": round(report.seconds, 3),
        "swapped": report.swapped,
        "workflows": [
            {
                "id": one.workflow,
                "kind": one.kind,
                "stored": figures(one.stored),
                "rebuilt": figures(one.rebuilt),
                "buckets": one.buckets,
                "buckets_differing": one.differing,
            }
            for one in report.workflows
        ],
    }
