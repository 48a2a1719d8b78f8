"""`sidedata token`: the tokens that authenticate requests to the service."""

import time
from datetime import UTC, datetime

import click
import msgspec

from sidedata.calendar.zones import DAY_SECONDS
from sidedata.cli.commands.answering import open_answering_store
from sidedata.cli.connection import connect_installation
from sidedata.cli.event_loop import run
from sidedata.cli.options import INSTALLATION, CommandGroup, settings_options
from sidedata.cli.tables import print_table
from sidedata.errors import StopError
from sidedata.reads.tokens import list_tokens
from sidedata.schema.tokens import EVERY_ORGANIZATION, SCOPES, TokenRecord
from sidedata.settings import Settings
from sidedata.writes.tokens import create_token, revoke_token


@click.group(cls=CommandGroup)
def token() -> None:
    """Create, list and revoke the service's tokens."""


@token.command()
@click.option("--org", "organization", required=True, metavar="ORG|all", help="the organization, or all of them")
@click.option("--scope", "scopes", required=True, multiple=True, type=click.Choice(SCOPES), help="may be repeated")
@click.option("--name", default="", help="its purpose, for people")
@click.option("--expires-days", type=click.IntRange(min=1), metavar="N", help="days until it expires")
@settings_options(*INSTALLATION)
def create(organization: str, scopes: tuple[str, ...], name: str, expires_days: int | None, settings: Settings) -> None:
    """Create a token and print it, alone; it is not shown again."""
    owner = None if organization == EVERY_ORGANIZATION else organization
    expires_at = None if expires_days is None else time.time() + expires_days * DAY_SECONDS

    async def command() -> str:
        async with connect_installation(settings) as (gateway, _):
            text, _record = await create_token(gateway, owner, scopes, expires_at, name)
            return text

    click.echo(run(command()))


@token.command("list")
@click.option("--json", "as_json", is_flag=True, help="a JSON array, times in seconds since the epoch")
@settings_options(*INSTALLATION)
def list_(settings: Settings, *, as_json: bool) -> None:
    """List all tokens' records; the tokens themselves are not stored."""

    async def command() -> list[TokenRecord]:
        async with open_answering_store(settings) as (gateway, _):
            return await list_tokens(gateway)

    records = run(command())
    if as_json:
        click.echo(msgspec.json.encode(records))
        return
    print_table(
        ("id", "organization", "scopes", "name and times (UTC)"),
        ((record.id, record.organization, ", ".join(record.scopes), _name_and_times(record)) for record in records),
        empty="no tokens; `sidedata token create` makes one",
    )


@token.command()
@click.argument("token_id", metavar="ID")
@settings_options(*INSTALLATION)
def revoke(token_id: str, settings: Settings) -> None:
    """Revoke a token, named by the ID that `list` shows."""

    async def command() -> bool:
        async with connect_installation(settings) as (gateway, _):
            return await revoke_token(gateway, token_id)

    if not run(command()):
        raise StopError(f"there is no token {token_id}; `sidedata token list` shows them")


def _name_and_times(record: TokenRecord) -> str:
    """The rest of a record in one cell, which fits below the others on a narrow terminal."""
    name = f"{record.name}: " if record.name else ""
    expires, used = ("never" if at is None else _minute(at) for at in (record.expires_at, record.used_at))
    return f"{name}created {_minute(record.created_at)}, expires {expires}, last used {used}"


def _minute(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")
