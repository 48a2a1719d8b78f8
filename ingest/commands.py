"""The commands of this package: the worker, and the commands that send, replay and delete events."""

import contextlib
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import click

from sidedata.cli.connection import open_store
from sidedata.cli.event_loop import run
from sidedata.cli.options import STORE, settings_options
from sidedata.cli.progress import reading
from sidedata.clock import SystemClock
from sidedata.errors import StopError
from sidedata.ingest.archive.lines import (
    instant_text,
    newest_us,
    open_archive,
    open_file,
    read_lines,
    rebase_days,
)
from sidedata.ingest.archive.push import FAULTS_SHOWN, PushReport
from sidedata.ingest.archive.push import push as send
from sidedata.ingest.dead_letter_commands import dead
from sidedata.ingest.purge.purge import Purge, PurgeReport
from sidedata.schema.records import parse_uuid
from sidedata.settings import Settings


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

    Lines that are no JSON objects are reported and counted; the others are sent, and the exit status is 1.
    """
    report = PushReport()
    try:
        with contextlib.ExitStack() as stack:
            source, size = stack.enter_context(open_file(file))
            if rebase and (file == "-" or not source.seekable()):
                source, size = stack.enter_context(_copy(source))
            run(_push(source, size, settings, report, rebase=rebase))
    finally:
        for line in report.faults:
            click.echo(f"line {line.number}: {line.fault}", err=True)
        if report.unreadable > FAULTS_SHOWN:
            click.echo(f"… and {report.unreadable - FAULTS_SHOWN} lines more", err=True)
        if report.events or report.unreadable:
            click.echo(f"{report.events} events sent, {report.unreadable} lines unreadable", err=True)
    if report.unreadable:
        raise click.exceptions.Exit(1)


@contextlib.contextmanager
def _copy(source: IO[bytes]) -> Iterator[tuple[IO[bytes], int]]:
    """Copy a pipe's content to a file, because rebasing reads the events twice; yields it with its size."""
    with tempfile.NamedTemporaryFile(prefix="sidedata-push-") as copy:
        shutil.copyfileobj(source, copy)
        copy.flush()
        with Path(copy.name).open("rb") as file:
            yield file, copy.tell()


async def _push(source: IO[bytes], size: int | None, settings: Settings, report: PushReport, *, rebase: bool) -> None:
    async with open_store(settings) as (gateway, installation):
        shift = 0
        if rebase:
            newest = newest_us(open_archive(source), installation.partitions)
            if newest is None:
                raise StopError("there is no event in the file to rebase by")
            shift = rebase_days(newest, time.time())
            click.echo(
                f"shifted by {shift // 7} weeks: the newest event, {instant_text(newest)}, moves on {shift} days",
                err=True,
            )
            source.seek(0)
        with reading(source, size) as advance:
            lines = read_lines(open_archive(source), installation.partitions, shift)
            await send(gateway, settings, lines, report, lambda: advance(report.events))


@click.command()
@click.option("--org", "organization", required=True, help="the organization")
@click.option("--workflow", help="only this workflow of it")
@click.option("--dry-run", is_flag=True, help="only count, delete nothing")
@click.option(
    "--tokens", "with_tokens", is_flag=True, help="revoke the organization's tokens, too: for one that does not return"
)
@settings_options(*STORE)
def purge(organization: str, workflow: str | None, settings: Settings, *, dry_run: bool, with_tokens: bool) -> None:
    """Delete all data of an organization, or of one workflow; a whole organization's time zone may then be set again."""
    organization_id = parse_uuid(organization)
    workflow_id = parse_uuid(workflow) if workflow is not None else None

    async def command() -> PurgeReport:
        async with open_store(settings) as (gateway, installation):
            target = (organization_id, workflow_id)
            return await Purge(gateway, settings, installation, *target, dry=dry_run, with_tokens=with_tokens).run()

    report = run(command())
    click.echo(
        f"{'would delete' if dry_run else 'deleted'} {report.keys} keys, {report.dead_letters} dead letters, "
        f"{report.waiting_events} waiting events, {report.visitors} visitors' interactions, {report.tokens} tokens"
    )


@click.command()
@click.option("--org", "organization", required=True, help="the organization")
@click.option("--pages", required=True, help="its page-navigation workflow")
@click.option("--interactions", required=True, help="its interaction workflow")
@click.option(
    "--zone", default="Europe/Helsinki", show_default=True, help="the time zone of the visitors' days and nights"
)
@click.option("--days", type=click.IntRange(min=0), default=7, show_default=True, help="days of history to send first")
@click.option(
    "--rate", type=click.FloatRange(min=0.1), default=25.0, show_default=True, help="approximate events a second"
)
@click.option("--seed", type=int, default=1, show_default=True, help="the same seed gives the same visitors")
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
    """Send simulated visitor traffic of an organization, until SIGTERM: for demonstrations and trials."""
    from sidedata.ingest.demo.traffic import send_traffic  # noqa: PLC0415
    from sidedata.ingest.worker.process import stop_on_signals  # noqa: PLC0415 - the other commands need none of it

    organization_id, pages_id, interactions_id = parse_uuid(organization), parse_uuid(pages), parse_uuid(interactions)

    async def command() -> None:
        stop = stop_on_signals()
        async with open_store(settings) as (gateway, installation):
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
            )

    run(command())


__all__ = ["dead", "purge", "push", "traffic", "worker"]
