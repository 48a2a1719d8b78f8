"""`sidedata dead`: list, show and replay dead letters."""

from typing import Final, get_args

import click
import msgspec

from sidedata.cli.connection import open_store
from sidedata.cli.event_loop import run
from sidedata.cli.options import STORE, settings_options
from sidedata.cli.tables import print_table
from sidedata.errors import StopError, UsageError
from sidedata.events.dead_letter import DeadLetter
from sidedata.events.rejection import Reason
from sidedata.ingest import dead_letters
from sidedata.settings import Settings

_REASON: Final = click.Choice(get_args(Reason))


@click.group()
def dead() -> None:
    """List, show and replay events that could not be applied."""


@dead.command("list")
@click.option("--reason", type=_REASON, help="only dead letters of this reason")
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True, help="the maximum number")
@click.option("--json", "as_json", is_flag=True, help="a JSON object a line")
@settings_options(*STORE)
def list_(reason: str | None, limit: int, settings: Settings, *, as_json: bool) -> None:
    """List dead letters, those of a partition newest first."""

    async def command() -> list[DeadLetter]:
        letters: list[DeadLetter] = []
        async with open_store(settings) as (gateway, installation):
            async for letter in dead_letters.read_all(gateway, installation, dead_letters.Filter(reason=reason)):
                letters.append(letter)
                if len(letters) >= limit:
                    break
        return letters

    letters = run(command())
    if as_json:
        for letter in letters:
            click.echo(msgspec.json.encode(_json(letter)))
        return
    print_table(
        ("id", "at", "reason", "detail"),
        ((letter.id, letter.at, letter.reason, letter.detail) for letter in letters),
        empty="no dead letters" + (f" of the reason {reason}" if reason else ""),
    )


@dead.command()
@click.argument("letter_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="all fields, as one JSON object")
@settings_options(*STORE)
def show(letter_id: str, settings: Settings, *, as_json: bool) -> None:
    """Show one dead letter: its reason on stderr, its event on stdout, byte for byte."""

    async def command() -> DeadLetter | None:
        async with open_store(settings) as (gateway, installation):
            return await dead_letters.find(gateway, installation, letter_id)

    letter = run(command())
    if letter is None:
        raise StopError(f"there is no dead letter {letter_id}")
    if as_json:
        click.echo(msgspec.json.encode(_json(letter)))
        return
    click.echo(f"{letter.reason}: {letter.detail}\nentry {letter.entry}, at {letter.at}", err=True)
    click.echo(letter.event)


@dead.command()
@click.argument("letter_ids", metavar="[ID]…", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="every dead letter that exists now")
@click.option("--reason", type=_REASON, help="with --all: only dead letters of this reason")
@settings_options(*STORE)
def replay(letter_ids: tuple[str, ...], reason: str | None, settings: Settings, *, everything: bool) -> None:
    """Send events again; a dead letter is removed in the same instant in which its event returns to the stream."""
    if bool(letter_ids) == everything:
        raise UsageError("name dead letters by their ids, or give --all")

    async def command() -> tuple[int, int]:
        replayed = missing = 0
        async with open_store(settings) as (gateway, installation):
            ids = list(letter_ids)
            if everything:
                # All ids are read first: an event that fails again must not be replayed in an endless loop.
                choice = dead_letters.Filter(reason=reason)
                ids = [letter.id async for letter in dead_letters.read_all(gateway, installation, choice)]
            for letter_id in ids:
                if await dead_letters.replay(gateway, installation, letter_id):
                    replayed += 1
                else:
                    missing += 1
        return replayed, missing

    replayed, missing = run(command())
    click.echo(f"{replayed} dead letters sent again", err=True)
    if missing and not everything:
        raise StopError(f"{missing} of them did not exist")


def _json(letter: DeadLetter) -> dict[str, str]:
    """The fields of a dead letter for JSON, which holds no bytes that are not text."""
    return {
        "id": letter.id,
        "at": letter.at,
        "reason": letter.reason,
        "detail": letter.detail,
        "entry": letter.entry,
        "event": letter.event.decode(errors="backslashreplace"),
    }
