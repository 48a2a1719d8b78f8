"""`sidedata org` and `sidedata workflow`: the records of organizations and workflows."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import click
import msgspec

from sidedata.calendar.reporting import stored_rules
from sidedata.cli.commands.answering import open_answering_store
from sidedata.cli.connection import connect_installation
from sidedata.cli.event_loop import run
from sidedata.cli.options import INSTALLATION, CommandGroup, settings_options
from sidedata.cli.tables import print_table, print_text
from sidedata.errors import StopError, UsageError
from sidedata.inspect.zones import compare, machine_release
from sidedata.reads.records import find_organizations, read_organization, read_organizations, read_workflow
from sidedata.reads.workflow_list import WorkflowList, list_workflows
from sidedata.schema.records import KINDS, OrganizationRecord, WorkflowRecord, parse_uuid
from sidedata.settings import Settings
from sidedata.writes import records


@click.group(cls=CommandGroup)
def org() -> None:
    """List organizations, set and show their time zones and names."""


@org.command("set")
@click.argument("organization", metavar="ORG")
@click.option("--timezone", metavar="ZONE", help="an IANA name such as Europe/Helsinki; fixed once ORG has events")
@click.option("--name", help="a name for people, up to 200 characters; unchanged if not given")
@settings_options(*INSTALLATION)
def set_organization(organization: str, timezone: str | None, name: str | None, settings: Settings) -> None:
    """Set the reporting time zone of ORG, or name it."""
    if timezone is None and name is None:
        raise UsageError("nothing to set: give --timezone, --name or both")

    async def command() -> None:
        async with connect_installation(settings) as (gateway, installation):
            if timezone is not None:
                await records.set_organization(gateway, installation, organization, timezone)
            if name is not None:
                await records.name_organization(gateway, installation, organization, name, named=True)

    run(command())


@org.command("show")
@click.argument("organization", metavar="ORG")
@click.option("--json", "as_json", is_flag=True, help="a JSON object")
@settings_options(*INSTALLATION)
def show_organization(organization: str, settings: Settings, *, as_json: bool) -> None:
    """Show the record of ORG."""
    organization_id = parse_uuid(organization)

    async def command() -> OrganizationRecord | None:
        async with open_answering_store(settings) as (gateway, installation):
            return await read_organization(gateway, installation.keyspace_of(organization_id), organization_id)

    record = run(command())
    if record is None:
        raise StopError(f"there is no record of organization {organization}; its time zone is UTC until one is set")
    machine = machine_release()
    if as_json:
        fields = {**_fields(record), "zone_table": record.zone_rules, "machine_zone_data": machine}
        click.echo(msgspec.json.encode(fields))
        return
    fixed = "fixed, it has events" if record.has_events else "may be set, it has no events"
    rules = record.zone_rules or "none yet: a worker stores them"
    rows = [
        ("organization", record.id),
        ("name", record.name or "none"),
        ("time zone", f"{record.timezone} ({fixed})"),
        ("zone rules", rules),
    ]
    if (release := _release(record)) is not None:
        rows.append(("zone data", f"of this machine: {compare(machine, release)}"))
    _print_record(rows)


@org.command("list")
@click.option("--json", "as_json", is_flag=True, help="a JSON array")
@settings_options(*INSTALLATION)
def list_organizations(settings: Settings, *, as_json: bool) -> None:
    """List all organizations that something is stored of, by id."""

    async def command() -> Sequence[OrganizationRecord]:
        async with open_answering_store(settings) as (gateway, installation):
            ids = {organization async for page in find_organizations(gateway) for organization in page}
            return await read_organizations(gateway, installation, sorted(ids))

    records = run(command())
    if as_json:
        click.echo(msgspec.json.encode([_fields(record) for record in records]))
        return
    print_table(
        ("id", "time zone", "events", "name"),
        ((record.id, record.timezone, "yes" if record.has_events else "no", record.name or "") for record in records),
        empty="no organizations; events or `sidedata org set` make one",
    )


@click.group(cls=CommandGroup)
def workflow() -> None:
    """List, register and show an organization's workflows."""


@workflow.command("set")
@click.argument("organization", metavar="ORG")
@click.argument("workflow_id", metavar="WORKFLOW")
@click.option("--kind", type=click.Choice(KINDS), help="fixed once it is set, and then not needed")
@click.option("--name", help="a name for people, up to 200 characters; unchanged if not given")
@settings_options(*INSTALLATION)
def set_workflow(organization: str, workflow_id: str, kind: str | None, name: str | None, settings: Settings) -> None:
    """Register WORKFLOW of ORG, or name it."""
    if kind is None and name is None:
        raise UsageError("nothing to set: give --kind, --name or both")

    async def command() -> None:
        async with connect_installation(settings) as (gateway, installation):
            await records.set_workflow(gateway, installation, organization, workflow_id, kind, name)

    run(command())


@workflow.command("list")
@click.argument("organization", metavar="ORG")
@click.option("--json", "as_json", is_flag=True, help="a JSON array")
@settings_options(*INSTALLATION)
def list_workflows_of(organization: str, settings: Settings, *, as_json: bool) -> None:
    """List the workflows of ORG, the one with the newest event first."""
    organization_id = parse_uuid(organization)

    async def command() -> WorkflowList:
        async with open_answering_store(settings) as (gateway, installation):
            return await list_workflows(gateway, installation, organization_id)

    workflows = run(command()).workflows
    if as_json:
        click.echo(msgspec.json.encode([entry._asdict() for entry in workflows]))
        return
    print_table(
        ("id", "kind", "last event", "name"),
        ((entry.id, entry.kind, _minute(entry.last_event_us), entry.name or "") for entry in workflows),
        empty=f"organization {organization_id} has no workflows",
    )


@workflow.command("show")
@click.argument("organization", metavar="ORG")
@click.argument("workflow_id", metavar="WORKFLOW")
@click.option("--json", "as_json", is_flag=True, help="a JSON object")
@settings_options(*INSTALLATION)
def show_workflow(organization: str, workflow_id: str, settings: Settings, *, as_json: bool) -> None:
    """Show the record of WORKFLOW of ORG."""
    ids = parse_uuid(organization), parse_uuid(workflow_id)

    async def command() -> WorkflowRecord | None:
        async with open_answering_store(settings) as (gateway, installation):
            return await read_workflow(gateway, installation.keyspace_of(ids[0]), *ids)

    record = run(command())
    if record is None:
        raise StopError(
            f"organization {organization} has no workflow {workflow_id}; `sidedata workflow list` shows its workflows"
        )
    if as_json:
        click.echo(msgspec.json.encode(record))
        return
    newest = record.last_event_us
    last_event = "none" if newest is None else datetime.fromtimestamp(newest / 1_000_000, UTC).isoformat(" ", "seconds")
    _print_record(
        [
            ("workflow", record.id),
            ("organization", record.organization),
            ("kind", record.kind),
            ("name", record.name or "none"),
            ("last event", last_event),
        ]
    )


def _print_record(rows: Iterable[tuple[str, str]]) -> None:
    for heading, text in rows:
        print_text(f"{heading:<14}", text)


def _release(record: OrganizationRecord) -> str | None:
    rules = stored_rules(record.timezone, record.zone_rules)
    return None if rules is None else rules.release


def _fields(record: OrganizationRecord) -> dict[str, object]:
    """A record as JSON has it: `zone_rules` is the release of its rules, as over HTTP."""
    return {**msgspec.structs.asdict(record), "zone_rules": _release(record)}


def _minute(at_us: int | None) -> str:
    """An instant in UTC, to the minute; "none" where there is none."""
    return "none" if at_us is None else datetime.fromtimestamp(at_us / 1_000_000, UTC).strftime("%Y-%m-%d %H:%M")
