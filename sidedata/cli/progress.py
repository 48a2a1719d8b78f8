"""Saying what is being waited for: moving on a terminal, a plain line or nothing elsewhere."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn


@contextmanager
def waiting(text: str) -> Iterator[None]:
    """Show `text` on stderr for as long as the context lasts."""
    if not sys.stderr.isatty():
        click.echo(f"{text} …", err=True)
        yield
        return
    with Console(stderr=True).status(escape(text)):
        yield


@contextmanager
def reading(source: IO[bytes], size: int | None) -> Iterator[Callable[[int], None]]:
    """A bar for an archive of so many bytes (None: nobody knows), moved on by calls that tell how many events there were."""
    columns = (
        TextColumn("{task.fields[events]} events"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    # On a terminal only; a file's place says how far we are, packed or not.
    with Progress(*columns, disable=not sys.stderr.isatty(), transient=True, redirect_stdout=False) as bar:
        task = bar.add_task("archive", total=size, events=0)

        def moved(events: int) -> None:
            bar.update(task, events=events, completed=source.tell() if size is not None else 0)

        yield moved
