"""The lines of child processes on a terminal, each behind the name of its process."""

import asyncio
from typing import Final

import click

_COLOURS: Final = ("cyan", "magenta", "yellow", "green", "blue")
_WIDTH: Final = 6  # of "worker"
_CHUNK: Final = 1 << 16


def line_prefix(command: str, number: int) -> str:
    """The prefix of a command's lines, in the colour of the command's number."""
    return click.style(f"{command:<{_WIDTH}} | ", fg=_COLOURS[number % len(_COLOURS)])


async def relay(source: asyncio.StreamReader | None, prefix: str, *, err: bool) -> None:
    """Copy lines to stdout, or to stderr with `err`, until the source ends; a line may have any length."""
    assert source is not None  # noqa: S101 - it is a pipe
    rest = b""
    while chunk := await source.read(_CHUNK):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            _write(line, prefix, err=err)
    if rest:
        _write(rest, prefix, err=err)


def _write(line: bytes, prefix: str, *, err: bool) -> None:
    click.echo(prefix + line.decode(errors="replace"), err=err)
