"""The display of progress: animated on a terminal, a plain line or nothing elsewhere."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO

import click
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn


@contextmanager
def spinner(text: str) -> Iterator[None]:
    """Show `text` on stderr for as long as the context lasts."""
    if not sys.stderr.isatty():
        click.echo(f"{text} …", err=True)
        yield
        return
    with Console(stderr=True).status(escape(text)):
        yield


@contextmanager
def reading(source: IO[bytes], size: int | None) -> Iterator[Callable[[int], None]]:
    """Show a bar for an archive of `size` bytes (None: unknown); yields a function that takes the number of events so far."""
    columns = (
        TextColumn("{task.fields[events]} events"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    # On a terminal only. The position in the file is the progress, for gzipped files too.
    with Progress(*columns, disable=not sys.stderr.isatty(), transient=True, redirect_stdout=False) as bar:
        task = bar.add_task("archive", total=size, events=0)

        def advance(events: int) -> None:
            bar.update(task, events=events, completed=source.tell() if size is not None else 0)

        yield advance
