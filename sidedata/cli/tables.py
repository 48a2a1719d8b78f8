"""Tables for people: as wide as the terminal, or as wide as their content where the output goes elsewhere."""

import sys
from collections.abc import Iterable

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

_UNBOUNDED = 400


def print_table(columns: Iterable[str], rows: Iterable[Iterable[object]], *, title: str = "", empty: str = "") -> None:
    """Print rows under their headings, numbers aligned to the right; without rows print `empty`, if given, on stderr."""
    lines = [list(row) for row in rows]
    if empty and not lines:
        click.echo(empty, err=True)
        return
    table = Table(title=title or None, title_justify="left")
    for index, column in enumerate(columns):
        numbers = bool(lines) and all(isinstance(line[index], int) for line in lines)
        table.add_column(column, justify="right" if numbers else "left", overflow="fold")
    for line in lines:
        table.add_row(*(Text(str(cell)) for cell in line))  # Text: a name with [brackets] is no markup
    Console(width=None if sys.stdout.isatty() else _UNBOUNDED).print(table)
