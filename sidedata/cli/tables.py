"""Tables and texts for people: plain columns, as wide as the terminal at most; elsewhere a line a row."""

import os
import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any, Final

import click
from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.table import Table
from rich.text import Text

_GAP: Final = "  "
_LEAST: Final = 20  # columns of a text beside its heading
_INDENT: Final = "    "


def print_table(columns: Iterable[str], rows: Iterable[Iterable[object]], *, title: str = "", empty: str = "") -> None:
    """Print rows under their headings, numbers aligned to the right; without rows print `empty`, if given, on stderr.

    Where a row is wider than the terminal, cells move to indented lines below and stay whole, so that an id can be copied; the last
    one may take several lines. Cells are folded only where one of the others is wider than the terminal by itself.
    """
    headings, lines = list(columns), [list(row) for row in rows]
    if empty and not lines:
        click.echo(empty, err=True)
        return
    cells = [[printable(str(cell)) for cell in line] for line in lines]
    numbers = [bool(lines) and all(isinstance(line[index], int) for line in lines) for index in range(len(headings))]
    widths = [max(map(cell_len, column)) for column in zip(headings, *cells, strict=True)]
    width = _available()
    if title:
        click.echo(title)
    if width is None or _total(widths) <= width:
        _print_lines(headings, cells, widths, numbers)
    elif max(widths[:-1], default=0) <= width - len(_INDENT):
        _print_lines_below(headings, cells, widths, numbers, width)
    else:
        _print_folded(headings, cells, numbers, width)


def print_text(heading: str, text: str, **style: Any) -> None:  # noqa: ANN401 - click's styles
    """Print a text beside its heading, which has the style; on a terminal it goes on below itself, as wide as that at most.

    Control characters are shown as escapes.
    """
    text = printable(text)
    width = _available()
    room = None if width is None else max(_LEAST, width - len(heading))
    lines = textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False) if room else [text]
    for index, line in enumerate(lines):
        click.echo(f"{' ' * len(heading) if index else click.style(heading, **style)}{line}")


def printable(text: str) -> str:
    """The text with escapes in place of control characters: names come from clients, and a terminal would obey them."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )


def _available() -> int | None:
    """The columns of the terminal, or the variable COLUMNS; None where the output goes elsewhere."""
    if sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdecimal():
        return shutil.get_terminal_size().columns
    return None


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(_GAP) * (len(widths) - 1)


def _line(cells: Sequence[str], widths: Sequence[int], numbers: Sequence[bool]) -> str:
    padded = (
        " " * (width - cell_len(cell)) + cell if number else set_cell_size(cell, width)
        for cell, width, number in zip(cells, widths, numbers, strict=True)
    )
    return _GAP.join(padded).rstrip()


def _print_lines(
    headings: Sequence[str], rows: Iterable[Sequence[str]], widths: Sequence[int], numbers: Sequence[bool]
) -> None:
    click.secho(_line(headings, widths, numbers), bold=True)
    for row in rows:
        click.echo(_line(row, widths, numbers))


def _print_lines_below(
    headings: Sequence[str],
    rows: Iterable[Sequence[str]],
    widths: Sequence[int],
    numbers: Sequence[bool],
    width: int,
) -> None:
    """Print each row on several lines, all but the first one indented; the last cell takes as many as it needs."""
    lines = _columns_by_line(widths, width)
    for columns in lines:
        click.secho(_part(headings, columns, widths, numbers), bold=True)
    for row in rows:
        for columns in lines:
            if columns == range(len(row) - 1, len(row)):
                part = textwrap.fill(row[-1], width, initial_indent=_INDENT, subsequent_indent=_INDENT)
            else:
                part = _part(row, columns, widths, numbers)
            if part.strip():
                click.echo(part)


def _columns_by_line(widths: Sequence[int], width: int) -> list[range]:
    """Share the columns out to lines of at most `width`, the indent of all but the first one included."""
    lines: list[range] = []
    start = 0
    for column in range(1, len(widths) + 1):
        indent = len(_INDENT) if start else 0
        if column == len(widths) or indent + _total(widths[start : column + 1]) > width:
            lines.append(range(start, column))
            start = column
    return lines


def _part(cells: Sequence[str], columns: range, widths: Sequence[int], numbers: Sequence[bool]) -> str:
    """The cells of some columns as one line, indented if it isn't the first."""
    here = slice(columns.start, columns.stop)
    return (_INDENT if columns.start else "") + _line(cells[here], widths[here], numbers[here])


def _print_folded(headings: Sequence[str], rows: Iterable[Sequence[str]], numbers: Sequence[bool], width: int) -> None:
    table = Table(box=None, pad_edge=False, padding=(0, 1))
    for heading, number in zip(headings, numbers, strict=True):
        table.add_column(heading, justify="right" if number else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))  # Text: a name with [brackets] is no markup
    Console(width=width).print(table)
