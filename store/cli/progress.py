"""Saying what is being waited for: moving on a terminal, a plain line elsewhere."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click
from rich.console import Console
from rich.markup import escape


@contextmanager
def waiting(text: str) -> Iterator[None]:
    """Show `text` on stderr for as long as the context lasts."""
    if not sys.stderr.isatty():
        click.echo(f"{text} …", err=True)
        yield
        return
    with Console(stderr=True).status(escape(text)):
        yield
