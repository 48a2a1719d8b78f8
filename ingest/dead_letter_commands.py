"""`sidedata dead`: list, show, replay, drop dead letters, and mark them as seen."""

from collections import Counter
from typing import Final, get_args

import click
import msgspec

from sidedata.cli.commands.answering import open_answering_store
from sidedata.cli.connection import connect_installation
from sidedata.cli.event_loop import run
from sidedata.cli.options import INSTALLATION, CommandGroup, confirm_deletion, is_interactive, settings_options
from sidedata.cli.tables import print_table
from sidedata.errors import StopError, UsageError
from sidedata.events.dead_letter import DeadLetter
from sidedata.events.rejection import Reason
from sidedata.ingest import dead_letters
from sidedata.ingest.dead_letters import Filter
from sidedata.plural import counted
from sidedata.schema.records import parse_uuid
from sidedata.settings import Settings

# Letters that a summary counts at most: to read more would take many seconds.
_MAX_SUMMARY: Final = 100_000

_REASONS: Final = get_args(Reason)
_reason = click.option(
    "--reason",
    type=click.Choice(_REASONS),
    metavar="REASON",
    help=f"only dead letters of this reason: {', '.join(_REASONS)}",
)
_organization = click.option("--org", "organization", metavar="ORG", help="only dead letters of this organization")


def _filter(organization: str | None, reason: str | None) -> Filter:
    return Filter(None if organization is None else parse_uuid(organization), reason)


@click.group(cls=CommandGroup)
def dead() -> None:
    """List, show, replay and drop events that could not be applied."""


@dead.command("list")
@_organization
@_reason
@click.option(
    "--limit", type=click.IntRange(min=1), default=100, show_default=True, metavar="N", help="the maximum number"
)
@click.option("--json", "as_json", is_flag=True, help="a JSON object a line")
@settings_options(*INSTALLATION)
def list_(organization: str | None, reason: str | None, limit: int, settings: Settings, *, as_json: bool) -> None:
    """List dead letters, those of a partition newest first, and their numbers by organization and reason."""
    choice = _filter(organization, reason)
    counts: Counter[tuple[str, str]] = Counter()

    async def command() -> list[DeadLetter]:
        selection: list[DeadLetter] = []
        async with open_answering_store(settings) as (gateway, installation):
            async for dead_letter in dead_letters.read_all(gateway, installation, choice):
                counts[dead_letter.organization, dead_letter.reason] += 1
                if len(selection) < limit:
                    selection.append(dead_letter)
                if len(selection) >= limit and (as_json or counts.total() >= _MAX_SUMMARY):
                    break
        return selection

    selection = run(command())
    if as_json:
        for dead_letter in selection:
            click.echo(msgspec.json.encode(_json(dead_letter)))
        return
    print_table(
        ("id", "at", "reason", "type", "organization", "workflow", "detail"),
        (
            (one.id, one.at, one.reason, one.type, one.organization, one.workflow, one.detail.partition("\n")[0])
            for one in selection
        ),
        empty=f"no dead letters{_narrowed(organization, reason)}",
    )
    if counts.total() >= _MAX_SUMMARY:
        click.echo(f"of {_MAX_SUMMARY:,} dead letters that were counted:", err=True)
    _print_counts(counts)


@dead.command()
@click.argument("dead_letter_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="all fields, as one JSON object")
@settings_options(*INSTALLATION)
def show(dead_letter_id: str, settings: Settings, *, as_json: bool) -> None:
    """Show one dead letter: its reason on stderr, its event on stdout, byte for byte."""

    async def command() -> DeadLetter | None:
        async with open_answering_store(settings) as (gateway, installation):
            return await dead_letters.find(gateway, installation, dead_letter_id)

    dead_letter = run(command())
    if dead_letter is None:
        raise StopError(f"there is no dead letter {dead_letter_id}; `sidedata dead list` shows them")
    if as_json:
        click.echo(msgspec.json.encode(_json(dead_letter)))
        return
    click.echo(f"{dead_letter.reason}: {dead_letter.detail}\nentry {dead_letter.entry}, at {dead_letter.at}", err=True)
    for name, value in (
        ("organization", dead_letter.organization),
        ("workflow", dead_letter.workflow),
        ("type", dead_letter.type),
    ):
        if value:
            click.echo(f"{name} {value}", err=True)
    click.echo(dead_letter.event)


@dead.command()
@click.argument("dead_letter_ids", metavar="[ID]…", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="every dead letter that exists now")
@_organization
@_reason
@settings_options(*INSTALLATION)
def replay(
    dead_letter_ids: tuple[str, ...],
    organization: str | None,
    reason: str | None,
    settings: Settings,
    *,
    everything: bool,
) -> None:
    """Send events again; a dead letter is removed in the same instant in which its event returns to the stream."""
    choice = _choice(dead_letter_ids, organization, reason, everything=everything)

    async def command() -> tuple[int, int]:
        replayed = missing = 0
        async with connect_installation(settings) as (gateway, installation):
            ids = list(dead_letter_ids)
            if everything:
                # All ids are read first: an event that fails again must not be replayed in an endless loop.
                ids = [dead_letter.id async for dead_letter in dead_letters.read_all(gateway, installation, choice)]
            for dead_letter_id in ids:
                if await dead_letters.replay(gateway, installation, dead_letter_id):
                    replayed += 1
                else:
                    missing += 1
        return replayed, missing

    replayed, missing = run(command())
    click.echo(f"{counted(replayed, 'dead letter')} sent again", err=True)
    if missing and not everything:
        raise StopError(f"{missing} of them did not exist")


@dead.command()
@click.argument("dead_letter_ids", metavar="[ID]…", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="every dead letter that exists now")
@_organization
@_reason
@click.option("--yes", is_flag=True, help="don't ask")
@settings_options(*INSTALLATION)
def drop(
    dead_letter_ids: tuple[str, ...],
    organization: str | None,
    reason: str | None,
    settings: Settings,
    *,
    everything: bool,
    yes: bool,
) -> None:
    """Delete dead letters, and their events with them.

    On a terminal it counts first and asks.
    """
    choice = _choice(dead_letter_ids, organization, reason, everything=everything)

    async def count() -> Counter[tuple[str, str]]:
        async with connect_installation(settings) as (gateway, installation):
            return await dead_letters.count(gateway, installation, choice)

    if is_interactive(yes=yes):
        number = len(set(dead_letter_ids))
        if everything:
            counts = run(count())
            _print_counts(counts)
            number = counts.total()
        confirm_deletion(
            f"Delete {counted(number, 'dead letter')}{_narrowed(organization, reason)}? It can't be undone", yes=yes
        )

    async def command() -> int:
        async with connect_installation(settings) as (gateway, installation):
            if everything:
                return await dead_letters.drop_all(gateway, installation, choice)
            return await dead_letters.drop(gateway, installation, dead_letter_ids)

    dropped = run(command())
    click.echo(f"{counted(dropped, 'dead letter')} deleted", err=True)
    if dropped < len(set(dead_letter_ids)):
        raise StopError(f"{len(set(dead_letter_ids)) - dropped} of them did not exist")


@dead.command()
@settings_options(*INSTALLATION)
def seen(settings: Settings) -> None:
    """Mark all dead letters of this moment as seen: `sidedata doctor` fails for newer ones and warns of the rest."""

    async def command() -> None:
        async with connect_installation(settings) as (gateway, installation):
            await dead_letters.mark_seen(gateway, installation)

    run(command())


def _choice(
    dead_letter_ids: tuple[str, ...], organization: str | None, reason: str | None, *, everything: bool
) -> Filter:
    """The letters that a command is about.

    Raises:
        UsageError: neither ids nor --all, both, or a filter without --all.
    """
    if bool(dead_letter_ids) == everything:
        raise UsageError("name dead letters by their ids, or give --all")
    if dead_letter_ids and (organization or reason):
        raise UsageError("--org and --reason narrow --all, not ids")
    return _filter(organization, reason)


def _print_counts(counts: Counter[tuple[str, str]]) -> None:
    """Write numbers by organization and reason to stderr, the greatest first."""
    for (owner, reason), number in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        click.echo(f"{number} {reason} of {owner or 'an unknown organization'}", err=True)


def _narrowed(organization: str | None, reason: str | None) -> str:
    return (f" of {organization}" if organization else "") + (f" of the reason {reason}" if reason else "")


def _json(dead_letter: DeadLetter) -> dict[str, str]:
    """The fields of a dead letter for JSON, which holds no bytes that are not text."""
    return {
        "id": dead_letter.id,
        "at": dead_letter.at,
        "reason": dead_letter.reason,
        "detail": dead_letter.detail,
        "organization": dead_letter.organization,
        "workflow": dead_letter.workflow,
        "type": dead_letter.type,
        "entry": dead_letter.entry,
        "event": dead_letter.event.decode(errors="backslashreplace"),
    }
