"""`sidedata push`: an archive into the streams, or only judged."""

import contextlib
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final

import click

from sidedata.cli.connection import connect_installation
from sidedata.cli.event_loop import run
from sidedata.cli.options import INSTALLATION, settings_options
from sidedata.cli.progress import reading
from sidedata.errors import StopError
from sidedata.events.timestamps import from_microseconds
from sidedata.ingest.archive.judge import Judge, ZoneDecidesError
from sidedata.ingest.archive.lines import (
    newest_us,
    open_archive,
    open_file,
    read_lines,
    rebase_days,
)
from sidedata.ingest.archive.push import push as send
from sidedata.ingest.archive.report import ArchiveReport
from sidedata.plural import counted
from sidedata.settings import Settings

_PROGRESS_LINES: Final = 5_000  # between two updates of the progress bar


@click.command()
@click.argument("file", metavar="FILE|-")
@click.option("--rebase", is_flag=True, help="shift timestamps by whole weeks, to end within the last seven days")
@click.option(
    "--check", is_flag=True, help="send nothing and need no Redis: name the lines that are bad, exit 1 if any is"
)
@settings_options(*INSTALLATION, "backlog_limit", "wait_replicas", "keep_day_days")
def push(file: str, settings: Settings, *, rebase: bool, check: bool) -> None:
    """Send events from an NDJSON file (or stdin), gzipped or not, to the ingest streams.

    Lines that are no JSON objects are reported and counted; the others are sent, and the exit status is 1. Events that will
    become dead letters are sent, too, and named, as far as that shows without the workflows' kinds.

    --check judges by this machine's clock and settings. It knows no workflows' kinds, no sealed hours and no organizations' time
    zones: at the edge of the oldest day kept it counts an event as undecided, not as bad.
    """
    report = ArchiveReport()
    try:
        with contextlib.ExitStack() as stack:
            source, size = stack.enter_context(open_file(file))
            if rebase and (file == "-" or not source.seekable()):
                source, size = stack.enter_context(_copy(source))
            if check:
                _check(source, size, settings, report, rebase=rebase)
            else:
                run(_push(source, size, settings, report, rebase=rebase))
    finally:
        _show(report, checked=check, rebased=rebase)
    if not report.events and not report.unreadable:
        click.echo("there is no event in the input", err=True)
    if report.unreadable or (check and report.dead_letters):
        raise click.exceptions.Exit(1)


def _show(report: ArchiveReport, *, checked: bool, rebased: bool) -> None:
    """Write the report to stderr: unreadable lines, lines that become dead letters, the numbers."""
    for line in report.bad_lines():
        click.echo(line, err=True)
    if report.dead_letters:
        letters = "a dead letter" if report.dead_letters == 1 else "dead letters"
        will = "would" if checked else "will"
        click.echo(f"{counted(report.dead_letters, 'event')} {will} become {letters}", err=True)
    if report.too_old and not rebased:
        are = "is" if report.too_old == 1 else "are"
        click.echo(
            f"{report.too_old} of them {are} older than the days kept: --rebase shifts an archive into the last days, "
            "a larger SIDEDATA_KEEP_DAY_DAYS of all processes keeps its times",
            err=True,
        )
    if report.undecided:
        edge = "at the edge of the oldest day kept, where an organization's time zone decides if an event is too old"
        click.echo(f"{counted(report.undecided, 'event')} {edge}", err=True)
    if report.events or report.unreadable:
        click.echo(
            f"{counted(report.events, 'event')} {'checked' if checked else 'sent'}, "
            f"{counted(report.unreadable, 'line')} unreadable",
            err=True,
        )


def _check(source: IO[bytes], size: int | None, settings: Settings, report: ArchiveReport, *, rebase: bool) -> None:
    """Judge all lines and send nothing."""
    shift = _shift(source) if rebase else 0
    judge = Judge(settings, time.time())
    with reading(source, size) as advance:
        for line in read_lines(open_archive(source), 1, shift, needs_time=rebase):
            try:
                report.events += report.judge(line, judge)
            except ZoneDecidesError:
                report.events += 1
                report.undecided += 1
            if line.number % _PROGRESS_LINES == 0:
                advance(report.events)


def _shift(source: IO[bytes]) -> int:
    """The days to shift by; the source is read once and stands at its start again.

    Raises:
        StopError: there is no event to rebase by.
    """
    newest = newest_us(open_archive(source), 1)
    if newest is None:
        raise StopError("there is no event in the file to rebase by")
    shift = rebase_days(newest, time.time())
    moved = f"the newest event, {from_microseconds(newest)}, moves on {shift} days"
    click.echo(f"shifted by {shift // 7} weeks: {moved}", err=True)
    source.seek(0)
    return shift


@contextlib.contextmanager
def _copy(source: IO[bytes]) -> Iterator[tuple[IO[bytes], int]]:
    """Copy a pipe's content to a file, because rebasing reads the events twice; yields it with its size."""
    with tempfile.NamedTemporaryFile(prefix="sidedata-push-") as copy:
        shutil.copyfileobj(source, copy)
        copy.flush()
        with Path(copy.name).open("rb") as file:
            yield file, copy.tell()


async def _push(
    source: IO[bytes], size: int | None, settings: Settings, report: ArchiveReport, *, rebase: bool
) -> None:
    async with connect_installation(settings) as (gateway, installation):
        shift = _shift(source) if rebase else 0
        with reading(source, size) as advance:
            lines = read_lines(open_archive(source), installation.partitions, shift, needs_time=rebase)
            await send(gateway, settings, lines, report, lambda: advance(report.events), _show_trouble)


def _show_trouble(reason: str) -> None:
    """Write to stderr what the sending waits for."""
    click.echo(f"events wait, and are sent again: {reason}", err=True)
