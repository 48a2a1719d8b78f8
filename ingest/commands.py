"""The commands that write: the worker itself, and what producers and operators use."""

import contextlib
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast, get_args

import click
import msgspec

from sidedata.cli.connection import opened
from sidedata.cli.event_loop import run
from sidedata.cli.options import STORE, settings_options
from sidedata.cli.progress import reading
from sidedata.cli.tables import print_table
from sidedata.clock import SystemClock
from sidedata.errors import StopError, UsageError
from sidedata.events.decode import Reason
from sidedata.ingest import dead_letters as letters
from sidedata.ingest.archive.lines import described, newest_us, open_archive, opened_file, read_lines, rebase_days
from sidedata.ingest.archive.push import FAULTS_SHOWN, Sent
from sidedata.ingest.archive.push import push as send
from sidedata.ingest.purge.purge import Purge, Purged
from sidedata.schema.records import known_uuid
from sidedata.settings import Settings

_REASONS = click.Choice(get_args(Reason))


@click.command()
@settings_options()
def worker(settings: Settings) -> None:
    """Apply events from the streams to the counters, until SIGTERM."""
    from sidedata.ingest.worker.process import run_worker  # noqa: PLC0415 - the other commands need none of it

    run(run_worker(settings))


@click.command()
@click.argument("file", metavar="FILE|-")
@click.option("--rebase", is_flag=True, help="shift timestamps by whole weeks, to end within the last seven days")
@settings_options(*STORE, "backlog_limit", "wait_replicas")
def push(file: str, settings: Settings, *, rebase: bool) -> None:
    """Send events from an NDJSON file (or stdin), gzipped or not, to the ingest streams.

    Lines that are no JSON objects are reported and counted; the rest is sent, and the exit status is 1.
    """
    sent = Sent()
    try:
        with contextlib.ExitStack() as stack:
            source, size = stack.enter_context(opened_file(file))
            if rebase and (file == "-" or not source.seekable()):
                source, size = stack.enter_context(_kept(source))
            run(_push(source, size, settings, sent, rebase=rebase))
    finally:
        for line in sent.faults:
            click.echo(f"line {line.number}: {line.fault}", err=True)
        if sent.unreadable > FAULTS_SHOWN:
            click.echo(f"… and {sent.unreadable - FAULTS_SHOWN} lines more", err=True)
        if sent.events or sent.unreadable:
            click.echo(f"{sent.events} events sent, {sent.unreadable} lines unreadable", err=True)
    if sent.unreadable:
        raise click.exceptions.Exit(1)


@contextlib.contextmanager
def _kept(source: IO[bytes]) -> Iterator[tuple[IO[bytes], int]]:
    """A pipe's content in a file, and its size: rebasing reads the events twice."""
    with tempfile.NamedTemporaryFile(prefix="sidedata-push-") as kept:
        shutil.copyfileobj(source, kept)
        kept.flush()
        with Path(kept.name).open("rb") as again:
            yield again, kept.tell()


async def _push(source: IO[bytes], size: int | None, settings: Settings, sent: Sent, *, rebase: bool) -> None:
    async with opened(settings) as (client, installation):
        shift = 0
        if rebase:
            newest = newest_us(open_archive(source), installation.partitions)
            if newest is None:
                raise StopError("there is no event in the file to rebase by")
            shift = rebase_days(newest, time.time())
            click.echo(
                f"shifted by {shift // 7} weeks: the newest event, {described(newest)}, moves on {shift} days", err=True
            )
            source.seek(0)
        with reading(source, size) as moved:
            lines = read_lines(open_archive(source), installation.partitions, shift)
            await send(client, settings, lines, sent, lambda: moved(sent.events))


@click.group()
def dead() -> None:
    """List, show and send again events that could not be applied."""


@dead.command("list")
@click.option("--reason", type=_REASONS, help="only those of this reason")
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True, help="how many at the most")
@click.option("--json", "as_json", is_flag=True, help="a JSON object a line")
@settings_options(*STORE)
def list_(reason: str | None, limit: int, settings: Settings, *, as_json: bool) -> None:
    """List dead letters, those of a partition newest first."""

    async def command() -> list[letters.DeadLetter]:
        found: list[letters.DeadLetter] = []
        async with opened(settings) as (client, installation):
            async for letter in letters.letters(client, installation, reason):
                found.append(letter)
                if len(found) >= limit:
                    break
        return found

    found = run(command())
    if as_json:
        for letter in found:
            click.echo(msgspec.json.encode(_shown(letter)))
        return
    print_table(
        ("id", "at", "reason", "detail"),
        ((letter.id, letter.at, letter.reason, letter.detail) for letter in found),
        empty="no dead letters" + (f" of the reason {reason}" if reason else ""),
    )


def _shown(letter: letters.DeadLetter) -> dict[str, str]:
    """As JSON, which holds no bytes that are not text."""
    return cast("dict[str, str]", msgspec.structs.asdict(letter)) | {
        "event": letter.event.decode(errors="backslashreplace")
    }


@dead.command()
@click.argument("letter_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="everything, as one JSON object")
@settings_options(*STORE)
def show(letter_id: str, settings: Settings, *, as_json: bool) -> None:
    """Show one dead letter: on stderr what is wrong, on stdout the event, byte for byte."""

    async def command() -> letters.DeadLetter | None:
        async with opened(settings) as (client, installation):
            return await letters.find(client, installation, letter_id)

    letter = run(command())
    if letter is None:
        raise StopError(f"there is no dead letter {letter_id}")
    if as_json:
        click.echo(msgspec.json.encode(_shown(letter)))
        return
    click.echo(f"{letter.reason}: {letter.detail}\nentry {letter.entry}, at {letter.at}", err=True)
    click.echo(letter.event)


@dead.command()
@click.argument("letter_ids", metavar="[ID]…", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="every dead letter there is now")
@click.option("--reason", type=_REASONS, help="with --all: only those of this reason")
@settings_options(*STORE)
def replay(letter_ids: tuple[str, ...], reason: str | None, settings: Settings, *, everything: bool) -> None:
    """Send events again; a letter is gone in the instant in which its event is back in the stream."""
    if bool(letter_ids) == everything:
        raise UsageError("name dead letters by their ids, or give --all")

    async def command() -> tuple[int, int]:
        replayed = missing = 0
        async with opened(settings) as (client, installation):
            chosen = list(letter_ids)
            if everything:
                # All are looked up first: what fails again must not be replayed for ever.
                chosen = [letter.id async for letter in letters.letters(client, installation, reason)]
            for letter_id in chosen:
                if await letters.replay(client, installation, letter_id):
                    replayed += 1
                else:
                    missing += 1
        return replayed, missing

    replayed, missing = run(command())
    click.echo(f"{replayed} dead letters sent again", err=True)
    if missing and not everything:
        raise StopError(f"{missing} of them were not there")


@click.command()
@click.option("--org", "organization", required=True, help="the organization")
@click.option("--workflow", help="only this workflow of it")
@click.option("--dry-run", is_flag=True, help="say what would go, delete nothing")
@click.option(
    "--tokens", "with_tokens", is_flag=True, help="revoke the organization's tokens, too: it does not come back"
)
@settings_options(*STORE)
def purge(organization: str, workflow: str | None, settings: Settings, *, dry_run: bool, with_tokens: bool) -> None:
    """Delete all that is stored of an organization, or of one workflow; frees the organization's zone."""
    organization_id = known_uuid(organization)
    workflow_id = known_uuid(workflow) if workflow is not None else None

    async def command() -> Purged:
        async with opened(settings) as (client, installation):
            target = (organization_id, workflow_id)
            return await Purge(client, settings, installation, *target, dry=dry_run, with_tokens=with_tokens).run()

    purged = run(command())
    click.echo(
        f"{'would delete' if dry_run else 'deleted'} {purged.keys} keys, {purged.letters} dead letters, "
        f"{purged.waiting_events} waiting events, {purged.visitors} visitors' interactions, {purged.tokens} tokens"
    )


@click.command()
@click.option("--org", "organization", required=True, help="the organization")
@click.option("--pages", required=True, help="its page-navigation workflow")
@click.option("--interactions", required=True, help="its interaction workflow")
@click.option("--zone", default="Europe/Helsinki", show_default=True, help="whose days and nights the visitors have")
@click.option("--days", type=click.IntRange(min=0), default=7, show_default=True, help="days of history to send first")
@click.option("--rate", type=click.FloatRange(min=0.1), default=25.0, show_default=True, help="events a second, about")
@click.option("--seed", type=int, default=1, show_default=True, help="the same seed makes the same visitors")
@settings_options(*STORE)
def traffic(
    organization: str,
    pages: str,
    interactions: str,
    settings: Settings,
    *,
    zone: str,
    days: int,
    rate: float,
    seed: int,
) -> None:
    """Send believable visitor traffic of an organization, until SIGTERM: for demonstrations and trials."""
    from sidedata.ingest.demo.traffic import send_traffic  # noqa: PLC0415
    from sidedata.ingest.worker.process import stop_on_signals  # noqa: PLC0415 - the other commands need none of it

    organization_id, pages_id, interactions_id = known_uuid(organization), known_uuid(pages), known_uuid(interactions)

    async def command() -> None:
        stop = stop_on_signals()
        async with opened(settings) as (client, installation):
            await send_traffic(
                client,
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
            )

    run(command())


__all__ = ["dead", "purge", "push", "traffic", "worker"]
