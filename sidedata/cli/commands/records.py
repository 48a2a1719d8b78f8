"""`sidedata org` and `sidedata workflow`: what is registered of organizations and workflows."""

from datetime import UTC, datetime

import click
import msgspec

from sidedata.cli.connection import opened
from sidedata.cli.event_loop import run
from sidedata.cli.options import STORE, settings_options
from sidedata.errors import StopError
from sidedata.schema import records
from sidedata.schema.records import KINDS, OrganizationRecord, WorkflowRecord
from sidedata.settings import Settings


@click.group()
def org() -> None:
    """Set and show an organization's time zone."""


@org.command("set")
@click.argument("organization", metavar="ORG")
@click.option("--timezone", required=True, metavar="ZONE", help="an IANA name such as Europe/Helsinki")
@settings_options(*STORE)
def set_organization(organization: str, timezone: str, settings: Settings) -> None:
    """Set the reporting time zone of ORG; refused once it has events."""

    async def command() -> None:
        async with opened(settings) as (client, installation):
            await records.set_organization(client, installation, organization, timezone)

    run(command())


@org.command("show")
@click.argument("organization", metavar="ORG")
@click.option("--json", "as_json", is_flag=True, help="a JSON object")
@settings_options(*STORE)
def show_organization(organization: str, settings: Settings, *, as_json: bool) -> None:
    """Show what is stored of ORG."""

    async def command() -> OrganizationRecord | None:
        async with opened(settings) as (client, installation):
            return await records.show_organization(client, installation, organization)

    record = run(command())
    if record is None:
        raise StopError(f"nothing is stored of organization {organization}; its time zone is UTC until one is set")
    if as_json:
        click.echo(msgspec.json.encode(record))
        return
    fixed = "fixed, it has events" if record.has_events else "may be set, it has no events"
    click.echo(f"organization  {record.id}\ntime zone     {record.timezone} ({fixed})")


@click.group()
def workflow() -> None:
    """Register and show an organization's workflows."""


@workflow.command("set")
@click.argument("organization", metavar="ORG")
@click.argument("workflow_id", metavar="WORKFLOW")
@click.option("--kind", required=True, type=click.Choice(KINDS), help="fixed from then on")
@click.option("--name", help="what people call it, up to 200 characters; left as it is if not given")
@settings_options(*STORE)
def set_workflow(organization: str, workflow_id: str, kind: str, name: str | None, settings: Settings) -> None:
    """Register WORKFLOW of ORG."""

    async def command() -> None:
        async with opened(settings) as (client, installation):
            await records.set_workflow(client, installation, organization, workflow_id, kind, name)

    run(command())


@workflow.command("show")
@click.argument("organization", metavar="ORG")
@click.argument("workflow_id", metavar="WORKFLOW")
@click.option("--json", "as_json", is_flag=True, help="a JSON object")
@settings_options(*STORE)
def show_workflow(organization: str, workflow_id: str, settings: Settings, *, as_json: bool) -> None:
    """Show what is stored of WORKFLOW of ORG."""

    async def command() -> WorkflowRecord | None:
        async with opened(settings) as (client, installation):
            return await records.show_workflow(client, installation, organization, workflow_id)

    record = run(command())
    if record is None:
        raise StopError(f"organization {organization} has no workflow {workflow_id}")
    if as_json:
        click.echo(msgspec.json.encode(record))
        return
    newest = record.last_event_us
    last_event = "none" if newest is None else datetime.fromtimestamp(newest / 1_000_000, UTC).isoformat(" ", "seconds")
    click.echo(
        f"workflow      {record.id}\norganization  {record.organization}\nkind          {record.kind}\n"
        f"name          {record.name}\nlast event    {last_event}"
    )
