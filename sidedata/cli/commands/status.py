"""`sidedata status`: an installation at one look."""

import os
from collections.abc import Iterator
from typing import Final

import click
import msgspec

from sidedata.cli.commands.answering import open_answering_store
from sidedata.cli.commands.doctor import OPTIONS
from sidedata.cli.event_loop import run
from sidedata.cli.options import settings_options
from sidedata.cli.tables import print_text
from sidedata.embedded.data_directory import stored_secret
from sidedata.inspect.status import InstallationStatus, ServerStatus, read_status
from sidedata.plural import counted
from sidedata.settings import Settings

_WORKERS_SHOWN: Final = 3
_ORGANIZATIONS_SHOWN: Final = 5
_HEADING: Final = 14


@click.command()
@click.option("--json", "as_json", is_flag=True, help="one JSON object")
@settings_options(*OPTIONS)
def status(settings: Settings, *, as_json: bool) -> None:
    """Show servers, workers, backlog, freshness, dead letters and the doctor's problems on one screen."""
    if not settings.redis_url:
        settings = msgspec.structs.replace(settings, secret=stored_secret(settings))

    async def command() -> InstallationStatus:
        async with open_answering_store(settings) as (gateway, installation):
            return await read_status(gateway, installation, settings, os.environ)

    result = run(command())
    if as_json:
        click.echo(msgspec.json.encode(result))
        return
    for heading, text in _lines(result):
        print_text(f"{heading:<{_HEADING}}", text, bold=True)


def _lines(status: InstallationStatus) -> Iterator[tuple[str, str]]:
    """The lines on the screen: a heading, empty where the one before goes on, and a text."""
    for index, server in enumerate(status.servers):
        yield ("" if index else "servers"), _server(server)
    owned = f"{status.partitions_owned} of {status.partitions} partitions have an owner"
    yield "workers", f"{len(status.workers) or 'none'} alive; {owned}"
    for worker in status.workers[:_WORKERS_SHOWN]:
        yield "", worker
    if len(status.workers) > _WORKERS_SHOWN:
        yield "", f"and {len(status.workers) - _WORKERS_SHOWN} more"
    yield "lag", f"{counted(status.lag_entries, 'entry waits', 'entries wait')} to be applied"
    waits = status.oldest_unapplied_at
    yield "oldest event", "none waits" if waits is None else f"arrived {waits}, {status.lag_seconds:.1f} s ago"
    yield "freshness", f"the numbers hold all that arrived until {status.as_of}"
    yield from _dead_letters(status)
    yield "doctor", counted(status.problems, "problem")
    for finding in status.findings:
        if finding.problem:
            yield f"  {finding.status}", f"{finding.name}: {finding.detail}"
            if finding.advice:
                yield f"{'':<{_HEADING - 2}}→ ", finding.advice


def _server(server: ServerStatus) -> str:
    memory = "" if server.used_memory is None else f", {server.used_memory / 2**20:,.0f} MiB used"
    return f"{server.product} {server.version or '(version unknown)'}{memory}"


def _dead_letters(status: InstallationStatus) -> Iterator[tuple[str, str]]:
    part = f"; of the newest {status.dead_letters_read}:" if status.dead_letters_read < status.dead_letters else ""
    yield "dead letters", f"{status.dead_letters}{part}"
    organizations = list(status.dead_letters_by_organization.items())
    for organization, count in organizations[:_ORGANIZATIONS_SHOWN]:
        yield "", f"{count:>7}  {organization}"
    if len(organizations) > _ORGANIZATIONS_SHOWN:
        yield "", f"         and {counted(len(organizations) - _ORGANIZATIONS_SHOWN, 'more organization')}"
